"""One entry more at the end of the chain, sealed; and entries as others keep them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import Connection, insert, select

from provisioner.history.database import has_table
from provisioner.history.place import StatePlace
from provisioner.history.records import BegunContent, EndedContent, EntryKind, Run, canonical, genesis, linked
from provisioner.history.rows import DAMAGE, DamagedRecordError, entry_name
from provisioner.history.seal import Head, RecordKeys, SealVerdict
from provisioner.history.tables import entries, seals, stored


@dataclass(frozen=True, slots=True)
class Entry:
    """What is appended: of which run, which of its entries, when, and what it says."""

    run: Run
    step: EntryKind
    at: datetime
    content: BegunContent | EndedContent


def append(connection: Connection, place: StatePlace, entry: Entry) -> Head:
    """Append an entry to an inventory's record: as others keep it.

    Args:
        connection: a transaction that no other writer overlaps.
        place: whose record, and the keys that seal it.
        entry: what is appended.

    Raises:
        DamagedRecordError: the newest entry is not as it was recorded: nothing is built on it.
    """
    last = _newest(connection, place)
    number, previous = (last.number + 1, last.hash) if last else (1, genesis(place.inventory))
    # The inventory's id stands in the entry, too: it cannot pass for one of another inventory's record.
    own = {"number": number, "history": place.inventory, "keyed": place.keys.secret is not None}
    text = canonical({**entry.content, **own})
    run = entry.run
    row = {"inventory": place.inventory, "number": number, "run": run.id, "step": entry.step.value, "at": entry.at}
    chained = {"content": text, "previous": previous, "hash": linked(previous, text)}
    connection.execute(insert(entries).values(**row, operation=run.operation.value, **chained))
    return _sealed(connection, place, Head(run.id, number, chained["hash"]))


def _sealed(connection: Connection, place: StatePlace, head: Head) -> Head:
    message = head.message(place.inventory)
    seal, signature = place.keys.seal(message), place.keys.sign(message)
    if seal or signature:
        own = {"inventory": place.inventory, "number": head.number}
        connection.execute(insert(seals).values(**own, seal=seal, signature=signature))
    return Head(head.run, head.number, head.hash, seal)


def _newest(connection: Connection, place: StatePlace) -> Head | None:
    """The newest entry, held against its hash and its seal.

    Raises:
        DamagedRecordError: it is not as it was recorded.
    """
    number = stored(entries.c.number)
    newest = select(number).where(entries.c.inventory == place.inventory).order_by(entries.c.number.desc()).limit(1)
    row = connection.execute(newest).first()
    if row is None:
        return None
    try:
        head = head_at(connection, place.inventory, cast("int", row[0]))
        if head is not None and _is_whole(connection, place.inventory, head, place.keys):
            return head
    except DAMAGE:
        pass
    raise DamagedRecordError(
        f"the history in {place.shown} is damaged: its newest entry ({entry_name(row[0])}) is not as it was recorded",
    )


def _is_whole(connection: Connection, inventory: str, head: Head, keys: RecordKeys) -> bool:
    own = entries.c.inventory == inventory, entries.c.number == head.number
    row = connection.execute(select(entries.c.previous, entries.c.content).where(*own)).one()
    sealed = keys.judge_seal(head.seal, head.message(inventory))
    return linked(row.previous, row.content) == head.hash and sealed is not SealVerdict.FALSE


# --- entries as others keep them ------------------------------------------------------------------


def head_at(connection: Connection, inventory: str, number: int) -> Head | None:
    """One entry as others keep it, or None where there is none of that number."""
    query = select(entries.c.run, entries.c.number, entries.c.hash)
    row = connection.execute(query.where(entries.c.inventory == inventory, entries.c.number == number)).first()
    if row is None:
        return None
    return Head(row.run, row.number, row.hash, seals_of(connection, inventory, number).get(row.number, ("", ""))[0])


def heads_of(connection: Connection, inventory: str) -> dict[int, Head]:
    """Every entry as others keep it, by its number; a row that is none of ours is left out."""
    query = select(stored(entries.c.run), stored(entries.c.number), stored(entries.c.hash))
    rows = connection.execute(query.where(entries.c.inventory == inventory)).all()
    sealed = seals_of(connection, inventory)
    return {
        number: Head(run, number, name, sealed.get(number, ("", ""))[0])
        for run, number, name in rows
        if isinstance(number, int) and isinstance(run, str) and isinstance(name, str)
    }


def seals_of(connection: Connection, inventory: str, number: int | None = None) -> Mapping[int, tuple[str, str]]:
    """The seal and the signature of every entry that has one, or of one of them.

    Where there is none it is empty, as it is in a database that no version with keys has written to.
    """
    if not has_table(connection, seals):
        return {}
    query = select(stored(seals.c.number), stored(seals.c.seal), stored(seals.c.signature))
    query = query.where(seals.c.inventory == inventory)
    rows = connection.execute(query if number is None else query.where(seals.c.number == number)).all()
    return {of: (str(seal), str(signature)) for of, seal, signature in rows if isinstance(of, int) and seal is not None}
