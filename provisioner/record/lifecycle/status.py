"""Every facility's state, next step, opening and drain. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property

from provisioner.base.document import Row, Said
from provisioner.base.text import VIETNAM, aware, counted, local_time, msg, were
from provisioner.inventory.deadlines import Duty, OrdersInForce, Timeliness, governing_duty, timeliness
from provisioner.inventory.model.facility import Blocked, ClaimedConnection, Operating, SurveyVerdict
from provisioner.inventory.outline import Outline, OutlinedInventory, PlanOutline, Remarks
from provisioner.record.lifecycle.evidence import ACCEPTANCE, Evidence, Proof
from provisioner.record.lifecycle.state import (
    ConnectionProgress,
    FacilityProgress,
    FacilityState,
    Pictures,
    pictures_of,
    progress_of_facility,
)

#: The days before its opening from which an unconnected site is a warning. Survey, agreement, installing a gateway, and
#: a day and a night of proof took provinces one to two weeks.
LEAD_DAYS = 14

_VERDICTS = {
    SurveyVerdict.READY: "propose a plan: provisioner facility plan, with the cameras and their streams",
    SurveyVerdict.NEEDS_CAMERAS: "the cameras that are missing have to be put up",
    SurveyVerdict.NEEDS_REPAIR: "repair the broken devices",
    SurveyVerdict.NEEDS_REPLACEMENT: "devices that will not do have to be replaced",
    SurveyVerdict.NEEDS_UPLINK: "the site needs a line that carries its cameras",
    SurveyVerdict.NOT_POSSIBLE: "the survey says that it cannot be connected: find another way, or write blocked",
}

_SIMPLE = {
    FacilityState.REGISTERED: "the province names a representative (contacts list): then provisioner facility contact",
    FacilityState.CONTACT_CONFIRMED: "DIC, Health and the carrier survey the cameras: then provisioner facility survey",
    FacilityState.SUSPENDED: "before people come again: provisioner facility reopen, with --opens-on",
    FacilityState.CLOSED: "no step: it is on no host any more",
}
_AT_AN_END = frozenset({FacilityState.DECOMMISSIONING, FacilityState.CLOSED})


class DrainProgress(Row):
    """A relay whose facilities move to another relay of its carrier."""

    relay: Said
    to: Said
    remaining: tuple[Said, ...]  #: Facilities whose plan still uses it.
    both: tuple[Said, ...]  #: Remaining facilities with an agreed successor over the other relay.
    held: tuple[Said, ...]  #: Other facilities that the relay had by its last answer.
    over: bool  #: Whether the relay is empty, by all that is known.

    @property
    def command(self) -> str:
        """The next command."""
        arguments = (
            ("hosts", "decommission", self.relay) if self.over else ("relay", "drain", self.relay, "--to", self.to)
        )
        return " ".join(("provisioner", *arguments))


class OpeningRisk(StrEnum):
    """The problem with an opening."""

    NOT_CONNECTED = "opens_not_connected"
    NOT_UP = "opens_not_up"
    PASSED = "opening_passed"


@dataclass(frozen=True, slots=True)
class OpeningWarning:
    """A site that opens soon or should be open, but is unready."""

    risk: OpeningRisk
    opens_on: date
    days: int  #: Negative after the opening.
    connected: bool

    @property
    def words(self) -> str:
        """The warning for people."""
        if self.risk is OpeningRisk.PASSED:
            return msg("should be open since {opens_on}", self.opens_on) + ("" if self.connected else ", not connected")
        opens = msg("opens in {days}", counted(self.days, "day")) if self.days else "opens today"
        return f"{opens}, " + ("connected, not up now" if self.connected else "not connected")


@dataclass(frozen=True)
class FacilityStatus:
    """One facility's status."""

    standing: FacilityProgress
    pictures: Pictures
    duties: tuple[Duty, ...]  #: Empty if it is neither carried nor was ever connected.
    duty: Duty | None  #: The one with the earliest deadline.
    timeliness: Timeliness
    opening: OpeningWarning | None
    evidence: Evidence = field(repr=False, compare=False)

    @cached_property
    def next(self) -> str:
        """The next step."""
        return _next_step_of(self.standing, self.pictures, self.evidence)

    @property
    def facility(self) -> Outline:
        """The facility."""
        return self.standing.facility

    @property
    def carrier(self) -> str:
        """The carrier of its plan, or empty."""
        return self.facility.plan.carrier if self.facility.plan else ""

    @cached_property
    def remarks(self) -> Remarks:
        """The obstacle, claims and reported values of its file."""
        return self.facility.read_remarks

    @property
    def blocked(self) -> Blocked | None:
        """The obstacle in its file, if any."""
        return self.remarks.blocked

    @property
    def claimed(self) -> ClaimedConnection | None:
        """A reported connection that no run has proved."""
        claimed = self.remarks.claimed_connection
        if claimed is None or self.facility.operating is Operating.CLOSED or self.standing.is_connected:
            return None
        return claimed

    @property
    def cameras_claimed(self) -> int:
        """The cameras of such a connection: by its source, else the registered ones."""
        if (claimed := self.claimed) is None:
            return 0
        return self.facility.cameras if claimed.cameras is None else claimed.cameras

    @property
    def is_blocked(self) -> bool:
        """Return whether an obstacle in its file prevents its connection."""
        if self.blocked is None or self.facility.operating is Operating.CLOSED:
            return False
        return not self.standing.is_connected


