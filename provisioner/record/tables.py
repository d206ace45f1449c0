"""The tables of the history, and strict reading of their rows.

Rows are only added. A chain of hashes over `entries` covers the other tables.

`events` has the journal of a running apply: its steps in the order of `sequence`, covered by the run's `ended` entry.
`seals` came later: older entries have none, and the first writer adds a missing table. `path_memories` is outside the
chain: the next verification needs a row of it, and replaces the row. A row of `view_references` is added when a person
accepts a camera's picture, and names the run that says who did.

`verdicts` is laid out for the most frequent queries. A row has one run's verdicts on a whole province in two bytes a
path (`availability.path_state`), in the order of its list in `path_lists`. The `ended` entry covers the row.

Whoever can write the database's file can put any value in any column. An unreadable row is damage of the record, not a
defect of this program.
"""

import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NoReturn, TypeGuard, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import NullType, TypeEngine

from provisioner.base.errors import StateError
from provisioner.base.text import VIETNAM, canonical_text
from provisioner.record.entries import EndedContent, EntryKind, Operation, StartContent

# An entry names its hosts and a hash or two; a document has every path of a country.
LARGEST_ENTRY = 16 * 2**20
LARGEST_DOCUMENT = 256 * 2**20

# Errors that a damaged row may raise while it is parsed.
DAMAGE = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError, zlib.error)

_HINT = "see all that is wrong: provisioner history verify; keep a copy of this database, and take a backup of before"
_LONGEST_NAME = 63
_TEXTS = ("run", "step", "at", "operation", "started", "plan", "tool")
SCHEMA = 1
#: Tables that only earlier versions need, and that may be missing.
NO_LONGER_READ = frozenset({"provisioner_month_sums"})
PRUNED_SCHEMA = 2  #: The version of a database after a removal of old data (`record.retention`).
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(9999, 1, 1, tzinfo=UTC)  #: Later than every record.
_MICROSECOND = timedelta(microseconds=1)


class DamagedRecordError(StateError):
    """A row of the record cannot be read."""

    def __init__(self, message: str, *, object: str = "") -> None:  # noqa: A002 (the documents' own word)
        super().__init__(message, hint=_HINT, object=object)


# --- reading ---------------------------------------------------------------------------------------
def entry_name(number: object) -> str:
    """Return an entry's number for people, whatever its stored type."""
    return str(number) if isinstance(number, int) else "of no number"


def entry_content(text: object, number: object) -> StartContent | EndedContent:
    """Parse the content of an entry, or raise an error of `DAMAGE`."""
    if not isinstance(text, str) or len(text) > LARGEST_ENTRY:
        raise ValueError("an entry's content is a text, and no endless one")
    content = plain_object(text)
    if content["number"] != number or not isinstance(number, int):
        raise ValueError("an entry says which it is")
    inventory = content["inventory"]
    if not _are_texts(*(content[name] for name in _TEXTS)) or not isinstance(inventory, dict):
        raise ValueError("an entry says what it is of in texts")
    if not _are_texts(inventory["commit"], inventory["digest"], *_items(content["who"])) or not _is_texts(
        content["limit"]
    ):
        raise ValueError("an entry says who and what in texts")
    if not str(content["run"]).isprintable() or len(str(content["run"])) > _LONGEST_NAME:
        raise ValueError("a run's id is a word")
    Operation(str(content["operation"]))
    _parsed_time(content["started"]), _parsed_time(content["at"])
    if EntryKind(str(content["step"])) is EntryKind.BEGUN:
        if not _is_texts(content["hosts"]):
            raise ValueError("hosts are texts")
    elif not _are_texts(content["outcome"], content["checks"], *([content["document"]] if content["document"] else [])):
        raise ValueError("an ending says what became of the run in texts")
    return cast("StartContent | EndedContent", content)


def plain_object(text: str | bytes) -> dict[str, object]:
    """Parse a rewritable JSON object, or raise an error of `DAMAGE`."""
    value = json.loads(text, parse_constant=_refuse)
    if not isinstance(value, dict):
        raise TypeError("it is no object")
    canonical_text(value).encode()
    return value


