"""An agent's actions: plan hosts, finish a run, apply, correct, verify, report.

Commits are reported as Git notes at the remote and as statuses at the forge. Neither delays an agent: open reports are
recorded with the commit, so the next agent continues if this one dies. The forge may be slow, so it has its own thread.
"""

import json
import queue
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from provisioner.base import errors
from provisioner.base.groups import grouped
from provisioner.base.http import HttpLimits
from provisioner.base.text import counted
from provisioner.desired.limit import Limit
from provisioner.hosts.runner import OpenRunner
from provisioner.integrations.forge.client import ForgeClient, RefusedCallError, set_status
from provisioner.integrations.forge.dialects import CommitStatus, StatusState
from provisioner.operations.agent.branch import FollowedBranch, secret_in
from provisioner.operations.agent.decision import CommitState, HostDrift, HostsLook, Objection, UnfinishedRun
from provisioner.operations.agent.settings import AgentSettings
from provisioner.operations.apply.apply import abort, apply_plan, resume
from provisioner.operations.apply.approvals import approval_files, refuse_unapproved
from provisioner.operations.apply.run import SILENT, Applied, RunOptions, Unfinished, unfinished
from provisioner.operations.apply.saved_plan import maker_here, plan_again, plan_blob, plan_commit, plan_reference
from provisioner.operations.apply.verification import NoteError, record_verification, verify_with_memory
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, make_plan, plan_of_some
from provisioner.operations.rollout.result import HostOutcome, HostResult, NotStartedBecause
from provisioner.plan.change import Change, Resource
from provisioner.plan.saved.file import Saved, read_saved, refuse_other
from provisioner.record import read_history
from provisioner.record.entries import Operation, Recorded
from provisioner.record.sent import CommitRow, keep_commit_states, read_commit_states
from provisioner.record.state_folder import StateFolder
from provisioner.verify.path_history import VerifyOptions
from provisioner.verify.result import Verdict

MARK: Final = "agent: "  #: Begin of the approval in the record of an agent's run.
_COMMIT: Final = f"{MARK}commit "
_DRIFT: Final = f"{MARK}drift from "
_MANY: Final = 20
_WENT_WRONG: Final = frozenset({HostOutcome.ROLLED_BACK, HostOutcome.ROLLBACK_FAILED, HostOutcome.UNREACHABLE})
_PASSING: Final = frozenset({NotStartedBecause.LOCKED, NotStartedBecause.STALE, NotStartedBecause.HELD_BACK})


@dataclass(frozen=True, slots=True)
class RunEnded:
    """Result of an agent's run."""

    run: str = ""
    failure: str = ""
    postponed: str = ""  #: A passing reason for an incomplete run, or empty.
    worst: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def unfinished_run(folder: StateFolder, now: datetime) -> tuple[UnfinishedRun, Unfinished | None]:
    """Return the unfinished run, if any; others' killed runs do not count."""
    try:
        last = unfinished(folder, proved=False)
    except errors.UsageError:
        return UnfinishedRun.NONE, None
    if last.run.who.get("approval", "").startswith(MARK):
        return UnfinishedRun.OURS, last
    if last.is_paused or now - last.heard < SILENT:
        return UnfinishedRun.OTHERS, last
    return UnfinishedRun.NONE, None


def finish_run(session: Session, stop: Callable[[], bool]) -> RunEnded:
    """Resume an agent's run; abort it if the program has changed."""
    try:
        return ended(resume(session, RunOptions(stop=stop)))
    except errors.StalePlanError:
        applied = abort(session)
        return replace(ended(applied), failure="", postponed="an earlier version's run was ended; hosts are as before")


def apply_commit(session: Session, planned: Planned, saved: Saved, stop: Callable[[], bool]) -> RunEnded:
    """Apply a commit's plan; without a record (`StateError`) no host changes."""
    return _applied_and_ended(session, planned, saved, RunOptions(approval=_COMMIT + session.commit, stop=stop))


def correct_drift(session: Session, planned: Planned, hosts: Collection[str], stop: Callable[[], bool]) -> RunEnded:
    """Return some hosts to a commit's desired state; errors as `apply_commit`."""
    some = plan_of_some(session, planned, hosts, allow={})
    return _applied_and_ended(
        session, some, _saved_of(session, some), RunOptions(approval=_DRIFT + session.commit, stop=stop)
    )


def corrects_drift(run: Unfinished) -> bool:
    """Return whether an agent's run corrects drift."""
    return run.run.who.get("approval", "").startswith(_DRIFT)


def _applied_and_ended(session: Session, planned: Planned, saved: Saved, options: RunOptions) -> RunEnded:
    try:
        return ended(apply_plan(session, planned, saved=saved, options=options))
    except (errors.PolicyError, errors.StalePlanError, errors.HostError) as error:
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
    """Return the agent's last run that applied a commit, or empty."""
    runs = read_history(folder, lambda history: history.past(_MANY * 10).runs, ())
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
    except errors.ProvisionerError as error:
        return PathsProof(f"not verified: {error.message}", good=False)
    unrecorded = ""
    try:
        record_verification(session, result)
    except (errors.StateError, NoteError) as error:
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


