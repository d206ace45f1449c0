"""Counts of connection, surveys and zones, and the carriers' scorecard. Pure.

The counts of provinces, carriers and managing bodies add up to the total. Not every zone of order 4403/CV-BCĐ exists in
every facility: a survey lists those that lack a sufficient camera (`gaps`). Without a survey this is unknown.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import Field

from provisioner.base.document import Count, Moment, Positive, Row, Said, absent
from provisioner.base.groups import grouped
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.base.text import local_time
from provisioner.inventory.deadlines import Timeliness
from provisioner.inventory.model.devices import Zone
from provisioner.inventory.model.facility import BlockReason, Facility, Operating, SurveyVerdict
from provisioner.inventory.model.orders import ManagingBody
from provisioner.inventory.outline import Outline
from provisioner.record.availability.measured import ShareRow, Span
from provisioner.record.lifecycle.evidence import Verification
from provisioner.record.lifecycle.state import FacilityState
from provisioner.record.lifecycle.status import FacilityStatus
from provisioner.report.tables import text_table

if TYPE_CHECKING:
    from provisioner.verify.document import VerifyDocument

#: The order's zones; `khac` is any other public area, and is never missing.
LISTED_ZONES = tuple(zone for zone in Zone if zone is not Zone.KHAC)


class CountedAs(StrEnum):
    """The only category of a facility that is not closed."""

    CONNECTED = "connected"
    BLOCKED = "blocked"
    SUSPENDED = "suspended"
    UNDER_WAY = "under_way"


class Group(Row):
    """Counts of a province, carrier or managing body, or of all."""

    province: Said | None = absent()
    carrier: str | None = absent()  #: Empty for facilities without a plan.
    managing_body: ManagingBody | None = absent()
    facilities: Count  #: The sum of connected, all of blocked, suspended and under_way.
    connected: Count  #: Proved once, whatever their present state.
    up: Count = Field(serialization_alias="up_now")  #: Connected, with all their cameras up now.
    not_up: Count  #: Connected, with a checked camera that is not up.
    unknown: Count  #: Connected, with an unknown present state.
    last_proved: Moment | None  #: The time of the latest proof of a connected facility.
    down_since: Moment | None  #: The start of the longest present outage of a facility.
    claimed: Count  #: Not connected, but with a reported connection; not a part of the sum above.
    cameras_claimed: Count  #: The cameras of the claimed connections; not a part of `cameras_connected`.
    without_connection: Count  #: Neither connected nor claimed.
    late: Count  #: Connected, but after the deadline.
    blocked: dict[BlockReason, Positive]
    suspended: Count
    under_way: Count
    overdue: Count  #: Never connected, with a past deadline; blocked or not.
    cameras: Count
    cameras_connected: Count
    cameras_up: Count  #: Up now.
    cameras_down: Count  #: Checked, and not up.
    cameras_unknown: Count  #: Carried by hosts, but not checked.
    recorders: Count
    surveyed: Count  #: The number of surveyed facilities.
    registered: Count = Field(serialization_alias="cameras_registered")  #: In the files of surveyed facilities.
    present: Count = Field(serialization_alias="cameras_present")  #: Found by surveys.
    fit: Count = Field(serialization_alias="cameras_fit")  #: Usable, by the surveys.
    missing: Count = Field(serialization_alias="cameras_missing")  #: To be added, by the surveys.

    @property
    def key(self) -> str:
        """The group's id; empty for all."""
        return self.province or self.carrier or self.managing_body or ""

    @property
    def blocked_in_all(self) -> int:
        """The number of blocked facilities."""
        return sum(self.blocked.values())


class ChangedRow(Row):
    """A facility with another state than before."""

    facility: Said
    before: FacilityState | None  #: Null if the inventory lacked it.
    now: FacilityState | None  #: Null if the inventory lacks it.


class BeforeRow(Row):
    """The counts a week before, by the inventory and records of then."""

    as_of: Moment
    runs: Count  #: The number of runs with evidence.
    total: Group
    by_province: tuple[Group, ...]
    by_carrier: tuple[Group, ...]
    by_managing_body: tuple[Group, ...]
    changed: tuple[ChangedRow, ...]


