"""From a row to values of the model, with what is wrong in each cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioner.base.vietnamese import read_legacy
from provisioner.importing.cells.findings import CellPosition, Finding, Level, Remark, error
from provisioner.importing.cells.grid import Cell, CellState
from provisioner.importing.cells.limits import MAX_TEXT
from provisioner.importing.forms.columns import Column, Kind
from provisioner.importing.forms.values import Taken
from provisioner.importing.tables.sheet import Sheet, Table, TableRow


@dataclass(frozen=True)
class Record:
    """A row that was read.

    Attributes:
        table: its table.
        number: its row.
        values: what was understood, by key; it may be personal data.
        sound: whether no cell of it has an error.
        filled: the columns in which something stands, understood or not.
    """

    table: Table = field(repr=False)
    number: int
    values: Mapping[str, Any] = field(repr=False)
    sound: bool
    filled: frozenset[str] = frozenset()

    @property
    def kind(self) -> Kind:
        """What the row describes."""
        return self.table.form.kind

    @property
    def spot(self) -> CellPosition:
        """The row."""
        return self.table.at(self.number)

    def at(self, key: str) -> CellPosition:
        """The row's cell in a column; the row itself where the table has no such column."""
        return self.table.at(self.number, self.column(key))

    def column(self, key: str) -> str:
        """The column that a key's value is in: a table with a row a stream has `size` for `sub_size`."""
        bare = key.partition("_")[2]
        return bare if key not in self.table.places and bare in self.table.places else key

    def get(self, key: str) -> Any:
        """A value; None where there is none."""
        return self.values.get(key)

    def finding(self, remark: Remark, key: str = "", facility: str = "") -> Finding:
        """A finding in one of the row's cells, with its value as far as that may be shown."""
        column, value = self.table.form.by_key.get(key), self.values.get(key)
        shown = column.show(str(value)) if column and value is not None else ""
        return Finding(self.at(key), remark, shown, f"facility/{facility}" if facility else "")


def read_records(sheets: Iterable[Sheet]) -> tuple[list[Record], list[Finding]]:
    """The rows of sheets, and everything found so far."""
    records: list[Record] = []
    findings: list[Finding] = []
    for sheet in sheets:
        findings += sheet.findings
        spoiled = {(f.spot.row, f.spot.column) for f in sheet.findings if f.remark.level is Level.ERROR}
        for table in sheet.tables:
            for row in table.rows:
                values, found = _read(table, row)
                errors = any(f.remark.level is Level.ERROR for f in found)
                told = {key for key, place in table.places.items() if (row.number, place) in spoiled}
                filled = frozenset({*row.cells, *told})
                records.append(Record(table, row.number, values, not errors and not told, filled))
                findings += found
    return records, findings


def _read(table: Table, row: TableRow) -> tuple[dict[str, Any], list[Finding]]:
    values: dict[str, Any] = {}
    findings: list[Finding] = []
    for key, cell in row.cells.items():
        column = table.form.by_key[key]
        if not column.kept:
            continue
        taken = _taken(cell, column)
        if taken.value is not None:
            values[key] = taken.value
        shown = column.show(cell.text) if taken.remarks else ""
        findings += [Finding(table.at(row.number, key), remark, shown) for remark in taken.remarks]
    return values, findings


def _taken(cell: Cell, column: Column) -> Taken:
    if cell.state is not CellState.PLAIN:
        return Taken(None, (error("formula-no-value" if cell.state is CellState.FORMULA else "cell-broken"),))
    if isinstance(cell.value, str):
        if len(cell.value) > MAX_TEXT:
            return Taken(None, (error("text-too-long"),))
        if found := read_legacy(cell.value):
            return Taken(None, (error("text-encoding", encoding=found.encoding),))
    return column.read(cell)
