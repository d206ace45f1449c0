"""The sheet of contacts. Its cells are read by the readers of `contacts`: they hold personal data."""

from __future__ import annotations

from provisioner.contacts.emails import read_email
from provisioner.contacts.names import read_line, read_name
from provisioner.contacts.phones import read_phone
from provisioner.importing.cells.grid import Cell
from provisioner.importing.forms import choices as words
from provisioner.importing.forms import values
from provisioner.importing.forms.columns import PLACES, Column, Form, FormKind, chosen, day, shared
from provisioner.importing.forms.privacy import masked
from provisioner.importing.forms.values import CellReading, reading_from


def _name(cell: Cell) -> CellReading:
    return reading_from(read_name(_bare(cell)))


def _personal_line(cell: Cell) -> CellReading:
    return reading_from(read_line(values.unquoted(cell.text)))


def _phone(cell: Cell) -> CellReading:
    return reading_from(read_phone(_bare(cell)))


def _email(cell: Cell) -> CellReading:
    return reading_from(read_email(_bare(cell)))


def _bare(cell: Cell) -> object:
    return values.unquoted(cell.value) if isinstance(cell.value, str) else cell.value


CONTACTS = Form(
    FormKind.CONTACTS,
    "Đầu mối",
    "Danh sách đầu mối|Đầu mối liên hệ|Danh sách đầu mối liên hệ|Liên hệ|Danh bạ",
    (
        *shared(),
        Column(
            "full_name",
            "Họ và tên",
            "Họ tên|Họ và tên đầu mối|Họ tên đầu mối|Đầu mối|Người đại diện|Đầu mối liên hệ|Người liên hệ|Họ & tên",
            _name,
            own=True,
            required=True,
        ),
        Column("title", "Chức danh", "Chức vụ|Chức vụ, đơn vị|Chức danh/Chức vụ", _personal_line, required=True),
        Column(
            "phone",
            "Số điện thoại",
            "SĐT|Điện thoại|Số ĐT|ĐT|Điện thoại liên hệ|Số điện thoại liên hệ|Di động|Số di động"
            "|Điện thoại di động|SĐT liên hệ",
            _phone,
            masked,
            own=True,
            required=True,
            advice="Mỗi người một số, ví dụ 0300 000 001",
        ),
        Column(
            "email",
            "Thư điện tử",
            "Email|E-mail|Địa chỉ email|Địa chỉ thư điện tử|Mail|Hộp thư|Hộp thư điện tử",
            _email,
            own=True,
            required=True,
        ),
        chosen("role", "Vai trò", words.ROLES, "Nhiệm vụ", advice="Để trống là Đại diện cơ sở"),
        day("valid_from", "Từ ngày", "Ngày bắt đầu|Hiệu lực từ", advice="Để trống là ngày nhập"),
        day("valid_to", "Đến ngày", "Ngày kết thúc|Hiệu lực đến"),
        Column("source", "Văn bản cử đầu mối", "Văn bản|Căn cứ|Văn bản cử", _personal_line),
        Column("note", "Ghi chú", "Note", _personal_line),
        *PLACES,
    ),
)
