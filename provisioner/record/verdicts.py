"""Recorded verdicts on paths, and what hosts hold: state, nights, availability.

An unreadable row is named and does not hide others. Functions raise `StateError` if the history cannot be read or
written. `prefix` is `""` for all, or `<province>/`, `<province>/<facility>/` and so on. A check counts for `longest` at
most.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Final, TypeVar, cast

from sqlalchemy import BigInteger, Connection, Select, Subquery, and_, func, or_, select, type_coerce

from provisioner.base.groups import gathered
from provisioner.base.text import printable, start_of
from provisioner.record.availability import path_state
from provisioner.record.availability.measured import LONGEST_STANDING, Measured, Span, measured
from provisioner.record.availability.path_state import since
from provisioner.record.database import has_table, open_database
from provisioner.record.entries import EntryKind, StartContent, recorded_of
from provisioner.record.lifecycle.evidence import Content, HostReport, ProvedAt
from provisioner.record.state_folder import SealVerdict, StateFolder
from provisioner.record.tables import (
    DAMAGE,
    END,
    entries,
    entry_content,
    entry_name,
    held,
    holdings,
    microseconds,
    moment,
    stored,
    verdicts,
)
from provisioner.record.verdict_rows import PackedProvince, causes_of, plane_of, read_listing, seal_message

_Sight = tuple[str, str | None, bool]
_EMPTY: Mapping[str, str] = {}
_COLUMNS: Final = ("province", "at", "number", "run", "paths", "marks", "causes", "seal")
_SHOWN: Final = 63
_POSSIBLE: Final = bytes(sorted(path_state.MARKS | {path_state.ABSENT}))
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Span:
    host: str
    held: Mapping[str, str] | None
    exact: bool
    first: ProvedAt
    last: ProvedAt


@dataclass
class ReadLooks:
    """The requested checks, by province."""

    tables: dict[str, path_state.LookTable] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)  #: Unreadable records; paths are unknown until the next check.
    unproved: int = 0  #: The number of records that the open vault's key does not prove.

    def by_path(self, reader: Callable[[path_state.LookTable], Mapping[str, _T]]) -> path_state.ByPath[_T]:
        """Return a function's results for all provinces, by path."""
        results: dict[str, _T] = {}
        carriers: dict[str, str] = {}
        for table in self.tables.values():
            results |= reader(table)
            carriers |= zip(table.paths, table.carriers, strict=True)
        return path_state.ByPath(results, sorted(self.damaged), self.unproved, carriers)


