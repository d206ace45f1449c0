"""The evidence of runs, read out of the tables. The database counts: a year of nights is a million checks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    ScalarSelect,
    Subquery,
    and_,
    case,
    func,
    or_,
    select,
    type_coerce,
)

from provisioner.history.holdings_query import HoldingsQuery
from provisioner.history.records import EndedContent, EntryKind, Operation, recorded_of
from provisioner.history.rows import entry_content
from provisioner.history.tables import checks, entries, moment, stored
from provisioner.lifecycle.evidence import Content, Evidence, LastCheck, Proof, Shown, Verification


def evidence(connection: Connection, inventory: str, acceptance: timedelta) -> Evidence:
    """All that the runs of an inventory have shown.

    Args:
        connection: a transaction that reads.
        inventory: the inventory's id.
        acceptance: how much later than the first proof the one has to be that accepts.
    """
    ended = select(entries.c.number, entries.c.run).where(entries.c.inventory == inventory)
    runs = {row.number: row.run for row in connection.execute(ended)}
    spans = _spans(inventory)
    proofs = _proofs(connection, inventory, spans, acceptance, runs)
    verifications = tuple(_latest_verifications(connection, inventory))
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
        checks=_last_checks(connection, inventory, spans, runs),
        declined=_declined(connection, inventory, spans, runs),
        verified=verifications[0] if verifications else None,
        looked_at_all=next((one for one in verifications if not one.limit), None),
    )


def _latest_verifications(connection: Connection, inventory: str) -> Iterator[Verification]:
    """The verifications that ended, the latest first, down to the first that looked at all."""
    columns = stored(entries.c.number), stored(entries.c.content)
    ended = entries.c.operation == Operation.VERIFY.value, entries.c.step == EntryKind.ENDED.value
    query = select(*columns).where(entries.c.inventory == inventory, *ended)
    for number, content in connection.execute(query.order_by(entries.c.at.desc(), entries.c.number.desc())):
        entry = entry_content(content, number)
        if entry["step"] != EntryKind.ENDED.value:
            raise ValueError("an entry is of the step that its row says")
        recorded = recorded_of(None, cast("EndedContent", entry))
        if recorded.finished is None:
            raise TypeError("an ending has a moment")
        yield Verification(Shown(recorded.finished, recorded.run.id), recorded.run.started, recorded.run.limit)
        if not recorded.run.limit:
            return


# --- facilities -----------------------------------------------------------------------------------


def _spans(inventory: str) -> Subquery:
    """Of each content, when it was proved whole first and last, and when it was checked last; one walk over all."""
    at = _plain(checks)
    whole = case((_whole(checks), at))
    columns = func.min(whole).label("first"), func.max(whole).label("last"), func.max(at).label("newest")
    by = checks.c.facility, checks.c.content
    return select(*by, *columns).where(checks.c.inventory == inventory).group_by(*by).subquery()


def _proofs(
    connection: Connection, inventory: str, spans: Subquery, acceptance: timedelta, runs: Mapping[int, str]
) -> dict[Content, Proof]:
    """When each content was first, once more, and last proved whole, and by which runs."""
    whole = _whole(_LATER)
    accepting = _plain(_LATER) >= spans.c.first + acceptance // timedelta(microseconds=1)
    query = select(
        spans,
        _earliest(_LATER.c.number, inventory, spans, whole, _plain(_LATER) == spans.c.first).label("first_entry"),
        _earliest(_LATER.c.number, inventory, spans, whole, _plain(_LATER) == spans.c.last).label("last_entry"),
        _earliest(_plain(_LATER), inventory, spans, whole, accepting).label("again"),
        _earliest(_LATER.c.number, inventory, spans, whole, accepting).label("again_entry"),
    ).where(spans.c.first.is_not(None))
    proofs = {}
    for row in connection.execute(query):
        again = None if row.again is None else Shown(moment(row.again), runs[row.again_entry])
        first, last = Shown(moment(row.first), runs[row.first_entry]), Shown(moment(row.last), runs[row.last_entry])
        proofs[row.facility, row.content] = Proof(first, again, last)
    return proofs


def _declined(connection: Connection, inventory: str, spans: Subquery, runs: Mapping[int, str]) -> dict[Content, Shown]:
    """Of each content, the first check after the last whole one in which a path that was checked was not up."""
    after = or_(spans.c.last.is_(None), _plain(_LATER) > spans.c.last)
    failed = _LATER.c.proved < _LATER.c.checked
    query = select(
        spans.c.facility,
        spans.c.content,
        _earliest(_plain(_LATER), inventory, spans, failed, after).label("at"),
        _earliest(_LATER.c.number, inventory, spans, failed, after).label("entry"),
    ).where(or_(spans.c.last.is_(None), spans.c.newest > spans.c.last))
    rows = connection.execute(query)
    return {(r.facility, r.content): Shown(moment(r.at), runs[r.entry]) for r in rows if r.at is not None}


_LATER = checks.alias("later")


def _plain(table: FromClause) -> ColumnElement[int]:
    """The moments of a table as the whole numbers that they are."""
    return type_coerce(table.c.at, BigInteger)


def _earliest(
    column: ColumnElement[int], inventory: str, spans: Subquery, *when: ColumnElement[bool]
) -> ScalarSelect[int]:
    """A column of the earliest such check of a content; of two of one moment that which was recorded first."""
    query = select(column).where(_LATER.c.inventory == inventory, _same(_LATER, spans), *when)
    return query.order_by(_LATER.c.at, _LATER.c.number).limit(1).scalar_subquery()


def _same(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    return and_(one.c.facility == other.c.facility, one.c.content == other.c.content)


def _whole(table: FromClause) -> ColumnElement[bool]:
    """Choose the checks in which every pulled path was up at level 7."""
    return and_(table.c.pulled > 0, table.c.proved == table.c.pulled)


def _last_checks(
    connection: Connection, inventory: str, spans: Subquery, runs: Mapping[int, str]
) -> dict[str, tuple[LastCheck, ...]]:
    """The latest check of each facility on each relay; of two of one moment that which was recorded last."""
    query = (
        select(checks)
        .select_from(spans)
        .join(checks, and_(_same(checks, spans), _plain(checks) == spans.c.newest))
        .where(checks.c.inventory == inventory)
        .order_by(checks.c.facility, checks.c.relay, checks.c.at, checks.c.number)
    )
    latest: dict[str, dict[str, LastCheck]] = defaultdict(dict)
    for row in connection.execute(query):
        if None in row:
            raise TypeError("a check says all of it")
        shown = Shown(row.at, runs[row.number])
        check = LastCheck(shown, row.relay, row.content, row.pulled, row.checked, row.proved)
        latest[row.facility][row.relay] = check
    return {facility: tuple(by_relay.values()) for facility, by_relay in latest.items()}
