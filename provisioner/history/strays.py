"""Rows that no entry of the chain vouches for, and sets that are not what their names say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, Table, select

from provisioner.history.append import seals_of
from provisioner.history.database import has_table
from provisioner.history.records import canonical, digest
from provisioner.history.tables import checks, documents, entries, events, held, holdings, stored, verdicts

_LONGEST_SHOWN = 70


def sets_faults(connection: Connection, inventory: str) -> Iterator[str]:
    """What is wrong with what hosts were shown to hold: it is kept by its own hash."""
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


def strays(connection: Connection, inventory: str, ended: set[int], runs: set[str]) -> Iterator[str]:
    """Name the rows that no entry vouches for: nobody who records leaves any."""
    tables = [(checks, "checks of facilities"), (holdings, "what hosts hold")]
    if has_table(connection, verdicts):
        tables.append((verdicts, "verdicts on paths"))
    for table, what in tables:
        for number in _each(connection, table, "number", inventory):
            if number not in ended:
                yield f"there are rows of {what} that are no ended run's ({_shown(number)})"
    for table, what in ((documents, "a document"), (events, "a journal")):
        for run in _each(connection, table, "run", inventory):
            if run not in runs:
                yield f"there is {what} of a run that has no entry ({_shown(run)})"
    yield from _of_nobody(connection, (*tables, (documents, "documents"), (events, "a journal")))
    there = set(_each(connection, entries, "number", inventory))
    for number in seals_of(connection, inventory):
        if number not in there:
            yield f"there is a seal of an entry that is not there ({number})"


def _shown(value: object) -> str:
    return ascii(value)[:_LONGEST_SHOWN]


def _each(connection: Connection, table: Table, name: str, inventory: str) -> list[object]:
    raw = stored(table.c[name])
    return list(connection.scalars(select(raw).where(table.c.inventory == inventory).distinct()))


def _of_nobody(connection: Connection, tables: Iterable[tuple[Table, str]]) -> Iterator[str]:
    """Name the rows that are put down to somebody who has no entry: the one whose they were would not miss them."""
    known = _inventories(connection, entries)
    for table, what in tables:
        for other in sorted(_shown(name) for name in _inventories(connection, table) - known):
            yield f"there are rows of {what} of an inventory that has no entry ({other})"


def _inventories(connection: Connection, table: Table) -> set[object]:
    return set(connection.scalars(select(stored(table.c.inventory)).distinct()))
