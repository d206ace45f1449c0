"""Memories of paths, and references that people accepted.

Both are beside the chain and no part of it. Each row has a seal of its own if the vault is open, so that a row that
somebody else wrote, or one of another path, is not believed.

A path's memory is one row, replaced when the path was looked at again. References are rows that are only added, and a
path's newest row holds. Each names the run that took it, which the chain vouches for and which says who it was: a
reference that nobody accepted would hide that a camera was moved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from importlib import import_module
from itertools import islice
from typing import Final, NamedTuple, cast

import orjson
from sqlalchemy import Connection, Insert, Result, delete, func, insert, select

from provisioner.base.text import Document, canonical_json
from provisioner.record.database import Database, has_table, made_database, open_database
from provisioner.record.entries import canonical
from provisioner.record.place import StatePlace
from provisioner.record.tables import path_memories, stored, view_references

LARGEST: Final = 64 * 1024
"""A memory, or references, of more letters are none of ours."""
FORGOTTEN_AFTER: Final = timedelta(days=400)
"""A path that nobody looked at for so long is forgotten."""

# Rows are asked for by name, some at a time; of very many the whole inventory's are read, in one pass.
_PART: Final = 1_000
_MOST_NAMED: Final = 20_000
_KEY, _CHANGED = ("inventory", "path"), ("at", "content", "seal")

Row = tuple[object, object]
"""A row's content and seal as they are stored."""

Change = Callable[[str, Document | None], Document]
"""What is to be remembered of a path, by its name and by what was; None where that is nothing."""


@dataclass(frozen=True, slots=True)
class ReadMemories:
    """What is remembered of paths, by their names; `unread` are those whose row is none that this program wrote."""

    documents: Mapping[str, Document] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


class _Made(NamedTuple):
    """A memory's text and its seal."""

    content: str
    seal: str


@dataclass(frozen=True, slots=True)
class ReadReferences:
    """What was accepted of paths, by their names; `unread` are those whose newest row this program did not write."""

    documents: Mapping[str, Document] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


# --- memories --------------------------------------------------------------------------------------


def read_memories(place: StatePlace, paths: Collection[str]) -> ReadMemories | None:
    """What is remembered of paths; nothing is made. None where there is no history at all.

    Args:
        place: where the history is, with the keys that seal it.
        paths: their names.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    each = each_memory(place, paths)
    if each is None:
        return None
    documents = dict(each)
    unread = sorted(path for path, document in documents.items() if document is None)
    return ReadMemories({path: one for path, one in documents.items() if one is not None}, tuple(unread))


def each_memory(place: StatePlace, paths: Collection[str]) -> Iterator[tuple[str, Document | None]] | None:
    """The same, one path after the other as it is read: a country's documents are not needed together.

    A document is None where the row is none that this program wrote.

    Raises:
        StateError: as `read_memories`, while it is read, too.
    """
    database = open_database(place, create=False)
    return None if database is None else _each(database, place, paths)


def _each(database: Database, place: StatePlace, paths: Collection[str]) -> Iterator[tuple[str, Document | None]]:
    with closing(database), database.reading() as connection:
        for path, row in _rows(connection, place.inventory, paths):
            yield path, _memory(place, path, row)


def remember_paths(place: StatePlace, paths: Collection[str], change: Change, at: datetime) -> None:
    """Change what is remembered of paths, all of them or none; what other commands write meanwhile is not lost.

    Args:
        place: where the history is, with the keys that seal it; what is missing is made.
        paths: their names.
        change: makes each one's new memory out of the one that is there; it may be asked twice of one path.
        at: now; paths that were not looked at for long are forgotten.

    Raises:
        StateError: it cannot be written.
    """
    database = made_database(place)
    with closing(database):
        # A country's memories take seconds to be made: others can write until they are.
        made, before = dict[str, _Made](), dict[str, bytes]()
        with database.reading() as connection:
            for path, row in _rows(connection, place.inventory, paths):
                before[path] = _known_by(row)
                made[path] = _made(place, path, change(path, _memory(place, path, row)))
        for path in paths:
            if path not in made:
                made[path] = _made(place, path, change(path, None))
        with database.writing() as connection:
            for path, row in _rows(connection, place.inventory, paths):
                if _known_by(row) != before.get(path):
                    made[path] = _made(place, path, change(path, _memory(place, path, row)))
            upsert, each = _upsert(connection), iter(made.items())
            while some := list(islice(each, _PART)):
                connection.execute(upsert, [_row(place, path, of_path, at) for path, of_path in some])
            old = path_memories.c.inventory == place.inventory, path_memories.c.at < at - FORGOTTEN_AFTER
            connection.execute(delete(path_memories).where(*old))


def _made(place: StatePlace, path: str, document: Document) -> _Made:
    text = canonical_json(document).decode()
    return _Made(text, place.keys.seal(_memory_message(place.inventory, path, text)))


def _known_by(row: Row) -> bytes:
    """By what a row is known again: a country's rows are not kept until they are written."""
    return hashlib.sha256(repr(row).encode(errors="surrogatepass")).digest()


