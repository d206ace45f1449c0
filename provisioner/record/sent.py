"""Notices sent to receivers, and states of followed commits.

One row a receiver, replaced when it has taken the next notice, and one row a commit, for all agents that share a
history. Both are beside the chain and no part of it: the record of runs says what was done to hosts. A row that this
program did not write, or that cannot be understood, does not count: a receiver is told all of it again, and a commit is
judged anew.
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

from provisioner.base.text import Document, printable
from provisioner.record.database import has_table, made_database, open_database
from provisioner.record.entries import canonical
from provisioner.record.place import StatePlace
from provisioner.record.tables import commit_states, notices, stored

LARGEST: Final = 64 * 1024 * 1024
"""What a receiver was told of a whole country that is down takes less."""
MOST: Final = 300
"""So many commits are read, the newest words first, and beside them what counts however many came after."""
_MOST_FAILED: Final = 50
_FAILED: Final = canonical({"state": "failed"}).strip("{}")
"""As it stands in a row's content, where no reason can say it: a quote in a text is written with a backslash."""
REACHED: Final = "reached"
_LONGEST_TEXT: Final = 1000
_TEXTS: Final = ("state", "cause", "reason", "rules", "signer", "run", "within", "proof")


@dataclass(frozen=True, slots=True)
class ReadNotices:
    """What receivers were told last, by their ids; `unread` are those whose row this program did not write."""

    documents: Mapping[str, Document] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CommitRow:
    """What is kept of a commit.

    Attributes:
        state: `reached`, `refused`, `waiting` or `failed`.
        at: since when.
        cause: why it is not reached; empty where it is.
        reason: the same in a sentence.
        rules: the digest of the agent's configuration by which it was judged.
        signer: whose signature counted.
        run: the run that brought hosts there; empty where none had to.
        within: the newer commit with which it was reached; empty where by itself.
        proof: what the verification after it came to.
        stuck: hosts whose drift from it could not be corrected.
        held: the facilities of it whose own files have errors: hosts keep what they have of them.
        due: who has still to be told of it: `notes`, `forge`.
    """

    commit: str
    state: str
    at: datetime
    cause: str = ""
    reason: str = ""
    rules: str = ""
    signer: str = ""
    run: str = ""
    within: str = ""
    proof: str = ""
    stuck: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    due: tuple[str, ...] = field(default=(), compare=False)

    @property
    def document(self) -> Document:
        """All of it, but for its moment and who has still to be told."""
        texts: Document = {name: getattr(self, name) for name in _TEXTS}
        return texts | {"commit": self.commit, "stuck": list(self.stuck), "held": list(self.held)}


# --- notices ---------------------------------------------------------------------------------------


