"""The report on surveys: who was surveyed, and what was found. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provisioner.base.json_document import Document
from provisioner.inventory.model import Facility, Survey, SurveyVerdict
from provisioner.report.exports.report import FacilityList, Report
from provisioner.report.labels import TOTAL_LABEL, day_label, label
from provisioner.report.pages import Page, SheetRow
from provisioner.report.surveys import SurveyGroup, Surveys, surveys
from provisioner.report.tables import TOTAL_NAME, text_table


def _count(listing: FacilityList) -> Surveys:
    return surveys(listing.facilities, listing.slug)


# --- document --------------------------------------------------------------------------------------


def _document(report: Surveys) -> Document:
    return {
        "total": _group_document(report.total),
        "by_province": [_group_document(group) for group in report.by_province],
        "facilities": [_facility_document(facility) for facility in report.listed],
    }


def _group_document(group: SurveyGroup) -> Document:
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


def _facility_document(facility: Facility) -> Document:
    return {
        "facility": facility.id,
        "name": facility.name,
        "province": facility.province,
        "survey": survey_document(facility.survey) if facility.survey else None,
    }


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


# --- text ------------------------------------------------------------------------------------------


def _lines(report: Surveys) -> Iterator[str]:
    verdicts = [verdict for verdict in SurveyVerdict if verdict in report.total.verdicts]
    names = ("province", "facilities", "surveyed", *(verdict.value for verdict in verdicts), "missing", "cameras fit")
    rows = [_survey_cells(group, group.key, verdicts) for group in report.by_province]
    yield from text_table(names, [*rows, _survey_cells(report.total, TOTAL_NAME, verdicts)], numbers=True)


def _survey_cells(group: SurveyGroup, name: str, verdicts: Sequence[SurveyVerdict]) -> list[str]:
    counts = [str(group.verdicts.get(verdict, 0)) for verdict in verdicts]
    cameras = f"{group.cameras_fit}/{group.cameras_present}"
    return [name, str(group.facilities), str(group.surveyed), *counts, str(group.missing), cameras]


# --- pages -----------------------------------------------------------------------------------------


def _pages(report: Surveys, listing: FacilityList) -> tuple[Page, ...]:
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
    rows = [_survey_counts(group, listing.province_names[group.key]) for group in report.by_province]
    listed = [
        _surveyed(number, facility, listing.province_of(facility).name)
        for number, facility in enumerate(report.listed, start=1)
    ]
    return (
        Page("Theo tỉnh", columns, rows, _survey_counts(report.total, TOTAL_LABEL)),
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


SURVEYS = Report(
    heading="KẾT QUẢ KHẢO SÁT CAMERA CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
    count=_count,
    document=_document,
    lines=_lines,
    pages=_pages,
)
"""The report on surveys."""
