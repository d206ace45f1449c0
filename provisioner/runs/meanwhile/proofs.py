"""What a verification proves, written down while it goes on: one that is killed leaves what it had proved until then.

A relay's paths are judged when it has answered. What is proved of one hangs on nothing that comes later, so that its
memory need not wait for the run's end; what failed does, and so do the run's entry and its verdicts, which are one
transaction.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from provisioner.base.collector import without_collector
from provisioner.base.errors import StateError
from provisioner.base.json_document import Document
from provisioner.history.path_memory import remember_paths
from provisioner.history.place import StatePlace
from provisioner.verify.memory import NOTHING, memory_document, memory_from
from provisioner.verify.result import PathLook
from provisioner.verify.standing import remembered

EVERY_S: Final = 5.0
"""A verification that is over sooner writes once."""


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
