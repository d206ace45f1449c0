"""The reader of XLSX: values by openpyxl, row by row; what openpyxl leaves out in that mode is read beside it.

A workbook that is loaded as a whole lets one merged range over all of Excel's cells fill the memory. So
values are streamed, and merged ranges, hidden rows and formulas without a result are taken from the same
XML in a pass of our own. Entities are refused by defusedxml, in openpyxl as well.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Protocol, cast
from xml.etree.ElementTree import Element
from zipfile import ZipFile

from defusedxml.ElementTree import iterparse
from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.utils.cell import coordinate_to_tuple, range_boundaries

from provisioner.importing.cells import limits
from provisioner.importing.cells.findings import FileRefusedError, error
from provisioner.importing.cells.grid import Cell, CellState, Grid, MergedRange

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_ON = frozenset({"1", "true", "on"})
_STYLES = "xl/styles.xml"
_CELL_TAGS = frozenset(f"{_MAIN}{name}" for name in ("row", "c", "v", "f", "is", "t"))
_CLOSED = 0x1
"""The flag of a zip entry that needs a password."""


class _StreamedCell(Protocol):
    row: int
    column: int
    value: object
    data_type: str


class _StreamedSheet(Protocol):
    """A sheet as openpyxl streams it; its published types know sheets that are loaded as a whole."""

    def reset_dimensions(self) -> None: ...

    def iter_rows(self, *, max_row: int, max_col: int) -> Iterable[Iterable[_StreamedCell]]: ...


def read_workbook(data: bytes) -> tuple[Grid, ...]:
    """The sheets of an XLSX file in their order.

    Raises:
        FileRefusedError: it is damaged, too large, closed, holds macros, or is no workbook.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about parts that are not read, and with values in their words
        try:
            with ZipFile(io.BytesIO(data)) as archive:
                _refuse_archive(archive)
            return tuple(_grids(data))
        except FileRefusedError:
            raise
        except Exception:  # noqa: BLE001 (a damaged file makes zip, XML and openpyxl raise nearly anything)
            raise FileRefusedError(error("file-damaged")) from None


