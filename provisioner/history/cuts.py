"""Up to which moment what is kept of runs has left, by the entries that say so.

Of an entry that is not by the vault's key, the walk along the chain says so; one with a false seal says nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import cast

from sqlalchemy import Connection, select

from provisioner.history.append import seals_of
from provisioner.history.records import Cut, EndedContent, EntryKind, Operation, cut_of, linked
from provisioner.history.rows import DAMAGE, entry_content
from provisioner.history.seal import Head, RecordKeys, SealVerdict
from provisioner.history.tables import entries, stored

_Entry = tuple[int, str, str, str, str]


def latest_cut(connection: Connection, inventory: str, keys: RecordKeys) -> Cut:
    """The latest moments of all entries that say that something left."""
    cuts = list(_cuts(connection, inventory, keys))
    documents = [cut.documents for cut in cuts if cut.documents]
    verdicts = [cut.verdicts for cut in cuts if cut.verdicts]
    return Cut(max(documents, default=None), max(verdicts, default=None))


def _cuts(connection: Connection, inventory: str, keys: RecordKeys) -> Iterator[Cut]:
    number, run, text = stored(entries.c.number), stored(entries.c.run), stored(entries.c.content)
    previous, name = stored(entries.c.previous), stored(entries.c.hash)
    kind = entries.c.operation == Operation.PRUNE.value, entries.c.step == EntryKind.ENDED.value
    query = select(number, run, text, previous, name).where(entries.c.inventory == inventory, *kind)
    for row in connection.execute(query):
        with suppress(*DAMAGE):
            content = entry_content(row[2], row[0])
            if _is_whole(connection, inventory, keys, cast("_Entry", tuple(row))):
                yield cut_of(cast("EndedContent", content))


def _is_whole(connection: Connection, inventory: str, keys: RecordKeys, entry: _Entry) -> bool:
    number, run, text, previous, name = entry
    seal, _ = seals_of(connection, inventory, number).get(number, ("", ""))
    sealed = keys.judge_seal(seal, Head(run, number, name).message(inventory))
    return sealed is not SealVerdict.FALSE and linked(previous, text) == name
