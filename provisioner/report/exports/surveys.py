"""The reports on surveys, their minutes and zones. Pure.

They contain no device address and no login, which are only for the site's technicians.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from provisioner.base.document import Count, Day, Row, Said, form, of
from provisioner.base.text import Document, counted
from provisioner.inventory.model.connection import (
    LoginState,
    Party,
    RtspState,
    SurveyVerdict,
    UplinkAddress,
    UplinkKind,
)
from provisioner.inventory.model.devices import Camera, Zone
from provisioner.inventory.model.facility import Facility, Operating
from provisioner.inventory.outline import Outline
from provisioner.record.labels import TOTAL_LABEL, day_label, label
from provisioner.report.exports.report import FacilityList, Report
from provisioner.report.facilities import FacilityReader, SurveyedCameras, WholeFacilities, device_words
from provisioner.report.progress import (
    LISTED_ZONES,
    Cover,
    SurveyGroup,
    Surveys,
    ZoneCover,
    ZoneGroup,
    Zones,
    surveys,
    zones,
)
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


class UplinkRow(Row):
    """A site's line."""

    kind: UplinkKind
    provider: str | None
    upload_mbps: float | None
    address: UplinkAddress | None
    router: str | None


class SurveyRow(Row):
    """Cameras in a survey."""

    surveyed_on: Day
    by: tuple[Party, ...]
    uplink: UplinkRow
    rtsp: RtspState | None
    logins: LoginState | None
    cameras: SurveyedCameras
    gaps: tuple[Zone, ...]
    verdict: SurveyVerdict
    obstacles: str | None
    advice: str | None


class SurveyedRow(Row):
    """A facility of the report on surveys."""

    facility: Said
    name: Said
    province: Said
    survey: SurveyRow | None


class DeviceRow(Row):
    """A registered camera, without address and login."""

    camera: Said
    zone: Said
    make: Said | None
    recorder: Said | None
    """The recorder of a channel."""


class MinutesRow(SurveyedRow):
    """A facility of the report for survey minutes."""

    devices: tuple[DeviceRow, ...]


_ListedZone = Annotated[Zone, form(enum=[zone.value for zone in LISTED_ZONES])]


class ZoneRow(Row):
    """A zone over all facilities."""

    zone: _ListedZone
    facilities: Count
    """The sum of the others."""
    covered: Count
    planned: Count
    gap: Count
    no_camera: Count
    unknown: Count


class LackingRow(Row):
    """A zone of a facility."""

    facility: Said = of("facility", "id")
    province: Said = of("facility", "province")
    zone: _ListedZone
    cameras: Count
    cover: Cover


def _count_surveys(listing: FacilityList) -> Surveys:
    return surveys(listing.facilities, listing.slug)


