"""Spreadsheets: cells that stay text, printable sheets, reproducible bytes. Pure."""

import io
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Final
from weakref import WeakKeyDictionary

from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.styles.cell_style import StyleArray
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.header_footer import HeaderFooterItem
from openpyxl.worksheet.page import PageMargins
from openpyxl.worksheet.pagebreak import Break
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from provisioner.base.vietnamese import clean

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  #: The earliest time that the zip format can hold.

_CHUNK: Final = 8192
_UNCHANGED: Final[Mapping[str, Callable[[bytes], bytes]]] = {}
TEXT_FORMAT = "@"
_FORMULA = re.compile(r"'*[=+\-@]")
_PHONE = re.compile(r"\+[0-9]+")
_A4 = 9
MOST_COLUMNS = 12  #: Of a printed page.
_MARGIN = 0.4  #: Inches.
_PAGE_PIXELS = 1040  #: An A4 page across, between the margins.
_LEAST_SCALE = 0.65  #: Smaller letters are not readable.
_TYPE = {str: "s", int: "n", float: "n"}
# Excel and LibreOffice write a comma then, whatever their own language.
_FORMAT = {str: TEXT_FORMAT, int: "General", float: "[$-42A]0.00##%"}


@dataclass(frozen=True)
class CellStyle:
    """Style of a cell."""

    bold: bool = False
    italic: bool = False
    size: int = 11
    fill: str = ""
    colour: str = "000000"
    border: bool = True
    centred: bool = False
    wrapped: bool = False  #: A text with a border is wrapped in any case.


HEADER = CellStyle(bold=True, fill="DDEBF7", centred=True)
BODY = CellStyle()
EXAMPLE = CellStyle(italic=True, colour="7F7F7F", fill="F2F2F2")
TITLE = CellStyle(bold=True, size=14, border=False)
PLAIN = CellStyle(border=False)
REMARK = CellStyle(italic=True, border=False)

# By sheet, since a look is places in the lists of fonts and borders of the sheet's own workbook. To look those up for
# each cell takes ten times as long as all else that is done for it.
_Looks = dict[tuple[CellStyle, type], StyleArray]
_LOOKS: Final[WeakKeyDictionary[object, _Looks]] = WeakKeyDictionary()
_STYLES: Final[WeakKeyDictionary[object, dict[tuple[CellStyle, type], int]]] = WeakKeyDictionary()
_LONGEST_TEXT: Final = 32_767  #: Characters of a cell, by the format.


def steady_zip(content: bytes, changes: Mapping[str, Callable[[bytes], bytes]] = _UNCHANGED) -> bytes:
    """Repack a zip file without timestamps, reproducibly, in the same order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as packed, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as steady:
        for name in packed.namelist():
            info = zipfile.ZipInfo(name, _EPOCH)
            # Else the file says on which system it was made.
            info.create_system, info.compress_type = 0, zipfile.ZIP_DEFLATED
            if change := changes.get(name):
                steady.writestr(info, change(packed.read(name)))
                continue
            # A country's sheet is much larger than its packed file; it is never in memory as a whole.
            with packed.open(name) as source, steady.open(info, "w") as target:
                shutil.copyfileobj(source, target, _CHUNK)
    return buffer.getvalue()


def put(sheet: Worksheet, row: int, column: int, text: str, style: CellStyle = BODY) -> None:
    """Write a text cell: no formula, no lost leading zero or plus."""
    cell = sheet.cell(row, column)
    if not isinstance(cell, Cell):  # never: cells are merged after they are written
        raise TypeError(cell)
    _fill_in_cell(cell, text, style)


@dataclass(slots=True)
class _StreamedCell:
    """A cell as the library's writer reads it."""

    _value: str | float | None
    data_type: str
    style_id: int
    coordinate: str
    has_style = True
    _comment = hyperlink = None


def append_row(
    sheet: Worksheet, row: Sequence[str | float], style: CellStyle = BODY, first: CellStyle | None = None
) -> None:
    """Append a row to a sheet: texts, counts, and floats as percentages."""
    # The library's own way makes three cells of each, and fails with each once. A country's sheet has millions.
    sheet._values_to_row = _streamed  # type: ignore[attr-defined] # noqa: SLF001
    looks = chain([first or style], repeat(style))
    sheet.append([(content, _style_id(sheet, look, _kind(content))) for content, look in zip(row, looks, strict=False)])


def _streamed(row: Iterable[tuple[str | float, int]], number: int) -> Iterator[_StreamedCell]:
    for column, (content, style) in enumerate(row, start=1):
        value = neutral(clean(content))[:_LONGEST_TEXT] if isinstance(content, str) else content
        kind = int if value == "" else _kind(value)
        yield _StreamedCell(None if value == "" else value, _TYPE[kind], style, f"{get_column_letter(column)}{number}")


