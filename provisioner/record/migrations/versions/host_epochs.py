"""The table of the hosts' epochs."""

from typing import Final

from alembic import op
from sqlalchemy import BigInteger, Column, String

revision: Final = "2"
down_revision: Final = "1"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "provisioner_host_epochs",
        Column("inventory", String(63), primary_key=True),
        Column("host", String(63), primary_key=True),
        Column("number", BigInteger, nullable=False),
        Column("run", String(63), nullable=False),
        Column("at", BigInteger, nullable=False),
    )
