"""The report on acceptance: which facilities were proved twice, so that a record can be signed. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.base.clock import local_iso
from provisioner.base.counted import counted
from provisioner.base.json_document import Document
from provisioner.lifecycle.evidence import Shown
from provisioner.report.exports.report import FacilityList, Report
from provisioner.report.freshness import short
from provisioner.report.labels import NO_PLAN_LABEL, day_label, label, up_label
from provisioner.report.pages import Page, SheetRow
from provisioner.report.proved import FacilityProof, ProvedFacilities, proved_facilities
from provisioner.report.tables import text_table


def _count(listing: FacilityList) -> ProvedFacilities:
    return proved_facilities(listing.statuses, listing.evidence)


def _document(report: ProvedFacilities) -> Document:
    return {
        "accepted": report.accepted,
        "proved_once": report.proved_once,
        "facilities": [_proof_document(one) for one in report.listed],
    }


def _proof_document(one: FacilityProof) -> Document:
    facility, proof = one.status.facility, one.proof
    return {
        "facility": facility.id,
        "name": facility.name,
        "province": facility.province,
        "carrier": one.status.carrier,
        "cameras": facility.camera_count,
        "accepted": one.is_accepted,
        "refusal": one.refusal or None,
        "proofs": {
            "first": _shown(proof.first if proof else None),
            "again": _shown(proof.again if proof else None),
            "last": _shown(proof.last if proof else None),
        },
    }


def _shown(shown: Shown | None) -> Document | None:
    return {"at": local_iso(shown.at), "run": shown.run} if shown else None


def _lines(report: ProvedFacilities) -> Iterator[str]:
    names = ("facility", "carrier", "cameras", "first proved", "proved again", "last proved")
    yield from text_table(names, [_cells(one) for one in report.listed], numbers=False)
    yield ""
    yield (
        f"{report.accepted} of {counted(len(report.listed), 'facility')} accepted,"
        f" {report.proved_once} proved and not yet again"
    )
    for one in report.listed:
        if one.refusal:
            yield f"no record: {one.status.facility.id}: {one.refusal}"


def _cells(one: FacilityProof) -> list[str]:
    moments = [_short(one.proof.first), _short(one.proof.again), _short(one.proof.last)] if one.proof else ["-"] * 3
    return [one.status.facility.id, one.status.carrier or "-", str(one.status.facility.camera_count), *moments]


def _short(shown: Shown | None) -> str:
    return short(shown.at) if shown else "-"


_COLUMNS = (
    ("STT", 6),
    ("Mã cơ sở", 16),
    ("Cơ sở", 34),
    ("Tỉnh/Thành phố", 18),
    ("Doanh nghiệp", 14),
    ("Trạng thái", 22),
    ("Số camera", 10),
    ("Đủ hình lần đầu", 16),
    ("Đủ hình lần nữa", 16),
    ("Đủ hình gần nhất", 16),
    ("Hiện có hình", 14),
    ("Đủ điều kiện nghiệm thu", 14),
)


def _pages(report: ProvedFacilities, listing: FacilityList) -> tuple[Page, ...]:
    rows = [_row(number, one, listing) for number, one in enumerate(report.listed, start=1)]
    return (Page("Nghiệm thu", _COLUMNS, rows),)


def _row(number: int, one: FacilityProof, listing: FacilityList) -> SheetRow:
    facility, proof = one.status.facility, one.proof
    proofs = (proof.first, proof.again, proof.last) if proof else (None, None, None)
    return (
        number,
        facility.id,
        facility.name,
        listing.province_of(facility).name,
        one.status.carrier or NO_PLAN_LABEL,
        label(one.status.standing.state),
        facility.camera_count,
        *(day_label(shown.at) if shown else "" for shown in proofs),
        up_label(one.status.pictures),
        "Có" if one.is_accepted else "Chưa",
    )


ACCEPTANCE_REPORT = Report(
    heading="NGHIỆM THU KẾT NỐI CAMERA CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
    count=_count,
    document=_document,
    lines=_lines,
    pages=_pages,
    rests_on_proof=True,
)
"""The report on acceptance."""
