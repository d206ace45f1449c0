"""A run's journal in the history, and what is derived from journals.

Each step is written first, then reported to the watcher. Earlier journals give a run's usual time and maintenance
windows: paths that a host's change cuts are in maintenance meanwhile. Only journals sealed with the vault's key count,
so that write access to the record cannot hide outages. A window ends when its run may be dead, so that a killed
controller leaves no window open.

A verification writes proofs while it runs, so that a killed one keeps them. A relay's paths are judged once it has
answered, and no later step changes a proof. Failures wait for the run's end, as entry and verdicts are one transaction.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median
from typing import Final

from provisioner.base.errors import ProvisionerError, StateError
from provisioner.base.groups import grouped
from provisioner.base.processes import without_collector
from provisioner.base.text import Document, canonical_text, msg
from provisioner.hosts.runner import CallsWatcher
from provisioner.operations.apply.run import SILENT, Intent, beginning_of, intent_of
from provisioner.operations.pipeline.session import Session
from provisioner.operations.rollout.dispatcher import Journal
from provisioner.record import read_history
from provisioner.record.entries import Ending, Event, Holding, JournalStep, Operation, Recorded, Run, digest
from provisioner.record.event_log import EventLog
from provisioner.record.leases import TakenLease
from provisioner.record.path_memory import remember_paths
from provisioner.record.state_folder import Head, SealVerdict, StateFolder, record_keys, state_folder_of
from provisioner.record.store import History, open_history
from provisioner.record.tables import DAMAGE
from provisioner.verify.memory import NOTHING, memory_document, memory_from
from provisioner.verify.path_history import Window, remembered
from provisioner.verify.result import PathLook

_LOOKED_THROUGH: Final = 50
_RUNS_COUNTED: Final = 5

EVERY_S: Final = 5.0  #: A shorter verification writes once.


class AttendedJournal:
    """A journal whose steps are also reported to a watcher."""

    def __init__(self, journal: Journal, watcher: CallsWatcher) -> None:
        self._journal = journal
        self._watcher = watcher

    def write(self, step: JournalStep) -> None:
        """Write and report a step."""
        self._journal.write(step)
        self._watcher.stepped(step.host, step.step, step.state, step.detail)


class RunLog:
    """A run's entries in the history: begin, steps, end.

    If the journal cannot be written, `broken` says so and no further host starts. Started hosts finish, and their
    receipts tell of it.
    """

    def __init__(self, folder: StateFolder, run: Run) -> None:
        self.run = run
        self.broken = ""
        self._history: History = open_history(folder)
        self._events = EventLog(folder)
        self._lock = threading.Lock()

    def begin(self, hosts: Iterable[str], intent: Intent) -> None:
        """Record the run; after a `StateError` no host may be changed."""
        plain = intent.plain()
        first = _event(JournalStep("", "run", "begin", plain))
        self._history.begin(self.run, hosts, digest(canonical_text(plain)), first)

    def epochs(self, on_hosts: Mapping[str, int]) -> dict[str, int]:
        """Take the run's epochs (`record.leases`), above those seen; errors as `begin`."""
        return self._history.take_epochs(self.run.id, on_hosts, datetime.now(UTC))

    def write(self, step: JournalStep) -> None:
        """Write a step."""
        with self._lock:
            try:
                self._events.add(self.run.id, _event(step))
            except StateError as error:
                self.broken = self.broken or error.message

    def is_broken(self, lease: TakenLease) -> bool:
        """Return whether the journal, or the run's lease, is lost."""
        if not self.broken and not lease.is_held():
            self.broken = "the database let the run's lease go, so that another process may carry the run out"
        return bool(self.broken)

    def digest(self) -> str:
        """Return the journal's hash, empty if unreadable."""
        try:
            return self._events.digest_of(self.run.id)
        except StateError:
            return ""

    def end(self, outcome: str, document: Mapping[str, object], holdings: tuple[Holding, ...] = ()) -> Head | None:
        """Record outcome and holdings, without a later resume; return the head."""
        try:
            return self._history.end(self.run, Ending(datetime.now(UTC), outcome, document, holdings))
        except StateError as error:
            self.broken = self.broken or error.message
            return None

    def head(self) -> Head | None:
        """Return the first entry's head; `None` if unreadable."""
        try:
            return self._history.head_of(self.run.id)
        except StateError:
            return None

    def close(self) -> None:
        """Close the connections."""
        self._events.close()
        self._history.close()


@dataclass(frozen=True, slots=True)
class UsualTime:
    """Median duration of earlier runs, and their number."""

    seconds: float
    runs: int


