"""The consolidated list for the ministry, in Vietnamese, as a spreadsheet. Pure: values in, bytes out."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.header_footer import HeaderFooterItem
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from provisioner.contacts.model import ROLE_LABELS, Contact, shown
from provisioner.vietnamese import clean

_COLUMNS = (
    ("STT", 6),
    ("Mã cơ sở", 16),
    ("Cơ sở", 34),
    ("Họ và tên", 26),
    ("Chức danh", 24),
    ("Số điện thoại", 18),
    ("Thư điện tử", 30),
    ("Vai trò", 22),
    ("Từ ngày", 12),
    ("Đến ngày", 12),
)
_PHONE = 6
_LAST = get_column_letter(len(_COLUMNS))
_TEXT_FORMAT = "@"
_FORMULA_STARTS = ("=", "+", "-", "@")


@dataclass(frozen=True)
class ListRequest:
    """What stands above the list.

    Attributes:
        province: the province's name, in Vietnamese.
        as_of: when the list was made, in Vietnam's time.
        requester: who asked for it.
        purpose: what for.
    """

    province: str
    as_of: datetime
    requester: str
    purpose: str


def consolidated_list(
    request: ListRequest, contacts: Iterable[Contact], facilities: Mapping[str, str], without: Iterable[str]
) -> bytes:
    """Give the list as an XLSX file.

    Every cell is text, so that nothing is read as a formula or loses a zero or a plus.

    Args:
        request: what stands above the list.
        contacts: who is listed, in order.
        facilities: the names of facilities, by id.
        without: ids of facilities that are open and have no complete representative; they stand below the list.
    """
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Đầu mối"
    stamp = f"{request.as_of:%H:%M ngày %d/%m/%Y} (giờ Việt Nam)"
    header = _write_title(sheet, request, stamp)
    last = header
    for last, row in enumerate(_rows(contacts, facilities), start=header + 1):
        for column, text in enumerate(row, start=1):
            _style(_put(sheet, last, column, text), bold=False)
    _write_missing(sheet, last + 2, [f"{name} - {facilities.get(name, '')}".strip(" -") for name in without])
    _lay_out(sheet, header, last, f"{request.requester} - {stamp}")
    book.properties.creator = "provisioner"
    book.properties.created = request.as_of.astimezone(UTC).replace(tzinfo=None)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _rows(contacts: Iterable[Contact], facilities: Mapping[str, str]) -> Iterable[tuple[str, ...]]:
    for number, contact in enumerate(contacts, start=1):
        personal = (shown(c) for c in (contact.full_name, contact.title, contact.phone, contact.email))
        days = (_day(contact.valid_from), _day(contact.valid_to))
        name = facilities.get(contact.facility, "")
        yield (str(number), contact.facility, name, *personal, ROLE_LABELS[contact.role], *days)


def _day(day: date | None) -> str:
    return f"{day:%d/%m/%Y}" if day else ""


def _write_title(sheet: Worksheet, request: ListRequest, stamp: str) -> int:
    """Write what stands above the list; give the row of the header."""
    lines = (
        "DANH SÁCH ĐẦU MỐI LIÊN HỆ CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
        f"Tỉnh/Thành phố: {request.province}",
        f"Thời điểm lập: {stamp}",
        f"Người yêu cầu: {request.requester}. Mục đích: {request.purpose}",
        "Có dữ liệu cá nhân: chỉ dùng cho mục đích trên, không chuyển tiếp, hủy khi không còn cần.",
    )
    for row, line in enumerate(lines, start=1):
        cell = _put(sheet, row, 1, line)
        cell.font = _font(bold=row == 1, size=14 if row == 1 else 11, italic=row == len(lines))
        sheet.merge_cells(f"A{row}:{_LAST}{row}")
    header = len(lines) + 2
    for column, (title, width) in enumerate(_COLUMNS, start=1):
        _style(_put(sheet, header, column, title), bold=True)
        sheet.column_dimensions[get_column_letter(column)].width = width
    return header


def _write_missing(sheet: Worksheet, row: int, missing: list[str]) -> None:
    if not missing:
        return
    title = f"Cơ sở đang hoạt động chưa có đầu mối đại diện đủ thông tin ({len(missing)}):"
    for number, line in enumerate((title, *missing)):
        cell = _put(sheet, row + number, 1, line)
        cell.font = _font(bold=number == 0)
        sheet.merge_cells(f"A{row + number}:{_LAST}{row + number}")


def _put(sheet: Worksheet, row: int, column: int, text: str) -> Cell:
    """Write a cell that is text and stays text, also after it was edited or saved as CSV."""
    line = clean(text)
    # A phone number begins with a plus and is only shown; anything else that begins so gets a quote before it.
    quoted = line.startswith(_FORMULA_STARTS) and not (column == _PHONE and line[1:].isdecimal())
    cell = sheet.cell(row, column)
    if not isinstance(cell, Cell):  # never: cells are merged after they are written
        raise TypeError(cell)
    if line:
        cell.value = f"'{line}" if quoted else line
        cell.data_type = "s"
    cell.number_format = _TEXT_FORMAT
    cell.quotePrefix = True
    return cell


def _style(cell: Cell, *, bold: bool) -> None:
    side = Side(style="thin")
    cell.border = Border(left=side, right=side, top=side, bottom=side)
    cell.alignment = Alignment(wrap_text=True, vertical="top", horizontal="center" if bold else None)
    cell.font = _font(bold=bold)
    if bold:
        cell.fill = PatternFill("solid", fgColor="DDDDDD")


def _font(*, bold: bool, size: int = 11, italic: bool = False) -> Font:
    return Font(name="Times New Roman", size=size, bold=bold, italic=italic)


def _lay_out(sheet: Worksheet, header: int, last: int, mark: str) -> None:
    """Make the list ready to print: header on every page, and who asked for it at its foot."""
    sheet.freeze_panes = f"A{header + 1}"
    sheet.auto_filter.ref = f"A{header}:{_LAST}{max(last, header)}"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = 9  # A4
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.print_title_rows = f"{header}:{header}"
    footer = HeaderFooterItem()
    footer.left.text, footer.right.text = mark.replace("&", "&&"), "&P/&N"
    sheet.oddFooter = footer
