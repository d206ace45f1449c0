"""The journal of a run: begun, each step, ended; and where the inventory's history is.

It is the `Journal` that `apply.journal` declares for a rollout, kept in the history's event log (`history.event_log`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from provisioner.apply import JournalStep
from provisioner.base.errors import StateError
from provisioner.history.event_log import Event, EventLog
from provisioner.history.place import StatePlace, state_place_of
from provisioner.history.records import Ending, Holding, Run, canonical, digest
from provisioner.history.seal import Head, record_keys
from provisioner.history.store import History, open_history
from provisioner.pipeline.session import Session
from provisioner.runs.intent import Intent


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
        """Take the run's epochs of hosts, by what was seen on each (`history.epochs`).

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


def _event(step: JournalStep) -> Event:
    return Event(datetime.now(UTC), step.host, step.step, step.state, step.detail)


def state_place(session: Session) -> StatePlace:
    """Where the history of the session's inventory is, with the keys that seal it; it opens the vault.

    Raises:
        SecretsError: the vault cannot be opened.
        StateError: the key that signs is set and cannot be used.
    """
    inventory = session.inventory.settings.id
    keys = record_keys(session.secrets.digest_key, session.environment, inventory)
    return replace(state_place_of(session.environment, inventory), keys=keys)
