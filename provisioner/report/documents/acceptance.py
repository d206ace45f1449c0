"""The record of a facility's acceptance ("biên bản nghiệm thu"): what was proved, when, and who signs. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.inventory.model import ConnectionPlan, Party, SignOff
from provisioner.inventory.signed import signed_content
from provisioner.lifecycle.evidence import ACCEPTANCE_HOURS, Proof, Shown
from provisioner.lifecycle.status import FacilityStatus
from provisioner.report.documents.basis import DocumentBasis
from provisioner.report.documents.equipment import camera_table
from provisioner.report.documents.official import (
    DOTS,
    LINE_OF_DOTS,
    Block,
    DocumentKind,
    Letterhead,
    OfficialDocument,
    OfficialTable,
    Passage,
    PassageRole,
    TableColumn,
)
from provisioner.report.documents.parties import closing, facility_lines, meeting, party_name, signers_of
from provisioner.report.documents.words import day_in_words, moment_in_words, place_in_words, short_digest
from provisioner.report.exports.report import FacilityList
from provisioner.report.labels import day_label, label, up_label
from provisioner.report.proved import FacilityProof, proof_of_facility


def acceptance_record(status: FacilityStatus, listing: FacilityList, basis: DocumentBasis) -> OfficialDocument:
    """The record of a facility's acceptance.

    Raises:
        ValueError: it is not accepted.
    """
    facility, proved = status.facility, proof_of_facility(status, listing.evidence)
    if not proved.is_accepted or proved.proof is None or facility.plan is None:
        raise ValueError(f"{facility.id}: {proved.refusal}")
    carrier = listing.carriers.get(facility.plan.carrier, facility.plan.carrier)
    return OfficialDocument(
        kind=DocumentKind.MINUTES,
        subject=f"Nghiệm thu kết nối camera giám sát tại {facility.name}",
        letterhead=basis.letterhead,
        blocks=tuple(_content(proved, facility.plan, listing, basis)),
        signers=signers_of(tuple(Party), basis.letterhead, carrier),
    )


def _content(
    proved: FacilityProof, plan: ConnectionPlan, listing: FacilityList, basis: DocumentBasis
) -> Iterator[Block]:
    status, letterhead = proved.status, basis.letterhead
    carrier = listing.carriers.get(plan.carrier, plan.carrier)
    facility = status.facility
    place = place_in_words(facility, listing.province_of(facility).name)
    yield Passage(f"Thời gian: …… giờ …… phút, {day_in_words(letterhead.dated)}.", PassageRole.FORM)
    yield Passage(f"Địa điểm: {letterhead.place or DOTS}.")
    yield from meeting(tuple(Party), letterhead, carrier)
    yield Passage("1. Thông tin cơ sở", PassageRole.TITLE)
    yield from facility_lines(facility, place)
    yield Passage(f"- Đã đăng ký: {facility.camera_count} camera, {facility.recorder_count} đầu ghi.")
    yield Passage("2. Căn cứ", PassageRole.TITLE)
    for duty in status.duties:
        order = duty.order
        yield Passage(
            f"- Văn bản số {order.ref} ngày {day_label(order.issued_on)} ({order.issuer}):"
            f" hoàn thành trước ngày {day_label(duty.before)}."
        )
    yield Passage(f"- Phương án kết nối qua doanh nghiệp {carrier}, các bên đã thống nhất:")
    yield _sign_off_table(plan, letterhead, carrier)
    yield Passage("3. Kết quả kiểm chứng", PassageRole.TITLE)
    yield Passage(
        f"Toàn bộ {facility.camera_count} camera có hình tại trung tâm giám sát (khung hình giải mã được) trong từng"
        f" lần kiểm chứng dưới đây; hai lần đầu cách nhau ít nhất {ACCEPTANCE_HOURS} giờ:"
    )
    if proved.proof:
        yield _proof_table(proved.proof)
    in_time = f"; {label(status.timeliness).lower()}" if status.duty else ""
    yield Passage(f"- Kết nối lần đầu: {day_label(status.standing.connected_at)}{in_time}.")
    yield Passage(f"- Hiện trạng khi lập biên bản: {_now(status)}.")
    yield Passage("4. Danh sách camera", PassageRole.TITLE)
    yield camera_table(facility)
    yield Passage("5. Kết luận", PassageRole.TITLE)
    yield Passage("Ý kiến của các bên:", PassageRole.FORM)
    yield Passage(LINE_OF_DOTS, PassageRole.FORM)
    content = short_digest(signed_content(facility, plan))
    yield Passage(f"{basis.sentence} Mã nội dung phương án: {content}.", PassageRole.NOTE)
    yield from closing()


def _now(status: FacilityStatus) -> str:
    pictures = status.pictures
    if pictures.look is None:
        return "chưa rõ"
    down = f", mất hình từ {day_label(pictures.down_since.at)}" if pictures.down_since else ""
    return f"{up_label(pictures)} camera có hình{down} (kiểm tra lúc {moment_in_words(pictures.look.shown.at)})"


def _sign_off_table(plan: ConnectionPlan, letterhead: Letterhead, carrier: str) -> OfficialTable:
    columns = (
        TableColumn("Bên thống nhất", 65),
        TableColumn("Ngày", 30, is_centred=True),
        TableColumn("Văn bản", 70),
    )
    return OfficialTable(columns, [_sign_off(one, letterhead, carrier) for one in plan.sign_offs])


def _sign_off(one: SignOff, letterhead: Letterhead, carrier: str) -> tuple[str, str, str]:
    return party_name(one.by, letterhead, carrier), day_label(one.signed_on), one.source


def _proof_table(proof: Proof) -> OfficialTable:
    columns = (TableColumn("Lần kiểm chứng", 60), TableColumn("Thời điểm", 40, is_centred=True), TableColumn("Mã", 65))
    shown = [("Lần đầu đủ hình", proof.first), ("Đủ hình lần nữa (nghiệm thu)", proof.again), ("Gần nhất", proof.last)]
    return OfficialTable(columns, [_proved(words, one) for words, one in shown if one])


def _proved(words: str, one: Shown) -> tuple[str, str, str]:
    return words, day_label(one.at), one.run
