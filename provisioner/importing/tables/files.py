"""Files of an import: their bytes, grids and tables.

CSV comes as Excel writes it: any Unicode encoding and separator. Other kinds of files are refused by name; no other
error is raised. No inventory is needed.
"""

from __future__ import annotations

import csv
import io
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from provisioner.base.vietnamese import legacy_encoding
from provisioner.importing import grid
from provisioner.importing.forms.forms import most_headers
from provisioner.importing.grid import MAX_FILE_BYTES, Cell, CellPosition, FileRefusedError, Finding, Grid, error
from provisioner.importing.tables.records import ReadRow, read_records
from provisioner.importing.tables.sheet_reader import SheetTables, Table, read_sheet
from provisioner.importing.tables.xlsx import read_workbook

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
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""The container of .xls, and of workbooks with a password."""


@dataclass(frozen=True)
class InputFiles:
    """The readable content of an import's files, with findings so far."""

    files: tuple[str, ...]
    tables: tuple[Table, ...]
    records: tuple[ReadRow, ...]
    findings: tuple[Finding, ...]


def read_delimited(data: bytes) -> Grid:
    """Return the one sheet of a CSV file.

    A text that is not Unicode, or with an open quote, raises `FileRefusedError`.
    """
    text = _decoded_text(data)
    if _MARKUP.match(text):
        raise FileRefusedError(error("file-html"))
    if _CONTROL.search(text):
        raise FileRefusedError(error("file-not-sheet"))
    first, _, rest = text.partition("\n")
    named = _NAMED_SEPARATOR.fullmatch(first.strip())
    separator = named[1] if named else _separator(text)
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


def _separator(text: str) -> str:
    return max(_SEPARATORS, key=lambda separator: _headers_and_columns(text, separator))


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
    """Return the sheets of a file; without any table, each reports it.

    Merged ranges that would fill the memory raise `FileRefusedError`.
    """
    numbered = [(grid, CellPosition(file, number, grid.name)) for number, grid in enumerate(grids, start=1)]
    sheets = [read_sheet(grid, position, needs_table=False) for grid, position in numbered]
    if any(sheet.tables for sheet in sheets):
        return sheets
    return [read_sheet(grid, position, needs_table=True) for grid, position in numbered]
