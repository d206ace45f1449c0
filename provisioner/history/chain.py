"""The chain of entries, held against itself and against all that its hashes cover."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, select, type_coerce

from provisioner.history.records import (
    EndedContent,
    FacilityCheck,
    canonical,
    checks_digest,
    digest,
    genesis,
    linked,
    moment_text,
)
from provisioner.history.tables import checks, documents, entries, held, holdings, moment


@dataclass(frozen=True, slots=True)
class ChainFault:
    """Something that is not as it was recorded.

    Attributes:
        number: the entry's place in the chain, from 1.
        message: what is wrong.
    """

    number: int
    message: str


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The result of a check of the chain.

    Attributes:
        length: how many entries there are.
        head: the last entry's hash. Who keeps it elsewhere can tell later that no entry was cut off the end.
        faults: what is wrong, in the order of the chain.
    """

    length: int
    head: str
    faults: tuple[ChainFault, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def checked(connection: Connection, inventory: str) -> ChainReport:
    """Check the whole history of an inventory.

    Args:
        connection: a transaction that reads.
        inventory: the inventory's id.
    """
    faults: list[ChainFault] = []
    previous, due = genesis(inventory), 1
    numbers = connection.scalars(
        select(entries.c.number).where(entries.c.inventory == inventory).order_by(entries.c.number)
    ).all()
    for number in numbers:
        if number != due:
            faults.append(ChainFault(due, f"it is missing: the next one is {number}"))
        row = _entry(connection, inventory, number)
        faults += [ChainFault(number, message) for message in _readable(connection, row, previous)]
        previous, due = row.hash, number + 1
    faults += [ChainFault(0, message) for message in _of_sets(connection, inventory)]
    return ChainReport(len(numbers), previous, tuple(faults))


class _EntryRow(NamedTuple):
    """An entry as the table has it, with its moment as it is stored; what was changed may be of another type."""

    inventory: str
    number: int
    run: str
    step: str
    operation: str
    content: str
    previous: str
    hash: str
    at: int


def _entry(connection: Connection, inventory: str, number: int) -> _EntryRow:
    stored = type_coerce(entries.c.at, BigInteger)
    columns = (entries.c[name] for name in _EntryRow._fields if name != "at")
    query = select(*columns, stored).where(entries.c.inventory == inventory, entries.c.number == number)
    return _EntryRow._make(connection.execute(query).one())


def _readable(connection: Connection, row: _EntryRow, previous: str) -> list[str]:
    """Check an entry; SQLite keeps anything in any column, so that a changed value may be none at all."""
    try:
        return list(_of_entry(connection, row, previous))
    except (TypeError, ValueError, OverflowError):
        return ["a value of it cannot be read"]


def _of_entry(connection: Connection, row: _EntryRow, previous: str) -> Iterator[str]:
    if row.previous != previous:
        yield "it does not follow the entry before"
    if row.hash != linked(row.previous, row.content):
        yield "its content was changed"
        return
    content = json.loads(row.content)
    columns = {"number": row.number, "run": row.run, "step": row.step, "operation": row.operation}
    if columns | {"at": moment_text(moment(row.at))} != {name: content[name] for name in (*columns, "at")}:
        yield "a column says something else than its content"
    if "outcome" in content:
        yield from _of_ending(connection, row, content)


def _of_ending(connection: Connection, row: _EntryRow, content: EndedContent) -> Iterator[str]:
    document = select(documents.c.packed).where(documents.c.inventory == row.inventory, documents.c.run == row.run)
    if _digest_of(connection.scalar(document)) != content["document"]:
        yield "its document is missing or was changed"
    own = checks.c.inventory == row.inventory, checks.c.number == row.number
    recorded = (
        FacilityCheck(c.facility, c.content, c.relay, c.at, c.pulled, c.checked, c.proved)
        for c in connection.execute(select(checks).where(*own))
    )
    if checks_digest(recorded) != content["checks"]:
        yield "its checks of facilities were changed"
    of_hosts = select(holdings).where(holdings.c.inventory == row.inventory, holdings.c.number == row.number)
    if {h.host: [moment_text(h.at), h.held, h.exact] for h in connection.execute(of_hosts)} != content["holdings"]:
        yield "what it says of hosts was changed"


def _digest_of(packed: bytes | None) -> str | None:
    if packed is None:
        return None
    try:
        return digest(zlib.decompress(packed).decode())
    except (zlib.error, UnicodeDecodeError):
        return ""


def _of_sets(connection: Connection, inventory: str) -> Iterator[str]:
    """Check what hosts were shown to hold: it is kept by its own hash."""
    query = select(held.c.digest, held.c.facility, held.c.content).where(held.c.inventory == inventory)
    sets: dict[str, dict[str, str]] = {digest(canonical({})): {}}
    for row in connection.execute(query):
        sets.setdefault(row.digest, {})[row.facility] = row.content
    for name, facilities in sets.items():
        if digest(canonical(facilities)) != name:
            yield f"the set of facilities {name} was changed"
    named = select(holdings.c.held).where(holdings.c.inventory == inventory, holdings.c.held.is_not(None)).distinct()
    for row in connection.execute(named):
        if row.held not in sets:
            yield f"the set of facilities {row.held} is missing"
