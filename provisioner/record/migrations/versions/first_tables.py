"""The tables before migrations; databases of earlier versions lack some."""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

revision: Final = "1"
down_revision: Final = None

_ID, _HASH, _PATH = sa.String(63), sa.String(71), sa.String(255)
_NUMBER, _COUNT, _FLAG, _TEXT, _BYTES = sa.BigInteger(), sa.Integer(), sa.Boolean(), sa.Text(), sa.LargeBinary()
_Kinds = Mapping[str, TypeEngine[str] | TypeEngine[int] | TypeEngine[bool] | TypeEngine[bytes]]
_OWNER: Final[_Kinds] = {"inventory": _ID}
_NULLABLE: Final = frozenset({"held", "before", "after"})


def upgrade() -> None:
    """Make the missing tables."""
    _tables().create_all(op.get_bind())


def _tables() -> sa.MetaData:
    metadata = sa.MetaData()
    sa.Table("provisioner_schema", metadata, sa.Column("version", _COUNT, primary_key=True, autoincrement=False))

    def table(name: str, keys: _Kinds, columns: _Kinds, *rules: SchemaItem) -> None:
        parts = [
            sa.Column(key, kind, primary_key=True, autoincrement=False) for key, kind in {**_OWNER, **keys}.items()
        ]
        parts += [sa.Column(of, kind, nullable=of in _NULLABLE) for of, kind in columns.items()]
        sa.Table(f"provisioner_{name}", metadata, *parts, *rules)

    by_content = ("inventory", "facility", "content", "at", "pulled", "proved", "number")
    table(
        "entries",
        {"number": _NUMBER},
        {
            "run": _ID,
            "step": sa.String(15),
            "operation": sa.String(31),
            "at": _NUMBER,
            "content": _TEXT,
            "previous": _HASH,
            "hash": _HASH,
        },
        sa.UniqueConstraint("inventory", "run", "step", name="provisioner_entries_once"),
        sa.UniqueConstraint("inventory", "previous", name="provisioner_entries_one_chain"),
    )
    table("seals", {"number": _NUMBER}, {"seal": _TEXT, "signature": _TEXT})
    table("documents", {"run": _ID}, {"packed": _BYTES})
    table(
        "checks",
        {"number": _NUMBER, "facility": _ID, "relay": _ID},
        {"content": _HASH, "at": _NUMBER, "pulled": _COUNT, "checked": _COUNT, "proved": _COUNT},
        sa.Index("provisioner_checks_by_content", *by_content),
        sa.Index("provisioner_checks_by_relay", "inventory", "facility", "relay", "number"),
    )
    table("holdings", {"host": _ID, "number": _NUMBER}, {"at": _NUMBER, "held": _HASH, "exact": _FLAG})
    table("held", {"digest": _HASH, "facility": _ID}, {"content": _HASH})
    table("path_memories", {"path": _PATH}, {"at": _NUMBER, "content": _TEXT, "seal": _TEXT})
    table(
        "view_references",
        {"number": _NUMBER},
        {"path": _PATH, "at": _NUMBER, "content": _TEXT, "seal": _TEXT},
        sa.Index("provisioner_view_references_by_path", "inventory", "path", "number"),
    )
    table("path_lists", {"digest": _HASH}, {"packed": _BYTES})
    table(
        "verdicts",
        {"province": _ID, "at": _NUMBER, "number": _NUMBER},
        {"run": _ID, "paths": _HASH, "marks": _BYTES, "causes": _BYTES, "seal": _TEXT},
        sa.Index("provisioner_verdicts_by_entry", "inventory", "number"),
    )
    numbers = dict.fromkeys(("until", "since", "rows", "newest"), _NUMBER)
    packed: _Kinds = {"of": _HASH, "packed": _BYTES, "seal": _TEXT}
    table("month_sums", {"province": _ID, "begin": _NUMBER}, {**numbers, **packed})
    table(
        "events",
        {"run": _ID, "sequence": _NUMBER},
        {"at": _NUMBER, "host": _ID, "step": _ID, "before": _TEXT, "after": _TEXT},
    )
    table("notices", {"receiver": _ID}, {"at": _NUMBER, "packed": _BYTES, "seal": _TEXT})
    table("leases", {"name": _ID}, {"content": _TEXT})
    table("commit_states", {"revision": sa.String(64)}, {"at": _NUMBER, "by_itself": _FLAG, "content": _TEXT})
    return metadata