class HoldingsQuery:
    """The facilities that runs found on hosts until `as_of`, in one transaction."""

    def __init__(self, connection: Connection, inventory: str, as_of: datetime = END) -> None:
        self._connection = connection
        self._mine = inventory
        self._as_of = as_of

    @cached_property
    def words(self) -> dict[str, HostReport]:
        """The last known content of each host; unfinished changes make it unknown."""
        last: dict[str, HostReport] = {}
        for span in sorted(self._holding_spans, key=lambda span: span.last):
            last[span.host] = HostReport(span.last, span.held, span.exact)
        for host, began in self._hosts_of_unfinished_runs():
            if host not in last or last[host].observed.at <= began.at:
                last[host] = HostReport(began, None, exact=False)
        return dict(sorted(last.items()))

    def carried(self) -> dict[Content, dict[str, ProvedAt]]:
        """Return, by content and host, when the host first had it."""
        by_content: dict[Content, dict[str, ProvedAt]] = defaultdict(dict)
        for span in self._holding_spans:
            for content in (item for item in (span.held or _EMPTY).items() if item[1]):
                by_content[content][span.host] = min(span.first, by_content[content].get(span.host, span.first))
        return dict(by_content)

    def holders(self) -> dict[str, frozenset[str]]:
        """Return, by facility, every host that ever had it."""
        by_facility = gathered((name, span.host) for span in self._holding_spans for name in span.held or ())
        return {facility: frozenset(hosts) for facility, hosts in by_facility.items()}

    def without(self) -> dict[tuple[str, str], ProvedAt]:
        """Return, by facility and host, since when it is gone there."""
        last_carried: dict[tuple[str, str], ProvedAt] = {}
        for span in self._holding_spans:
            for facility in span.held or ():
                key = facility, span.host
                last_carried[key] = max(span.last, last_carried.get(key, span.last))
        removed = {key: last for key, last in last_carried.items() if not self.words[key[1]].may_hold(key[0])}
        since = {pair: self._next_report_at(*pair) for pair in {(host, last) for (_, host), last in removed.items()}}
        return {(facility, host): since[host, last] for (facility, host), last in removed.items()}

    @cached_property
    def _holding_spans(self) -> tuple[_Span, ...]:
        spans = self._grouped_holdings()
        at = type_coerce(holdings.c.at, BigInteger)
        same = and_(
            holdings.c.host == spans.c.host,
            holdings.c.held.is_not_distinct_from(spans.c.held),
            holdings.c.exact == spans.c.exact,
        )
        query = (
            select(spans, at.label("moment"), entries.c.run)
            .select_from(holdings)
            .join(spans, same)
            .join(entries, and_(entries.c.inventory == holdings.c.inventory, entries.c.number == holdings.c.number))
            .where(holdings.c.inventory == self._mine, or_(at == spans.c.first, at == spans.c.last))
            .order_by(holdings.c.number.desc())
        )
        proofs: dict[_Sight, dict[int, ProvedAt]] = defaultdict(dict)
        ends: dict[_Sight, tuple[int, int]] = {}
        for row in self._connection.execute(query):
            key = row.host, row.held, row.exact
            proofs[key][row.moment] = ProvedAt(moment(row.moment), row.run)
            ends[key] = row.first, row.last
        return tuple(
            _Span(key[0], self._contents(key[1]), key[2], proofs[key][first], proofs[key][last])
            for key, (first, last) in ends.items()
        )

    def _grouped_holdings(self) -> Subquery:
        at = type_coerce(holdings.c.at, BigInteger)
        columns = holdings.c.host, holdings.c.held, holdings.c.exact
        query = select(*columns, func.min(at).label("first"), func.max(at).label("last"))
        known = holdings.c.inventory == self._mine, holdings.c.at <= self._as_of
        return query.where(*known).group_by(*columns).subquery()

    def _contents(self, digest: str | None) -> Mapping[str, str] | None:
        return None if digest is None else self._contents_by_digest.get(digest, _EMPTY)

    @cached_property
    def _contents_by_digest(self) -> dict[str, dict[str, str]]:
        sets: dict[str, dict[str, str]] = defaultdict(dict)
        query = select(held.c.digest, held.c.facility, held.c.content).where(held.c.inventory == self._mine)
        for row in self._connection.execute(query):
            if None in row:
                raise TypeError("a set names facilities and their contents")
            sets[row.digest][row.facility] = row.content
        return dict(sets)

    def _hosts_of_unfinished_runs(self) -> Iterator[tuple[str, ProvedAt]]:
        known = entries.c.inventory == self._mine, entries.c.at <= self._as_of
        ended = select(entries.c.run).where(*known, entries.c.step == EntryKind.ENDED.value)
        began = entries.c.step == EntryKind.BEGUN.value, entries.c.run.not_in(ended)
        query = select(entries.c.number, entries.c.content).where(*known, *began)
        for row in self._connection.execute(query.order_by(entries.c.number)):
            recorded = recorded_of(cast("StartContent", entry_content(row.content, row.number)), None)
            yield from ((host, ProvedAt(recorded.run.started, recorded.run.id)) for host in recorded.hosts)

    def _next_report_at(self, host: str, after: ProvedAt) -> ProvedAt:
        """Return when a host was next completely known."""
        at = type_coerce(holdings.c.at, BigInteger)
        query = (
            select(at.label("moment"), entries.c.run)
            .join(entries, and_(entries.c.inventory == holdings.c.inventory, entries.c.number == holdings.c.number))
            .where(holdings.c.inventory == self._mine, holdings.c.host == host, holdings.c.exact)
            .where(at > microseconds(after.at))
            .order_by(at, holdings.c.number)
            .limit(1)
        )
        row = self._connection.execute(query).first()
        return ProvedAt(moment(row.moment), row.run) if row else self.words[host].observed