_ORIGIN = "the agent's plan"

FOREIGN = "foreign"  #: Rule against plans for another inventory's host.

NOTES: Final = "notes"
FORGE: Final = "forge"

_MOST_TOLD: Final = 50  #: Limit of commits reported in one round.

_STATES: Final[Mapping[str, StatusState]] = {
    CommitState.REACHED: StatusState.SUCCESS,
    CommitState.REFUSED: StatusState.FAILURE,
    CommitState.FAILED: StatusState.FAILURE,
    CommitState.WAITING: StatusState.PENDING,
}


@dataclass(frozen=True)
class PlannedLook:
    """A plan of all hosts, also as saved, and the decision's view."""

    look: HostsLook
    session: Session | None = None
    planned: Planned | None = None
    saved: Saved | None = None
    notes: tuple[str, ...] = field(default=())


class CommitReports:
    """Reports commits and records which receivers know them."""

    def __init__(
        self,
        settings: AgentSettings,
        folder: StateFolder,
        branch: FollowedBranch,
        tell: Callable[[str], None],
        patience: HttpLimits,
    ) -> None:
        self._settings = settings
        self._place = folder
        self._branch = branch
        self._tell = tell
        self._patience = patience
        self._done: queue.SimpleQueue[tuple[CommitRow, str]] = queue.SimpleQueue()
        self._teller: threading.Thread | None = None

    def tell(self) -> None:
        """Send open reports; those to the forge run in the background."""
        self._settle()
        rows = [row for row in reversed(read_commit_states(self._place)) if row.due]
        self._push_notes([row for row in rows if NOTES in row.due][:_MOST_TOLD])
        waiting = [row for row in rows if FORGE in row.due][-_MOST_TOLD:]
        is_telling = self._teller is not None and self._teller.is_alive()
        if waiting and self._settings.forge is not None and not is_telling:
            self._teller = threading.Thread(target=self._tell_forge, args=(waiting,), daemon=True)
            self._teller.start()

    def finish(self, seconds: float) -> None:
        """Wait for the forge with a limit; record its reports."""
        if self._teller is not None:
            self._teller.join(seconds)
        self._settle()

    def _settle(self) -> None:
        """Record sent reports, unless the commit's state has changed."""
        rows = {row.commit: row for row in read_commit_states(self._place)} if not self._done.empty() else {}
        while not self._done.empty():
            row, receiver = self._done.get()
            if (now := rows.get(row.commit)) is not None and (now.state, now.reason) == (row.state, row.reason):
                rows[row.commit] = replace(now, due=tuple(pending for pending in now.due if pending != receiver))
                keep_commit_states(self._place, [rows[row.commit]])

    def _push_notes(self, rows: list[CommitRow]) -> None:
        if not rows:
            return
        try:
            self._branch.push_notes({row.commit: note_of(row, self._settings.inventory) for row in rows})
        except errors.ProvisionerError as error:
            self._tell(f"the remote has no notes of {counted(len(rows), 'commit')} yet: {error.message}")
            return
        for row in rows:
            self._done.put((row, NOTES))
        self._settle()

    def _tell_forge(self, rows: list[CommitRow]) -> None:
        for row in rows:
            try:
                set_status(self._forge_client(), status_of(row, self._settings.name))
            except RefusedCallError as error:
                # GitLab refuses a state that the commit has already.
                self._tell(f"the forge refused the state of commit {row.commit[:12]}: {error.message}")
            except errors.ProvisionerError as error:
                self._tell(f"the forge was not told of commit {row.commit[:12]}, and will be again: {error.message}")
                return
            self._done.put((row, FORGE))

    def _forge_client(self) -> ForgeClient:
        settings = self._settings
        if settings.forge is None or settings.forge_token is None:
            raise ValueError("no forge is named")
        return ForgeClient(settings.forge, secret_in(settings.forge_token, "token for the forge"), self._patience)


def close_session(session: Session) -> None:
    """Close a session's connections to hosts."""
    runner = vars(session).get("runner")
    if isinstance(runner, OpenRunner):
        runner.close()


@contextmanager
def open_session(session: Session) -> Iterator[Session]:
    """Close a session's connections to hosts after the block."""
    try:
        yield session
    finally:
        close_session(session)


def look_at_hosts(session: Session, inventory: str) -> PlannedLook:
    """Plan all hosts of a session; another inventory's id is invalid."""
    try:
        inventory_id = session.inventory.settings.id
        if inventory_id != inventory:
            reason = f"it holds the inventory {inventory_id}, and this agent follows {inventory}"
            return PlannedLook(HostsLook(invalid=reason))
        planned = make_plan(session, Limit())
    except (errors.InventoryError, errors.RenderError, errors.UsageError) as error:
        return PlannedLook(HostsLook(invalid=_first_message(session, error)))
    except (errors.SecretsError, errors.HostError) as error:
        return PlannedLook(HostsLook(closed=error.message), session)
    return look_with_objections(session, planned, _saved_of(session, planned))


