"""A run as a value: its intent, options and outcome.

The intent is enough to resume a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import TypeAdapter

from provisioner.base.document import HeldRow, Printed, Row, Said, form, of
from provisioner.base.text import Document
from provisioner.operations.rollout.job import RolloutOptions
from provisioner.operations.rollout.result import HostRow, RunEnd, outcome_of
from provisioner.operations.rollout.waves import Wave
from provisioner.plan.change import Action, Change, HostCut, Impact, Resource, cut_from
from provisioner.plan.plan import Basis
from provisioner.record.entries import RecordedApproval

_APPROVALS = (("CI_MERGE_REQUEST_IID", "merge request !"), ("GITHUB_REF", "ref "), ("CHANGE_ID", "change "))
_BASIS: Final = TypeAdapter(Basis)


@dataclass(frozen=True, slots=True)
class Intent:
    """All that a run needs to be resumed.

    Attributes:
        live: each host's live digest in the applied plan.
        changes: the plan's changes by host, for the path gate.
        rollback: by host, the run to undo; empty for an apply.
        cuts: by host, what its change cuts, if any.
        warrant: plan and approvals for carriers that require them, or empty.
    """

    basis: Basis
    waves: tuple[Wave, ...]
    live: Mapping[str, str]
    changes: Mapping[str, tuple[Change, ...]]
    rollback: Mapping[str, str] = field(default_factory=dict)
    max_failed: int = 0
    cuts: Mapping[str, HostCut] = field(default_factory=dict)
    warrant: bytes = b""

    def plain(self) -> dict[str, object]:
        """Return plain values for the journal."""
        return {
            "basis": asdict(self.basis) | {"live": dict(self.basis.live)},
            "waves": [[wave.name, list(wave.hosts)] for wave in self.waves],
            "live": dict(self.live),
            "changes": {host: [_plain_change(c) for c in host_changes] for host, host_changes in self.changes.items()},
            "rollback": dict(self.rollback),
            "max_failed": self.max_failed,
            "cuts": {host: cut.plain() for host, cut in self.cuts.items()},
        } | ({"warrant": self.warrant.decode()} if self.warrant else {})


@dataclass(frozen=True)
class RunOptions:
    """Options of a run.

    Attributes:
        approval: the caller's words for the record.
        folder: the folder of signed approvals; `None` for the inventory's.
    """

    rollout: RolloutOptions = field(default_factory=RolloutOptions)
    approval: str = ""
    folder: Path | None = None
    stop: Callable[[], bool] = lambda: False


USUAL = RunOptions()


class ClosedRun(Row):
    """An earlier run whose controller was killed. It is recorded as ended, since its hosts were read."""

    run: str
    outcome: str


class RunRow(Row):
    """The end of a run."""

    ended: Literal["done", "stopped", "paused", "interrupted", "aborted"]
    """The run's end. `apply --resume` continues one that is `paused` or `interrupted`."""
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    """Failed side effects of the run, e.g. a Git note."""
    closed: tuple[ClosedRun, ...]
    held: tuple[HeldRow, ...]


class RemainingRow(Row):
    """A change that a fresh plan still has."""

    host: str
    name: str
    reason: str


class _Enacted(Printed):
    plan: Annotated[str, form(pattern="^(sha256:[0-9a-f]{64})?$")]
    """The digest of the applied plan."""
    outcome: Literal["applied", "rolled-back", "partial", "nothing-to-do"]
    hosts: tuple[HostRow, ...] = of("results")
    run: Said


class ApplyDocument(RunRow, _Enacted, name="apply", title="An apply"):
    """Output of `provisioner apply --output json`."""

    approvals: tuple[RecordedApproval, ...]
    remaining: tuple[RemainingRow, ...]


@dataclass(frozen=True)
class Applied(RunEnd):
    """A run's result.

    Attributes:
        plan: the applied plan's digest.
        warnings: failed side tasks.
        closed: earlier killed runs, ended now.
        approvals: those of the applied plan.
    """

    plan: str = ""
    warnings: tuple[str, ...] = ()
    closed: tuple[ClosedRun, ...] = ()
    approvals: tuple[RecordedApproval, ...] = ()

    @property
    def outcome(self) -> str:
        """The outcome of the whole."""
        return outcome_of(self.results)

    @property
    def document(self) -> Document:
        """The JSON document of the run."""
        return ApplyDocument.model_validate(self).plain


def intent_of(recorded: Mapping[str, object]) -> Intent:
    """Parse an intent from the journal, whose hashes protect it."""
    plain: Document = dict(recorded)
    return Intent(
        basis=_BASIS.validate_python(plain["basis"]),
        waves=tuple(Wave(name, tuple(hosts)) for name, hosts in plain["waves"]),
        live=dict(plain["live"]),
        changes={
            host: tuple(_change_in(host, c) for c in host_changes) for host, host_changes in plain["changes"].items()
        },
        rollback=dict(plain["rollback"]),
        max_failed=int(plain["max_failed"]),
        # A run of an older version lacks it.
        cuts={host: cut_from(host, cut) for host, cut in plain.get("cuts", {}).items()},
        warrant=plain.get("warrant", "").encode(),
    )


def _change_in(host: str, plain: Sequence[str]) -> Change:
    resource, name, action, impact = plain
    return Change(host, Resource(resource), name, Action(action), Impact(impact), "as recorded")


def approval_of(text: str, environment: Mapping[str, str]) -> str:
    """Return a change's approval: the given text, or the pipeline's."""
    if text or environment.get("PROVISIONER_APPROVAL"):
        return (text or environment["PROVISIONER_APPROVAL"])[:200]
    approvals = ((prefix, environment.get(name, "")) for name, prefix in _APPROVALS)
    return next((f"{prefix}{value}"[:200] for prefix, value in approvals if value), "")


def _plain_change(change: Change) -> list[str]:
    return [change.resource.value, change.name, change.action.value, change.impact.value]
