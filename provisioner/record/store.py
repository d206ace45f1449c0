"""The history of one inventory: an append-only chain of entries."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Connection, func, insert, select

from provisioner.base.errors import StateError
from provisioner.record import entries, tables
from provisioner.record.chain import ChainReport, checked
from provisioner.record.database import Database, Entry, append, head_at, heads_of, made_database, open_database
from provisioner.record.entries import Event
from provisioner.record.event_log import add_step
from provisioner.record.evidence_query import PRE_SHARED, TO_PUSH, evidence, keys_drawn, package_records
from provisioner.record.heads import remember, remembered
from provisioner.record.leases import epochs_of, take_epochs
from provisioner.record.lifecycle.evidence import ACCEPTANCE, Evidence
from provisioner.record.lifecycle.site_packages import PackageRecord
from provisioner.record.state_folder import Head, StateFolder
from provisioner.record.tables import documents
from provisioner.record.verdict_rows import keep_sweep, pack_sweep, packed_document

_NAMED = 5


@dataclass(frozen=True, slots=True)
class ReadRuns:
    """The readable runs, latest start first, and the unreadable entries."""

    runs: tuple[entries.Recorded, ...]
    damaged: tuple[str, ...] = ()


class History:
    """The history of one inventory.

    Methods, and the functions that open it, raise `StateError` if the database does not answer. A malformed row raises
    its subclass `DamagedRecordError`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.place = database.place
        self._mine = database.place.inventory

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def begin(self, run: entries.Run, hosts: Iterable[str], intent: str = "", first: Event | None = None) -> Head:
        """Record that a run begins; return the entry's head.

        `hosts` are those to change, `intent` is a hash of the planned work, and `first` is the journal's first step,
        written in the same transaction. If this fails, the run may change nothing.
        """
        with self._database.writing() as connection:
            content = entries.start_content(run, hosts, intent)
            lost = self._lost_head(connection)
            head = append(connection, self.place, Entry(run, entries.EntryKind.BEGUN, run.started, content))
            if first is not None:
                add_step(connection, self.place, run.id, first)
        return self._remember_head(head, lost)

    def end(self, run: entries.Run, ending: entries.Ending) -> Head:
        """Record a run's outcome once, or raise `StateError`; return the head."""
        with self._database.writing() as connection:
            of_run = (
                tables.entries.c.inventory == self._mine,
                tables.entries.c.run == run.id,
                tables.entries.c.step == entries.EntryKind.ENDED,
            )
            if connection.scalar(select(tables.entries.c.number).where(*of_run)) is not None:
                raise StateError(f"run {run.id} has ended already", hint="see provisioner history", object=run.id)
            sweep = pack_sweep(connection, self.place, run.id, ending.finished, ending.swept)
            document = None if ending.document is None else packed_document(ending.document)
            content = entries.ended_content(run, ending, sweep.digest, document.digest if document else None)
            lost = self._lost_head(connection)
            head = append(connection, self.place, Entry(run, entries.EntryKind.ENDED, ending.finished, content))
            keep_sweep(connection, self.place, head.number, sweep)
            key_columns = {"inventory": self._mine, "number": head.number}
            if document is not None:
                row = {"inventory": self._mine, "run": run.id, "packed": document.packed}
                connection.execute(insert(documents).values(**row))
            if ending.checks:
                names = ("facility", "relay", "content", "at", "pulled", "checked", "proved")
                rows = [key_columns | {name: getattr(check, name) for name in names} for check in ending.checks]
                connection.execute(insert(tables.checks), rows)
            for holding in ending.holdings:
                self._store_holding(connection, holding)
                columns = {
                    "host": holding.host,
                    "at": holding.at,
                    "held": holding.frozen_digest,
                    "exact": holding.exact,
                }
                connection.execute(insert(tables.holdings).values(**key_columns, **columns))
        return self._remember_head(head, lost)

    def take_epochs(self, run: str, on_hosts: Mapping[str, int], at: datetime) -> dict[str, int]:
        """Take the epochs of hosts for a run (`record.leases`).

        If this fails, the run may change nothing.
        """
        with self._database.writing() as connection:
            return take_epochs(connection, self._mine, run, on_hosts, at)

    def epochs(self) -> dict[str, int]:
        """Return the last recorded epoch of each host."""
        with self._database.reading() as connection:
            return epochs_of(connection, self._mine)

    def _lost_head(self, connection: Connection) -> Head | None:
        last = remembered(self.place)
        try:
            return last if last is not None and head_at(connection, self._mine, last.number) != last else None
        except tables.DAMAGE:
            return last

    def _remember_head(self, head: Head, lost: Head | None) -> Head:
        """Remember an entry, unless a lost one must first be examined."""
        if lost is None:
            remember(self.place, head)
        return head

    def _store_holding(self, connection: Connection, holding: entries.Holding) -> None:
        key_columns = {"inventory": self._mine, "digest": holding.frozen_digest}
        query = select(tables.held.c.digest).where(
            tables.held.c.inventory == self._mine, tables.held.c.digest == holding.frozen_digest
        )
        if holding.held and connection.execute(query.limit(1)).first() is None:
            rows = [
                key_columns | {"facility": facility, "content": content} for facility, content in holding.held.items()
            ]
            connection.execute(insert(tables.held), rows)

    # --- reading ----------------------------------------------------------------------------------
    def runs(self, limit: int | None = None) -> tuple[entries.Recorded, ...]:
        """Return the runs, latest start first; an unreadable entry raises."""
        past = self.past(limit)
        if past.damaged:
            raise tables.DamagedRecordError(f"the history in {self.place.text} is damaged: {_entries(past.damaged)}")
        return past.runs

    def past(self, limit: int | None = None, kinds: Collection[entries.Operation] = ()) -> ReadRuns:
        """Return readable runs, of `kinds` if any, and name unreadable entries."""
        latest = (
            select(tables.entries.c.run).where(tables.entries.c.inventory == self._mine).group_by(tables.entries.c.run)
        )
        if kinds:
            latest = latest.where(tables.entries.c.operation.in_(sorted(kind.value for kind in kinds)))
        latest = latest.order_by(func.max(tables.entries.c.number).desc()).limit(limit)
        conditions = tables.entries.c.inventory == self._mine, tables.entries.c.run.in_(latest)
        query = select(tables.stored(tables.entries.c.number), tables.stored(tables.entries.c.content)).where(
            *conditions
        )
        started: dict[str, entries.StartContent] = {}
        ended: dict[str, entries.EndedContent] = {}
        damaged: list[object] = []
        with self._database.reading() as connection:
            for number, raw in connection.execute(query):
                try:
                    content = tables.entry_content(raw, number)
                except tables.DAMAGE:
                    damaged.append(number)
                    continue
                if content["step"] == entries.EntryKind.BEGUN:
                    started[content["run"]] = cast("entries.StartContent", content)
                else:
                    ended[content["run"]] = cast("entries.EndedContent", content)
        runs = (entries.recorded_of(started.get(run), ended.get(run)) for run in started.keys() | ended.keys())
        ordered = sorted(runs, key=lambda recorded: (recorded.run.started, recorded.run.id), reverse=True)
        return ReadRuns(tuple(ordered), tuple(tables.entry_name(number) for number in damaged))

    def changing(self, since: datetime) -> tuple[entries.Recorded, ...]:
        """Return the readable changing runs, open or ended since a time."""
        condition = tables.entries.c.inventory == self._mine
        ended_runs = select(tables.entries.c.run).where(
            condition, tables.entries.c.step == entries.EntryKind.ENDED.value, tables.entries.c.at < since
        )
        query = select(tables.stored(tables.entries.c.number), tables.stored(tables.entries.c.content))
        query = query.where(
            condition, tables.entries.c.step == entries.EntryKind.BEGUN.value, tables.entries.c.run.not_in(ended_runs)
        )
        runs: list[entries.Recorded] = []
        with self._database.reading() as connection:
            for number, raw in connection.execute(query):
                try:
                    runs.append(
                        entries.recorded_of(cast("entries.StartContent", tables.entry_content(raw, number)), None)
                    )
                except tables.DAMAGE:
                    continue
        return tuple(runs)

    def approved_runs(self, meaning: str) -> tuple[entries.Run, ...]:
        """Return the runs with approvals of this meaning; an unreadable entry raises."""
        query = select(tables.stored(tables.entries.c.number), tables.stored(tables.entries.c.content)).where(
            tables.entries.c.inventory == self._mine,
            tables.entries.c.step == entries.EntryKind.BEGUN.value,
            tables.entries.c.content.contains(meaning, autoescape=True),
        )
        runs = []
        with self._database.reading() as connection:
            for number, raw in connection.execute(query):
                try:
                    runs.append(
                        entries.recorded_of(cast("entries.StartContent", tables.entry_content(raw, number)), None).run
                    )
                except tables.DAMAGE:
                    message = f"the history in {self.place.text} is damaged: {_entries((tables.entry_name(number),))}"
                    raise tables.DamagedRecordError(message) from None
        return tuple(run for run in runs if any(approval.meaning == meaning for approval in run.approvals))

    def document(self, run: str) -> dict[str, object] | None:
        """Return a run's JSON document, or `None`; an unreadable one raises."""
        packed = tables.stored(documents.c.packed)
        query = select(packed).where(documents.c.inventory == self._mine, documents.c.run == run)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        try:
            return None if row is None else tables.plain_object(tables.unpacked(row[0]))
        except tables.DAMAGE:
            message = f"the history in {self.place.text} is damaged: the document of run {run} cannot be read"
            raise tables.DamagedRecordError(message, object=run) from None

    def head_of(self, run: str) -> Head | None:
        """Return the head of a run's first entry, or `None`."""
        step = tables.entries.c.step == entries.EntryKind.BEGUN.value
        query = select(tables.entries.c.number).where(
            tables.entries.c.inventory == self._mine, tables.entries.c.run == run, step
        )
        with self._database.reading() as connection:
            number = connection.scalar(query)
            return None if number is None else head_at(connection, self._mine, number)

    def lost(self) -> Head | None:
        """Return this machine's newest entry if the record lacks it."""
        with self._database.reading() as connection:
            return self._lost_head(connection)

    def heads(self) -> dict[int, Head]:
        """Return the heads of all well-formed entries by number."""
        with self._database.reading() as connection:
            return heads_of(connection, self._mine)

    def evidence(self, acceptance: timedelta = ACCEPTANCE, as_of: datetime = tables.END) -> Evidence:
        """Return the evidence up to `as_of`; `acceptance` separates the two proofs."""
        with self._database.reading() as connection:
            return evidence(connection, self._mine, acceptance, as_of)

    def packages(self) -> Mapping[str, PackageRecord]:
        """Return the recorded site packages, by facility; an unreadable run raises."""
        with self._database.reading() as connection:
            records, damaged = package_records(connection, self._mine)
        if damaged:
            message = f"the history in {self.place.text} is damaged: run {damaged[0]} cannot be read"
            raise tables.DamagedRecordError(message, object=damaged[0])
        return records

    def psks_drawn(self) -> Mapping[str, datetime]:
        """Return when each facility's pre-shared key was drawn, if recorded."""
        with self._database.reading() as connection:
            return keys_drawn(connection, self._mine, PRE_SHARED)

    def publish_keys_drawn(self) -> Mapping[str, datetime]:
        """Return when each facility's key for push logins was drawn, if recorded."""
        with self._database.reading() as connection:
            return keys_drawn(connection, self._mine, TO_PUSH)

    def verify_chain(self) -> ChainReport:
        """Check every entry and all stored rows."""
        with self._database.reading() as connection:
            return checked(connection, self.place.inventory, self.place.keys)


def _entries(names: tuple[str, ...]) -> str:
    more = len(names) - _NAMED
    return f"entry {', '.join(names[:_NAMED])} cannot be read" + (f", and {more} more" if more > 0 else "")


def open_history(folder: StateFolder) -> History:
    """Open the history of a place to record runs, or make it."""
    return History(made_database(folder))


def find_history(folder: StateFolder) -> History | None:
    """Open the history of a place to read; `None` without one."""
    database = open_database(folder, create=False)
    return History(database) if database else None
