"""Answers that are given beside the sheets; each is put into its row as if it stood in the column Mã cơ sở. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from provisioner.base.errors import UsageError
from provisioner.importing.cells.grid import Cell
from provisioner.importing.forms.columns import FormKind
from provisioner.importing.forms.values import site_identifier
from provisioner.importing.tables.records import Record

_ANSWER = re.compile(r"(?:(?P<sheet>.+)!)?[A-Za-z]{0,3}(?P<row>[0-9]{1,6})=(?P<site>.+)")


@dataclass(frozen=True)
class Answer:
    """What a row is.

    Attributes:
        text: as it was typed.
        sheet: file or sheet of the row; empty where there is one list alone.
        row: the row's number.
        site: the id of the site that it is, or the word for a new one.
    """

    text: str
    sheet: str
    row: int
    site: str


def read_answer(text: str) -> Answer:
    """An answer as it is typed: `12=kcl-bg-001`, `Cơ sở!12=new`.

    Raises:
        UsageError: it is none.
    """
    match = _ANSWER.fullmatch(text.strip())
    reading = site_identifier(Cell(1, 1, match["site"])) if match else None
    if match is None or reading is None or not isinstance(reading.value, str):
        raise UsageError("--answer is ROW=ID or ROW=new", hint="write it like 12=kcl-bg-001, or Cơ sở!12=new")
    return Answer(text, match["sheet"] or "", int(match["row"]), reading.value)


def answered(records: Iterable[Record], answers: Iterable[Answer]) -> list[Record]:
    """The rows, with answers in them.

    Raises:
        UsageError: an answer is about no row of a list of facilities, or about several; or a row has two.
    """
    rows = list(records)
    by_row: dict[int, Answer] = {}
    for answer in answers:
        first = by_row.setdefault(_row_of(rows, answer), answer)
        if first.site != answer.site:
            message = f"--answer {answer.text}: row {answer.row} has another answer as well: {first.text}"
            raise UsageError(message, hint="give each row one answer")
    return [_with_id(record, by_row[place].site) if place in by_row else record for place, record in enumerate(rows)]


def _row_of(rows: list[Record], answer: Answer) -> int:
    """The place among the rows of the one that an answer is about."""
    fitting = [
        number
        for number, record in enumerate(rows)
        if record.kind is FormKind.FACILITIES
        and record.number == answer.row
        and answer.sheet in {"", record.position.sheet, record.position.file, _file_and_sheet(record)}
    ]
    if len(fitting) != 1:
        several = "several sheets have such a row" if fitting else "no list of facilities has such a row"
        sheets = ", ".join(sorted({_file_and_sheet(record) for record in rows if record.kind is FormKind.FACILITIES}))
        raise UsageError(f"--answer {answer.text}: {several}", hint=f"name one of {sheets}: SHEET!ROW=ID")
    return fitting[0]


def _file_and_sheet(record: Record) -> str:
    return ":".join(filter(None, (record.position.file, record.position.sheet)))


def _with_id(record: Record, site: str) -> Record:
    return replace(record, values={**record.values, "facility_id": site}, filled=record.filled | {"facility_id"})
