"""A sheet as cells in rows and columns, whatever file it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from openpyxl.utils import get_column_letter


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


_EXACT = 2**53


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


def letter(column: int) -> str:
    """A column's letters as Excel shows them: 1 is A."""
    return get_column_letter(column) if column else ""
