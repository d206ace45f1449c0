"""The consolidated list for the ministry, in Vietnamese, as a spreadsheet. Pure: values in, bytes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from openpyxl import Workbook
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.header_footer import HeaderFooterItem
from openpyxl.worksheet.worksheet import Worksheet

from provisioner.base.spreadsheet import HEADER, PLAIN, REMARK, TITLE, CellStyle, landscape, put, saved
from provisioner.contacts.model import ROLE_LABELS, Contact, revealed

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
_LAST = get_column_letter(len(_COLUMNS))
_HEADING = CellStyle(bold=True, border=False)


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
    """The list as an XLSX file.

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
            put(sheet, last, column, text)
    _write_missing(sheet, last + 2, [f"{name} - {facilities.get(name, '')}".strip(" -") for name in without])
    _lay_out(sheet, header, last, f"{request.requester} - {stamp}")
    book.properties.created = request.as_of.astimezone(UTC).replace(tzinfo=None)
    return saved(book)


def _rows(contacts: Iterable[Contact], facilities: Mapping[str, str]) -> Iterable[tuple[str, ...]]:
    for number, contact in enumerate(contacts, start=1):
        personal = (revealed(c) for c in (contact.full_name, contact.title, contact.phone, contact.email))
        days = (_day(contact.valid_from), _day(contact.valid_to))
        name = facilities.get(contact.facility, "")
        yield (str(number), contact.facility, name, *personal, ROLE_LABELS[contact.role], *days)


def _day(day: date | None) -> str:
    return f"{day:%d/%m/%Y}" if day else ""


def _write_title(sheet: Worksheet, request: ListRequest, stamp: str) -> int:
    """Write what stands above the list; returns the row of the header."""
    lines = (
        "DANH SÁCH ĐẦU MỐI LIÊN HỆ CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
        f"Tỉnh/Thành phố: {request.province}",
        f"Thời điểm lập: {stamp}",
        f"Người yêu cầu: {request.requester}. Mục đích: {request.purpose}",
        "Có dữ liệu cá nhân: chỉ dùng cho mục đích trên, không chuyển tiếp, hủy khi không còn cần.",
    )
    looks = {1: TITLE, len(lines): REMARK}
    for row, line in enumerate(lines, start=1):
        put(sheet, row, 1, line, looks.get(row, PLAIN))
        sheet.merge_cells(f"A{row}:{_LAST}{row}")
    header = len(lines) + 2
    for column, (title, width) in enumerate(_COLUMNS, start=1):
        put(sheet, header, column, title, HEADER)
        sheet.column_dimensions[get_column_letter(column)].width = width
    return header


def _write_missing(sheet: Worksheet, row: int, missing: list[str]) -> None:
    if not missing:
        return
    title = f"Cơ sở đang hoạt động chưa có đầu mối đại diện đủ thông tin ({len(missing)}):"
    for number, line in enumerate((title, *missing)):
        put(sheet, row + number, 1, line, PLAIN if number else _HEADING)
        sheet.merge_cells(f"A{row + number}:{_LAST}{row + number}")


def _lay_out(sheet: Worksheet, header: int, last: int, mark: str) -> None:
    """Make the list ready to print: header on every page, and who asked for it at its foot."""
    sheet.freeze_panes = f"A{header + 1}"
    sheet.auto_filter.ref = f"A{header}:{_LAST}{max(last, header)}"
    landscape(sheet, header)
    footer = HeaderFooterItem()
    footer.left.text, footer.right.text = mark.replace("&", "&&"), "&P/&N"
    sheet.oddFooter = footer
