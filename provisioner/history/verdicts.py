"""What runs saw of paths, kept for years: since when, night by night, and for what share of a time."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import Connection, Select, func, select

from provisioner.availability.kept import ABSENT, MARKS, UNREAD, KeptVerdict, SweptPaths, mark_of
from provisioner.availability.looks import ByPath, Listing, LookTable, Sweep, table_of
from provisioner.availability.measured import LONGEST_STANDING, Measured, Span, measured
from provisioner.availability.nights import Strip, nights
from provisioner.availability.since import PathSince, since
from provisioner.base.clock import start_of
from provisioner.base.printable import printable
from provisioner.history.database import has_table, open_database
from provisioner.history.place import StatePlace
from provisioner.history.records import Ending, Operation, Run
from provisioner.history.rows import DAMAGE, entry_name
from provisioner.history.seal import SealVerdict
from provisioner.history.store import open_history
from provisioner.history.tables import stored, verdicts
from provisioner.history.verdict_rows import PackedProvince, causes_of, plane_of, read_listing, seal_message

_COLUMNS: Final = ("province", "at", "number", "run", "paths", "marks", "causes", "seal")
_SHOWN: Final = 63
_PROVINCE: Final = re.compile(r"[a-z0-9-]{1,63}")
_POSSIBLE: Final = bytes(sorted(MARKS | {ABSENT}))
_T = TypeVar("_T")


@dataclass
class ReadLooks:
    """The looks that were asked for, by province.

    Attributes:
        damaged: the records that could not be read; from its moment on nobody knows what such a one saw.
        unproved: how many are not proved by the vault's key, which is open.
    """

    tables: dict[str, LookTable] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    unproved: int = 0

    def by_path(self, of: Callable[[LookTable], Mapping[str, _T]]) -> ByPath[_T]:
        """What is said of each path of each province."""
        said: dict[str, _T] = {}
        carriers: dict[str, str] = {}
        for table in self.tables.values():
            said |= of(table)
            carriers |= zip(table.paths, table.carriers, strict=True)
        return ByPath(said, sorted(self.damaged), self.unproved, carriers)


def record_verdicts(
    place: StatePlace,
    run_id: str,
    at: datetime,
    kept: Mapping[str, KeptVerdict],
    carriers: Mapping[str, str] | None = None,
    *,
    whole: bool = True,
) -> None:
    """Record a verification of which nothing else is known: what it saw of paths.

    Args:
        place: where the history is, with the keys that seal it.
        run_id: the run's id.
        at: when it ended.
        kept: by path, what it saw.
        carriers: by path, its carrier.
        whole: whether those are all paths of each province that it names.

    Raises:
        StateError: it cannot be recorded.
    """
    run = Run(run_id, Operation.VERIFY, at, "", "", {}, "")
    with closing(open_history(place)) as history:
        history.end(run, Ending(at, "", swept=SweptPaths(kept, carriers or {}, whole)))


def read_since(
    place: StatePlace, prefix: str = "", as_of: datetime | None = None, begin: datetime | None = None
) -> ByPath[PathSince]:
    """Since when each path is what it is, of those whose names begin with a prefix.

    Args:
        place: where the history is, with the keys that rows are held against.
        prefix: `""` for all, or `<province>/`, `<province>/<facility>/` and so on.
        as_of: what was known at that moment.
        begin: from when on looks are read; what is older is that old at least.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    return read_looks(place, prefix, begin, as_of).by_path(lambda table: since(table, as_of))


def read_nights(place: StatePlace, prefix: str, last: date, number: int) -> ByPath[Strip]:
    """What was seen day by day of each path, the earliest of so many days first; days are Vietnam's.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    first = start_of(last - timedelta(days=number - 1))
    looks = read_looks(place, prefix, first, start_of(last + timedelta(days=1)))
    return looks.by_path(lambda table: nights(table, last, number))


def read_availability(
    place: StatePlace, prefix: str, span: Span, longest: timedelta = LONGEST_STANDING
) -> ByPath[Measured]:
    """How long each path was what within a span.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    return read_span(place, prefix, span, longest).by_path(lambda table: measured(table, span, longest))


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is kept of a time.

    Attributes:
        rows: how many rows.
        provinces: those that they are of, the one with the most to read first.
        newest: the newest entry that any of them belongs to; 0 where there is none.
    """

    rows: int = 0
    provinces: tuple[str, ...] = ()
    newest: int = 0


def read_extent(place: StatePlace, span: Span, longest: timedelta = LONGEST_STANDING) -> Extent | None:
    """How much is kept of what `read_span` reads; None where rows are not as rows are: who reads all of them says so.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    database = open_database(place, create=False)
    if database is None:
        return Extent()
    province, number = stored(verdicts.c.province), func.max(stored(verdicts.c.number))
    query = select(province, func.count(), func.sum(func.length(verdicts.c.marks)), number).group_by(province)
    mine = verdicts.c.inventory == place.inventory, verdicts.c.at >= span.begin - longest, verdicts.c.at <= span.until
    with closing(database), database.reading() as connection:
        rows = connection.execute(query.where(*mine)).all() if has_table(connection, verdicts) else []
    extent = Extent()
    for name, count, _, newest in sorted(rows, key=lambda row: -int(row[2] or 0)):
        if not (isinstance(name, str) and _PROVINCE.fullmatch(name) and isinstance(newest, int)):
            return None
        extent = Extent(extent.rows + count, (*extent.provinces, name), max(extent.newest, newest))
    return extent


