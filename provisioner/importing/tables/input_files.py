"""The files of an import, read: everything that can be said of them without an inventory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from provisioner.importing.cells.findings import CellPosition, FileRefusedError, Finding
from provisioner.importing.cells.grid import Grid
from provisioner.importing.tables.file_grids import grids_of, read_file
from provisioner.importing.tables.records import Record, read_records
from provisioner.importing.tables.sheet_reader import read_sheet
from provisioner.importing.tables.table import SheetTables, Table


@dataclass(frozen=True)
class InputFiles:
    """The files of an import, as far as they were understood.

    Attributes:
        files: as the user typed them.
        tables: every table in them.
        records: every row of them.
        findings: what is wrong so far.
    """

    files: tuple[str, ...]
    tables: tuple[Table, ...]
    records: tuple[Record, ...]
    findings: tuple[Finding, ...]


def read_input_files(paths: Iterable[Path]) -> InputFiles:
    """Read files; one that cannot be read is a finding, whatever it is."""
    sheets: list[SheetTables] = []
    names: list[str] = []
    for path in paths:
        names.append(str(path))
        try:
            sheets += sheets_of(str(path), grids_of(read_file(path)))
        except FileRefusedError as refused:
            sheets.append(
                SheetTables(findings=[Finding(CellPosition(str(path), refused.number, refused.sheet), refused.remark)])
            )
    records, findings = read_records(sheets)
    tables = tuple(table for sheet in sheets for table in sheet.tables)
    return InputFiles(tuple(names), tables, tuple(records), tuple(findings))


def sheets_of(file: str, grids: Iterable[Grid]) -> list[SheetTables]:
    """The sheets of a file; where none has a table, each one says so.

    Raises:
        FileRefusedError: its merged ranges are made to fill the memory.
    """
    numbered = [(grid, CellPosition(file, number, grid.name)) for number, grid in enumerate(grids, start=1)]
    sheets = [read_sheet(grid, position, alone=False) for grid, position in numbered]
    if any(sheet.tables for sheet in sheets):
        return sheets
    return [read_sheet(grid, position, alone=True) for grid, position in numbered]
