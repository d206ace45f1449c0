"""Pages as a spreadsheet in Vietnamese, ready to print. Pure; apart from `pages`, as its library takes its time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from openpyxl import Workbook
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from provisioner.base.clock import VIETNAM
from provisioner.base.spreadsheet import BODY, HEADER, REMARK, TITLE, CellStyle, landscape, put, put_number, saved
from provisioner.report.pages import Page, SheetRow

_TOTAL = CellStyle(bold=True, fill="F2F2F2")


def workbook(heading: str, basis: str, as_of: datetime, pages: Sequence[Page]) -> bytes:
    """A workbook.

    Args:
        heading: what stands above every page.
        basis: what the numbers rest on.
        as_of: the moment of the report, with its zone.
        pages: its sheets.
    """
    book = Workbook()
    book.remove(book.worksheets[0])
    local = as_of.astimezone(VIETNAM)
    lines = (heading, f"Thời điểm: {local:%H:%M} ngày {local:%d/%m/%Y} (giờ Việt Nam)", f"Căn cứ: {basis}")
    for page in pages:
        _write(book.create_sheet(page.title), page, lines)
    book.properties.created = as_of.astimezone(UTC).replace(tzinfo=None)
    return saved(book)


def _write(sheet: Worksheet, page: Page, lines: Sequence[str]) -> None:
    last = get_column_letter(len(page.columns))
    for row, line in enumerate(lines, start=1):
        put(sheet, row, 1, line, TITLE if row == 1 else REMARK)
        sheet.merge_cells(f"A{row}:{last}{row}")
    header = len(lines) + 2
    for column, (name, width) in enumerate(page.columns, start=1):
        put(sheet, header, column, name, HEADER)
        sheet.column_dimensions[get_column_letter(column)].width = width
    row = header
    for row, cells in enumerate(page.rows, start=header + 1):
        _put_row(sheet, row, cells, BODY)
    sheet.auto_filter.ref = f"A{header}:{last}{row}"
    if page.total:
        _put_row(sheet, row + 1, page.total, _TOTAL)
    sheet.freeze_panes = f"A{header + 1}"
    landscape(sheet, header)


def _put_row(sheet: Worksheet, row: int, cells: SheetRow, style: CellStyle) -> None:
    for column, cell in enumerate(cells, start=1):
        if isinstance(cell, str):
            put(sheet, row, column, cell, style)
        else:
            put_number(sheet, row, column, cell, style)
