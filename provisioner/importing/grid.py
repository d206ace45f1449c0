"""A sheet as cells, its findings, and bounds of reading.

The bounds are more than any province has, and less than what would hold a machine up. No finding holds a person's data
or what may be a password.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from openpyxl.utils import get_column_letter

_EXACT = 2**53
MAX_FILE_BYTES = 20 * 1024 * 1024
MAX_UNPACKED_BYTES = 48 * 1024 * 1024
"""Of all XML parts of a workbook together: a zip of a few kilobytes can unpack to gigabytes."""
MAX_PART_BYTES = 24 * 1024 * 1024
"""Of one sheet, or of the texts that sheets share."""
MAX_OTHER_BYTES = 2 * 1024 * 1024
"""Of any other part: a list of a million names takes longer to read than a sheet of the same size."""
MAX_ELEMENTS = 850_000
"""XML elements of a file's sheets and of the texts that they share; a filled cell has three or four."""
MAX_ROW_ELEMENTS = 100_000
"""Of one row; Excel has 16,384 columns."""
MAX_NAMES = 1_000
"""Different names of attributes in a sheet; each stays in memory."""
MAX_ADDRESS = 256
"""Characters of a namespace's address; they are in memory with each name of that namespace."""
MAX_RARE_ELEMENTS = 100_000
"""Elements that are neither rows nor cells: rules, links, merged ranges, coloured letters."""
MAX_OTHER_TAGS = 40_000
"""Tags of a part that is neither a sheet nor holds its texts or styles: sheets, names, relations."""
MAX_TAG_BYTES = 256 * 1024
"""Of one tag with its attributes, or of one comment."""
MAX_PARTS = 2_000
MAX_SHEETS = 40
MAX_ROWS = 10_000
"""Of one sheet. The whole country had some 15,000 cameras in 2021; a province has a few hundred."""
MAX_COLUMNS = 200
MAX_CELLS = 200_000
"""Of one file, empty ones not counted."""
MAX_MERGED = 20_000
MAX_TEXT = 2_000
"""Characters of one cell; whatever is longer is no value of an inventory."""
HEADER_ROWS = 20
"""How far down the header of a sheet's first table is looked for."""


class CellState(Enum):
    """What a cell's value is worth."""

    PLAIN = "plain"
    FORMULA = "formula"
    """A formula whose result was never calculated: there is no value."""
    BROKEN = "broken"
    """Excel's own error, such as #REF!."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes:
        row: 1-based.
        column: 1-based.
        value: a text, number, boolean, day, time, or None. It may be anybody's data: never part of a `repr`.
        state: what the value is worth.
    """

    row: int
    column: int
    value: object = field(default=None, repr=False)
    state: CellState = CellState.PLAIN

    @property
    def is_empty(self) -> bool:
        """Whether nobody wrote anything here."""
        if self.state is not CellState.PLAIN:
            return False
        return self.value is None or (isinstance(self.value, str) and not self.value.strip())

    @property
    def text(self) -> str:
        """The value as a text, as it was read; a number without decimals as Excel shows it."""
        if isinstance(self.value, float) and self.value.is_integer() and abs(self.value) < _EXACT:
            return str(int(self.value))
        return "" if self.value is None else str(self.value)


@dataclass(frozen=True, slots=True)
class MergedRange:
    """A range of cells that show the value of the first one; 1-based, both ends are in it."""

    first_row: int
    first_column: int
    last_row: int
    last_column: int

    def holds(self, row: int, column: int) -> bool:
        """Tell whether a cell is in the range."""
        return self.first_row <= row <= self.last_row and self.first_column <= column <= self.last_column


@dataclass(frozen=True)
class Grid:
    """One sheet.

    Attributes:
        name: the sheet's name; empty for CSV.
        rows: cells that hold something, by row and column.
        merged: merged ranges of more than one cell.
        hidden_rows: rows that nobody sees in Excel.
        hidden_columns: columns that nobody sees.
        hidden: whether the sheet itself is hidden.
    """

    name: str
    rows: Mapping[int, Mapping[int, Cell]] = field(repr=False)
    merged: tuple[MergedRange, ...] = ()
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()
    hidden: bool = False

    def at(self, row: int, column: int) -> Cell:
        """A cell; an empty one where there is nothing."""
        return self.rows.get(row, {}).get(column) or Cell(row, column)


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


def letter(column: int) -> str:
    """A column's letters as Excel shows them: 1 is A."""
    return get_column_letter(column) if column else ""


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


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings by place, each once."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda f: (f.position, f.remark.code, f.remark.fills)))
