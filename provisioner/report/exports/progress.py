"""The report on the progress of the connection. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain

from provisioner.base.text import Document, LongList, counted
from provisioner.inventory.model.facility import Blocked, BlockReason
from provisioner.inventory.model.orders import ManagingBody
from provisioner.record.labels import (
    NO_PLAN_LABEL,
    TOTAL_LABEL,
    day_label,
    label,
    moment_label,
    opening_label,
    up_label,
)
from provisioner.record.lifecycle.state import FacilityState
from provisioner.record.lifecycle.status import FacilityStatus
from provisioner.report.exports.report import FacilityList, Report
from provisioner.report.facilities import FacilityRow, facility_values
from provisioner.report.progress import (
    MEASURES,
    ChangedRow,
    CountedAs,
    Group,
    ProgressReport,
    comparison_lines,
    counted_as,
    progress,
)
from provisioner.report.status import short, warning_lines
from provisioner.report.tables import TOTAL_NAME, Page, SheetColumn, SheetRow, page_of, text_table

_NO_PLAN = "no plan yet"


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
        "before": report.before,
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
    names = ("province", "surveyed", "registered of present", "fit", "missing", "recorders")
    rows = [_surveyed(group, group.key) for group in report.by_province]
    yield from text_table(names, [*rows, _surveyed(report.total, TOTAL_NAME)], numbers=True)
    claimed = [(status.facility.id, status.claimed) for status in report.listed if status.claimed]
    warnings = list(warning_lines(report.listed))
    if claimed or warnings or report.closed:
        yield ""
    if claimed:
        cameras = counted(report.total.cameras_claimed, "camera")
        yield f"claimed, and not proved: {counted(report.total.claimed, 'site')}, {cameras}"
    for facility, claim in claimed:
        yield f"claimed, and not proved: {facility} since {claim.connected_on} ({claim.source})"
    yield from warnings
    if report.closed:
        yield f"closed, and not counted: {report.closed}"
    if report.before:
        yield ""
        yield from comparison_lines(report)


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
    if unknown and unknown == total:
        return "unknown"
    return f"{text} ({unknown} unknown)" if unknown else text


def _short(moment: datetime | None) -> str:
    return short(moment) if moment else "-"


def _surveyed(group: Group, name: str) -> list[str]:
    counts = (group.fit, group.missing, group.recorders)
    return [name, str(group.surveyed), f"{group.registered} of {group.present}", *map(str, counts)]


# --- pages -----------------------------------------------------------------------------------------
def _progress_pages(report: ProgressReport, listing: FacilityList) -> tuple[Page, ...]:
    reasons = [reason for reason in BlockReason if reason in report.total.blocked]
    by_body = {body.value: label(body) for body in ManagingBody}
    carriers = {group.key: _carrier(listing, group.key) for group in report.by_carrier}

    def page(title: str, name: str, groups: Sequence[Group], names: Mapping[str, str]) -> Page:
        columns: list[SheetColumn[Group]] = [(name, 26, lambda group: names[group.key]), *_group_columns(reasons)]
        return page_of(title, columns, groups, report.total)

    return (
        page("Theo tỉnh", "Tỉnh/Thành phố", report.by_province, listing.province_names),
        page("Theo doanh nghiệp", "Doanh nghiệp", report.by_carrier, carriers),
        page("Theo cơ quan quản lý", "Cơ quan quản lý", report.by_managing_body, by_body),
        page_of("Danh sách cơ sở", _facility_columns(listing), report.listed, is_numbered=True),
        *_comparison_pages(report, listing),
    )


def _comparison_pages(report: ProgressReport, listing: FacilityList) -> Iterator[Page]:
    if (before := report.before) is None:
        return
    names = listing.province_names
    names_of_columns = chain.from_iterable((one.label, f"{one.label}: tăng, giảm") for one in MEASURES)
    columns = [(f"Tỉnh/Thành phố (so với {day_label(before.as_of)})", 26), *((name, 12) for name in names_of_columns)]

    def numbers(now: Group, then: Group) -> Iterator[int]:
        return chain.from_iterable((one.count(now), one.change(now, then)) for one in MEASURES)

    rows: list[SheetRow] = [(names.get(key, key), *numbers(now, then)) for key, now, then in report.compared]
    total: SheetRow = (TOTAL_LABEL, *numbers(report.total, before.total))
    yield Page("So với kỳ trước", columns, rows, total)

    def state(state: FacilityState | None) -> str:
        return label(state) if state else "Không có trong danh mục"

    changes: tuple[SheetColumn[ChangedRow], ...] = (
        ("Mã cơ sở", 16, lambda row: row.facility),
        (f"Trạng thái lúc {day_label(before.as_of)}", 30, lambda row: state(row.before)),
        ("Trạng thái kỳ này", 30, lambda row: state(row.now)),
    )
    yield page_of("Cơ sở thay đổi trạng thái", changes, before.changed, is_numbered=True)


def _group_columns(reasons: Sequence[BlockReason]) -> Iterator[SheetColumn[Group]]:
    yield "Tổng số cơ sở", 10, lambda group: group.facilities
    yield "Đã kết nối", 10, lambda group: group.connected
    yield "Hiện có hình", 10, lambda group: group.up
    yield "Hiện không đủ hình", 10, lambda group: group.not_up
    yield "Hiện chưa rõ", 10, lambda group: group.unknown
    yield "Kiểm chứng gần nhất", 16, lambda group: day_label(group.last_proved)
    yield "Mất hình từ", 16, lambda group: day_label(group.down_since)
    yield "Báo cáo đã kết nối, chưa kiểm chứng", 14, lambda group: group.claimed
    yield "Camera của cơ sở báo cáo đã kết nối", 14, lambda group: group.cameras_claimed
    yield "Trong đó trễ hạn", 10, lambda group: group.late
    yield "Vướng mắc", 10, lambda group: group.blocked_in_all
    for reason in reasons:
        yield f"Vướng mắc: {label(reason)}", 14, partial(_blocked_by, reason)
    yield "Tạm dừng", 10, lambda group: group.suspended
    yield "Đang triển khai", 10, lambda group: group.under_way
    yield "Quá hạn chưa kết nối", 10, lambda group: group.overdue
    yield "Tổng số camera", 10, lambda group: group.cameras
    yield "Camera của cơ sở đã kết nối", 12, lambda group: group.cameras_connected
    yield "Camera hiện có hình", 10, lambda group: group.cameras_up
    yield "Camera hiện mất hình", 10, lambda group: group.cameras_down
    yield "Camera hiện chưa rõ", 10, lambda group: group.cameras_unknown
    yield "Số đầu ghi", 10, lambda group: group.recorders
    yield "Cơ sở đã khảo sát", 10, lambda group: group.surveyed
    yield "Camera khi khảo sát", 10, lambda group: group.present
    yield "Camera đáp ứng", 10, lambda group: group.fit
    yield "Camera cần bổ sung", 10, lambda group: group.missing


def _carrier(listing: FacilityList, carrier: str) -> str:
    return listing.carriers.get(carrier, carrier) or NO_PLAN_LABEL


def _blocked_by(reason: BlockReason, group: Group) -> int:
    return group.blocked.get(reason, 0)


def _facility_columns(listing: FacilityList) -> list[SheetColumn[FacilityStatus]]:
    def blocked(cell: Callable[[Blocked], str], one: FacilityStatus) -> str:
        return cell(one.blocked) if one.blocked and one.is_blocked else ""

    def surveyed(count: int, one: FacilityStatus) -> str | int:
        return count if one.facility.survey_verdict else ""

    def claimed_on(one: FacilityStatus) -> str:
        return day_label(one.claimed.connected_on) if one.claimed else ""

    return [
        ("Mã cơ sở", 16, lambda one: one.facility.id),
        ("Cơ sở", 34, lambda one: listing.files.name(one.facility.id)),
        ("Tỉnh/Thành phố", 18, lambda one: listing.province_of(one.facility).name),
        ("Cơ quan quản lý", 16, lambda one: label(one.facility.managing_body)),
        ("Doanh nghiệp", 14, lambda one: _carrier(listing, one.carrier)),
        ("Trạng thái", 22, lambda one: label(one.standing.state)),
        ("Từ", 16, lambda one: day_label(one.standing.since)),
        ("Kết nối lần đầu", 16, lambda one: day_label(one.standing.connected_at)),
        ("Văn bản", 18, lambda one: one.duty.order.ref if one.duty else ""),
        ("Hoàn thành trước ngày", 14, lambda one: day_label(one.duty.before) if one.duty else ""),
        ("So với thời hạn", 14, lambda one: label(one.timeliness)),
        ("Vướng mắc", 26, partial(blocked, lambda blocked: label(blocked.reason))),
        ("Đơn vị xử lý", 20, partial(blocked, lambda blocked: label(blocked.owner))),
        ("Việc tiếp theo", 40, partial(blocked, lambda blocked: blocked.next_action)),
        ("Thời hạn xử lý", 14, partial(blocked, lambda blocked: day_label(blocked.due))),
        ("Tình trạng hoạt động", 16, lambda one: label(one.facility.operating)),
        ("Ngày dự kiến hoạt động", 14, lambda one: day_label(one.facility.opens_on)),
        ("Hiện có hình", 14, lambda one: up_label(one.pictures)),
        ("Kiểm chứng gần nhất", 16, lambda one: moment_label(one.pictures.last_proved)),
        ("Mất hình từ", 16, lambda one: moment_label(one.pictures.down_since)),
        ("Báo cáo đã kết nối từ ngày (chưa kiểm chứng)", 16, claimed_on),
        ("Nguồn báo cáo", 30, lambda one: one.claimed.source if one.claimed else ""),
        ("Số camera", 10, lambda one: one.facility.cameras),
        ("Số đầu ghi", 10, lambda one: one.facility.recorders),
        ("Camera khi khảo sát", 10, lambda one: surveyed(one.facility.present, one)),
        ("Camera đáp ứng", 10, lambda one: surveyed(one.facility.fit, one)),
        ("Camera cần bổ sung", 10, lambda one: surveyed(one.facility.missing, one)),
        ("Cảnh báo", 34, lambda one: opening_label(one.opening) if one.opening else ""),
    ]


#: The report on progress.
PROGRESS = Report(
    heading="TIẾN ĐỘ KẾT NỐI CAMERA CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
    count=lambda listing: progress(listing.statuses, lambda one: listing.slug(one.facility), listing.earlier),
    document=_document,
    lines=_report_lines,
    pages=_progress_pages,
    rests_on_proof=True,
    compares=True,
)
