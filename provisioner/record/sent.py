"""Notices sent to receivers, and states of followed commits.

All agents that share a history have one row per receiver and one per commit, beside the chain, which records changes of
hosts. A malformed row, or one from another writer, does not count: the receiver gets everything again, and the commit
is judged anew.

Functions raise `StateError` if the history cannot be read or written.
"""

import hashlib
import json
import zlib
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from provisioner.base.document import Moment
from provisioner.base.text import Document, canonical_text, printable
from provisioner.record.database import has_table, made_database, open_database
from provisioner.record.state_folder import StateFolder
from provisioner.record.tables import commit_states, notices, stored

LARGEST: Final = 64 * 1024 * 1024  #: More than a notice about a whole country that is down.
MOST: Final = 300  #: The number of newest commits that are read, beside those that always count.
_MOST_FAILED: Final = 50
#: A failed row's text; no reason can contain it, because JSON escapes quotes.
_FAILED: Final = canonical_text({"state": "failed"}).strip("{}")
REACHED: Final = "reached"
_LONGEST_TEXT: Final = 1000
_TEXTS: Final = ("state", "cause", "reason", "rules", "signer", "run", "within", "proof")


@dataclass(frozen=True, slots=True)
class ReadNotices:
    """Each receiver's last notice; `unread` lists receivers with a rejected row."""

    documents: Mapping[str, Document] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRow:
    """The state of a commit."""

    state: str  #: `reached`, `refused`, `waiting` or `failed`.
    cause: str = ""  #: Why the commit is not reached, or empty.
    reason: str = ""  #: The cause in a sentence.
    rules: str = ""  #: The digest of the agent's configuration that judged it.
    signer: str = ""
    run: str = ""  #: The run that brought hosts there; empty if no change was needed.
    within: str = ""  #: The newer commit that included it; empty if reached by itself.
    proof: str = ""  #: The result of the verification afterwards.
    commit: str
    stuck: tuple[str, ...] = ()  #: Hosts whose drift from it could not be corrected.
    held: tuple[str, ...] = ()  #: Frozen facilities: their own files have errors, so hosts keep what they have.
    at: Moment  #: The start of the state.
    due: tuple[str, ...] = field(default=(), compare=False)  #: Receivers still to notify: `notes`, `forge`.

    @property
    def document(self) -> Document:
        """The row without its time and the receivers still to notify."""
        texts: Document = {name: getattr(self, name) for name in _TEXTS}
        return texts | {"commit": self.commit, "stuck": list(self.stuck), "held": list(self.held)}


# --- notices ---------------------------------------------------------------------------------------
def read_notices(folder: StateFolder, receivers: Collection[str]) -> ReadNotices:
    """Return the last notice of each receiver; empty without a history."""
    database = open_database(folder, create=False)
    if database is None:
        return ReadNotices()
    with closing(database), database.reading() as connection:
        rows = _notice_rows(connection, folder) if has_table(connection, notices) else {}
    documents = {name: _notice_document(folder, name, *rows[name]) for name in receivers if name in rows}
    unread = tuple(sorted(name for name, document in documents.items() if document is None))
    return ReadNotices({name: notice for name, notice in documents.items() if notice is not None}, unread)


def keep_notice(folder: StateFolder, receiver: str, document: Document, at: datetime) -> None:
    """Replace a receiver's last notice; after a failure it is repeated."""
    database = made_database(folder)
    packed = zlib.compress(canonical_text(document).encode())
    seal = folder.keys.seal(_seal_message(folder.inventory, receiver, packed))
    row = {"inventory": folder.inventory, "receiver": receiver, "at": at, "packed": packed, "seal": seal}
    conditions = notices.c.inventory == folder.inventory, notices.c.receiver == receiver
    with closing(database), database.writing() as connection:
        connection.execute(delete(notices).where(*conditions))
        connection.execute(insert(notices).values(**row))


def _notice_rows(connection: Connection, folder: StateFolder) -> dict[str, tuple[object, object]]:
    columns = stored(notices.c.receiver), stored(notices.c.packed), stored(notices.c.seal)
    query = select(*columns).where(notices.c.inventory == folder.inventory)
    return {name: (packed, seal) for name, packed, seal in connection.execute(query) if isinstance(name, str)}


def _notice_document(folder: StateFolder, receiver: str, packed: object, seal: object) -> Document | None:
    if not (isinstance(packed, bytes) and isinstance(seal, str)):
        return None
    try:
        message = _seal_message(folder.inventory, receiver, packed)
        if not folder.keys.vouch_for(seal, message):
            return None
        document = json.loads(zlib.decompressobj().decompress(packed, LARGEST))
    except (zlib.error, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _seal_message(inventory: str, receiver: str, packed: bytes) -> str:
    return canonical_text(["notice", inventory, receiver, hashlib.sha256(packed).hexdigest()])


# --- states of commits -----------------------------------------------------------------------------
def read_commit_states(folder: StateFolder) -> tuple[CommitRow, ...]:
    """Return the states of commits, latest first; empty without a history."""
    database = open_database(folder, create=False)
    if database is None:
        return ()
    with closing(database), database.reading() as connection:
        if not has_table(connection, commit_states):
            return ()
        table = commit_states.c
        columns = stored(table.revision), table.at, stored(table.content)
        query = select(*columns).where(table.inventory == folder.inventory).order_by(table.at.desc(), table.revision)
        newest = [_commit_row(*row) for row in connection.execute(query.limit(MOST))]
        # The reached commit is compared with all others, however many refused ones came after it.
        reached = [_commit_row(*row) for row in connection.execute(query.where(table.by_itself).limit(1))]
        # And what failed is not to be tried again.
        has_failed = table.content.contains(_FAILED, autoescape=True)
        failed = [_commit_row(*row) for row in connection.execute(query.where(has_failed).limit(_MOST_FAILED))]
    rows = {row.commit: row for row in (*newest, *reached, *failed) if row is not None}
    return tuple(rows.values())


def reached_last(rows: Collection[CommitRow]) -> CommitRow | None:
    """Return the commit that was last reached by itself, or `None`."""
    reached = [row for row in rows if row.state == REACHED and not row.within]
    return max(reached, key=lambda row: row.at, default=None)


def keep_commit_states(folder: StateFolder, rows: Collection[CommitRow]) -> None:
    """Replace the rows of commits, all or none."""
    database = made_database(folder)
    with closing(database), database.writing() as connection:
        for row in rows:
            conditions = commit_states.c.inventory == folder.inventory, commit_states.c.revision == row.commit
            connection.execute(delete(commit_states).where(*conditions))
            content = canonical_text(row.document | {"due": list(row.due)})
            values = {"revision": row.commit, "at": row.at, "by_itself": row.state == REACHED and not row.within}
            connection.execute(insert(commit_states).values(inventory=folder.inventory, content=content, **values))


def _commit_row(commit: object, at: datetime | None, content: object) -> CommitRow | None:
    try:
        document = json.loads(content) if isinstance(content, str) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, Mapping) or not isinstance(commit, str) or at is None:
        return None
    texts = {name: printable(str(document.get(name, "")), _LONGEST_TEXT) for name in _TEXTS}
    stuck, frozen, receivers = (_names(document, name) for name in ("stuck", "held", "due"))
    return CommitRow(commit=printable(commit, 64), at=at, **texts, stuck=stuck, held=frozen, due=receivers)


def _names(document: Mapping[str, object], name: str) -> tuple[str, ...]:
    listed = document.get(name)
    return tuple(printable(entry, 64) for entry in listed if isinstance(entry, str)) if isinstance(listed, list) else ()