def read_span(
    place: StatePlace, prefix: str, span: Span, longest: timedelta = LONGEST_STANDING, newest: int | None = None
) -> ReadLooks:
    """The looks that tell how long paths were what within a span; not why.

    Args:
        place: where the history is, with the keys that rows are held against.
        prefix: as `read_since` takes it.
        span: of which time.
        longest: how long a look stands for at most.
        newest: the newest entry that counts: so what is read in parts is of one moment.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    return read_looks(place, prefix, span.begin - longest, span.until, with_causes=False, newest=newest)


def read_looks(
    place: StatePlace,
    prefix: str,
    begin: datetime | None,
    until: datetime | None,
    *,
    with_causes: bool = True,
    newest: int | None = None,
) -> ReadLooks:
    """The looks at the paths whose names begin with a prefix, in a time; both of its ends are in it.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    looks = ReadLooks()
    database = open_database(place, create=False)
    if database is None:
        return looks
    with closing(database), database.reading() as connection:
        if has_table(connection, verdicts):
            reader = _Reader(connection, place, looks, with_causes=with_causes)
            query = _rows(place.inventory, prefix, begin, until)
            if newest is not None:
                query = query.where(verdicts.c.number <= newest)
            for row in connection.execute(query):
                reader.take(*row)
            reader.finish(prefix)
    return looks


def _rows(inventory: str, prefix: str, begin: datetime | None, until: datetime | None) -> Select[*tuple[object, ...]]:
    query = select(*(stored(verdicts.c[name]) for name in _COLUMNS)).where(verdicts.c.inventory == inventory)
    province, slash, _ = prefix.partition("/")
    if slash:
        query = query.where(verdicts.c.province == province)
    if begin is not None:
        query = query.where(verdicts.c.at >= begin)
    return query if until is None else query.where(verdicts.c.at <= until)


class _Reader:
    """Rows to sweeps, with care: a row that is not as it was recorded is named, and stands for not knowing."""

    def __init__(self, connection: Connection, place: StatePlace, looks: ReadLooks, *, with_causes: bool) -> None:
        self._connection, self._place, self._looks = connection, place, looks
        self._with_causes = with_causes
        self._listings: dict[str, Listing | None] = {}
        self._sweeps: dict[str, list[Sweep]] = defaultdict(list)
        self._lost: dict[str, list[int]] = defaultdict(list)

    def take(self, province: object, at: object, number: object, *rest: object) -> None:
        """Take one row as it is stored."""
        try:
            sweep = self._sweep(province, at, number, *rest)
        except DAMAGE:
            where = printable(province, _SHOWN) if isinstance(province, str) else "no province"
            self._looks.damaged.append(f"{where}, entry {entry_name(number)}")
            if isinstance(province, str) and isinstance(at, int):
                self._lost[province].append(at)
        else:
            self._sweeps[str(province)].append(sweep)

    def _sweep(self, *row: object) -> Sweep:
        province, at, number, run, name, marks, causes, seal = row
        if not (isinstance(province, str) and isinstance(name, str) and isinstance(run, str) and isinstance(seal, str)):
            raise TypeError("texts were expected")
        if not (isinstance(at, int) and isinstance(number, int)):
            raise TypeError("whole numbers were expected")
        marks, causes = _bytes(marks), _bytes(causes)
        if self._place.keys.secret is not None:
            packed = PackedProvince(province, name, marks, causes)
            self._prove(seal, seal_message(self._place.inventory, packed, run, number, at))
        listing = self._listing(name)
        plane = plane_of(marks, len(listing.paths))
        if plane.translate(None, _POSSIBLE):
            raise ValueError("no look has such a mark")
        if not self._with_causes:
            return Sweep(at, run, listing, plane, b"")
        return Sweep(at, run, listing, plane, *causes_of(causes, len(listing.paths)))

    def _prove(self, seal: str, message: str) -> None:
        verdict = self._place.keys.judge_seal(seal, message)
        if verdict is SealVerdict.FALSE:
            raise ValueError("its seal is false")
        self._looks.unproved += verdict is not SealVerdict.GENUINE

    def _listing(self, name: str) -> Listing:
        if name not in self._listings:
            self._listings[name] = read_listing(self._connection, self._place.inventory, name)
        listing = self._listings[name]
        if listing is None:
            raise LookupError("its list of paths is gone")
        return listing

    def finish(self, prefix: str) -> None:
        """Put the looks of each province together."""
        for province in sorted(self._sweeps, key=lambda name: f"{name}/"):
            sweeps = self._sweeps[province]
            newest = max(sweeps, key=lambda sweep: (sweep.at, sweep.order)).listing
            sweeps += [_unread(at, newest) for at in self._lost[province]]
            self._looks.tables[province] = table_of(sweeps, prefix, with_causes=self._with_causes)


def _unread(at: int, listing: Listing) -> Sweep:
    width = len(listing.paths)
    return Sweep(at, "", listing, bytes([mark_of(UNREAD)]) * width, b"\1" * width, ("", UNREAD.cause))


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, memoryview):
        return bytes(value)
    raise TypeError("bytes were expected")
