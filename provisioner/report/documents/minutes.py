"""Minutes of a survey, a connection plan and an acceptance. Pure.

The parties are those of letter 1407/BTTTT-CVT, item 2: the DIC leads, the Health department and the carrier take part,
and the facility is present. Persons write their names by hand. A device is listed without address and login. The
minutes of a plan contain the digest of the signed content, so that a later `sign-off` can be compared with the paper.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from provisioner.inventory.model.devices import Camera
from provisioner.inventory.model.facility import Blocked, BlockOwner, ConnectionPlan, Facility, Party, Survey
from provisioner.inventory.signed import signed_content
from provisioner.record.labels import day_label, label, mbps_label, up_label
from provisioner.record.lifecycle.evidence import ACCEPTANCE_HOURS, Proof, ProvedAt
from provisioner.record.lifecycle.state import Freshness
from provisioner.record.lifecycle.status import FacilityStatus
from provisioner.report.documents import official
from provisioner.report.documents.plan_sheet import PlanNames, PlanSheet
from provisioner.report.exports.report import FacilityList
from provisioner.report.facilities import device_words
from provisioner.report.status import FacilityProof, freshness_label, proof_of_facility

_CAMERA_COLUMNS: Final = (
    official.TableColumn("STT", 12, is_centred=True),
    official.TableColumn("Mã camera", 25),
    official.TableColumn("Khu vực", 38),
    official.TableColumn("Vị trí", 40),
    official.TableColumn("Thiết bị", 30),
    official.TableColumn("Luồng hình", 20, is_centred=True),
)
_FACILITY = label(BlockOwner.FACILITY)
_PLAN_WIDTH_MM = 165


@dataclass(frozen=True, slots=True)
class DocumentBasis:
    """The basis of a document."""

    as_of: datetime  #: Its time, with its zone.
    proof: Freshness  #: The age of the proof.
    runs: int  #: The number of recorded runs.
    source: str  #: The inventory, and the digest of its files.
    letterhead: official.Letterhead
    held: tuple[str, ...] = ()  #: Frozen facilities, which are left out.
    reports: str = ""  #: How many controllers' reports it rests on, in Vietnamese; empty for one inventory.

    @property
    def sentence(self) -> str:
        """The basis in words, for the end of the content."""
        frozen = f" Chưa tính các cơ sở có dữ liệu đang được rà soát: {', '.join(self.held)}." if self.held else ""
        when = f"Số liệu tính đến {official.moment_in_words(self.as_of)} (giờ Việt Nam)"
        return f"{'; '.join(filter(None, (when, freshness_label(self.proof), self.reports)))}.{frozen}"

    @property
    def machine_source(self) -> str:
        """The data and runs by their ids, which no official text has."""
        verified = f"; {self.proof.verified.observed.run}" if self.proof.verified else ""
        return f"{self.source}; runs: {self.runs}{verified}"


def camera_table(facility: Facility) -> official.OfficialTable:
    """Return the table of registered cameras."""
    return official.OfficialTable(
        _CAMERA_COLUMNS, [_camera_row(n, facility, camera) for n, camera in enumerate(facility.cameras, start=1)]
    )


def _camera_row(number: int, facility: Facility, camera: Camera) -> tuple[str | int, ...]:
    stream = camera.streams.sub
    size = f"{stream.width}x{stream.height}"
    return number, camera.id, label(camera.zone), camera.location or "", device_words(facility, camera), size


def party_name(party: Party, letterhead: official.Letterhead, carrier: str = "") -> str:
    """Return a party's full name."""
    if party is Party.DIC:
        return letterhead.dic
    return label(Party.HEALTH) if party is Party.HEALTH else f"{label(Party.CARRIER)} {carrier}".strip()


def signers_of(parties: Sequence[Party], letterhead: official.Letterhead, carrier: str = "") -> tuple[str, ...]:
    """Return the words above each signature: parties in order, then the facility."""
    names = [party_name(party, letterhead, carrier) for party in Party if party in parties]
    return tuple(f"Đại diện {name}" for name in (*names, _FACILITY))


def meeting(parties: Sequence[Party], letterhead: official.Letterhead, carrier: str = "") -> Iterator[official.Block]:
    """Yield the participants, with space for names."""
    yield official.Passage("Thành phần tham dự:")
    names = [party_name(party, letterhead, carrier) for party in Party if party in parties]
    for name in (*names, _FACILITY):
        end = "." if name == _FACILITY else ";"
        whom = f"đại diện {_within_a_line(name)}{end}"
        yield official.Passage(f"- Ông/Bà {official.DOTS}, chức vụ {official.DOTS}, {whom}", official.PassageRole.FORM)


