"""The last run that began and has not ended, and how far each host is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from provisioner.apply import HostOutcome, HostResult, NotStartedBecause, RunProgress, StartedHost
from provisioner.base.errors import StalePlanError, UsageError
from provisioner.history.event_log import Event, EventLog
from provisioner.history.place import StatePlace
from provisioner.history.records import Operation, Recorded, Run
from provisioner.history.store import open_history
from provisioner.plan import Basis
from provisioner.runs.intent import Intent, intent_of


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run that began and has not ended: killed, interrupted or paused."""

    run: Run
    intent: Intent
    progress: RunProgress
    paused: bool

    def refuse_other(self, basis: Basis) -> None:
        """Refuse to go on with another inventory, other templates or another version of this tool.

        Raises:
            StalePlanError: it names what moved.
        """
        was = self.intent.basis
        for what, old, new in (
            ("the inventory", was.inventory, basis.inventory),
            ("the templates", was.templates, basis.templates),
            ("this tool", was.version, basis.version),
        ):
            if old != new:
                raise StalePlanError(
                    f"run {self.run.id} cannot go on: {what} was {old} when it began and is {new} now",
                    hint="check out what it began with, or end it with `provisioner apply --abort` and apply anew",
                    object=self.run.id,
                )


def unfinished(place: StatePlace) -> Unfinished:
    """The last run that changes hosts and has not ended, also where later ones have.

    Raises:
        UsageError: there is none.
        StateError: the history does not answer.
    """
    history, log = open_history(place), EventLog(place)
    try:
        changes = (r for r in history.runs() if r.run.operation is not Operation.VERIFY and r.finished is None)
        for recorded in changes:
            events = log.of(recorded.run.id)
            # One that has not begun its journal has touched nothing, and knows nothing of what it was about to do.
            if begun := next((e for e in events if e.step == "run" and e.state == "begin"), None):
                return Unfinished(recorded.run, intent_of(begun.detail), progress_of(events), _is_paused(events))
    finally:
        history.close()
        log.close()
    raise UsageError("no run is unfinished", hint="see provisioner history")


def _is_paused(events: Sequence[Event]) -> bool:
    last = [event.state for event in events if event.step == "run"]
    return last[-1:] == ["paused"]


def progress_of(events: Iterable[Event]) -> RunProgress:
    """Which hosts are through, and which were started and how far they had come."""
    results: dict[str, HostResult] = {}
    started: dict[str, StartedHost] = {}
    for event in events:
        if event.host and event.step == "end":
            results[event.host] = _result_of(event)
        elif event.host and (event.step == "start" or event.host in started):
            started[event.host] = _heard(started.get(event.host, StartedHost()), event)
    return RunProgress(results, {host: of for host, of in started.items() if host not in results})


def _heard(host: StartedHost, event: Event) -> StartedHost:
    """What is known of a host after one more step."""
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
    )


def state_of(recorded: Recorded, events: Sequence[Event]) -> str:
    """A run's state in a word: its outcome, or `paused`, `interrupted`, `unfinished`."""
    if recorded.finished is not None:
        return recorded.outcome
    return next((e.state for e in reversed(events) if e.step == "run" and e.state != "begin"), "unfinished")
