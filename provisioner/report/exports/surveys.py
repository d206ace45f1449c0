"""Reports on surveys, minutes and zones, without addresses and logins. Pure."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Annotated

from provisioner.base.document import Count, Row, Said, form, of
from provisioner.base.text import Document, counted
from provisioner.inventory.model import facility as models
from provisioner.inventory.model.devices import Camera, Zone
from provisioner.inventory.model.facility import Facility, Operating
from provisioner.inventory.outline import Outline
from provisioner.record.labels import day_label, label, mbps_label
from provisioner.report import progress
from provisioner.report.exports.report import FacilityList, Report
from provisioner.report.facilities import FacilityReader, device_words
from provisioner.report.tables import TOTAL_NAME, Page, SheetColumn, page_of, text_table

COVER_LABELS = {
    progress.Cover.COVERED: "Có camera",
    progress.Cover.PLANNED: "Thiếu khi khảo sát, nay đã bố trí",
    progress.Cover.GAP: "Thiếu camera",
    progress.Cover.NO_CAMERA: "Không có camera, khảo sát không ghi là thiếu",
    progress.Cover.UNKNOWN: "Chưa khảo sát",
}


class SurveyedRow(Row):
    """A facility of the report on surveys."""

    facility: Said
    name: Said
    province: Said
    survey: models.Survey | None


class DeviceRow(Row):
    """A registered camera, without address and login."""

    camera: Said
    zone: Said
    make: Said | None
    recorder: Said | None  #: The recorder of a channel.


class MinutesRow(SurveyedRow):
    """A facility of the report for survey minutes."""

    devices: tuple[DeviceRow, ...]


_ListedZone = Annotated[Zone, form(enum=[zone.value for zone in progress.LISTED_ZONES])]


class ZoneRow(Row):
    """A zone over all facilities."""

    zone: _ListedZone
    facilities: Count  #: The sum of the others.
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
    cover: progress.Cover


def _surveys_document(report: progress.Surveys, listing: FacilityList) -> Document:
    return {
        "total": report.total,
        "by_province": report.by_province,
        "facilities": [SurveyedRow(**_facility(facility, listing.files)) for facility in report.listed],
    }


_CAMERAS = ("cameras fit", "cameras missing")


def _surveys_lines(report: progress.Surveys) -> Iterator[str]:
    verdicts = [verdict for verdict in models.SurveyVerdict if verdict in report.total.verdicts]
    names = ("province", "facilities", "surveyed", *(verdict.value for verdict in verdicts), "not surveyed", *_CAMERAS)
    rows = [_survey_group_cells(group, group.key, verdicts) for group in report.by_province]
    yield from text_table(names, [*rows, _survey_group_cells(report.total, TOTAL_NAME, verdicts)], numbers=True)


def _survey_group_cells(group: progress.SurveyGroup, name: str, verdicts: Sequence[models.SurveyVerdict]) -> list[str]:
    counts = [str(group.verdicts.get(verdict, 0)) for verdict in verdicts]
    cameras = f"{group.cameras_fit}/{group.cameras_present}"
    return [
        *(name, str(group.facilities), str(group.surveyed), *counts),
        *(str(group.missing), cameras, str(group.cameras_missing)),
    ]


def _surveys_pages(report: progress.Surveys, listing: FacilityList) -> tuple[Page, ...]:
    by_verdict = [(label(verdict), 14, partial(_with_verdict, verdict)) for verdict in models.SurveyVerdict]
    columns: tuple[SheetColumn[progress.SurveyGroup], ...] = (
        ("Tỉnh/Thành phố", 26, lambda group: listing.province_names[group.key]),
        ("Tổng số cơ sở", 10, lambda group: group.facilities),
        ("Đã khảo sát", 10, lambda group: group.surveyed),
        ("Chưa khảo sát", 10, lambda group: group.missing),
        *by_verdict,
        ("Camera hiện có", 10, lambda group: group.cameras_present),
        ("Camera đáp ứng", 10, lambda group: group.cameras_fit),
        ("Camera cần bổ sung", 10, lambda group: group.cameras_missing),
    )
    return (
        page_of("Theo tỉnh", columns, report.by_province, report.total),
        page_of("Danh sách cơ sở", _survey_columns(listing), report.listed, is_numbered=True),
    )


def _with_verdict(verdict: models.SurveyVerdict, group: progress.SurveyGroup) -> int:
    return group.verdicts.get(verdict, 0)


def _survey_columns(listing: FacilityList) -> list[SheetColumn[Outline]]:
    def found(cell: Callable[[models.Survey], str | int], facility: Outline, otherwise: str = "") -> str | int:
        survey = listing.files.survey(facility.id)
        return cell(survey) if survey else otherwise

    return [
        ("Mã cơ sở", 16, lambda facility: facility.id),
        ("Cơ sở", 34, lambda facility: listing.files.name(facility.id)),
        ("Tỉnh/Thành phố", 18, lambda facility: listing.province_of(facility).name),
        ("Ngày khảo sát", 14, partial(found, lambda survey: day_label(survey.surveyed_on))),
        ("Thành phần", 26, partial(found, lambda survey: ", ".join(map(label, survey.by)))),
        ("Kết quả", 22, partial(found, lambda survey: label(survey.verdict), otherwise="Chưa khảo sát")),
        ("Camera hiện có", 10, partial(found, lambda survey: survey.cameras.present)),
        ("Camera đáp ứng", 10, partial(found, lambda survey: survey.cameras.fit)),
        ("Camera cần bổ sung", 10, partial(found, lambda survey: survey.cameras.missing)),
        ("Đường truyền", 16, partial(found, lambda survey: label(survey.uplink.kind))),
        ("Tải lên (Mbps)", 10, partial(found, lambda survey: mbps_label(survey.uplink.upload_mbps))),
        ("Địa chỉ IP", 12, partial(found, lambda survey: label(survey.uplink.address))),
        ("RTSP", 18, partial(found, lambda survey: label(survey.rtsp))),
        ("Tài khoản thiết bị", 14, partial(found, lambda survey: label(survey.logins))),
        ("Khu vực thiếu camera", 34, partial(found, lambda survey: ", ".join(map(label, survey.gaps)))),
        ("Vướng mắc", 34, partial(found, lambda survey: survey.obstacles or "")),
        ("Đề xuất", 34, partial(found, lambda survey: survey.advice or "")),
    ]


#: The report on surveys.
SURVEYS = Report(
    heading="KẾT QUẢ KHẢO SÁT CAMERA CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
    count=lambda listing: progress.surveys(listing.facilities, listing.slug),
    document=_surveys_document,
    lines=_surveys_lines,
    pages=_surveys_pages,
)


def _facility_with_devices(outline: Outline, files: FacilityReader) -> MinutesRow:
    facility = files.facility(outline.id)
    devices = [_device_row(facility, camera) for camera in facility.cameras]
    head = {"facility": facility.id, "name": facility.name, "province": facility.province}
    return MinutesRow(**head, survey=facility.survey, devices=devices)


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
    wholes = (listing.files.facility(facility.id) for facility in facilities if facility.survey_verdict)
    surveyed = [(facility, facility.survey) for facility in wholes if facility.survey]
    minutes: tuple[SheetColumn[tuple[Facility, models.Survey]], ...] = (
        ("Mã cơ sở", 16, lambda pair: pair[0].id),
        ("Cơ sở", 34, lambda pair: pair[0].name),
        ("Tỉnh/Thành phố", 18, lambda pair: listing.province_of(pair[0]).name),
        ("Ngày khảo sát", 14, lambda pair: day_label(pair[1].surveyed_on)),
        ("Thành phần", 30, lambda pair: ", ".join(map(label, pair[1].by))),
        ("Camera hiện có", 10, lambda pair: pair[1].cameras.present),
        ("Camera đáp ứng", 10, lambda pair: pair[1].cameras.fit),
        ("Camera cần bổ sung", 10, lambda pair: pair[1].cameras.missing),
        ("Camera đã đăng ký", 10, lambda pair: len(pair[0].cameras)),
        ("Kết quả", 24, lambda pair: label(pair[1].verdict)),
        ("Đề xuất", 34, lambda pair: pair[1].advice or ""),
    )
    devices: tuple[SheetColumn[tuple[Facility, Camera]], ...] = (
        ("Mã cơ sở", 16, lambda pair: pair[0].id),
        ("Cơ sở", 34, lambda pair: pair[0].name),
        ("Mã camera", 14, lambda pair: pair[1].id),
        ("Khu vực", 26, lambda pair: label(pair[1].zone)),
        ("Vị trí", 30, lambda pair: pair[1].location or ""),
        ("Thiết bị", 34, lambda pair: device_words(*pair)),
    )
    cameras = [(facility, camera) for facility, _ in surveyed for camera in facility.cameras]
    return (
        page_of("Biên bản khảo sát", minutes, surveyed, is_numbered=True),
        page_of("Thiết bị đã đăng ký", devices, cameras),
    )


#: The report with the content of survey minutes.
SURVEY_MINUTES = Report(
    heading="BIÊN BẢN KHẢO SÁT CAMERA CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
    count=lambda listing: tuple(
        facility for facility in listing.facilities if facility.operating is not Operating.CLOSED
    ),
    document=lambda facilities, listing: {
        "facilities": [_facility_with_devices(facility, listing.files) for facility in facilities]
    },
    lines=_minutes_lines,
    pages=_minutes_pages,
)


def _zones_document(report: progress.Zones, _listing: FacilityList) -> Document:
    by_zone = [ZoneRow(zone=group.zone, facilities=group.facilities, **group.covers) for group in report.by_zone]
    return {"by_zone": by_zone, "lacking": report.lacking}


def _zones_lines(report: progress.Zones) -> Iterator[str]:
    names = ("zone", "facilities", *(cover.value.replace("_", " ") for cover in progress.Cover))
    rows = [
        [group.zone.value, str(group.facilities), *(str(group.covers[cover]) for cover in progress.Cover)]
        for group in report.by_zone
    ]
    yield from text_table(names, rows, numbers=True)
    yield ""
    gaps: dict[str, list[str]] = {}
    for zone_cover in report.lacking:
        if zone_cover.cover is progress.Cover.GAP:
            gaps.setdefault(zone_cover.facility.id, []).append(zone_cover.zone.value)
    for facility, names_of_zones in gaps.items():
        yield f"{facility}: no camera at {', '.join(names_of_zones)}"


def _zones_pages(report: progress.Zones, listing: FacilityList) -> tuple[Page, ...]:
    by_cover = [(words, 18, partial(_with_cover, cover)) for cover, words in COVER_LABELS.items()]
    by_zone: tuple[SheetColumn[progress.ZoneGroup], ...] = (
        ("Khu vực", 32, lambda group: label(group.zone)),
        ("Tổng số cơ sở", 10, lambda group: group.facilities),
        *by_cover,
    )
    lacking: tuple[SheetColumn[progress.ZoneCover], ...] = (
        ("Mã cơ sở", 16, lambda cover: cover.facility.id),
        ("Cơ sở", 34, lambda cover: cover.facility.name),
        ("Tỉnh/Thành phố", 18, lambda cover: listing.province_of(cover.facility).name),
        ("Khu vực", 32, lambda cover: label(cover.zone)),
        ("Hiện trạng", 40, lambda cover: COVER_LABELS[cover.cover]),
    )
    return (
        page_of("Theo khu vực", by_zone, report.by_zone),
        page_of("Khu vực chưa có camera", lacking, report.lacking, is_numbered=True),
    )


def _with_cover(cover: progress.Cover, group: progress.ZoneGroup) -> int:
    return group.covers[cover]


#: The report on zones.
ZONES = Report(
    heading="CÁC KHU VỰC CHƯA CÓ CAMERA TẠI CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
    count=lambda listing: progress.zones(listing.files.facility(facility.id) for facility in listing.facilities),
    document=_zones_document,
    lines=_zones_lines,
    pages=_zones_pages,
)
