"""A report's pages as a Vietnamese spreadsheet; its library imports slowly. Pure."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from textwrap import shorten, wrap

from openpyxl import Workbook
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from provisioner.base import spreadsheet
from provisioner.base.text import VIETNAM
from provisioner.report.tables import Page, SheetRow

_MODIFIED = re.compile(rb"<dcterms:modified\b[^>]*>[^<]*</dcterms:modified>")
_TOTAL = spreadsheet.CellStyle(bold=True, fill="F2F2F2")
_NUMBER = replace(spreadsheet.BODY, centred=True)
_HEADING, _BASIS = replace(spreadsheet.TITLE, wrapped=True), replace(spreadsheet.REMARK, wrapped=True)
_LINE_POINTS = {True: 19, False: 15}  #: The height of a line: of the heading, of others.
_LONGEST_FOOTER = 215  #: A spreadsheet program refuses a footer of more than 255 characters with its codes.
_OF_A_LINE = {True: 0.7, False: 1.0}  #: Characters in a column's unit of width, likewise.


def _print_heading(sheet: Worksheet, lines: Sequence[str]) -> None:
    heading, moment, basis = (line.replace("&", "&&") for line in lines)
    above, below = spreadsheet.page_edges(sheet)
    above.center.text, above.center.font, above.center.size = heading, "Times New Roman,Bold", 12
    above.right.text = moment.removesuffix(" (giờ Việt Nam)")
    above.right.font, above.right.size = "Times New Roman,Italic", 9
    below.left.text = shorten(basis, _LONGEST_FOOTER, placeholder=" …")
    below.left.font, below.left.size = "Times New Roman,Italic", 9


def _lines_of(cells: SheetRow, widths: Sequence[int]) -> int:
    """Return the most lines that a row's texts take."""
    texts = [(cell, width) for cell, width in zip(cells, widths, strict=True) if isinstance(cell, str)]
    return max((-(-len(text) // max(int(width * 1.12), 1)) for text, width in texts), default=1)


def _header_points(columns: Sequence[tuple[str, int]]) -> int:
    """Return the height of a header whose longest name takes most lines."""
    lines = (sum(1 for _ in wrap(name, max(int(width * 0.85), 4))) for name, width in columns)
    return max(lines, default=1) * _LINE_POINTS[False] + 3


def workbook(heading: str, basis: str, as_of: datetime, pages: Sequence[Page], source: str = "") -> bytes:
    """Return a workbook with heading and basis on every page."""
    # Rows go out as they are appended: a country's list is not held in memory cell by cell.
    book = spreadsheet.in_times(Workbook(write_only=True))
    local = as_of.astimezone(VIETNAM)
    lines = (heading, f"Thời điểm: {local:%H:%M} ngày {local:%d/%m/%Y} (giờ Việt Nam)", f"Căn cứ: {basis}")
    for page in pages:
        _write_page(book.create_sheet(page.title), page, lines)
    book.properties.identifier = source
    book.properties.created = as_of.astimezone(UTC).replace(tzinfo=None)
    # The library writes down when it saved; the same report is the same bytes.
    return spreadsheet.steady_zip(spreadsheet.saved(book), {"docProps/core.xml": partial(_MODIFIED.sub, b"")})


def _write_page(sheet: Worksheet, page: Page, lines: Sequence[str]) -> None:
    header = len(lines) + 2
    last = get_column_letter(len(page.columns))
    widths = [width for _, width in page.columns]
    # Column widths come before rows in the file, so they are set first.
    for column, (_, width) in enumerate(page.columns, start=1):
        sheet.column_dimensions[get_column_letter(column)].width = width
    sheet.freeze_panes = f"A{header + 1}"
    numbered = page.columns[0][0] == "STT"
    first_page = spreadsheet.landscape(sheet, header, widths, repeated=3 if numbered else 1)
    right = get_column_letter(first_page)
    # The heading is on every printed page: in its header, as merged cells would be cut at a page's edge.
    sheet.print_area = f"A{header}:{last}{header + len(page.rows) + bool(page.total)}"
    _print_heading(sheet, lines)
    for row, line in enumerate(lines, start=1):
        # No program fits the height of merged cells to their text.
        height = -(-len(line) // int(sum(widths[:first_page]) * _OF_A_LINE[row == 1])) * _LINE_POINTS[row == 1]
        sheet.row_dimensions[row].height = height
        spreadsheet.append_row(sheet, [line], _HEADING if row == 1 else _BASIS)
        sheet.merged_cells.add(f"A{row}:{right}{row}")
    sheet.append([])
    sheet.row_dimensions[header].height = _header_points(page.columns)
    spreadsheet.append_row(sheet, [name for name, _ in page.columns], spreadsheet.HEADER)
    for number, cells in enumerate(page.rows, start=header + 1):
        lines_of = _lines_of(cells, widths)
        if lines_of > 1:  # LibreOffice does not fit a row without a height to its text
            sheet.row_dimensions[number].height = lines_of * _LINE_POINTS[False]
        spreadsheet.append_row(sheet, cells, first=_NUMBER if numbered else None)
        sheet.row_dimensions.pop(number, None)
    sheet.auto_filter.ref = f"A{header}:{last}{header + len(page.rows)}"
    if page.total:
        spreadsheet.append_row(sheet, page.total, _TOTAL)