def _within_a_line(name: str) -> str:
    """Write a common noun small; a department's name keeps its capital."""
    common = (label(Party.CARRIER), _FACILITY)
    return f"{name[0].lower()}{name[1:]}" if name.startswith(common) else name


def facility_lines(facility: Facility, address: str) -> Iterator[official.Block]:
    """Yield the description of a facility."""
    yield official.Passage(f"- Tên cơ sở: {facility.name} (mã: {facility.id}).")
    yield official.Passage(f"- Địa chỉ: {address}.")
    yield official.Passage(f"- Loại hình: {label(facility.kind)}; cơ quan quản lý: {label(facility.managing_body)}.")
    capacity = facility.capacity
    if capacity:
        rooms = f", {capacity.rooms} phòng" if capacity.rooms else ""
        floors = f", {capacity.floors} tầng" if capacity.floors else ""
        yield official.Passage(f"- Quy mô: {capacity.people} người{rooms}{floors}.")


def closing() -> Iterator[official.Block]:
    """Yield the last words of minutes."""
    yield official.Passage(
        "Biên bản được lập thành …… bản có giá trị như nhau, mỗi bên giữ …… bản; các bên đã đọc lại,"
        " thống nhất nội dung và ký tên dưới đây.",
        official.PassageRole.LAST,
    )


def acceptance_record(status: FacilityStatus, listing: FacilityList, basis: DocumentBasis) -> official.OfficialDocument:
    """Return the record of acceptance; a facility without one raises ValueError."""
    facility, proved = listing.files.facility(status.facility.id), proof_of_facility(status, listing.evidence)
    if not proved.is_accepted or proved.proof is None or facility.plan is None:
        raise ValueError(f"{facility.id}: {proved.refusal}")
    carrier = listing.carriers.get(facility.plan.carrier, facility.plan.carrier)
    return official.OfficialDocument(
        kind=official.DocumentKind.MINUTES,
        subject=f"Nghiệm thu kết nối camera giám sát tại {facility.name}",
        letterhead=basis.letterhead,
        blocks=tuple(_acceptance_content(proved, facility, facility.plan, listing, basis)),
        signers=signers_of(tuple(Party), basis.letterhead, carrier),
        annexes=(_codes_annex([*_proof_codes(proved.proof), _plan_code(facility, facility.plan)]),),
        source=basis.machine_source,
    )


def _codes_annex(rows: Sequence[tuple[str, str]]) -> official.Annex:
    """Return the annex with codes that programs compare."""
    columns = (official.TableColumn("Nội dung", 92), official.TableColumn("Mã", 160))
    return official.Annex("Mã đối chiếu dữ liệu", [official.OfficialTable(columns, rows)])


def _plan_code(facility: Facility, plan: ConnectionPlan) -> tuple[str, str]:
    return "Nội dung phương án kết nối", signed_content(facility, plan)


def _proof_codes(proof: Proof) -> Iterator[tuple[str, str]]:
    for title, moment in _proofs(proof):
        yield f"{title}, {day_label(moment.at)}", moment.run


def _acceptance_content(
    proved: FacilityProof, facility: Facility, plan: ConnectionPlan, listing: FacilityList, basis: DocumentBasis
) -> Iterator[official.Block]:
    status, letterhead = proved.status, basis.letterhead
    carrier = listing.carriers.get(plan.carrier, plan.carrier)
    address = official.address_text(facility, listing.province_of(facility).full_name)
    yield official.Passage(
        f"Thời gian: …… giờ …… phút, {official.day_in_words(letterhead.dated)}.", official.PassageRole.FORM
    )
    yield official.Passage(f"Địa điểm: {letterhead.place or official.DOTS}.")
    yield from meeting(tuple(Party), letterhead, carrier)
    yield official.Passage("1. Thông tin cơ sở", official.PassageRole.TITLE)
    yield from facility_lines(facility, address)
    yield official.Passage(f"- Đã đăng ký: {len(facility.cameras)} camera, {len(facility.recorders)} đầu ghi.")
    yield official.Passage("2. Căn cứ", official.PassageRole.TITLE)
    for duty in status.duties:
        order = duty.order
        yield official.Passage(
            f"- {official.order_text(order)}: hoàn thành trước {official.day_in_words(duty.before)}."
        )
    yield official.Passage(f"- Phương án kết nối qua doanh nghiệp {carrier}, các bên đã thống nhất:")
    yield _sign_off_table(plan, letterhead, carrier)
    yield official.Passage("3. Kết quả kiểm chứng", official.PassageRole.TITLE)
    yield official.Passage(
        f"Toàn bộ {len(facility.cameras)} camera có hình tại trung tâm giám sát (khung hình giải mã được) trong từng"
        f" lần kiểm chứng dưới đây; hai lần đầu cách nhau ít nhất {ACCEPTANCE_HOURS} giờ:"
    )
    if proved.proof:
        yield _proof_table(proved.proof)
    in_time = f"; {label(status.timeliness).lower()}" if status.duty else ""
    if status.standing.connected_at:
        first = official.moment_in_words(status.standing.connected_at)
        yield official.Passage(f"- Kết nối lần đầu: {first}{in_time}.")
    yield official.Passage(f"- Hiện trạng khi lập biên bản: {_pictures_text(status)}.")
    yield official.Passage("4. Danh sách camera", official.PassageRole.TITLE)
    yield camera_table(facility)
    yield official.Passage("5. Kết luận", official.PassageRole.TITLE)
    repair = "khắc phục các camera đang mất hình, " if status.pictures.down_since else ""
    yield official.Passage(
        f"Căn cứ kết quả kiểm chứng nêu trên, các bên thống nhất: kết nối camera giám sát tại {facility.name} đạt yêu"
        f" cầu và được nghiệm thu. Doanh nghiệp viễn thông {carrier} {repair}tiếp tục duy trì kết nối theo phương án."
    )
    yield official.Passage("Ý kiến khác (nếu có):", official.PassageRole.FORM)
    yield official.Passage(official.LINE_OF_DOTS, official.PassageRole.FORM)
    yield official.Passage(f"{basis.sentence} Mã đối chiếu dữ liệu tại Phụ lục kèm theo.", official.PassageRole.NOTE)
    yield from closing()


