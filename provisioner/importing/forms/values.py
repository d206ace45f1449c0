"""From a cell to a value of the model: what people write, and what Excel makes of it. Nothing here raises."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from provisioner.base.private_text import holds_login, holds_markup, holds_personal_data, states_login
from provisioner.base.vietnamese import clean, fold
from provisioner.contacts.field import FieldReading
from provisioner.contacts.names import read_line
from provisioner.importing.cells.findings import FindingLevel, Remark, error, note, warning
from provisioner.importing.cells.grid import Cell
from provisioner.importing.forms.choices import NO_OBSTACLE, OBSTACLES, YES_NO, Choice, YesNo, word_key
from provisioner.importing.forms.doubt import is_doubtful, is_nothing
from provisioner.inventory.explanation.sentences import is_inside_a_room

NEW_SITE = "mới"
"""What stands for an id where a person says that a site is a new one; no id has marks."""
_NEW_SITES = frozenset({"moi", "new", "cosomoi"})

CellValue = str | int | float | bool | list[str] | tuple[int, int]
"""A value as the inventory's files have it: days and addresses are texts, a picture's size is width and height."""


@dataclass(frozen=True, slots=True)
class CellReading:
    """A cell as it was understood.

    Attributes:
        value: None where an error stands against it, or nothing is meant.
        remarks: one error, or any number of others.
    """

    value: CellValue | None
    remarks: tuple[Remark, ...] = ()


CellReader = Callable[[Cell], CellReading]

_UNITS = re.compile(
    r"\s*(?:người|phòng|tầng|camera|cam|cái|chiếc|kênh|mbps|mbit/s|mb/s|mb|kbps|kbit/s|kb|fps|hình/giây|khung)\s*$",
    re.IGNORECASE,
)
_GROUPED = re.compile(r"[0-9]{1,3}(?:[.][0-9]{3}){1,4}|[0-9]{1,3}(?:,[0-9]{3}){1,4}")
_RANGE = re.compile(r"[0-9]+\s*(?:-|\u2013|đến|tới|~|/)\s*[0-9]+")
_QUOTED = re.compile(r"'+[=+\-@]")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]*")
_LONGEST_ID = 63
_IN_ROOM = re.compile(
    r"(?:trong-|ben-trong-)?(?:phong-(?:o|ngu|cach-ly|benh|tam)|nha-tam|nha-ve-sinh|toilet|wc)(?:-|$)"
)


def unquoted(text: str) -> str:
    """A text without the quote that keeps a spreadsheet from taking it for a formula."""
    return text[1:] if _QUOTED.match(text) else text


def line(cell: Cell) -> CellReading:
    """Read one line of text that may stand in a facility's file: no password, no phone, no e-mail."""
    if isinstance(cell.value, bool | date | timedelta):
        return CellReading(None, (error("text-not-text"),))
    text = unquoted(cell.text)
    reading = reading_from(read_line(text))
    if reading.value is None:
        return reading
    code = _unfit(text)
    return CellReading(None, (error(code),)) if code else reading


def _unfit(text: str) -> str:
    """Why a text may not be taken over; empty where it may."""
    if states_login(text):
        return "password-in-text"
    if holds_personal_data(text):
        return "personal-in-text"
    if holds_markup(text):
        return "markup-in-text"
    return "text-like-a-password" if holds_login(text) else ""


def certain(cell: Cell) -> CellReading:
    """Read a part of what a site is known by; what says of itself that it is not sure is not taken."""
    reading = line(cell)
    doubtful = isinstance(reading.value, str) and is_doubtful(reading.value)
    return CellReading(None, (error("text-doubtful"),)) if doubtful else reading


def place(cell: Cell) -> CellReading:
    """Read a district, ward or street; a dash says that there is none."""
    if isinstance(cell.value, str) and is_nothing(cell.value):
        return CellReading(None, (note("place-none"),))
    return certain(cell)


def location(cell: Cell) -> CellReading:
    """Read where a camera hangs; the inside of a room is what order 4403/CV-BCĐ forbids."""
    reading = line(cell)
    if not isinstance(reading.value, str):
        return reading
    if is_inside_a_room(reading.value):
        return CellReading(None, (error("zone-forbidden"),))
    return CellReading(reading.value, (warning("location-room"),)) if _IN_ROOM.match(fold(reading.value)) else reading


def reading_from(reading: FieldReading) -> CellReading:
    """The reading of a cell by a reader of contacts; its suggestion is personal data and stays behind."""
    value = None if reading.value is None else reading.value.reveal()
    return CellReading(value, tuple(Remark(p.code, FindingLevel(p.severity.value)) for p in reading.problems))


