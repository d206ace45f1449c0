"""The state of one facility, from its file and the evidence. Pure.

The file gives the states up to `plan_agreed`. Apply and verification show `provisioned`, `connected` and `accepted` for
the content that is signed now. This module does not decide what hosts carry.

An earlier connection proves nothing of today's pictures: only the last verification within `STALE_HOURS` counts, and an
unchecked camera is unknown, never up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from provisioner.inventory.model.facility import Operating, relays_of
from provisioner.inventory.outline import Outline, PlanOutline
from provisioner.record.lifecycle.evidence import Evidence, LastCheck, Proof, ProvedAt, Verification

Since = datetime | date | None  #: An observed time, a day in a file, or `None` if not recorded.


class FacilityState(StrEnum):
    """A facility's state, from registration to closing (docs/daily/lifecycle.md)."""

    REGISTERED = "registered"
    CONTACT_CONFIRMED = "contact_confirmed"
    SURVEYED = "surveyed"
    PLAN_PROPOSED = "plan_proposed"
    PLAN_AGREED = "plan_agreed"
    PROVISIONED = "provisioned"
    CONNECTED = "connected"
    ACCEPTED = "accepted"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DECOMMISSIONING = "decommissioning"
    CLOSED = "closed"

    @property
    def words(self) -> str:
        """Its name for people."""
        return self.value.replace("_", " ")


#: The steps to a connection, in order; a facility's state is its furthest step.
STEPS = (
    FacilityState.REGISTERED,
    FacilityState.CONTACT_CONFIRMED,
    FacilityState.SURVEYED,
    FacilityState.PLAN_PROPOSED,
    FacilityState.PLAN_AGREED,
    FacilityState.PROVISIONED,
    FacilityState.CONNECTED,
    FacilityState.ACCEPTED,
)


@dataclass(frozen=True)
class ConnectionProgress:
    """The progress of one connection: the plan's, or its successor's."""

    facility: Outline
    plan: PlanOutline
    evidence: Evidence

    @property
    def agreed_on(self) -> date | None:
        """The day of the third signature under the current content, if any."""
        return self.plan.agreed_on

    @property
    def content(self) -> tuple[str, str]:
        """The facility and the hash of its content by this plan."""
        return self.facility.id, self.plan.content

    @property
    def relays(self) -> tuple[str, ...]:
        """The relays that should carry it."""
        return tuple(relay for _, relay in relays_of([self.plan]))

    @property
    def carried(self) -> Mapping[str, ProvedAt]:
        """By relay, when it first had the signed content."""
        by_host = self.evidence.carried.get(self.content, {})
        return {relay: by_host[relay] for relay in self.relays if relay in by_host}

    @property
    def proof(self) -> Proof | None:
        """The proof of the signed content, if any."""
        return self.evidence.proofs.get(self.content)

    @property
    def last_check(self) -> LastCheck | None:
        """The latest verification of the signed content, if any."""
        checks = self.evidence.checks.get(self.facility.id, ())
        matching = (check for check in checks if check.content == self.content[1] and check.relay in self.relays)
        return max(matching, key=lambda check: check.observed, default=None)

    @property
    def steps(self) -> dict[FacilityState, Since]:
        """The steps of this connection, each with its day or time."""
        day = self.agreed_on
        if day is None:
            return {FacilityState.PLAN_PROPOSED: None}
        steps: dict[FacilityState, Since] = {FacilityState.PLAN_PROPOSED: None, FacilityState.PLAN_AGREED: day}
        if not (self.evidence.proofs or self.evidence.carried):
            return steps
        proof = self.proof
        moments = [confirmed.at for confirmed in self.carried.values()]
        if len(moments) == len(self.relays):
            steps[FacilityState.PROVISIONED] = max(moments)
        elif proof:
            # A path that is up at level 7 is on a relay that is as desired (level 1).
            steps[FacilityState.PROVISIONED] = proof.first.at
        if proof:
            steps[FacilityState.CONNECTED] = proof.first.at
        if proof and proof.again:
            steps[FacilityState.ACCEPTED] = proof.again.at
        return steps


@dataclass(frozen=True)
class FacilityProgress:
    """A facility's state."""

    facility: Outline
    state: FacilityState
    since: Since  #: The start of the state, if known.
    steps: Mapping[FacilityState, Since]  #: The reached steps with their days or times; some may be missing.
    connected_at: datetime | None  #: The first proof of any content, for deadlines; later cameras do not change it.
    left_on: tuple[str, ...] = ()  #: For a closed facility, the hosts that may have remains of it.

    @property
    def reached(self) -> FacilityState:
        """The furthest step, whatever the facility does now."""
        return max(self.steps, key=STEPS.index)

    @property
    def is_connected(self) -> bool:
        """Return whether hosts carry it, and it was once proved."""
        return self.facility.operating.is_carried and FacilityState.CONNECTED in self.steps


def progress_of_facility(facility: Outline, evidence: Evidence) -> FacilityProgress:
    """Return a facility's state."""
    steps = _state_steps(facility, evidence)
    connected = evidence.connected.get(facility.id)
    connected_at = connected.at if connected else None
    furthest = max(steps, key=STEPS.index)
    state, since = furthest, steps[furthest]
    left_on: tuple[str, ...] = ()
    if facility.operating is Operating.STANDBY:
        state, since = FacilityState.SUSPENDED, None
    elif facility.operating is Operating.CLOSED:
        reports = evidence.words
        plans = [plan for plan in (facility.plan, facility.successor) if plan and plan.agreed]
        hosts = sorted(evidence.holders.get(facility.id, frozenset()) | {relay for _, relay in relays_of(plans)})
        left_on = tuple(host for host in hosts if host not in reports or reports[host].may_hold(facility.id))
        state = FacilityState.DECOMMISSIONING if left_on else FacilityState.CLOSED
        since = facility.closed_on if left_on else _removed_since(facility, evidence)
    elif furthest is FacilityState.ACCEPTED and facility.operating is Operating.OPEN:
        state = FacilityState.ACTIVE
    return FacilityProgress(facility, state, since, steps, connected_at, left_on)


