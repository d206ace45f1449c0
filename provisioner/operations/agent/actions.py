"""An agent's actions on hosts: finish a run, apply, correct drift, verify."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from provisioner.base.errors import HostError, PolicyError, ProvisionerError, StalePlanError, StateError, UsageError
from provisioner.base.text import counted
from provisioner.desired.limit import Limit
from provisioner.operations.agent.decision import UnfinishedRun
from provisioner.operations.agent.state import saved_of
from provisioner.operations.apply.apply import abort, apply_plan, resume
from provisioner.operations.apply.intent import Applied, RunOptions
from provisioner.operations.apply.unfinished import SILENT, Unfinished, unfinished
from provisioner.operations.apply.verification import NoteError, record_verification, verify_with_memory
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, plan_of_some
from provisioner.operations.rollout.result import HostOutcome, HostResult, NotStartedBecause
from provisioner.plan.saved.file import Saved
from provisioner.record.entries import Operation, Recorded
from provisioner.record.state_folder import StateFolder
from provisioner.record.store import find_history
from provisioner.verify.path_history import VerifyOptions
from provisioner.verify.result import Verdict

MARK: Final = "agent: "
"""Begin of the approval in the record of an agent's run."""
_COMMIT: Final = f"{MARK}commit "
_DRIFT: Final = f"{MARK}drift from "
_MANY: Final = 20
_WENT_WRONG: Final = frozenset({HostOutcome.ROLLED_BACK, HostOutcome.ROLLBACK_FAILED, HostOutcome.UNREACHABLE})
_PASSING: Final = frozenset({NotStartedBecause.LOCKED, NotStartedBecause.STALE, NotStartedBecause.HELD_BACK})


@dataclass(frozen=True, slots=True)
class RunEnded:
    """Result of an agent's run.

    Attributes:
        run: its id; empty if none began.
        failure: the failure, or empty.
        postponed: a passing reason for an incomplete run, or empty.
        worst: the failed hosts.
    """

    run: str = ""
    failure: str = ""
    postponed: str = ""
    worst: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def unfinished_run(folder: StateFolder, now: datetime) -> tuple[UnfinishedRun, Unfinished | None]:
    """Return the unfinished run, if any, and its owner.

    A killed run of another owner does not count: the next apply ends it.

    Raises:
        StateError: the history does not answer.
    """
    try:
        last = unfinished(folder, proved=False)
    except UsageError:
        return UnfinishedRun.NONE, None
    if last.run.who.get("approval", "").startswith(MARK):
        return UnfinishedRun.OURS, last
    if last.is_paused or now - last.heard < SILENT:
        return UnfinishedRun.OTHERS, last
    return UnfinishedRun.NONE, None


def finish_run(session: Session, stop: Callable[[], bool]) -> RunEnded:
    """Resume an agent's run; abort it if the program has changed.

    Raises:
        StateError: the history does not answer, or does not match the vault's key.
        SecretsError, InventoryError: as for any command.
    """
    try:
        return ended(resume(session, RunOptions(stop=stop)))
    except StalePlanError:
        applied = abort(session)
        return replace(ended(applied), failure="", postponed="an earlier version's run was ended; hosts are as before")


def apply_commit(session: Session, planned: Planned, saved: Saved, stop: Callable[[], bool]) -> RunEnded:
    """Apply a commit's plan; without a record (`StateError`) no host changes."""
    return _applied_and_ended(session, planned, saved, RunOptions(approval=_COMMIT + session.commit, stop=stop))


def correct_drift(session: Session, planned: Planned, hosts: Collection[str], stop: Callable[[], bool]) -> RunEnded:
    """Return some hosts to a commit's desired state; errors as `apply_commit`."""
    some = plan_of_some(session, planned, hosts, allow={})
    return _applied_and_ended(
        session, some, saved_of(session, some), RunOptions(approval=_DRIFT + session.commit, stop=stop)
    )