def _row(place: StatePlace, path: str, made: _Made, at: datetime) -> dict[str, object]:
    return {"inventory": place.inventory, "path": path, "at": at, "content": made.content, "seal": made.seal}


def _upsert(connection: Connection) -> Insert:
    # The dialect of the database is loaded already; the other one would be for nothing, in each command.
    dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    row = dialect.insert(path_memories)
    return cast("Insert", row.on_conflict_do_update(index_elements=_KEY, set_={n: row.excluded[n] for n in _CHANGED}))


def _rows(connection: Connection, inventory: str, paths: Collection[str]) -> Iterator[tuple[str, Row]]:
    """The rows of paths as they are stored, each as it is read: nothing is taken for what it should be."""
    if not has_table(connection, path_memories):
        return
    columns = (stored(path_memories.c.path), stored(path_memories.c.content), stored(path_memories.c.seal))
    of_inventory = select(*columns).where(path_memories.c.inventory == inventory)
    if len(paths) > _MOST_NAMED:
        yield from _of(connection.execute(of_inventory), paths)
        return
    named = sorted(paths)
    for part in (named[start : start + _PART] for start in range(0, len(named), _PART)):
        yield from _of(connection.execute(of_inventory.where(path_memories.c.path.in_(part))), part)


def _of(rows: Result[object, object, object], paths: Collection[str]) -> Iterator[tuple[str, Row]]:
    wanted = frozenset(paths)
    return ((path, (content, seal)) for path, content, seal in rows if isinstance(path, str) and path in wanted)


def _memory(place: StatePlace, path: str, row: Row | None) -> Document | None:
    """What a row remembers; None where there is none, or none of this program's of this path."""
    return _document(place, *row, partial(_memory_message, place.inventory, path)) if row else None


def _memory_message(inventory: str, path: str, text: str) -> str:
    """What is sealed: neither an inventory's id nor a path has the character that ends a line."""
    return f"memory\n{inventory}\n{path}\n{text}"


# --- references -----------------------------------------------------------------------------------


def read_references(place: StatePlace, paths: Collection[str]) -> ReadReferences:
    """The references of paths; nothing is made, and there are none where no history is.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    database = open_database(place, create=False)
    if database is None:
        return ReadReferences()
    with closing(database), database.reading() as connection:
        return (
            _read(connection, place, frozenset(paths)) if has_table(connection, view_references) else ReadReferences()
        )


def add_references(place: StatePlace, accepted: Mapping[str, Document], at: datetime) -> None:
    """Add what was accepted of paths, all of it or nothing.

    Args:
        place: where the history is, with the keys that seal it.
        accepted: by path, all its references as they are from now on.
        at: when.

    Raises:
        StateError: it cannot be written.
    """
    database = made_database(place)
    with closing(database), database.writing() as connection:
        own = view_references.c.inventory == place.inventory
        highest = connection.execute(select(func.max(view_references.c.number)).where(own)).scalar() or 0
        rows = []
        for number, (path, document) in enumerate(sorted(accepted.items()), highest + 1):
            text = canonical(document)
            seal = place.keys.seal(_reference_message(place.inventory, number, path, text))
            rows.append({"inventory": place.inventory, "number": number, "path": path, "at": at})
            rows[-1] |= {"content": text, "seal": seal}
        if rows:
            connection.execute(insert(view_references), rows)


def _read(connection: Connection, place: StatePlace, wanted: frozenset[str]) -> ReadReferences:
    table = view_references
    own = table.c.inventory == place.inventory
    newest = select(func.max(table.c.number)).where(own).group_by(table.c.path)
    if len(wanted) <= _PART:
        newest = newest.where(table.c.path.in_(sorted(wanted)))
    columns = (stored(table.c.number), stored(table.c.path), stored(table.c.content), stored(table.c.seal))
    documents: dict[str, Document] = {}
    unread: list[str] = []
    for number, path, content, seal in connection.execute(select(*columns).where(own, table.c.number.in_(newest))):
        if not isinstance(path, str) or path not in wanted:
            continue
        document = None
        if isinstance(number, int):
            document = _document(place, content, seal, partial(_reference_message, place.inventory, number, path))
        if document is None:
            unread.append(path)
        else:
            documents[path] = document
    return ReadReferences(documents, tuple(sorted(unread)))


def _reference_message(inventory: str, number: int, path: str, text: str) -> str:
    return canonical(["references", inventory, number, path, text])


# --- both -----------------------------------------------------------------------------------------


def _document(place: StatePlace, content: object, seal: object, message: Callable[[str], str]) -> Document | None:
    """What a row says; None where it is no row of this program's.

    Args:
        place: has the keys.
        content: the row's, as it is stored.
        seal: the same.
        message: makes the sealed text of the content.
    """
    if not (isinstance(content, str) and isinstance(seal, str)) or len(content) > LARGEST:
        return None
    try:
        document = orjson.loads(content) if place.keys.vouch_for(seal, message(content)) else None
    except ValueError:  # no JSON, or half of a character, which no text of ours has
        return None
    return document if isinstance(document, dict) else None