class ProofsSoFar:
    """Writes a running verification's proofs every few seconds."""

    def __init__(self, folder: StateFolder, every_s: float = EVERY_S) -> None:
        self._place, self._every_s = folder, every_s
        self._written_at, self._is_broken = time.monotonic(), False
        self.unwritten: list[PathLook] = []  #: Proofs left for the end.

    def take(self, looks: Sequence[PathLook]) -> None:
        """Take proofs, and write them if it is time."""
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
    """Return the journal, with a watcher if there is one."""
    return AttendedJournal(journal, watcher) if watcher is not None else journal


def keyed_state_folder(session: Session) -> StateFolder:
    """Return the history's location and keys; opens the vault; or raise `StateError`."""
    inventory = session.inventory.settings.id
    keys = record_keys(session.secrets.digest_key, session.environment, inventory)
    return replace(state_folder_of(session.environment, inventory), keys=keys)


def usual_time(
    earlier: Iterable[Recorded], operation: Operation, *, limit: tuple[str, ...] = (), hosts: tuple[str, ...] = ()
) -> UsualTime | None:
    """Return the duration of the newest similar runs, or `None`."""
    same = (
        (recorded.finished - recorded.run.started).total_seconds()
        for recorded in earlier
        if recorded.finished is not None
        and recorded.run.operation is operation
        and set(recorded.run.limit) == set(limit)
        and set(recorded.hosts) == set(hosts)
    )
    seconds = [took for took in same if took > 0][:_RUNS_COUNTED]
    return UsualTime(median(seconds), len(seconds)) if seconds else None


def expect_usual_time(
    session: Session, operation: Operation, *, limit: tuple[str, ...] = (), hosts: tuple[str, ...] = ()
) -> None:
    """Tell a session's watcher such a run's usual time, if recorded."""
    if session.watcher is None:
        return
    try:
        folder = state_folder_of(session.environment, session.inventory.settings.id)
        runs = read_history(folder, lambda history: history.past(_LOOKED_THROUGH).runs, ())
    except ProvisionerError:
        return
    if (usual := usual_time(runs, operation, limit=limit, hosts=hosts)) is not None:
        session.watcher.expect(usual.seconds, usual.runs)


def remember_looks(folder: StateFolder, looks: Iterable[PathLook], at: datetime) -> None:
    """Store what looks showed of their paths, or raise `StateError`."""
    by_path = grouped(looks, lambda look: look.path)

    def change(path: str, document: Document | None) -> Document:
        memory = memory_from(document) if document is not None else None
        return memory_document(remembered(memory or NOTHING, by_path[path]))

    if by_path:
        with without_collector():
            remember_paths(folder, by_path.keys(), change, at)


def changes_since(session: Session, since: datetime) -> tuple[Window, ...]:
    """Return windows of host changes in progress or since a time.

    An unreadable record gives no windows, so outages count. The vault is opened.
    """
    folder = keyed_state_folder(session)
    try:
        return read_history(folder, partial(_windows_since, folder, since), ())
    except StateError:
        return ()


def _windows_since(folder: StateFolder, since: datetime, history: History) -> tuple[Window, ...]:
    with closing(EventLog(folder, create=False)) as log:
        return tuple(window for run in history.changing(since) for window in _windows_of_run(folder, history, log, run))


def _windows_of_run(folder: StateFolder, history: History, log: EventLog, recorded: Recorded) -> Iterator[Window]:
    try:
        events = log.proved(recorded.run.id)
    except StateError:
        return
    start = beginning_of(events)
    if start is None or not _is_genuine(folder, history, recorded, start):
        return
    try:
        yield from windows_of_run(recorded.run.id, intent_of(start.detail), events)
    except DAMAGE:
        return


def _is_genuine(folder: StateFolder, history: History, recorded: Recorded, start: Event) -> bool:
    """Return whether a holder of the vault's key began the run so."""
    head = history.head_of(recorded.run.id)
    if head is None or digest(canonical_text(dict(start.detail))) != recorded.intent:
        return False
    return folder.keys.judge_seal(head.seal, head.message(folder.inventory)) is SealVerdict.GENUINE


def windows_of_run(run: str, intent: Intent, events: Iterable[Event]) -> Iterator[Window]:
    """Yield a window a host, from its first step to its end.

    It ends earlier if the run may be dead.
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
    earliest_end = begin + timedelta(microseconds=1)
    return Window(begin, max(until, earliest_end), msg("run {run} changes {host}", run, host), cut=cut)


def _event(step: JournalStep) -> Event:
    return Event(step.host, step.step, step.state, step.detail, at=datetime.now(UTC))
