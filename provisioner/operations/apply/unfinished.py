"""The last unfinished run, and its hosts' progress."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from provisioner.base.errors import PolicyError, StalePlanError, StateError, UsageError
from provisioner.base.text import canonical_text
from provisioner.hosts.facts import HostFacts
from provisioner.operations.apply.intent import Intent, intent_of
from provisioner.operations.rollout.dispatcher import StartedHost
from provisioner.operations.rollout.job import TRANSACTION_TIMEOUT_S
from provisioner.operations.rollout.result import HostOutcome, HostResult, NotStartedBecause
from provisioner.operations.rollout.waves import RunProgress
from provisioner.plan.plan import Basis
from provisioner.record.entries import Operation, Recorded, Run, digest
from provisioner.record.event_log import Event, EventLog
from provisioner.record.seal import SealVerdict
from provisioner.record.state_folder import StateFolder
from provisioner.record.store import History, find_history, open_history
from provisioner.record.tables import DAMAGE, DamagedRecordError

SILENT: Final = timedelta(seconds=TRANSACTION_TIMEOUT_S + 60)
"""A live controller writes steps more often: no call takes longer."""
SILENCE: Final = "silence"
"""Step that begins or ends silences of a host."""
SILENCE_MADE: Final = "made"
SILENCE_ENDED: Final = "ended"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run that was killed, interrupted or paused.

    Attributes:
        heard: the time of its last step.
        kept: whether it was paused or interrupted, so somebody may resume it.
        silences: by receiver, its silences that did not end.
    """

    run: Run
    intent: Intent
    progress: RunProgress
    heard: datetime
    is_paused: bool = False
    silences: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def progress_by_facts(self, facts: Mapping[str, HostFacts]) -> RunProgress:
        """Add hosts that report this run, since last steps may be lost."""
        recorded = self.progress.started.keys() | self.progress.results.keys()
        changed = {host for host, host_facts in facts.items() if self.run.id in _runs_on(host_facts)} - recorded
        # Such a host has waited, or is through: what the journal lost it says itself.
        more = {host: StartedHost(armed=True, confirming=True) for host in changed}
        return replace(self.progress, started={**self.progress.started, **more})

    def refuse_other(self, basis: Basis) -> None:
        """Raise `StalePlanError` if inventory, templates or program version differ."""
        started = self.intent.basis
        for subject, old, new in (
            ("the inventory", started.inventory, basis.inventory),
            ("the templates", started.templates, basis.templates),
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
    """Return the last unfinished run that changes hosts.

    With `proved` its first entry and journal must match the vault's key, since a resumed run follows its journal.

    Raises:
        UsageError: no run is unfinished.
        StateError: the history does not answer, or is damaged.
    """
    history, log = open_history(folder), EventLog(folder)
    try:
        for recorded in history.runs():
            if recorded.run.operation is Operation.VERIFY or recorded.finished is not None:
                continue
            events = (log.proved if proved else log.of)(recorded.run.id)
            # A run without a journal changed no host, and its intent is unknown.
            if start := beginning_of(events):
                if proved:
                    _refuse_unproved(folder, recorded, history, start)
                return _resumable(recorded, start, events)
    finally:
        history.close()
        log.close()
    raise UsageError("no run is unfinished", hint="see provisioner history")


def refuse_rolled_back(folder: StateFolder, last: Unfinished) -> None:
    """Refuse to resume an approved run that a later one rolled back.

    Raises:
        PolicyError: it names that run.
        StateError: the history does not answer, or is damaged.
    """
    if not last.run.approvals:
        return
    history, log = open_history(folder), EventLog(folder)
    try:
        for run in [r.run for r in history.runs() if r.run.operation is Operation.ROLLBACK]:
            start = beginning_of(log.of(run.id))
            if start is not None and last.run.id in intent_of(start.detail).rollback.values():
                message = f"run {last.run.id} cannot go on: run {run.id} took it back, and its approvals with it"
                hint = "end it with `provisioner apply --abort`, plan anew, and have that plan approved"
                raise PolicyError(message, hint=hint, object=last.run.id)
    finally:
        history.close()
        log.close()


def proved_unfinished(folder: StateFolder) -> tuple[Unfinished, ...]:
    """Return all unfinished runs proved with the vault's key.

    Raises:
        StateError: the history does not answer.
    """
    history = find_history(folder)
    if history is None:
        return ()
    log = EventLog(folder, create=False)
    try:
        waiting = [r for r in history.past().runs if r.finished is None and r.run.operation is not Operation.VERIFY]
        return tuple(last for recorded in waiting if (last := _proved_run(folder, recorded, history, log)))
    finally:
        history.close()
        log.close()


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
    try:
        return Unfinished(
            recorded.run,
            intent_of(start.detail),
            progress_of(events),
            events[-1].at,
            is_paused=_is_paused(events),
            silences=unended_silences(events),
        )
    except DAMAGE:
        raise DamagedRecordError(f"the journal of run {recorded.run.id} cannot be read") from None


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


def _runs_on(facts: HostFacts) -> set[str]:
    return {generation["run"] for generation in facts.generations} | ({facts.armed["run"]} if facts.armed else set())


def _is_paused(events: Sequence[Event]) -> bool:
    last = [event.state for event in events if event.step == "run"]
    return last[-1] in {"paused", "interrupted"}


def progress_of(events: Iterable[Event]) -> RunProgress:
    """Return a run's finished hosts, and progress of started ones."""
    results: dict[str, HostResult] = {}
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


def _result_of(event: Event) -> HostResult:
    refusal, seconds = event.detail.get("refusal"), event.detail.get("seconds")
    return HostResult(
        event.host,
        HostOutcome(event.state),
        str(event.detail.get("cause", "")),
        refusal=NotStartedBecause(str(refusal)) if refusal else None,
        seconds=float(seconds) if isinstance(seconds, int | float) else 0.0,
        wave=str(event.detail.get("wave", "")),
        taken_back=event.detail.get("taken_back") is True,
    )


def state_of(recorded: Recorded, events: Sequence[Event]) -> str:
    """Return a run's outcome, or `paused`, `interrupted`, `unfinished`."""
    if recorded.finished is not None:
        return recorded.outcome
    return next((e.state for e in reversed(events) if e.step == "run" and e.state != "begin"), "unfinished")
