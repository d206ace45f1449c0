"""The sheet of facilities."""

from __future__ import annotations

from provisioner.importing.forms import choices as words
from provisioner.importing.forms import values
from provisioner.importing.forms.columns import (
    FACILITY_IDS,
    FACILITY_NAMES,
    NUMBER,
    PROVINCE,
    Column,
    Form,
    FormKind,
    chosen,
    day,
    district,
    number,
    street,
    ward,
)
from provisioner.importing.forms.privacy import safe_id, safe_number, safe_words

_MILLION = 1_000_000

FACILITIES = Form(
    FormKind.FACILITIES,
    "Cơ sở",
    "Danh sách cơ sở|Cơ sở cách ly|Khu cách ly|Danh sách khu cách ly|Danh sách cơ sở cách ly",
    (
        NUMBER,
        Column(
            "facility_id",
            "Mã cơ sở",
            f"{FACILITY_IDS}|Mã",
            values.site_identifier,
            safe_id,
            own=True,
            advice="Mã đã cấp, không đổi. Chưa có thì để trống: hệ thống đề xuất mã. Để trả lời câu hỏi của hệ thống: "
            "ghi mã của cơ sở đã có, hoặc chữ “mới” nếu là cơ sở khác",
        ),
        Column(
            "province",
            "Tỉnh/Thành phố",
            PROVINCE,
            values.certain,
            safe_words,
            required=True,
            advice="Tên tỉnh, thành phố",
        ),
        Column("province_code", "Mã tỉnh", "Mã tỉnh/thành phố|Mã địa phương", values.certain, safe_number, asked=False),
        district(advice="Chỉ ghi nếu địa chỉ có từ trước 01/07/2025; từ đó không còn cấp huyện, để trống"),
        ward(),
        Column("name", "Tên cơ sở", f"{FACILITY_NAMES}|facility_name", values.certain, own=True, required=True),
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
        day(
            "opens_on",
            "Ngày dự kiến hoạt động",
            "Ngày dự kiến mở|Dự kiến hoạt động từ ngày|Ngày dự kiến đón người",
            advice="Ghi khi tình trạng là Đang chuẩn bị: ngày dự kiến đón người cách ly",
        ),
        day("opened_on", "Ngày bắt đầu", "Ngày bắt đầu hoạt động|Ngày mở|Ngày hoạt động"),
        day("closed_on", "Ngày kết thúc", "Ngày kết thúc hoạt động|Ngày đóng|Ngày ngừng hoạt động"),
        day(
            "notice_posted_on", "Ngày niêm yết thông báo có camera", "Ngày niêm yết thông báo|Ngày thông báo có camera"
        ),
        Column("note", "Ghi chú", "Note", stored=False, asked=False),
    ),
)
