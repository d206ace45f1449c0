"""A table of a sheet: rows of cells by the keys of their columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from provisioner.importing.cells.findings import CellPosition, Finding
from provisioner.importing.cells.grid import Cell
from provisioner.importing.forms.columns import Form


@dataclass(frozen=True)
class TableRow:
    """A row of data: its cells by the keys of their columns, empty ones left out."""

    number: int
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class Table:
    """A table of a sheet.

    Attributes:
        position: the sheet.
        form: what it describes.
        header_row: the last row of its header.
        places: the number of each key's column.
        rows: its data.
    """

    position: CellPosition
    form: Form
    header_row: int
    places: Mapping[str, int]
    rows: tuple[TableRow, ...]

    def at(self, row: int, key: str = "") -> CellPosition:
        """The place of a row's cell; of the row where the table has no such column."""
        place = self.places.get(key, 0)
        header = self.form.by_key[key].header if key in self.form.by_key else ""
        return replace(self.position, row=row, column=place, header=header)


@dataclass
class SheetTables:
    """The tables of one sheet, with what is wrong in it."""

    tables: list[Table] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
