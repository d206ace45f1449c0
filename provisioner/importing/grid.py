"""A sheet as cells, its findings, and limits of reading.

The limits exceed every province's needs and protect the machine. A finding never contains personal data or a possible
password.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from openpyxl.utils import get_column_letter

_EXACT = 2**53
MAX_FILE_BYTES = 20 * 1024 * 1024
#: For all XML parts of a workbook: a zip of a few kilobytes can unpack to gigabytes.
MAX_UNPACKED_BYTES = 48 * 1024 * 1024
MAX_PART_BYTES = 24 * 1024 * 1024  #: For one sheet, or for the shared texts.
#: For any other part: a list of a million names takes longer to read than a sheet of the same size.
MAX_OTHER_BYTES = 2 * 1024 * 1024
MAX_ELEMENTS = 850_000  #: XML elements of a file's sheets and shared texts; a filled cell has three or four.
MAX_ROW_ELEMENTS = 100_000  #: For one row; Excel has 16,384 columns.
MAX_NAMES = 1_000  #: Different attribute names in a sheet; each stays in memory.
MAX_ADDRESS = 256  #: Characters of a namespace's address, which is in memory with each name.
MAX_RARE_ELEMENTS = 100_000  #: Elements other than rows and cells: rules, links, merged ranges, coloured letters.
MAX_OTHER_TAGS = 40_000  #: Tags of a part other than sheets, texts and styles: list of sheets, names, relations.
MAX_TAG_BYTES = 256 * 1024  #: For one tag with its attributes, or one comment.
MAX_PARTS = 2_000
MAX_SHEETS = 40
MAX_ROWS = 10_000  #: For one sheet. The whole country had some 15,000 cameras in 2021; a province has a few hundred.
MAX_COLUMNS = 200
MAX_CELLS = 200_000  #: For one file, without empty cells.
MAX_MERGED = 20_000
MAX_TEXT = 2_000  #: Characters of one cell; longer texts are no values of an inventory.
HEADER_ROWS = 20  #: The first table's header is within so many rows.


class CellState(Enum):
    """The validity of a cell's value."""

    PLAIN = "plain"
    FORMULA = "formula"  #: A formula that was never calculated has no value.
    BROKEN = "broken"  #: Excel's own error, such as #REF!.


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell (1-based); no `repr` shows its maybe personal value."""

    row: int
    column: int
    value: object = field(default=None, repr=False)
    state: CellState = CellState.PLAIN

    @property
    def is_empty(self) -> bool:
        """Return whether the cell is blank."""
        if self.state is not CellState.PLAIN:
            return False
        return self.value is None or (isinstance(self.value, str) and not self.value.strip())

    @property
    def text(self) -> str:
        """The value as text; a whole number as Excel shows it."""
        if isinstance(self.value, float) and self.value.is_integer() and abs(self.value) < _EXACT:
            return str(int(self.value))
        return "" if self.value is None else str(self.value)


@dataclass(frozen=True, slots=True)
class MergedRange:
    """A range of cells that show the first one's value; 1-based, inclusive."""

    first_row: int
    first_column: int
    last_row: int
    last_column: int

    def holds(self, row: int, column: int) -> bool:
        """Return whether a cell is in the range."""
        return self.first_row <= row <= self.last_row and self.first_column <= column <= self.last_column


@dataclass(frozen=True)
class Grid:
    """One sheet: its name (empty for CSV), filled cells, merged ranges."""

    name: str
    rows: Mapping[int, Mapping[int, Cell]] = field(repr=False)
    merged: tuple[MergedRange, ...] = ()
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()
    hidden: bool = False
    struck: frozenset[tuple[int, int]] = frozenset()  #: Rows and columns of cells with crossed-out text.
    comments: Mapping[tuple[int, int], str] = field(default_factory=dict, repr=False)  #: By row and column.

    def at(self, row: int, column: int) -> Cell:
        """Return a cell, or an empty one."""
        return self.rows.get(row, {}).get(column) or Cell(row, column)


class FindingLevel(StrEnum):
    """The weight of a finding: errors and questions exclude their row."""

    ERROR = "error"
    QUESTION = "question"  #: The sheet says something that only a person can decide.
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding without its position; `fills` are showable values of its sentence."""

    code: str
    level: FindingLevel = FindingLevel.ERROR
    fills: tuple[tuple[str, str], ...] = ()

    @property
    def excludes(self) -> bool:
        """Return whether its row is not written."""
        return self.level in {FindingLevel.ERROR, FindingLevel.QUESTION}


@dataclass(frozen=True, slots=True, order=True)
class CellPosition:
    """A position in a spreadsheet."""

    file: str  #: As the user typed it.
    number: int = 0  #: The sheet's number, from 1; 0 for the whole file.
    sheet: str = ""  #: The sheet's name; empty for CSV.
    row: int = 0  #: 1-based, or 0; `column` likewise.
    column: int = 0
    header: str = ""  #: The column's header in Vietnamese.

    @property
    def cell(self) -> str:
        """The cell as Excel names it, e.g. `H12`, or the row."""
        return f"{letter(self.column)}{self.row or ''}"

    def __str__(self) -> str:
        place = f"{self.sheet}!{self.cell}" if self.sheet and self.cell else self.sheet or self.cell
        return f"{self.file}: {place}" if place else self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """A remark at a position, with the showable value and the object."""

    position: CellPosition
    remark: Remark
    value: str = ""
    object: str = ""


class FileRefusedError(ValueError):
    """An unreadable spreadsheet; `number` is the sheet from 1, or 0."""

    def __init__(self, remark: Remark, number: int = 0, sheet: str = "") -> None:
        super().__init__(remark.code)
        self.remark = remark
        self.number = number
        self.sheet = sheet


def letter(column: int) -> str:
    """Return a column's letters as in Excel: 1 is A."""
    return get_column_letter(column) if column else ""


def error(code: str, /, **fills: object) -> Remark:
    """Return a remark that excludes its row."""
    return Remark(code, FindingLevel.ERROR, _texts(fills))


def question(code: str, /, **fills: object) -> Remark:
    """Return a remark that excludes its row until a person decides."""
    return Remark(code, FindingLevel.QUESTION, _texts(fills))


def warning(code: str, /, **fills: object) -> Remark:
    """Return a remark that a person should check."""
    return Remark(code, FindingLevel.WARNING, _texts(fills))


def note(code: str, /, **fills: object) -> Remark:
    """Return a remark about an automatic step."""
    return Remark(code, FindingLevel.NOTE, _texts(fills))


def _texts(fills: dict[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in fills.items())


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings by position, each once."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda f: (f.position, f.remark.code, f.remark.fills)))
