"""The report on progress ("báo cáo tiến độ"). Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Final

from provisioner.inventory.deadlines import Timeliness
from provisioner.inventory.model.facility import BlockReason, Operating
from provisioner.inventory.model.orders import ManagingBody
from provisioner.record.labels import NO_PLAN_LABEL, TOTAL_LABEL, day_label, label, up_label
from provisioner.record.lifecycle.status import FacilityStatus
from provisioner.report.documents import official
from provisioner.report.documents.minutes import DocumentBasis
from provisioner.report.exports.report import FacilityList
from provisioner.report.progress import MEASURES, Group, ProgressReport, progress

MOST_LISTED: Final = 2000  #: Above this number, the annex lists only facilities that need work.

_GROUP_COLUMNS: Final = tuple(
    official.TableColumn(name, width, is_centred=True)
    for name, width in (
        ("Tổng số cơ sở", 16),
        ("Đã khảo sát", 16),
        ("Đã kết nối", 16),
        ("Camera đã kết nối", 18),
        ("Chưa kết nối", 16),
        ("Vướng mắc", 17),
        ("Quá hạn", 15),
        ("Hiện đủ hình", 16),
    )
)


def progress_report(listing: FacilityList, basis: DocumentBasis) -> official.OfficialDocument:
    """Return the report on all facilities of a list."""
    report = progress(listing.statuses, lambda status: listing.slug(status.facility), listing.earlier)
    alone = ""
    if len(report.by_province) == 1:
        alone = f" trên địa bàn {listing.province_of(report.listed[0].facility).full_name}"
    return official.OfficialDocument(
        kind=official.DocumentKind.REPORT,
        subject=f"Tiến độ kết nối camera giám sát các cơ sở cách ly tập trung{alone}",
        letterhead=basis.letterhead,
        blocks=tuple(_report_blocks(report, listing, basis)),
        annexes=(official.Annex("Danh sách cơ sở cách ly tập trung", tuple(_facility_blocks(report, listing))),),
        source=basis.machine_source,
    )


def _report_blocks(report: ProgressReport, listing: FacilityList, basis: DocumentBasis) -> Iterator[official.Block]:
    yield from _orders(report.listed)
    issuer = basis.letterhead.issuer
    who = f"{issuer} báo cáo kết quả" if issuer else "kết quả"
    yield official.Passage(f"Tính đến {official.moment_in_words(basis.as_of)}, {who} như sau:")
    yield official.Passage("1. Kết quả khảo sát và kết nối", official.PassageRole.TITLE)
    yield from map(official.Passage, _result_lines(report))
    yield from _comparison_blocks(report)
    yield official.Passage("2. Hiện trạng hình ảnh", official.PassageRole.TITLE)
    yield from map(official.Passage, _picture_lines(report.total))
    yield official.Passage("3. Tổng hợp theo địa bàn, doanh nghiệp và cơ quan quản lý", official.PassageRole.TITLE)
    provinces, bodies = listing.province_names, {body.value: label(body) for body in ManagingBody}
    if len(report.by_province) > 1:
        yield _group_table("Tỉnh/Thành phố", report.by_province, report.total, provinces)
    carriers = {group.key: _carrier(listing, group.key) for group in report.by_carrier}
    with_plan_first = sorted(report.by_carrier, key=lambda group: not group.key)
    yield _group_table("Doanh nghiệp", with_plan_first, report.total, carriers)
    yield _group_table("Cơ quan quản lý", report.by_managing_body, report.total, bodies)
    yield official.Passage("4. Vướng mắc", official.PassageRole.TITLE)
    yield from _obstacle_blocks(report.total)
    yield official.Passage("5. Kiến nghị, đề xuất", official.PassageRole.TITLE)
    yield official.Passage(official.LINE_OF_DOTS, official.PassageRole.FORM)
    yield official.Passage(f"{basis.sentence} Danh sách cơ sở tại Phụ lục kèm theo.", official.PassageRole.NOTE)


def _carrier(listing: FacilityList, carrier: str) -> str:
    return listing.carriers.get(carrier, carrier) or NO_PLAN_LABEL


def _orders(listed: Sequence[FacilityStatus]) -> Iterator[official.Block]:
    orders = {duty.order.ref: duty.order for status in listed for duty in status.duties}
    for order in sorted(orders.values(), key=lambda item: (item.issued_on, item.ref)):
        yield official.Passage(f"Căn cứ {official.order_text(order)};")


def _result_lines(report: ProgressReport) -> Iterator[str]:
    total, counts = report.total, Counter(status.facility.operating for status in report.listed)
    kinds = ", ".join(
        f"{counts[operating]} cơ sở {label(operating).lower()}" for operating in Operating if counts[operating]
    )
    closed = f"; không tính {report.closed} cơ sở đã đóng" if report.closed else ""
    yield f"- Tổng số cơ sở cách ly tập trung: {total.facilities} cơ sở ({kinds or 'không có'}){closed}."
    surveyed = f"khi khảo sát có {total.present} camera, đáp ứng {total.fit}, cần bổ sung {total.missing}"
    yield f"- Đã khảo sát: {total.surveyed}/{total.facilities} cơ sở; {surveyed}."
    yield (
        f"- Đã kết nối (đã kiểm chứng có hình tại trung tâm giám sát): {total.connected} cơ sở với"
        f" {total.cameras_connected} camera; trong đó trễ hạn {total.late} cơ sở."
    )
    parts = f"vướng mắc {total.blocked_in_all}, tạm dừng {total.suspended}, đang triển khai {total.under_way}"
    yield (
        f"- Chưa kết nối: {total.facilities - total.connected} cơ sở ({parts}); trong đó quá hạn {total.overdue} cơ sở."
    )
    if total.claimed:
        claimed = f"{total.claimed} cơ sở với {total.cameras_claimed} camera"
        yield f"- Báo cáo đã kết nối nhưng chưa kiểm chứng (tính vào số chưa kết nối): {claimed}."
    equipment = f"{total.cameras} camera, {total.recorders} đầu ghi"
    yield f"- Thiết bị đã đăng ký: {equipment}."


def _picture_lines(total: Group) -> Iterator[str]:
    yield (
        f"- Trong {total.connected} cơ sở đã kết nối: hiện đủ hình {total.up}, không đủ hình {total.not_up},"
        f" chưa rõ {total.unknown}."
    )
    yield (
        f"- Camera: hiện có hình {total.cameras_up}, mất hình {total.cameras_down}, chưa rõ {total.cameras_unknown}."
    )
    if total.last_proved:
        yield f"- Kiểm chứng đủ hình gần nhất: {_in_words(total.last_proved)}."
    if total.down_since:
        yield f"- Cơ sở không đủ hình lâu nhất: từ {_in_words(total.down_since)}."


def _comparison_blocks(report: ProgressReport) -> Iterator[official.Block]:
    if (before := report.before) is None:
        return
    yield official.Passage(f"- So với {official.moment_in_words(before.as_of)}:")
    names = ("Kỳ trước", "Kỳ này", "Tăng, giảm")
    columns = (
        official.TableColumn("Chỉ tiêu", 90),
        *(official.TableColumn(name, 25, is_centred=True) for name in names),
    )
    then, now = before.total, report.total
    rows = [(m.label, m.count(then), m.count(now), f"{m.change(now, then):+d}".replace("+0", "0")) for m in MEASURES]
    yield official.OfficialTable(columns, rows)


def _in_words(since: datetime | date) -> str:
    return official.moment_in_words(since) if isinstance(since, datetime) else official.day_in_words(since)


def _group_table(name: str, groups: Sequence[Group], total: Group, names: Mapping[str, str]) -> official.OfficialTable:
    columns = (official.TableColumn(name, 35), *_GROUP_COLUMNS)
    rows = [_counts(group, names[group.key]) for group in groups]
    return official.OfficialTable(columns, rows, _counts(total, TOTAL_LABEL))


def _counts(group: Group, name: str) -> tuple[str | int, ...]:
    unconnected = group.facilities - group.connected
    connection = (group.surveyed, group.connected, group.cameras_connected, unconnected)
    return (name, group.facilities, *connection, group.blocked_in_all, group.overdue, group.up)


def _obstacle_blocks(total: Group) -> Iterator[official.Block]:
    if not total.blocked:
        yield official.Passage("Không có cơ sở nào được ghi nhận vướng mắc.")
        return
    columns = (official.TableColumn("Vướng mắc", 125), official.TableColumn("Số cơ sở", 40, is_centred=True))
    rows = [(label(reason), total.blocked[reason]) for reason in BlockReason if reason in total.blocked]
    yield official.OfficialTable(columns, rows, (TOTAL_LABEL, total.blocked_in_all))


# --- the annex ------------------------------------------------------------------------------------
_LISTED: Final = (
    official.TableColumn("STT", 10, is_centred=True),
    official.TableColumn("Cơ sở", 45),
    official.TableColumn("Tỉnh/Thành phố", 22),
    official.TableColumn("Doanh nghiệp", 19),
    official.TableColumn("Trạng thái", 22),
    official.TableColumn("Kết nối lần đầu", 20, is_centred=True),
    official.TableColumn("Hoàn thành trước ngày", 21, is_centred=True),
    official.TableColumn("So với thời hạn", 17),
    official.TableColumn("Số camera", 16, is_centred=True),
    official.TableColumn("Hiện có hình", 16, is_centred=True),
    official.TableColumn("Vướng mắc; việc tiếp theo", 44),
)
#: Without the province, which is in the heading.
_OF_ONE_PROVINCE: Final = (
    _LISTED[0],
    official.TableColumn("Cơ sở", 52),
    *_LISTED[3:-1],
    official.TableColumn(_LISTED[-1].name, 59),
)


def _facility_blocks(report: ProgressReport, listing: FacilityList) -> Iterator[official.Block]:
    listed = report.listed
    if len(listed) > MOST_LISTED:
        listed = tuple(
            status for status in listed if not status.standing.is_connected or status.pictures.is_up is not True
        )
        few = listed[:MOST_LISTED]
        cut = f"; chỉ in {MOST_LISTED} cơ sở đầu" if len(listed) > MOST_LISTED else ""
        yield official.Passage(
            f"Chỉ liệt kê {len(listed)} cơ sở chưa kết nối hoặc hiện không đủ hình{cut};"
            " danh sách đầy đủ có trong bảng tính kèm theo.",
            official.PassageRole.NOTE,
        )
        listed = few
    alone = len(report.by_province) == 1
    rows = [_row(number, entry, listing, alone=alone) for number, entry in enumerate(listed, start=1)]
    yield official.OfficialTable(_OF_ONE_PROVINCE if alone else _LISTED, rows)


def _row(number: int, status: FacilityStatus, listing: FacilityList, *, alone: bool) -> tuple[str | int, ...]:
    facility, duty = status.facility, status.duty
    return (
        number,
        f"{listing.files.name(facility.id)} ({facility.id})",
        *(() if alone else (listing.province_of(facility).name,)),
        _carrier(listing, status.carrier),
        label(status.standing.state),
        day_label(status.standing.connected_at),
        day_label(duty.before) if duty else "",
        label(status.timeliness) if status.timeliness is not Timeliness.NOT_BOUND else "",
        facility.cameras,
        up_label(status.pictures),
        _obstacle_text(status),
    )


def _obstacle_text(status: FacilityStatus) -> str:
    blocked = status.blocked
    if blocked is None or not status.is_blocked:
        return ""
    return (
        f"{label(blocked.reason)}; {label(blocked.owner)}: {blocked.next_action}, trước ngày {day_label(blocked.due)}"
    )
