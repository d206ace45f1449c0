"""What the runs have shown, out of the tables. The database counts: a year of nights is a million checks."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from sqlalchemy import BigInteger, ColumnElement, Connection, Subquery, and_, func, or_, select, type_coerce

from provisioner.history.hosts_shown import HostsShown
from provisioner.history.tables import checks, entries, moment
from provisioner.lifecycle.evidence import Content, Evidence, LastCheck, Proof, Shown


def evidence(connection: Connection, inventory: str, acceptance: timedelta) -> Evidence:
    """Give all that the runs of an inventory have shown.

    Args:
        connection: a transaction that reads.
        inventory: the inventory's id.
        acceptance: how much later than the first proof the one has to be that accepts.
    """
    proofs = _proofs(connection, inventory, acceptance)
    connected: dict[str, Shown] = {}
    for (facility, _), proof in proofs.items():
        connected[facility] = min(proof.first, connected.get(facility, proof.first))
    hosts = HostsShown(connection, inventory)
    runs = select(func.count(entries.c.run.distinct())).where(entries.c.inventory == inventory)
    return Evidence(
        runs=connection.scalar(runs) or 0,
        carried=hosts.carried(),
        holders=hosts.holders(),
        words=hosts.words,
        without=hosts.without(),
        proofs=proofs,
        connected=connected,
        checks=_last_checks(connection, inventory),
    )


# --- facilities -----------------------------------------------------------------------------------


def _proofs(connection: Connection, inventory: str, acceptance: timedelta) -> dict[Content, Proof]:
    """Give when each content was first, once more, and last proved whole."""
    spans = _spans(inventory)
    again = _again(inventory, spans, acceptance)
    at = type_coerce(checks.c.at, BigInteger)
    query = (
        select(checks.c.facility, checks.c.content, at.label("moment"), entries.c.run)
        .add_columns(spans.c.first, spans.c.last, again.c.again)
        .join(spans, _same(spans))
        .outerjoin(again, _same(again))
        .join(entries, and_(entries.c.inventory == checks.c.inventory, entries.c.number == checks.c.number))
        .where(_whole(inventory), or_(at == spans.c.first, at == spans.c.last, at == again.c.again))
        .order_by(checks.c.number.desc())  # of two of one moment the earlier entry is read last, and stays
    )
    shown: dict[Content, dict[int, Shown]] = defaultdict(dict)
    wanted: dict[Content, tuple[int, int | None, int]] = {}
    for row in connection.execute(query):
        key = row.facility, row.content
        shown[key][row.moment] = Shown(moment(row.moment), row.run)
        wanted[key] = row.first, row.again, row.last
    return {
        key: Proof(shown[key][first], None if later is None else shown[key][later], shown[key][last])
        for key, (first, later, last) in wanted.items()
    }


def _spans(inventory: str) -> Subquery:
    at = type_coerce(checks.c.at, BigInteger)
    columns = checks.c.facility, checks.c.content, func.min(at).label("first"), func.max(at).label("last")
    return select(*columns).where(_whole(inventory)).group_by(checks.c.facility, checks.c.content).subquery()


def _again(inventory: str, spans: Subquery, acceptance: timedelta) -> Subquery:
    at = type_coerce(checks.c.at, BigInteger)
    columns = checks.c.facility, checks.c.content, func.min(at).label("again")
    later = at >= spans.c.first + acceptance // timedelta(microseconds=1)
    query = select(*columns).join(spans, _same(spans)).where(_whole(inventory), later)
    return query.group_by(checks.c.facility, checks.c.content).subquery()


def _same(other: Subquery) -> ColumnElement[bool]:
    return and_(checks.c.facility == other.c.facility, checks.c.content == other.c.content)


def _whole(inventory: str) -> ColumnElement[bool]:
    """Choose the checks in which every pulled path was up at level 7."""
    return and_(checks.c.inventory == inventory, checks.c.pulled > 0, checks.c.proved == checks.c.pulled)


def _last_checks(connection: Connection, inventory: str) -> dict[str, tuple[LastCheck, ...]]:
    """Give the latest check of each facility on each relay."""
    by = checks.c.facility, checks.c.relay
    newest = select(*by, func.max(checks.c.number).label("number")).where(checks.c.inventory == inventory)
    last = newest.group_by(*by).subquery()
    query = (
        select(checks, entries.c.run)
        .join(last, and_(checks.c.facility == last.c.facility, checks.c.relay == last.c.relay))
        .join(entries, and_(entries.c.inventory == checks.c.inventory, entries.c.number == checks.c.number))
        .where(checks.c.inventory == inventory, checks.c.number == last.c.number)
        .order_by(*by)
    )
    found: dict[str, list[LastCheck]] = defaultdict(list)
    for row in connection.execute(query):
        shown = Shown(row.at, row.run)
        check = LastCheck(shown, row.relay, row.content, row.pulled, row.checked, row.proved)
        found[row.facility].append(check)
    return {facility: tuple(checked) for facility, checked in found.items()}
