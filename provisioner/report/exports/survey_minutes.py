"""The report that survey minutes are made of: what was found at each facility, and its devices one by one. Pure.

It has no address of a device and no login: those are for whoever serves the site alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.base.counted import counted
from provisioner.base.json_document import Document
from provisioner.inventory.model import Camera, Facility, Operating
from provisioner.report.equipment import device_words
from provisioner.report.exports.report import FacilityList, Report
from provisioner.report.exports.surveys import survey_document
from provisioner.report.labels import day_label, label
from provisioner.report.pages import Page, SheetRow
from provisioner.report.tables import text_table


def _count(listing: FacilityList) -> tuple[Facility, ...]:
    return tuple(one for one in listing.facilities if one.operating is not Operating.CLOSED)


def _document(facilities: tuple[Facility, ...]) -> Document:
    return {"facilities": [_facility_document(one) for one in facilities]}


def _facility_document(facility: Facility) -> Document:
    return {
        "facility": facility.id,
        "name": facility.name,
        "province": facility.province,
        "survey": survey_document(facility.survey) if facility.survey else None,
        "devices": [_device_document(facility, camera) for camera in facility.cameras],
    }


def _device_document(facility: Facility, camera: Camera) -> Document:
    makes = {one.id: one.make.value for one in facility.recorders}
    return {
        "camera": camera.id,
        "zone": camera.zone.value,
        "make": camera.make.value if camera.make else makes.get(camera.recorder or ""),
        "recorder": camera.recorder,
    }


def _lines(facilities: tuple[Facility, ...]) -> Iterator[str]:
    names = ("facility", "surveyed", "present", "fit", "missing", "verdict", "registered")
    yield from text_table(names, [_cells(one) for one in facilities], numbers=False)
    missing = [one.id for one in facilities if one.survey is None]
    yield ""
    yield f"{len(facilities) - len(missing)} of {counted(len(facilities), 'facility')} surveyed"
    for name in missing:
        yield f"no minutes: {name}: no survey of it is written down"


def _cells(facility: Facility) -> list[str]:
    survey = facility.survey
    if survey is None:
        return [facility.id, "-", "-", "-", "-", "-", str(facility.camera_count)]
    cameras = survey.cameras
    counts = [str(cameras.present), str(cameras.fit), str(cameras.missing)]
    return [facility.id, str(survey.surveyed_on), *counts, survey.verdict.value, str(facility.camera_count)]


_MINUTES = (
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
_DEVICES = (("Mã cơ sở", 16), ("Cơ sở", 34), ("Mã camera", 14), ("Khu vực", 26), ("Vị trí", 30), ("Thiết bị", 34))


def _pages(facilities: tuple[Facility, ...], listing: FacilityList) -> tuple[Page, ...]:
    surveyed = [one for one in facilities if one.survey]
    minutes = [_minutes(n, one, listing.province_of(one).name) for n, one in enumerate(surveyed, start=1)]
    devices = [_device(one, camera) for one in surveyed for camera in one.cameras]
    return Page("Biên bản khảo sát", _MINUTES, minutes), Page("Thiết bị đã đăng ký", _DEVICES, devices)


def _minutes(number: int, facility: Facility, province: str) -> SheetRow:
    survey = facility.survey
    if survey is None:
        raise ValueError(f"{facility.id} was not surveyed")
    cameras = survey.cameras
    return (
        *(number, facility.id, facility.name, province, day_label(survey.surveyed_on)),
        ", ".join(label(party) for party in survey.by),
        *(cameras.present, cameras.fit, cameras.missing, facility.camera_count),
        *(label(survey.verdict), survey.advice or ""),
    )


def _device(facility: Facility, camera: Camera) -> SheetRow:
    where = camera.location or ""
    return facility.id, facility.name, camera.id, label(camera.zone), where, device_words(facility, camera)


SURVEY_MINUTES = Report(
    heading="BIÊN BẢN KHẢO SÁT CAMERA CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
    count=_count,
    document=_document,
    lines=_lines,
    pages=_pages,
)
"""The report that survey minutes are made of."""
