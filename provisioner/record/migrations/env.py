"""Alembic's script for each migration, in the transaction of the given connection."""

from alembic import context

from provisioner.record.tables import metadata, migrations

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=migrations.name
)
context.run_migrations()