def _refuse_archive(archive: ZipFile) -> None:
    """Look at what a zip says of itself; reading never yields more bytes of a part than it says here."""
    entries = archive.infolist()
    names = {entry.filename.lower() for entry in entries}
    if any(entry.flag_bits & _CLOSED for entry in entries):
        raise FileRefusedError(error("file-encrypted"))
    if any(name.endswith("vbaproject.bin") for name in names):
        raise FileRefusedError(error("file-macros"))
    if "xl/workbook.bin" in names:
        raise FileRefusedError(error("file-xlsb"))
    if "[content_types].xml" not in names or not any(name.startswith("xl/") for name in names):
        raise FileRefusedError(error("file-ods" if "content.xml" in names else "file-not-sheet"))
    parts = {entry.filename.lower(): entry.file_size for entry in entries if _is_read(entry.filename)}
    too_large = any(size > _limit(name) for name, size in parts.items())
    if too_large or sum(parts.values()) > limits.MAX_UNPACKED_BYTES or len(entries) > limits.MAX_PARTS:
        raise FileRefusedError(error("file-too-large", limit=limits.MAX_UNPACKED_BYTES // 2**20))
    if "xl/sharedstrings.xml" in parts:
        strings = archive.read(next(e for e in entries if e.filename.lower() == "xl/sharedstrings.xml"))
        if strings.count(b"si>") > 4 * limits.MAX_CELLS:
            raise FileRefusedError(error("file-too-many-cells", limit=limits.MAX_CELLS))


def _is_read(name: str) -> bool:
    """Tell whether a part is ever unpacked: pictures are not, whatever their size."""
    return name.lower().endswith((".xml", ".rels"))


def _limit(name: str) -> int:
    if name.startswith("xl/worksheets/") or name == "xl/sharedstrings.xml":
        return limits.MAX_PART_BYTES
    return limits.MAX_PART_BYTES if name == _STYLES else limits.MAX_OTHER_BYTES


def _grids(data: bytes) -> Iterator[Grid]:
    reader = ExcelReader(io.BytesIO(data), read_only=True, keep_vba=False, data_only=True, keep_links=False)
    reader.read_manifest()
    if "macroEnabled" in " ".join(part.ContentType for part in reader.package.Override):
        raise FileRefusedError(error("file-macros"))
    reader.read_strings()
    reader.read_workbook()
    _refuse_strict(reader)
    _apply_styles(reader)
    reader.read_worksheets()
    parts = {sheet.name: relation.target for sheet, relation in reader.parser.find_sheets()}
    if len(parts) > limits.MAX_SHEETS:
        raise FileRefusedError(error("file-too-many-sheets", limit=limits.MAX_SHEETS))
    room, elements = limits.MAX_CELLS, limits.MAX_ELEMENTS
    for number, sheet in enumerate(reader.wb.worksheets, start=1):
        with _blaming(number, sheet.title):
            with reader.archive.open(parts[sheet.title]) as part:
                markup = _SheetMarkup.of(part, elements)
            rows = _values(cast("_StreamedSheet", sheet), markup.formulas, room)
        elements -= markup.elements
        room -= sum(map(len, rows.values()))
        yield Grid(
            sheet.title,
            rows,
            tuple(markup.merged),
            frozenset(markup.hidden_rows),
            frozenset(markup.hidden_columns),
            sheet.sheet_state != "visible",
        )


@contextmanager
def _blaming(number: int, sheet: str) -> Iterator[None]:
    """Let a refusal name the sheet at which it came."""
    try:
        yield
    except FileRefusedError as refused:
        raise FileRefusedError(refused.remark, number, sheet) from None


def _refuse_strict(reader: ExcelReader) -> None:
    """Refuse the "Strict Open XML" form: its names are others, and openpyxl would find no row in it."""
    with reader.archive.open("xl/workbook.xml") as part:
        if b"purl.oclc.org/ooxml" in part.read(4096):
            raise FileRefusedError(error("file-strict"))


def _apply_styles(reader: ExcelReader) -> None:
    """Take from the styles which numbers are days; without them days are numbers, which are read as well."""
    with suppress(Exception):  # other programs write styles that openpyxl refuses
        if reader.archive.getinfo(_STYLES).file_size <= limits.MAX_OTHER_BYTES:
            apply_stylesheet(reader.archive, reader.wb)


def _values(sheet: _StreamedSheet, formulas: set[tuple[int, int]], room: int) -> dict[int, dict[int, Cell]]:
    rows: dict[int, dict[int, Cell]] = {}
    sheet.reset_dimensions()  # what a sheet says of its size may be wrong, and then cells would be cut off
    for cells in sheet.iter_rows(max_row=limits.MAX_ROWS, max_col=limits.MAX_COLUMNS):
        for cell in cells:
            if cell.value is not None:
                state = CellState.BROKEN if cell.data_type == "e" else CellState.PLAIN
                rows.setdefault(cell.row, {})[cell.column] = Cell(cell.row, cell.column, cell.value, state)
                room -= 1
        if room < 0:
            raise FileRefusedError(error("file-too-many-cells", limit=limits.MAX_CELLS))
    for row, column in formulas:
        rows.setdefault(row, {})[column] = Cell(row, column, None, CellState.FORMULA)
    return rows


@dataclass
class _SheetMarkup:
    """What a sheet's XML says beside the values."""

    merged: list[MergedRange] = field(default_factory=list)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    formulas: set[tuple[int, int]] = field(default_factory=set)
    elements: int = 0
    rare: int = 0

    @classmethod
    def of(cls, part: IO[bytes], room: int) -> _SheetMarkup:
        markup, row = cls(), 0
        for _, element in iterparse(part):
            markup._count(element.tag, room)
            if element.tag == f"{_MAIN}row":
                row = int(float(element.get("r") or row + 1))
                markup._row(row, element)
            elif element.tag == f"{_MAIN}mergeCell":
                markup._merge(element.get("ref", ""))
            elif element.tag == f"{_MAIN}col" and element.get("hidden") in _ON:
                last = min(int(element.get("max", "0")), limits.MAX_COLUMNS)
                markup.hidden_columns.update(range(int(element.get("min", "0")), last + 1))
            else:
                continue
            element.clear()
        return markup

    def _count(self, tag: str, room: int) -> None:
        """Stop reading where a sheet has no end."""
        self.elements += 1
        self.rare += tag not in _CELL_TAGS
        if self.elements > room or self.rare > limits.MAX_RARE_ELEMENTS:
            raise FileRefusedError(error("file-too-many-cells", limit=limits.MAX_CELLS))

    def _row(self, row: int, element: Element) -> None:
        if element.get("hidden") in _ON:
            self.hidden_rows.add(row)
        column = 0
        for cell in element:
            reference = cell.get("r")
            column = coordinate_to_tuple(reference)[1] if reference else column + 1
            formula, value = cell.find(f"{_MAIN}f"), cell.find(f"{_MAIN}v")
            if formula is None and value is None and cell.find(f"{_MAIN}is") is None:
                continue
            if row > limits.MAX_ROWS:
                raise FileRefusedError(error("file-too-many-rows", limit=limits.MAX_ROWS))
            if column > limits.MAX_COLUMNS:
                raise FileRefusedError(error("file-too-many-columns", limit=limits.MAX_COLUMNS))
            # An empty text is a result; an empty value of any other type was never calculated.
            calculated = value is not None and (value.text or cell.get("t") == "str")
            if formula is not None and not calculated:
                self.formulas.add((row, column))

    def _merge(self, reference: str) -> None:
        if len(self.merged) >= limits.MAX_MERGED:
            raise FileRefusedError(error("file-too-many-cells", limit=limits.MAX_CELLS))
        first_column, first_row, last_column, last_row = (int(edge or 1) for edge in range_boundaries(reference))
        if (first_row, first_column) != (last_row, last_column):
            self.merged.append(MergedRange(first_row, first_column, last_row, last_column))