@dataclass(frozen=True, slots=True)
class Earlier:
    """Facilities at an earlier moment."""

    as_of: datetime
    runs: int
    statuses: tuple[FacilityStatus, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that is compared, with its name in English and Vietnamese."""

    words: str
    label: str
    count: Callable[[Group], int]

    def change(self, now: Group, before: Group) -> int:
        """Return the change of the number."""
        return self.count(now) - self.count(before)


#: The compared numbers.
MEASURES = (
    Measure(marked("facilities"), "Tổng số cơ sở", lambda group: group.facilities),
    Measure(marked("connected"), "Đã kết nối", lambda group: group.connected),
    Measure(marked("cameras connected"), "Camera của cơ sở đã kết nối", lambda group: group.cameras_connected),
    Measure(marked("up now"), "Hiện đủ hình", lambda group: group.up),
    Measure(marked("cameras up now"), "Camera hiện có hình", lambda group: group.cameras_up),
    Measure(marked("claimed"), "Báo cáo đã kết nối, chưa kiểm chứng", lambda group: group.claimed),
    Measure(marked("blocked"), "Vướng mắc", lambda group: group.blocked_in_all),
    Measure(marked("overdue"), "Quá hạn chưa kết nối", lambda group: group.overdue),
)


@dataclass(frozen=True)
class ProgressReport:
    """The whole report; `listed` are not closed, `closed` counts the others."""

    total: Group
    by_province: tuple[Group, ...]
    by_carrier: tuple[Group, ...]
    by_managing_body: tuple[Group, ...]
    listed: tuple[FacilityStatus, ...]
    closed: int
    before: BeforeRow | None = None

    @property
    def compared(self) -> tuple[tuple[str, Group, Group], ...]:
        """Provinces with their counts now and before."""
        before = {group.key: group for group in self.before.by_province} if self.before else {}
        now, empty = {group.key: group for group in self.by_province}, _group_of(())
        return tuple((key, now.get(key, empty), before.get(key, empty)) for key in sorted(now.keys() | before.keys()))


@dataclass(frozen=True, slots=True)
class CarrierIncidents:
    """The last verification's incidents by carrier (shared ones count twice) and cause."""

    run: str
    at: datetime
    limit: tuple[str, ...]  #: Empty for everything.
    counts: Mapping[str, Mapping[str, int]]

    @property
    def causes(self) -> tuple[str, ...]:
        """The causes, sorted."""
        return tuple(sorted({cause for counts in self.counts.values() for cause in counts}))


@dataclass(frozen=True, slots=True)
class CarrierShares:
    """The availability by carrier, as `availability` counts it."""

    span: Span
    longest: timedelta
    by_carrier: Mapping[str, ShareRow]  #: Without carriers that have no verdict in the span.
    total: ShareRow | None  #: `None` without any verdict.
    damaged: tuple[str, ...] = ()  #: Unreadable records.


@dataclass(frozen=True)
class CarrierScore:
    """One carrier's counts."""

    carrier: str  #: Empty for facilities without a plan.
    name: str
    group: Group
    timeliness: Mapping[Timeliness, int]
    taking_over: int  #: The number of facilities that will move to it.
    incidents: Mapping[str, int] | None  #: Of the last verification, if known.
    share: ShareRow | None = None  #: Its availability, if measured.


@dataclass(frozen=True)
class Scorecard:
    """All carriers' scores, with the verification and the span behind them."""

    scores: tuple[CarrierScore, ...]
    total: CarrierScore
    incidents: CarrierIncidents | None
    shares: CarrierShares | None = None


class SurveyGroup(Row):
    """Surveys of a province, or of all."""

    province: Said | None = absent()
    facilities: Count  #: The sum of surveyed and missing.
    surveyed: Count
    verdicts: dict[SurveyVerdict, Positive]
    missing: Count
    cameras_present: Count
    cameras_fit: Count
    cameras_missing: Count

    @property
    def key(self) -> str:
        """The province; empty for all."""
        return self.province or ""


@dataclass(frozen=True)
class Surveys:
    """The whole report: all facilities that are not closed, by id."""

    total: SurveyGroup
    by_province: tuple[SurveyGroup, ...]
    listed: tuple[Outline, ...]


class Cover(StrEnum):
    """The coverage of one zone of one facility."""

    COVERED = "covered"
    PLANNED = "planned"
    GAP = "gap"
    NO_CAMERA = "no_camera"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ZoneCover:
    """One zone of one facility, and the number of its registered cameras."""

    facility: Facility
    zone: Zone
    cameras: int
    cover: Cover

    @property
    def lacks(self) -> bool:
        """Return whether no camera is known to watch it."""
        return self.cover not in {Cover.COVERED, Cover.PLANNED}


@dataclass(frozen=True)
class ZoneGroup:
    """One zone over all facilities; `covers` add up to `facilities`."""

    zone: Zone
    facilities: int
    covers: dict[Cover, int]


@dataclass(frozen=True)
class Zones:
    """The whole report: totals by zone, and each open facility's zones."""

    by_zone: tuple[ZoneGroup, ...]
    listed: tuple[ZoneCover, ...]

    @property
    def lacking(self) -> tuple[ZoneCover, ...]:
        """The zones without a known camera."""
        return tuple(zone_cover for zone_cover in self.listed if zone_cover.lacks)


def counted_as(status: FacilityStatus) -> CountedAs:
    """Return a facility's category: connected, else blocked, else suspended."""
    if status.standing.is_connected:
        return CountedAs.CONNECTED
    if status.is_blocked:
        return CountedAs.BLOCKED
    if status.facility.operating is Operating.STANDBY:
        return CountedAs.SUSPENDED
    return CountedAs.UNDER_WAY


def progress(
    statuses: Sequence[FacilityStatus], province_of: Callable[[FacilityStatus], str], earlier: Earlier | None = None
) -> ProgressReport:
    """Count facilities; `province_of` returns the province that counts one."""
    before = None
    if earlier:
        past, changed = progress(earlier.statuses, province_of), _changed(earlier.statuses, statuses)
        before = BeforeRow.made_of(past, as_of=earlier.as_of, runs=earlier.runs, changed=tuple(changed))
    listed = tuple(status for status in statuses if status.facility.operating is not Operating.CLOSED)
    return ProgressReport(
        total=_group_of(listed),
        by_province=_groups_by(listed, "province", province_of),
        by_carrier=_groups_by(listed, "carrier", lambda status: status.carrier),
        by_managing_body=_groups_by(listed, "managing_body", lambda status: status.facility.managing_body.value),
        listed=listed,
        closed=len(statuses) - len(listed),
        before=before,
    )


def _changed(earlier: Iterable[FacilityStatus], now: Iterable[FacilityStatus]) -> Iterator[ChangedRow]:
    first, last = ({status.facility.id: status.standing.state for status in part} for part in (earlier, now))
    for name in sorted(first.keys() | last.keys()):
        if first.get(name) is not last.get(name):
            yield ChangedRow(facility=name, before=first.get(name), now=last.get(name))


def _with_change(count: int, change: int) -> str:
    return f"{count} ({change:+d})" if change else str(count)


def comparison_lines(report: ProgressReport, say: Translator = ENGLISH) -> Iterator[str]:
    """Yield provinces with changed numbers, then facilities with another state."""
    if (before := report.before) is None:
        return
    runs = say.counted(before.runs, "run")
    yield say("compared with {at}, by the evidence of {runs}", at=local_time(before.as_of), runs=runs)
    yield ""
    groups = [*report.compared, (say("all"), report.total, before.total)]
    rows = [
        [key, *(_with_change(one.count(now), one.change(now, then)) for one in MEASURES)] for key, now, then in groups
    ]
    yield from text_table([say("province"), *(say(measure.words) for measure in MEASURES)], rows, numbers=True)
    if before.changed:
        yield ""
    for row in before.changed:
        states = [
            say.word(state, state.words) if state else say("not in the inventory") for state in (row.before, row.now)
        ]
        yield f"{row.facility}: {states[0]} → {states[1]}"


def _groups_by(listed: Iterable[FacilityStatus], by: str, key: Callable[[FacilityStatus], str]) -> tuple[Group, ...]:
    return tuple(_group_of(group, **{by: name}) for name, group in sorted(grouped(listed, key).items()))


def _group_of(group: Sequence[FacilityStatus], **key: str) -> Group:
    places = grouped(group, counted_as)
    blocked: dict[BlockReason, int] = defaultdict(int)
    for status in places[CountedAs.BLOCKED]:
        if status.blocked:
            blocked[status.blocked.reason] += 1
    connected = places[CountedAs.CONNECTED]
    now = Counter(status.pictures.is_up for status in connected)
    proved = [status.pictures.last_proved.at for status in connected if status.pictures.last_proved]
    down = [status.pictures.down_since.at for status in connected if status.pictures.down_since]
    surveyed = [status.facility for status in group if status.facility.survey_verdict]
    claimed = sum(status.claimed is not None for status in group)
    return Group(
        **key,
        facilities=len(group),
        connected=len(connected),
        claimed=claimed,
        cameras_claimed=sum(status.cameras_claimed for status in group),
        without_connection=len(group) - len(connected) - claimed,
        up=now[True],
        not_up=now[False],
        unknown=now[None],
        last_proved=max(proved, default=None),
        down_since=min(down, default=None),
        late=sum(status.timeliness is Timeliness.LATE for status in connected),
        blocked={reason: blocked[reason] for reason in BlockReason if blocked[reason]},
        suspended=len(places[CountedAs.SUSPENDED]),
        under_way=len(places[CountedAs.UNDER_WAY]),
        overdue=sum(status.timeliness is Timeliness.OVERDUE for status in group),
        cameras=sum(status.facility.cameras for status in group),
        cameras_connected=sum(status.facility.cameras for status in connected),
        cameras_up=sum(status.pictures.up for status in group),
        cameras_down=sum(status.pictures.down for status in group),
        cameras_unknown=sum(status.pictures.unknown for status in group),
        recorders=sum(status.facility.recorders for status in group),
        surveyed=len(surveyed),
        registered=sum(facility.cameras for facility in surveyed),
        present=sum(facility.present for facility in surveyed),
        fit=sum(facility.fit for facility in surveyed),
        missing=sum(facility.missing for facility in surveyed),
    )


def incidents_of_document(
    document: "VerifyDocument", verified: Verification, carrier_of_host: Mapping[str, str]
) -> CarrierIncidents:
    """Count a verification's incidents by carrier and cause."""
    carrier_of_path = {row.path: row.carrier for row in document.paths if row.carrier}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for incident in document.incidents:
        carriers = {carrier_of_path[path] for path in incident.paths if path in carrier_of_path}
        if not incident.paths and incident.object in carrier_of_host:
            carriers = {carrier_of_host[incident.object]}
        for carrier in carriers:
            counts[carrier][incident.cause.value] += 1
    by_carrier = {carrier: dict(sorted(causes.items())) for carrier, causes in sorted(counts.items())}
    return CarrierIncidents(verified.observed.run, verified.observed.at, verified.limit, by_carrier)


def scorecard(
    statuses: Sequence[FacilityStatus],
    names: Mapping[str, str],
    incidents: CarrierIncidents | None,
    shares: CarrierShares | None = None,
) -> Scorecard:
    """Count by carrier; `names` has the carriers' names by id."""
    listed = [status for status in statuses if status.facility.operating is not Operating.CLOSED]
    report = progress(listed, lambda status: status.facility.province)
    by_carrier = grouped(listed, lambda status: status.carrier)
    next_carriers = Counter(
        status.facility.successor.carrier
        for status in listed
        if status.facility.successor and status.facility.successor.carrier != status.carrier
    )
    groups = {group.key: group for group in report.by_carrier}
    of_carriers = {entry: row for entry, row in shares.by_carrier.items() if entry} if shares else {}
    # A carrier without present facilities has a row, too, if it takes some over, had some, or has incidents.
    silent = (set(next_carriers) | set(incidents.counts if incidents else ()) | set(of_carriers)) - set(groups)
    groups |= {carrier: progress((), lambda _: "").total for carrier in silent}

    def score(carrier: str, group: Group, carried: Sequence[FacilityStatus]) -> CarrierScore:
        timeliness = Counter(status.timeliness for status in carried)
        return CarrierScore(
            carrier=carrier,
            name=names.get(carrier, carrier),
            group=group,
            timeliness={entry: timeliness[entry] for entry in Timeliness},
            taking_over=next_carriers[carrier],
            incidents=dict(incidents.counts.get(carrier, {})) if incidents else None,
            share=of_carriers.get(carrier),
        )

    scores = tuple(score(carrier, groups[carrier], by_carrier[carrier]) for carrier in sorted(groups))
    summed = Counter[str]()
    for entry in scores:
        summed.update(entry.incidents or {})
    timeliness = Counter(status.timeliness for status in listed)
    total = CarrierScore(
        carrier="",
        name="",
        group=report.total,
        timeliness={entry: timeliness[entry] for entry in Timeliness},
        taking_over=next_carriers.total(),
        incidents=dict(sorted(summed.items())) if incidents else None,
        share=shares.total if shares else None,
    )
    return Scorecard(scores, total, incidents, shares)


def surveys(facilities: Iterable[Outline], province_of: Callable[[Outline], str]) -> Surveys:
    """Count surveys; `province_of` returns the province that counts one."""
    listed = tuple(f for f in facilities if f.operating is not Operating.CLOSED)
    groups = grouped(listed, province_of)
    return Surveys(
        _survey_group(None, listed), tuple(_survey_group(name, group) for name, group in sorted(groups.items())), listed
    )


def _survey_group(province: str | None, group: Sequence[Outline]) -> SurveyGroup:
    made = [facility for facility in group if facility.survey_verdict]
    verdicts = Counter(facility.survey_verdict for facility in made)
    return SurveyGroup(
        province=province,
        facilities=len(group),
        surveyed=len(made),
        verdicts={verdict: verdicts[verdict] for verdict in SurveyVerdict if verdicts[verdict]},
        missing=len(group) - len(made),
        cameras_present=sum(facility.present for facility in made),
        cameras_fit=sum(facility.fit for facility in made),
        cameras_missing=sum(facility.missing for facility in made),
    )


def zones(facilities: Iterable[Facility]) -> Zones:
    """Judge each zone of each facility."""
    counted = [facility for facility in facilities if facility.operating is not Operating.CLOSED]
    listed = tuple(cover for facility in counted for cover in _covers(facility))
    return Zones(tuple(_zone_group(zone, listed) for zone in LISTED_ZONES), listed)


def _covers(facility: Facility) -> Iterable[ZoneCover]:
    cameras = Counter(camera.zone for camera in facility.cameras)
    for zone in LISTED_ZONES:
        yield ZoneCover(facility, zone, cameras[zone], _cover_of_zone(facility, zone, cameras[zone]))


def _cover_of_zone(facility: Facility, zone: Zone, cameras: int) -> Cover:
    missed = facility.survey is not None and zone in facility.survey.gaps
    if cameras:
        return Cover.PLANNED if missed else Cover.COVERED
    if facility.survey is None:
        return Cover.UNKNOWN
    return Cover.GAP if missed else Cover.NO_CAMERA


def _zone_group(zone: Zone, listed: Iterable[ZoneCover]) -> ZoneGroup:
    covers = Counter(zone_cover.cover for zone_cover in listed if zone_cover.zone is zone)
    return ZoneGroup(zone, covers.total(), {cover: covers[cover] for cover in Cover})
