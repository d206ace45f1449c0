"""The steps, each a module of Alembic's; one that was released is never edited."""
