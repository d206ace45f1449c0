"""From files to rows: everything that can be said of them without an inventory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from provisioner.importing.cells.findings import CellPosition, FileRefusedError, Finding
from provisioner.importing.cells.grid import Grid
from provisioner.importing.tables.file_grids import grids_of, read_file
from provisioner.importing.tables.records import Record, read_records
from provisioner.importing.tables.sheet import Sheet, Table, read_sheet


@dataclass(frozen=True)
class Sources:
    """What files hold.

    Attributes:
        files: as the user typed them.
        tables: every table that was found.
        records: every row of them.
        findings: what is wrong so far.
    """

    files: tuple[str, ...]
    tables: tuple[Table, ...]
    records: tuple[Record, ...]
    findings: tuple[Finding, ...]


def read_sources(paths: Iterable[Path]) -> Sources:
    """Read files; one that cannot be read is a finding, whatever it is."""
    sheets: list[Sheet] = []
    names: list[str] = []
    for path in paths:
        names.append(str(path))
        try:
            sheets += sheets_of(str(path), grids_of(read_file(path)))
        except FileRefusedError as refused:
            sheets.append(Sheet(findings=[Finding(CellPosition(str(path)), refused.remark)]))
    records, findings = read_records(sheets)
    tables = tuple(table for sheet in sheets for table in sheet.tables)
    return Sources(tuple(names), tables, tuple(records), tuple(findings))


def sheets_of(file: str, grids: Iterable[Grid]) -> list[Sheet]:
    """The sheets of a file; where none has a table, each one says so.

    Raises:
        FileRefusedError: its merged ranges are made to fill the memory.
    """
    numbered = [(grid, CellPosition(file, number, grid.name)) for number, grid in enumerate(grids, start=1)]
    sheets = [read_sheet(grid, spot, alone=False) for grid, spot in numbered]
    if any(sheet.tables for sheet in sheets):
        return sheets
    return [read_sheet(grid, spot, alone=True) for grid, spot in numbered]
