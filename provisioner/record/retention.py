"""What leaves the history when its time is over, by class; an entry of its own says so, and the chain stays whole.

Entries, checks of facilities and what hosts held stay for ever. What left is not missing: the newest genuine entry of
the kind `prune` says up to which moment. A database that something left is of a version of its own: programs that
know of no such entries would call it damaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from provisioner.record.database import Entry, append, has_table, made_database, open_database
from provisioner.record.entries import Cut, Ending, EntryKind, Operation, Run, ended_content
from provisioner.record.heads import remember
from provisioner.record.place import StatePlace
from provisioner.record.store import open_history
from provisioner.record.tables import (
    PRUNED_SCHEMA,
    DamagedRecordError,
    documents,
    entries,
    microseconds,
    moment,
    path_lists,
    schema,
    stored,
    verdicts,
)

DOCUMENTS: Final = "documents"
VERDICTS: Final = "verdicts"
_PART: Final = 500


@dataclass(frozen=True, slots=True)
class HeldClass:
    """What the history holds of one class, and what of it would leave.

    Attributes:
        rows: how many there are.
        size: how many bytes they take, packed.
        oldest: when the oldest is of; None where there is none.
        leaving: how many leave.
        leaving_size: how many bytes those take.
    """

    name: str
    rows: int
    size: int
    oldest: datetime | None
    leaving: int
    leaving_size: int


def held_classes(place: StatePlace, cut: Cut) -> tuple[HeldClass, ...]:
    """What the history holds by class, and what would leave; nothing is changed.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    database = open_database(place, create=False)
    if database is None:
        return ()
    with closing(database), database.reading() as connection:
        of_documents = [(at, size) for _, at, size in _verifications(connection, place)]
        held = [_class(DOCUMENTS, of_documents, _micro(cut.documents), spared=1)]
        if has_table(connection, verdicts):
            held.append(_class(VERDICTS, list(_sizes(connection, place)), _micro(cut.verdicts)))
        return tuple(held)


def _class(name: str, rows: list[tuple[int, int]], before: int, spared: int = 0) -> HeldClass:
    rows.sort()
    leaving = [size for at, size in rows[: len(rows) - spared] if at < before]
    oldest = moment(rows[0][0]) if rows else None
    return HeldClass(name, len(rows), sum(size for _, size in rows), oldest, len(leaving), sum(leaving))


def _micro(before: datetime | None) -> int:
    return 0 if before is None else microseconds(before)


def _verifications(connection: Connection, place: StatePlace) -> Iterator[tuple[str, int, int]]:
    """The verifications that left a document, with its moment and size, the earliest first."""
    own = documents.c.inventory == place.inventory, entries.c.inventory == place.inventory
    ended = entries.c.run == documents.c.run, entries.c.step == EntryKind.ENDED.value
    kind = entries.c.operation == Operation.VERIFY.value
    size: ColumnElement[int] = func.length(documents.c.packed)
    query = select(entries.c.run, stored(entries.c.at), size).where(*own, *ended, kind)
    for run, at, length in connection.execute(query.order_by(entries.c.at, entries.c.number)):
        yield run, _whole(at), length


def _sizes(connection: Connection, place: StatePlace) -> Iterator[tuple[int, int]]:
    size: ColumnElement[int] = func.length(verdicts.c.marks) + func.length(verdicts.c.causes)
    query = select(stored(verdicts.c.at), size).where(verdicts.c.inventory == place.inventory)
    for at, length in connection.execute(query):
        yield _whole(at), length


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("a moment is a whole number")
    return value


# --- leaving --------------------------------------------------------------------------------------


def prune(place: StatePlace, run: Run, at: datetime, cut: Cut) -> tuple[HeldClass, ...]:
    """Let what is older than a cut leave, all of it or nothing, and record that it did; the newest document stays.

    Args:
        place: where the history is, with the keys that seal it.
        run: the run that does so.
        at: now.
        cut: what leaves.

    Returns:
        What there was, and what left.

    Raises:
        DamagedRecordError: something is not as it was recorded: what leaves could never be looked into again.
        StateError: it cannot be read or written.
    """
    with closing(open_history(place)) as history:
        if not history.verify_chain().whole:
            raise DamagedRecordError(f"the history in {place.shown} is damaged: nothing may leave it")
    before = held_classes(place, cut)
    database = made_database(place)
    with closing(database):
        with database.writing() as connection:
            _leave(connection, place, cut)
            content = ended_content(run, Ending(at, "pruned", cut=cut))
            head = append(connection, place, Entry(run, EntryKind.ENDED, at, content))
            connection.execute(update(schema).values(version=PRUNED_SCHEMA))
        remember(place, head)
        database.compact()
    return before


def _leave(connection: Connection, place: StatePlace, cut: Cut) -> None:
    if cut.documents is not None:
        runs = [run for run, at, _ in list(_verifications(connection, place))[:-1] if at < microseconds(cut.documents)]
        for start in range(0, len(runs), _PART):
            own = documents.c.inventory == place.inventory, documents.c.run.in_(runs[start : start + _PART])
            connection.execute(delete(documents).where(*own))
    if cut.verdicts is not None:
        connection.execute(
            delete(verdicts).where(verdicts.c.inventory == place.inventory, verdicts.c.at < cut.verdicts)
        )
        used = select(verdicts.c.paths).where(verdicts.c.inventory == place.inventory)
        unused = path_lists.c.inventory == place.inventory, path_lists.c.digest.not_in(used)
        connection.execute(delete(path_lists).where(*unused))
