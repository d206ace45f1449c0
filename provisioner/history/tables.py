"""The tables of the history. Rows are only ever added; a chain of hashes over `entries` covers the other tables.

`events` is where the journal of a running apply goes, step by step and host by host, in the order of `sequence`; the
`ended` entry of a run is the one that vouches for it. `seals` came later: entries from before have none there, and a
database without the table is made whole by the first that records in it. `path_memories`, later still, is no record and
no part of the chain: a row is what the next verification needs to know of a path, and is replaced by it. Rows of
`view_references` are added when a person accepts what cameras show, and name the run that says who did.

`verdicts` is what is asked most, and is laid out for it: a row has what one run saw of a whole province, two bytes a
path (`availability.kept`), in the order of the list in `path_lists` that it names; the `ended` entry vouches for it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
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
    type_coerce,
)
from sqlalchemy.types import NullType, TypeEngine

SCHEMA = 1
PRUNED_SCHEMA = 2
"""The version of a database that something left (`history.retention`)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """A moment as the tables have it."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(whole: int) -> datetime:
    """The moment that the tables mean; what is no whole number raises TypeError."""
    if not isinstance(whole, int) or isinstance(whole, bool):
        raise TypeError("a moment is a whole number")
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


class TextColumn(TypeDecorator[str]):
    """A text that is one: SQLite keeps anything in any column."""

    impl = String
    cache_ok = True

    def process_result_value(self, value: object, dialect: Dialect) -> str | None:  # noqa: ARG002 (SQLAlchemy's)
        """Read one; anything else raises TypeError."""
        if value is not None and not isinstance(value, str):
            raise TypeError("a text was expected")
        if value is not None and not self.is_one(value):
            raise ValueError("a text was expected that can be shown")
        return value

    @staticmethod
    def is_one(text: str) -> bool:
        """Whether a text is an id or a hash: what is shown of rows writes to no terminal."""
        return text.isprintable()


class _LongText(TextColumn):
    """A text of any length, with anything in it; its readers take it apart."""

    impl = Text
    cache_ok = True

    @staticmethod
    def is_one(text: str) -> bool:
        """Any text is."""
        return isinstance(text, str)


class NumberColumn(TypeDecorator[int]):
    """A whole number that is one."""

    impl = BigInteger
    cache_ok = True

    def process_result_value(self, value: object, dialect: Dialect) -> int | None:  # noqa: ARG002 (SQLAlchemy's)
        """Read one; anything else raises TypeError."""
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise TypeError("a whole number was expected")


class CountColumn(NumberColumn):
    """A small whole number."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[int]:
        """The type that the database has for it."""
        return dialect.type_descriptor(Integer())


_Value = TypeVar("_Value")


def stored(column: ColumnElement[_Value]) -> ColumnElement[object]:
    """A column as it is stored: what was tampered with is taken for nothing that it should be."""
    return type_coerce(column, cast("TypeEngine[object]", NullType()))


metadata = MetaData()

