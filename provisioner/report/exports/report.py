"""The reports on carriers and on acceptance. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Final, Generic, TypeVar

from pydantic import Field

from provisioner.base.document import Count, Moment, Positive, Row, Said, of
from provisioner.base.text import Document, counted, local_time, percent, printable
from provisioner.inventory.deadlines import Timeliness
from provisioner.inventory.geography import Province
from provisioner.inventory.model.inventory import InProvince
from provisioner.inventory.outline import Outline
from provisioner.record.availability.measured import ShareRow
from provisioner.record.labels import NO_PLAN_LABEL, day_label, label, moment_label, up_label
from provisioner.record.lifecycle.evidence import NO_EVIDENCE, Evidence, Proof, ProvedAt
from provisioner.record.lifecycle.status import FacilityStatus
from provisioner.report.availability import AgreedTimesRow, agreed_percent, agreed_times, availability_ending, span_line
from provisioner.report.facilities import FacilityReader
from provisioner.report.progress import CarrierIncidents, CarrierScore, CarrierShares, Earlier, Scorecard, scorecard
from provisioner.report.status import FacilityProof, ProvedFacilities, proved_facilities, short
from provisioner.report.tables import TOTAL_NAME, Page, SheetColumn, page_of, text_table

C = TypeVar("C")  #: A report's counts.

_NO_PLAN = "no plan yet"
_EMPTY = "-"
_BOUND = tuple(one for one in Timeliness if one is not Timeliness.NOT_BOUND)


@dataclass(frozen=True)
class FacilityList:
    """The facilities that a report counts."""

    statuses: tuple[FacilityStatus, ...]
    province_of: Callable[[InProvince], Province]  #: Returns the province that counts a facility.
    files: FacilityReader  #: Reads the parts of files that outlines lack.
    evidence: Evidence = NO_EVIDENCE
    carriers: Mapping[str, str] = field(default_factory=dict)  #: The carriers' names by id.
    incidents: CarrierIncidents | None = None  #: Of the last verification, if known.
    shares: CarrierShares | None = None  #: The availability, unless a host was chosen.
    earlier: Earlier | None = None  #: The facilities a week before, if compared.

    @property
    def facilities(self) -> tuple[Outline, ...]:
        """The facilities in outline."""
        return tuple(status.facility for status in self.statuses)

    @cached_property
    def province_names(self) -> Mapping[str, str]:
        """The provinces' names by slug."""
        return {province.slug: province.name for province in map(self.province_of, self.facilities)}

    def slug(self, facility: InProvince) -> str:
        """Return the slug of a facility's province."""
        return self.province_of(facility).slug


@dataclass(frozen=True, slots=True)
class Report(Generic[C]):
    """One report: counting, and presentation."""

    heading: str  #: The spreadsheet's, in Vietnamese.
    count: Callable[[FacilityList], C]
    document: Callable[[C, FacilityList], Document]  #: Returns its part of the `export` document.
    lines: Callable[[C], Iterator[str]]  #: Yields its tables as text.
    pages: Callable[[C, FacilityList], tuple[Page, ...]]  #: Returns its sheets in Vietnamese.
    rests_on_proof: bool = False  #: Whether it counts proofs, and must first tell their age.
    needs_incidents: bool = False  #: Whether it counts incidents of the last verification.
    needs_shares: bool = False  #: Whether it has availability.
    compares: bool = False  #: Whether it can be compared with an earlier moment.
    basis: Callable[[C], str] = lambda _: ""  #: Returns a further basis of its numbers, in Vietnamese.


class ProofsRow(Row):
    """Times at which one verification proved all pulled paths of a facility at the centre."""

    first: ProvedAt | None
    again: ProvedAt | None
    last: ProvedAt | None


class ProvedRow(Row):
    """A facility of the report on acceptance."""

    facility: Said = of("status", "facility", "id")
    name: Said
    province: Said = of("status", "facility", "province")
    carrier: str = of("status", "carrier")  #: The plan's carrier; empty without a plan.
    cameras: Count = of("status", "facility", "cameras")
    accepted: bool = of("is_accepted")  #: Proved twice, at least 24 hours apart, with the present signed content.
    refusal: Said | None  #: The reason that there is no record of acceptance to sign.
    proofs: ProofsRow


