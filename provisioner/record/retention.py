"""Removal of old data from the history, by class.

Entries, checks of facilities and holdings stay for ever. A `prune` entry records the removal, so the chain stays whole:
the newest genuine one says what may be missing. A pruned database has its own schema version, because older programs
would call it damaged.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from provisioner.record import tables
from provisioner.record.database import Entry, append, has_table, made_database, open_database
from provisioner.record.entries import Cut, Ending, EntryKind, Operation, Run, ended_content
from provisioner.record.heads import remember
from provisioner.record.state_folder import StateFolder
from provisioner.record.store import open_history
from provisioner.record.tables import PRUNED_SCHEMA, documents, moment

DOCUMENTS: Final = "documents"
VERDICTS: Final = "verdicts"
_PART: Final = 500


@dataclass(frozen=True, slots=True)
class RetentionClass:
    """The amount of one class (packed bytes), and what would leave."""

    name: str
    rows: int
    size: int
    oldest: datetime | None
    leaving: int
    leaving_size: int


def retention_classes(folder: StateFolder, cut: Cut) -> tuple[RetentionClass, ...]:
    """Return the amount of each class; an unreadable history raises `StateError`."""
    database = open_database(folder, create=False)
    if database is None:
        return ()
    with closing(database), database.reading() as connection:
        of_documents = [(at, size) for _, at, size in _verifications(connection, folder)]
        classes = [_retention_class(DOCUMENTS, of_documents, _micro(cut.documents), spared=1)]
        if has_table(connection, tables.verdicts):
            classes.append(_retention_class(VERDICTS, list(_verdict_sizes(connection, folder)), _micro(cut.verdicts)))
        return tuple(classes)


def _retention_class(name: str, rows: list[tuple[int, int]], before: int, spared: int = 0) -> RetentionClass:
    rows.sort()
    leaving = [size for at, size in rows[: len(rows) - spared] if at < before]
    oldest = moment(rows[0][0]) if rows else None
    return RetentionClass(name, len(rows), sum(size for _, size in rows), oldest, len(leaving), sum(leaving))


def _micro(before: datetime | None) -> int:
    return 0 if before is None else tables.microseconds(before)


def _verifications(connection: Connection, folder: StateFolder) -> Iterator[tuple[str, int, int]]:
    """Yield verifications with a document, its time and size, earliest first."""
    conditions = documents.c.inventory == folder.inventory, tables.entries.c.inventory == folder.inventory
    ended = tables.entries.c.run == documents.c.run, tables.entries.c.step == EntryKind.ENDED.value
    kind = tables.entries.c.operation == Operation.VERIFY.value
    size: ColumnElement[int] = func.length(documents.c.packed)
    query = select(tables.entries.c.run, tables.stored(tables.entries.c.at), size).where(*conditions, *ended, kind)
    for run, at, length in connection.execute(query.order_by(tables.entries.c.at, tables.entries.c.number)):
        yield run, _whole(at), length


def _verdict_sizes(connection: Connection, folder: StateFolder) -> Iterator[tuple[int, int]]:
    size: ColumnElement[int] = func.length(tables.verdicts.c.marks) + func.length(tables.verdicts.c.causes)
    query = select(tables.stored(tables.verdicts.c.at), size).where(tables.verdicts.c.inventory == folder.inventory)
    for at, length in connection.execute(query):
        yield _whole(at), length


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("a moment is a whole number")
    return value


# --- leaving --------------------------------------------------------------------------------------
def prune(folder: StateFolder, run: Run, at: datetime, cut: Cut) -> tuple[RetentionClass, ...]:
    """Remove data older than a cut, all or nothing, and record that.

    The newest document stays. Returns the amounts before. A damaged history, whose removed data could never be
    examined again, raises `DamagedRecordError`, an unusable one `StateError`.
    """
    with closing(open_history(folder)) as history:
        if not history.verify_chain().whole:
            raise tables.DamagedRecordError(f"the history in {folder.text} is damaged: no record is deleted")
    before = retention_classes(folder, cut)
    database = made_database(folder)
    with closing(database):
        with database.writing() as connection:
            _delete_expired(connection, folder, cut)
            content = ended_content(run, Ending(at, "pruned", cut=cut))
            head = append(connection, folder, Entry(run, EntryKind.ENDED, at, content))
            connection.execute(update(tables.schema).values(version=PRUNED_SCHEMA))
        remember(folder, head)
        database.compact()
    return before


def _delete_expired(connection: Connection, folder: StateFolder, cut: Cut) -> None:
    if cut.documents is not None:
        runs = [
            run
            for run, at, _ in list(_verifications(connection, folder))[:-1]
            if at < tables.microseconds(cut.documents)
        ]
        for start in range(0, len(runs), _PART):
            conditions = documents.c.inventory == folder.inventory, documents.c.run.in_(runs[start : start + _PART])
            connection.execute(delete(documents).where(*conditions))
    if cut.verdicts is not None:
        connection.execute(
            delete(tables.verdicts).where(
                tables.verdicts.c.inventory == folder.inventory, tables.verdicts.c.at < cut.verdicts
            )
        )
        used = select(tables.verdicts.c.paths).where(tables.verdicts.c.inventory == folder.inventory)
        unused = tables.path_lists.c.inventory == folder.inventory, tables.path_lists.c.digest.not_in(used)
        connection.execute(delete(tables.path_lists).where(*unused))