def corrects_drift(run: Unfinished) -> bool:
    """Return whether an agent's run corrects drift."""
    return run.run.who.get("approval", "").startswith(_DRIFT)


def _applied_and_ended(session: Session, planned: Planned, saved: Saved, options: RunOptions) -> RunEnded:
    try:
        return ended(apply_plan(session, planned, saved=saved, options=options))
    except (PolicyError, StalePlanError, HostError) as error:
        return RunEnded(postponed=error.message)


def ended(applied: Applied) -> RunEnded:
    """Return a run's result, as the next step needs it."""
    wrong = [result for result in applied.results if _counts_as_failed(result)]
    passing = [result for result in applied.results if result.refusal in _PASSING]
    changed = tuple(result.host for result in applied.results if result.outcome is HostOutcome.APPLIED)
    sentences = [
        f"{result.host}: {result.outcome.value}" + (f" ({result.cause})" if result.cause else "") for result in wrong
    ]
    sentences += [f"{change.host}: {change.name} still differs" for change in applied.remaining]
    sentences += list(applied.notes)
    failure = "; ".join(sentences[:_MANY])
    postponed = ""
    if not failure and applied.ended in {"interrupted", "paused"}:
        postponed = f"run {applied.run} was {applied.ended}"
    elif not failure and passing:
        postponed = "; ".join(f"{result.host}: {result.cause}" for result in passing[:_MANY])
    worst = {result.host for result in wrong} | {change.host for change in applied.remaining}
    return RunEnded(applied.run, failure, postponed, tuple(sorted(worst)), changed)


def _counts_as_failed(result: HostResult) -> bool:
    if result.outcome is HostOutcome.UNREACHABLE:
        # An unreadable host was not changed; the state of a started one is unknown.
        return bool(result.wave or result.seconds)
    is_refused = result.outcome is HostOutcome.NOT_STARTED and result.refusal not in {*_PASSING, NotStartedBecause.HOST}
    return result.outcome in _WENT_WRONG or is_refused


# --- the proof ------------------------------------------------------------------------------------


def run_of(folder: StateFolder, commit: str) -> str:
    """Return the agent's last run that applied a commit, or empty.

    Raises:
        StateError: the history does not answer.
    """
    history = find_history(folder)
    if history is None:
        return ""
    with closing(history):
        runs = history.past(_MANY * 10).runs
    return next((recorded.run.id for recorded in runs if _is_of(recorded, commit)), "")


def _is_of(recorded: Recorded, commit: str) -> bool:
    approval = recorded.run.who.get("approval", "")
    return recorded.run.operation is Operation.APPLY and approval == _COMMIT + commit


@dataclass(frozen=True, slots=True)
class PathsProof:
    """Result of a verification; `good` if every path is up or excused."""

    words: str
    good: bool


def prove(session: Session, deadline_s: float, say: Callable[[str], None]) -> PathsProof:
    """Verify every path and record it; a failure only changes the words."""
    try:
        result = verify_with_memory(session, Limit(), VerifyOptions(deadline_s=deadline_s, say=say))
    except ProvisionerError as error:
        return PathsProof(f"not verified: {error.message}", good=False)
    unrecorded = ""
    try:
        record_verification(session, result)
    except (StateError, NoteError) as error:
        unrecorded = f"; not recorded: {error.message}"
    number: Mapping[Verdict, int] = {v: sum(path.verdict is v for path in result.paths) for v in Verdict}
    excused = number[Verdict.UP] + number[Verdict.MAINTENANCE]
    not_up = ", ".join(
        f"{count} {verdict.value}" for verdict, count in number.items() if count and verdict is not Verdict.UP
    )
    sentence = f"{number[Verdict.UP]} of {counted(len(result.paths), 'path')} up" + (f", {not_up}" if not_up else "")
    return PathsProof(sentence + unrecorded, good=excused == len(result.paths))


def moment() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)