def _state_steps(facility: Outline, evidence: Evidence) -> dict[FacilityState, Since]:
    steps: dict[FacilityState, Since] = {FacilityState.REGISTERED: None}
    if facility.contact_confirmed_on:
        steps[FacilityState.CONTACT_CONFIRMED] = facility.contact_confirmed_on
    if facility.surveyed_on:
        steps[FacilityState.SURVEYED] = facility.surveyed_on
    if facility.plan:
        steps |= ConnectionProgress(facility, facility.plan, evidence).steps
    return steps


# --- closing --------------------------------------------------------------------------------------
def _removed_since(facility: Outline, evidence: Evidence) -> Since:
    moments = [proof.at for (name, _), proof in evidence.without.items() if name == facility.id]
    return max(moments) if moments else facility.closed_on


#: Older evidence says nothing of now: everything is verified every night, so older proof has missed a night.
STALE_HOURS = 24

STALE = timedelta(hours=STALE_HOURS)
#: A verification that ended so much later than the report comes from a wrong clock. It has no known time, and would
#: stay the latest one for long.
AHEAD = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Pictures:
    """A facility's pictures at the time of a report.

    `up`, `down` and `unknown` add up to `cameras` if hosts carry the facility, and are 0 otherwise.
    """

    cameras: int
    carried: bool
    look: LastCheck | None  #: The verification that counts now, if any.
    last_proved: ProvedAt | None  #: The last time that all pulled paths were up at level 7.
    #: The first later verification with a checked path not up; `None` if up or never proved.
    down_since: ProvedAt | None

    @property
    def up(self) -> int:
        """The number of cameras up now."""
        return min(self.look.proved, self.cameras) if self.look else 0

    @property
    def down(self) -> int:
        """The number of checked cameras not up now."""
        return min(self.look.checked, self.cameras) - self.up if self.look else 0

    @property
    def unknown(self) -> int:
        """The number of unchecked cameras."""
        return self.cameras - self.up - self.down if self.carried else 0

    @property
    def is_up(self) -> bool | None:
        """Return whether all are up; `None` if unknown or not carried."""
        if self.look is None or (self.unknown and not self.down):
            return None
        return self.up == self.cameras


@dataclass(frozen=True)
class Freshness:
    """The age of a report's evidence."""

    verified: Verification | None
    now: datetime
    carried: int  #: Facilities that hosts carry.
    unseen: int  #: Those with an unknown state.

    @property
    def age(self) -> timedelta | None:
        """The time since the latest verification ended, if any."""
        return self.now - self.verified.observed.at if self.verified else None

    @property
    def is_ahead(self) -> bool:
        """Return whether the latest verification ended after the report, by its clock."""
        return self.age is not None and self.age < -AHEAD

    @property
    def is_stale(self) -> bool:
        """Return whether the latest verification is too old."""
        return self.age is None or self.age > STALE


def freshness(evidence: Evidence, now: datetime, pictures: Iterable[Pictures]) -> Freshness:
    """Return the age of the evidence about some facilities."""
    carried = [site for site in pictures if site.carried]
    return Freshness(evidence.verified, now, len(carried), sum(site.is_up is None for site in carried))


def pictures_of(facility: Outline, evidence: Evidence, now: datetime) -> Pictures:
    """Return a facility's pictures, over its relay with more cameras up."""
    plans, proofs = facility.carried_plans, [proof.last for proof in evidence.proofs_by_facility.get(facility.id, ())]
    if not proofs and facility.id not in evidence.checks:
        return Pictures(facility.cameras, bool(plans), None, None, None)
    progresses = [ConnectionProgress(facility, plan, evidence) for plan in plans]
    last = {progress.content: progress.last_check for progress in progresses}
    looks = [check for check in last.values() if check and _is_of_now(check, evidence, now)]
    return Pictures(
        cameras=facility.cameras,
        carried=bool(progresses),
        look=max(looks, key=lambda check: (check.proved, check.observed), default=None),
        last_proved=max(proofs, default=None),
        down_since=_down_since(facility.id, last, evidence, max(proofs)) if progresses and proofs else None,
    )


def _is_of_now(check: LastCheck, evidence: Evidence, now: datetime) -> bool:
    """Return whether a check is young, plausible and not superseded."""
    of_all = evidence.looked_at_all
    superseded = of_all is not None and check.observed.at < of_all.began
    return -AHEAD <= now - check.observed.at <= STALE and not superseded


def _down_since(
    facility: str, last: Mapping[tuple[str, str], LastCheck | None], evidence: Evidence, proved: ProvedAt
) -> ProvedAt | None:
    """Return an outage's start, which edits of the file do not change."""
    declined = [evidence.declined.get(content) for content, check in last.items() if check]
    since = [decline for decline in declined if decline]
    if len(since) < len(declined):
        return None
    # A content that was signed again may have declined before another one was proved; it still counts as down.
    return min(
        (decline for decline in evidence.declines_by_facility.get(facility, ()) if decline > proved),
        default=max(since, default=None),
    )
