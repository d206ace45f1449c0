"""Memories of paths, and references that people accepted (docs/internals/records.md).

A forged reference would hide a moved camera, so its row names a run, which the chain proves with its user. Functions
raise `StateError` if the history cannot be read or written.
"""

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

from provisioner.base.text import Document, canonical_json, canonical_text
from provisioner.record.database import Database, has_table, made_database, open_database
from provisioner.record.state_folder import StateFolder
from provisioner.record.tables import path_memories, stored, view_references

LARGEST: Final = 64 * 1024  #: The most letters of a memory or of references.
FORGOTTEN_AFTER: Final = timedelta(days=400)  #: A path without a check for so long is forgotten.

# Rows are asked for by name, some at a time; of very many the whole inventory's are read, in one pass.
_PART: Final = 1_000
_MOST_NAMED: Final = 20_000
_KEY, _CHANGED = ("inventory", "path"), ("at", "content", "seal")

Row = tuple[object, object]  #: A row's stored content and seal.

#: Makes a path's new memory from its name and the old memory, if any.
Change = Callable[[str, Document | None], Document]


class _Made(NamedTuple):
    content: str
    seal: str


@dataclass(frozen=True, slots=True)
class ReadReferences:
    """References by path; `unread` lists paths whose newest row was rejected."""

    documents: Mapping[str, Document] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


# --- memories --------------------------------------------------------------------------------------
def each_memory(folder: StateFolder, paths: Collection[str]) -> Iterator[tuple[str, Document | None]] | None:
    """Yield memories on demand; a rejected row gives `None`."""
    database = open_database(folder, create=False)
    return None if database is None else _each(database, folder, paths)


def _each(database: Database, folder: StateFolder, paths: Collection[str]) -> Iterator[tuple[str, Document | None]]:
    with closing(database), database.reading() as connection:
        for path, row in _memory_rows(connection, folder.inventory, paths):
            yield path, _memory(folder, path, row)


def remember_paths(folder: StateFolder, paths: Collection[str], change: Change, at: datetime) -> None:
    """Change the memories of all paths or none.

    Writes by other commands in the meantime are kept, so `change` may be called twice for one path. Paths without a
    check for `FORGOTTEN_AFTER` are forgotten.
    """
    database = made_database(folder)
    with closing(database):
        # A country's memories take seconds to be made: others can write until they are.
        made, before = dict[str, _Made](), dict[str, bytes]()
        with database.reading() as connection:
            for path, row in _memory_rows(connection, folder.inventory, paths):
                before[path] = _row_hash(row)
                made[path] = _made(folder, path, change(path, _memory(folder, path, row)))
        for path in paths:
            if path not in made:
                made[path] = _made(folder, path, change(path, None))
        with database.writing() as connection:
            for path, row in _memory_rows(connection, folder.inventory, paths):
                if _row_hash(row) != before.get(path):
                    made[path] = _made(folder, path, change(path, _memory(folder, path, row)))
            upsert, rows = _upsert(connection), iter(made.items())
            while some := list(islice(rows, _PART)):
                connection.execute(upsert, [_row(folder, path, of_path, at) for path, of_path in some])
            old = path_memories.c.inventory == folder.inventory, path_memories.c.at < at - FORGOTTEN_AFTER
            connection.execute(delete(path_memories).where(*old))


def _made(folder: StateFolder, path: str, document: Document) -> _Made:
    text = canonical_json(document).decode()
    return _Made(text, folder.keys.seal(_memory_message(folder.inventory, path, text)))


def _row_hash(row: Row) -> bytes:
    """Return a row's hash, which needs less memory than the row."""
    return hashlib.sha256(repr(row).encode(errors="surrogatepass")).digest()


def _row(folder: StateFolder, path: str, made: _Made, at: datetime) -> dict[str, object]:
    return {"inventory": folder.inventory, "path": path, "at": at, "content": made.content, "seal": made.seal}


def _upsert(connection: Connection) -> Insert:
    # The database's dialect is already loaded; importing both would slow each command.
    row = import_module(f"sqlalchemy.dialects.{connection.dialect.name}").insert(path_memories)
    return cast("Insert", row.on_conflict_do_update(index_elements=_KEY, set_={n: row.excluded[n] for n in _CHANGED}))


def _memory_rows(connection: Connection, inventory: str, paths: Collection[str]) -> Iterator[tuple[str, Row]]:
    """Yield the stored, untyped rows of paths as they are read."""
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


def _memory(folder: StateFolder, path: str, row: Row | None) -> Document | None:
    return _document(folder, *row, partial(_memory_message, folder.inventory, path)) if row else None


def _memory_message(inventory: str, path: str, text: str) -> str:
    """Return the sealed text; ids and paths contain no newline."""
    return f"memory\n{inventory}\n{path}\n{text}"


# --- references -----------------------------------------------------------------------------------
def read_references(folder: StateFolder, paths: Collection[str]) -> ReadReferences:
    """Return the references of paths; empty without a history."""
    database = open_database(folder, create=False)
    if database is None:
        return ReadReferences()
    with closing(database), database.reading() as connection:
        return (
            _read_references(connection, folder, frozenset(paths))
            if has_table(connection, view_references)
            else ReadReferences()
        )


def add_references(folder: StateFolder, accepted: Mapping[str, Document], at: datetime) -> None:
    """Add accepted references, all or none; a path's new ones count."""
    database = made_database(folder)
    with closing(database), database.writing() as connection:
        condition = view_references.c.inventory == folder.inventory
        highest = connection.execute(select(func.max(view_references.c.number)).where(condition)).scalar() or 0
        rows = []
        for number, (path, document) in enumerate(sorted(accepted.items()), highest + 1):
            text = canonical_text(document)
            seal = folder.keys.seal(_reference_message(folder.inventory, number, path, text))
            rows.append({"inventory": folder.inventory, "number": number, "path": path, "at": at})
            rows[-1] |= {"content": text, "seal": seal}
        if rows:
            connection.execute(insert(view_references), rows)


def _read_references(connection: Connection, folder: StateFolder, wanted: frozenset[str]) -> ReadReferences:
    table = view_references
    condition = table.c.inventory == folder.inventory
    newest = select(func.max(table.c.number)).where(condition).group_by(table.c.path)
    if len(wanted) <= _PART:
        newest = newest.where(table.c.path.in_(sorted(wanted)))
    columns = (stored(table.c.number), stored(table.c.path), stored(table.c.content), stored(table.c.seal))
    documents: dict[str, Document] = {}
    unread: list[str] = []
    for number, path, content, seal in connection.execute(
        select(*columns).where(condition, table.c.number.in_(newest))
    ):
        if not isinstance(path, str) or path not in wanted:
            continue
        document = None
        if isinstance(number, int):
            document = _document(folder, content, seal, partial(_reference_message, folder.inventory, number, path))
        if document is None:
            unread.append(path)
        else:
            documents[path] = document
    return ReadReferences(documents, tuple(sorted(unread)))


def _reference_message(inventory: str, number: int, path: str, text: str) -> str:
    return canonical_text(["references", inventory, number, path, text])


# --- both -----------------------------------------------------------------------------------------
def _document(folder: StateFolder, content: object, seal: object, message: Callable[[str], str]) -> Document | None:
    """Return a row's document, or `None` for a rejected row."""
    if not (isinstance(content, str) and isinstance(seal, str)) or len(content) > LARGEST:
        return None
    try:
        document = orjson.loads(content) if folder.keys.vouch_for(seal, message(content)) else None
    except ValueError:  # no JSON, or half of a character, which no text of ours has
        return None
    return document if isinstance(document, dict) else None
