"""What became of a run that changes hosts, and its JSON document."""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.apply import HostResult, apply_document
from provisioner.base.held import HeldFacility
from provisioner.plan.changes import Change


@dataclass(frozen=True)
class Applied:
    """What became of a run: each host's result, and what a fresh plan still finds.

    Attributes:
        plan: the digest of the plan that was applied.
        ended: `done`, `stopped`, `paused` or `interrupted`; of the last two the run can be taken up again.
        cause: why it ended before its end.
        notes: what a person should know of the run itself.
        warnings: what a person wished beside the run and did not get.
        held: of what was chosen, the facilities with errors of their own: what hosts have of them stayed as it was.
    """

    run: str
    results: tuple[HostResult, ...]
    remaining: tuple[Change, ...] = ()
    plan: str = ""
    ended: str = "done"
    cause: str = ""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    held: tuple[HeldFacility, ...] = ()

    @property
    def document(self) -> dict[str, object]:
        """The JSON document of the run."""
        return apply_document(self.plan, self.results) | {
            "run": self.run,
            "ended": self.ended,
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "held": [one.document for one in self.held],
            "remaining": [{"host": c.host, "name": c.name, "reason": c.reason} for c in self.remaining],
        }
