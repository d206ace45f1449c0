"""Where a board comes from: the inventory, the recorded verifications, and the history of verdicts. Read-only."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final, Protocol

from provisioner.availability.measured import Measured, Span
from provisioner.base.collector import without_collector
from provisioner.base.json_document import Document
from provisioner.base.stage import Stage, at_stage
from provisioner.history.place import StatePlace
from provisioner.history.records import last_verifications
from provisioner.history.store import History, find_history
from provisioner.history.verdicts import read_availability, read_nights, read_since
from provisioner.lifecycle.status import statuses
from provisioner.runs.overview import overview
from provisioner.web.board import Board
from provisioner.web.build import SeenSince, build_board
from provisioner.web.merged import merged
from provisioner.web.past import NightSquare, Past, days_until

_NEWEST: Final = 200
"""So many runs are looked through for the last word on each path: a country's provinces, verified one by one."""


class Source(Protocol):
    """What a server shows, and whether it has changed."""

    def mark(self) -> str:
        """Something that is another with every run that is recorded."""
        ...

    def load(self) -> Board:
        """All that may be shown now."""
        ...

    @property
    def past(self) -> Past:
        """How paths were."""
        ...


@dataclass
class RecordedSource:
    """An inventory and what is recorded of it.

    Attributes:
        root: the inventory's folder.
        environment: the caller's environment (where the history is).
        clock: says the moment.
    """

    root: Path
    environment: Mapping[str, str] = field(repr=False)
    clock: Callable[[], datetime]
    _place: StatePlace | None = None

    def mark(self) -> str:
        """Something that is another with every run that is recorded.

        Raises:
            StateError: there is a history, and it cannot be read.
        """
        if self._place is None:
            return ""
        history = find_history(self._place)
        if history is None:
            return "none"
        with closing(history):
            return _mark(history)

    def load(self) -> Board:
        """All that may be shown now.

        Raises:
            InventoryError: nothing can be read of the inventory.
            StateError: there is a history, and it cannot be read.
        """
        try:
            with without_collector():
                return self._loaded()
        finally:
            gc.unfreeze()  # a server loads again and again: what is left of earlier boards has to go

    def _loaded(self) -> Board:
        whole = overview(self.root, self.environment, self.clock())
        self._place = whole.place
        with at_stage(Stage.RECORD):
            documents, mark = self._documents(whole.place)
        with at_stage(Stage.COUNT):
            return build_board(
                whole.inventory,
                statuses(whole.inventory, whole.evidence, whole.now),
                merged(documents),
                since=_since(whole.place) if documents else {},
                unread=whole.unreadable,
                revision=hashlib.sha256(f"{whole.loaded.digest} {mark}".encode()).hexdigest()[:16],
            )

    def _documents(self, place: StatePlace) -> tuple[Sequence[Document], str]:
        history = find_history(place)
        if history is None:
            return (), "none"
        with closing(history):
            newest = last_verifications(history.past(_NEWEST).runs)
            documents = [history.document(one.run.id) for one in reversed(newest)]
            return [document for document in documents if document is not None], _mark(history)

    @property
    def past(self) -> Past:
        """How paths were, by the history of verdicts."""
        return _RecordedPast(self._place)


def _mark(history: History) -> str:
    newest = history.past(3).runs
    return " ".join(f"{one.run.id}:{one.finished and one.finished.isoformat()}" for one in newest)


def _since(place: StatePlace) -> Mapping[str, SeenSince]:
    known = read_since(place)
    return {path: SeenSince(one.verdict, one.since, one.looks, one.unknown_since) for path, one in known.items()}


@dataclass(frozen=True, slots=True)
class _RecordedPast:
    """The history of verdicts of a place; None before a board was loaded."""

    place: StatePlace | None

    def nights(self, prefix: str, last: date, number: int) -> Mapping[str, Sequence[NightSquare]]:
        """The last days of each path whose name begins so, the earliest first."""
        if self.place is None:
            return {}
        days = days_until(last, number)
        return {
            path: [
                NightSquare(day, ("maintenance" if night.maintenance else night.verdict) if night else "")
                for day, night in zip(days, strip, strict=True)
            ]
            for path, strip in read_nights(self.place, prefix, last, number).items()
        }

    def measured(self, prefix: str, span: Span) -> Mapping[str, Measured]:
        """For how long each path whose name begins so was what."""
        return {} if self.place is None else read_availability(self.place, prefix, span)