def read_looks(
    folder: StateFolder,
    prefix: str,
    begin: datetime | None,
    until: datetime | None,
    *,
    with_causes: bool = True,
    newest: int | None = None,
) -> ReadLooks:
    """Return the checks of paths with a prefix, both ends included."""
    looks = ReadLooks()
    database = open_database(folder, create=False)
    if database is None:
        return looks
    with closing(database), database.reading() as connection:
        if not has_table(connection, verdicts):
            return looks
        query = _verdict_rows(folder.inventory, prefix, begin, until)
        if newest is not None:
            query = query.where(verdicts.c.number <= newest)
        reader = _Reader(connection, folder, looks, with_causes=with_causes)
        for row in connection.execute(query):
            reader.add_row(*row)
        reader.add_tables(prefix)
    return looks


def _verdict_rows(
    inventory: str, prefix: str, begin: datetime | None, until: datetime | None
) -> Select[*tuple[object, ...]]:
    query = select(*(stored(verdicts.c[name]) for name in _COLUMNS)).where(verdicts.c.inventory == inventory)
    province, slash, _ = prefix.partition("/")
    if slash:
        query = query.where(verdicts.c.province == province)
    if begin is not None:
        query = query.where(verdicts.c.at >= begin)
    return query if until is None else query.where(verdicts.c.at <= until)


class _Reader:
    """Turns rows into sweeps; a malformed row counts as unknown."""

    def __init__(self, connection: Connection, folder: StateFolder, looks: ReadLooks, *, with_causes: bool) -> None:
        self._connection, self._place, self._looks = connection, folder, looks
        self._with_causes = with_causes
        self._listings: dict[str, path_state.PathList | None] = {}
        self._sweeps: dict[str, list[path_state.Sweep]] = defaultdict(list)
        self._lost: dict[str, list[int]] = defaultdict(list)

    def add_row(self, province: object, at: object, number: object, *rest: object) -> None:
        try:
            sweep = self._sweep_in(province, at, number, *rest)
        except DAMAGE:
            where = printable(province, _SHOWN) if isinstance(province, str) else "no province"
            self._looks.damaged.append(f"{where}, entry {entry_name(number)}")
            if isinstance(province, str) and isinstance(at, int):
                self._lost[province].append(at)
        else:
            self._sweeps[str(province)].append(sweep)

    def _sweep_in(self, *row: object) -> path_state.Sweep:
        province, at, number, run, name, marks, causes, seal = row
        if not (isinstance(province, str) and isinstance(name, str) and isinstance(run, str) and isinstance(seal, str)):
            raise TypeError("texts were expected")
        if not (isinstance(at, int) and isinstance(number, int)):
            raise TypeError("whole numbers were expected")
        marks, causes = _row_bytes(marks), _row_bytes(causes)
        if self._place.keys.secret is not None:
            packed = PackedProvince(province, name, marks, causes)
            verdict = self._place.keys.judge_seal(seal, seal_message(self._place.inventory, packed, run, number, at))
            if verdict is SealVerdict.FALSE:
                raise ValueError("its seal is false")
            self._looks.unproved += verdict is not SealVerdict.GENUINE
        listing = self._path_list(name)
        plane = plane_of(marks, len(listing.paths))
        if plane.translate(None, _POSSIBLE):
            raise ValueError("no look has such a mark")
        if not self._with_causes:
            return path_state.Sweep(at, run, listing, plane, b"")
        return path_state.Sweep(at, run, listing, plane, *causes_of(causes, len(listing.paths)))

    def _path_list(self, name: str) -> path_state.PathList:
        if name not in self._listings:
            self._listings[name] = read_listing(self._connection, self._place.inventory, name)
        listing = self._listings[name]
        if listing is None:
            raise LookupError("its list of paths is gone")
        return listing

    def add_tables(self, prefix: str) -> None:
        for province in sorted(self._sweeps, key=lambda name: f"{name}/"):
            sweeps = self._sweeps[province]
            newest = max(sweeps, key=lambda sweep: (sweep.at, sweep.order)).listing
            sweeps += [_unread(at, newest) for at in self._lost[province]]
            self._looks.tables[province] = path_state.table_of(sweeps, prefix, with_causes=self._with_causes)


