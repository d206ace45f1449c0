"""Runs: what is written down of a change while it goes on, and how a run is taken up again. An effect stage."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from provisioner.apply import HostResult, Outcome, Progress, Refusal, Step, Wave
from provisioner.changes import Action, Change, Impact, Resource
from provisioner.errors import StalePlanError, StateError, UsageError
from provisioner.history.journal import Event, EventLog
from provisioner.history.place import Place
from provisioner.history.records import Ending, Holding, Operation, Recorded, Run
from provisioner.history.store import History, open_history
from provisioner.plan import Basis

_APPROVALS = (("CI_MERGE_REQUEST_IID", "merge request !"), ("GITHUB_REF", "ref "), ("CHANGE_ID", "change "))


def approval_of(text: str, environment: Mapping[str, str]) -> str:
    """Give what approved a change: the text that was given, else what the pipeline says of itself."""
    if text or environment.get("PROVISIONER_APPROVAL"):
        return (text or environment["PROVISIONER_APPROVAL"])[:200]
    found = ((prefix, environment.get(name, "")) for name, prefix in _APPROVALS)
    return next((f"{prefix}{value}"[:200] for prefix, value in found if value), "")


def who_text(who: Mapping[str, str]) -> str:
    """Give who changes hosts in one line, for leases and receipts."""
    job = f" ({who['job']})" if who.get("job") else ""
    return f"{who.get('user', '')}@{who.get('machine', '')}{job}"


@dataclass(frozen=True, slots=True)
class Intent:
    """All that a run needs to be taken up again: what it rests on, and what it is about to do.

    Attributes:
        live: each host's live digest in the plan that is enacted.
        changes: the plan's changes by host, for the path gate.
        rollback: by host, the run whose change is undone; empty for an apply.
    """

    basis: Basis
    waves: tuple[Wave, ...]
    live: Mapping[str, str]
    changes: Mapping[str, tuple[Change, ...]]
    rollback: Mapping[str, str] = field(default_factory=dict)
    max_failed: int = 0

    def plain(self) -> dict[str, Any]:
        """Give it as plain values for the journal."""
        kept = {host: [_plain_change(c) for c in of] for host, of in self.changes.items()}
        return {
            "basis": asdict(self.basis) | {"live": dict(self.basis.live)},
            "waves": [[wave.name, list(wave.hosts)] for wave in self.waves],
            "live": dict(self.live),
            "changes": kept,
            "rollback": dict(self.rollback),
            "max_failed": self.max_failed,
        }


def intent_of(plain: Mapping[str, Any]) -> Intent:
    """Give an intent back from the journal."""
    return Intent(
        basis=Basis(**plain["basis"]),
        waves=tuple(Wave(name, tuple(hosts)) for name, hosts in plain["waves"]),
        live=dict(plain["live"]),
        changes={host: tuple(_change(host, c) for c in of) for host, of in plain["changes"].items()},
        rollback=dict(plain["rollback"]),
        max_failed=int(plain["max_failed"]),
    )


def _plain_change(change: Change) -> list[str]:
    return [change.resource.value, change.name, change.action.value, change.impact.value]


def _change(host: str, plain: Sequence[str]) -> Change:
    resource, name, action, impact = plain
    return Change(host, Resource(resource), name, Action(action), Impact(impact), "as recorded")


class RunLog:
    """One run's lines in the history: begun, each step, ended.

    A journal that cannot be written any more starts no further host: `broken` says so. Hosts on their way
    are brought to their end, and their receipts tell of it.
    """

    def __init__(self, place: Place, run: Run) -> None:
        self.run = run
        self.broken = ""
        self._history: History = open_history(place)
        self._events = EventLog(place)
        self._lock = threading.Lock()

    def begin(self, hosts: Iterable[str], intent: Intent) -> None:
        """Record the run before anything is touched.

        Raises:
            StateError: it cannot be recorded; then nothing may be changed.
        """
        self._history.begin(self.run, hosts)
        self._events.add(self.run.id, _event(Step("", "run", "begin", intent.plain())))

    def write(self, step: Step) -> None:
        """Write one step down."""
        with self._lock:
            try:
                self._events.add(self.run.id, _event(step))
            except StateError as error:
                self.broken = self.broken or error.message

    def digest(self) -> str:
        """Give the hash over the journal, empty where it cannot be read."""
        try:
            return self._events.digest_of(self.run.id)
        except StateError:
            return ""

    def end(self, outcome: str, document: Mapping[str, Any], holdings: tuple[Holding, ...] = ()) -> None:
        """Record what became of the run, and what hosts were shown to hold: it cannot be taken up again."""
        try:
            self._history.end(self.run, Ending(datetime.now(UTC), outcome, document, holdings))
        except StateError as error:
            self.broken = self.broken or error.message

    def close(self) -> None:
        """Give the connections back."""
        self._events.close()
        self._history.close()


def _event(step: Step) -> Event:
    return Event(datetime.now(UTC), step.host, step.step, step.state, step.detail)


# --- taking a run up again ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run that began and has not ended: killed, interrupted or paused."""

    run: Run
    intent: Intent
    progress: Progress
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


def unfinished(place: Place) -> Unfinished:
    """Give the last run that changes hosts and has not ended.

    Raises:
        UsageError: there is none.
        StateError: the history does not answer.
    """
    history, log = open_history(place), EventLog(place)
    try:
        found = next((r for r in history.runs() if r.run.operation is not Operation.VERIFY), None)
        events = log.of(found.run.id) if found else ()
    finally:
        history.close()
        log.close()
    begun = next((e for e in events if e.step == "run" and e.state == "begin"), None)
    if found is None or found.finished is not None or begun is None:
        raise UsageError("no run is unfinished", hint="see provisioner history")
    return Unfinished(found.run, intent_of(begun.detail), progress_of(events), _is_paused(events))


def _is_paused(events: Sequence[Event]) -> bool:
    last = [event.state for event in events if event.step == "run"]
    return last[-1:] == ["paused"]


def progress_of(events: Iterable[Event]) -> Progress:
    """Give which hosts are through, and which were started."""
    results: dict[str, HostResult] = {}
    started: set[str] = set()
    for event in events:
        if event.host and event.step == "start":
            started.add(event.host)
        if event.host and event.step == "end":
            refusal = event.detail.get("refusal")
            results[event.host] = HostResult(
                event.host,
                Outcome(event.state),
                str(event.detail.get("cause", "")),
                refusal=Refusal(refusal) if refusal else None,
                seconds=float(event.detail.get("seconds", 0.0)),
                wave=str(event.detail.get("wave", "")),
            )
    return Progress(results, frozenset(started - set(results)))


def state_of(recorded: Recorded, events: Sequence[Event]) -> str:
    """Give a run's state in a word: its outcome, or `paused`, `interrupted`, `unfinished`."""
    if recorded.finished is not None:
        return recorded.outcome
    return next((e.state for e in reversed(events) if e.step == "run" and e.state != "begin"), "unfinished")
