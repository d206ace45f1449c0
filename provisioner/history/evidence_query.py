"""The evidence of runs, read out of the tables. The database counts: a year of nights is a million checks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    ScalarSelect,
    Subquery,
    and_,
    func,
    select,
    type_coerce,
)

from provisioner.history.holdings_query import HoldingsQuery
from provisioner.history.tables import checks, entries, moment
from provisioner.lifecycle.evidence import Content, Evidence, LastCheck, Proof, Shown


def evidence(connection: Connection, inventory: str, acceptance: timedelta) -> Evidence:
    """All that the runs of an inventory have shown.

    Args:
        connection: a transaction that reads.
        inventory: the inventory's id.
        acceptance: how much later than the first proof the one has to be that accepts.
    """
    ended = select(entries.c.number, entries.c.run).where(entries.c.inventory == inventory)
    runs = {row.number: row.run for row in connection.execute(ended)}
    proofs = _proofs(connection, inventory, acceptance, runs)
    connected: dict[str, Shown] = {}
    for (facility, _), proof in proofs.items():
        connected[facility] = min(proof.first, connected.get(facility, proof.first))
    hosts = HoldingsQuery(connection, inventory)
    return Evidence(
        runs=len(set(runs.values())),
        carried=hosts.carried(),
        holders=hosts.holders(),
        words=hosts.words,
        without=hosts.without(),
        proofs=proofs,
        connected=connected,
        checks=_last_checks(connection, inventory, runs),
    )


# --- facilities -----------------------------------------------------------------------------------


def _proofs(
    connection: Connection, inventory: str, acceptance: timedelta, runs: Mapping[int, str]
) -> dict[Content, Proof]:
    """When each content was first, once more, and last proved whole, and by which runs."""
    at = _plain(checks)
    columns = checks.c.facility, checks.c.content, func.min(at).label("first"), func.max(at).label("last")
    spans = select(*columns).where(_whole(checks, inventory)).group_by(checks.c.facility, checks.c.content).subquery()
    accepting = _plain(_LATER) >= spans.c.first + acceptance // timedelta(microseconds=1)
    query = select(
        spans,
        _earliest(_LATER.c.number, inventory, spans, _plain(_LATER) == spans.c.first).label("first_entry"),
        _earliest(_LATER.c.number, inventory, spans, _plain(_LATER) == spans.c.last).label("last_entry"),
        _earliest(_plain(_LATER), inventory, spans, accepting).label("again"),
        _earliest(_LATER.c.number, inventory, spans, accepting).label("again_entry"),
    )
    proofs = {}
    for row in connection.execute(query):
        again = None if row.again is None else Shown(moment(row.again), runs[row.again_entry])
        first, last = Shown(moment(row.first), runs[row.first_entry]), Shown(moment(row.last), runs[row.last_entry])
        proofs[row.facility, row.content] = Proof(first, again, last)
    return proofs


_LATER = checks.alias("later")


def _plain(table: FromClause) -> ColumnElement[int]:
    """The moments of a table as the whole numbers that they are."""
    return type_coerce(table.c.at, BigInteger)


def _earliest(
    column: ColumnElement[int], inventory: str, spans: Subquery, when: ColumnElement[bool]
) -> ScalarSelect[int]:
    """A column of the earliest whole check of a content; of two of one moment that which was recorded first."""
    query = select(column).where(_whole(_LATER, inventory), _same(_LATER, spans), when)
    return query.order_by(_LATER.c.at, _LATER.c.number).limit(1).scalar_subquery()


def _same(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    return and_(one.c.facility == other.c.facility, one.c.content == other.c.content)


def _whole(table: FromClause, inventory: str) -> ColumnElement[bool]:
    """Choose the checks in which every pulled path was up at level 7."""
    return and_(table.c.inventory == inventory, table.c.pulled > 0, table.c.proved == table.c.pulled)


def _last_checks(connection: Connection, inventory: str, runs: Mapping[int, str]) -> dict[str, tuple[LastCheck, ...]]:
    """The latest check of each facility on each relay."""
    by = checks.c.facility, checks.c.relay
    newest = select(*by, func.max(checks.c.number).label("number")).where(checks.c.inventory == inventory)
    last = newest.group_by(*by).subquery()
    query = (
        select(checks)
        .select_from(last)
        .join(checks, and_(*(checks.c[name] == last.c[name] for name in ("facility", "relay", "number"))))
        .where(checks.c.inventory == inventory)
        .order_by(*by)
    )
    by_facility: dict[str, list[LastCheck]] = defaultdict(list)
    for row in connection.execute(query):
        if None in row:
            raise TypeError("a check says all of it")
        shown = Shown(row.at, runs[row.number])
        check = LastCheck(shown, row.relay, row.content, row.pulled, row.checked, row.proved)
        by_facility[row.facility].append(check)
    return {facility: tuple(checked) for facility, checked in by_facility.items()}