def _surveys_document(report: Surveys, listing: FacilityList) -> Document:
    return {
        "total": report.total,
        "by_province": report.by_province,
        "facilities": [SurveyedRow(**_facility(facility, listing.files)) for facility in report.listed],
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
    return tuple(facility for facility in listing.facilities if facility.operating is not Operating.CLOSED)


def _minutes_document(facilities: tuple[Outline, ...], listing: FacilityList) -> Document:
    return {"facilities": [_facility_with_devices(facility, listing.files) for facility in facilities]}


def _facility_with_devices(outline: Outline, files: FacilityReader) -> MinutesRow:
    facility = files.facility(outline.id)
    devices = [_device_row(facility, camera) for camera in facility.cameras]
    return MinutesRow(**_facility(outline, WholeFacilities({outline.id: facility})), devices=devices)


def _device_row(facility: Facility, camera: Camera) -> DeviceRow:
    makes = {recorder.id: recorder.make.value for recorder in facility.recorders}
    make = camera.make.value if camera.make else makes.get(camera.recorder or "")
    return DeviceRow(camera=camera.id, zone=camera.zone.value, make=make, recorder=camera.recorder)


def _facility(facility: Outline, files: FacilityReader) -> Document:
    name, survey = files.name(facility.id), files.survey(facility.id)
    return {"facility": facility.id, "name": name, "province": facility.province, "survey": survey}


def _minutes_lines(facilities: tuple[Outline, ...]) -> Iterator[str]:
    names = ("facility", "surveyed", "present", "fit", "missing", "verdict", "registered")
    yield from text_table(names, [_survey_minutes_row(facility) for facility in facilities], numbers=False)
    missing = [facility.id for facility in facilities if facility.survey_verdict is None]
    yield ""
    yield f"{len(facilities) - len(missing)} of {counted(len(facilities), 'facility')} surveyed"
    for name in missing:
        yield f"no minutes: {name}: no survey of it is written down"


def _survey_minutes_row(facility: Outline) -> list[str]:
    if facility.survey_verdict is None:
        return [facility.id, "-", "-", "-", "-", "-", str(facility.cameras)]
    counts = [str(facility.present), str(facility.fit), str(facility.missing)]
    return [facility.id, str(facility.surveyed_on), *counts, facility.survey_verdict.value, str(facility.cameras)]


def _minutes_pages(facilities: tuple[Outline, ...], listing: FacilityList) -> tuple[Page, ...]:
    surveyed = [listing.files.facility(facility.id) for facility in facilities if facility.survey_verdict]
    minutes = [
        _minutes_row(n, facility, listing.province_of(facility).name) for n, facility in enumerate(surveyed, start=1)
    ]
    devices = [_device_cells(facility, camera) for facility in surveyed for camera in facility.cameras]
    return Page("Biên bản khảo sát", _MINUTES_COLUMNS, minutes), Page("Thiết bị đã đăng ký", _DEVICE_COLUMNS, devices)


SURVEY_MINUTES = Report(
    heading="BIÊN BẢN KHẢO SÁT CAMERA CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
    count=_count_minutes,
    document=_minutes_document,
    lines=_minutes_lines,
    pages=_minutes_pages,
)
"""The report with the content of survey minutes."""


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


def _device_cells(facility: Facility, camera: Camera) -> SheetRow:
    where = camera.location or ""
    return facility.id, facility.name, camera.id, label(camera.zone), where, device_words(facility, camera)


def _counted_zones(listing: FacilityList) -> Zones:
    return zones(listing.files.facility(facility.id) for facility in listing.facilities)


def _zones_document(report: Zones, _listing: FacilityList) -> Document:
    by_zone = [ZoneRow(zone=group.zone, facilities=group.facilities, **group.covers) for group in report.by_zone]
    return {"by_zone": by_zone, "lacking": report.lacking}


def _zones_lines(report: Zones) -> Iterator[str]:
    names = ("zone", "facilities", *(cover.value.replace("_", " ") for cover in Cover))
    rows = [
        [group.zone.value, str(group.facilities), *(str(group.covers[cover]) for cover in Cover)]
        for group in report.by_zone
    ]
    yield from text_table(names, rows, numbers=True)
    yield ""
    gaps: dict[str, list[str]] = {}
    for zone_cover in report.lacking:
        if zone_cover.cover is Cover.GAP:
            gaps.setdefault(zone_cover.facility.id, []).append(zone_cover.zone.value)
    for facility, names_of_zones in gaps.items():
        yield f"{facility}: no camera at {', '.join(names_of_zones)}"


def _zones_pages(report: Zones, listing: FacilityList) -> tuple[Page, ...]:
    columns = (("Khu vực", 32), ("Tổng số cơ sở", 10), *((COVER_LABELS[cover], 18) for cover in Cover))
    lacking = [
        (
            number,
            zone_cover.facility.id,
            zone_cover.facility.name,
            listing.province_of(zone_cover.facility).name,
            *_labels(zone_cover),
        )
        for number, zone_cover in enumerate(report.lacking, start=1)
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


def _labels(zone_cover: ZoneCover) -> tuple[str, str]:
    return label(zone_cover.zone), COVER_LABELS[zone_cover.cover]


def _zone_group_row(group: ZoneGroup) -> SheetRow:
    return (label(group.zone), group.facilities, *(group.covers[cover] for cover in Cover))
