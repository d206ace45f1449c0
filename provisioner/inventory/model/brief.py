"""A facility in brief, for what looks at all of a country's and asks few of them for more.

At hand is what every look at all of them asks for: how many cameras there are, what was signed and when, and since
when each step was taken. Of the rest nothing is lost: who asks for it gets it, out of the facility's file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import NamedTuple

from provisioner.inventory.model.base import Model
from provisioner.inventory.model.connection import Blocked, ClaimedConnection, ConnectionPlan, SignOff
from provisioner.inventory.model.facility import Facility

_OF_CAMERAS = frozenset({"recorders", "cameras"})
_REMARKS = frozenset({"blocked", "claimed_connection"})
_SIGN_OFFS = "sign_offs"


class Remarks(Model):
    """What stands in a facility's way, and what is claimed of it."""

    blocked: Blocked | None = None
    claimed_connection: ClaimedConnection | None = None


class InFile(NamedTuple):
    """Reads what a facility's file says, by the facility's id.

    Attributes:
        brief: without recorders, cameras and signatures.
        whole: all of it.
        remarks: its remarks alone.
    """

    brief: Callable[[str], Facility]
    whole: Callable[[str], Facility]
    remarks: Callable[[str], Remarks]


class PlanSummary(NamedTuple):
    """What is known of a plan's sign-offs.

    Attributes:
        content: the hash of what is signed.
        proofs: what each sign-off proves; what a proof is stands above the models.
        agreed_on: the last day of the sign-offs, where all three parties have signed exactly what an agreed plan says.
    """

    content: str
    proofs: Sequence[object]
    agreed_on: date | None


class Counted(NamedTuple):
    """What is known of a facility without its survey, its gateway, its recorders and its cameras."""

    recorders: int
    cameras: int
    surveyed_on: date | None
    has_gateway: bool


class PlanInBrief(ConnectionPlan):
    """A plan whose sign-offs are read when somebody asks for them."""

    def __getattr__(self, name: str) -> object:
        """What was left out: read now, and kept."""
        if name != _SIGN_OFFS:
            return super().__getattr__(name)  # type: ignore[misc]
        facility, in_file = self.__dict__["of"]
        plans = in_file.brief(facility)
        plan = plans.successor if self.__dict__["is_next"] else plans.plan
        sign_offs: tuple[SignOff, ...] = plan.sign_offs if plan else ()
        self.__dict__[name] = sign_offs
        return sign_offs

    def __eq__(self, other: object) -> bool:
        """Whether both say the same, however they were read."""
        if not isinstance(other, ConnectionPlan):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in ConnectionPlan.model_fields)

    __hash__ = None  # type: ignore[assignment]


class FacilityInBrief(Facility):
    """A facility of which most is read when somebody asks for it."""

    def __getattr__(self, name: str) -> object:
        """What was left out: read now, and kept but for cameras and recorders."""
        known = self.__dict__
        if name in _OF_CAMERAS:
            return getattr(known["in_file"].whole(self.id), name)
        if name in _REMARKS:
            known.update(known["in_file"].remarks(self.id).__dict__)
        elif name in Facility.model_fields:
            brief = known["in_file"].brief(self.id).__dict__
            known.update({key: brief[key] for key in brief.keys() - known.keys() - _OF_CAMERAS})
        else:
            return super().__getattr__(name)  # type: ignore[misc]
        return known[name]

    @property
    def counted(self) -> Counted:
        """What is known of the rest."""
        counted: Counted = self.__dict__["known"]
        return counted

    @property
    def has_gateway(self) -> bool:
        """Whether its file describes the site's router."""
        return self.counted.has_gateway

    @property
    def surveyed_on(self) -> date | None:
        """The day of its survey."""
        return self.counted.surveyed_on

    @property
    def camera_count(self) -> int:
        """How many cameras it has."""
        return self.counted.cameras

    @property
    def recorder_count(self) -> int:
        """How many recorders it has."""
        return self.counted.recorders

    def summary_of(self, plan: ConnectionPlan) -> PlanSummary | None:
        """What is known of one of its plans; None of a plan that is not its own."""
        if isinstance(plan, PlanInBrief) and (plan is self.plan or plan is self.successor):
            return plan.__dict__["summary"]  # type: ignore[no-any-return]
        return None
