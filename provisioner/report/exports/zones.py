"""The report on zones: where no camera looks. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.base.json_document import Document
from provisioner.report.exports.report import FacilityList, Report
from provisioner.report.labels import label
from provisioner.report.pages import Page, SheetRow
from provisioner.report.tables import text_table
from provisioner.report.zones import Cover, ZoneCover, ZoneGroup, Zones, zones

_LISTED = (
    ("STT", 6),
    ("Mã cơ sở", 16),
    ("Cơ sở", 34),
    ("Tỉnh/Thành phố", 18),
    ("Khu vực", 32),
    ("Hiện trạng", 40),
)


def _count(listing: FacilityList) -> Zones:
    return zones(listing.facilities)


# --- document --------------------------------------------------------------------------------------


def _document(report: Zones) -> Document:
    return {
        "by_zone": [_group_document(group) for group in report.by_zone],
        "lacking": [_cover_document(one) for one in report.lacking],
    }


def _group_document(group: ZoneGroup) -> Document:
    counts = {cover.value: count for cover, count in group.covers.items()}
    return {"zone": group.zone.value, "facilities": group.facilities, **counts}


def _cover_document(one: ZoneCover) -> Document:
    return {
        "facility": one.facility.id,
        "province": one.facility.province,
        "zone": one.zone.value,
        "cameras": one.cameras,
        "cover": one.cover.value,
    }


# --- text ------------------------------------------------------------------------------------------


def _lines(report: Zones) -> Iterator[str]:
    names = ("zone", "facilities", *(cover.value.replace("_", " ") for cover in Cover))
    rows = [
        [group.zone.value, str(group.facilities), *(str(group.covers[cover]) for cover in Cover)]
        for group in report.by_zone
    ]
    yield from text_table(names, rows, numbers=True)
    yield ""
    gaps: dict[str, list[str]] = {}
    for one in report.lacking:
        if one.cover is Cover.GAP:
            gaps.setdefault(one.facility.id, []).append(one.zone.value)
    for facility, names_of_zones in gaps.items():
        yield f"{facility}: no camera at {', '.join(names_of_zones)}"


# --- pages -----------------------------------------------------------------------------------------


def _pages(report: Zones, listing: FacilityList) -> tuple[Page, ...]:
    columns = (("Khu vực", 32), ("Tổng số cơ sở", 10), *((label(cover), 18) for cover in Cover))
    lacking = [
        (number, one.facility.id, one.facility.name, listing.province_of(one.facility).name, *_labels(one))
        for number, one in enumerate(report.lacking, start=1)
    ]
    return (
        Page("Theo khu vực", columns, [_zone_counts(group) for group in report.by_zone]),
        Page("Khu vực chưa có camera", _LISTED, lacking),
    )


def _labels(one: ZoneCover) -> tuple[str, str]:
    return label(one.zone), label(one.cover)


def _zone_counts(group: ZoneGroup) -> SheetRow:
    return (label(group.zone), group.facilities, *(group.covers[cover] for cover in Cover))


ZONES = Report(
    heading="CÁC KHU VỰC CHƯA CÓ CAMERA TẠI CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
    count=_count,
    document=_document,
    lines=_lines,
    pages=_pages,
)
"""The report on zones."""
