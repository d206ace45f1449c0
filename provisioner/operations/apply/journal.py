"""A run's journal in the history, and what is derived from journals.

Each step is written down before the next one, and then told to whoever watches. From earlier journals come a run's
usual time, and windows of maintenance: while a run changes a host, its cut paths are in maintenance. A journal counts
by the vault's key alone, so that write access to the record does not make outages look announced; and it excuses a host
for as long as its run may be alive, so that a killed controller leaves no window open.

What a verification proves is written down while it goes on, so that a killed one keeps its proofs. A relay's paths are
judged once it has answered, and a proof hangs on nothing that comes later. Failures wait for the run's end, as its
entry and its verdicts do, which are one transaction.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Final

from provisioner.base.errors import ProvisionerError, StateError
from provisioner.base.processes import without_collector
from provisioner.base.text import Document
from provisioner.hosts.runner import CallsWatcher
from provisioner.operations.apply import silences
from provisioner.operations.apply.intent import Intent, intent_of
from provisioner.operations.apply.unfinished import SILENT, beginning_of
from provisioner.operations.pipeline.session import Session
from provisioner.operations.rollout import Journal, JournalStep
from provisioner.record.entries import Ending, Holding, Operation, Recorded, Run, canonical, digest
from provisioner.record.event_log import Event, EventLog
from provisioner.record.path_memory import remember_paths
from provisioner.record.place import StatePlace, state_place_of
from provisioner.record.seal import Head, SealVerdict, record_keys
from provisioner.record.store import History, find_history, open_history
from provisioner.record.tables import DAMAGE
from provisioner.verify.memory import NOTHING, memory_document, memory_from
from provisioner.verify.path_history import Window, remembered
from provisioner.verify.result import PathLook

_LOOKED_THROUGH: Final = 50
_RUNS_COUNTED: Final = 5

EVERY_S: Final = 5.0
"""A verification that is over sooner writes once."""


class AttendedJournal:
    """A journal whose steps somebody watches; the other one keeps them."""

    def __init__(self, journal: Journal, watcher: CallsWatcher) -> None:
        self._journal = journal
        self._watcher = watcher

    def write(self, step: JournalStep) -> None:
        """Write one step down, and tell of it."""
        self._journal.write(step)
        self._watcher.stepped(step.host, step.step, step.state, step.detail)


class RunLog:
    """One run's lines in the history: begun, each step, ended.

    A journal that cannot be written any more starts no further host: `broken` says so. Hosts on their way
    are brought to their end, and their receipts tell of it.
    """

    def __init__(self, place: StatePlace, run: Run) -> None:
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
        plain = intent.plain()
        first = _event(JournalStep("", "run", "begin", plain))
        self._history.begin(self.run, hosts, digest(canonical(plain)), first)

    def epochs(self, seen: Mapping[str, int]) -> dict[str, int]:
        """Take the run's epochs of hosts, by what was seen on each (`record.leases`).

        Raises:
            StateError: they cannot be recorded; then nothing may be changed.
        """
        return self._history.take_epochs(self.run.id, seen, datetime.now(UTC))

    def write(self, step: JournalStep) -> None:
        """Write one step down."""
        with self._lock:
            try:
                self._events.add(self.run.id, _event(step))
            except StateError as error:
                self.broken = self.broken or error.message

    def digest(self) -> str:
        """The hash over the journal, empty where it cannot be read."""
        try:
            return self._events.digest_of(self.run.id)
        except StateError:
            return ""

    def end(self, outcome: str, document: Mapping[str, object], holdings: tuple[Holding, ...] = ()) -> Head | None:
        """Record what became of the run, and what hosts were shown to hold: it cannot be taken up again.

        Returns:
            The entry, as others keep it; None where it could not be recorded.
        """
        try:
            return self._history.end(self.run, Ending(datetime.now(UTC), outcome, document, holdings))
        except StateError as error:
            self.broken = self.broken or error.message
            return None

    def head(self) -> Head | None:
        """The run's first entry, as others keep it; None where it cannot be read."""
        try:
            return self._history.head_of(self.run.id)
        except StateError:
            return None

    def close(self) -> None:
        """Return the connections."""
        self._events.close()
        self._history.close()


@dataclass(frozen=True, slots=True)
class UsualTime:
    """What earlier runs took.

    Attributes:
        seconds: the one in the middle.
        runs: how many runs that rests on.
    """

    seconds: float
    runs: int


class ProofsSoFar:
    """What is proved while a verification goes on: written every few seconds.

    Args:
        place: where the history is.
        every_s: how often at most.
    """

    def __init__(self, place: StatePlace, every_s: float = EVERY_S) -> None:
        self._place, self._every_s = place, every_s
        self._written_at, self._is_broken = time.monotonic(), False
        self.unwritten: list[PathLook] = []
        """What is left for the end."""

    def take(self, looks: Sequence[PathLook]) -> None:
        """Take what looks proved, and write all that is there once it is time."""
        self.unwritten += looks
        if time.monotonic() - self._written_at < self._every_s or self._is_broken:
            return
        try:
            remember_looks(self._place, self.unwritten, max(look.at for look in self.unwritten))
        except StateError:
            # Said at the end, where all of it is tried once more: until then hosts go before records.
            self._is_broken = True
        else:
            self.unwritten = []
        self._written_at = time.monotonic()


def attended(journal: Journal, watcher: CallsWatcher | None) -> Journal:
    """The journal, watched where there is somebody."""
    return AttendedJournal(journal, watcher) if watcher is not None else journal


