"""What each receiver of notices was told last: one row a receiver, replaced when it has taken the next notice.

Beside the chain and no part of it, as memories of paths are. A row that this program did not write is nothing: then a
receiver is told all of it again, which is better than nothing.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from provisioner.base.json_document import Document
from provisioner.history.database import has_table, made_database, open_database
from provisioner.history.place import StatePlace
from provisioner.history.records import canonical
from provisioner.history.tables import notices, stored

LARGEST: Final = 64 * 1024 * 1024
"""What a receiver was told of a whole country that is down takes less."""


@dataclass(frozen=True, slots=True)
class ReadNotices:
    """What receivers were told last, by their ids; `unread` are those whose row this program did not write."""

    documents: Mapping[str, Document] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


def read_notices(place: StatePlace, receivers: Collection[str]) -> ReadNotices:
    """What receivers were told last; nothing is made, and there is nothing where no history is.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    database = open_database(place, create=False)
    if database is None:
        return ReadNotices()
    with closing(database), database.reading() as connection:
        rows = _rows(connection, place) if has_table(connection, notices) else {}
    documents = {name: _document(place, name, *rows[name]) for name in receivers if name in rows}
    unread = tuple(sorted(name for name, document in documents.items() if document is None))
    return ReadNotices({name: one for name, one in documents.items() if one is not None}, unread)


def keep_notice(place: StatePlace, receiver: str, document: Document, at: datetime) -> None:
    """Replace what a receiver was told.

    Raises:
        StateError: it cannot be written; then it is told the same again.
    """
    database = made_database(place)
    packed = zlib.compress(canonical(document).encode())
    seal = place.keys.seal(_message(place.inventory, receiver, packed))
    row = {"inventory": place.inventory, "receiver": receiver, "at": at, "packed": packed, "seal": seal}
    own = notices.c.inventory == place.inventory, notices.c.receiver == receiver
    with closing(database), database.writing() as connection:
        connection.execute(delete(notices).where(*own))
        connection.execute(insert(notices).values(**row))


def _rows(connection: Connection, place: StatePlace) -> dict[str, tuple[object, object]]:
    columns = stored(notices.c.receiver), stored(notices.c.packed), stored(notices.c.seal)
    query = select(*columns).where(notices.c.inventory == place.inventory)
    return {name: (packed, seal) for name, packed, seal in connection.execute(query) if isinstance(name, str)}


def _document(place: StatePlace, receiver: str, packed: object, seal: object) -> Document | None:
    """What a row says; None where it is no row of this program's."""
    if not (isinstance(packed, bytes) and isinstance(seal, str)):
        return None
    try:
        message = _message(place.inventory, receiver, packed)
        if not place.keys.vouch_for(seal, message):
            return None
        opened = zlib.decompressobj()
        document = json.loads(opened.decompress(packed, LARGEST))
    except (zlib.error, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _message(inventory: str, receiver: str, packed: bytes) -> str:
    return canonical(["notice", inventory, receiver, hashlib.sha256(packed).hexdigest()])
