"""The sheets of facilities and of their contacts."""

from __future__ import annotations

from provisioner.contacts.emails import read_email
from provisioner.contacts.names import read_line, read_name
from provisioner.contacts.phones import read_phone
from provisioner.importing.cells.grid import Cell
from provisioner.importing.forms import choices as words
from provisioner.importing.forms import values
from provisioner.importing.forms.columns import (
    FACILITY_IDS,
    FACILITY_NAMES,
    NUMBER,
    PLACES,
    PROVINCE,
    Column,
    Form,
    Kind,
    chosen,
    day,
    district,
    number,
    shared,
    street,
    ward,
)
from provisioner.importing.forms.privacy import masked, safe_id, safe_number, safe_words
from provisioner.importing.forms.values import Taken, taken_from

_MILLION = 1_000_000


def _name(cell: Cell) -> Taken:
    return taken_from(read_name(_bare(cell)))


def _personal_line(cell: Cell) -> Taken:
    return taken_from(read_line(values.unquoted(cell.text)))


def _phone(cell: Cell) -> Taken:
    return taken_from(read_phone(_bare(cell)))


def _email(cell: Cell) -> Taken:
    return taken_from(read_email(_bare(cell)))


def _bare(cell: Cell) -> object:
    return values.unquoted(cell.value) if isinstance(cell.value, str) else cell.value


FACILITIES = Form(
    Kind.FACILITIES,
    "Cơ sở",
    "Danh sách cơ sở|Cơ sở cách ly|Khu cách ly|Danh sách khu cách ly|Danh sách cơ sở cách ly",
    (
        NUMBER,
        Column(
            "facility_id",
            "Mã cơ sở",
            f"{FACILITY_IDS}|Mã",
            values.identifier,
            safe_id,
            own=True,
            advice="Để trống nếu là cơ sở mới: hệ thống đề xuất mã; mã đã cấp không đổi",
        ),
        Column("province", "Tỉnh/Thành phố", PROVINCE, show=safe_words, required=True, advice="Tên tỉnh, thành phố"),
        Column("province_code", "Mã tỉnh", "Mã tỉnh/thành phố|Mã địa phương", show=safe_number, asked=False),
        district(),
        ward(),
        Column("name", "Tên cơ sở", f"{FACILITY_NAMES}|facility_name", own=True, required=True),
        chosen("kind", "Loại cơ sở", words.KINDS, "Loại hình|Loại hình cơ sở|Loại", required=True),
        chosen(
            "managing_body",
            "Cơ quan quản lý",
            words.BODIES,
            "Đơn vị quản lý|Cấp quản lý|Đơn vị chủ quản|Cơ quan chủ quản",
            required=True,
        ),
        street(advice="Số nhà, đường hoặc thôn, xóm của cơ sở; không ghi địa chỉ của cá nhân"),
        number("people", "Sức chứa (người)", _MILLION, "Sức chứa|Quy mô|Quy mô (người)|Công suất|Số người"),
        number("rooms", "Số phòng", _MILLION),
        number("floors", "Số tầng", 200),
        chosen(
            "operating",
            "Tình trạng hoạt động",
            words.OPERATING,
            "Tình trạng|Trạng thái|Hiện trạng hoạt động",
            required=True,
        ),
        day("opened_on", "Ngày bắt đầu", "Ngày bắt đầu hoạt động|Ngày mở|Ngày hoạt động"),
        day("closed_on", "Ngày kết thúc", "Ngày kết thúc hoạt động|Ngày đóng|Ngày ngừng hoạt động"),
        day(
            "notice_posted_on", "Ngày niêm yết thông báo có camera", "Ngày niêm yết thông báo|Ngày thông báo có camera"
        ),
        Column("note", "Ghi chú", "Note", kept=False, asked=False),
    ),
)
CONTACTS = Form(
    Kind.CONTACTS,
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
