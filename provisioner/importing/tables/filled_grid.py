"""A grid in which merged cells show what they show in Excel: the value of the range's first cell."""

from __future__ import annotations

from functools import cached_property

from provisioner.importing.cells.findings import FileRefusedError, error
from provisioner.importing.cells.grid import Cell, Grid, MergedRange
from provisioner.importing.cells.limits import MAX_CELLS


class FilledGrid:
    """Look-up of cells with the merged range that they are part of."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        """The rows that hold something, in order."""
        return tuple(sorted(number for number, cells in self.grid.rows.items() if cells))

    @cached_property
    def _merged(self) -> dict[int, list[MergedRange]]:
        """Merged ranges by row, as far down as there are values.

        Raises:
            FileRefusedError: they are made to fill the memory.
        """
        last = self.numbers[-1] if self.numbers else 0
        by_row: dict[int, list[MergedRange]] = {}
        room = MAX_CELLS
        for merged in self.grid.merged:
            rows = range(merged.first_row, min(merged.last_row, last) + 1)
            room -= len(rows)
            if room < 0:
                raise FileRefusedError(error("file-too-many-cells", limit=MAX_CELLS))
            for row in rows:
                by_row.setdefault(row, []).append(merged)
        return by_row

    def merged_at(self, row: int, column: int) -> MergedRange | None:
        """The merged range that a cell is part of."""
        return next((merged for merged in self._merged.get(row, ()) if merged.holds(row, column)), None)

    def merged_across(self, row: int) -> int:
        """How many columns the widest merged range of a row joins."""
        return max((m.last_column - m.first_column + 1 for m in self._merged.get(row, ())), default=1)

    def below(self, row: int, column: int) -> Cell | None:
        """What a cell shows because a merged range of its own column begins further up; None if none does."""
        merged = self.merged_at(row, column)
        if merged is None or merged.first_row == row or merged.first_column != column:
            return None
        first = self.grid.at(merged.first_row, column)
        return Cell(row, column, first.value, first.state)

    def cell(self, row: int, column: int) -> Cell:
        """A cell as Excel shows it."""
        return self.below(row, column) or self.grid.at(row, column)
