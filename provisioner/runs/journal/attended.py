"""A run's journal of which each step is told to whoever watches, once it is written down."""

from __future__ import annotations

from provisioner.apply import Journal, JournalStep
from provisioner.hosts.attended import CallsWatcher


class AttendedJournal:
    """A journal whose steps somebody watches; the other one keeps them."""

    def __init__(self, journal: Journal, watcher: CallsWatcher) -> None:
        self._journal = journal
        self._watcher = watcher

    def write(self, step: JournalStep) -> None:
        """Write one step down, and tell of it."""
        self._journal.write(step)
        self._watcher.stepped(step.host, step.step, step.state, step.detail)


def attended(journal: Journal, watcher: CallsWatcher | None) -> Journal:
    """The journal, watched where there is somebody."""
    return AttendedJournal(journal, watcher) if watcher is not None else journal
