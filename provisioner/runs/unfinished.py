"""The last run that began and has not ended, and how far each host is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from provisioner.apply import HostOutcome, HostResult, NotStartedBecause, RunProgress
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
    """The last run that changes hosts and has not ended.

    Raises:
        UsageError: there is none.
        StateError: the history does not answer.
    """
    history, log = open_history(place), EventLog(place)
    try:
        last = next((r for r in history.runs() if r.run.operation is not Operation.VERIFY), None)
        events = log.of(last.run.id) if last else ()
    finally:
        history.close()
        log.close()
    begun = next((e for e in events if e.step == "run" and e.state == "begin"), None)
    if last is None or last.finished is not None or begun is None:
        raise UsageError("no run is unfinished", hint="see provisioner history")
    return Unfinished(last.run, intent_of(begun.detail), progress_of(events), _is_paused(events))


def _is_paused(events: Sequence[Event]) -> bool:
    last = [event.state for event in events if event.step == "run"]
    return last[-1:] == ["paused"]


def progress_of(events: Iterable[Event]) -> RunProgress:
    """Which hosts are through, and which were started."""
    results: dict[str, HostResult] = {}
    started: set[str] = set()
    for event in events:
        if event.host and event.step == "start":
            started.add(event.host)
        if event.host and event.step == "end":
            refusal, seconds = event.detail.get("refusal"), event.detail.get("seconds")
            results[event.host] = HostResult(
                event.host,
                HostOutcome(event.state),
                str(event.detail.get("cause", "")),
                refusal=NotStartedBecause(str(refusal)) if refusal else None,
                seconds=float(seconds) if isinstance(seconds, int | float) else 0.0,
                wave=str(event.detail.get("wave", "")),
            )
    return RunProgress(results, frozenset(started - set(results)))


def state_of(recorded: Recorded, events: Sequence[Event]) -> str:
    """A run's state in a word: its outcome, or `paused`, `interrupted`, `unfinished`."""
    if recorded.finished is not None:
        return recorded.outcome
    return next((e.state for e in reversed(events) if e.step == "run" and e.state != "begin"), "unfinished")
