"""Runs as values, with all to resume them; the last unfinished run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import TypeAdapter

from provisioner.base.document import HeldRow, Printed, Row, Said, form, of
from provisioner.base.errors import PolicyError, StalePlanError, StateError, UsageError, raised_as
from provisioner.base.text import Document, canonical_text
from provisioner.hosts.facts import HostFacts
from provisioner.operations.rollout import result
from provisioner.operations.rollout.dispatcher import StartedHost
from provisioner.operations.rollout.job import TRANSACTION_TIMEOUT_S, RolloutOptions
from provisioner.operations.rollout.waves import RunProgress, Wave
from provisioner.plan.change import Action, Change, HostCut, Impact, Resource, cut_from
from provisioner.plan.plan import Basis
from provisioner.record import read_history
from provisioner.record.entries import Event, Operation, Recorded, RecordedApproval, Run, digest
from provisioner.record.event_log import EventLog
from provisioner.record.state_folder import SealVerdict, StateFolder
from provisioner.record.store import History, open_history
from provisioner.record.tables import DAMAGE, DamagedRecordError

_APPROVALS = (("CI_MERGE_REQUEST_IID", "merge request !"), ("GITHUB_REF", "ref "), ("CHANGE_ID", "change "))
_BASIS: Final = TypeAdapter(Basis)


@dataclass(frozen=True, slots=True)
class Intent:
    """All that a run needs to be resumed."""

    basis: Basis
    waves: tuple[Wave, ...]
    live: Mapping[str, str]  #: Each host's live digest in the applied plan.
    changes: Mapping[str, tuple[Change, ...]]  #: The plan's changes by host, for the path gate.
    rollback: Mapping[str, str] = field(default_factory=dict)  #: By host, the run to undo; empty for an apply.
    max_failed: int = 0
    cuts: Mapping[str, HostCut] = field(default_factory=dict)  #: By host, what its change cuts, if any.
    warrant: bytes = b""  #: Plan and approvals for carriers that require them, or empty.

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
    """Options of a run."""

    rollout: RolloutOptions = field(default_factory=RolloutOptions)
    approval: str = ""
    folder: Path | None = None  #: The folder of signed approvals; `None` for the inventory's.
    stop: Callable[[], bool] = lambda: False


USUAL = RunOptions()


class ClosedRun(Row):
    """An earlier run whose controller was killed. It is recorded as ended, since its hosts were read."""

    run: str
    outcome: str


class RunRow(Row):
    """The end of a run."""

    #: The run's end. `apply --resume` continues one that is `paused` or `interrupted`.
    ended: Literal["done", "stopped", "paused", "interrupted", "aborted"]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]  #: Failed side effects of the run, e.g. a Git note.
    closed: tuple[ClosedRun, ...]
    held: tuple[HeldRow, ...]


class RemainingRow(Row):
    """A change that a fresh plan still has."""

    host: str
    name: str
    reason: str


class _Enacted(Printed):
    plan: Annotated[str, form(pattern="^(sha256:[0-9a-f]{64})?$")]  #: The digest of the applied plan.
    outcome: Literal["applied", "rolled-back", "partial", "nothing-to-do"]
    hosts: tuple[result.HostRow, ...] = of("results")
    run: Said


class ApplyDocument(RunRow, _Enacted, name="apply", title="An apply"):
    """Output of `provisioner apply --output json`."""

    approvals: tuple[RecordedApproval, ...]
    remaining: tuple[RemainingRow, ...]


@dataclass(frozen=True)
class Applied(result.RunEnd):
    """A run's result."""

    plan: str = ""
    warnings: tuple[str, ...] = ()
    closed: tuple[ClosedRun, ...] = ()  #: Earlier killed runs, ended now.
    approvals: tuple[RecordedApproval, ...] = ()

    @property
    def outcome(self) -> str:
        """The outcome of the whole."""
        return result.outcome_of(self.results)

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