def read_notices(place: StatePlace, receivers: Collection[str]) -> ReadNotices:
    """What receivers were told last; nothing is made, and there is nothing where no history is.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    database = open_database(place, create=False)
    if database is None:
        return ReadNotices()
    with closing(database), database.reading() as connection:
        rows = _notice_rows(connection, place) if has_table(connection, notices) else {}
    documents = {name: _notice_document(place, name, *rows[name]) for name in receivers if name in rows}
    unread = tuple(sorted(name for name, document in documents.items() if document is None))
    return ReadNotices({name: one for name, one in documents.items() if one is not None}, unread)


def keep_notice(place: StatePlace, receiver: str, document: Document, at: datetime) -> None:
    """Replace what a receiver was told.

    Raises:
        StateError: it cannot be written; then it is told the same again.
    """
    database = made_database(place)
    packed = zlib.compress(canonical(document).encode())
    seal = place.keys.seal(_seal_message(place.inventory, receiver, packed))
    row = {"inventory": place.inventory, "receiver": receiver, "at": at, "packed": packed, "seal": seal}
    own = notices.c.inventory == place.inventory, notices.c.receiver == receiver
    with closing(database), database.writing() as connection:
        connection.execute(delete(notices).where(*own))
        connection.execute(insert(notices).values(**row))


def _notice_rows(connection: Connection, place: StatePlace) -> dict[str, tuple[object, object]]:
    columns = stored(notices.c.receiver), stored(notices.c.packed), stored(notices.c.seal)
    query = select(*columns).where(notices.c.inventory == place.inventory)
    return {name: (packed, seal) for name, packed, seal in connection.execute(query) if isinstance(name, str)}


def _notice_document(place: StatePlace, receiver: str, packed: object, seal: object) -> Document | None:
    """What a row says; None where it is no row of this program's."""
    if not (isinstance(packed, bytes) and isinstance(seal, str)):
        return None
    try:
        message = _seal_message(place.inventory, receiver, packed)
        if not place.keys.vouch_for(seal, message):
            return None
        opened = zlib.decompressobj()
        document = json.loads(opened.decompress(packed, LARGEST))
    except (zlib.error, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _seal_message(inventory: str, receiver: str, packed: bytes) -> str:
    return canonical(["notice", inventory, receiver, hashlib.sha256(packed).hexdigest()])


# --- states of commits -----------------------------------------------------------------------------


def read_commit_states(place: StatePlace) -> tuple[CommitRow, ...]:
    """What became of commits, the newest word first; nothing is made, and nothing is there where no history is.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    database = open_database(place, create=False)
    if database is None:
        return ()
    with closing(database), database.reading() as connection:
        if not has_table(connection, commit_states):
            return ()
        table = commit_states.c
        columns = stored(table.revision), table.at, stored(table.content)
        query = select(*columns).where(table.inventory == place.inventory).order_by(table.at.desc(), table.revision)
        newest = [_commit_row(*row) for row in connection.execute(query.limit(MOST))]
        # However many came after it that were refused: what was reached is what all others are held against.
        reached = [_commit_row(*row) for row in connection.execute(query.where(table.by_itself).limit(1))]
        # And what failed is not to be tried again.
        has_failed = table.content.contains(_FAILED, autoescape=True)
        failed = [_commit_row(*row) for row in connection.execute(query.where(has_failed).limit(_MOST_FAILED))]
    rows = {row.commit: row for row in (*newest, *reached, *failed) if row is not None}
    return tuple(rows.values())


def reached_last(rows: Collection[CommitRow]) -> CommitRow | None:
    """The commit that was reached last by itself; None where none was."""
    reached = [row for row in rows if row.state == REACHED and not row.within]
    return max(reached, key=lambda row: row.at, default=None)


def keep_commit_states(place: StatePlace, rows: Collection[CommitRow]) -> None:
    """Write what became of commits, all of it or nothing; of each its row is replaced.

    Raises:
        StateError: it cannot be written.
    """
    database = made_database(place)
    with closing(database), database.writing() as connection:
        for row in rows:
            _replace_commit(connection, place.inventory, row)


def _replace_commit(connection: Connection, inventory: str, row: CommitRow) -> None:
    own = commit_states.c.inventory == inventory, commit_states.c.revision == row.commit
    connection.execute(delete(commit_states).where(*own))
    content = canonical(row.document | {"due": list(row.due)})
    values = {"revision": row.commit, "at": row.at, "by_itself": row.state == REACHED and not row.within}
    connection.execute(insert(commit_states).values(inventory=inventory, content=content, **values))


def _commit_row(commit: object, at: datetime | None, content: object) -> CommitRow | None:
    """A row; None for one that this program did not write."""
    try:
        document = json.loads(content) if isinstance(content, str) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, Mapping) or not isinstance(commit, str) or at is None:
        return None
    texts = {name: printable(str(document.get(name, "")), _LONGEST_TEXT) for name in _TEXTS}
    stuck, held, due = (_names(document, name) for name in ("stuck", "held", "due"))
    return CommitRow(printable(commit, 64), at=at, **texts, stuck=stuck, held=held, due=due)


def _names(document: Mapping[str, object], name: str) -> tuple[str, ...]:
    listed = document.get(name)
    return tuple(printable(one, 64) for one in listed if isinstance(one, str)) if isinstance(listed, list) else ()