def _sign_off_table(plan: ConnectionPlan, letterhead: official.Letterhead, carrier: str) -> official.OfficialTable:
    columns = (
        official.TableColumn("Bên thống nhất", 65),
        official.TableColumn("Ngày", 30, is_centred=True),
        official.TableColumn("Văn bản", 70),
    )
    rows = [(party_name(s.by, letterhead, carrier), day_label(s.signed_on), s.source) for s in plan.sign_offs]
    return official.OfficialTable(columns, rows)


def _proof_table(proof: Proof) -> official.OfficialTable:
    columns = (official.TableColumn("Lần kiểm chứng", 75), official.TableColumn("Thời điểm", 90, is_centred=True))
    rows = [(title, official.moment_in_words(moment.at)) for title, moment in _proofs(proof)]
    return official.OfficialTable(columns, rows)


def _proofs(proof: Proof) -> Iterator[tuple[str, ProvedAt]]:
    rows = [
        ("Lần đầu đủ hình", proof.first),
        ("Đủ hình lần thứ hai (nghiệm thu)", proof.again),
        ("Gần nhất", proof.last),
    ]
    return ((title, moment) for title, moment in rows if moment)


def _pictures_text(status: FacilityStatus) -> str:
    pictures = status.pictures
    if pictures.look is None:
        return "chưa rõ"
    down = f", mất hình từ {official.moment_in_words(pictures.down_since.at)}" if pictures.down_since else ""
    at = official.moment_in_words(pictures.look.observed.at)
    return f"{up_label(pictures)} camera có hình{down} (kiểm tra lúc {at})"


def refuse_survey(status: FacilityStatus) -> str:
    """Return why there are no minutes, or empty."""
    return "" if status.facility.survey_verdict else "no survey of it is written down"


def survey_minutes(status: FacilityStatus, listing: FacilityList, basis: DocumentBasis) -> official.OfficialDocument:
    """Return a survey's minutes; a facility without one raises ValueError."""
    facility = listing.files.facility(status.facility.id)
    if facility.survey is None:
        raise ValueError(f"{facility.id}: {refuse_survey(status)}")
    return official.OfficialDocument(
        kind=official.DocumentKind.MINUTES,
        subject=f"Khảo sát hiện trạng hệ thống camera tại {facility.name}",
        letterhead=basis.letterhead,
        blocks=tuple(_survey_content(facility, facility.survey, listing, basis)),
        signers=signers_of(facility.survey.by, basis.letterhead),
        source=basis.machine_source,
    )


