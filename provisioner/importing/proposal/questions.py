"""Questions that only a person can answer: is a row a site that is there, under another name, or a site of its own?

The answer stands in the row's column Mã cơ sở: the id of the site that is there, or `mới` for a site of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from provisioner.importing.cells.findings import CellPosition


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
