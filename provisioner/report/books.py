"""The three exports as pages in Vietnamese. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from provisioner.base.clock import VIETNAM
from provisioner.inventory.model import BlockReason, Facility, ManagingBody, SurveyVerdict
from provisioner.lifecycle.states import Since
from provisioner.lifecycle.status import FacilityStatus
from provisioner.report.labels import label
from provisioner.report.pages import Page, SheetRow
from provisioner.report.progress import Group, ProgressReport
from provisioner.report.surveys import SurveyGroup, Surveys
from provisioner.report.zones import Cover, ZoneGroup, Zones

HEADINGS: Mapping[str, str] = {
    "progress": "TIẾN ĐỘ KẾT NỐI CAMERA CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
    "surveys": "KẾT QUẢ KHẢO SÁT CAMERA CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
    "zones": "CÁC KHU VỰC CHƯA CÓ CAMERA TẠI CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
}
ALL = "Tổng cộng"
NO_PLAN = "Chưa có phương án"

Names = Mapping[str, str]
"""Names of provinces or carriers as people read them, by id."""


def day_text(since: Since) -> str:
    """A day or a moment as Vietnamese reports write it."""
    if isinstance(since, datetime):
        return f"{since.astimezone(VIETNAM):%d/%m/%Y %H:%M}"
    return f"{since:%d/%m/%Y}" if since else ""


# --- progress -------------------------------------------------------------------------------------


def progress_pages(
    report: ProgressReport, provinces: Names, province_of: Callable[[Facility], str]
) -> tuple[Page, ...]:
    """The pages of the report on progress.

    Args:
        report: the counts.
        provinces: the provinces' names.
        province_of: gives the province under which a facility is counted.
    """
    reasons = [reason for reason in BlockReason if reason in report.total.blocked]
    by_body = {body.value: label(body) for body in ManagingBody}
    carriers = {group.key: group.key or NO_PLAN for group in report.by_carrier}

    def page(title: str, name: str, groups: Sequence[Group], names: Names) -> Page:
        rows = [_counts(group, names[group.key], reasons) for group in groups]
        return Page(title, _count_columns(name, reasons), rows, _counts(report.total, ALL, reasons))

    return (
        page("Theo tỉnh", "Tỉnh/Thành phố", report.by_province, provinces),
        page("Theo doanh nghiệp", "Doanh nghiệp", report.by_carrier, carriers),
        page("Theo cơ quan quản lý", "Cơ quan quản lý", report.by_managing_body, by_body),
        Page(
            "Danh sách cơ sở",
            _LISTED,
            [_listed(n, s, provinces[province_of(s.facility)]) for n, s in enumerate(report.listed, start=1)],
        ),
    )


def _count_columns(name: str, reasons: Sequence[BlockReason]) -> tuple[tuple[str, int], ...]:
    return (
        (name, 26),
        ("Tổng số cơ sở", 10),
        ("Đã kết nối", 10),
        ("Trong đó trễ hạn", 10),
        ("Vướng mắc", 10),
        *((f"Vướng mắc: {label(reason)}", 14) for reason in reasons),
        ("Tạm dừng", 10),
        ("Đang triển khai", 10),
        ("Quá hạn chưa kết nối", 10),
        ("Tổng số camera", 10),
        ("Camera của cơ sở đã kết nối", 12),
    )


def _counts(group: Group, name: str, reasons: Sequence[BlockReason]) -> SheetRow:
    blocked = (group.blocked.get(reason, 0) for reason in reasons)
    before = (name, group.facilities, group.connected, group.late, group.blocked_in_all)
    after = (group.suspended, group.under_way, group.overdue, group.cameras, group.cameras_connected)
    return (*before, *blocked, *after)


_LISTED = (
    ("STT", 6),
    ("Mã cơ sở", 16),
    ("Cơ sở", 34),
    ("Tỉnh/Thành phố", 18),
    ("Cơ quan quản lý", 16),
    ("Doanh nghiệp", 14),
    ("Trạng thái", 22),
    ("Từ", 16),
    ("Kết nối lần đầu", 16),
    ("Văn bản", 18),
    ("Hoàn thành trước ngày", 14),
    ("So với thời hạn", 14),
    ("Vướng mắc", 26),
    ("Đơn vị xử lý", 20),
    ("Việc tiếp theo", 40),
    ("Thời hạn xử lý", 14),
)


def _listed(number: int, status: FacilityStatus, province: str) -> SheetRow:
    facility, standing, duty = status.facility, status.standing, status.duty
    blocked = facility.blocked if status.is_blocked else None
    return (
        number,
        facility.id,
        facility.name,
        province,
        label(facility.managing_body),
        status.carrier or NO_PLAN,
        label(standing.state),
        day_text(standing.since),
        day_text(standing.connected_at),
        duty.order.ref if duty else "",
        day_text(duty.before) if duty else "",
        label(status.timeliness),
        label(blocked.reason) if blocked else "",
        label(blocked.owner) if blocked else "",
        blocked.next_action if blocked else "",
        day_text(blocked.due) if blocked else "",
    )


# --- surveys --------------------------------------------------------------------------------------


def survey_pages(report: Surveys, provinces: Names, province_of: Callable[[Facility], str]) -> tuple[Page, ...]:
    """The pages of the report on surveys; the arguments are as `progress_pages` has them."""
    columns = (
        ("Tỉnh/Thành phố", 26),
        ("Tổng số cơ sở", 10),
        ("Đã khảo sát", 10),
        ("Chưa khảo sát", 10),
        *((label(verdict), 14) for verdict in SurveyVerdict),
        ("Camera hiện có", 10),
        ("Camera đáp ứng", 10),
        ("Camera cần bổ sung", 10),
    )
    rows = [_survey_counts(group, provinces[group.key]) for group in report.by_province]
    listed = [
        _surveyed(number, facility, provinces[province_of(facility)])
        for number, facility in enumerate(report.listed, start=1)
    ]
    return (
        Page("Theo tỉnh", columns, rows, _survey_counts(report.total, ALL)),
        Page("Danh sách cơ sở", _SURVEYED, listed),
    )


def _survey_counts(group: SurveyGroup, name: str) -> SheetRow:
    verdicts = (group.verdicts.get(verdict, 0) for verdict in SurveyVerdict)
    cameras = (group.cameras_present, group.cameras_fit, group.cameras_missing)
    return (name, group.facilities, group.surveyed, group.missing, *verdicts, *cameras)


_SURVEYED = (
    ("STT", 6),
    ("Mã cơ sở", 16),
    ("Cơ sở", 34),
    ("Tỉnh/Thành phố", 18),
    ("Ngày khảo sát", 14),
    ("Thành phần", 26),
    ("Kết quả", 22),
    ("Camera hiện có", 10),
    ("Camera đáp ứng", 10),
    ("Camera cần bổ sung", 10),
    ("Đường truyền", 16),
    ("Tải lên (Mbps)", 10),
    ("Địa chỉ IP", 12),
    ("RTSP", 18),
    ("Tài khoản thiết bị", 14),
    ("Khu vực thiếu camera", 34),
    ("Vướng mắc", 34),
    ("Đề xuất", 34),
)


def _surveyed(number: int, facility: Facility, province: str) -> SheetRow:
    head = (number, facility.id, facility.name, province)
    survey = facility.survey
    if survey is None:
        return (*head, "", "", "Chưa khảo sát", *("" for _ in _SURVEYED[7:]))
    cameras, uplink = survey.cameras, survey.uplink
    return (
        *head,
        day_text(survey.surveyed_on),
        ", ".join(label(party) for party in survey.by),
        label(survey.verdict),
        cameras.present,
        cameras.fit,
        cameras.missing,
        label(uplink.kind),
        "" if uplink.upload_mbps is None else f"{uplink.upload_mbps:g}".replace(".", ","),
        label(uplink.address),
        label(survey.rtsp),
        label(survey.logins),
        ", ".join(label(zone) for zone in survey.gaps),
        survey.obstacles or "",
        survey.advice or "",
    )


# --- zones ----------------------------------------------------------------------------------------


def zone_pages(report: Zones, provinces: Names, province_of: Callable[[Facility], str]) -> tuple[Page, ...]:
    """The pages of the report on zones; the arguments are as `progress_pages` has them."""
    columns = (("Khu vực", 32), ("Tổng số cơ sở", 10), *((label(cover), 18) for cover in Cover))
    lacking = [
        (n, one.facility.id, one.facility.name, provinces[province_of(one.facility)], label(one.zone), label(one.cover))
        for n, one in enumerate(report.lacking, start=1)
    ]
    listed = (("STT", 6), ("Mã cơ sở", 16), ("Cơ sở", 34), ("Tỉnh/Thành phố", 18), ("Khu vực", 32), ("Hiện trạng", 40))
    return (
        Page("Theo khu vực", columns, [_zone_counts(group) for group in report.by_zone]),
        Page("Khu vực chưa có camera", listed, lacking),
    )


def _zone_counts(group: ZoneGroup) -> SheetRow:
    return (label(group.zone), group.facilities, *(group.covers[cover] for cover in Cover))
