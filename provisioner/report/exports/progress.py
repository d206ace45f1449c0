"""The report on the progress of the connection. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from provisioner.base.text import Document, LongList
from provisioner.inventory.model.connection import BlockReason
from provisioner.inventory.model.orders import ManagingBody
from provisioner.inventory.outline import Outline
from provisioner.record.labels import NO_PLAN_LABEL, TOTAL_LABEL, day_label, label, opening_label, up_label
from provisioner.record.lifecycle.status import FacilityStatus
from provisioner.report.exports.report import FacilityList, Report
from provisioner.report.facilities import FacilityRow, facility_values
from provisioner.report.progress import CountedAs, Group, ProgressReport, counted_as, progress
from provisioner.report.status import short, warning_lines
from provisioner.report.tables import TOTAL_NAME, Page, SheetRow, text_table

_NO_PLAN = "no plan yet"


def _count(listing: FacilityList) -> ProgressReport:
    return progress(listing.statuses, lambda status: listing.slug(status.facility))


# --- document --------------------------------------------------------------------------------------


class CountedRow(FacilityRow):
    """A facility of the report on progress."""

    counted_as: CountedAs


def _document(report: ProgressReport, listing: FacilityList) -> Document:
    name_of = listing.files.name
    return {
        "total": report.total,
        "by_province": report.by_province,
        "by_carrier": report.by_carrier,
        "by_managing_body": report.by_managing_body,
        "closed": report.closed,
        "facilities": LongList(
            lambda: (
                CountedRow.made_of(
                    status, **facility_values(status, name_of(status.facility.id)), counted_as=counted_as(status)
                ).plain
                for status in report.listed
            )
        ),
    }


# --- text ------------------------------------------------------------------------------------------


def _report_lines(report: ProgressReport) -> Iterator[str]:
    reasons = [reason for reason in BlockReason if reason in report.total.blocked]
    yield from _group_table("province", report.by_province, report.total, reasons)
    yield ""
    yield from _group_table("carrier", report.by_carrier, report.total, reasons)
    yield ""
    yield from _group_table("managing body", report.by_managing_body, report.total, reasons)
    yield ""
    yield from _survey_table(report)
    yield from _remark_lines(report)


def _remark_lines(report: ProgressReport) -> Iterator[str]:
    claimed = [(status.facility.id, status.claimed) for status in report.listed if status.claimed]
    warnings = list(warning_lines(report.listed))
    if claimed or warnings or report.closed:
        yield ""
    for facility, claim in claimed:
        yield f"claimed, and not proved: {facility} since {claim.connected_on} ({claim.source})"
    yield from warnings
    if report.closed:
        yield f"closed, and not counted: {report.closed}"


def _group_table(noun: str, groups: Sequence[Group], total: Group, reasons: Sequence[BlockReason]) -> Iterator[str]:
    blocked = tuple(f"blocked: {reason.value}" for reason in reasons)
    names = (
        *(noun, "facilities", "connected", "up now", "last proved", "down since", "claimed", "late"),
        *blocked,
        *("suspended", "under way", "overdue", "cameras connected", "cameras up now"),
    )
    rows = [_cells(group, group.key or _NO_PLAN, reasons) for group in groups]
    yield from text_table(names, [*rows, _cells(total, TOTAL_NAME, reasons)], numbers=True)


def _cells(group: Group, name: str, reasons: Sequence[BlockReason]) -> list[str]:
    blocked = [group.blocked.get(reason, 0) for reason in reasons]
    counts = [group.claimed, group.late, *blocked, group.suspended, group.under_way, group.overdue]
    return [
        *(
            name,
            str(group.facilities),
            str(group.connected),
            _with_unknown(str(group.up), group.unknown, group.connected),
        ),
        *(_short(group.last_proved), _short(group.down_since)),
        *map(str, counts),
        f"{group.cameras_connected}/{group.cameras}",
        _with_unknown(f"{group.cameras_up}/{group.cameras}", group.cameras_unknown, group.cameras),
    ]


def _with_unknown(text: str, unknown: int, total: int) -> str:
    """Return a count in words, with the number of unknown ones."""
    if unknown and unknown == total:
        return "unknown"
    return f"{text} ({unknown} unknown)" if unknown else text


def _short(moment: datetime | None) -> str:
    return short(moment) if moment else "-"


def _survey_table(report: ProgressReport) -> Iterator[str]:
    """Yield the surveys' counts beside the registered cameras."""
    names = ("province", "surveyed", "registered of present", "fit", "missing", "recorders")
    rows = [_surveyed(group, group.key) for group in report.by_province]
    yield from text_table(names, [*rows, _surveyed(report.total, TOTAL_NAME)], numbers=True)


def _surveyed(group: Group, name: str) -> list[str]:
    counts = (group.fit, group.missing, group.recorders)
    return [name, str(group.surveyed), f"{group.registered} of {group.present}", *map(str, counts)]


# --- pages -----------------------------------------------------------------------------------------


