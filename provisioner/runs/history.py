"""The runs of the past: each with its steps, and the proof that no entry of them was changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from provisioner.base.errors import UsageError
from provisioner.base.json_document import Document
from provisioner.history.event_log import Event, EventLog
from provisioner.history.records import Recorded
from provisioner.history.store import History, find_history
from provisioner.pipeline import Session
from provisioner.runs.journal import state_place
from provisioner.runs.unfinished import state_of


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run as it was recorded, also while it goes on.

    Attributes:
        events: its steps; none in a list where the run has ended, as its outcome says enough.
    """

    recorded: Recorded
    events: tuple[Event, ...]

    @property
    def state(self) -> str:
        """Its outcome, or where it stands."""
        return state_of(self.recorded, self.events)


@dataclass(frozen=True, slots=True)
class HistoryFault:
    """What is wrong with one entry of the chain, or with a run's journal where `number` is 0."""

    number: int
    message: str


@dataclass(frozen=True, slots=True)
class HistoryCheck:
    """What a check of the whole history came to: its length, the hash of its newest entry, and what is wrong."""

    length: int
    head: str
    faults: tuple[HistoryFault, ...]


class PastRuns:
    """An inventory's recorded runs.

    Every method raises `StateError` where the database does not answer.
    """

    def __init__(self, history: History, log: EventLog) -> None:
        self._history = history
        self._log = log

    def newest(self, number: int) -> tuple[PastRun, ...]:
        """The newest runs, at most so many."""
        runs = self._history.runs(number)
        return tuple(PastRun(run, self._log.of(run.run.id) if run.finished is None else ()) for run in runs)

    def run(self, name: str) -> PastRun:
        """One run with all its steps.

        Raises:
            UsageError: there is none of that name.
        """
        recorded = next((recorded for recorded in self._history.runs() if recorded.run.id == name), None)
        if recorded is None:
            raise UsageError(f"no run is called {name}", hint="see provisioner history", object=name)
        return PastRun(recorded, self._log.of(name))

    def document(self, name: str) -> Document | None:
        """What a run printed at its end; None where it has not ended."""
        return self._history.document(name)

    def verify(self) -> HistoryCheck:
        """Check every entry's hash, and every ended run's journal against the hash that its document has of it."""
        chain = self._history.verify_chain()
        entries = (HistoryFault(fault.number, fault.message) for fault in chain.faults)
        return HistoryCheck(chain.length, chain.head, (*entries, *self._changed_journals()))

    def _changed_journals(self) -> Iterator[HistoryFault]:
        for recorded in self._history.runs():
            name = recorded.run.id
            document = self._history.document(name) if recorded.finished else None
            digest = document.get("journal") if document else None
            if digest and digest != self._log.digest_of(name):
                yield HistoryFault(0, f"the journal of run {name} was changed")


@contextmanager
def past_runs(session: Session) -> Iterator[PastRuns]:
    """The runs of a session's inventory, as long as its history is open.

    Raises:
        UsageError: none was ever recorded.
        StateError: there is a history, and it cannot be read.
    """
    place = state_place(session)
    history = find_history(place)
    if history is None:
        hint = f"looked in {place.shown}; PROVISIONER_STATE names another"
        raise UsageError("no run was ever recorded here", hint=hint)
    log = EventLog(place)
    try:
        yield PastRuns(history, log)
    finally:
        log.close()
        history.close()
