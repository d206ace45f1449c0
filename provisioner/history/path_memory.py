"""What is remembered of paths between verifications: one row a path, replaced when the path was looked at again.

Beside the chain and no part of it: nothing of it says what a run did. Each row has a seal of its own where the vault is
open, so that a row that somebody else wrote, or one of another path, is not taken for a memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Insert, Result, Select, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from provisioner.base.json_document import Document
from provisioner.history.database import has_table, open_database
from provisioner.history.place import StatePlace
from provisioner.history.records import canonical
from provisioner.history.seal import RecordKeys, SealVerdict
from provisioner.history.tables import path_memories, stored

LARGEST: Final = 64 * 1024
"""A memory of more letters is none of ours."""
FORGOTTEN_AFTER: Final = timedelta(days=400)
"""A path that nobody looked at for so long is forgotten."""

# Few paths are named one by one; of many the whole inventory's rows are read, in one pass.
_NAMED: Final = 1_000
_POSTGRESQL: Final = "postgresql"
_KEY, _CHANGED = ("inventory", "path"), ("at", "content", "seal")

Change = Callable[[str, Document | None], Document]
"""What is to be remembered of a path, by its name and by what was; None where that is nothing."""


@dataclass(frozen=True, slots=True)
class ReadMemories:
    """What is remembered of paths, by their names; `unread` are those whose row is none that this program wrote."""

    documents: Mapping[str, Document] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


def read_memories(place: StatePlace, paths: Collection[str]) -> ReadMemories:
    """What is remembered of paths; nothing is made, and nothing is remembered where no history is.

    Args:
        place: where the history is, with the keys that seal it.
        paths: their names.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    database = open_database(place, create=False)
    if database is None:
        return ReadMemories()
    with closing(database), database.reading() as connection:
        return _read(connection, place, paths) if has_table(connection, path_memories) else ReadMemories()


def remember_paths(place: StatePlace, paths: Collection[str], change: Change, at: datetime) -> None:
    """Change what is remembered of paths, all of them or none; what other commands write meanwhile is not lost.

    Args:
        place: where the history is, with the keys that seal it; what is missing is made.
        paths: their names.
        change: makes each one's new memory out of the one that is there.
        at: now; paths that were not looked at for long are forgotten.

    Raises:
        StateError: it cannot be written.
    """
    database = open_database(place, create=True)
    if database is None:
        raise TypeError("a database that may be made is there")
    with closing(database), database.writing() as connection:
        known = _read(connection, place, paths).documents
        texts = {path: canonical(change(path, known.get(path))) for path in paths}
        rows = [_row(place, path, text, at) for path, text in texts.items()]
        if rows:
            connection.execute(_upsert(connection), rows)
        old = path_memories.c.inventory == place.inventory, path_memories.c.at < at - FORGOTTEN_AFTER
        connection.execute(delete(path_memories).where(*old))


def _row(place: StatePlace, path: str, text: str, at: datetime) -> dict[str, object]:
    seal = place.keys.seal(_message(place.inventory, path, text))
    return {"inventory": place.inventory, "path": path, "at": at, "content": text, "seal": seal}


def _upsert(connection: Connection) -> Insert:
    if connection.dialect.name == _POSTGRESQL:
        in_server = postgresql.insert(path_memories)
        return in_server.on_conflict_do_update(index_elements=_KEY, set_={n: in_server.excluded[n] for n in _CHANGED})
    in_file = sqlite.insert(path_memories)
    return in_file.on_conflict_do_update(index_elements=_KEY, set_={n: in_file.excluded[n] for n in _CHANGED})


def _read(connection: Connection, place: StatePlace, paths: Collection[str]) -> ReadMemories:
    documents: dict[str, Document] = {}
    unread: list[str] = []
    wanted = frozenset(paths)
    for path, content, seal in _rows(connection, place.inventory, sorted(wanted)):
        if not isinstance(path, str) or path not in wanted:
            continue
        document = _document(place, path, content, seal)
        if document is None:
            unread.append(path)
        else:
            documents[path] = document
    return ReadMemories(documents, tuple(sorted(unread)))


def _rows(connection: Connection, inventory: str, paths: Sequence[str]) -> Result[object, object, object]:
    own = _select().where(path_memories.c.inventory == inventory)
    if len(paths) <= _NAMED:
        own = own.where(path_memories.c.path.in_(paths))
    return connection.execute(own)


def _select() -> Select[object, object, object]:
    return select(stored(path_memories.c.path), stored(path_memories.c.content), stored(path_memories.c.seal))


def _document(place: StatePlace, path: str, content: object, seal: object) -> Document | None:
    """What a row remembers; None where it is no row of this program's, of this path."""
    if not (isinstance(content, str) and isinstance(seal, str)) or len(content) > LARGEST:
        return None
    if not _is_own(place.keys, seal, _message(place.inventory, path, content)):
        return None
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _is_own(keys: RecordKeys, seal: str, message: str) -> bool:
    try:
        return keys.secret is None or keys.judge_seal(seal, message) is SealVerdict.GENUINE
    except UnicodeEncodeError:  # half of a character, which no text of ours has
        return False


def _message(inventory: str, path: str, text: str) -> str:
    return canonical(["memory", inventory, path, text])
