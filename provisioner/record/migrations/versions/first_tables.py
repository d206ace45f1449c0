"""The tables before migrations; databases of earlier versions lack some."""

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

revision: Final = "1"
down_revision: Final = None

_ID, _HASH, _PATH = String(63), String(71), String(255)


def upgrade() -> None:
    """Make the missing tables."""
    _tables().create_all(op.get_bind())


def _key(name: str, kind: TypeEngine[str] | TypeEngine[int]) -> Column[object]:
    return Column(name, kind, primary_key=True, autoincrement=False)


def _is(name: str, kind: TypeEngine[str] | TypeEngine[int] | TypeEngine[bool] | TypeEngine[bytes]) -> Column[object]:
    return Column(name, kind, nullable=False)


def _tables() -> MetaData:
    metadata = MetaData()
    Table("provisioner_schema", metadata, _key("version", Integer()))
    Table(
        "provisioner_entries",
        metadata,
        _key("inventory", _ID),
        _key("number", BigInteger()),
        _is("run", _ID),
        _is("step", String(15)),
        _is("operation", String(31)),
        _is("at", BigInteger()),
        _is("content", Text()),
        _is("previous", _HASH),
        _is("hash", _HASH),
        UniqueConstraint("inventory", "run", "step", name="provisioner_entries_once"),
        UniqueConstraint("inventory", "previous", name="provisioner_entries_one_chain"),
    )
    sealed = [_key("inventory", _ID), _key("number", BigInteger()), _is("seal", Text()), _is("signature", Text())]
    Table("provisioner_seals", metadata, *sealed)
    Table("provisioner_documents", metadata, _key("inventory", _ID), _key("run", _ID), _is("packed", LargeBinary()))
    Table(
        "provisioner_checks",
        metadata,
        _key("inventory", _ID),
        _key("number", BigInteger()),
        _key("facility", _ID),
        _key("relay", _ID),
        _is("content", _HASH),
        _is("at", BigInteger()),
        _is("pulled", Integer()),
        _is("checked", Integer()),
        _is("proved", Integer()),
        Index("provisioner_checks_by_content", "inventory", "facility", "content", "at", "pulled", "proved", "number"),
        Index("provisioner_checks_by_relay", "inventory", "facility", "relay", "number"),
    )
    Table(
        "provisioner_holdings",
        metadata,
        _key("inventory", _ID),
        _key("host", _ID),
        _key("number", BigInteger()),
        _is("at", BigInteger()),
        Column("held", _HASH),
        _is("exact", Boolean()),
    )
    Table(
        "provisioner_held",
        metadata,
        _key("inventory", _ID),
        _key("digest", _HASH),
        _key("facility", _ID),
        _is("content", _HASH),
    )
    Table(
        "provisioner_path_memories",
        metadata,
        _key("inventory", _ID),
        _key("path", _PATH),
        _is("at", BigInteger()),
        _is("content", Text()),
        _is("seal", Text()),
    )
    Table(
        "provisioner_view_references",
        metadata,
        _key("inventory", _ID),
        _key("number", BigInteger()),
        _is("path", _PATH),
        _is("at", BigInteger()),
        _is("content", Text()),
        _is("seal", Text()),
        Index("provisioner_view_references_by_path", "inventory", "path", "number"),
    )
    packed = _is("packed", LargeBinary())
    Table("provisioner_path_lists", metadata, _key("inventory", _ID), _key("digest", _HASH), packed)
    _verdicts(metadata)
    _secondary_tables(metadata)
    return metadata


def _verdicts(metadata: MetaData) -> None:
    Table(
        "provisioner_verdicts",
        metadata,
        _key("inventory", _ID),
        _key("province", _ID),
        _key("at", BigInteger()),
        _key("number", BigInteger()),
        _is("run", _ID),
        _is("paths", _HASH),
        _is("marks", LargeBinary()),
        _is("causes", LargeBinary()),
        _is("seal", Text()),
        Index("provisioner_verdicts_by_entry", "inventory", "number"),
    )
    Table(
        "provisioner_month_sums",
        metadata,
        _key("inventory", _ID),
        _key("province", _ID),
        _key("begin", BigInteger()),
        _is("until", BigInteger()),
        _is("since", BigInteger()),
        _is("rows", BigInteger()),
        _is("newest", BigInteger()),
        _is("of", _HASH),
        _is("packed", LargeBinary()),
        _is("seal", Text()),
    )


def _secondary_tables(metadata: MetaData) -> None:
    Table(
        "provisioner_events",
        metadata,
        _key("inventory", _ID),
        _key("run", _ID),
        _key("sequence", BigInteger()),
        _is("at", BigInteger()),
        _is("host", _ID),
        _is("step", _ID),
        Column("before", Text()),
        Column("after", Text()),
    )
    Table(
        "provisioner_notices",
        metadata,
        _key("inventory", _ID),
        _key("receiver", _ID),
        _is("at", BigInteger()),
        _is("packed", LargeBinary()),
        _is("seal", Text()),
    )
    Table("provisioner_leases", metadata, _key("inventory", _ID), _key("name", _ID), _is("content", Text()))
    Table(
        "provisioner_commit_states",
        metadata,
        _key("inventory", _ID),
        _key("revision", String(64)),
        _is("at", BigInteger()),
        _is("by_itself", Boolean()),
        _is("content", Text()),
    )