def drains_in_progress(inventory: OutlinedInventory, evidence: Evidence) -> tuple[DrainProgress, ...]:
    """Return every relay that is being emptied, by id."""
    relays = {name: relay.drain_to for name, (_, relay) in inventory.relays.items() if relay.drain_to}
    return tuple(_drain_progress(inventory, evidence, relay, to) for relay, to in sorted(relays.items()))


def _drain_progress(inventory: OutlinedInventory, evidence: Evidence, relay: str, to: str) -> DrainProgress:
    plans = [(f, f.plan, f.successor) for f in inventory.facilities.values() if f.operating is not Operating.CLOSED]
    remaining = sorted(f.id for f, plan, _ in plans if plan and plan.relay == relay)
    both = sorted(
        f.id
        for f, _, successor in plans
        if f.id in remaining and successor and successor.relay == to and successor.agreed
    )
    report = evidence.words.get(relay)
    held = sorted(set(report.held or () if report else ()) - set(remaining))
    over = not (remaining or held)
    return DrainProgress(relay=relay, to=to, remaining=tuple(remaining), both=tuple(both), held=tuple(held), over=over)


def opening_warning(progress: FacilityProgress, pictures: Pictures, now: datetime) -> OpeningWarning | None:
    """Return the warning of a facility that is prepared for people."""
    facility = progress.facility
    if facility.operating is not Operating.PREPARING or facility.opens_on is None:
        return None
    days = (facility.opens_on - aware(now).astimezone(VIETNAM).date()).days
    risk = _opening_risk(days, pictures, connected=progress.is_connected)
    return OpeningWarning(risk, facility.opens_on, days, progress.is_connected) if risk else None


def _opening_risk(days: int, pictures: Pictures, *, connected: bool) -> OpeningRisk | None:
    if days < 0:
        return OpeningRisk.PASSED
    if days > LEAD_DAYS:
        return None
    if not connected:
        return OpeningRisk.NOT_CONNECTED
    return OpeningRisk.NOT_UP if pictures.is_up is False else None


def next_step(progress: FacilityProgress, evidence: Evidence) -> str:
    """Return the next step, and who acts if known."""
    facility, state = progress.facility, progress.state
    blocked = facility.read_remarks.blocked
    if blocked and not progress.is_connected and state not in _AT_AN_END:
        return msg("{next_action} ({value}, until {due})", blocked.next_action, blocked.owner.value, blocked.due)
    if state in _SIMPLE:
        return _SIMPLE[state]
    if state is FacilityState.DECOMMISSIONING:
        return msg(
            "run provisioner apply, then provisioner verify: {left_on} has to be seen clear",
            ", ".join(progress.left_on),
        )
    if state is FacilityState.SURVEYED and facility.survey_verdict:
        return _VERDICTS[facility.survey_verdict]
    if state is FacilityState.ACTIVE or _is_accepted(facility.successor, facility, evidence):
        return _successor_step(facility, evidence)
    return _plan_step(facility, evidence, state)


def _is_accepted(plan: PlanOutline | None, facility: Outline, evidence: Evidence) -> bool:
    return plan is not None and FacilityState.ACCEPTED in ConnectionProgress(facility, plan, evidence).steps


