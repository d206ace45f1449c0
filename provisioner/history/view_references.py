"""The references that people accepted, by path: rows are only added, and what a path's newest row says holds.

Each row names the run that took it, which the chain vouches for and which says who it was, and has a seal of its own
where the vault is open: a reference that nobody accepted would hide that a camera was moved.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, func, insert, select

from provisioner.base.json_document import Document
from provisioner.history.database import has_table, made_database, open_database
from provisioner.history.place import StatePlace
from provisioner.history.records import canonical
from provisioner.history.tables import stored, view_references

LARGEST: Final = 64 * 1024
"""References of more letters are none of ours."""
_NAMED: Final = 1_000


@dataclass(frozen=True, slots=True)
class ReadReferences:
    """What was accepted of paths, by their names; `unread` are those whose newest row this program did not write."""

    documents: Mapping[str, Document] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


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
            seal = place.keys.seal(_message(place.inventory, number, path, text))
            rows.append({"inventory": place.inventory, "number": number, "path": path, "at": at})
            rows[-1] |= {"content": text, "seal": seal}
        if rows:
            connection.execute(insert(view_references), rows)


def _read(connection: Connection, place: StatePlace, wanted: frozenset[str]) -> ReadReferences:
    table = view_references
    own = table.c.inventory == place.inventory
    newest = select(func.max(table.c.number)).where(own).group_by(table.c.path)
    if len(wanted) <= _NAMED:
        newest = newest.where(table.c.path.in_(sorted(wanted)))
    columns = (stored(table.c.number), stored(table.c.path), stored(table.c.content), stored(table.c.seal))
    documents: dict[str, Document] = {}
    unread: list[str] = []
    for number, path, content, seal in connection.execute(select(*columns).where(own, table.c.number.in_(newest))):
        if not isinstance(path, str) or path not in wanted:
            continue
        document = _document(place, number, path, content, seal)
        if document is None:
            unread.append(path)
        else:
            documents[path] = document
    return ReadReferences(documents, tuple(sorted(unread)))


def _document(place: StatePlace, number: object, path: str, content: object, seal: object) -> Document | None:
    """What a row says; None where it is no row of this program's, of this path and this place."""
    if not (isinstance(content, str) and isinstance(seal, str) and isinstance(number, int)) or len(content) > LARGEST:
        return None
    message = _message(place.inventory, number, path, content)
    try:
        if not place.keys.vouch_for(seal, message):
            return None
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _message(inventory: str, number: int, path: str, text: str) -> str:
    return canonical(["references", inventory, number, path, text])
