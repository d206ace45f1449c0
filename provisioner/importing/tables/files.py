"""Files of an import: bytes, grids, tables, and values of rows.

CSV comes as Excel writes it: any Unicode encoding and separator. Other kinds of files are refused by name; no other
error is raised. No inventory is needed.
"""

import csv
import io
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from re import Pattern

from provisioner.base.vietnamese import fold, legacy_encoding, read_legacy
from provisioner.importing import grid
from provisioner.importing.forms.columns import Column, FormKind
from provisioner.importing.forms.forms import most_headers
from provisioner.importing.forms.values import NEW_SITE, CellReading, CellValue
from provisioner.importing.grid import (
    MAX_FILE_BYTES,
    MAX_TEXT,
    Cell,
    CellPosition,
    CellState,
    FileRefusedError,
    Finding,
    FindingLevel,
    Grid,
    Remark,
    error,
)
from provisioner.importing.tables.sheet_reader import SheetTables, Table, TableRow, read_sheet
from provisioner.importing.tables.xlsx import read_workbook

RowPlace = tuple[str, int, int]  #: File, sheet and row.


@dataclass(frozen=True)
class ReadRow:
    """A row that was read; its values may be personal data."""

    table: Table = field(repr=False)
    number: int
    values: Mapping[str, CellValue] = field(repr=False)
    is_valid: bool  #: Whether no cell has an error or a question.
    filled: frozenset[str] = frozenset()  #: Columns with content, readable or not.

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
        excluding = [f for f in sheet.findings if f.remark.excludes]
        bad_cells = {(f.position.row, f.position.column) for f in excluding}
        asked = {f.position.row for f in excluding if f.remark.level is FindingLevel.QUESTION}
        for table in sheet.tables:
            for row in table.rows:
                values, of_row = _values_and_findings(table, row)
                bad = row.number in asked or any(f.remark.excludes for f in of_row)
                bad_keys = {key for key, place in table.places.items() if (row.number, place) in bad_cells}
                filled = frozenset({*row.cells, *bad_keys})
                rows.append(ReadRow(table, row.number, values, not bad and not bad_keys, filled))
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


