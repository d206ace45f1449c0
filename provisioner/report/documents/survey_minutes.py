"""The minutes of a facility's survey ("biên bản khảo sát", letter 1407/BTTTT-CVT, item 2). Pure."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.inventory.model import Facility, Survey
from provisioner.lifecycle.status import FacilityStatus
from provisioner.report.documents.basis import DocumentBasis
from provisioner.report.documents.equipment import camera_table
from provisioner.report.documents.official import (
    DOTS,
    LINE_OF_DOTS,
    Block,
    DocumentKind,
    OfficialDocument,
    OfficialTable,
    Passage,
    PassageRole,
    TableColumn,
)
from provisioner.report.documents.parties import closing, facility_lines, meeting, signers_of
from provisioner.report.documents.words import day_in_words, place_in_words
from provisioner.report.exports.report import FacilityList
from provisioner.report.labels import label


def refuse_survey(status: FacilityStatus) -> str:
    """Why there are no minutes; empty where there are."""
    return "" if status.facility.survey else "no survey of it is written down"


def survey_minutes(status: FacilityStatus, listing: FacilityList, basis: DocumentBasis) -> OfficialDocument:
    """The minutes of a facility's survey.

    Raises:
        ValueError: it was not surveyed.
    """
    facility = status.facility
    if facility.survey is None:
        raise ValueError(f"{facility.id}: {refuse_survey(status)}")
    return OfficialDocument(
        kind=DocumentKind.MINUTES,
        subject=f"Khảo sát hiện trạng hệ thống camera tại {facility.name}",
        letterhead=basis.letterhead,
        blocks=tuple(_content(facility, facility.survey, listing, basis)),
        signers=signers_of(facility.survey.by, basis.letterhead),
    )


def _content(facility: Facility, survey: Survey, listing: FacilityList, basis: DocumentBasis) -> Iterator[Block]:
    letterhead = basis.letterhead
    place = place_in_words(facility, listing.province_of(facility).name)
    yield Passage(f"Thời gian: …… giờ …… phút, {day_in_words(survey.surveyed_on)}.", PassageRole.FORM)
    yield Passage(f"Địa điểm: {letterhead.place or f'{facility.name}, {place}'}.")
    yield from meeting(survey.by, letterhead)
    yield Passage("1. Thông tin cơ sở", PassageRole.TITLE)
    yield from facility_lines(facility, place)
    yield Passage("2. Kết quả khảo sát", PassageRole.TITLE)
    yield OfficialTable((TableColumn("Nội dung", 65), TableColumn("Hiện trạng", 100)), tuple(_found(survey)))
    if facility.cameras:
        yield Passage("3. Camera đã đăng ký tại thời điểm lập biên bản", PassageRole.TITLE)
        yield camera_table(facility)
    yield Passage(f"{'4' if facility.cameras else '3'}. Kết luận", PassageRole.TITLE)
    yield Passage(f"Kết quả: {label(survey.verdict)}.")
    if survey.advice:
        yield Passage(f"Đề xuất: {survey.advice}")
    yield Passage("Ý kiến của các bên:", PassageRole.FORM)
    yield Passage(LINE_OF_DOTS, PassageRole.FORM)
    yield Passage(f"Biên bản được lập từ dữ liệu {basis.source}.", PassageRole.NOTE)
    yield from closing()


def _found(survey: Survey) -> Iterator[tuple[str, str]]:
    cameras, uplink = survey.cameras, survey.uplink
    yield "Camera hiện có", str(cameras.present)
    yield "Camera đáp ứng yêu cầu", str(cameras.fit)
    yield "Camera cần bổ sung", str(cameras.missing)
    yield "Khu vực thiếu camera", ", ".join(label(zone) for zone in survey.gaps) or "Không ghi nhận"
    provider = f" ({uplink.provider})" if uplink.provider else ""
    yield "Đường truyền", f"{label(uplink.kind)}{provider}"
    upload = "" if uplink.upload_mbps is None else f"{uplink.upload_mbps:g} Mbps".replace(".", ",")
    yield "Tốc độ tải lên", upload or DOTS
    yield "Địa chỉ IP của đường truyền", label(uplink.address) or DOTS
    yield "Thiết bị định tuyến", uplink.router or DOTS
    yield "Luồng RTSP của thiết bị", label(survey.rtsp) or DOTS
    yield "Tài khoản thiết bị", label(survey.logins) or DOTS
    yield "Vướng mắc", survey.obstacles or "Không ghi nhận"
