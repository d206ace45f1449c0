"""The state of one facility, from its file and the evidence. Pure.

Up to `plan_agreed` the facility's file says it; `provisioned`, `connected` and `accepted` are shown by apply and
verification, of the content that is signed now. Nothing here decides what hosts carry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from provisioner.inventory.model import Operating, relays_of
from provisioner.inventory.outline import Outline, PlanOutline
from provisioner.record.lifecycle.evidence import Evidence, LastCheck, Proof, Shown

Since = datetime | date | None
"""A moment that was observed, a day that a file names, or nothing that anybody wrote down."""


class FacilityState(StrEnum):
    """Where a facility stands, from registration to closing (docs/daily/lifecycle.md)."""

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
        """Its name as it is read."""
        return self.value.replace("_", " ")


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
"""The steps of the way to a connection, in order: a facility stands at the furthest one that it has reached."""


@dataclass(frozen=True)
class ConnectionProgress:
    """How far one connection of a facility has come: the plan's own, or its successor's.

    Attributes:
        facility: whose.
        plan: the plan, whatever its state.
        evidence: all that was shown.
    """

    facility: Outline
    plan: PlanOutline
    evidence: Evidence

    @property
    def agreed_on(self) -> date | None:
        """The day since which all three have signed what the plan says now; None where they have not."""
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
    def carried(self) -> Mapping[str, Shown]:
        """By relay, when it was first shown to hold the content that is signed now."""
        by_host = self.evidence.carried.get(self.content, {})
        return {relay: by_host[relay] for relay in self.relays if relay in by_host}

    @property
    def proof(self) -> Proof | None:
        """When all pulled paths of the content that is signed now were up at the centre."""
        return self.evidence.proofs.get(self.content)

    @property
    def last_check(self) -> LastCheck | None:
        """The latest verification of the content that is signed now."""
        checks = self.evidence.checks.get(self.facility.id, ())
        own = (check for check in checks if check.content == self.content[1] and check.relay in self.relays)
        return max(own, key=lambda check: check.shown, default=None)

    @property
    def steps(self) -> dict[FacilityState, Since]:
        """The steps that this connection has reached, each with its day or moment."""
        day = self.agreed_on
        if day is None:
            return {FacilityState.PLAN_PROPOSED: None}
        steps: dict[FacilityState, Since] = {FacilityState.PLAN_PROPOSED: None, FacilityState.PLAN_AGREED: day}
        if not (self.evidence.proofs or self.evidence.carried):
            return steps
        proof = self.proof
        moments = [shown.at for shown in self.carried.values()]
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
class Standing:
    """Where a facility stands.

    Attributes:
        state: the state.
        since: since when, as far as anybody knows.
        steps: the steps that were reached, with their days and moments; some may be left out on the way.
        connected_at: when all pulled paths of what was then its content were first up at the centre; the moment that
            is held against deadlines. A camera that is added later does not change it.
        left_on: of a closed facility, the hosts that hold something of it, or of which nobody knows that they do not.
    """

    facility: Outline
    state: FacilityState
    since: Since
    steps: Mapping[FacilityState, Since]
    connected_at: datetime | None
    left_on: tuple[str, ...] = ()

    @property
    def reached(self) -> FacilityState:
        """The furthest step, whatever the facility does now."""
        return max(self.steps, key=STEPS.index)

    @property
    def is_connected(self) -> bool:
        """Whether hosts carry it, and all pulled paths of its content were once up at the centre."""
        return self.facility.operating.is_carried and FacilityState.CONNECTED in self.steps


def standing_of(facility: Outline, evidence: Evidence) -> Standing:
    """Where a facility stands."""
    steps = _steps(facility, evidence)
    connected = evidence.connected.get(facility.id)
    connected_at = connected.at if connected else None
    furthest = max(steps, key=STEPS.index)
    state, since = furthest, steps[furthest]
    left_on: tuple[str, ...] = ()
    if facility.operating is Operating.STANDBY:
        state, since = FacilityState.SUSPENDED, None
    elif facility.operating is Operating.CLOSED:
        left_on = _left_on(facility, evidence)
        state = FacilityState.DECOMMISSIONING if left_on else FacilityState.CLOSED
        since = facility.closed_on if left_on else _gone_since(facility, evidence)
    elif furthest is FacilityState.ACCEPTED and facility.operating is Operating.OPEN:
        state = FacilityState.ACTIVE
    return Standing(facility, state, since, steps, connected_at, left_on)


def _steps(facility: Outline, evidence: Evidence) -> dict[FacilityState, Since]:
    steps: dict[FacilityState, Since] = {FacilityState.REGISTERED: None}
    if facility.contact_confirmed_on:
        steps[FacilityState.CONTACT_CONFIRMED] = facility.contact_confirmed_on
    if facility.surveyed_on:
        steps[FacilityState.SURVEYED] = facility.surveyed_on
    if facility.plan:
        steps |= ConnectionProgress(facility, facility.plan, evidence).steps
    return steps


def _left_on(facility: Outline, evidence: Evidence) -> tuple[str, ...]:
    words = evidence.words
    hosts = _hosts_to_see(facility, evidence)
    return tuple(host for host in hosts if host not in words or words[host].may_hold(facility.id))


# --- closing --------------------------------------------------------------------------------------


def _hosts_to_see(facility: Outline, evidence: Evidence) -> list[str]:
    """The hosts that have to be seen without a closed facility: those that held it, and those that should have.

    A relay that the inventory has no longer counts as well: nobody saw that it was cleared.
    """
    plans = [plan for plan in (facility.plan, facility.successor) if plan and plan.agreed]
    return sorted(evidence.holders.get(facility.id, frozenset()) | {relay for _, relay in relays_of(plans)})


def _gone_since(facility: Outline, evidence: Evidence) -> Since:
    moments = [shown.at for (name, _), shown in evidence.without.items() if name == facility.id]
    return max(moments) if moments else facility.closed_on