def _style_id(sheet: Worksheet, style: CellStyle, kind: type) -> int:
    known = _STYLES.setdefault(sheet, {})
    if (style, kind) not in known:
        cell = WriteOnlyCell(sheet)
        _fill_in_cell(cell, "x" if kind is str else kind(0), style)
        known[style, kind] = cell.style_id
    return known[style, kind]


def _kind(content: str | float) -> type:
    return str if isinstance(content, str) else type(content)


def _fill_in_cell(cell: Cell, content: str | float, style: CellStyle) -> None:
    kind = _kind(content)
    line = clean(content) if isinstance(content, str) else content
    if line != "":
        cell.value = neutral(line) if isinstance(line, str) else line
        cell.data_type = _TYPE[kind]
    looks = _LOOKS.setdefault(cell.parent, {})
    look = looks.get((style, kind))
    if look is None:
        _apply_style(cell, style)
        cell.number_format, cell.quotePrefix = _FORMAT[kind], kind is str
        # The library has no public name for a cell's look as a whole; this is how its own pages copy one.
        look = looks[style, kind] = cell._style  # type: ignore[attr-defined] # noqa: SLF001
    cell._style = copy(look)  # type: ignore[attr-defined] # noqa: SLF001


def _apply_style(cell: Cell, style: CellStyle) -> None:
    cell.font = Font(name="Times New Roman", size=style.size, bold=style.bold, italic=style.italic, color=style.colour)
    middle = "center" if style.centred else None
    cell.alignment = Alignment(wrap_text=style.border or style.wrapped, vertical=middle or "top", horizontal=middle)
    if style.border:
        side = Side(style="thin", color="A6A6A6")
        cell.border = Border(left=side, right=side, top=side, bottom=side)
    if style.fill:
        cell.fill = PatternFill("solid", fgColor=style.fill)


def neutral(text: str) -> str:
    """Quote text that looks like a formula; the importer's `unquoted` reverses this."""
    return f"'{text}" if _FORMULA.match(text) and not _PHONE.fullmatch(text) else text


def landscape(sheet: Worksheet, header_row: int, widths: Sequence[float] = (), repeated: int = 1) -> int:
    """Set up printing on A4; return the first page's columns.

    `widths` are those of columns. If they are too many for a page they are broken into pages, each with the first
    `repeated` columns. A spreadsheet program ignores such breaks if it has to fit pages, so a scale is set then.
    """
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = _A4
    sheet.page_margins = PageMargins(left=_MARGIN, right=_MARGIN, top=2.5 * _MARGIN, bottom=2 * _MARGIN)
    page_edges(sheet)[1].right.text = "&P/&N"
    sheet.print_title_rows = f"{header_row}:{header_row}"
    groups = column_pages(widths, repeated)
    if len(groups) < 2:  # noqa: PLR2004 (one page is as wide as its columns)
        sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
        sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
        return len(widths)
    head = widths[:repeated]
    widest = max(_pixels([*([] if group.start == 0 else head), *widths[group.start : group.stop]]) for group in groups)
    sheet.page_setup.scale = min(100, int(100 * _PAGE_PIXELS / widest))
    sheet.print_title_cols = f"A:{get_column_letter(repeated)}"
    for group in groups[:-1]:
        sheet.col_breaks.append(Break(id=group.stop))
    return groups[0].stop


def in_times(book: Workbook) -> Workbook:
    """Make Times New Roman a workbook's font; it measures columns."""
    # Calibri is not on every machine: its stand-in is wider, and columns do not fit their pages.
    font = Font(name="Times New Roman", size=11)
    book._fonts[0] = font  # type: ignore[attr-defined] # noqa: SLF001 (there is no public name)
    book._named_styles["Normal"].font = font  # type: ignore[attr-defined] # noqa: SLF001
    return book


def page_edges(sheet: Worksheet) -> tuple[HeaderFooterItem, HeaderFooterItem]:
    """Return the texts above and below each printed page."""
    above, below = sheet.oddHeader, sheet.oddFooter
    if above is None or below is None:  # never: a new sheet has both
        raise TypeError(sheet)
    return above, below


def column_pages(widths: Sequence[float], repeated: int) -> list[range]:
    """Return the columns of each printed page, at most twelve."""
    groups: list[range] = []
    start = 0
    for column in range(len(widths)):
        shown = [*(widths[:repeated] if groups else ()), *widths[start : column + 1]]
        if column > start and (len(shown) > MOST_COLUMNS or _pixels(shown) * _LEAST_SCALE > _PAGE_PIXELS):
            groups.append(range(start, column))
            start = column
    return [*groups, range(start, len(widths))]


def _pixels(widths: Sequence[float]) -> float:
    """Return the width of columns on a screen."""
    return sum(width * 7.5 for width in widths)


def saved(book: Workbook) -> bytes:
    """Return a workbook's bytes."""
    book.properties.creator = "provisioner"
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()
