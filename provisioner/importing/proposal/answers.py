"""Questions for a person, and the answers. Pure.

The question: is a row a known site under another name, or a site of its own? The answer comes beside the sheets, and
counts as the row's column Mã cơ sở: the site's id, or `mới` for a site of its own.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from provisioner.base.errors import UsageError
from provisioner.importing.forms.columns import FormKind
from provisioner.importing.forms.values import site_identifier
from provisioner.importing.grid import Cell, CellPosition
from provisioner.importing.tables.files import ReadRow

_ANSWER = re.compile(r"(?:(?P<sheet>.+)!)?[A-Za-z]{0,3}(?P<row>[0-9]{1,6})=(?P<site>.+)")


@dataclass(frozen=True)
class Answer:
    """A row's site as typed: its id, or the new-site word."""

    text: str
    sheet: str  #: Empty with only one list.
    row: int
    site: str


class QuestionKind(StrEnum):
    """The kind of a question."""

    TWIN = "twin"  #: Two sites of one name that a missing value could distinguish.
    RENAME = "rename"  #: A site whose name or place is like another's.
    MISSING = "missing"  #: A site of the inventory that its province's list lacks.
    CAMERA = "camera-missing"  #: A camera of the inventory that its site's list of devices lacks.


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
    """A site that a row may be."""

    facility: str  #: Empty for a row without an id.
    name: str
    address: str
    reasons: tuple[Why, ...]
    row: CellPosition | None = None  #: The position of a site of the sheets.


@dataclass(frozen=True)
class Question:
    """A question about a row, or a site or camera without one."""

    kind: QuestionKind
    position: CellPosition  #: The cell for the answer; the sheet for a missing site or camera.
    name: str  #: The row's name if a candidate's is like it, or the missing one's.
    facility: str = ""  #: The missing site, or the missing camera's; else empty.
    candidates: tuple[Candidate, ...] = ()  #: Best first.
    bare: bool = False  #: Whether the row gives no place.

    @property
    def holds_a_row(self) -> bool:
        """Return whether a row waits for the answer."""
        return self.kind not in {QuestionKind.MISSING, QuestionKind.CAMERA}


def read_answer(text: str) -> Answer:
    """Parse an answer (`12=kcl-bg-001`, `Cơ sở!12=new`), or raise `UsageError`."""
    match = _ANSWER.fullmatch(text.strip())
    reading = site_identifier(Cell(1, 1, match["site"])) if match else None
    if match is None or reading is None or not isinstance(reading.value, str):
        raise UsageError("--answer is ROW=ID or ROW=new", hint="write it like 12=kcl-bg-001, or Cơ sở!12=new")
    return Answer(text, match["sheet"] or "", int(match["row"]), reading.value)


def answered(records: Iterable[ReadRow], answers: Iterable[Answer]) -> list[ReadRow]:
    """Return rows with answers; misplaced, ambiguous or second ones raise `UsageError`."""
    rows = list(records)
    by_row: dict[int, Answer] = {}
    for answer in answers:
        first = by_row.setdefault(_index_of_row(rows, answer), answer)
        if first.site != answer.site:
            message = f"--answer {answer.text}: row {answer.row} has another answer as well: {first.text}"
            raise UsageError(message, hint="give each row one answer")
    return [_with_id(row, by_row[place].site) if place in by_row else row for place, row in enumerate(rows)]


def _index_of_row(rows: list[ReadRow], answer: Answer) -> int:
    fitting = [
        number
        for number, row in enumerate(rows)
        if row.kind is FormKind.FACILITIES
        and row.number == answer.row
        and answer.sheet in {"", row.position.sheet, row.position.file, _file_and_sheet(row)}
    ]
    if len(fitting) != 1:
        several = "several sheets have such a row" if fitting else "no list of facilities has such a row"
        sheets = ", ".join(sorted({_file_and_sheet(row) for row in rows if row.kind is FormKind.FACILITIES}))
        raise UsageError(f"--answer {answer.text}: {several}", hint=f"name one of {sheets}: SHEET!ROW=ID")
    return fitting[0]


def _file_and_sheet(row: ReadRow) -> str:
    return ":".join(filter(None, (row.position.file, row.position.sheet)))


def _with_id(row: ReadRow, site: str) -> ReadRow:
    return replace(row, values={**row.values, "facility_id": site}, filled=row.filled | {"facility_id"})
