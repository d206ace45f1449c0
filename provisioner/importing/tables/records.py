"""From a row to values of the model, with each cell's findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from provisioner.base.vietnamese import read_legacy
from provisioner.importing.forms.columns import Column, FormKind
from provisioner.importing.forms.values import NEW_SITE, CellReading, CellValue
from provisioner.importing.grid import MAX_TEXT, Cell, CellPosition, CellState, Finding, FindingLevel, Remark, error
from provisioner.importing.tables.sheet_reader import SheetTables, Table, TableRow

RowPlace = tuple[str, int, int]
"""File, sheet and row."""


@dataclass(frozen=True)
class ReadRow:
    """A row that was read; its values may be personal data.

    `is_valid` means that no cell has an error; `filled` are columns with content, readable or not.
    """

    table: Table = field(repr=False)
    number: int
    values: Mapping[str, CellValue] = field(repr=False)
    is_valid: bool
    filled: frozenset[str] = frozenset()

    @property
    def kind(self) -> FormKind:
        """The row's subject."""
        return self.table.form.kind

    @cached_property
    def position(self) -> CellPosition:
        """The row's position."""
        return self.table.at(self.number)

    @cached_property
    def place(self) -> RowPlace:
        """File, sheet and row."""
        return self.table.position.file, self.table.position.number, self.number

    @property
    def has_facility_id(self) -> bool:
        """Return whether the row names its facility by an id."""
        return self.values.get("facility_id") not in (None, NEW_SITE)

    def at(self, key: str) -> CellPosition:
        """Return the position of a column's cell, or of the row."""
        return self.table.at(self.number, self.column(key))

    def column(self, key: str) -> str:
        """Return a key's column: row-per-stream tables have `size` for `sub_size`."""
        bare = key.partition("_")[2]
        return bare if key not in self.table.places and bare in self.table.places else key

    def get(self, key: str) -> CellValue | None:
        """Return a value, or `None`."""
        return self.values.get(key)

    def text(self, key: str) -> str | None:
        """Return a text, id, day or word; other values raise `TypeError`."""
        value = self.values.get(key)
        if value is None or isinstance(value, str):
            return value
        raise TypeError(f"{key} is no column of texts")

    def required_text(self, key: str) -> str:
        """Return the text of a filled cell; an empty one raises `LookupError`."""
        text = self.text(key)
        if text is None:
            raise LookupError(key)
        return text

    def finding(self, remark: Remark, key: str = "", facility: str = "") -> Finding:
        """Return a finding in a cell; its value may be shown."""
        column, value = self.table.form.by_key.get(key), self.values.get(key)
        showable = column.show(str(value)) if column and value is not None else ""
        return Finding(self.at(key), remark, showable, f"facility/{facility}" if facility else "")


def read_records(sheets: Iterable[SheetTables]) -> tuple[list[ReadRow], list[Finding]]:
    """Return the rows of sheets, and every finding so far."""
    rows: list[ReadRow] = []
    findings: list[Finding] = []
    for sheet in sheets:
        findings += sheet.findings
        bad_cells = {
            (f.position.row, f.position.column) for f in sheet.findings if f.remark.level is FindingLevel.ERROR
        }
        for table in sheet.tables:
            for row in table.rows:
                values, of_row = _values_and_findings(table, row)
                errors = any(f.remark.level is FindingLevel.ERROR for f in of_row)
                bad_keys = {key for key, place in table.places.items() if (row.number, place) in bad_cells}
                filled = frozenset({*row.cells, *bad_keys})
                rows.append(ReadRow(table, row.number, values, not errors and not bad_keys, filled))
                findings += of_row
    return rows, findings


def _values_and_findings(table: Table, row: TableRow) -> tuple[dict[str, CellValue], list[Finding]]:
    values: dict[str, CellValue] = {}
    findings: list[Finding] = []
    for key, cell in row.cells.items():
        column = table.form.by_key[key]
        if not column.stored and not column.tells:
            continue
        reading = _cell_reading(cell, column)
        if not column.stored and reading.remarks:
            continue  # it may be anything, and nothing of it is kept
        if reading.value is not None:
            values[key] = reading.value
        showable = column.show(cell.text) if reading.remarks else ""
        findings += [Finding(table.at(row.number, key), remark, showable) for remark in reading.remarks]
    return values, findings


def _cell_reading(cell: Cell, column: Column) -> CellReading:
    if cell.state is not CellState.PLAIN:
        return CellReading(None, (error("formula-no-value" if cell.state is CellState.FORMULA else "cell-broken"),))
    if isinstance(cell.value, str):
        if len(cell.value) > MAX_TEXT:
            return CellReading(None, (error("text-too-long"),))
        if legacy := read_legacy(cell.value):
            return CellReading(None, (error("text-encoding", encoding=legacy.encoding),))
    return column.read(cell)
