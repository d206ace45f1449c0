"""Which revision of its tables a database has, and how one of before is brought to ours (Alembic)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, insert, inspect, select

from provisioner.history.tables import SCHEMA, entries, metadata, migrations, schema

REVISION: Final = "2"
"""The revision of `history.tables`; each one has a module in `history/migrations/versions`."""
KNOWN: Final = frozenset({"1", REVISION})
BEFORE: Final = ""
"""Of a database that was made before revisions were counted."""
MIGRATIONS: Final = Path(__file__).with_name("migrations")
"""Where the steps are."""


def revision_of(connection: Connection) -> str | None:
    """The revision of a database's tables; None where there are none."""
    there = inspect(connection)
    if not there.has_table(entries.name):
        return None
    number = connection.scalar(select(migrations.c.version_num)) if there.has_table(migrations.name) else None
    return BEFORE if number is None else str(number)


def bring_up(connection: Connection) -> None:
    """Make the tables, or bring those of before to our revision: in the connection's transaction, all of it or nothing.

    Where two processes begin at once the second finds it done: the caller has the lock of the schema.
    """
    revision = revision_of(connection)
    if revision is None:
        metadata.create_all(connection)
        connection.execute(insert(migrations).values(version_num=REVISION))
    elif revision != REVISION:
        _migrate(connection)
    if connection.scalar(select(schema.c.version)) is None:
        connection.execute(insert(schema).values(version=SCHEMA))


def _migrate(connection: Connection) -> None:
    # Alembic is imported where it has something to do, once in a database's life a release.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS))
    command.upgrade(config, "head")
