"""What became of hosts: outcomes, the exit code, and the document of an apply. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from provisioner.apply.answer import StepTime
from provisioner.base.exit_codes import worst_of
from provisioner.hosts.facts import HostFacts


class HostOutcome(StrEnum):
    """What became of one host."""

    APPLIED = "applied"
    ROLLED_BACK = "rolled-back"
    UNCHANGED = "unchanged"
    NOT_STARTED = "not-started"
    UNREACHABLE = "unreachable"
    ROLLBACK_FAILED = "rollback-failed"


class NotStartedBecause(StrEnum):
    """Why a host was not started."""

    STALE = "stale"
    LOCKED = "locked"
    LOCK_OUT = "lock-out"
    CHECK = "check"
    HOST = "host"
    HELD_BACK = "held-back"
    FOREIGN = "foreign"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class HostResult:
    """What became of one host, and why.

    Attributes:
        receipt: path of the receipt on the host, empty where there is none.
        seconds: the transaction's own time on the host, without waiting for anything else.
        refusal: why it was not started, None otherwise.
        facts: the host as it was right after its change was confirmed.
        notes: what a person should know although it changed nothing: new paths without a picture, a lease
            that was taken over, a reader who left meanwhile.
        wave: the wave that the host was in, empty outside a rollout.
        not_up: paths of the plan that gave no picture: new ones, and those that gave none before.
        taken_back: whether it was returned, or not started any more, because hosts of an earlier wave had failed.
    """

    host: str
    outcome: HostOutcome
    cause: str = ""
    receipt: str = ""
    seconds: float = 0.0
    refusal: NotStartedBecause | None = None
    steps: tuple[StepTime, ...] = ()
    facts: HostFacts | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    wave: str = ""
    not_up: tuple[str, ...] = ()
    taken_back: bool = False

    @property
    def went_back_for_others(self) -> bool:
        """Whether it returned to last-good without a fault of its own."""
        return self.taken_back and self.outcome is HostOutcome.ROLLED_BACK

    @property
    def is_failure(self) -> bool:
        """Whether it counts against the number of hosts that may fail."""
        held_back = self.refusal is NotStartedBecause.HELD_BACK or self.went_back_for_others
        return self.outcome not in {HostOutcome.APPLIED, HostOutcome.UNCHANGED} and not held_back


def outcome_of(results: Sequence[HostResult]) -> str:
    """The outcome of the whole: `applied`, `rolled-back`, `partial` or `nothing-to-do`.

    `rolled-back` says of every host that it is as it was; one of which that is not known makes the whole `partial`.
    """
    done = {result.outcome for result in results} - {HostOutcome.UNCHANGED}
    if not done:
        return "nothing-to-do"
    if done == {HostOutcome.APPLIED}:
        return "applied"
    return "rolled-back" if done <= {HostOutcome.ROLLED_BACK, HostOutcome.NOT_STARTED} else "partial"


def exit_code(results: Sequence[HostResult], *others: int) -> int:
    """The exit code for all hosts and for what else went wrong: the worst cause decides (docs/design.md, part 8).

    Hosts that were held back, or returned, because another one failed add nothing to that one's code.
    """
    return worst_of(0, *others, *(_code(result) for result in results))


def _code(result: HostResult) -> int:
    if result.went_back_for_others:
        return 0
    if result.refusal is not None:
        refused = {
            NotStartedBecause.STALE: 8,
            NotStartedBecause.LOCKED: 9,
            NotStartedBecause.LOCK_OUT: 6,
            NotStartedBecause.HOST: 5,
            NotStartedBecause.FOREIGN: 6,
            NotStartedBecause.NODE: 6,
            NotStartedBecause.HELD_BACK: 0,
        }
        return refused.get(result.refusal, 7)
    return {
        HostOutcome.ROLLBACK_FAILED: 11,
        HostOutcome.ROLLED_BACK: 7,
        HostOutcome.NOT_STARTED: 7,
        HostOutcome.UNREACHABLE: 5,
    }.get(result.outcome, 0)


def apply_document(plan_digest: str, results: Sequence[HostResult]) -> dict[str, object]:
    """The JSON document of an apply."""
    return {
        "schema": "provisioner/apply",
        "version": 1,
        "plan": plan_digest,
        "outcome": outcome_of(results),
        "hosts": [host_document(result) for result in results],
    }


def host_document(result: HostResult) -> dict[str, object]:
    """One host's part of the document."""
    return {
        "host": result.host,
        "outcome": result.outcome.value,
        "receipt": result.receipt,
        "seconds": result.seconds,
        "cause": result.cause,
        "steps": [{"name": step.name, "seconds": step.seconds} for step in result.steps],
        "wave": result.wave,
        "notes": list(result.notes),
        "not_up": list(result.not_up),
    }
