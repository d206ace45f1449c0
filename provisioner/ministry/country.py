"""All controllers' facilities, each counted once, with findings between controllers. Pure.

A facility is its id in a province of 2021; one of 2025 is those of its parts that are designated to its controller. A
controller counts only for the provinces that the file of keys gives its carrier. If two controllers that may both
report a facility do so, it is counted once, with the worse word of the two: neither makes the other's facility green,
and neither hides it. Who has no plan of a facility says less than who has one.

A controller that is not current counts as well: its paths and cameras are unknown, however green it was.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import chain
from typing import Final

from provisioner.base.errors import UsageError
from provisioner.base.text import msg
from provisioner.base.vietnamese import fold
from provisioner.inventory import geography
from provisioner.inventory.deadlines import Duty, timeliness
from provisioner.inventory.model.facility import Access, Blocked, ClaimedConnection, Facility, PlanState, Survey
from provisioner.inventory.model.inventory import InProvince
from provisioner.inventory.model.orders import Instruction
from provisioner.inventory.outline import Outline, PlanOutline, Remarks
from provisioner.ministry.bundle import ControllerReport, PathCount, ReportedFacility
from provisioner.ministry.trust import ControllerState, Doubt, ReportFinding, Trust, units_of
from provisioner.record.availability.measured import LONGEST_STANDING
from provisioner.record.lifecycle.evidence import NO_EVIDENCE, LastCheck, ProvedAt, Verification
from provisioner.record.lifecycle.state import AHEAD, STALE, FacilityProgress, FacilityState, Freshness, Pictures
from provisioner.record.lifecycle.status import FacilityStatus, opening_warning
from provisioner.report.exports.report import FacilityList
from provisioner.verify.result import Cause, Finding, Layer, Verdict
from provisioner.web import board as boards

_UNKNOWN: Final = "unknown"
_MOST_UNREAD: Final = 20  #: Unreadable files named of a controller.
_UNSAID: Final = "-"  #: Stands for words of a file that reports leave out.
#: Layers that belong to one site: a fault of one is no fault of another site.
_OF_SITE: Final = frozenset({Layer.TUNNEL, Layer.SITE, Layer.RECORDER, Layer.CAMERA, Layer.STREAM, Layer.PICTURE})


@dataclass(frozen=True)
class CountryFacility:
    """A facility as the view counts it."""

    id: str  #: Its unit of 2021 and its id, e.g. `bac-giang.kcl-bg-001`; the unit of 2025 if that is all that is known.
    row: ReportedFacility
    standing: ControllerState  #: The controller whose row counts.
    province: str  #: The slug by which it is counted.
    wide: str  #: Its unit of 2025 and its id.
    is_wide: bool  #: Whether its unit of 2021 is unknown.
    others: tuple[str, ...] = ()  #: Further controllers that report it.

    def paths(self, now: datetime) -> tuple[PathCount, ...]:
        """Return its paths: unknown without a current report, else perhaps old."""
        row = self.row
        if not self.standing.is_current:
            number = sum(count.paths for count in row.paths)
            return (PathCount(_UNKNOWN, number, Cause.NONE, None, None),) if number else ()
        if row.checked_at is not None and -AHEAD <= now - row.checked_at <= LONGEST_STANDING:
            return row.paths
        return tuple(
            PathCount(boards.OLD, count.paths, Cause.NONE, None, None) if count.verdict == "up" else count
            for count in row.paths
        )

    def counts(self, now: datetime) -> Mapping[str, int]:
        """Return the number of its paths by verdict."""
        counted: Counter[str] = Counter()
        for count in self.paths(now):
            counted[count.verdict] += count.paths
        return boards.total([counted])

    def badness(self, now: datetime) -> tuple[bool, int, int, int, str]:
        """Return its rank: a plan first, then the worst."""
        counts = self.counts(now)
        worst = boards.rank(boards.worst_of(counts) or Verdict.MAINTENANCE)  # without a path it is not up
        state = list(FacilityState).index(self.row.state)
        return self.row.carrier is None, worst, -sum(counts.values()), state, self.standing.controller.inventory


@dataclass(frozen=True)
class Country:
    """A view's content at a moment."""

    trust: Trust
    standings: tuple[ControllerState, ...]  #: In the order of the file of keys.
    facilities: tuple[CountryFacility, ...]  #: By id.
    findings: tuple[ReportFinding, ...]
    now: datetime

    @property
    def current(self) -> int:
        """The number of controllers whose words count now."""
        return sum(standing.is_current for standing in self.standings)

    @cached_property
    def path_counts(self) -> Mapping[str, int]:
        """The number of paths by verdict."""
        return boards.total(one.counts(self.now) for one in self.facilities)

    @cached_property
    def statuses(self) -> tuple[FacilityStatus, ...]:
        """The facilities' states, as of one inventory."""
        orders = {standing.controller.inventory: _orders_of(standing) for standing in self.standings}
        return tuple(_status(one, orders[one.standing.controller.inventory], self.now) for one in self.facilities)

    @property
    def listing(self) -> FacilityList:
        """The facilities for the reports that count one inventory."""
        names = {one.id: one.row.name for one in self.facilities}
        return FacilityList(self.statuses, self.province_of, _Names(names), carriers=self.carriers)

    @property
    def freshness(self) -> Freshness:
        """The age of the evidence, that of the oldest current controller."""
        verified = [one.last.report.verified_at for one in self.standings if one.is_current and one.last]
        known = [at for at in verified if at]
        oldest = Verification(ProvedAt(min(known), ""), min(known)) if known and len(known) == len(verified) else None
        carried = [status.pictures for status in self.statuses if status.pictures.carried]
        return Freshness(oldest, self.now, len(carried), sum(pictures.is_up is None for pictures in carried))

    @cached_property
    def carriers(self) -> Mapping[str, str]:
        """The carriers' names by id, of those that a controller may report."""
        return {
            carrier.id: carrier.name
            for standing in reversed(self.standings)
            for carrier in (standing.last.report.carriers if standing.last else ())
            if carrier.id in standing.controller.provinces
        }

    def province_of(self, facility: InProvince) -> geography.Province:
        """Return the province that counts a facility."""
        own = geography.by_slug(facility.province, facility.province_scheme or self.trust.scheme)
        units = geography.convert(own, self.trust.scheme)
        return units[0] if len(units) == 1 else own

    def board(self, name: str, revision: str) -> boards.Board:
        """Return the board of all controllers' facilities, without paths of their own."""
        both = list(zip(self.facilities, self.statuses, strict=True))
        facilities = [_facility_row(one, status, self.now) for one, status in both]
        incidents = tuple(_incidents(self.facilities, self.now))
        provinces = {one.province: self.province_of(status.facility).name for one, status in both}
        verified = self.freshness.verified
        return boards.Board(
            inventory=name,
            scheme=self.trust.scheme,
            verified_at=verified.observed.at if verified else None,
            oldest_at=None,
            engine="",
            counts=boards.total(row.counts for row in facilities),
            provinces=boards.by_province(facilities, incidents, provinces),
            carriers=boards.by_carrier(facilities, incidents, self.carriers),
            facilities=tuple(facilities),
            incidents=incidents,
            unread=tuple(f"{one.controller.inventory}: {name}" for one in self.standings for name in _unread(one)),
            revision=revision,
        )