def _acceptance_document(report: ProvedFacilities, listing: FacilityList) -> Document:
    name_of = listing.files.name
    return {
        "accepted": report.accepted,
        "proved_once": report.proved_once,
        "facilities": [_proved(entry, name_of(entry.status.facility.id)) for entry in report.listed],
    }


def _proved(entry: FacilityProof, name: str) -> ProvedRow:
    proofs = entry.proof or dict.fromkeys(ProofsRow.model_fields)
    return ProvedRow.made_of(entry, name=name, refusal=entry.refusal or None, proofs=proofs)


def _acceptance_lines(report: ProvedFacilities) -> Iterator[str]:
    names = ("facility", "carrier", "cameras", "first proved", "proved again", "last proved")
    yield from text_table(names, [_acceptance_cells(entry) for entry in report.listed], numbers=False)
    yield ""
    yield (
        f"{report.accepted} of {counted(len(report.listed), 'facility')} accepted,"
        f" {report.proved_once} proved and not yet again"
    )
    for entry in report.listed:
        if entry.refusal:
            yield f"no record: {entry.status.facility.id}: {entry.refusal}"


def _acceptance_cells(entry: FacilityProof) -> list[str]:
    moments = (
        [_short(entry.proof.first), _short(entry.proof.again), _short(entry.proof.last)] if entry.proof else ["-"] * 3
    )
    return [entry.status.facility.id, entry.status.carrier or "-", str(entry.status.facility.cameras), *moments]


def _short(proved: ProvedAt | None) -> str:
    return short(proved.at) if proved else "-"


def _acceptance_pages(report: ProvedFacilities, listing: FacilityList) -> tuple[Page, ...]:
    def proved(proof: Callable[[Proof], ProvedAt | None], entry: FacilityProof) -> str:
        return moment_label(proof(entry.proof) if entry.proof else None)

    columns: tuple[SheetColumn[FacilityProof], ...] = (
        ("Mã cơ sở", 16, lambda entry: entry.status.facility.id),
        ("Cơ sở", 34, lambda entry: listing.files.name(entry.status.facility.id)),
        ("Tỉnh/Thành phố", 18, lambda entry: listing.province_of(entry.status.facility).name),
        (
            "Doanh nghiệp",
            14,
            lambda entry: listing.carriers.get(entry.status.carrier, entry.status.carrier) or NO_PLAN_LABEL,
        ),
        ("Trạng thái", 22, lambda entry: label(entry.status.standing.state)),
        ("Số camera", 10, lambda entry: entry.status.facility.cameras),
        ("Đủ hình lần đầu", 16, partial(proved, lambda proof: proof.first)),
        ("Đủ hình lần thứ hai", 16, partial(proved, lambda proof: proof.again)),
        ("Đủ hình gần nhất", 16, partial(proved, lambda proof: proof.last)),
        ("Hiện có hình", 14, lambda entry: up_label(entry.status.pictures)),
        ("Đủ điều kiện nghiệm thu", 14, lambda entry: "Có" if entry.is_accepted else "Chưa"),
    )
    return (page_of("Nghiệm thu", columns, report.listed, is_numbered=True),)


#: The report on acceptance.
ACCEPTANCE_REPORT = Report(
    heading="NGHIỆM THU KẾT NỐI CAMERA CÁC CƠ SỞ CÁCH LY TẬP TRUNG",
    count=lambda listing: proved_facilities(listing.statuses, listing.evidence),
    document=_acceptance_document,
    lines=_acceptance_lines,
    pages=_acceptance_pages,
    rests_on_proof=True,
)


class TimelinessRow(Row):
    """Numbers of facilities by timeliness; their sum is `facilities`."""

    not_bound: Count
    due: Count
    on_time: Count
    late: Count
    overdue: Count


class ScoreRow(Row):
    """The counts of one carrier, or of all."""

    facilities: Count = of("group", "facilities")
    connected: Count = of("group", "connected")  #: Proved once, whatever their present state.
    up_now: Count = of("group", "up")  #: Connected, with all their cameras up now.
    not_up: Count = of("group", "not_up")
    unknown: Count = of("group", "unknown")  #: Connected, with an unknown present state.
    timeliness: TimelinessRow
    blocked: Count = of("group", "blocked_in_all")
    taking_over: Count  #: Facilities of other carriers with this one as their next carrier.
    cameras: Count = of("group", "cameras")
    cameras_up: Count = of("group", "cameras_up")  #: Up now.
    cameras_down: Count = of("group", "cameras_down")  #: Checked, and not up.
    cameras_unknown: Count = of("group", "cameras_unknown")  #: Carried by hosts, but not checked.
    #: Numbers of incidents in the last verification, by cause; null without one. An incident with paths of two carriers
    #: counts for both.
    incidents: dict[str, Positive] | None
    #: Availability in the span of `availability_of`; null without a stored verdict of that span.
    availability: AgreedTimesRow | None


