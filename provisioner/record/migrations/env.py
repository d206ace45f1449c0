"""What Alembic runs for each migration: on the connection that it is given, in whose transaction all of it is."""

from __future__ import annotations

from alembic import context

from provisioner.record.tables import metadata, migrations

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=migrations.name
)
context.run_migrations()
