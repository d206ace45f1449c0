"""Which facilities are proved, and so can be accepted by those who sign. Pure.

A facility is accepted when all that was agreed was up at the centre, and up once more at least a day and a night later
(`lifecycle.evidence.ACCEPTANCE_HOURS`): what was proved once may be luck.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from provisioner.base.clock import local_time
from provisioner.inventory.model import Operating
from provisioner.lifecycle.evidence import ACCEPTANCE_HOURS, Evidence, Proof
from provisioner.lifecycle.standing import ConnectionProgress
from provisioner.lifecycle.states import FacilityState
from provisioner.lifecycle.status import FacilityStatus


@dataclass(frozen=True)
class FacilityProof:
    """What was proved of one facility, as it is signed now.

    Attributes:
        proof: when all its pulled paths were up; None where they never were.
    """

    status: FacilityStatus
    proof: Proof | None

    @property
    def is_accepted(self) -> bool:
        """Whether there is a record of acceptance to sign."""
        return FacilityState.ACCEPTED in self.status.standing.steps

    @property
    def refusal(self) -> str:
        """Why there is none, and what has to happen; empty where there is one."""
        if self.is_accepted:
            return ""
        if self.status.facility.plan is None:
            return "it has no connection plan"
        if FacilityState.PLAN_AGREED not in self.status.standing.steps:
            return "its plan is not signed by all three parties as it is now"
        if self.proof is None:
            return "not all that its plan says was ever up at the centre in one verification"
        first = local_time(self.proof.first.at)
        return f"it was proved at {first}, and has to be proved again at least {ACCEPTANCE_HOURS} h later"


@dataclass(frozen=True)
class ProvedFacilities:
    """All facilities that are not closed, in the order of ids."""

    listed: tuple[FacilityProof, ...]

    @property
    def accepted(self) -> int:
        """How many have a record of acceptance."""
        return sum(one.is_accepted for one in self.listed)

    @property
    def proved_once(self) -> int:
        """How many were proved, and not yet again."""
        return sum(one.proof is not None and not one.is_accepted for one in self.listed)


def proof_of_facility(status: FacilityStatus, evidence: Evidence) -> FacilityProof:
    """What was proved of a facility."""
    plan = status.facility.plan
    return FacilityProof(status, ConnectionProgress(status.facility, plan, evidence).proof if plan else None)


def proved_facilities(statuses: Iterable[FacilityStatus], evidence: Evidence) -> ProvedFacilities:
    """What was proved of each facility."""
    counted = (status for status in statuses if status.facility.operating is not Operating.CLOSED)
    return ProvedFacilities(tuple(proof_of_facility(status, evidence) for status in counted))
