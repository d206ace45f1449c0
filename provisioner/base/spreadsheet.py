"""Spreadsheets: cells that stay text, printable sheets, reproducible bytes. Pure."""

import io
import re
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from weakref import WeakKeyDictionary

from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.styles.cell_style import StyleArray
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from provisioner.base.vietnamese import clean

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  #: The earliest time that the zip format can hold.

_CHUNK: Final = 8192
_UNCHANGED: Final[Mapping[str, Callable[[bytes], bytes]]] = MappingProxyType({})
TEXT_FORMAT = "@"
_FORMULA = re.compile(r"'*[=+\-@]")
_PHONE = re.compile(r"\+[0-9]+")
_A4 = 9
# Names of cell types: number, text.
_TYPE = {False: "n", True: "s"}


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


HEADER = CellStyle(bold=True, fill="DDEBF7", centred=True)
BODY = CellStyle()
EXAMPLE = CellStyle(italic=True, colour="7F7F7F", fill="F2F2F2")
TITLE = CellStyle(bold=True, size=14, border=False)
PLAIN = CellStyle(border=False)
REMARK = CellStyle(italic=True, border=False)

# By sheet, since a look is places in the lists of fonts and borders of the sheet's own workbook. To look those up for
# each cell takes ten times as long as all else that is done for it.
_Looks = dict[tuple[CellStyle, bool], StyleArray]
_LOOKS: Final[WeakKeyDictionary[object, _Looks]] = WeakKeyDictionary()


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
    _fill_in_cell(_unmerged_cell(sheet, row, column), text, style)


def cells_of(sheet: Worksheet, row: Sequence[str | int], style: CellStyle = BODY) -> list[Cell]:
    """Make cells of an appended row: texts stay texts, numbers numbers."""
    cells = []
    for content in row:
        cell = WriteOnlyCell(sheet)
        _fill_in_cell(cell, content, style)
        cells.append(cell)
    return cells


def _unmerged_cell(sheet: Worksheet, row: int, column: int) -> Cell:
    cell = sheet.cell(row, column)
    if not isinstance(cell, Cell):  # never: cells are merged after they are written
        raise TypeError(cell)
    return cell


def _fill_in_cell(cell: Cell, content: str | int, style: CellStyle) -> None:
    is_text = isinstance(content, str)
    line = clean(content) if isinstance(content, str) else content
    if line != "":
        cell.value = neutral(line) if isinstance(line, str) else line
        cell.data_type = _TYPE[is_text]
    looks = _LOOKS.setdefault(cell.parent, {})
    look = looks.get((style, is_text))
    if look is None:
        _apply_style(cell, style)
        if is_text:
            cell.number_format = TEXT_FORMAT
            cell.quotePrefix = True
        # The library has no public name for a cell's look as a whole; this is how its own pages copy one.
        look = looks[style, is_text] = cell._style  # type: ignore[attr-defined] # noqa: SLF001
    cell._style = copy(look)  # type: ignore[attr-defined] # noqa: SLF001


def _apply_style(cell: Cell, style: CellStyle) -> None:
    cell.font = Font(name="Times New Roman", size=style.size, bold=style.bold, italic=style.italic, color=style.colour)
    middle = "center" if style.centred else None
    cell.alignment = Alignment(wrap_text=style.border, vertical=middle or "top", horizontal=middle)
    if style.border:
        side = Side(style="thin", color="A6A6A6")
        cell.border = Border(left=side, right=side, top=side, bottom=side)
    if style.fill:
        cell.fill = PatternFill("solid", fgColor=style.fill)


def neutral(text: str) -> str:
    """Quote text that looks like a formula; the importer's `unquoted` reverses this."""
    return f"'{text}" if _FORMULA.match(text) and not _PHONE.fullmatch(text) else text


def landscape(sheet: Worksheet, header_row: int, *, pages: int = 1) -> None:
    """Set up printing on A4, so many pages wide, with repeated header."""
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = _A4
    sheet.page_setup.fitToWidth = pages
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.print_title_rows = f"{header_row}:{header_row}"


def saved(book: Workbook) -> bytes:
    """Return a workbook's bytes."""
    book.properties.creator = "provisioner"
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()
