"""The history of one inventory: entries are added, never changed, and each is chained to the one before."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, insert, select

from provisioner.history.chain import ChainReport, checked
from provisioner.history.database import Database, open_database
from provisioner.history.evidence_query import evidence
from provisioner.history.place import StatePlace
from provisioner.history.records import (
    BegunContent,
    EndedContent,
    Ending,
    EntryKind,
    Holding,
    Recorded,
    Run,
    begun_content,
    canonical,
    ended_content,
    genesis,
    linked,
    recorded_of,
)
from provisioner.history.tables import checks, documents, entries, held, holdings
from provisioner.lifecycle.evidence import ACCEPTANCE, Evidence


class History:
    """The history of one inventory.

    Every method raises `StateError` where the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.place = database.place
        self._mine = database.place.inventory

    def close(self) -> None:
        """Return the connections."""
        self._database.close()

    def begin(self, run: Run, hosts: Iterable[str]) -> None:
        """Record that a run begins, and which hosts it is about to change.

        Raises:
            StateError: it cannot be recorded; then nothing may be changed.
        """
        with self._database.writing() as connection:
            self._append(connection, run, EntryKind.BEGUN, run.started, begun_content(run, hosts))

    def end(self, run: Run, ending: Ending) -> None:
        """Record what became of a run: all of it, or nothing."""
        with self._database.writing() as connection:
            number = self._append(connection, run, EntryKind.ENDED, ending.finished, ended_content(run, ending))
            own = {"inventory": self._mine, "number": number}
            if ending.document is not None:
                packed = zlib.compress(canonical(ending.document).encode())
                connection.execute(insert(documents).values(inventory=self._mine, run=run.id, packed=packed))
            if ending.checks:
                names = ("facility", "relay", "content", "at", "pulled", "checked", "proved")
                rows = [own | {name: getattr(check, name) for name in names} for check in ending.checks]
                connection.execute(insert(checks), rows)
            for holding in ending.holdings:
                self._keep(connection, holding)
                columns = {"host": holding.host, "at": holding.at, "held": holding.held_digest, "exact": holding.exact}
                connection.execute(insert(holdings).values(**own, **columns))

    def _append(
        self, connection: Connection, run: Run, step: EntryKind, at: datetime, content: BegunContent | EndedContent
    ) -> int:
        newest = (
            select(entries.c.number, entries.c.hash)
            .where(entries.c.inventory == self._mine)
            .order_by(entries.c.number.desc())
            .limit(1)
        )
        last = connection.execute(newest).first()
        number, previous = (last.number + 1, last.hash) if last else (1, genesis(self._mine))
        text = canonical({**content, "number": number})
        row = {"inventory": self._mine, "number": number, "run": run.id, "step": step.value, "at": at}
        chained = {"content": text, "previous": previous, "hash": linked(previous, text)}
        connection.execute(insert(entries).values(**row, operation=run.operation.value, **chained))
        return int(number)

    def _keep(self, connection: Connection, holding: Holding) -> None:
        """Keep what a host holds, unless it is there already: night after night it is the same."""
        own = {"inventory": self._mine, "digest": holding.held_digest}
        there = select(held.c.digest).where(held.c.inventory == self._mine, held.c.digest == holding.held_digest)
        if holding.held and connection.execute(there.limit(1)).first() is None:
            rows = [own | {"facility": facility, "content": content} for facility, content in holding.held.items()]
            connection.execute(insert(held), rows)

    # --- reading ----------------------------------------------------------------------------------

    def runs(self, limit: int | None = None) -> tuple[Recorded, ...]:
        """The runs, the one that began last first; `limit` takes only so many of the latest entries' runs."""
        latest = select(entries.c.run).where(entries.c.inventory == self._mine).group_by(entries.c.run)
        latest = latest.order_by(func.max(entries.c.number).desc()).limit(limit)
        query = select(entries.c.content).where(entries.c.inventory == self._mine, entries.c.run.in_(latest))
        begun: dict[str, BegunContent] = {}
        ended: dict[str, EndedContent] = {}
        with self._database.reading() as connection:
            for row in connection.execute(query):
                content = json.loads(row.content)
                if content["step"] == EntryKind.BEGUN:
                    begun[content["run"]] = content
                else:
                    ended[content["run"]] = content
        runs = (recorded_of(begun.get(run), ended.get(run)) for run in begun.keys() | ended.keys())
        return tuple(sorted(runs, key=lambda recorded: (recorded.run.started, recorded.run.id), reverse=True))

    def document(self, run: str) -> dict[str, object] | None:
        """The JSON document that a run left, or None."""
        query = select(documents.c.packed).where(documents.c.inventory == self._mine, documents.c.run == run)
        with self._database.reading() as connection:
            packed = connection.scalar(query)
        if packed is None:
            return None
        document: dict[str, object] = json.loads(zlib.decompress(packed))
        return document

    def evidence(self, acceptance: timedelta = ACCEPTANCE) -> Evidence:
        """All that the runs showed.

        Args:
            acceptance: how much later a facility has to be up again to be accepted.
        """
        with self._database.reading() as connection:
            return evidence(connection, self._mine, acceptance)

    def verify_chain(self) -> ChainReport:
        """Hold every entry against its hash and the entry before, and all else that is stored against the entries."""
        with self._database.reading() as connection:
            return checked(connection, self._mine)


def open_history(place: StatePlace) -> History:
    """Open the history of a place to record runs in it; what is missing is made.

    Raises:
        StateError: it cannot be opened.
    """
    database = open_database(place, create=True)
    if database is None:
        raise TypeError("a database that may be made is there")
    return History(database)


def find_history(place: StatePlace) -> History | None:
    """Open the history of a place to read it; None where no run was ever recorded there.

    Raises:
        StateError: there is one, and it cannot be opened.
    """
    database = open_database(place, create=False)
    return History(database) if database else None
