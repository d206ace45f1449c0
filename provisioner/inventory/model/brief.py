"""A facility without its recorders and cameras, for what looks at all of a country's and asks few for those.

What is worked out of them is at hand: how many cameras there are, and what was signed. Of the rest nothing is lost:
who asks for recorders or cameras gets them, out of the facility's file, which takes as long as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from provisioner.inventory.model.connection import ConnectionPlan
from provisioner.inventory.model.facility import Facility

_LEFT_OUT = ("recorders", "cameras")


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """What is known of a plan's sign-offs.

    Attributes:
        content: the hash of what is signed.
        proofs: what each sign-off proves; what a proof is stands above the models.
    """

    content: str
    proofs: Sequence[object]


class FacilityInBrief(Facility):
    """A facility whose recorders and cameras are read when somebody asks for them."""

    def __getattr__(self, name: str) -> object:
        """What was left out: read now."""
        if name in _LEFT_OUT:
            return getattr(self.__dict__["read_whole"](self.id), name)
        return super().__getattr__(name)  # type: ignore[misc]

    def completed_by(
        self,
        read_whole: Callable[[str], Facility],
        counted: tuple[int, int],
        plan: PlanSummary | None,
        successor: PlanSummary | None,
    ) -> FacilityInBrief:
        """This facility, with what is known of the cameras that it was read without.

        Args:
            read_whole: reads a facility by its id.
            counted: how many recorders and how many cameras there are.
            plan: what is known of the plan's sign-offs.
            successor: the same of the next plan's.
        """
        for name in _LEFT_OUT:
            self.__dict__.pop(name, None)
        self.__dict__.update(read_whole=read_whole, counted=counted, summaries=(plan, successor))
        return self

    @property
    def camera_count(self) -> int:
        """How many cameras it has."""
        count: int = self.__dict__["counted"][1]
        return count

    @property
    def recorder_count(self) -> int:
        """How many recorders it has."""
        count: int = self.__dict__["counted"][0]
        return count

    def summary_of(self, plan: ConnectionPlan) -> PlanSummary | None:
        """What is known of one of its plans; None of a plan that is not its own."""
        own, next_one = self.__dict__["summaries"]
        if plan is self.plan:
            return own  # type: ignore[no-any-return]
        return next_one if plan is self.successor else None
