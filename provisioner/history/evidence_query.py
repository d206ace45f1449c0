"""The evidence of runs, read out of the tables. The database counts: a year of nights is a million checks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Label,
    ScalarSelect,
    Subquery,
    and_,
    case,
    func,
    select,
    type_coerce,
)

from provisioner.history.holdings_query import HoldingsQuery
from provisioner.history.records import (
    OF_KEYS,
    OF_PACKAGES,
    OF_SINGLE_HOSTS,
    EndedContent,
    EntryKind,
    Operation,
    recorded_of,
)
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
    is_look = entries.c.operation.not_in(
        [operation.value for operation in (Operation.PRUNE, *OF_SINGLE_HOSTS, *OF_PACKAGES, *OF_KEYS)]
    )
    ended = select(entries.c.number, entries.c.run).where(entries.c.inventory == inventory, is_look)
    runs = {row.number: row.run for row in connection.execute(ended)}
    checked = _checked(connection, inventory, acceptance, runs)
    verifications = tuple(_latest_verifications(connection, inventory))
    connected: dict[str, Shown] = {}
    for (facility, _), proof in checked.proofs.items():
        connected[facility] = min(proof.first, connected.get(facility, proof.first))
    hosts = HoldingsQuery(connection, inventory)
    return Evidence(
        runs=len(set(runs.values())),
        carried=hosts.carried(),
        holders=hosts.holders(),
        words=hosts.words,
        without=hosts.without(),
        proofs=checked.proofs,
        connected=connected,
        checks=checked.last_checks(),
        declined=checked.declined,
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


@dataclass(frozen=True)
class _Checked:
    """What the checks of all contents come to.

    Attributes:
        proofs: when each content was first, once more, and last proved whole, and by which runs.
        declined: the first check after the last whole one in which a path that was checked was not up.
        latest: the latest check of each content.
    """

    proofs: Mapping[Content, Proof]
    declined: Mapping[Content, Shown]
    latest: Mapping[Content, LastCheck]

    def last_checks(self) -> dict[str, tuple[LastCheck, ...]]:
        """The latest check of each facility on each of its relays."""
        by_facility: dict[str, dict[str, LastCheck]] = defaultdict(dict)
        for (facility, _), check in sorted(self.latest.items(), key=lambda one: one[1].shown):
            by_facility[facility][check.relay] = check
        return {name: tuple(by_relay[relay] for relay in sorted(by_relay)) for name, by_relay in by_facility.items()}


def _checked(connection: Connection, inventory: str, acceptance: timedelta, runs: Mapping[int, str]) -> _Checked:
    """Read all checks in one walk."""
    proofs: dict[Content, Proof] = {}
    declined: dict[Content, Shown] = {}
    latest: dict[Content, LastCheck] = {}
    spans = _spans(inventory)
    for row in connection.execute(select(spans, *_contents(spans, inventory, acceptance))):
        content = row.facility, row.content
        if row.first is not None:
            proofs[content] = Proof(
                Shown(moment(row.first), runs[row.first_entry]),
                None if row.again is None else Shown(moment(row.again), runs[row.again_entry]),
                Shown(moment(row.last), runs[row.last_entry]),
            )
        if row.declined is not None:
            declined[content] = Shown(moment(row.declined), runs[row.declined_entry])
        shown = Shown(moment(row.newest), runs[row.newest_entry])
        if None in (row.relay, row.pulled, row.checked, row.proved):
            raise TypeError("a check says all of it")
        latest[content] = LastCheck(shown, row.relay, row.content, row.pulled, row.checked, row.proved)
    return _Checked(proofs, declined, latest)


def _contents(spans: Subquery, inventory: str, acceptance: timedelta) -> Iterator[Label[int] | Label[str]]:
    """Of each content the moments that count, with their entries, and its latest check."""
    at, number, whole = _plain(_LATER), _LATER.c.number, _whole(_LATER)
    accepting = whole, at >= spans.c.first + acceptance // timedelta(microseconds=1)
    # What was never whole declines from its first check on.
    failed = _LATER.c.proved < _LATER.c.checked, at > func.coalesce(spans.c.last, spans.c.oldest - 1)
    columns = {
        "first_entry": _earliest(number, inventory, spans, whole, at == spans.c.first),
        "last_entry": _earliest(number, inventory, spans, whole, at == spans.c.last),
        "again": _earliest(at, inventory, spans, *accepting),
        "again_entry": _earliest(number, inventory, spans, *accepting),
        "declined": _earliest(at, inventory, spans, *failed),
        "declined_entry": _earliest(number, inventory, spans, *failed),
        "newest_entry": _newest(number, inventory, spans),
    }
    yield from (column.label(name) for name, column in columns.items())
    for name in ("relay", "pulled", "checked", "proved"):
        yield _newest(_LATER.c[name], inventory, spans).label(name)


def _spans(inventory: str) -> Subquery:
    """Of each content, when it was proved whole first and last, and when it was checked first and last."""
    at = _plain(checks)
    whole = case((_whole(checks), at))
    spans = func.min(whole).label("first"), func.max(whole).label("last")
    all_of_it = func.min(at).label("oldest"), func.max(at).label("newest")
    by = checks.c.facility, checks.c.content
    return select(*by, *spans, *all_of_it).where(checks.c.inventory == inventory).group_by(*by).subquery()


_LATER = checks.alias("later")
_Value = TypeVar("_Value")


def _plain(table: FromClause) -> ColumnElement[int]:
    """The moments of a table as the whole numbers that they are."""
    return type_coerce(table.c.at, BigInteger)


def _earliest(
    column: ColumnElement[_Value], inventory: str, spans: Subquery, *when: ColumnElement[bool]
) -> ScalarSelect[_Value]:
    """A column of the earliest such check of a content; of two of one moment that which was recorded first."""
    query = select(column).where(_LATER.c.inventory == inventory, _same(_LATER, spans), *when)
    return query.order_by(_LATER.c.at, _LATER.c.number).limit(1).scalar_subquery()


def _newest(column: ColumnElement[_Value], inventory: str, spans: Subquery) -> ScalarSelect[_Value]:
    """A column of the latest check of a content; of two of one moment that in which less was up.

    The order is that of the index: by any other one SQLite walks over all checks to spare itself the sorting of one.
    """
    when = _LATER.c.inventory == inventory, _same(_LATER, spans), _plain(_LATER) == spans.c.newest
    order = _LATER.c.at, _LATER.c.pulled, _LATER.c.proved, _LATER.c.number
    return select(column).where(*when).order_by(*order).limit(1).scalar_subquery()


def _same(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    return and_(one.c.facility == other.c.facility, one.c.content == other.c.content)


def _whole(table: FromClause) -> ColumnElement[bool]:
    """Choose the checks in which every pulled path was up at level 7."""
    return and_(table.c.pulled > 0, table.c.proved == table.c.pulled)
