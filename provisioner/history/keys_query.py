"""When the vault's keys of sites were drawn, by the runs that say so; what cannot be read says nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, select

from provisioner.history.records import OF_KEYS, EntryKind
from provisioner.history.rows import DAMAGE, plain_object, unpacked
from provisioner.history.tables import documents, entries, moment, stored

PRE_SHARED: Final = "drawn"
TO_PUSH: Final = "drawn_to_push"


def keys_drawn(connection: Connection, inventory: str, what: str) -> dict[str, datetime]:
    """By facility, when the key that it has was drawn, as far as it was recorded.

    Args:
        connection: to the history.
        inventory: whose it is.
        what: under which name a run's document has the facilities, each with the moment where that is not the run's
            own: `PRE_SHARED` or `TO_PUSH`.
    """
    kinds = entries.c.operation.in_(sorted(kind.value for kind in OF_KEYS))
    ended = entries.c.inventory == inventory, kinds, entries.c.step == EntryKind.ENDED.value
    own = documents.c.inventory == entries.c.inventory, documents.c.run == entries.c.run
    columns = (stored(entries.c.at), stored(documents.c.packed))
    query = select(*columns).where(*ended, *own).order_by(entries.c.at, entries.c.number)
    drawn: dict[str, datetime] = {}
    for at, packed in connection.execute(query):
        try:
            said = plain_object(unpacked(packed)).get(what, {})
            for facility, word in said.items() if isinstance(said, dict) else ():
                drawn[str(facility)] = _moment(word) if word else moment(at)  # type: ignore[arg-type]
        except DAMAGE:
            continue
    return drawn


def _moment(word: object) -> datetime:
    when = datetime.fromisoformat(str(word))
    if when.tzinfo is None:
        raise ValueError("a moment has a zone")
    return when.astimezone(UTC)