def identifier(cell: Cell) -> CellReading:
    """Read an id; capitals, spaces and underscores are taken for what they stand for."""
    if not isinstance(cell.value, str):
        return CellReading(None, (error("id-number"),))
    text = clean(cell.value)
    value = fold(text)
    fits = _ID.fullmatch(text) and value and len(value) <= _LONGEST_ID
    return CellReading(value) if fits else CellReading(None, (error("id-form"),))


def site_identifier(cell: Cell) -> CellReading:
    """Read a facility's id, or the word that says that it is a new one."""
    if isinstance(cell.value, str) and word_key(cell.value) in _NEW_SITES:
        return CellReading(NEW_SITE)
    return identifier(cell)


def whole(least: int, most: int) -> CellReader:
    """The reader of a whole number."""

    def read(cell: Cell) -> CellReading:
        number, remarks = _number(cell)
        if number is None:
            return CellReading(None, remarks)
        if not float(number).is_integer():
            return CellReading(None, (error("number-not-whole"),))
        if not least <= number <= most:
            return CellReading(None, (error("number-range", least=least, most=most),))
        return CellReading(int(number), remarks)

    return read


def decimal(most: int) -> CellReader:
    """The reader of a positive number with a comma or a point."""

    def read(cell: Cell) -> CellReading:
        if isinstance(cell.value, str) and _GROUPED.fullmatch(_UNITS.sub("", clean(cell.value)).strip()):
            return CellReading(None, (error("number-ambiguous"),))
        number, remarks = _number(cell)
        if number is None:
            return CellReading(None, remarks)
        if not 0 < number <= most:
            return CellReading(None, (error("number-range", least=0, most=most),))
        return CellReading(int(number) if float(number).is_integer() else number, remarks)

    return read


def _number(cell: Cell) -> tuple[float | None, tuple[Remark, ...]]:
    value = cell.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (value, ()) if abs(value) < 10**12 else (None, (error("number-form"),))
    if not isinstance(value, str):
        return None, (error("number-day" if isinstance(value, date) else "number-form"),)
    text = _UNITS.sub("", clean(value)).strip()
    if _RANGE.fullmatch(text):
        return None, (error("number-several"),)
    if _GROUPED.fullmatch(text):
        number = int(re.sub("[.,]", "", text))
        return number, (warning("number-grouped", number=number),)
    if re.fullmatch(r"[0-9]{1,9}(?:[.,][0-9]{1,6})?", text):
        return float(text.replace(",", ".")), ()
    return None, (error("number-form"),)


def one_of(choice: Choice) -> CellReader:
    """The reader of a word from a list."""

    def read(cell: Cell) -> CellReading:
        value = choice.find(_word(cell))
        if value:
            return CellReading(value)
        return CellReading(None, (error("choice-unknown", allowed="; ".join(choice.labels)),))

    return read


def zone(choice: Choice) -> CellReader:
    """The reader of a zone; the inside of rooms, toilets and baths has a message of its own."""

    def read(cell: Cell) -> CellReading:
        if is_inside_a_room(_word(cell)):
            return CellReading(None, (error("zone-forbidden"),))
        return one_of(choice)(cell)

    return read


def obstacle(cell: Cell) -> CellReading:
    """Read what blocks a facility; `no obstacle` is an answer too: an empty text."""
    return CellReading("") if word_key(_word(cell)) in NO_OBSTACLE else one_of(OBSTACLES)(cell)


def some_of(choice: Choice) -> CellReader:
    """The reader of several words in one cell, parted by semicolons, commas or line breaks."""

    def read(cell: Cell) -> CellReading:
        chosen: list[str] = []
        for part in re.split(r"[;\n\r+]|\bvà\b", _word(cell)):
            values = _comma_parts(part, choice) if part.strip() else ()
            if values is None:
                return CellReading(None, (error("choice-unknown", allowed="; ".join(choice.labels)),))
            chosen += values
        return CellReading(list(dict.fromkeys(chosen)))

    return read


def _comma_parts(text: str, choice: Choice) -> tuple[str, ...] | None:
    """Part a text at commas, but not within a word of the list that has a comma itself; the longest comes first."""
    pieces = text.split(",")
    for length in range(len(pieces), 0, -1):
        value = choice.find(",".join(pieces[:length]))
        if value:
            rest = _comma_parts(",".join(pieces[length:]), choice) if pieces[length:] else ()
            return None if rest is None else (value, *rest)
    return None if text.strip() else ()


def yes_no(cell: Cell) -> CellReading:
    """Read a mark."""
    reading = one_of(YES_NO)(cell)
    return reading if reading.value is None else CellReading(reading.value == YesNo.YES)


def _word(cell: Cell) -> str:
    return unquoted(cell.text)
