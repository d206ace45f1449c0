"""Days as people and as Excel write them."""

from __future__ import annotations

import re
from datetime import date, timedelta

from provisioner.base.vietnamese import clean
from provisioner.importing.cells.findings import error, warning
from provisioner.importing.cells.grid import Cell
from provisioner.importing.forms.values import CellReading

_WRITTEN_DAY = re.compile(
    r"(?:ngày\s*)?([0-9]{1,2})\s*(?:[-/.]|tháng)\s*([0-9]{1,2})\s*(?:[-/.]|năm)\s*([0-9]{2}|[0-9]{4})"
)
_ISO_DAY = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})")
_CLOCK = re.compile(r"[ T][0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:\.0+)?$")
_SERIAL = re.compile("[0-9]{5}")
_EXCEL_BEGINS = date(1899, 12, 30)
_FIRST_SERIAL, _LAST_SERIAL = 36_526, 73_050  # 2000-01-01 and 2099-12-31
_FIRST_YEAR, _LAST_YEAR = 2000, 2099
_MONTHS = 12
_SHORT_YEAR = 2


def read_day(cell: Cell) -> CellReading:
    """Read a day: day before month, as Vietnam writes; a number is what Excel counts days by."""
    value = cell.value
    if isinstance(value, date):
        return _day(value.year, value.month, value.day)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_serial(value)
    return _from_text(clean(value)) if isinstance(value, str) else CellReading(None, (error("day-form"),))


def _from_text(text: str) -> CellReading:
    text = _CLOCK.sub("", text).strip()
    if _SERIAL.fullmatch(text):
        return _from_serial(int(text))
    if iso := _ISO_DAY.fullmatch(text):
        return _day(int(iso[1]), int(iso[2]), int(iso[3]))
    written = _WRITTEN_DAY.fullmatch(text.casefold())
    if written is None:
        return CellReading(None, (error("day-form"),))
    if len(written[3]) == _SHORT_YEAR:
        return CellReading(None, (error("day-short-year"),))
    if int(written[2]) > _MONTHS >= int(written[1]):
        return CellReading(None, (error("day-order"),))
    return _day(int(written[3]), int(written[2]), int(written[1]))


def _day(year: int, month: int, number: int) -> CellReading:
    try:
        day = date(year, month, number)
    except ValueError:
        return CellReading(None, (error("day-unreal"),))
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return CellReading(None, (error("day-unreal"),))
    return CellReading(day.isoformat())


def _from_serial(number: float) -> CellReading:
    if not _FIRST_SERIAL <= number <= _LAST_SERIAL:
        return CellReading(None, (error("day-form"),))
    day = _EXCEL_BEGINS + timedelta(days=int(number))
    return CellReading(day.isoformat(), (warning("day-serial", day=f"{day:%d/%m/%Y}"),))