class _CarrierName(Row):
    carrier: str  #: Empty for facilities without a plan.
    name: str


class CarrierScoreRow(ScoreRow, _CarrierName):
    """Counts of a carrier."""


class IncidentsOfRow(Row):
    """The verification with the incidents."""

    run: Said
    at: Moment  #: The time of its end, with Vietnam's zone.
    limit: tuple[str, ...]  #: Its limits; empty if it covered everything.


class SharesOfRow(Row):
    """The span of the availability."""

    from_: Moment = Field(serialization_alias="from")  #: A time with Vietnam's zone.
    until: Moment  #: The first time after the span.
    longest_s: Positive  #: The longest time, in seconds, for which one check counts.
    paths: Count  #: The number of its paths; 0 without a stored verdict of that span.
    damaged: tuple[str, ...]  #: Records that cannot be read. Their time counts as not measured.


def _scorecard_document(card: Scorecard, _listing: FacilityList) -> Document:
    return {
        "carriers": [CarrierScoreRow.made_of(score, availability=_share(score)) for score in card.scores],
        "all_carriers": ScoreRow.made_of(card.total, availability=_share(card.total)),
        "incidents_of": card.incidents,
        "availability_of": _shares_of(card.shares) if card.shares else None,
    }


def _share(score: CarrierScore) -> AgreedTimesRow | None:
    return agreed_times(score.share) if score.share else None


def _shares_of(shares: CarrierShares) -> SharesOfRow:
    return SharesOfRow(
        from_=shares.span.begin,
        until=shares.span.until,
        longest_s=round(shares.longest.total_seconds()),
        paths=shares.total.paths if shares.total else 0,
        damaged=shares.damaged,
    )


def _scorecard_lines(card: Scorecard) -> Iterator[str]:
    bound = (entry.value.replace("_", " ") for entry in _BOUND)
    now = ("facilities", "connected", "up now", "not up", "unknown")
    shares = ("available", "agreed", "maintenance", "not measured")
    names = ("carrier", *now, *bound, "blocked", "taking over", "cameras up now", "incidents", *shares)
    rows = [_score_cells(entry, entry.carrier or _NO_PLAN) for entry in card.scores]
    yield from text_table(names, [*rows, _score_cells(card.total, TOTAL_NAME)], numbers=True)
    yield ""
    yield from _share_lines(card.shares)
    yield ""
    if card.incidents is None:
        yield "incidents: not known, no verification is recorded"
        return
    limit = f", limited to {' '.join(card.incidents.limit)}" if card.incidents.limit else ""
    yield f"incidents of {card.incidents.run} ({local_time(card.incidents.at)}{limit}):"
    for entry in card.scores:
        for cause, count in sorted((entry.incidents or {}).items(), key=lambda item: (-item[1], item[0])):
            yield f"  {entry.carrier}: {count} {cause}"
    if not card.total.incidents:
        yield "  none"


def _score_cells(score: CarrierScore, name: str) -> list[str]:
    group = score.group
    now = (group.facilities, group.connected, group.up, group.not_up, group.unknown)
    counts = (*now, *(score.timeliness[timeliness] for timeliness in _BOUND), group.blocked_in_all, score.taking_over)
    incidents = "unknown" if score.incidents is None else str(sum(score.incidents.values()))
    shares = (cell or _EMPTY for cell in _share_cells(score.share))
    return [name, *map(str, counts), f"{group.cameras_up}/{group.cameras}", incidents, *shares]


def _share_lines(shares: CarrierShares | None) -> Iterator[str]:
    if shares is None:
        yield "available: not known of a host alone, as no verdict names one; choose carriers, provinces or facilities"
    elif shares.total is None:
        yield f"available {span_line(shares.span)}: not known, no verdict of that time is recorded"
    else:
        yield f"available {span_line(shares.span)}:"
        rows = tuple(shares.by_carrier.values())
        yield from (f"  {printable(line)}" for line in availability_ending("carrier", rows, shares.total))


