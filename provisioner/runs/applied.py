"""What became of a run that changes hosts, and its JSON document."""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.apply import HostResult, apply_document
from provisioner.base.held import HeldFacility
from provisioner.history.records import RecordedApproval
from provisioner.plan.changes import Change


@dataclass(frozen=True, slots=True)
class ClosedRun:
    """An earlier run whose controller was killed, ended by a later one that saw what became of its hosts."""

    run: str
    outcome: str

    @property
    def document(self) -> dict[str, str]:
        """The run as it stands in a document."""
        return {"run": self.run, "outcome": self.outcome}


@dataclass(frozen=True)
class Applied:
    """What became of a run: each host's result, and what a fresh plan still finds.

    Attributes:
        plan: the digest of the plan that was applied.
        ended: `done`, `stopped`, `paused` or `interrupted`; of the last two the run can be taken up again.
        cause: why it ended before its end.
        notes: what a person should know of the run itself.
        warnings: what a person wished beside the run and did not get.
        left_out: hosts that the run was not about: of them a fresh plan says nothing.
        closed: earlier runs that were killed, and of which it was seen now what became of them.
        held: of what was chosen, the facilities with errors of their own: what hosts have of them stayed as it was.
        approvals: those by which the plan was applied.
    """

    run: str
    results: tuple[HostResult, ...]
    remaining: tuple[Change, ...] = ()
    plan: str = ""
    ended: str = "done"
    cause: str = ""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    closed: tuple[ClosedRun, ...] = ()
    held: tuple[HeldFacility, ...] = ()
    approvals: tuple[RecordedApproval, ...] = ()

    @property
    def document(self) -> dict[str, object]:
        """The JSON document of the run."""
        return apply_document(self.plan, self.results) | {
            "run": self.run,
            "ended": self.ended,
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "closed": [closed.document for closed in self.closed],
            "held": [one.document for one in self.held],
            "approvals": [one.document for one in self.approvals],
            "remaining": [{"host": c.host, "name": c.name, "reason": c.reason} for c in self.remaining],
        }
