"""When pre-shared keys were drawn, by the runs that say so; what cannot be read says nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, select

from provisioner.history.records import OF_KEYS, EntryKind
from provisioner.history.rows import DAMAGE, plain_object, unpacked
from provisioner.history.tables import documents, entries, moment, stored

_DRAWN: Final = "drawn"


def psks_drawn(connection: Connection, inventory: str) -> dict[str, datetime]:
    """By facility, when the pre-shared key that it has was drawn, as far as it was recorded.

    A run's document names the facilities under `drawn`, each with the moment where that is not the run's own.
    """
    kinds = entries.c.operation.in_(sorted(kind.value for kind in OF_KEYS))
    ended = entries.c.inventory == inventory, kinds, entries.c.step == EntryKind.ENDED.value
    own = documents.c.inventory == entries.c.inventory, documents.c.run == entries.c.run
    columns = (stored(entries.c.at), stored(documents.c.packed))
    query = select(*columns).where(*ended, *own).order_by(entries.c.at, entries.c.number)
    drawn: dict[str, datetime] = {}
    for at, packed in connection.execute(query):
        try:
            said = plain_object(unpacked(packed)).get(_DRAWN, {})
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