def unpacked(packed: object) -> str:
    """Return a packed document's text, or raise an error of `DAMAGE`."""
    if isinstance(packed, memoryview):
        packed = bytes(packed)
    if not isinstance(packed, bytes):
        raise TypeError("a packed document is bytes")
    machine = zlib.decompressobj()
    text = machine.decompress(packed, LARGEST_DOCUMENT)
    if not machine.eof or machine.unused_data:
        raise ValueError("a packed document ends where its bytes end")
    return text.decode()


def _refuse(_text: str) -> NoReturn:
    raise ValueError("no number of ours is infinite")


def _parsed_time(text: object) -> datetime:
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ValueError("a moment has a zone")
    return _readable(moment)


def _readable(moment: datetime) -> datetime:
    """Return a moment that can be printed, or raise `OverflowError`."""
    moment.astimezone(VIETNAM)
    return moment


def _are_texts(*values: object) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and _are_texts(*value)


def _items(value: object) -> list[object]:
    if not isinstance(value, Mapping):
        raise TypeError("it is no object")
    return [*value.keys(), *value.values()]


# --- columns ---------------------------------------------------------------------------------------
def microseconds(moment: datetime) -> int:
    """Return a time as the tables store it."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(micros: int) -> datetime:
    """Return a stored time; another type raises TypeError."""
    if not isinstance(micros, int) or isinstance(micros, bool):
        raise TypeError("a moment is a whole number")
    return _readable(_EPOCH + micros * _MICROSECOND)


class MomentColumn(sa.TypeDecorator[datetime]):
    """A time as whole microseconds since 1970, the same in every database."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002 (SQLAlchemy's)
        """Convert a time; without a zone it raises TypeError."""
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002 (SQLAlchemy's)
        """Return a time in UTC."""
        return None if value is None else moment(value)


class TextColumn(sa.TypeDecorator[str]):
    """A checked text: SQLite stores any type in any column."""

    impl = sa.String
    cache_ok = True

    def process_result_value(self, value: object, dialect: sa.Dialect) -> str | None:  # noqa: ARG002 (SQLAlchemy's)
        """Return a text; another type raises TypeError."""
        if value is not None and not isinstance(value, str):
            raise TypeError("a text was expected")
        if value is not None and not self.is_one(value):
            raise ValueError("a text was expected that can be shown")
        return value

    @staticmethod
    def is_one(text: str) -> bool:
        """Return whether a text is printable; rows are printed to terminals."""
        return text.isprintable()


class _LongText(TextColumn):
    impl = sa.Text
    cache_ok = True

    @staticmethod
    def is_one(text: str) -> bool:
        return isinstance(text, str)


class NumberColumn(sa.TypeDecorator[int]):
    """A checked whole number."""

    impl = sa.BigInteger
    cache_ok = True

    def process_result_value(self, value: object, dialect: sa.Dialect) -> int | None:  # noqa: ARG002 (SQLAlchemy's)
        """Return a number; another type raises TypeError."""
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise TypeError("a whole number was expected")


class CountColumn(NumberColumn):
    """A small whole number."""

    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[int]:
        """Return the database's type for it."""
        return dialect.type_descriptor(sa.Integer())


_Value = TypeVar("_Value")


def stored(column: sa.ColumnElement[_Value]) -> sa.ColumnElement[object]:
    """Return a column with its stored, untyped value."""
    return sa.type_coerce(column, cast("TypeEngine[object]", NullType()))


# --- tables ----------------------------------------------------------------------------------------
metadata = sa.MetaData()

schema = sa.Table(
    "provisioner_schema", metadata, sa.Column("version", sa.Integer, primary_key=True, autoincrement=False)
)

#: Alembic's table: the revision of these tables (`record.database`).
migrations = sa.Table("provisioner_migrations", metadata, sa.Column("version_num", sa.String(32), primary_key=True))

_Columns = Mapping[str, object]


def _kind(kind: object) -> TypeEngine[object]:
    return cast("TypeEngine[object]", kind)


def _table(name: str, keys: _Columns, *parts: _Columns | SchemaItem) -> sa.Table:
    """Make a table of inventories' rows; given columns may be null."""
    columns: list[SchemaItem] = [sa.Column("inventory", _NAME, primary_key=True)]
    columns += [sa.Column(key, _kind(kind), primary_key=True, autoincrement=False) for key, kind in keys.items()]
    for part in parts:
        for of, kind in part.items() if isinstance(part, Mapping) else ():
            columns.append(kind if isinstance(kind, sa.Column) else sa.Column(of, _kind(kind), nullable=False))
    rules = (part for part in parts if not isinstance(part, Mapping))
    return sa.Table(f"provisioner_{name}", metadata, *columns, *rules)


_NAME, _HASH = TextColumn(63), TextColumn(71)

entries = _table(
    "entries",
    {"number": NumberColumn},
    {"run": _NAME, "step": TextColumn(15), "operation": TextColumn(31), "at": MomentColumn},
    {"content": _LongText, "previous": _HASH, "hash": _HASH},
    sa.UniqueConstraint("inventory", "run", "step", name="provisioner_entries_once"),
    sa.UniqueConstraint("inventory", "previous", name="provisioner_entries_one_chain"),
)

seals = _table("seals", {"number": NumberColumn}, {"seal": _LongText, "signature": _LongText})

documents = _table("documents", {"run": _NAME}, {"packed": sa.LargeBinary})

checks = _table(
    "checks",
    {"number": NumberColumn, "facility": _NAME, "relay": _NAME},
    {"content": _HASH, "at": MomentColumn, "pulled": CountColumn, "checked": CountColumn, "proved": CountColumn},
    sa.Index("provisioner_checks_by_content", "inventory", "facility", "content", "at", "pulled", "proved", "number"),
    sa.Index("provisioner_checks_by_relay", "inventory", "facility", "relay", "number"),
)

holdings = _table(
    "holdings",
    {"host": _NAME, "number": NumberColumn},
    {"at": MomentColumn, "held": sa.Column("held", _HASH), "exact": sa.Boolean},
)

held = _table("held", {"digest": _HASH, "facility": _NAME}, {"content": _HASH})

path_memories = _table(
    "path_memories", {"path": TextColumn(255)}, {"at": MomentColumn, "content": _LongText, "seal": _LongText}
)

view_references = _table(
    "view_references",
    {"number": NumberColumn},
    {"path": TextColumn(255), "at": MomentColumn, "content": _LongText, "seal": _LongText},
    sa.Index("provisioner_view_references_by_path", "inventory", "path", "number"),
)

path_lists = _table("path_lists", {"digest": _HASH}, {"packed": sa.LargeBinary})

verdicts = _table(
    "verdicts",
    {"province": _NAME, "at": MomentColumn, "number": NumberColumn},
    {"run": _NAME, "paths": _HASH, "marks": sa.LargeBinary, "causes": sa.LargeBinary, "seal": _LongText},
    sa.Index("provisioner_verdicts_by_entry", "inventory", "number"),
)

# No longer read or written: earlier versions need it, and revision 4 drops it.
_table(
    "month_sums",
    {"province": _NAME, "begin": MomentColumn},
    {"until": MomentColumn, "since": MomentColumn, "rows": NumberColumn, "newest": NumberColumn},
    {"of": _HASH, "packed": sa.LargeBinary, "seal": _LongText},
)

events = _table(
    "events",
    {"run": _NAME, "sequence": NumberColumn},
    {"at": MomentColumn, "host": _NAME, "step": _NAME},
    {name: sa.Column(name, _LongText) for name in ("before", "after")},
)

#: The last notice of each receiver; outside the chain, and replaced by the next one.
notices = _table("notices", {"receiver": _NAME}, {"at": MomentColumn, "packed": sa.LargeBinary, "seal": _LongText})

#: The holder's text for each lease; the lease itself is a lock of the server.
leases = _table("leases", {"name": _NAME}, {"content": _LongText})

#: The state of each followed commit; outside the chain, and replaced by the next one.
#:
#: `by_itself` marks commits that were reached, and not with a newer one.
commit_states = _table(
    "commit_states", {"revision": TextColumn(64)}, {"at": MomentColumn, "by_itself": sa.Boolean, "content": _LongText}
)

#: The epoch of each host and the run that took it: a host refuses runs with a lower number.
host_epochs = _table("host_epochs", {"host": _NAME}, {"number": NumberColumn, "run": _NAME, "at": MomentColumn})
