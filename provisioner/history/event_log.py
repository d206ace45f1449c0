"""The event log: the steps of runs as rows of the database, each durable before the next step begins.

A rollout writes to the `Journal` of `apply.journal`; that of a real run is `runs.journal.RunLog`, which keeps its steps
here, beside the run's two entries in the history.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, insert, select

from provisioner.history.database import open_database
from provisioner.history.place import StatePlace
from provisioner.history.records import canonical, digest
from provisioner.history.tables import events

BEGIN = "begin"


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a run.

    Attributes:
        host: empty for the run as a whole.
        state: `begin` before the step, else what came of it.
        detail: plain values; never a secret.
    """

    at: datetime
    host: str
    step: str
    state: str
    detail: Mapping[str, object] = field(default_factory=dict)


class EventLog:
    """The steps of one inventory's runs.

    Args:
        place: where the history is.

    Raises:
        StateError: the database cannot be opened. Every method raises it where the database does not answer.
    """

    def __init__(self, place: StatePlace) -> None:
        database = open_database(place, create=True)
        if database is None:
            raise TypeError("a database that may be made is there")
        self._database = database
        self._mine = place.inventory

    def close(self) -> None:
        """Return the connections."""
        self._database.close()

    def add(self, run: str, event: Event) -> None:
        """Write one step down; it is durable afterwards."""
        outcome = canonical({"state": event.state, **event.detail})
        column = "before" if event.state == BEGIN else "after"
        row = {"inventory": self._mine, "run": run, "at": event.at, "host": event.host, "step": event.step}
        own = (events.c.inventory == self._mine, events.c.run == run)
        with self._database.writing() as connection:
            last = connection.scalar(select(func.max(events.c.sequence)).where(*own)) or 0
            connection.execute(insert(events).values(**row, sequence=last + 1, **{column: outcome}))

    def of(self, run: str) -> tuple[Event, ...]:
        """A run's steps in order."""
        outcome = func.coalesce(events.c.after, events.c.before)
        query = select(events.c.at, events.c.host, events.c.step, outcome).order_by(events.c.sequence)
        with self._database.reading() as connection:
            rows = connection.execute(query.where(events.c.inventory == self._mine, events.c.run == run))
            return tuple(_event(*row) for row in rows)

    def digest_of(self, run: str) -> str:
        """The hash over a run's steps; the run's document holds it, and the chain holds the document's."""
        return digest(canonical([[e.at.isoformat(), e.host, e.step, e.state, e.detail] for e in self.of(run)]))


def _event(at: datetime, host: str, step: str, outcome: str) -> Event:
    detail = json.loads(outcome)
    return Event(at, host, step, detail.pop("state"), detail)