#: A live controller writes steps more often: no call takes longer.
SILENT: Final = timedelta(seconds=TRANSACTION_TIMEOUT_S + 60)
SILENCE: Final = "silence"  #: Step that begins or ends silences of a host.
SILENCE_MADE: Final = "made"
SILENCE_ENDED: Final = "ended"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run that was killed, interrupted or paused."""

    run: Run
    intent: Intent
    progress: RunProgress
    heard: datetime
    is_paused: bool = False
    #: By receiver, its silences that did not end.
    silences: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def progress_by_facts(self, facts: Mapping[str, HostFacts]) -> RunProgress:
        """Add hosts that report this run, since last steps may be lost."""
        recorded = self.progress.started.keys() | self.progress.results.keys()
        runs = {host: [*seen.generations, *([seen.armed] if seen.armed else [])] for host, seen in facts.items()}
        changed = {host for host, known in runs.items() if self.run.id in {each["run"] for each in known}} - recorded
        # Such a host has waited, or is through: what the journal lost it says itself.
        more = {host: StartedHost(armed=True, confirming=True) for host in changed}
        return replace(self.progress, started={**self.progress.started, **more})

    def refuse_other(self, basis: Basis) -> None:
        """Raise `StalePlanError` if inventory, templates or program version differ."""
        started = self.intent.basis
        for subject, old, new in (
            ("the inventory", started.inventory, basis.inventory),
            ("the set of templates", started.templates, basis.templates),
            ("this tool", started.version, basis.version),
            ("what is held", ", ".join(started.held) or "nothing", ", ".join(basis.held) or "nothing"),
        ):
            if old != new:
                raise StalePlanError(
                    f"run {self.run.id} cannot go on: {subject} was {old} when it began and is {new} now",
                    hint="check out what it began with, or end it with `provisioner apply --abort` and apply anew",
                    object=self.run.id,
                )


def unfinished(folder: StateFolder, *, proved: bool = True) -> Unfinished:
    """Return the last unfinished run that changes hosts, or raise `UsageError`.

    With `proved` its first entry and journal must match the vault's key, since a resumed run follows its journal.
    """
    with closing(open_history(folder)) as history, closing(EventLog(folder)) as log:
        for recorded in history.runs():
            if recorded.run.operation is Operation.VERIFY or recorded.finished is not None:
                continue
            events = (log.proved if proved else log.of)(recorded.run.id)
            # A run without a journal changed no host, and its intent is unknown.
            if start := beginning_of(events):
                if proved:
                    _refuse_unproved(folder, recorded, history, start)
                return _resumable(recorded, start, events)
    raise UsageError("no run is unfinished", hint="see provisioner history")


def refuse_rolled_back(folder: StateFolder, last: Unfinished) -> None:
    """Refuse to resume an approved run that another rolled back (`PolicyError`)."""
    if not last.run.approvals:
        return
    with closing(open_history(folder)) as history, closing(EventLog(folder)) as log:
        for run in [r.run for r in history.runs() if r.run.operation is Operation.ROLLBACK]:
            start = beginning_of(log.of(run.id))
            if start is not None and last.run.id in intent_of(start.detail).rollback.values():
                message = f"run {last.run.id} cannot go on: run {run.id} took it back, and its approvals with it"
                hint = "end it with `provisioner apply --abort`, plan anew, and have that plan approved"
                raise PolicyError(message, hint=hint, object=last.run.id)


def proved_unfinished(folder: StateFolder) -> tuple[Unfinished, ...]:
    """Return all unfinished runs proved with the vault's key."""
    return read_history(folder, partial(_all_proved, folder), ())


def _all_proved(folder: StateFolder, history: History) -> tuple[Unfinished, ...]:
    with closing(EventLog(folder, create=False)) as log:
        waiting = [r for r in history.past().runs if r.finished is None and r.run.operation is not Operation.VERIFY]
        return tuple(last for recorded in waiting if (last := _proved_run(folder, recorded, history, log)))


def _proved_run(folder: StateFolder, recorded: Recorded, history: History, log: EventLog) -> Unfinished | None:
    try:
        events = log.proved(recorded.run.id)
        start = beginning_of(events)
        if start is None:
            return None
        _refuse_unproved(folder, recorded, history, start)
        return _resumable(recorded, start, events)
    except StateError:
        return None


