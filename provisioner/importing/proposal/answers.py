"""Questions that only a person can answer, and the answers. Pure.

The question: is a row a site that is there, under another name, or a site of its own? The answer is given beside the
sheets, and counts as if it stood in the row's column Mã cơ sở: the id of the site, or `mới` for a site of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from provisioner.base.errors import UsageError
from provisioner.importing.forms.columns import FormKind
from provisioner.importing.forms.values import site_identifier
from provisioner.importing.grid import Cell, CellPosition
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


class QuestionKind(StrEnum):
    """What is asked."""

    TWIN = "twin"
    """Two sites have one name, and what would tell them apart is missing on one side."""
    RENAME = "rename"
    """A site has a name, or a place, that is like that of another one."""
    MISSING = "missing"
    """A site of the inventory is not in the list of its province."""


class Why(StrEnum):
    """Why a site is a candidate."""

    SAME_NAME = "same-name"
    OTHER_MARKS = "other-marks"
    LIKE_NAME = "like-name"
    LONGER_NAME = "longer-name"
    SAME_WARD = "same-ward"
    SAME_STREET = "same-street"
    PLACE_MISSING = "place-missing"
    PLACE_LIKE = "place-like"
    MANY_NAMESAKES = "many-namesakes"
    LISTED = "listed"
    NOT_LISTED = "not-listed"
    NOT_THIS_ID = "not-this-id"


@dataclass(frozen=True, order=True)
class Candidate:
    """A site that a row may be.

    Attributes:
        facility: its id; empty for a row of the sheets that has none yet.
        name: its name.
        address: street, ward and district, as far as they are known.
        reasons: why it is one.
        row: the place of the row that it is, where it is a row of the sheets.
    """

    facility: str
    name: str
    address: str
    reasons: tuple[Why, ...]
    row: CellPosition | None = None


@dataclass(frozen=True)
class Question:
    """A question about a row, or about a site that no row is about.

    Attributes:
        kind: what is asked.
        position: the cell for the answer; the sheet, where a site is missing from it.
        name: the row's name, where a candidate has one like it; the site's name, where it is missing.
        facility: the site that is missing; empty otherwise.
        candidates: what the row may be, best first.
        bare: whether the row says nothing of its place.
    """

    kind: QuestionKind
    position: CellPosition
    name: str
    facility: str = ""
    candidates: tuple[Candidate, ...] = ()
    bare: bool = False

    @property
    def holds_a_row(self) -> bool:
        """Whether a row waits for the answer."""
        return self.kind is not QuestionKind.MISSING


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