def _first_message(session: Session, error: errors.ProvisionerError) -> str:
    problems = error.problems if isinstance(error, errors.ListedProblemsError) else ()
    if not problems:
        return error.message
    # The agent's copy is in a folder of its own: name files by their place in the inventory.
    first, root = problems[0], f"{session.root}/"
    more = f"; and {counted(len(problems) - 1, 'more problem')}" if len(problems) > 1 else ""
    position = f"{first.file.replace(root, '')}:{first.line}: " if first.file and first.line else ""
    return f"the inventory has errors: {position}{first.message.replace(root, '')}{more}"


def look_with_objections(session: Session, planned: Planned, saved: Saved) -> PlannedLook:
    """Return a plan with the reasons not to apply it."""
    objections = [Objection(refusal.policy, refusal.message, refusal.allow) for refusal in planned.plan.refused]
    try:
        planned.refuse_foreign()
    except errors.PolicyError as error:
        objections.append(Objection(FOREIGN, error.message))
    lacking: tuple[str, ...] = ()
    try:
        refuse_unapproved(session, planned, saved, partial(approval_files, session.root, None))
    except (errors.PolicyError, errors.UsageError) as error:
        lacking = (error.message,)
    look = HostsLook(
        changes=_drift_by_host(planned.plan.pending),
        objections=tuple(objections),
        lacking=lacking,
        unread=tuple(sorted(planned.unreadable)),
    )
    return PlannedLook(look, session, planned, saved)


def _drift_by_host(changes: tuple[Change, ...]) -> dict[str, HostDrift]:
    return {
        host: HostDrift(
            frozenset(host_change.impact for host_change in of_host),
            any(host_change.resource is Resource.TRUST for host_change in of_host),
        )
        for host, of_host in grouped(changes, lambda change: change.host).items()
    }


def _saved_of(session: Session, planned: Planned) -> Saved:
    return read_saved(planned.text(session.seal_key, maker_here(session)), _ORIGIN, session.seal_key)


def with_allowances(branch: FollowedBranch, looked: PlannedLook) -> PlannedLook:
    """Replace a plan that lacks allowances by a pushed one with them.

    The pushed plan must be for the same content; its seal proves the vault's key. Otherwise the own plan stays.
    """
    session, objections = looked.session, looked.look.objections
    if session is None or not objections or not all(objection.allow for objection in objections):
        return looked
    try:
        pushed = _pushed_plan(branch, session)
        if pushed is None or not pushed.basis.allow:
            return looked
        refuse_other(pushed.basis, session.basis({}), "the plan that was pushed")
        renewed = look_with_objections(session, plan_again(session, pushed), pushed)
    except (errors.NoticeError, errors.StalePlanError, errors.UsageError, errors.HostError) as error:
        return PlannedLook(looked.look, session, looked.planned, looked.saved, (error.message,))
    return renewed if renewed.look.changes else looked


def offer_plan(branch: FollowedBranch, looked: PlannedLook) -> str:
    """Push a plan that waits for approvals if missing; return a failure."""
    session, planned, saved = looked.session, looked.planned, looked.saved
    if session is None or planned is None or saved is None:
        return ""
    try:
        pushed = _pushed_plan(branch, session)
        if pushed is not None and pushed.basis.meaning == saved.basis.meaning:
            return ""
        text = planned.text(session.seal_key, maker_here(session))
        branch.offer(plan_commit(branch.clone, saved.basis.digest, text.encode()), plan_reference(session))
    except (errors.NoticeError, errors.UsageError) as error:
        return f"the plan was not pushed: {error.message}"
    return ""


def _pushed_plan(branch: FollowedBranch, session: Session) -> Saved | None:
    """Return the remote's plan for this content if its seal is valid."""
    reference = plan_reference(session)
    if not branch.pushed(reference):
        return None
    blob = plan_blob(branch.clone, reference)
    with suppress(errors.StalePlanError, UnicodeDecodeError):
        return read_saved(blob.output.decode(), reference, session.seal_key) if blob.code == 0 else None
    return None


def note_of(row: CommitRow, inventory: str) -> str:
    """Return a commit's Git note, a line of JSON; inventory data: ids."""
    fields = {name: value for name, value in row.document.items() if value and name not in {"commit", "rules"}}
    return json.dumps({"inventory": inventory, "at": row.at.isoformat(), **fields}, ensure_ascii=False) + "\n"


def status_of(row: CommitRow, name: str) -> CommitStatus:
    """Return a commit's status at a forge."""
    detail = row.reason or row.proof or (f"reached with {row.within[:12]}" if row.within else "")
    text = f"{row.state}: {detail}" if detail else row.state
    # A pipeline that leaves a facility as it is whose file has errors is not green, either.
    state = StatusState.FAILURE if row.held else _STATES.get(row.state, StatusState.ERROR)
    return CommitStatus(row.commit, state, name, text)
