"""Evidence of runs, ages of keys, and packages, counted by the database."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeVar, cast

import sqlalchemy as sa

from provisioner.record import entries, tables
from provisioner.record.lifecycle.evidence import Content, Evidence, LastCheck, Proof, ProvedAt, Verification
from provisioner.record.lifecycle.site_packages import HandedPackage, NamedRelay, PackageRecord
from provisioner.record.tables import documents, moment
from provisioner.record.verdicts import HoldingsQuery

_INNER_CHECKS = tables.checks.alias("later")
_Value = TypeVar("_Value")
PRE_SHARED: Final = "drawn"
TO_PUSH: Final = "drawn_to_push"
_SHOWN: Final = 63
_BY: Final = "user"


@dataclass(frozen=True)
class _Checked:
    proofs: Mapping[Content, Proof]
    declined: Mapping[Content, ProvedAt]
    latest: Mapping[Content, LastCheck]

    def last_checks(self) -> dict[str, tuple[LastCheck, ...]]:
        by_facility: dict[str, dict[str, LastCheck]] = defaultdict(dict)
        for (facility, _), check in sorted(self.latest.items(), key=lambda pair: pair[1].observed):
            by_facility[facility][check.relay] = check
        return {name: tuple(by_relay[relay] for relay in sorted(by_relay)) for name, by_relay in by_facility.items()}


# --- facilities ------------------------------------------------------------------------------------
def evidence(
    connection: sa.Connection, inventory: str, acceptance: timedelta, as_of: datetime = tables.END
) -> Evidence:
    """Return the evidence up to `as_of`; `acceptance` separates the two proofs."""
    is_look = tables.entries.c.operation.not_in(
        [
            operation.value
            for operation in (entries.Operation.PRUNE, *entries.OF_SINGLE_HOSTS, *entries.OF_PACKAGES, *entries.OF_KEYS)
        ]
    )
    ended = sa.select(tables.entries.c.number, tables.entries.c.run).where(
        tables.entries.c.inventory == inventory, is_look
    )
    runs = {row.number: row.run for row in connection.execute(ended)}
    checked = _checks_of(connection, inventory, acceptance, runs, as_of)
    verifications = tuple(_latest_verifications(connection, inventory, as_of))
    connected: dict[str, ProvedAt] = {}
    for (facility, _), proof in checked.proofs.items():
        connected[facility] = min(proof.first, connected.get(facility, proof.first))
    hosts = HoldingsQuery(connection, inventory, as_of)
    known = ended.with_only_columns(sa.func.count(tables.entries.c.run.distinct())).where(tables.entries.c.at <= as_of)
    return Evidence(
        runs=connection.scalar(known) or 0,
        carried=hosts.carried(),
        holders=hosts.holders(),
        words=hosts.words,
        without=hosts.without(),
        proofs=checked.proofs,
        connected=connected,
        checks=checked.last_checks(),
        declined=checked.declined,
        verified=verifications[0] if verifications else None,
        looked_at_all=next((verification for verification in verifications if not verification.limit), None),
    )


def _latest_verifications(connection: sa.Connection, inventory: str, as_of: datetime) -> Iterator[Verification]:
    """Yield the ended verifications, latest first, through the first without limit."""
    columns = tables.stored(tables.entries.c.number), tables.stored(tables.entries.c.content)
    ended = (
        tables.entries.c.operation == entries.Operation.VERIFY.value,
        tables.entries.c.step == entries.EntryKind.ENDED.value,
        tables.entries.c.at <= as_of,
    )
    query = sa.select(*columns).where(tables.entries.c.inventory == inventory, *ended)
    for number, content in connection.execute(
        query.order_by(tables.entries.c.at.desc(), tables.entries.c.number.desc())
    ):
        entry = tables.entry_content(content, number)
        if entry["step"] != entries.EntryKind.ENDED.value:
            raise ValueError("an entry is of the step that its row says")
        recorded = entries.recorded_of(None, cast("entries.EndedContent", entry))
        if recorded.finished is None:
            raise TypeError("an ending has a moment")
        yield Verification(ProvedAt(recorded.finished, recorded.run.id), recorded.run.started, recorded.run.limit)
        if not recorded.run.limit:
            return


def _checks_of(
    connection: sa.Connection, inventory: str, acceptance: timedelta, runs: Mapping[int, str], as_of: datetime
) -> _Checked:
    proofs: dict[Content, Proof] = {}
    declined: dict[Content, ProvedAt] = {}
    latest: dict[Content, LastCheck] = {}
    spans = _check_spans(inventory, as_of)
    for row in connection.execute(sa.select(spans, *_content_columns(spans, inventory, acceptance))):
        content = row.facility, row.content
        if row.first is not None:
            proofs[content] = Proof(
                ProvedAt(moment(row.first), runs[row.first_entry]),
                ProvedAt(moment(row.again), runs[row.again_entry]) if _is_known(row.again, as_of) else None,
                ProvedAt(moment(row.last), runs[row.last_entry]),
            )
        if _is_known(row.declined, as_of):
            declined[content] = ProvedAt(moment(row.declined), runs[row.declined_entry])
        if None in (row.relay, row.pulled, row.checked, row.proved):
            raise TypeError("a check says all of it")
        counts = row.pulled, row.checked, row.proved
        latest[content] = LastCheck(*content, row.relay, moment(row.newest), *counts, runs[row.newest_entry])
    return _Checked(proofs, declined, latest)


def _is_known(at: int | None, as_of: datetime) -> bool:
    return at is not None and moment(at) <= as_of


def _content_columns(
    spans: sa.Subquery, inventory: str, acceptance: timedelta
) -> Iterator[sa.Label[int] | sa.Label[str]]:
    at, number, fully_proved = _time_us(_INNER_CHECKS), _INNER_CHECKS.c.number, _is_fully_proved(_INNER_CHECKS)
    accepting = fully_proved, at >= spans.c.first + acceptance // timedelta(microseconds=1)
    # A facility that was never fully up declines from its first check on.
    failed = _INNER_CHECKS.c.proved < _INNER_CHECKS.c.checked, at > sa.func.coalesce(spans.c.last, spans.c.oldest - 1)
    columns = {
        "first_entry": _of_earliest_check(number, inventory, spans, fully_proved, at == spans.c.first),
        "last_entry": _of_earliest_check(number, inventory, spans, fully_proved, at == spans.c.last),
        "again": _of_earliest_check(at, inventory, spans, *accepting),
        "again_entry": _of_earliest_check(number, inventory, spans, *accepting),
        "declined": _of_earliest_check(at, inventory, spans, *failed),
        "declined_entry": _of_earliest_check(number, inventory, spans, *failed),
        "newest_entry": _of_newest_check(number, inventory, spans),
    }
    yield from (column.label(name) for name, column in columns.items())
    for name in ("relay", "pulled", "checked", "proved"):
        yield _of_newest_check(_INNER_CHECKS.c[name], inventory, spans).label(name)


def _check_spans(inventory: str, as_of: datetime) -> sa.Subquery:
    at = _time_us(tables.checks)
    fully_proved = sa.case((_is_fully_proved(tables.checks), at))
    spans = sa.func.min(fully_proved).label("first"), sa.func.max(fully_proved).label("last")
    all_of_it = sa.func.min(at).label("oldest"), sa.func.max(at).label("newest")
    columns = tables.checks.c.facility, tables.checks.c.content
    return (
        sa.select(*columns, *spans, *all_of_it)
        .where(tables.checks.c.inventory == inventory, tables.checks.c.at <= as_of)
        .group_by(*columns)
        .subquery()
    )


def _time_us(table: sa.FromClause) -> sa.ColumnElement[int]:
    return sa.type_coerce(table.c.at, sa.BigInteger)


def _of_earliest_check(
    column: sa.ColumnElement[_Value], inventory: str, spans: sa.Subquery, *when: sa.ColumnElement[bool]
) -> sa.ScalarSelect[_Value]:
    query = sa.select(column).where(_INNER_CHECKS.c.inventory == inventory, _same_content(_INNER_CHECKS, spans), *when)
    return query.order_by(_INNER_CHECKS.c.at, _INNER_CHECKS.c.number).limit(1).scalar_subquery()


def _of_newest_check(column: sa.ColumnElement[_Value], inventory: str, spans: sa.Subquery) -> sa.ScalarSelect[_Value]:
    """Select a column of a content's latest check, or the worst tie.

    The order is the index's: with any other, SQLite walks over all checks to avoid sorting one.
    """
    when = (
        _INNER_CHECKS.c.inventory == inventory,
        _same_content(_INNER_CHECKS, spans),
        _time_us(_INNER_CHECKS) == spans.c.newest,
    )
    order = _INNER_CHECKS.c.at, _INNER_CHECKS.c.pulled, _INNER_CHECKS.c.proved, _INNER_CHECKS.c.number
    return sa.select(column).where(*when).order_by(*order).limit(1).scalar_subquery()


def _same_content(left: sa.FromClause, right: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(left.c.facility == right.c.facility, left.c.content == right.c.content)


def _is_fully_proved(table: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.pulled > 0, table.c.proved == table.c.pulled)


# --- keys and packages -----------------------------------------------------------------------------
def keys_drawn(connection: sa.Connection, inventory: str, field: str) -> dict[str, datetime]:
    """Return when each facility's key (`PRE_SHARED`, `TO_PUSH`) was drawn, if recorded."""
    kinds = tables.entries.c.operation.in_(sorted(kind.value for kind in entries.OF_KEYS))
    ended = tables.entries.c.inventory == inventory, kinds, tables.entries.c.step == entries.EntryKind.ENDED.value
    conditions = documents.c.inventory == tables.entries.c.inventory, documents.c.run == tables.entries.c.run
    columns = (tables.stored(tables.entries.c.at), tables.stored(documents.c.packed))
    query = sa.select(*columns).where(*ended, *conditions).order_by(tables.entries.c.at, tables.entries.c.number)
    drawn: dict[str, datetime] = {}
    for at, packed in connection.execute(query):
        try:
            times = tables.plain_object(tables.unpacked(packed)).get(field, {})
            for facility, time_text in times.items() if isinstance(times, dict) else ():
                drawn[str(facility)] = _parsed_time(time_text) if time_text else moment(at)  # type: ignore[arg-type]
        except tables.DAMAGE:
            continue
    return drawn