def _plan_step(facility: Outline, evidence: Evidence, state: FacilityState) -> str:
    if facility.plan is None:
        return ""
    progress = ConnectionProgress(facility, facility.plan, evidence)
    if state is FacilityState.PLAN_PROPOSED:
        return _step_to_agree(progress)
    if state is FacilityState.PLAN_AGREED:
        return _step_to_provision(progress)
    if state is FacilityState.PROVISIONED:
        return _step_to_connect(progress)
    return _step_to_accept(facility, progress.proof) if progress.proof else ""


def _step_to_accept(facility: Outline, proof: Proof) -> str:
    if proof.again and facility.operating is Operating.PREPARING:
        return msg("when people come ({opens_on}): provisioner facility reopen {id}", facility.opens_on, facility.id)
    not_before = proof.first.at + ACCEPTANCE
    return msg("run provisioner verify after {due}: all its paths have to be up once more", local_time(not_before))


def _step_to_agree(progress: ConnectionProgress) -> str:
    missing = progress.plan.unsigned
    if not missing:
        return msg("all three have signed: provisioner facility plan {id}", progress.facility.id)
    options = " ".join(f"--by {party.value}" for party in missing)
    names = ", ".join(party.words for party in missing)
    return msg(
        "{names} have to agree: provisioner sign-off {id} {words} --source …", names, progress.facility.id, options
    )


def _step_to_provision(progress: ConnectionProgress) -> str:
    facility = progress.facility
    if progress.plan.access.is_pushed:
        return msg(
            "install provisioner site-package {id} on the gateway, then run provisioner apply", progress.facility.id
        )
    if not facility.has_gateway or (facility.public_key is None and progress.plan.access.has_tunnel):
        return msg(
            "install provisioner site-package {id} on the gateway, then provisioner gateway set-key",
            progress.facility.id,
        )
    return msg(
        "run provisioner apply: {relays} is not confirmed to have the signed content", ", ".join(progress.relays)
    )


def _step_to_connect(progress: ConnectionProgress) -> str:
    check = progress.last_check
    if check is None:
        return "run provisioner verify: no path of it was checked yet"
    if check.checked < check.pulled:
        checked = msg("of {checked} of {paths} something is known", check.checked, counted(check.pulled, "path"))
        return msg("run provisioner verify without a limit: {known}", checked)
    paths = f"{counted(check.pulled, 'path')} {were(check.pulled)}"
    return msg("{pulled} of {of} not up: see provisioner verify --details", check.pulled - check.proved, paths)


def _successor_step(facility: Outline, evidence: Evidence) -> str:
    if facility.successor is None:
        return "no step: it is verified every night"
    if _is_accepted(facility.successor, facility, evidence):
        return msg("the successor's connection is accepted: provisioner facility move {id} --finish", facility.id)
    steps = ConnectionProgress(facility, facility.successor, evidence).steps
    furthest = max(steps, key=list(FacilityState).index).words
    return msg(
        "the successor ({carrier} over {relay}) is {furthest}",
        facility.successor.carrier,
        facility.successor.relay,
        furthest,
    )


def statuses(
    inventory: OutlinedInventory, evidence: Evidence, now: datetime, facilities: Iterable[Outline] | None = None
) -> tuple[FacilityStatus, ...]:
    """Return the status of facilities by id; of all without `facilities`."""
    chosen = inventory.facilities.values() if facilities is None else facilities
    orders = OrdersInForce(inventory)
    return tuple(_facility_status(orders, evidence, now, f) for f in sorted(chosen, key=lambda f: f.id))


def _facility_status(orders: OrdersInForce, evidence: Evidence, now: datetime, facility: Outline) -> FacilityStatus:
    progress = progress_of_facility(facility, evidence)
    pictures = pictures_of(facility, evidence, now)
    has_duties = facility.operating.is_carried or progress.connected_at is not None
    duties = orders.duties_of(facility) if has_duties else ()
    duty = governing_duty(duties)
    return FacilityStatus(
        standing=progress,
        pictures=pictures,
        duties=duties,
        duty=duty,
        timeliness=timeliness(duty, progress.connected_at, now),
        opening=opening_warning(progress, pictures, now),
        evidence=evidence,
    )


def _next_step_of(progress: FacilityProgress, pictures: Pictures, evidence: Evidence) -> str:
    """Return the next step; pictures that no longer come are first."""
    if progress.is_connected and pictures.is_up is False:
        noun = counted(pictures.cameras, "camera")
        return msg(
            "{down} of {noun} {are} not up: see provisioner verify --details",
            pictures.down,
            noun,
            "is" if pictures.down == 1 else "are",
        )
    return next_step(progress, evidence)