_MARKS = (  # the longer ones first: the mark of UTF-32 begins as that of UTF-16 does
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_SEPARATORS = (";", "\t", ",", "|")
_NAMED_SEPARATOR = re.compile(r'"?sep=(.)"?\s*$', re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MARKUP = re.compile(r"\s*<(!doctype|html|head|meta|table|\?xml|workbook)\b", re.IGNORECASE)
_SAMPLE_ROWS = 2 * grid.HEADER_ROWS
_SAMPLE_CHARACTERS = 20_000
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  #: The container of .xls, and of workbooks with a password.


@dataclass(frozen=True)
class InputFiles:
    """The readable content of an import's files, with findings so far."""

    files: tuple[str, ...]
    tables: tuple[Table, ...]
    records: tuple[ReadRow, ...]
    findings: tuple[Finding, ...]


def read_delimited(data: bytes) -> Grid:
    """Return a CSV file's sheet; `FileRefusedError` without Unicode or closing quote."""
    text = _decoded_text(data)
    if _MARKUP.match(text):
        raise FileRefusedError(error("file-html"))
    if _CONTROL.search(text):
        raise FileRefusedError(error("file-not-sheet"))
    first, _, rest = text.partition("\n")
    named = _NAMED_SEPARATOR.fullmatch(first.strip())
    separator = named[1] if named else max(_SEPARATORS, key=lambda one: _headers_and_columns(text, one))
    return Grid("", _read_rows(f"\n{rest}" if named else text, separator))


def _decoded_text(data: bytes) -> str:
    encoding, mark = next(
        ((name, mark) for mark, name in _MARKS if data.startswith(mark)), (_guess_encoding(data), b"")
    )
    try:
        return data[len(mark) :].decode(encoding)
    except UnicodeDecodeError:
        legacy = legacy_encoding(_one_byte_a_letter(data[:_SAMPLE_CHARACTERS]))
        if legacy:
            raise FileRefusedError(error("file-encoding", encoding=legacy)) from None
        raise FileRefusedError(error("file-encoding-unknown")) from None


def _guess_encoding(data: bytes) -> str:
    """Recognise UTF-16 by its zeros: any table has spaces and digits."""
    sample = data[:_SAMPLE_CHARACTERS]
    zeros = [sample[start::2].count(0) for start in (0, 1)]
    if max(zeros) * 10 > len(sample) and len(data) % 2 == 0:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    return "utf-8"


def _one_byte_a_letter(data: bytes) -> str:
    """Decode as Windows does by default; keep its five undefined bytes."""
    return "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in data)


def _headers_and_columns(text: str, separator: str) -> tuple[int, int]:
    sample: list[list[str]] = []
    with suppress(csv.Error):  # it is refused when the table is read
        sample.extend(islice(_reader(text, separator), _SAMPLE_ROWS))
    return max((most_headers(row) for row in sample), default=0), max(map(len, sample), default=0)


def _reader(text: str, separator: str) -> Iterable[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)


def _read_rows(text: str, separator: str) -> dict[int, dict[int, Cell]]:
    rows: dict[int, dict[int, Cell]] = {}
    number = cells = 0
    try:
        for number, row in enumerate(_reader(text, separator), start=1):
            filled = {column: Cell(number, column, value) for column, value in enumerate(row, start=1) if value}
            if filled:
                rows[number] = filled
            _refuse_size(number, max(filled, default=0), cells := cells + len(filled))
    except csv.Error:
        raise FileRefusedError(error("file-quotes", row=number + 1)) from None
    return rows


def _refuse_size(row: int, column: int, cells: int) -> None:
    if row > grid.MAX_ROWS:
        raise FileRefusedError(error("file-too-many-rows", limit=grid.MAX_ROWS))
    if column > grid.MAX_COLUMNS:
        raise FileRefusedError(error("file-too-many-columns", limit=grid.MAX_COLUMNS))
    if cells > grid.MAX_CELLS:
        raise FileRefusedError(error("file-too-many-cells", limit=grid.MAX_CELLS))


def read_file(path: Path) -> bytes:
    """Read an ordinary, small enough file, or raise `FileRefusedError`."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise FileRefusedError(error("file-not-regular"))
        if status.st_size > MAX_FILE_BYTES:
            raise FileRefusedError(error("file-too-large", limit=MAX_FILE_BYTES // 2**20))
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise FileRefusedError(error("file-missing")) from None
    except OSError as failure:
        raise FileRefusedError(error("file-unreadable", cause=failure.strerror or "")) from None
    if len(data) > MAX_FILE_BYTES:
        raise FileRefusedError(error("file-too-large", limit=MAX_FILE_BYTES // 2**20))
    return data


def grids_of(data: bytes) -> tuple[Grid, ...]:
    """Return a file's sheets by its content, or raise `FileRefusedError`."""
    if not data.strip(b"\0 \t\r\n"):
        raise FileRefusedError(error("file-empty"))
    if data.startswith(_ZIP):
        return read_workbook(data)
    if data.startswith(_OLE):
        closed = "EncryptedPackage".encode("utf-16-le") in data
        raise FileRefusedError(error("file-encrypted" if closed else "file-xls"))
    return (read_delimited(data),)


def columns_of(grids: Iterable[Grid], headers: Sequence[Pattern[str]]) -> Iterator[tuple[Cell, ...]]:
    """Yield rows of some columns below their folded headers.

    A merged cell counts for each of its rows. Empty rows and totals are left out.
    """
    for sheet in grids:
        columns: list[int] = []
        for number, cells in sorted(sheet.rows.items()):
            if len(set(columns)) < len(headers):
                found = ([c for c, cell in cells.items() if words.search(fold(cell.text))] for words in headers)
                columns = [listed[0] for listed in found if listed]
                continue
            row = tuple(_shown_cell(sheet, number, column) for column in columns)
            if not all(cell.is_empty for cell in row) and not fold(row[0].text).startswith(("tong", "cong")):
                yield row


def _shown_cell(sheet: Grid, row: int, column: int) -> Cell:
    held = next((part for part in sheet.merged if part.holds(row, column)), None)
    return replace(sheet.at(held.first_row, held.first_column), row=row) if held else sheet.at(row, column)


def read_input_files(paths: Iterable[Path]) -> InputFiles:
    """Read files; an unreadable one is a finding."""
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
    rows, findings = read_records(sheets)
    tables = tuple(table for sheet in sheets for table in sheet.tables)
    return InputFiles(tuple(names), tables, tuple(rows), tuple(findings))


def sheets_of(file: str, grids: Iterable[Grid]) -> list[SheetTables]:
    """Return a file's sheets; huge merged ranges raise `FileRefusedError`."""
    numbered = [(grid, CellPosition(file, number, grid.name)) for number, grid in enumerate(grids, start=1)]
    sheets = [read_sheet(grid, position, needs_table=False) for grid, position in numbered]
    if any(sheet.tables for sheet in sheets):
        return sheets
    return [read_sheet(grid, position, needs_table=True) for grid, position in numbered]
