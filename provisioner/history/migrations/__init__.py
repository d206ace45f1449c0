"""The history's database from one version of its tables to the next (Alembic); `history.schema_revision` calls it."""