def _unread(at: int, listing: path_state.PathList) -> path_state.Sweep:
    width = len(listing.paths)
    return path_state.Sweep(
        at,
        "",
        listing,
        bytes([path_state.mark_of(path_state.UNREAD)]) * width,
        b"\1" * width,
        ("", path_state.UNREAD.cause),
    )


def _row_bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, memoryview):
        return bytes(value)
    raise TypeError("bytes were expected")


_PROVINCE: Final = re.compile(r"[a-z0-9-]{1,63}")


def read_since(
    folder: StateFolder, prefix: str = "", as_of: datetime | None = None, begin: datetime | None = None
) -> path_state.ByPath[path_state.PathState]:
    """Return the state of each path and its start.

    `as_of` returns the state as known at that time. Checks before `begin` are not read: an older state is at least that
    old.
    """
    return read_looks(folder, prefix, begin, as_of).by_path(lambda table: since(table, as_of))


def read_nights(folder: StateFolder, prefix: str, last: date, number: int) -> path_state.ByPath[path_state.Strip]:
    """Return each path's days, earliest first, by Vietnam's calendar."""
    first = start_of(last - timedelta(days=number - 1))
    looks = read_looks(folder, prefix, first, start_of(last + timedelta(days=1)))
    return looks.by_path(lambda table: path_state.nights(table, last, number))


def read_availability(
    folder: StateFolder, prefix: str, span: Span, longest: timedelta = LONGEST_STANDING
) -> path_state.ByPath[Measured]:
    """Return how long each path had which verdict within a span."""
    return read_span(folder, prefix, span, longest).by_path(lambda table: measured(table, span, longest))


@dataclass(frozen=True, slots=True)
class Extent:
    """The amount of rows of a span; the largest provinces come first."""

    rows: int = 0
    provinces: tuple[str, ...] = ()
    newest: int = 0  #: The newest entry with such rows, or 0.


def read_extent(folder: StateFolder, span: Span, longest: timedelta = LONGEST_STANDING) -> Extent | None:
    """Return the amount of rows for `read_span`, or `None` if malformed."""
    database = open_database(folder, create=False)
    if database is None:
        return Extent()
    province, number = stored(verdicts.c.province), func.max(stored(verdicts.c.number))
    query = select(province, func.count(), func.sum(func.length(verdicts.c.marks)), number).group_by(province)
    conditions = (
        verdicts.c.inventory == folder.inventory,
        verdicts.c.at >= span.begin - longest,
        verdicts.c.at <= span.until,
    )
    with closing(database), database.reading() as connection:
        rows = connection.execute(query.where(*conditions)).all() if has_table(connection, verdicts) else []
    extent = Extent()
    for name, count, _, newest in sorted(rows, key=lambda row: -int(row[2] or 0)):
        if not (isinstance(name, str) and _PROVINCE.fullmatch(name) and isinstance(newest, int)):
            return None
        extent = Extent(extent.rows + count, (*extent.provinces, name), max(extent.newest, newest))
    return extent


def read_span(
    folder: StateFolder, prefix: str, span: Span, longest: timedelta = LONGEST_STANDING, newest: int | None = None
) -> ReadLooks:
    """Return the checks that show path times within a span, without causes.

    `newest` is the newest entry that counts, so that parts read one after the other agree.
    """
    return read_looks(folder, prefix, span.begin - longest, span.until, with_causes=False, newest=newest)