def country_of(
    trust: Trust, standings: Iterable[ControllerState], now: datetime, findings: Iterable[ReportFinding] = ()
) -> Country:
    """Join the controllers' reports; `findings` are of files that name no controller."""
    listed = tuple(standings)
    found = [*findings, *(finding for standing in listed for finding in standing.findings)]
    claims: dict[str, list[CountryFacility]] = defaultdict(list)
    for standing in listed:
        for row in standing.content.rows.values():
            one = _placed(trust, standing, row)
            if isinstance(one, ReportFinding):
                found.append(one)
            else:
                claims[one.wide].append(one)
    facilities = []
    for rivals in chain.from_iterable(map(_sites, claims.values())):
        counted, *others = sorted(rivals, key=lambda one: one.badness(now))
        if others:
            found.append(_twice(rivals, counted, now))
            names = tuple(sorted(one.standing.controller.inventory for one in others))
            counted = replace(counted, others=names)
        facilities.append(counted)
    facilities.sort(key=lambda one: one.id)
    return Country(trust, listed, tuple(facilities), tuple(sorted(found)), now)


def _unread(standing: ControllerState) -> Iterable[str]:
    """Return some unreadable files of a controller, and the number of others."""
    names = standing.last.report.unread if standing.last else ()
    others = len(names) - _MOST_UNREAD
    return (*names[:_MOST_UNREAD], f"+{others}") if others > 0 else names


