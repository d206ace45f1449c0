"""Vietnamese words in reports for provinces and the ministry. Pure.

A value has the same word as in the importer's template, so that reports can be compared with provinces' sheets.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from provisioner.base.text import VIETNAM
from provisioner.inventory.deadlines import Timeliness
from provisioner.inventory.model import (
    BlockOwner,
    BlockReason,
    FacilityKind,
    ManagingBody,
    Operating,
    Party,
    SurveyVerdict,
    UplinkKind,
    Zone,
)
from provisioner.inventory.model.connection import LoginState, RtspState, UplinkAddress
from provisioner.record.availability.measured import AgreedLevel
from provisioner.record.lifecycle.pictures import Pictures
from provisioner.record.lifecycle.state import FacilityState, Since
from provisioner.record.lifecycle.status import OpeningRisk, OpeningWarning

TOTAL_LABEL = "Tổng cộng"
NO_PLAN_LABEL = "Chưa có phương án"

_WORDS: tuple[tuple[StrEnum, str], ...] = (
    (FacilityState.REGISTERED, "Đã đăng ký"),
    (FacilityState.CONTACT_CONFIRMED, "Đã có đầu mối"),
    (FacilityState.SURVEYED, "Đã khảo sát"),
    (FacilityState.PLAN_PROPOSED, "Đã đề xuất phương án"),
    (FacilityState.PLAN_AGREED, "Đã thống nhất phương án"),
    (FacilityState.PROVISIONED, "Đã cấu hình"),
    (FacilityState.CONNECTED, "Đã kết nối"),
    (FacilityState.ACCEPTED, "Đã nghiệm thu"),
    (FacilityState.ACTIVE, "Đang vận hành"),
    (FacilityState.SUSPENDED, "Tạm dừng"),
    (FacilityState.DECOMMISSIONING, "Đang gỡ bỏ"),
    (FacilityState.CLOSED, "Đã kết thúc"),
    (Timeliness.NOT_BOUND, "Không áp dụng"),
    (Timeliness.DUE, "Chưa đến hạn"),
    (Timeliness.ON_TIME, "Đúng hạn"),
    (Timeliness.LATE, "Trễ hạn"),
    (Timeliness.OVERDUE, "Quá hạn"),
    (AgreedLevel.NOT_AGREED, "Chưa thỏa thuận"),
    (AgreedLevel.MET, "Đạt"),
    (AgreedLevel.MISSED, "Không đạt"),
    (AgreedLevel.UNMEASURED, "Chưa đo"),
    (FacilityKind.SCHOOL, "Trường học"),
    (FacilityKind.DORMITORY, "Ký túc xá"),
    (FacilityKind.HOTEL, "Khách sạn"),
    (FacilityKind.BARRACKS, "Doanh trại"),
    (FacilityKind.HOSPITAL, "Cơ sở y tế"),
    (FacilityKind.FACTORY, "Nhà máy"),
    (FacilityKind.OTHER, "Khác"),
    (ManagingBody.UBND_TINH, "UBND tỉnh"),
    (ManagingBody.UBND_HUYEN, "UBND huyện"),
    (ManagingBody.UBND_XA, "UBND xã"),
    (ManagingBody.QUAN_DOI, "Quân đội"),
    (ManagingBody.CONG_AN, "Công an"),
    (ManagingBody.DOANH_NGHIEP, "Doanh nghiệp"),
    (Operating.OPEN, "Đang hoạt động"),
    (Operating.PREPARING, "Đang chuẩn bị"),
    (Operating.STANDBY, "Dự phòng"),
    (Operating.CLOSED, "Đã đóng"),
    (Party.DIC, "Sở TT&TT"),
    (Party.HEALTH, "Sở Y tế"),
    (Party.CARRIER, "Doanh nghiệp viễn thông"),
    (UplinkKind.FIBRE, "Cáp quang"),
    (UplinkKind.LEASED_LINE, "Kênh thuê riêng"),
    (UplinkKind.MOBILE, "Di động"),
    (UplinkKind.OTHER, "Khác"),
    (UplinkKind.NONE, "Không có"),
    (UplinkAddress.STATIC, "Tĩnh"),
    (UplinkAddress.DYNAMIC, "Động"),
    (UplinkAddress.CGNAT, "CGNAT"),
    (RtspState.ENABLED, "Đã bật"),
    (RtspState.DISABLED, "Chưa bật"),
    (RtspState.CLOUD_ONLY, "Chỉ xem qua ứng dụng"),
    (RtspState.LOCKED, "Bị khóa"),
    (LoginState.RECEIVED, "Đã nhận"),
    (LoginState.MISSING, "Chưa nhận"),
    (SurveyVerdict.READY, "Đạt, kết nối được"),
    (SurveyVerdict.NEEDS_CAMERAS, "Cần bổ sung camera"),
    (SurveyVerdict.NEEDS_REPAIR, "Cần sửa chữa"),
    (SurveyVerdict.NEEDS_REPLACEMENT, "Cần thay thế thiết bị"),
    (SurveyVerdict.NEEDS_UPLINK, "Cần đường truyền"),
    (SurveyVerdict.NOT_POSSIBLE, "Không kết nối được"),
    (BlockReason.NO_COOPERATION, "Cơ sở chưa phối hợp"),
    (BlockReason.NO_CAMERAS, "Chưa có camera"),
    (BlockReason.OBSOLETE_DEVICE, "Thiết bị cũ, không tương thích"),
    (BlockReason.RTSP_UNAVAILABLE, "Không lấy được luồng RTSP"),
    (BlockReason.CREDENTIALS_MISSING, "Chưa có tài khoản thiết bị"),
    (BlockReason.NO_UPLINK, "Chưa có đường truyền"),
    (BlockReason.CGNAT_UDP_BLOCKED, "Nhà mạng chặn UDP (CGNAT)"),
    (BlockReason.SECURITY_POLICY, "Quy định an ninh"),
    (BlockReason.NEEDS_INVESTMENT, "Chờ kinh phí"),
    (BlockReason.NOT_IN_SCOPE, "Không thuộc phạm vi"),
    (BlockOwner.FACILITY, "Cơ sở cách ly"),
    (BlockOwner.DIC, "Sở TT&TT"),
    (BlockOwner.HEALTH, "Sở Y tế"),
    (BlockOwner.CARRIER, "Doanh nghiệp viễn thông"),
    (BlockOwner.PROVINCE, "UBND tỉnh"),
    (BlockOwner.MINISTRY, "Bộ TT&TT"),
    (Zone.HANH_LANG, "Hành lang"),
    (Zone.SANH_TANG, "Sảnh tầng"),
    (Zone.SAN, "Sân"),
    (Zone.LAY_MAU, "Khu lấy mẫu"),
    (Zone.TIEP_DON, "Khu tiếp đón"),
    (Zone.KIEM_TRA_Y_TE, "Khu kiểm tra y tế"),
    (Zone.NHAN_DO, "Khu nhận đồ"),
    (Zone.NGOAI_NHA_TAM_VE_SINH, "Ngoài nhà tắm, nhà vệ sinh chung"),
    (Zone.CONG, "Cổng"),
    (Zone.KHAC, "Khu vực công cộng khác"),
)


def _by_type(pairs: Iterable[tuple[StrEnum, str]]) -> dict[type[StrEnum], dict[str, str]]:
    labels: dict[type[StrEnum], dict[str, str]] = {}
    for value, name in pairs:
        labels.setdefault(type(value), {})[value.value] = name
    return labels


LABELS = _by_type(_WORDS)
"""The word for each value, by enumeration."""


def label(value: StrEnum | None) -> str:
    """Return the word for a value; empty for `None`."""
    return "" if value is None else LABELS[type(value)][value.value]


def up_label(pictures: Pictures) -> str:
    """Return how many cameras are up; empty if no host pulls them."""
    if not pictures.carried:
        return ""
    if pictures.look is None:
        return "Chưa rõ"
    unknown = f", {pictures.unknown} chưa rõ" if pictures.unknown else ""
    return f"{pictures.up}/{pictures.cameras}{unknown}"


def opening_label(warning: OpeningWarning) -> str:
    """Return the warning about an opening in words."""
    connected = "" if warning.connected else ", chưa kết nối"
    if warning.risk is OpeningRisk.PASSED:
        return f"Lẽ ra hoạt động từ {warning.opens_on:%d/%m/%Y}{connected}"
    opens = f"Hoạt động sau {warning.days} ngày" if warning.days else "Hoạt động từ hôm nay"
    return f"{opens}{connected or ', hiện mất hình'}"


def day_label(since: Since) -> str:
    """Return a day or a time as Vietnamese reports write it."""
    if isinstance(since, datetime):
        return f"{since.astimezone(VIETNAM):%d/%m/%Y %H:%M}"
    return f"{since:%d/%m/%Y}" if since else ""
