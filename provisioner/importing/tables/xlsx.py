"""The reader of XLSX, row by row; openpyxl reads only the values.

A workbook that is loaded as a whole lets one merged range over all of Excel's cells fill the memory. A sheet that
openpyxl streams lacks merged ranges, hidden rows, and formulas without a result. So Python's own fast parser reads each
sheet's XML and the shared texts once; openpyxl reads the other parts through defusedxml.

A parser resolves entities, and Expat before 2.6 rereads an unfinished tag with every block. So each part is scanned
when it is first opened: a document type, or a tag without end, is refused before any reader sees it.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Literal, Self, TypedDict, cast
from xml.etree.ElementTree import Element, iterparse
from xml.parsers.expat import ParserCreate
from zipfile import ZipFile, ZipInfo

from defusedxml.common import DTDForbidden
from openpyxl.packaging.relationship import get_dependents, get_rels_path
from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.utils.cell import coordinate_to_tuple, range_boundaries
from openpyxl.worksheet._reader import WorkSheetParser
from openpyxl.xml.constants import COMMENTS_NS, SHARED_STRINGS

from provisioner.importing import grid
from provisioner.importing.grid import Cell, CellState, FileRefusedError, Grid, MergedRange, error

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_ON = frozenset({"1", "true", "on"})
_STYLES = "xl/styles.xml"
_ROW, _MERGE, _COLUMN, _FORMULA, _VALUE, _INLINE, _TEXT = (
    f"{_MAIN}{name}" for name in ("row", "mergeCell", "col", "f", "v", "is", "t")
)
_STRING, _PHONETIC, _STRIKE, _COMMENT = (f"{_MAIN}{name}" for name in ("si", "rPh", "strike", "comment"))
_CELL_TAGS = frozenset(f"{_MAIN}{name}" for name in ("row", "c", "v", "f", "is", "t"))
_BLOCK = 64 * 1024
_SOME = 256  #: The number of elements between two checks of the limits.
_CLOSED = 0x1  #: The flag of a zip entry with a password.


def read_workbook(data: bytes) -> tuple[Grid, ...]:
    """Return an XLSX file's sheets in order, or raise `FileRefusedError`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about parts that are not read, and with values in their words
        try:
            with _Archive(io.BytesIO(data)) as archive:
                _refuse_archive(archive)
                return tuple(_read_grids(archive, io.BytesIO(data)))
        except FileRefusedError:
            raise
        except Exception:  # noqa: BLE001 (a damaged file makes zip, XML and openpyxl raise nearly anything)
            raise FileRefusedError(error("file-damaged")) from None