def state_place(session: Session) -> StatePlace:
    """Where the history of the session's inventory is, with the keys that seal it; it opens the vault.

    Raises:
        SecretsError: the vault cannot be opened.
        StateError: the key that signs is set and cannot be used.
    """
    inventory = session.inventory.settings.id
    keys = record_keys(session.secrets.digest_key, session.environment, inventory)
    return replace(state_place_of(session.environment, inventory), keys=keys)


def usual_time(
    earlier: Iterable[Recorded], operation: Operation, *, limit: tuple[str, ...] = (), hosts: tuple[str, ...] = ()
) -> UsualTime | None:
    """What the newest runs took that were of the same kind, with the same limit and on the same hosts; None of none.

    Args:
        earlier: runs, the newest first.
        operation: of which kind.
        limit: as it is recorded of such a run.
        hosts: ids, in any order; of a verification none is recorded.
    """
    same = (
        (one.finished - one.run.started).total_seconds()
        for one in earlier
        if one.finished is not None
        and one.run.operation is operation
        and set(one.run.limit) == set(limit)
        and set(one.hosts) == set(hosts)
    )
    seconds = [took for took in same if took > 0][:_RUNS_COUNTED]
    return UsualTime(median(seconds), len(seconds)) if seconds else None


def expect_usual_time(
    session: Session, operation: Operation, *, limit: tuple[str, ...] = (), hosts: tuple[str, ...] = ()
) -> None:
    """Tell whoever watches a session how long the run that begins now usually takes, where that is known.

    A record that cannot be read is no reason to stop here: what has to read it says so.
    """
    if session.watcher is None:
        return
    try:
        history = find_history(state_place_of(session.environment, session.inventory.settings.id))
        if history is None:
            return
        with closing(history):
            usual = usual_time(history.past(_LOOKED_THROUGH).runs, operation, limit=limit, hosts=hosts)
    except ProvisionerError:
        return
    if usual is not None:
        session.watcher.expect(usual.seconds, usual.runs)


def remember_looks(place: StatePlace, looks: Iterable[PathLook], at: datetime) -> None:
    """Write down what looks showed of their paths.

    Raises:
        StateError: it cannot be written.
    """
    by_path: dict[str, list[PathLook]] = defaultdict(list)
    for look in looks:
        by_path[look.path].append(look)

    def change(path: str, known: Document | None) -> Document:
        memory = memory_from(known) if known is not None else None
        return memory_document(remembered(memory or NOTHING, by_path[path]))

    if by_path:
        with without_collector():
            remember_paths(place, by_path.keys(), change, at)


def changes_since(session: Session, since: datetime) -> tuple[Window, ...]:
    """A window over what each change of a host cuts, of hosts that change now or did so since a moment.

    Where the record cannot be read there is none: then an outage is one.

    Args:
        session: the session; its vault is opened.
        since: the moment.
    """
    place = state_place(session)
    try:
        history = find_history(place)
        if history is None:
            return ()
        with closing(history), closing(EventLog(place, create=False)) as log:
            return tuple(window for one in history.changing(since) for window in _of_run(place, history, log, one))
    except StateError:
        return ()


def _of_run(place: StatePlace, history: History, log: EventLog, recorded: Recorded) -> Iterator[Window]:
    try:
        events = log.proved(recorded.run.id)
    except StateError:
        return
    begun = beginning_of(events)
    if begun is None or not _is_genuine(place, history, recorded, begun):
        return
    try:
        yield from windows_of_run(recorded.run.id, intent_of(begun.detail), events)
    except DAMAGE:
        return


def _is_genuine(place: StatePlace, history: History, recorded: Recorded, begun: Event) -> bool:
    """Whether the run was begun with this intent by who has the vault's key."""
    head = history.head_of(recorded.run.id)
    if head is None or digest(canonical(dict(begun.detail))) != recorded.intent:
        return False
    return place.keys.judge_seal(head.seal, head.message(place.inventory)) is SealVerdict.GENUINE


def windows_of_run(run: str, intent: Intent, events: Iterable[Event]) -> Iterator[Window]:
    """The windows of a run: of each host from its first step until it is through, or until the run may be dead.

    Args:
        run: its id.
        intent: what it is about to do.
        events: its steps, in their order.
    """
    began: dict[str, datetime] = {}
    heard: datetime | None = None
    for event in events:
        heard = event.at
        if event.host in intent.cuts and event.step in {"start", "status"} and event.state == "begin":
            began.setdefault(event.host, event.at)
        elif event.step == "end" and event.host in began:
            yield _host_window(run, intent, event.host, began.pop(event.host), event.at)
        elif event.step == "run" and event.state != "resumed":
            # It pauses, was interrupted or is over: no host of it is on its way.
            yield from (_host_window(run, intent, host, begin, event.at) for host, begin in began.items())
            began.clear()
    if heard is not None:
        yield from (_host_window(run, intent, host, begin, heard + SILENT) for host, begin in began.items())


def _host_window(run: str, intent: Intent, host: str, begin: datetime, until: datetime) -> Window:
    cut = intent.cuts[host]
    least = begin + timedelta(microseconds=1)
    return Window(begin, max(until, least), silences.changing(run, host), cut=cut)


def _event(step: JournalStep) -> Event:
    return Event(datetime.now(UTC), step.host, step.step, step.state, step.detail)
