"""A report's pages as a Vietnamese spreadsheet; its library imports slowly. Pure."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from openpyxl import Workbook
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from provisioner.base.spreadsheet import HEADER, REMARK, TITLE, CellStyle, cells_of, landscape, saved, steady_zip
from provisioner.base.text import VIETNAM
from provisioner.report.tables import Page

_MODIFIED = re.compile(rb"<dcterms:modified\b[^>]*>[^<]*</dcterms:modified>")
_TOTAL = CellStyle(bold=True, fill="F2F2F2")


def workbook(heading: str, basis: str, as_of: datetime, pages: Sequence[Page]) -> bytes:
    """Return a workbook with heading and basis on every page."""
    # Rows go out as they are appended: a country's list is not held in memory cell by cell.
    book = Workbook(write_only=True)
    local = as_of.astimezone(VIETNAM)
    lines = (heading, f"Thời điểm: {local:%H:%M} ngày {local:%d/%m/%Y} (giờ Việt Nam)", f"Căn cứ: {basis}")
    for page in pages:
        _write_page(book.create_sheet(page.title), page, lines)
    book.properties.created = as_of.astimezone(UTC).replace(tzinfo=None)
    # The library writes down when it saved; the same report is the same bytes.
    return steady_zip(saved(book), {"docProps/core.xml": partial(_MODIFIED.sub, b"")})


def _write_page(sheet: Worksheet, page: Page, lines: Sequence[str]) -> None:
    header = len(lines) + 2
    last = get_column_letter(len(page.columns))
    # Column widths come before rows in the file, so they are set first.
    for column, (_, width) in enumerate(page.columns, start=1):
        sheet.column_dimensions[get_column_letter(column)].width = width
    sheet.freeze_panes = f"A{header + 1}"
    landscape(sheet, header)
    for row, line in enumerate(lines, start=1):
        sheet.append(cells_of(sheet, [line], TITLE if row == 1 else REMARK))
        sheet.merged_cells.add(f"A{row}:{last}{row}")
    sheet.append([])
    sheet.append(cells_of(sheet, [name for name, _ in page.columns], HEADER))
    for cells in page.rows:
        sheet.append(cells_of(sheet, cells))
    sheet.auto_filter.ref = f"A{header}:{last}{header + len(page.rows)}"
    if page.total:
        sheet.append(cells_of(sheet, page.total, _TOTAL))