def _resumable(recorded: Recorded, start: Event, events: Sequence[Event]) -> Unfinished:
    with raised_as(DamagedRecordError(f"the journal of run {recorded.run.id} cannot be read"), *DAMAGE):
        return Unfinished(
            recorded.run,
            intent_of(start.detail),
            progress_of(events),
            events[-1].at,
            is_paused=_is_paused(events),
            silences=unended_silences(events),
        )


def _refuse_unproved(folder: StateFolder, recorded: Recorded, history: History, start: Event) -> None:
    """Raise `StateError` for a run that the vault's key does not prove."""
    if digest(canonical_text(dict(start.detail))) != recorded.intent:
        raise DamagedRecordError(f"the journal of run {recorded.run.id} has another intent than the run began with")
    head = history.head_of(recorded.run.id)
    message = head.message(folder.inventory) if head else ""
    genuine = head is not None and folder.keys.judge_seal(head.seal, message) is SealVerdict.GENUINE
    cause = "" if genuine else "the record of its beginning is not by the vault's key"
    if lost := history.lost():
        cause = cause or f"the record lost entry {lost.number} (run {lost.run}), which this machine wrote"
    if not cause and history.verify_chain().faults:
        cause = "the record of runs has faults"
    if cause:
        raise StateError(
            f"run {recorded.run.id} cannot go on: {cause}",
            hint="end it with `provisioner apply --abort`, see provisioner history verify, and apply anew",
            object=recorded.run.id,
        )


def beginning_of(events: Iterable[Event]) -> Event | None:
    """Return a run's first event with its intent; `None` before any change."""
    return next((event for event in events if event.step == "run" and event.state == "begin"), None)


def _is_paused(events: Sequence[Event]) -> bool:
    last = [event.state for event in events if event.step == "run"]
    return last[-1] in {"paused", "interrupted"}


def progress_of(events: Iterable[Event]) -> RunProgress:
    """Return a run's finished hosts, and progress of started ones."""
    results: dict[str, result.HostResult] = {}
    started: dict[str, StartedHost] = {}
    for event in events:
        if event.host and event.step == "end":
            results[event.host] = _result_of(event)
        elif event.host and (event.step == "start" or event.host in started):
            started[event.host] = _updated_host(started.get(event.host, StartedHost()), event)
    return RunProgress(results, {host: progress for host, progress in started.items() if host not in results})


def unended_silences(events: Iterable[Event]) -> Mapping[str, tuple[str, ...]]:
    """Return a run's silences that did not end, by receiver."""
    remaining: dict[str, list[str]] = {}
    for event in events:
        receiver, names = event.detail.get("receiver"), event.detail.get("ids")
        if event.step != SILENCE or not isinstance(receiver, str) or not isinstance(names, list):
            continue
        texts = [name for name in names if isinstance(name, str)]
        open_ids = remaining.setdefault(receiver, [])
        remaining[receiver] = (
            [*open_ids, *texts]
            if event.state == SILENCE_MADE
            else [silence_id for silence_id in open_ids if silence_id not in texts]
        )
    return {receiver: tuple(names) for receiver, names in remaining.items() if names}


def _updated_host(host: StartedHost, event: Event) -> StartedHost:
    match event.step, event.state:
        case "armed", "done":
            return replace(host, armed=True)
        case "gate", "failed":
            return replace(host, gate_failed=str(event.detail.get("cause", "")) or "it failed")
        case "confirm", "begin":
            return replace(host, confirming=True)
        case _:
            return host


def _result_of(event: Event) -> result.HostResult:
    refusal, seconds = event.detail.get("refusal"), event.detail.get("seconds")
    return result.HostResult(
        event.host,
        result.HostOutcome(event.state),
        str(event.detail.get("cause", "")),
        refusal=result.NotStartedBecause(str(refusal)) if refusal else None,
        seconds=float(seconds) if isinstance(seconds, int | float) else 0.0,
        wave=str(event.detail.get("wave", "")),
        taken_back=event.detail.get("taken_back") is True,
    )


def state_of(recorded: Recorded, events: Sequence[Event]) -> str:
    """Return a run's outcome, or `paused`, `interrupted`, `unfinished`."""
    if recorded.finished is not None:
        return recorded.outcome
    return next((e.state for e in reversed(events) if e.step == "run" and e.state != "begin"), "unfinished")
