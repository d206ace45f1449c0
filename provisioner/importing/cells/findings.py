"""Findings in a spreadsheet, each with its cell. No finding holds a person's data or what may be a password."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from provisioner.importing.cells.grid import letter


class FindingLevel(StrEnum):
    """How much a finding matters: an error keeps its row out, a warning and a note do not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Remark:
    """What is to be said, without the place.

    Attributes:
        code: a stable id; `report.messages` has its sentences in every language.
        level: how much it matters.
        fills: what stands in the sentences' gaps, by name; each text is fit to be shown.
    """

    code: str
    level: FindingLevel = FindingLevel.ERROR
    fills: tuple[tuple[str, str], ...] = ()


def error(code: str, /, **fills: object) -> Remark:
    """A remark that keeps its row out."""
    return Remark(code, FindingLevel.ERROR, _texts(fills))


def warning(code: str, /, **fills: object) -> Remark:
    """A remark that somebody should look at."""
    return Remark(code, FindingLevel.WARNING, _texts(fills))


def note(code: str, /, **fills: object) -> Remark:
    """A remark that says what was done."""
    return Remark(code, FindingLevel.NOTE, _texts(fills))


def _texts(fills: dict[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in fills.items())


@dataclass(frozen=True, slots=True, order=True)
class CellPosition:
    """A place in a spreadsheet.

    Attributes:
        file: as the user typed it.
        number: which of the file's sheets, from 1; 0 for the file as a whole.
        sheet: the sheet's name; empty for CSV.
        row: 1-based; 0 where no row is concerned.
        column: 1-based; 0 where no cell is concerned.
        header: the column's header in Vietnamese.
    """

    file: str
    number: int = 0
    sheet: str = ""
    row: int = 0
    column: int = 0
    header: str = ""

    @property
    def cell(self) -> str:
        """The cell as Excel names it, e.g. `H12`; the row alone where no column is concerned."""
        return f"{letter(self.column)}{self.row or ''}"

    def __str__(self) -> str:
        place = f"{self.sheet}!{self.cell}" if self.sheet and self.cell else self.sheet or self.cell
        return f"{self.file}: {place}" if place else self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """A remark at a place.

    Attributes:
        position: where.
        remark: what.
        value: the cell's value, as far as it may be shown.
        object: the facility concerned, e.g. `facility/kcl-bg-001`.
    """

    position: CellPosition
    remark: Remark
    value: str = ""
    object: str = ""


class FileRefusedError(ValueError):
    """A file that cannot be read as a spreadsheet; the remark says why.

    Attributes:
        remark: what is wrong.
        number: the sheet that is to blame, from 1; 0 where it is the file as a whole.
        sheet: its name.
    """

    def __init__(self, remark: Remark, number: int = 0, sheet: str = "") -> None:
        super().__init__(remark.code)
        self.remark = remark
        self.number = number
        self.sheet = sheet


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings by place, each once."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda f: (f.position, f.remark.code, f.remark.fills)))
