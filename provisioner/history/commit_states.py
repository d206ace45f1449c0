"""What became of each commit that an agent followed: one row a commit, for all agents that share a history.

Beside the chain and no part of it: what was done to hosts stands in the record of runs. A row that cannot be
understood is nothing, and then the commit is judged anew.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from provisioner.base.json_document import Document
from provisioner.base.printable import printable
from provisioner.history.database import has_table, made_database, open_database
from provisioner.history.place import StatePlace
from provisioner.history.records import canonical
from provisioner.history.tables import commit_states, stored

MOST: Final = 300
"""So many commits are read, the newest words first, and beside them what counts however many came after."""
_MOST_FAILED: Final = 50
_FAILED: Final = canonical({"state": "failed"}).strip("{}")
"""As it stands in a row's content, where no reason can say it: a quote in a text is written with a backslash."""
REACHED: Final = "reached"
_LONGEST: Final = 1000
_TEXTS: Final = ("state", "cause", "reason", "rules", "signer", "run", "within", "proof")


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
        newest = [_row(*row) for row in connection.execute(query.limit(MOST))]
        # However many came after it that were refused: what was reached is what all others are held against.
        reached = [_row(*row) for row in connection.execute(query.where(table.by_itself).limit(1))]
        # And what failed is not to be tried again.
        has_failed = table.content.contains(_FAILED, autoescape=True)
        failed = [_row(*row) for row in connection.execute(query.where(has_failed).limit(_MOST_FAILED))]
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
            _replace(connection, place.inventory, row)


def _replace(connection: Connection, inventory: str, row: CommitRow) -> None:
    own = commit_states.c.inventory == inventory, commit_states.c.revision == row.commit
    connection.execute(delete(commit_states).where(*own))
    content = canonical(row.document | {"due": list(row.due)})
    values = {"revision": row.commit, "at": row.at, "by_itself": row.state == REACHED and not row.within}
    connection.execute(insert(commit_states).values(inventory=inventory, content=content, **values))


def _row(commit: object, at: datetime | None, content: object) -> CommitRow | None:
    """A row; None for one that this program did not write."""
    try:
        document = json.loads(content) if isinstance(content, str) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, Mapping) or not isinstance(commit, str) or at is None:
        return None
    texts = {name: printable(str(document.get(name, "")), _LONGEST) for name in _TEXTS}
    stuck, held, due = (_names(document, name) for name in ("stuck", "held", "due"))
    return CommitRow(printable(commit, 64), at=at, **texts, stuck=stuck, held=held, due=due)


def _names(document: Mapping[str, object], name: str) -> tuple[str, ...]:
    listed = document.get(name)
    return tuple(printable(one, 64) for one in listed if isinstance(one, str)) if isinstance(listed, list) else ()