schema = Table("provisioner_schema", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

migrations = Table("provisioner_migrations", metadata, Column("version_num", String(32), primary_key=True))
"""Alembic's: the revision of these tables (`history.schema_revision`)."""

entries = Table(
    "provisioner_entries",
    metadata,
    Column("inventory", TextColumn(63), primary_key=True),
    Column("number", NumberColumn, primary_key=True, autoincrement=False),
    Column("run", TextColumn(63), nullable=False),
    Column("step", TextColumn(15), nullable=False),
    Column("operation", TextColumn(31), nullable=False),
    Column("at", MomentColumn, nullable=False),
    Column("content", _LongText, nullable=False),
    Column("previous", TextColumn(71), nullable=False),
    Column("hash", TextColumn(71), nullable=False),
    UniqueConstraint("inventory", "run", "step", name="provisioner_entries_once"),
    UniqueConstraint("inventory", "previous", name="provisioner_entries_one_chain"),
)

seals = Table(
    "provisioner_seals",
    metadata,
    Column("inventory", TextColumn(63), primary_key=True),
    Column("number", NumberColumn, primary_key=True, autoincrement=False),
    Column("seal", _LongText, nullable=False),
    Column("signature", _LongText, nullable=False),
)

documents = Table(
    "provisioner_documents",
    metadata,
    Column("inventory", TextColumn(63), primary_key=True),
    Column("run", TextColumn(63), primary_key=True),
    Column("packed", LargeBinary, nullable=False),
)

checks = Table(
    "provisioner_checks",
    metadata,
    Column("inventory", TextColumn(63), primary_key=True),
    Column("number", NumberColumn, primary_key=True, autoincrement=False),
    Column("facility", TextColumn(63), primary_key=True),
    Column("relay", TextColumn(63), primary_key=True),
    Column("content", TextColumn(71), nullable=False),
    Column("at", MomentColumn, nullable=False),
    Column("pulled", CountColumn, nullable=False),
    Column("checked", CountColumn, nullable=False),
    Column("proved", CountColumn, nullable=False),
    Index("provisioner_checks_by_content", "inventory", "facility", "content", "at", "pulled", "proved", "number"),
    Index("provisioner_checks_by_relay", "inventory", "facility", "relay", "number"),
)

holdings = Table(
    "provisioner_holdings",
    metadata,
    Column("inventory", TextColumn(63), primary_key=True),
    Column("host", TextColumn(63), primary_key=True),
    Column("number", NumberColumn, primary_key=True, autoincrement=False),
    Column("at", MomentColumn, nullable=False),
    Column("held", TextColumn(71)),
    Column("exact", Boolean, nullable=False),
)

held = Table(
    "provisioner_held",
    metadata,
    Column("inventory", TextColumn(63), primary_key=True),
    Column("digest", TextColumn(71), primary_key=True),
    Column("facility", TextColumn(63), primary_key=True),
    Column("content", TextColumn(71), nullable=False),
)

path_memories = Table(
    "provisioner_path_memories",
    metadata,
    Column("inventory", TextColumn(63), primary_key=True),
    Column("path", TextColumn(255), primary_key=True),
    Column("at", MomentColumn, nullable=False),
    Column("content", _LongText, nullable=False),
    Column("seal", _LongText, nullable=False),
)

view_references = Table(
    "provisioner_view_references",
    metadata,
    Column("inventory", TextColumn(63), primary_key=True),
    Column("number", NumberColumn, primary_key=True, autoincrement=False),
    Column("path", TextColumn(255), nullable=False),
    Column("at", MomentColumn, nullable=False),
    Column("content", _LongText, nullable=False),
    Column("seal", _LongText, nullable=False),
    Index("provisioner_view_references_by_path", "inventory", "path", "number"),
)

path_lists = Table(
    "provisioner_path_lists",
    metadata,
    Column("inventory", TextColumn(63), primary_key=True),
    Column("digest", TextColumn(71), primary_key=True),
    Column("packed", LargeBinary, nullable=False),
)

verdicts = Table(
    "provisioner_verdicts",
    metadata,
    Column("inventory", TextColumn(63), primary_key=True),
    Column("province", TextColumn(63), primary_key=True),
    Column("at", MomentColumn, primary_key=True, autoincrement=False),
    Column("number", NumberColumn, primary_key=True, autoincrement=False),
    Column("run", TextColumn(63), nullable=False),
    Column("paths", TextColumn(71), nullable=False),
    Column("marks", LargeBinary, nullable=False),
    Column("causes", LargeBinary, nullable=False),
    Column("seal", _LongText, nullable=False),
    Index("provisioner_verdicts_by_entry", "inventory", "number"),
)

month_sums = Table(
    "provisioner_month_sums",
    metadata,
    Column("inventory", TextColumn(63), primary_key=True),
    Column("province", TextColumn(63), primary_key=True),
    Column("begin", MomentColumn, primary_key=True, autoincrement=False),
    Column("until", MomentColumn, nullable=False),
    Column("since", MomentColumn, nullable=False),
    Column("rows", NumberColumn, nullable=False),
    Column("newest", NumberColumn, nullable=False),
    Column("of", TextColumn(71), nullable=False),
    Column("packed", LargeBinary, nullable=False),
    Column("seal", _LongText, nullable=False),
)
"""What the rows of a province's month in `verdicts` come to. No record: it is made of them again at any time."""

events = Table(
    "provisioner_events",
    metadata,
    Column("inventory", TextColumn(63), primary_key=True),
    Column("run", TextColumn(63), primary_key=True),
    Column("sequence", NumberColumn, primary_key=True, autoincrement=False),
    Column("at", MomentColumn, nullable=False),
    Column("host", TextColumn(63), nullable=False),
    Column("step", TextColumn(63), nullable=False),
    Column("before", _LongText),
    Column("after", _LongText),
)

notices = Table(
    "provisioner_notices",
    metadata,
    Column("inventory", TextColumn(63), primary_key=True),
    Column("receiver", TextColumn(63), primary_key=True),
    Column("at", MomentColumn, nullable=False),
    Column("packed", LargeBinary, nullable=False),
    Column("seal", _LongText, nullable=False),
)
"""What each receiver was told last; no record, and replaced by the next notice that it takes."""

leases = Table(
    "provisioner_leases",
    metadata,
    Column("inventory", TextColumn(63), primary_key=True),
    Column("name", TextColumn(63), primary_key=True),
    Column("content", _LongText, nullable=False),
)
"""Who says to hold a lease of a server's; that it is held, a lock of the server's says."""

commit_states = Table(
    "provisioner_commit_states",
    metadata,
    Column("inventory", TextColumn(63), primary_key=True),
    Column("revision", TextColumn(64), primary_key=True),
    Column("at", MomentColumn, nullable=False),
    Column("by_itself", Boolean, nullable=False),
    Column("content", _LongText, nullable=False),
)
"""What became of each commit that an agent followed; no record, and replaced by the next word on it.

`by_itself` is of those that were reached, and not with a newer one: the last of them is asked for.
"""

host_epochs = Table(
    "provisioner_host_epochs",
    metadata,
    Column("inventory", TextColumn(63), primary_key=True),
    Column("host", TextColumn(63), primary_key=True),
    Column("number", NumberColumn, nullable=False),
    Column("run", TextColumn(63), nullable=False),
    Column("at", MomentColumn, nullable=False),
)
"""How often a run has begun to change a host, and the last that did: a host takes no run with a lower number."""