def _refuse_archive(archive: ZipFile) -> None:
    """Check the sizes in a zip; no part can yield more bytes."""
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
    parts = [(entry.filename.lower(), entry.file_size) for entry in entries if _is_read(entry.filename)]
    too_large = any(size > _limit(name) for name, size in parts)
    if too_large or sum(size for _, size in parts) > grid.MAX_UNPACKED_BYTES or len(entries) > grid.MAX_PARTS:
        raise FileRefusedError(error("file-too-large", limit=grid.MAX_UNPACKED_BYTES // 2**20))


def _is_read(name: str) -> bool:
    """Return whether a part is ever unpacked; pictures are not."""
    return name.lower().endswith((".xml", ".rels"))


def _limit(name: str) -> int:
    if name.startswith("xl/worksheets/") or name == "xl/sharedstrings.xml":
        return grid.MAX_PART_BYTES
    return grid.MAX_PART_BYTES if name == _STYLES else grid.MAX_OTHER_BYTES


class _Archive(ZipFile):
    """A zip whose parts are scanned when they are first opened."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self._looked_through: set[str] = set()

    def open(self, name: str | ZipInfo, mode: Literal["r", "w"] = "r", *_: object, **__: object) -> IO[bytes]:
        """Open an allowed part for reading, or raise `FileRefusedError`."""
        entry = name if isinstance(name, ZipInfo) else self.getinfo(name)
        if not _is_read(entry.filename):
            raise FileRefusedError(error("file-damaged"))
        if entry.filename not in self._looked_through:
            with super().open(entry, mode) as part:
                _look_through(part, _most_tags(entry.filename.lower()))
            self._looked_through.add(entry.filename)
        return super().open(entry, mode)


def _most_tags(name: str) -> int:
    is_other = name == _STYLES or _limit(name) == grid.MAX_OTHER_BYTES
    return grid.MAX_OTHER_TAGS if is_other else 2 * grid.MAX_ELEMENTS


def _look_through(part: IO[bytes], most_tags: int) -> None:
    """Refuse a part that takes longer to read than its length explains."""

    def refuse(name: str, system: str | None, public: str | None, _subset: object) -> None:
        raise DTDForbidden(name, system, public)

    def begin_namespace(_prefix: str | None, address: str | None) -> None:
        if len(address or "") > grid.MAX_ADDRESS:
            raise FileRefusedError(error("file-damaged"))

    parser, read, tags = ParserCreate(None, " "), 0, 0
    parser.StartDoctypeDeclHandler = refuse
    parser.StartNamespaceDeclHandler = begin_namespace
    while block := part.read(_BLOCK):
        parser.Parse(block, False)  # noqa: FBT003 (expat takes no names)
        read += len(block)
        tags += block.count(b"<")
        if read - parser.CurrentByteIndex > grid.MAX_TAG_BYTES:
            raise FileRefusedError(error("file-damaged"))
        if tags > most_tags:
            raise FileRefusedError(error("file-too-many-cells", limit=grid.MAX_CELLS))
    parser.Parse(b"", True)  # noqa: FBT003


def _read_grids(archive: _Archive, data: IO[bytes]) -> Iterator[Grid]:
    reader = ExcelReader(data, read_only=True, keep_vba=False, data_only=True, keep_links=False)
    reader.archive = archive
    reader.read_manifest()
    if "macroEnabled" in " ".join(part.ContentType for part in reader.package.Override):
        raise FileRefusedError(error("file-macros"))
    struck_texts = set[int]()
    elements = _read_strings(reader, struck_texts)
    reader.read_workbook()
    _refuse_strict(reader)
    _apply_styles(reader)
    sheets = list(reader.parser.find_sheets())
    if len(sheets) > grid.MAX_SHEETS:
        raise FileRefusedError(error("file-too-many-sheets", limit=grid.MAX_SHEETS))
    cells_left = grid.MAX_CELLS
    for number, (sheet, relation) in enumerate(sheets, start=1):
        if relation.target not in reader.valid_files or "chartsheet" in relation.Type:
            continue
        with _blaming(number, sheet.name), reader.archive.open(relation.target) as part:
            read = _Sheet.of(part, _Cells.of(reader, struck_texts), elements, cells_left)
        elements -= read.elements
        cells_left -= read.cells
        yield Grid(
            sheet.name,
            read.rows,
            tuple(read.merged),
            frozenset(read.hidden_rows),
            frozenset(read.hidden_columns),
            sheet.state != "visible",
            frozenset(read.struck),
            _comments(reader, relation.target),
        )


@contextmanager
def _blaming(number: int, sheet: str) -> Iterator[None]:
    try:
        yield
    except FileRefusedError as refused:
        raise FileRefusedError(refused.remark, number, sheet) from None


def _comments(reader: ExcelReader, sheet: str) -> dict[tuple[int, int], str]:
    """Return the texts of a sheet's comments."""
    own: str = get_rels_path(sheet)  # type: ignore[no-untyped-call]
    if own not in reader.valid_files:
        return {}
    relations = get_dependents(reader.archive, own)
    targets = {relation.target for relation in relations if relation.Type == COMMENTS_NS}
    comments: dict[tuple[int, int], str] = {}
    for target in sorted(targets & set(reader.valid_files)):
        with reader.archive.open(target) as part:
            for _, element in iterparse(part):  # noqa: S314 (entities were refused before)
                if element.tag == _COMMENT:
                    text = "".join(piece.text or "" for piece in element.iter(_TEXT))
                    comments[coordinate_to_tuple(element.get("ref", ""))] = text
    return comments


def _read_strings(reader: ExcelReader, struck: set[int]) -> int:
    """Read shared texts, and which are crossed out; return the elements left."""
    part = reader.package.find(SHARED_STRINGS)  # type: ignore[no-untyped-call]
    elements = grid.MAX_ELEMENTS
    if part is None:
        return elements
    with reader.archive.open(part.PartName[1:]) as stream:
        for _, element in iterparse(stream):  # noqa: S314 (entities were refused before)
            elements -= 1
            if elements < 0:
                raise FileRefusedError(error("file-too-many-cells", limit=grid.MAX_CELLS))
            if element.tag == _STRING:
                if _is_crossed_out(element):
                    struck.add(len(reader.shared_strings))
                reader.shared_strings.append(_shared_text(element).replace("x005F_", ""))
                element.clear()
    return elements


def _shared_text(element: Element) -> str:
    if len(element) == 1 and element[0].tag == _TEXT:
        return element[0].text or ""
    pieces = (text for part in element if part.tag != _PHONETIC for text in part.iter(_TEXT))
    return "".join(text.text or "" for text in pieces)


def _is_crossed_out(element: Element) -> bool:
    """Return whether a piece of a text is crossed out."""
    is_plain = len(element) == 1 and element[0].tag == _TEXT
    return not is_plain and any(mark.get("val", "1") in _ON for mark in element.iter(_STRIKE))


class _Read(TypedDict):
    row: int
    column: int
    value: object
    data_type: str


class _Cells(WorkSheetParser):
    """openpyxl's reader of values, with a shortcut for plain inline texts."""

    struck_texts: set[int]
    struck_styles: frozenset[str]

    @classmethod
    def of(cls, reader: ExcelReader, struck_texts: set[int]) -> Self:
        """Take the workbook's texts, formats of days, and fonts that cross out."""
        book = reader.wb
        cells = cls(
            io.BytesIO(),
            reader.shared_strings,
            data_only=True,
            epoch=book.epoch,
            # As openpyxl hands them to its own reader of sheets; its published types do not know them.
            date_formats=book._date_formats,  # type: ignore[attr-defined] # noqa: SLF001
            timedelta_formats=book._timedelta_formats,  # type: ignore[attr-defined] # noqa: SLF001
        )
        fonts, styles = book._fonts, book._cell_styles  # type: ignore[attr-defined] # noqa: SLF001
        struck_fonts = {number for number, font in enumerate(fonts) if font.strike}
        cells.struck_texts = struck_texts
        cells.struck_styles = frozenset(str(n) for n, style in enumerate(styles) if style.fontId in struck_fonts)
        return cells

    def is_struck(self, cell: Element) -> bool:
        """Return whether any of a cell's text is crossed out."""
        if cell.get("s") in self.struck_styles:
            return True
        if cell.get("t") == "s":
            number = (cell.findtext(_VALUE) or "") if self.struck_texts else ""
            return number.isdecimal() and int(number) in self.struck_texts
        inline = cell.find(_INLINE)
        return inline is not None and _is_crossed_out(inline)

    def parse_cell(self, element: Element) -> _Read:  # type: ignore[override]
        reference, inline = element.get("r"), element[0] if len(element) == 1 else None
        if reference and inline is not None and inline.tag == _INLINE and [part.tag for part in inline] == [_TEXT]:
            row, self.col_counter = coordinate_to_tuple(reference)
            return {"row": row, "column": self.col_counter, "value": inline[0].text or "", "data_type": "s"}
        return cast("_Read", super().parse_cell(element))


def _refuse_strict(reader: ExcelReader) -> None:
    """Refuse "Strict Open XML": openpyxl would find no row in it."""
    with reader.archive.open("xl/workbook.xml") as part:
        if b"purl.oclc.org/ooxml" in part.read(4096):
            raise FileRefusedError(error("file-strict"))


def _apply_styles(reader: ExcelReader) -> None:
    """Read which numbers are days; without styles, days are read as numbers."""
    with suppress(Exception):  # other programs write styles that openpyxl refuses
        if reader.archive.getinfo(_STYLES).file_size <= grid.MAX_OTHER_BYTES:
            apply_stylesheet(reader.archive, reader.wb)


@dataclass
class _Sheet:
    reader: _Cells
    rows: dict[int, dict[int, Cell]] = field(default_factory=dict)
    merged: list[MergedRange] = field(default_factory=list)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    elements: int = 0
    rare: int = 0
    cells: int = 0
    last_row: int = 0
    row_ends: int = 0
    names: set[str] = field(default_factory=set)
    struck: set[tuple[int, int]] = field(default_factory=set)

    @classmethod
    def of(cls, part: IO[bytes], reader: _Cells, elements: int, cells: int) -> "_Sheet":
        sheet, row, number = cls(reader), 0, 0
        for number, (_, element) in enumerate(iterparse(part), start=1):  # noqa: S314 (entities were refused before)
            tag = element.tag
            if tag not in _CELL_TAGS:
                sheet.rare += 1
            if not sheet.names.issuperset(element.attrib):
                sheet.names.update(element.attrib)
            if not number % _SOME:
                sheet._refuse_endless(number, elements)
            if tag == _ROW:
                row = int(float(element.get("r") or row + 1))
                sheet._read_row(row, element)
                sheet.row_ends = number
                if sheet.cells > cells:
                    raise FileRefusedError(error("file-too-many-cells", limit=grid.MAX_CELLS))
            elif tag == _MERGE:
                sheet._add_merged_range(element.get("ref", ""))
            elif tag == _COLUMN and element.get("hidden") in _ON:
                first, last = max(int(element.get("min", "0")), 1), min(int(element.get("max", "0")), grid.MAX_COLUMNS)
                sheet.hidden_columns.update(range(first, last + 1))
            else:
                continue
            element.clear()
        sheet._refuse_endless(number, elements)
        return sheet

    def _refuse_endless(self, elements: int, cells_left: int) -> None:
        """Refuse a sheet, or a row, without end."""
        self.elements = elements
        is_long = elements - self.row_ends > grid.MAX_ROW_ELEMENTS + self.rare
        if elements > cells_left or self.rare > grid.MAX_RARE_ELEMENTS or is_long or len(self.names) > grid.MAX_NAMES:
            raise FileRefusedError(error("file-too-many-cells", limit=grid.MAX_CELLS))

    def _read_row(self, row: int, element: Element) -> None:
        if element.get("hidden") in _ON and row <= grid.MAX_ROWS:
            self.hidden_rows.add(row)
        if len(element):
            element[:] = _without_blank(element)
        if not len(element):
            self.reader.row_counter = row
            return
        uncalculated = set(self._uncalculated_columns(row, element))
        struck = [(n, cell.get("r")) for n, cell in enumerate(element, start=1) if self.reader.is_struck(cell)]
        self.struck.update(coordinate_to_tuple(at) if at else (row, n) for n, at in struck)
        number, read = self.reader.parse_row(element)  # type: ignore[arg-type] # an element is what it takes
        cells = cast("list[_Read]", read)
        self.reader.row_dimensions.clear()
        # Spreadsheet programs do not show a repeated row, or one after a later row.
        if self.last_row < number <= grid.MAX_ROWS:
            self.last_row = number
            filled = {cell["column"]: _cell(cell) for cell in cells if cell["value"] is not None}
            self._store_row(number, {c: cell for c, cell in filled.items() if c <= grid.MAX_COLUMNS})
        self._store_row(row, {column: Cell(row, column, None, CellState.FORMULA) for column in uncalculated})

    def _store_row(self, row: int, cells: dict[int, Cell]) -> None:
        self.cells += len(cells)
        if cells:
            self.rows.setdefault(row, {}).update(cells)

    def _uncalculated_columns(self, row: int, element: Element) -> Iterator[int]:
        """Yield the columns of uncalculated formulas; refuse places beyond the limits."""
        column = 0
        for cell in element:
            reference = cell.get("r")
            column = coordinate_to_tuple(reference)[1] if reference else column + 1
            formula = value = None
            for part in cell:
                if part.tag == _FORMULA and formula is None:
                    formula = part
                elif part.tag == _VALUE and value is None:
                    value = part
            if formula is None and value is None and cell.find(_INLINE) is None:
                continue
            if row > grid.MAX_ROWS:
                raise FileRefusedError(error("file-too-many-rows", limit=grid.MAX_ROWS))
            if column > grid.MAX_COLUMNS:
                raise FileRefusedError(error("file-too-many-columns", limit=grid.MAX_COLUMNS))
            # An empty text is a result; an empty value of any other type was never calculated.
            calculated = value is not None and (value.text or cell.get("t") == "str")
            if formula is not None and not calculated:
                yield column

    def _add_merged_range(self, reference: str) -> None:
        if len(self.merged) >= grid.MAX_MERGED:
            raise FileRefusedError(error("file-too-many-cells", limit=grid.MAX_CELLS))
        first_column, first_row, last_column, last_row = (int(edge or 1) for edge in range_boundaries(reference))
        if (first_row, first_column) != (last_row, last_column):
            self.merged.append(MergedRange(first_row, first_column, last_row, last_column))


def _without_blank(row: Element) -> Iterator[Element]:
    """Yield filled cells, and blank ones that others are counted from."""
    before: list[Element] = []
    for cell in row:
        has_place = "r" in cell.attrib
        if has_place:
            before.clear()
        if not len(cell):
            before.append(cell)
            continue
        yield from before
        yield cell
        before.clear()


def _cell(read: _Read) -> Cell:
    state = CellState.BROKEN if read["data_type"] == "e" else CellState.PLAIN
    return Cell(read["row"], read["column"], read["value"], state)