def _sites(claims: Sequence[CountryFacility]) -> Iterable[Sequence[CountryFacility]]:
    """Split claims of one id by their units of 2021."""
    exact = sorted({one.id for one in claims if not one.is_wide}) or [claims[0].id]
    sites: dict[str, list[CountryFacility]] = defaultdict(list)
    for one in claims:
        place = exact[0] if one.is_wide else one.id
        sites[place].append(one if one.id == place else replace(one, id=place))
    return sites.values()


def _placed(trust: Trust, standing: ControllerState, row: ReportedFacility) -> CountryFacility | ReportFinding:
    """Return a row in its province, or why it does not count."""
    name = standing.controller.inventory
    units = units_of(row.province, row.scheme, trust.scheme)
    today = units_of(row.province, row.scheme, geography.SCHEMES[1])
    if not today:
        text = msg("{facility}: there is no province {slug} in {scheme}", row.id, row.province, row.scheme)
        return ReportFinding(Doubt.UNDESIGNATED, name, row.id, text)
    allowed = trust.designated(row.carrier, units)
    if name not in allowed:
        text = msg(
            "{facility}: {province} is not designated to {carrier} there", row.id, row.province, row.carrier or name
        )
        return ReportFinding(Doubt.UNDESIGNATED, name, row.id, text, allowed)
    designated = standing.controller.provinces
    carriers = tuple(one for one in row.carriers if not designated.get(one, frozenset()).isdisjoint(units))
    if carriers != row.carriers:
        row = replace(row, carriers=carriers)
    before = units_of(row.province, row.scheme, geography.SCHEMES[0])
    if trust.scheme == geography.SCHEMES[0] and len(before) > 1:
        before = tuple(unit for unit in before if any(unit in own for own in designated.values()))
    wide, is_exact = f"{today[0]}.{row.id}", len(before) == 1
    province = units[0] if len(units) == 1 else row.province
    id_ = f"{before[0]}.{row.id}" if is_exact else wide
    return CountryFacility(id_, row, standing, province, wide, is_wide=not is_exact)


def _twice(rivals: Sequence[CountryFacility], counted: CountryFacility, now: datetime) -> ReportFinding:
    sides = "; ".join(
        f"{one.standing.controller.inventory}: {one.row.state.words}, {one.row.carrier or _UNSAID}, "
        + (", ".join(f"{number} {verdict}" for verdict, number in one.counts(now).items()) or _UNSAID)
        for one in sorted(rivals, key=lambda one: one.standing.controller.inventory)
    )
    first, *others = sorted(one.standing.controller.inventory for one in rivals)
    return ReportFinding(Doubt.TWICE, first, counted.id, sides, tuple(others))


# --- the types of one inventory ---------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Names:
    names: Mapping[str, str]

    def name(self, facility: str, /) -> str:
        return self.names[facility]

    def survey(self, facility: str, /) -> Survey | None:
        raise UsageError("a view has no surveys", hint="ask the carrier's controller", object=facility)

    def facility(self, facility: str, /) -> Facility:
        raise UsageError("a view has no files of facilities", hint="ask the carrier's controller", object=facility)


def _orders_of(standing: ControllerState) -> Mapping[str, Instruction]:
    report: ControllerReport | None = standing.last.report if standing.last else None
    return {
        order.ref: Instruction.model_construct(
            ref=order.ref, issuer=order.issuer, issued_on=order.issued_on, before=order.before, scope=()
        )
        for order in (report.orders if report else ())
    }


def _status(one: CountryFacility, orders: Mapping[str, Instruction], now: datetime) -> FacilityStatus:
    row = one.row
    outline = _outline(one)
    progress = FacilityProgress(
        outline, row.state, row.since, row.steps or {FacilityState.REGISTERED: None}, row.connected_at
    )
    pictures = _pictures(one, now)
    order = orders.get(row.duty.order) if row.duty else None
    duty = Duty(order, row.duty.before, ()) if row.duty and order else None
    return FacilityStatus(
        standing=progress,
        pictures=pictures,
        duties=(duty,) if duty else (),
        duty=duty,
        timeliness=timeliness(duty, row.connected_at, now),
        opening=opening_warning(progress, pictures, now),
        evidence=NO_EVIDENCE,
    )