def _parsed_time(time_text: object) -> datetime:
    when = datetime.fromisoformat(str(time_text))
    if when.tzinfo is None:
        raise ValueError("a moment has a zone")
    return when.astimezone(UTC)


def package_records(connection: sa.Connection, inventory: str) -> tuple[dict[str, PackageRecord], tuple[str, ...]]:
    """Return each site's recorded packages, and the runs with unreadable ones."""
    handed: dict[str, list[HandedPackage]] = defaultdict(list)
    installed: dict[str, list[tuple[ProvedAt, str]]] = defaultdict(list)
    damaged = []
    kinds = tables.entries.c.operation.in_(sorted(kind.value for kind in entries.OF_PACKAGES))
    ended = tables.entries.c.inventory == inventory, kinds, tables.entries.c.step == entries.EntryKind.ENDED.value
    conditions = documents.c.inventory == tables.entries.c.inventory, documents.c.run == tables.entries.c.run
    columns = (
        tables.stored(tables.entries.c.number),
        tables.stored(tables.entries.c.run),
        tables.stored(tables.entries.c.at),
        tables.stored(tables.entries.c.content),
    )
    query = (
        sa.select(*columns, tables.stored(documents.c.packed))
        .where(*ended, *conditions)
        .order_by(tables.entries.c.at, tables.entries.c.number)
    )
    for number, run, at, content, packed in connection.execute(query):
        try:
            entry = tables.entry_content(content, number)
            recorded_at = ProvedAt(moment(at), str(run))  # type: ignore[arg-type]
            of_sites = tables.plain_object(tables.unpacked(packed))["packages"]
            for facility, package in _package_items(of_sites):
                if entry["operation"] == entries.Operation.INSTALLED.value:
                    installed[facility].append((recorded_at, _text(package["digest"])))
                else:
                    _add_package(
                        handed[facility], _handed_package(recorded_at, str(entry["who"].get(_BY, "")), package)
                    )
        except tables.DAMAGE:
            damaged.append(str(run)[:_SHOWN])
    names = sorted(handed.keys() | installed.keys())
    return {name: PackageRecord(tuple(handed[name]), tuple(installed[name])) for name in names}, tuple(damaged)


def _add_package(packages: list[HandedPackage], package: HandedPackage) -> None:
    if not packages or packages[-1].digest != package.digest:
        packages.append(package)
    elif packages[-1].until is not None:
        # The same package again: the later one may be installed for longer.
        until = None if package.until is None else max(package.until, packages[-1].until)
        packages[-1] = replace(packages[-1], until=until)


def _handed_package(recorded_at: ProvedAt, actor: str, document: Mapping[str, object]) -> HandedPackage:
    relays = document["relays"]
    if not isinstance(relays, list):
        raise TypeError("a package lists its relays")
    named = tuple(NamedRelay(*(_text(relay[name]) for name in NamedRelay._fields)) for relay in relays)
    # Absent in records from before packages had a last day, and of packages without one.
    until = date.fromisoformat(_text(document["valid_until"])) if document.get("valid_until") is not None else None
    return HandedPackage(recorded_at, actor, named, _text(document["digest"]), document["takes_down"] is True, until)


def _package_items(value: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    if not isinstance(value, dict):
        raise TypeError("packages are by facility")
    for facility, document in value.items():
        if not isinstance(document, dict):
            raise TypeError("a package says something")
        yield facility, document


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise TypeError("this is a text")
    return value