def _scorecard_pages(card: Scorecard, _listing: FacilityList) -> tuple[Page, ...]:
    pages = [page_of("Theo doanh nghiệp", _SCORE_COLUMNS, card.scores, card.total)]
    if card.incidents:
        source = f"Lần kiểm tra {card.incidents.run}, {day_label(card.incidents.at)}"
        columns = (("Doanh nghiệp", 22), ("Nguyên nhân (như verify ghi)", 34), ("Số sự cố", 10), ("Nguồn", 44))
        rows = [
            (score.name, cause, count, source)
            for score in card.scores
            for cause, count in sorted((score.incidents or {}).items())
        ]
        pages.append(Page("Sự cố theo nguyên nhân", columns, rows))
    return tuple(pages)


def _in_time(timeliness: Timeliness, score: CarrierScore) -> int:
    return score.timeliness[timeliness]


def _share_cell(index: int, score: CarrierScore) -> str | float:
    shown = _share_cells(score.share)[index].removesuffix(" %")  # never rounded up to a level
    return round(float(shown) / 100, 6) if shown else ""


_SCORE_COLUMNS: Final[tuple[SheetColumn[CarrierScore], ...]] = (
    ("Doanh nghiệp", 22, lambda score: score.name or NO_PLAN_LABEL),
    ("Tổng số cơ sở", 10, lambda score: score.group.facilities),
    ("Đã kết nối", 10, lambda score: score.group.connected),
    ("Hiện đủ hình", 10, lambda score: score.group.up),
    ("Hiện không đủ hình", 10, lambda score: score.group.not_up),
    ("Hiện chưa rõ", 10, lambda score: score.group.unknown),
    *((label(one), 10, partial(_in_time, one)) for one in _BOUND),
    ("Vướng mắc", 10, lambda score: score.group.blocked_in_all),
    ("Sắp tiếp nhận", 10, lambda score: score.taking_over),
    ("Tổng số camera", 10, lambda score: score.group.cameras),
    ("Camera hiện có hình", 10, lambda score: score.group.cameras_up),
    ("Camera hiện mất hình", 10, lambda score: score.group.cameras_down),
    ("Camera hiện chưa rõ", 10, lambda score: score.group.cameras_unknown),
    ("Sự cố đang mở", 10, lambda score: "Chưa rõ" if score.incidents is None else sum(score.incidents.values())),
    ("Kiểm chứng gần nhất", 16, lambda score: day_label(score.group.last_proved)),
    ("Tỷ lệ thời gian có hình", 12, partial(_share_cell, 0)),
    ("Mức đã thỏa thuận", 12, partial(_share_cell, 1)),
    ("So với mức đã thỏa thuận", 14, lambda score: label(score.share.kept) if score.share else ""),
    ("Tỷ lệ thời gian bảo trì", 12, partial(_share_cell, 2)),
    ("Tỷ lệ thời gian chưa đo", 12, partial(_share_cell, 3)),
)


def _share_cells(row: ShareRow | None) -> tuple[str, str, str, str]:
    """Return the cells of a share, empty without any verdict."""
    if row is None:
        return ("", "", "", "")
    measured = row.measured
    available = "" if measured.available is None else percent(measured.available)
    return (
        available,
        agreed_percent(row.agreed),
        percent(measured.maintenance_share),
        percent(measured.unmeasured_share),
    )


def _scorecard_basis(card: Scorecard) -> str:
    if card.shares is None:
        return "không tính tỷ lệ thời gian có hình theo máy chủ"
    span = f"từ {day_label(card.shares.span.begin)} đến trước {day_label(card.shares.span.until)}"
    if card.shares.total is None:
        return f"không có tỷ lệ thời gian có hình, do chưa ghi nhận lần kiểm tra nào {span}"
    return f"tỷ lệ thời gian có hình {span}, tính trên thời gian đã đo và ngoài bảo trì"


#: The report on carriers.
SCORECARD = Report(
    heading="KẾT QUẢ THỰC HIỆN CỦA CÁC DOANH NGHIỆP VIỄN THÔNG",
    count=lambda listing: scorecard(listing.statuses, listing.carriers, listing.incidents, listing.shares),
    document=_scorecard_document,
    lines=_scorecard_lines,
    pages=_scorecard_pages,
    rests_on_proof=True,
    needs_incidents=True,
    needs_shares=True,
    basis=_scorecard_basis,
)