def _outline(one: CountryFacility) -> Outline:
    row = one.row
    blocked, claim, survey = row.blocked, row.claim, row.survey
    remarks = Remarks.model_construct(
        blocked=Blocked(
            reason=blocked.reason, owner=blocked.owner, since=blocked.since, due=blocked.due, next_action=_UNSAID
        )
        if blocked
        else None,
        claimed_connection=ClaimedConnection(connected_on=claim.connected_on, source=_UNSAID, cameras=claim.cameras)
        if claim
        else None,
    )
    agreed = FacilityState.PLAN_AGREED in row.steps
    plan = (
        PlanOutline(PlanState.AGREED if agreed else PlanState.PROPOSED, row.carrier, "", Access.PULL_PORTMAP)
        if row.carrier
        else None
    )
    return Outline(
        id=one.id,
        province=row.province,
        province_scheme=row.scheme,
        operating=row.operating,
        plan=plan,
        successor=None,
        has_gateway=row.carried,
        public_key=None,
        lan=None,
        devices=(),
        cameras=row.cameras,
        paths=sum(count.paths for count in row.paths),
        protected=False,
        managing_body=row.managing_body,
        recorders=row.recorders,
        opens_on=row.opens_on,
        remarks=remarks.model_dump_json(exclude_none=True) if blocked or claim else "",
        survey_verdict=survey.verdict if survey else None,
        present=survey.present if survey else 0,
        fit=survey.fit if survey else 0,
        missing=survey.missing if survey else 0,
    )


def _pictures(one: CountryFacility, now: datetime) -> Pictures:
    """Return the pictures; unknown without a current report and check."""
    row, seen = one.row, one.row.seen
    counts = seen is not None and one.standing.is_current and -AHEAD <= now - seen.at <= STALE
    look = None
    if seen is not None and counts:
        known = seen.up + seen.down
        look = LastCheck(row.id, "", "", seen.at, row.cameras, known, seen.up, run="")
    return Pictures(
        cameras=row.cameras,
        carried=row.carried,
        look=look,
        last_proved=ProvedAt(row.last_proved, "") if row.last_proved else None,
        down_since=ProvedAt(row.down_since, "") if row.down_since and one.standing.is_current else None,
    )


def _facility_row(one: CountryFacility, status: FacilityStatus, now: datetime) -> boards.FacilityRow:
    row, counts, paths = one.row, one.counts(now), one.paths(now)
    worst = boards.worst_of(counts)
    return boards.FacilityRow(
        id=one.id,
        name=row.name,
        key=f"{fold(row.name)}-{row.id}",
        province=one.province,
        carriers=tuple(dict.fromkeys(filter(None, (row.carrier, *row.carriers)))),  # the plan's carrier counts paths
        folder=row.province,
        kind=row.kind.value,
        managing_body=row.managing_body.value,
        operating=row.operating.value,
        state=row.state.value,
        timeliness=status.timeliness.value,
        cameras=row.cameras,
        counts=counts,
        worst=worst,
        since=min((count.since for count in paths if count.since and count.verdict == worst), default=None),
        reporters=(one.standing.controller.inventory, *one.others),
    )


def _incidents(facilities: Iterable[CountryFacility], now: datetime) -> Iterable[boards.IncidentRow]:
    """Return faults by cause: each site's, and those of hosts together."""
    groups: dict[tuple[str, ...], list[tuple[CountryFacility, PathCount]]] = defaultdict(list)
    for one in facilities:
        for count in one.paths(now):
            if count.layer is not None:
                place = one.id if count.layer in _OF_SITE else ""
                groups[one.standing.controller.inventory, count.layer, count.cause, place].append((one, count))
    rows = [_incident(place or inventory, group) for (inventory, _, _, place), group in groups.items()]
    return sorted(rows, key=lambda row: (boards.rank(row.verdict), -row.number, row.object, row.cause))


def _incident(name: str, group: Sequence[tuple[CountryFacility, PathCount]]) -> boards.IncidentRow:
    (_, first), *_ = group
    return boards.IncidentRow(
        finding=Finding(first.cause, first.layer, name),
        verdict=boards.worst_of(Counter(count.verdict for _, count in group)),
        since=min((count.since for _, count in group if count.since), default=None),
        unnamed=sum(count.paths for _, count in group),
        facilities=tuple(sorted({one.id for one, _ in group})),
        provinces=tuple(sorted({one.province for one, _ in group})),
        carriers=tuple(sorted({carrier for one, _ in group for carrier in one.row.carriers})),
    )