def _survey_content(
    facility: Facility, survey: Survey, listing: FacilityList, basis: DocumentBasis
) -> Iterator[official.Block]:
    letterhead = basis.letterhead
    address = official.address_text(facility, listing.province_of(facility).full_name)
    yield official.Passage(
        f"Thời gian: …… giờ …… phút, {official.day_in_words(survey.surveyed_on)}.", official.PassageRole.FORM
    )
    yield official.Passage(f"Địa điểm: {letterhead.place or f'{facility.name}, {address}'}.")
    yield from meeting(survey.by, letterhead)
    yield official.Passage("1. Thông tin cơ sở", official.PassageRole.TITLE)
    yield from facility_lines(facility, address)
    yield official.Passage("2. Kết quả khảo sát", official.PassageRole.TITLE)
    yield official.OfficialTable(
        (official.TableColumn("Nội dung", 65), official.TableColumn("Hiện trạng", 100)),
        tuple(_survey_rows(survey, facility.blocked)),
    )
    if facility.cameras:
        yield official.Passage("3. Camera đã đăng ký tại thời điểm lập biên bản", official.PassageRole.TITLE)
        yield camera_table(facility)
    yield official.Passage(f"{'4' if facility.cameras else '3'}. Kết luận", official.PassageRole.TITLE)
    yield official.Passage(f"Kết quả: {label(survey.verdict)}.")
    if survey.advice:
        yield official.Passage(f"Đề xuất: {survey.advice}")
    yield official.Passage("Ý kiến của các bên:", official.PassageRole.FORM)
    yield official.Passage(official.LINE_OF_DOTS, official.PassageRole.FORM)
    yield from closing()


def _survey_rows(survey: Survey, blocked: Blocked | None) -> Iterator[tuple[str, str]]:
    cameras, uplink = survey.cameras, survey.uplink
    yield "Camera hiện có", str(cameras.present)
    yield "Camera đáp ứng yêu cầu", str(cameras.fit)
    yield "Camera cần bổ sung", str(cameras.missing)
    yield "Khu vực thiếu camera", ", ".join(label(zone) for zone in survey.gaps) or "Không ghi nhận"
    provider = f" ({uplink.provider})" if uplink.provider else ""
    yield "Đường truyền", f"{label(uplink.kind)}{provider}"
    yield "Tốc độ tải lên", official.DOTS if uplink.upload_mbps is None else f"{mbps_label(uplink.upload_mbps)} Mbps"
    yield "Địa chỉ IP của đường truyền", label(uplink.address) or official.DOTS
    yield "Thiết bị định tuyến", uplink.router or official.DOTS
    yield "Luồng RTSP của thiết bị", label(survey.rtsp) or official.DOTS
    yield "Tài khoản thiết bị", label(survey.logins) or official.DOTS
    reason = f"{label(blocked.reason)} (từ ngày {day_label(blocked.since)})" if blocked else ""
    yield "Vướng mắc", "; ".join(filter(None, (reason, survey.obstacles))) or "Không ghi nhận"


def plan_minutes(
    facility: Facility, plan: ConnectionPlan, names: PlanNames, sheet: PlanSheet, letterhead: official.Letterhead
) -> official.OfficialDocument:
    """Return the minutes of a plan or successor, to be signed."""
    return official.OfficialDocument(
        kind=official.DocumentKind.MINUTES,
        subject=f"Thống nhất phương án kết nối camera giám sát tại {facility.name}",
        letterhead=letterhead,
        blocks=tuple(_plan_content(facility, names, sheet, letterhead)),
        signers=signers_of(tuple(Party), letterhead, names.carrier),
        annexes=(_codes_annex([_plan_code(facility, plan)]),),
    )


def _plan_content(
    facility: Facility, names: PlanNames, sheet: PlanSheet, letterhead: official.Letterhead
) -> Iterator[official.Block]:
    yield official.Passage(
        f"Thời gian: …… giờ …… phút, {official.day_in_words(letterhead.dated)}.", official.PassageRole.FORM
    )
    yield official.Passage(f"Địa điểm: {letterhead.place or official.DOTS}.")
    yield from meeting(tuple(Party), letterhead, names.carrier)
    yield official.Passage("1. Thông tin cơ sở", official.PassageRole.TITLE)
    yield from facility_lines(facility, official.address_text(facility, names.province))
    yield official.Passage("2. Phương án kết nối", official.PassageRole.TITLE)
    columns = (official.TableColumn("Nội dung", 45), official.TableColumn("Phương án", _PLAN_WIDTH_MM - 45))
    # The place stands above, and the digest below.
    yield official.OfficialTable(columns, list(sheet.facts[1:-1]))
    for number, table in enumerate(sheet.tables, start=3):
        yield official.Passage(f"{number}. {table.title}", official.PassageRole.TITLE)
        width = _PLAN_WIDTH_MM // len(table.columns)
        yield official.OfficialTable([official.TableColumn(name, width) for name in table.columns], table.rows)
    yield official.Passage(f"{len(sheet.tables) + 3}. Ý kiến của các bên", official.PassageRole.TITLE)
    yield official.Passage(official.LINE_OF_DOTS, official.PassageRole.FORM)
    note = f"{sheet.note} Mã nội dung phương án tại Phụ lục kèm theo."
    yield official.Passage(note, official.PassageRole.NOTE)
    yield from closing()
