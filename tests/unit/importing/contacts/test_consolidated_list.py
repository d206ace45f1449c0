"""The ministry's list as a spreadsheet: opened again, as the ministry would open it."""

import io
import re
import zipfile
from datetime import datetime
from typing import Any

import openpyxl
import pytest

from provisioner.base.text import VIETNAM
from provisioner.importing.contacts.checks import ListRequest, consolidated_list
from provisioner.importing.contacts.store import Contact

from . import book

REQUEST = ListRequest("Bắc Giang", datetime(2021, 5, 9, 7, 30, tzinfo=VIETNAM), "Sở TT&TT", "CV 1407")
FACILITIES = {"kcl-bg-001": "Trường THPT Ví Dụ 1", "kcl-bg-002": "Ký túc xá Ví Dụ 2"}


def sheet(*listed: Contact, without: tuple[str, ...] = (), request: ListRequest = REQUEST) -> Any:
    data = consolidated_list(request, listed, FACILITIES, without)
    return openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]


def rows(written: Any) -> list[tuple[str, ...]]:
    return [tuple(cell or "" for cell in row) for row in written.iter_rows(values_only=True)]


def test_the_list_says_who_asked_for_it_when_and_what_for() -> None:
    texts = rows(sheet(book.contact()))
    assert [row[0] for row in texts[:5]] == [
        "DANH SÁCH ĐẦU MỐI LIÊN HỆ CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
        "Tỉnh/Thành phố: Bắc Giang",
        "Thời điểm lập: 07:30 ngày 09/05/2021 (giờ Việt Nam)",
        "Người yêu cầu: Sở TT&TT. Mục đích: CV 1407",
        "Có dữ liệu cá nhân: chỉ dùng cho mục đích trên, không chuyển tiếp, hủy khi không còn cần.",
    ]
    assert sheet().oddFooter.left.text == "Sở TT&&TT - 07:30 ngày 09/05/2021 (giờ Việt Nam)"


def test_each_contact_is_a_row_below_the_header() -> None:
    texts = rows(sheet(book.contact(), book.other(facility="kcl-bg-002", valid_to="2021-05-31", email=None)))
    assert texts[6:] == [
        (
            *("STT", "Mã cơ sở", "Cơ sở", "Họ và tên", "Chức danh"),
            *("Số điện thoại", "Thư điện tử", "Vai trò", "Từ ngày", "Đến ngày"),
        ),
        (
            *("1", "kcl-bg-001", "Trường THPT Ví Dụ 1", book.NAME, book.TITLE),
            *(book.PHONE, book.EMAIL, "Đại diện cơ sở", "07/05/2021", ""),
        ),
        (
            *("2", "kcl-bg-002", "Ký túc xá Ví Dụ 2", "Trần Văn Mẫu KýKý", "Kỹ thuật viên"),
            *("+84300000002", "", "Kỹ thuật", "07/05/2021", "31/05/2021"),
        ),
    ]


def test_notes_and_sources_stay_where_they_are() -> None:
    assert book.NOTE not in str(rows(sheet(book.contact(source="Canary source"))))
    assert "Canary source" not in str(rows(sheet(book.contact(source="Canary source"))))


def test_facilities_without_a_representative_stand_below_the_list() -> None:
    first_column = [row[0] for row in rows(sheet(book.contact(), without=("kcl-bg-002",)))]
    assert first_column[-3:] == [
        "",
        "Cơ sở đang hoạt động chưa có đầu mối đại diện đủ thông tin (1):",
        "kcl-bg-002 - Ký túc xá Ví Dụ 2",
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", '=HYPERLINK("https://example.com")&', "@SUM(1)*", "-1+", "+1-"])
def test_nothing_that_is_written_becomes_a_formula(start: str) -> None:
    evil = f"{start}cmd|' /C calc'!A0"
    listed = book.contact(full_name=evil, title=evil, email=evil, phone=evil)
    written = sheet(listed, request=ListRequest(evil, REQUEST.as_of, evil, evil), without=())
    for row in written.iter_rows(min_row=7):
        for cell in row:
            assert cell.data_type in {"s", "n"}
            assert cell.value is None or isinstance(cell.value, str)
            assert not str(cell.value or "").startswith(("=", "-", "@", "+"))
    data = consolidated_list(REQUEST, [listed], FACILITIES, [])
    xml = zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in xml
    assert not re.search(r"<t>[=\-@+]", xml)


def test_a_phone_number_is_shown_with_its_plus_and_stays_text() -> None:
    cell = sheet(book.contact())["F8"]
    assert (cell.value, cell.data_type, cell.number_format, cell.quotePrefix) == (book.PHONE, "s", "@", True)


def test_what_looks_like_an_error_of_a_spreadsheet_is_text() -> None:
    cell = sheet(book.contact(title="#N/A"))["E8"]
    assert (cell.value, cell.data_type) == ("#N/A", "s")


def test_a_list_without_contacts_is_a_list() -> None:
    assert len(rows(sheet())) == 7


def test_the_list_is_ready_to_print() -> None:
    written = sheet(book.contact(), book.other())
    assert written.page_setup.orientation == "landscape"
    assert written.print_title_rows == "$7:$7"
    assert written.freeze_panes == "A8"
    assert written.auto_filter.ref == "A7:J9"
