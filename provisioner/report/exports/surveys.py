"""The reports on surveys, their minutes and zones. Pure.

They contain no device address and no login: those are only for the people who serve the site.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provisioner.base.text import Document, counted
from provisioner.inventory.model import Camera, Facility, Operating, Survey, SurveyVerdict
from provisioner.inventory.outline import Outline
from provisioner.record.labels import TOTAL_LABEL, day_label, label
from provisioner.report.exports.report import FacilityList, Report
from provisioner.report.facilities import FacilityReader, WholeFacilities, device_words
from provisioner.report.progress import Cover, SurveyGroup, Surveys, ZoneCover, ZoneGroup, Zones, surveys, zones
from provisioner.report.tables import TOTAL_NAME, Page, SheetRow, text_table

_SURVEY_COLUMNS = (
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
_MINUTES_COLUMNS = (
    ("STT", 6),
    ("Mã cơ sở", 16),
    ("Cơ sở", 34),
    ("Tỉnh/Thành phố", 18),
    ("Ngày khảo sát", 14),
    ("Thành phần", 30),
    ("Camera hiện có", 10),
    ("Camera đáp ứng", 10),
    ("Camera cần bổ sung", 10),
    ("Camera đã đăng ký", 10),
    ("Kết quả", 24),
    ("Đề xuất", 34),
)
_DEVICE_COLUMNS = (
    ("Mã cơ sở", 16),
    ("Cơ sở", 34),
    ("Mã camera", 14),
    ("Khu vực", 26),
    ("Vị trí", 30),
    ("Thiết bị", 34),
)
COVER_LABELS = {
    Cover.COVERED: "Có camera",
    Cover.PLANNED: "Thiếu khi khảo sát, nay đã bố trí",
    Cover.GAP: "Thiếu camera",
    Cover.NO_CAMERA: "Không có camera, khảo sát không ghi là thiếu",
    Cover.UNKNOWN: "Chưa khảo sát",
}
_ZONE_COLUMNS = (
    ("STT", 6),
    ("Mã cơ sở", 16),
    ("Cơ sở", 34),
    ("Tỉnh/Thành phố", 18),
    ("Khu vực", 32),
    ("Hiện trạng", 40),
)


def survey_document(survey: Survey) -> Document:
    """What a survey found."""
    uplink, cameras = survey.uplink, survey.cameras
    return {
        "surveyed_on": str(survey.surveyed_on),
        "by": [party.value for party in survey.by],
        "uplink": {
            "kind": uplink.kind.value,
            "provider": uplink.provider,
            "upload_mbps": uplink.upload_mbps,
            "address": uplink.address.value if uplink.address else None,
            "router": uplink.router,
        },
        "rtsp": survey.rtsp.value if survey.rtsp else None,
        "logins": survey.logins.value if survey.logins else None,
        "cameras": {"present": cameras.present, "fit": cameras.fit, "missing": cameras.missing},
        "gaps": [zone.value for zone in survey.gaps],
        "verdict": survey.verdict.value,
        "obstacles": survey.obstacles,
        "advice": survey.advice,
    }


def _count_surveys(listing: FacilityList) -> Surveys:
    return surveys(listing.facilities, listing.slug)


def _surveys_document(report: Surveys, listing: FacilityList) -> Document:
    return {
        "total": _survey_group_document(report.total),
        "by_province": [_survey_group_document(group) for group in report.by_province],
        "facilities": [_facility_document(one, listing.files) for one in report.listed],
    }


def _survey_group_document(group: SurveyGroup) -> Document:
    named = {"province": group.key} if group.key else {}
    return named | {
        "facilities": group.facilities,
        "surveyed": group.surveyed,
        "verdicts": {verdict.value: count for verdict, count in group.verdicts.items()},
        "missing": group.missing,
        "cameras_present": group.cameras_present,
        "cameras_fit": group.cameras_fit,
        "cameras_missing": group.cameras_missing,
    }


def _surveys_lines(report: Surveys) -> Iterator[str]:
    verdicts = [verdict for verdict in SurveyVerdict if verdict in report.total.verdicts]
    names = ("province", "facilities", "surveyed", *(verdict.value for verdict in verdicts), "missing", "cameras fit")
    rows = [_survey_group_cells(group, group.key, verdicts) for group in report.by_province]
    yield from text_table(names, [*rows, _survey_group_cells(report.total, TOTAL_NAME, verdicts)], numbers=True)


def _survey_group_cells(group: SurveyGroup, name: str, verdicts: Sequence[SurveyVerdict]) -> list[str]:
    counts = [str(group.verdicts.get(verdict, 0)) for verdict in verdicts]
    cameras = f"{group.cameras_fit}/{group.cameras_present}"
    return [name, str(group.facilities), str(group.surveyed), *counts, str(group.missing), cameras]


def _surveys_pages(report: Surveys, listing: FacilityList) -> tuple[Page, ...]:
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
    rows = [_survey_group_row(group, listing.province_names[group.key]) for group in report.by_province]
    listed = [_survey_row(number, facility, listing) for number, facility in enumerate(report.listed, start=1)]
    return (
        Page("Theo tỉnh", columns, rows, _survey_group_row(report.total, TOTAL_LABEL)),
        Page("Danh sách cơ sở", _SURVEY_COLUMNS, listed),
    )


SURVEYS = Report(
    heading="KẾT QUẢ KHẢO SÁT CAMERA CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
    count=_count_surveys,
    document=_surveys_document,
    lines=_surveys_lines,
    pages=_surveys_pages,
)
"""The report on surveys."""


def _survey_group_row(group: SurveyGroup, name: str) -> SheetRow:
    verdicts = (group.verdicts.get(verdict, 0) for verdict in SurveyVerdict)
    cameras = (group.cameras_present, group.cameras_fit, group.cameras_missing)
    return (name, group.facilities, group.surveyed, group.missing, *verdicts, *cameras)


def _survey_row(number: int, facility: Outline, listing: FacilityList) -> SheetRow:
    head = (number, facility.id, listing.files.name(facility.id), listing.province_of(facility).name)
    survey = listing.files.survey(facility.id)
    if survey is None:
        return (*head, "", "", "Chưa khảo sát", *("" for _ in _SURVEY_COLUMNS[7:]))
    cameras, uplink = survey.cameras, survey.uplink
    return (
        *head,
        day_label(survey.surveyed_on),
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


def _count_minutes(listing: FacilityList) -> tuple[Outline, ...]:
    return tuple(one for one in listing.facilities if one.operating is not Operating.CLOSED)


def _minutes_document(facilities: tuple[Outline, ...], listing: FacilityList) -> Document:
    return {"facilities": [_facility_with_devices(one, listing.files) for one in facilities]}


def _facility_with_devices(outline: Outline, files: FacilityReader) -> Document:
    facility = files.facility(outline.id)
    devices = [_device_document(facility, camera) for camera in facility.cameras]
    return _facility_document(outline, WholeFacilities({outline.id: facility})) | {"devices": devices}


def _device_document(facility: Facility, camera: Camera) -> Document:
    makes = {one.id: one.make.value for one in facility.recorders}
    return {
        "camera": camera.id,
        "zone": camera.zone.value,
        "make": camera.make.value if camera.make else makes.get(camera.recorder or ""),
        "recorder": camera.recorder,
    }


def _facility_document(facility: Outline, files: FacilityReader) -> Document:
    survey = files.survey(facility.id)
    return {
        "facility": facility.id,
        "name": files.name(facility.id),
        "province": facility.province,
        "survey": survey_document(survey) if survey else None,
    }


def _minutes_lines(facilities: tuple[Outline, ...]) -> Iterator[str]:
    names = ("facility", "surveyed", "present", "fit", "missing", "verdict", "registered")
    yield from text_table(names, [_minutes_cells(one) for one in facilities], numbers=False)
    missing = [one.id for one in facilities if one.survey_verdict is None]
    yield ""
    yield f"{len(facilities) - len(missing)} of {counted(len(facilities), 'facility')} surveyed"
    for name in missing:
        yield f"no minutes: {name}: no survey of it is written down"


def _minutes_cells(facility: Outline) -> list[str]:
    if facility.survey_verdict is None:
        return [facility.id, "-", "-", "-", "-", "-", str(facility.cameras)]
    counts = [str(facility.present), str(facility.fit), str(facility.missing)]
    return [facility.id, str(facility.surveyed_on), *counts, facility.survey_verdict.value, str(facility.cameras)]


def _minutes_pages(facilities: tuple[Outline, ...], listing: FacilityList) -> tuple[Page, ...]:
    surveyed = [listing.files.facility(one.id) for one in facilities if one.survey_verdict]
    minutes = [_minutes_row(n, one, listing.province_of(one).name) for n, one in enumerate(surveyed, start=1)]
    devices = [_device_row(one, camera) for one in surveyed for camera in one.cameras]
    return Page("Biên bản khảo sát", _MINUTES_COLUMNS, minutes), Page("Thiết bị đã đăng ký", _DEVICE_COLUMNS, devices)


SURVEY_MINUTES = Report(
    heading="BIÊN BẢN KHẢO SÁT CAMERA CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
    count=_count_minutes,
    document=_minutes_document,
    lines=_minutes_lines,
    pages=_minutes_pages,
)
"""The report that survey minutes are made of."""


def _minutes_row(number: int, facility: Facility, province: str) -> SheetRow:
    survey = facility.survey
    if survey is None:
        raise ValueError(f"{facility.id} was not surveyed")
    cameras = survey.cameras
    return (
        *(number, facility.id, facility.name, province, day_label(survey.surveyed_on)),
        ", ".join(label(party) for party in survey.by),
        *(cameras.present, cameras.fit, cameras.missing, len(facility.cameras)),
        *(label(survey.verdict), survey.advice or ""),
    )


def _device_row(facility: Facility, camera: Camera) -> SheetRow:
    where = camera.location or ""
    return facility.id, facility.name, camera.id, label(camera.zone), where, device_words(facility, camera)


def _counted_zones(listing: FacilityList) -> Zones:
    return zones(listing.files.facility(one.id) for one in listing.facilities)


def _zones_document(report: Zones, _listing: FacilityList) -> Document:
    return {
        "by_zone": [_zone_group_document(group) for group in report.by_zone],
        "lacking": [_cover_document(one) for one in report.lacking],
    }


def _zone_group_document(group: ZoneGroup) -> Document:
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


def _zones_lines(report: Zones) -> Iterator[str]:
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


def _zones_pages(report: Zones, listing: FacilityList) -> tuple[Page, ...]:
    columns = (("Khu vực", 32), ("Tổng số cơ sở", 10), *((COVER_LABELS[cover], 18) for cover in Cover))
    lacking = [
        (number, one.facility.id, one.facility.name, listing.province_of(one.facility).name, *_labels(one))
        for number, one in enumerate(report.lacking, start=1)
    ]
    return (
        Page("Theo khu vực", columns, [_zone_group_row(group) for group in report.by_zone]),
        Page("Khu vực chưa có camera", _ZONE_COLUMNS, lacking),
    )


ZONES = Report(
    heading="CÁC KHU VỰC CHƯA CÓ CAMERA TẠI CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
    count=_counted_zones,
    document=_zones_document,
    lines=_zones_lines,
    pages=_zones_pages,
)
"""The report on zones."""


def _labels(one: ZoneCover) -> tuple[str, str]:
    return label(one.zone), COVER_LABELS[one.cover]


def _zone_group_row(group: ZoneGroup) -> SheetRow:
    return (label(group.zone), group.facilities, *(group.covers[cover] for cover in Cover))