def _progress_pages(report: ProgressReport, listing: FacilityList) -> tuple[Page, ...]:
    reasons = [reason for reason in BlockReason if reason in report.total.blocked]
    by_body = {body.value: label(body) for body in ManagingBody}
    carriers = {group.key: group.key or NO_PLAN_LABEL for group in report.by_carrier}

    def page(title: str, name: str, groups: Sequence[Group], names: Mapping[str, str]) -> Page:
        rows = [_count_cells(group, names[group.key], reasons) for group in groups]
        return Page(title, _count_columns(name, reasons), rows, _count_cells(report.total, TOTAL_LABEL, reasons))

    return (
        page("Theo tỉnh", "Tỉnh/Thành phố", report.by_province, listing.province_names),
        page("Theo doanh nghiệp", "Doanh nghiệp", report.by_carrier, carriers),
        page("Theo cơ quan quản lý", "Cơ quan quản lý", report.by_managing_body, by_body),
        Page(
            "Danh sách cơ sở",
            _LISTED,
            [_facility_cells(number, status, listing) for number, status in enumerate(report.listed, start=1)],
        ),
    )


def _count_columns(name: str, reasons: Sequence[BlockReason]) -> tuple[tuple[str, int], ...]:
    return (
        (name, 26),
        ("Tổng số cơ sở", 10),
        ("Đã kết nối", 10),
        ("Hiện có hình", 10),
        ("Hiện không đủ hình", 10),
        ("Hiện chưa rõ", 10),
        ("Kiểm chứng gần nhất", 16),
        ("Mất hình từ", 16),
        ("Báo cáo đã kết nối, chưa kiểm chứng", 14),
        ("Trong đó trễ hạn", 10),
        ("Vướng mắc", 10),
        *((f"Vướng mắc: {label(reason)}", 14) for reason in reasons),
        ("Tạm dừng", 10),
        ("Đang triển khai", 10),
        ("Quá hạn chưa kết nối", 10),
        ("Tổng số camera", 10),
        ("Camera của cơ sở đã kết nối", 12),
        ("Camera hiện có hình", 10),
        ("Camera hiện mất hình", 10),
        ("Camera hiện chưa rõ", 10),
        ("Số đầu ghi", 10),
        ("Cơ sở đã khảo sát", 10),
        ("Camera khi khảo sát", 10),
        ("Camera đáp ứng", 10),
        ("Camera cần bổ sung", 10),
    )


def _count_cells(group: Group, name: str, reasons: Sequence[BlockReason]) -> SheetRow:
    blocked = (group.blocked.get(reason, 0) for reason in reasons)
    now = (group.up, group.not_up, group.unknown, day_label(group.last_proved), day_label(group.down_since))
    places = (group.suspended, group.under_way, group.overdue)
    cameras = (group.cameras, group.cameras_connected, group.cameras_up, group.cameras_down, group.cameras_unknown)
    surveys = (group.recorders, group.surveyed, group.present, group.fit, group.missing)
    return (
        *(name, group.facilities, group.connected, *now, group.claimed, group.late, group.blocked_in_all),
        *blocked,
        *places,
        *cameras,
        *surveys,
    )


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
    ("Tình trạng hoạt động", 16),
    ("Ngày dự kiến hoạt động", 14),
    ("Hiện có hình", 14),
    ("Kiểm chứng gần nhất", 16),
    ("Mất hình từ", 16),
    ("Báo cáo đã kết nối từ ngày (chưa kiểm chứng)", 16),
    ("Nguồn báo cáo", 30),
    ("Số camera", 10),
    ("Số đầu ghi", 10),
    ("Camera khi khảo sát", 10),
    ("Camera đáp ứng", 10),
    ("Camera cần bổ sung", 10),
    ("Cảnh báo", 34),
)


def _facility_cells(number: int, status: FacilityStatus, listing: FacilityList) -> SheetRow:
    facility, lifecycle, duty = status.facility, status.standing, status.duty
    blocked = status.blocked if status.is_blocked else None
    return (
        number,
        facility.id,
        listing.files.name(facility.id),
        listing.province_of(facility).name,
        label(facility.managing_body),
        status.carrier or NO_PLAN_LABEL,
        label(lifecycle.state),
        day_label(lifecycle.since),
        day_label(lifecycle.connected_at),
        duty.order.ref if duty else "",
        day_label(duty.before) if duty else "",
        label(status.timeliness),
        label(blocked.reason) if blocked else "",
        label(blocked.owner) if blocked else "",
        blocked.next_action if blocked else "",
        day_label(blocked.due) if blocked else "",
        *_now(status),
        *_registered(facility),
        opening_label(status.opening) if status.opening else "",
    )


def _now(status: FacilityStatus) -> SheetRow:
    facility, pictures, claim = status.facility, status.pictures, status.claimed
    return (
        label(facility.operating),
        day_label(facility.opens_on),
        up_label(pictures),
        day_label(pictures.last_proved.at if pictures.last_proved else None),
        day_label(pictures.down_since.at if pictures.down_since else None),
        day_label(claim.connected_on) if claim else "",
        claim.source if claim else "",
    )


def _registered(facility: Outline) -> SheetRow:
    surveyed = (facility.present, facility.fit, facility.missing) if facility.survey_verdict else ("", "", "")
    return (facility.cameras, facility.recorders, *surveyed)


PROGRESS = Report(
    heading="TIẾN ĐỘ KẾT NỐI CAMERA CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
    count=_count,
    document=_document,
    lines=_report_lines,
    pages=_progress_pages,
    rests_on_proof=True,
)
"""The report on progress."""
