"""The tables of the history. Rows are only ever added; a chain of hashes over `entries` covers all other tables.

`events` is where the journal of a running apply goes, step by step and host by host, in the order of `sequence`; the
`ended` entry of a run is the one that vouches for it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

SCHEMA = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """A moment as the tables have it."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(whole: int) -> datetime:
    """The moment that the tables mean."""
    return _EPOCH + whole * _MICROSECOND


class MomentColumn(TypeDecorator[datetime]):
    """A moment with its zone, kept as whole microseconds since 1970: exact, ordered, and the same in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 (SQLAlchemy's)
        """Write one; a moment without a zone raises TypeError."""
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (SQLAlchemy's)
        """Read one, in UTC."""
        return None if value is None else moment(value)


metadata = MetaData()

schema = Table("provisioner_schema", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

entries = Table(
    "provisioner_entries",
    metadata,
    Column("inventory", String(63), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("run", String(63), nullable=False),
    Column("step", String(15), nullable=False),
    Column("operation", String(31), nullable=False),
    Column("at", MomentColumn, nullable=False),
    Column("content", Text, nullable=False),
    Column("previous", String(71), nullable=False),
    Column("hash", String(71), nullable=False),
    UniqueConstraint("inventory", "run", "step", name="provisioner_entries_once"),
    UniqueConstraint("inventory", "previous", name="provisioner_entries_one_chain"),
)

documents = Table(
    "provisioner_documents",
    metadata,
    Column("inventory", String(63), primary_key=True),
    Column("run", String(63), primary_key=True),
    Column("packed", LargeBinary, nullable=False),
)

checks = Table(
    "provisioner_checks",
    metadata,
    Column("inventory", String(63), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("facility", String(63), primary_key=True),
    Column("relay", String(63), primary_key=True),
    Column("content", String(71), nullable=False),
    Column("at", MomentColumn, nullable=False),
    Column("pulled", Integer, nullable=False),
    Column("checked", Integer, nullable=False),
    Column("proved", Integer, nullable=False),
    Index("provisioner_checks_by_content", "inventory", "facility", "content", "at", "pulled", "proved", "number"),
    Index("provisioner_checks_by_relay", "inventory", "facility", "relay", "number"),
)

holdings = Table(
    "provisioner_holdings",
    metadata,
    Column("inventory", String(63), primary_key=True),
    Column("host", String(63), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", MomentColumn, nullable=False),
    Column("held", String(71)),
    Column("exact", Boolean, nullable=False),
)

held = Table(
    "provisioner_held",
    metadata,
    Column("inventory", String(63), primary_key=True),
    Column("digest", String(71), primary_key=True),
    Column("facility", String(63), primary_key=True),
    Column("content", String(71), nullable=False),
)

events = Table(
    "provisioner_events",
    metadata,
    Column("inventory", String(63), primary_key=True),
    Column("run", String(63), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", MomentColumn, nullable=False),
    Column("host", String(63), nullable=False),
    Column("step", String(63), nullable=False),
    Column("before", Text),
    Column("after", Text),
)
