"""Sums of whole months beside the verdicts, kept up and used.

A year of a province is a dozen rows then, and not one a night. A span is read by the sums of its months, and by the
verdicts of the days around them.

A row of sums names its verdicts by a hash over all that is counted of them. It counts only if that hash fits the
verdicts that are there at that moment: whoever changes, adds or takes away a verdict changes the hash. So sums are no
record; whoever records a verification makes them again if they are missing.
"""

from __future__ import annotations

import hashlib
import zlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final, cast

import orjson
from sqlalchemy import Connection, and_, delete, func, insert, select

from provisioner.base.text import VIETNAM, canonical_json, printable
from provisioner.record.availability.measured import Span
from provisioner.record.availability.months import (
    PLANES,
    WORD,
    Cell,
    CellTimes,
    added,
    are_possible,
    around,
    cell_times,
    cells_of,
    cells_of_all,
    fits,
    month_of,
    months_within,
)
from provisioner.record.availability.verdict_table import EMPTY, Listing
from provisioner.record.database import has_table, open_database
from provisioner.record.place import StatePlace
from provisioner.record.seal import SealVerdict
from provisioner.record.state_queries import province_looks, row_bytes
from provisioner.record.tables import DAMAGE, microseconds, moment, month_sums, stored, verdicts
from provisioner.record.verdict_rows import LONGEST_PLANE, PROVINCE, inflated, read_listing

COLUMNS: Final = ("province", "begin", "until", "since", "rows", "newest", "of", "packed", "seal")
_COUNTED: Final = ("province", "at", "number", "run", "paths", "seal", "marks")
_AN_INSTANT: Final = timedelta(microseconds=1)
AT_ONCE: Final = 200
"""So many are made by one who records, the newest first: of years that nobody summed each night takes a part."""

_Key = tuple[str, int]
_SHOWN: Final = 63
_ANEW: Final = "the next verification that is recorded makes them anew"
_EVER: Final = Span(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
_MOST_BESIDE: Final = 0.5
"""A province of which more than this share of verdicts would be read one by one is read as if nothing were summed."""


@dataclass(frozen=True, slots=True)
class MonthSums:
    """What a row of sums says.

    Attributes:
        month: of which time it is.
        since: from when on verdicts are counted: they stand for a while.
        rows: how many verdicts are counted.
        newest: the newest entry that any of them belongs to.
        of: the hash over them.
    """

    province: str
    month: Span
    since: datetime
    rows: int
    newest: int
    of: str
    packed: bytes
    seal: str = ""

    def message(self, inventory: str) -> str:
        """What is sealed of it: whose it is, of which month and verdicts, and all that it says."""
        times = [microseconds(at) for at in (self.month.begin, self.month.until, self.since)]
        content = hashlib.sha256(self.packed).hexdigest()
        whole = ["month-sums", inventory, self.province, *times, self.rows, self.newest, self.of, content]
        return canonical_json(whole).decode()


class CountedRows:
    """The verdicts of a province in a time, by what is counted of them.

    Args:
        rows: in the order of their moments and numbers, by `_COUNTED`.

    Raises:
        TypeError: one is not as rows are.
    """

    def __init__(self, rows: Iterable[Sequence[object]]) -> None:
        columns = list(zip(*rows, strict=True)) or [()] * len(_COUNTED)
        _, moments, numbers, runs, lists, seals, marks = columns
        if {*map(type, moments), *map(type, numbers)} - {int} or {*map(type, lists)} - {str}:
            raise TypeError("a row has a moment, a number and a list")
        planes = [row_bytes(one) for one in marks]
        self._moments = cast("Sequence[int]", moments)
        self._numbers = cast("Sequence[int]", numbers)
        self._lists = cast("Sequence[str]", lists)
        heads = zip(moments, numbers, runs, lists, seals, map(len, planes), strict=True)
        self._lines = [orjson.dumps(head) + plane for head, plane in zip(heads, planes, strict=True)]

    def _within(self, since: datetime, until: datetime) -> slice:
        places = (bisect_left(self._moments, microseconds(at)) for at in (since, until))
        return slice(*places)

    def number_within(self, since: datetime, until: datetime) -> int:
        """How many are of a time, its last moment left out."""
        return len(self._moments[self._within(since, until)])

    def __len__(self) -> int:
        return len(self._moments)

    @property
    def newest(self) -> int:
        """The newest entry of them; 0 where there is none."""
        return max(self._numbers, default=0)

    def digest(self, since: datetime, until: datetime) -> str:
        """The hash over all that is counted of a time."""
        return f"sha256:{hashlib.sha256(b''.join(self._lines[self._within(since, until)])).hexdigest()}"

    def lists(self) -> set[str]:
        """The lists of paths that they name."""
        return set(self._lists)


NO_ROWS: Final = CountedRows(())


@dataclass(frozen=True, slots=True)
class SummedProvince:
    """A province by the sums of its months.

    Attributes:
        paths: how many paths each of its cells has.
        times: for how long they were what.
    """

    paths: Mapping[Cell, int]
    times: CellTimes


@dataclass(frozen=True, slots=True)
class SummedSpan:
    """What is known of a span by sums of months.

    Attributes:
        provinces: those that could be answered so.
        others: those that have to be read verdict by verdict.
        newest: the newest entry that any verdict of the span belongs to.
    """

    provinces: Mapping[str, SummedProvince]
    others: tuple[str, ...]
    newest: int


def sums_of_row(*row: object) -> MonthSums:
    """The sums in a row as it is stored, by `COLUMNS`.

    Raises:
        TypeError, ValueError: it is not as such rows are.
    """
    province, begin, until, since, rows, newest, of, packed, seal = row
    if not (isinstance(province, str) and isinstance(of, str) and isinstance(seal, str)):
        raise TypeError("texts were expected")
    if not (isinstance(begin, int) and isinstance(until, int) and isinstance(since, int)):
        raise TypeError("moments were expected")
    if not (isinstance(rows, int) and isinstance(newest, int)):
        raise TypeError("whole numbers were expected")
    return MonthSums(
        province, Span(moment(begin), moment(until)), moment(since), rows, newest, of, row_bytes(packed), seal
    )


def stored_sums(connection: Connection, inventory: str, within: Span | None = None) -> Iterator[MonthSums | None]:
    """The rows of sums of months that begin within a time, or all; None for one that is not as such rows are."""
    query = select(*(stored(month_sums.c[name]) for name in COLUMNS)).where(month_sums.c.inventory == inventory)
    if within is not None:
        query = query.where(month_sums.c.begin >= within.begin, month_sums.c.begin < within.until)
    for row in connection.execute(query):
        try:
            one = sums_of_row(*row)
        except (TypeError, ValueError, OverflowError):
            yield None
        else:
            yield one


# --- what the verdicts say -------------------------------------------------------------------------


def counted_rows(
    connection: Connection, inventory: str, since: datetime, until: datetime, provinces: Collection[str] = ()
) -> Iterator[tuple[object, CountedRows | None]]:
    """The verdicts of each province in a time, both of whose ends are in it; None where they are not as rows are."""
    query = select(*(stored(verdicts.c[name]) for name in _COUNTED)).where(verdicts.c.inventory == inventory)
    query = query.where(verdicts.c.at >= since, verdicts.c.at <= until)
    if provinces:
        query = query.where(verdicts.c.province.in_(sorted(provinces)))
    ordered = query.order_by(verdicts.c.province, verdicts.c.at, verdicts.c.number)
    for province, rows in groupby(connection.execute(ordered), key=lambda row: row[0]):
        try:
            yield province, CountedRows(rows)
        except TypeError:
            yield province, None


# --- what they come to ----------------------------------------------------------------------------


def packed_times(times: CellTimes, listing: str) -> bytes:
    """Times as they are stored; cells that are those of one list are not written out."""
    head = orjson.dumps({"listing": listing} if listing else {"cells": times.cells})
    return zlib.compress(head + b"\n" + b"".join(times.planes))


def times_of(packed: bytes, cells_in: Mapping[str, Iterable[Cell]]) -> CellTimes:
    """The times of stored ones.

    Args:
        packed: as `packed_times` made them.
        cells_in: the cells of lists of paths, by their digests.

    Raises:
        TypeError, ValueError, LookupError, zlib.error: they are none.
    """
    head, _, content = content_of(packed).partition(b"\n")
    said = orjson.loads(head)
    cells = tuple(cells_in[said["listing"]]) if "listing" in said else tuple(map(_cell, said["cells"]))
    length = WORD * len(cells)
    if len(content) != length * PLANES:
        raise ValueError("a plane has a value for each cell")
    return CellTimes(cells, tuple(content[place * length : (place + 1) * length] for place in range(PLANES)))


def content_of(packed: bytes) -> bytes:
    """What is packed in stored times.

    Raises:
        ValueError, zlib.error: they are not packed so.
    """
    return inflated(packed, LONGEST_PLANE * PLANES)


def _cell(said: object) -> Cell:
    if not isinstance(said, list) or not all(isinstance(word, str) for word in said):
        raise TypeError("a cell has two words")
    place, carrier = said
    return place, carrier


def made_sums(
    connection: Connection, place: StatePlace, province: str, month: Span, longest: timedelta
) -> MonthSums | None:
    """The sums of a province's month, sealed; None where a verdict of it cannot be read, as nobody knows then."""
    since, last = month.begin - longest, month.until - _AN_INSTANT
    counted = dict(counted_rows(connection, place.inventory, since, last, [province]))
    rows = counted.get(province, NO_ROWS)
    if rows is None:
        return None
    looks = province_looks(connection, place, province, since, last)
    if looks.damaged:
        return None
    times, lists = cell_times(looks.tables.get(province, EMPTY), month, longest), rows.lists()
    one = MonthSums(
        province,
        month,
        since,
        len(rows),
        rows.newest,
        rows.digest(since, month.until),
        packed_times(times, lists.pop() if len(lists) == 1 else ""),
    )
    return replace(one, seal=place.keys.seal(one.message(place.inventory)))


# --- sums kept up ----------------------------------------------------------------------------------


def keep_month_sums(place: StatePlace, longest: timedelta, now: datetime, at_once: int = AT_ONCE) -> int:
    """Sum the months that are over and have no sums of what lies there: how many were made.

    Args:
        place: where the history is, with the keys that seal it.
        longest: how long a look stands for at most.
        now: a month that ended by then is over.
        at_once: so many at most.

    Raises:
        StateError: there is a history, and it cannot be read or written; what is recorded stays as it is.
    """
    database = open_database(place, create=False)
    if database is None:
        return 0
    with closing(database):
        with database.reading() as connection:
            if not (has_table(connection, verdicts) and has_table(connection, month_sums)):
                return 0
            asked = _Asked(connection, place, longest, now)
            made = [one for province, month in asked.due[:at_once] if (one := asked.made(province, month))]
            gone = asked.gone
        if made or gone:
            with database.writing() as connection:
                _write(connection, place, made, gone)
    return len(made)


def _write(connection: Connection, place: StatePlace, made: Iterable[MonthSums], gone: Iterable[_Key]) -> None:
    mine = month_sums.c.inventory == place.inventory
    for province, begin in [*gone, *(_key(one.province, one.month) for one in made)]:
        own = month_sums.c.province == province, month_sums.c.begin == moment(begin)
        connection.execute(delete(month_sums).where(mine, *own))
    rows = [_columns(place.inventory, one) for one in made]
    if rows:
        connection.execute(insert(month_sums), rows)


def _columns(inventory: str, one: MonthSums) -> dict[str, object]:
    times = {"begin": one.month.begin, "until": one.month.until, "since": one.since}
    counted = {"rows": one.rows, "newest": one.newest, "of": one.of}
    return {
        "inventory": inventory,
        "province": one.province,
        "packed": one.packed,
        "seal": one.seal,
        **times,
        **counted,
    }


def _key(province: str, month: Span) -> _Key:
    return province, microseconds(month.begin)


class _Asked:
    """What is there, and what is due of it.

    Attributes:
        due: the months without sums that hold, the newest first.
        gone: sums that are of nothing any more.
    """

    def __init__(self, connection: Connection, place: StatePlace, longest: timedelta, now: datetime) -> None:
        self._connection, self._place, self._longest = connection, place, longest
        wanted = {_key(province, month): month for province, month in self._over(now)}
        lying = self._lying()
        there = {_key(one.province, one.month): one for one in stored_sums(connection, place.inventory) if one}
        holding = {
            key
            for key, one in there.items()
            if one.month == wanted.get(key)
            and one.since == one.month.begin - longest
            and lying.get(key) == (one.rows, one.newest)
            and place.keys.vouch_for(one.seal, one.message(place.inventory))
        }
        due = sorted(wanted.keys() - holding, key=lambda key: (-key[1], key[0]))
        self.due = [(province, wanted[province, begin]) for province, begin in due]
        self.gone = sorted(there.keys() - wanted.keys())

    def _over(self, now: datetime) -> Iterator[tuple[str, Span]]:
        """The months of each province that are over, from its first verdict to its last."""
        first, last = func.min(stored(verdicts.c.at)), func.max(stored(verdicts.c.at))
        query = select(stored(verdicts.c.province), first, last).where(verdicts.c.inventory == self._place.inventory)
        for province, begin, end in self._connection.execute(query.group_by(verdicts.c.province)):
            if isinstance(province, str) and isinstance(begin, int) and isinstance(end, int):
                month = month_of(moment(begin))
                while month.until <= now and month.begin - self._longest <= moment(end):
                    yield province, month
                    month = month_of(month.until)

    def _lying(self) -> dict[tuple[object, object], tuple[object, object]]:
        """How many verdicts are counted by each row of sums now, and the newest entry of them."""
        at = and_(
            verdicts.c.inventory == month_sums.c.inventory,
            verdicts.c.province == month_sums.c.province,
            verdicts.c.at >= month_sums.c.since,
            verdicts.c.at < month_sums.c.until,
        )
        key = stored(month_sums.c.province), stored(month_sums.c.begin)
        counted = func.count(verdicts.c.number), func.max(stored(verdicts.c.number))
        query = select(*key, *counted).select_from(month_sums.outerjoin(verdicts, at))
        mine = query.where(month_sums.c.inventory == self._place.inventory)
        rows = self._connection.execute(mine.group_by(month_sums.c.province, month_sums.c.begin))
        return {(province, begin): (number, newest or 0) for province, begin, number, newest in rows}

    def made(self, province: str, month: Span) -> MonthSums | None:
        """The sums of a month, made of what lies there."""
        return made_sums(self._connection, self._place, province, month, self._longest)


# --- spans -----------------------------------------------------------------------------------------


def read_summed(
    place: StatePlace, span: Span, longest: timedelta, provinces: Collection[str] = ()
) -> SummedSpan | None:
    """What the sums of months tell of a span; None where there are none, or verdicts are not as rows are.

    Args:
        place: where the history is, with the keys that rows are held against.
        span: of which time.
        longest: how long a look stands for at most.
        provinces: which; none means all.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    months = months_within(span)
    database = open_database(place, create=False) if months else None
    if database is None:
        return None
    with closing(database), database.reading() as connection:
        if not (has_table(connection, verdicts) and has_table(connection, month_sums)):
            return None
        return _Summed(connection, place, span, longest).read(frozenset(months), provinces)


class _Summed:
    """The provinces of a span, one after the other."""

    def __init__(self, connection: Connection, place: StatePlace, span: Span, longest: timedelta) -> None:
        self._connection, self._place, self._span, self._longest = connection, place, span, longest
        self._listings: dict[str, Listing] = {}
        self._cells: dict[str, Mapping[Cell, int]] = {}
        self._sums: dict[str, list[MonthSums]] = defaultdict(list)

    def read(self, months: Collection[Span], provinces: Collection[str]) -> SummedSpan | None:
        """What is known of some provinces, or of all."""
        for one in stored_sums(self._connection, self._place.inventory, self._span):
            if one is not None and one.month in months and one.since == one.month.begin - self._longest:
                self._sums[one.province].append(one)
        if not self._sums:
            return None
        summed: dict[str, SummedProvince] = {}
        others, newest = [], 0
        since, until = self._span.begin - self._longest, self._span.until
        for province, rows in counted_rows(self._connection, self._place.inventory, since, until, provinces):
            if rows is None or not isinstance(province, str) or not PROVINCE.fullmatch(province):
                return None
            newest = max(newest, rows.newest)
            known = self._unless_damaged(province, rows)
            if known is None:
                others.append(province)
            else:
                summed[province] = known
        return SummedSpan(summed, tuple(others), newest)

    def _unless_damaged(self, province: str, rows: CountedRows) -> SummedProvince | None:
        """A province by sums; None where they do not do: who reads its verdicts one by one says what is wrong."""
        try:
            return self._province(province, rows)
        except DAMAGE:
            return None

    def _province(self, province: str, rows: CountedRows) -> SummedProvince | None:
        holding = sorted((one for one in self._sums[province] if self._holds(one, rows)), key=lambda one: one.since)
        beside = around(self._span, [one.month for one in holding])
        read = sum(rows.number_within(part.begin - self._longest, part.until) for part in beside)
        if not holding or read > len(rows) * _MOST_BESIDE:
            return None
        paths = self._paths(rows.lists())
        if paths is None or not fits(sum(paths.values()), self._span):
            return None
        parts = [times_of(one.packed, self._cells) for one in holding]
        for part in beside:
            looks = province_looks(self._connection, self._place, province, part.begin - self._longest, part.until)
            if looks.damaged:
                return None
            parts += [cell_times(table, part, self._longest) for table in looks.tables.values()]
        times = added(tuple(paths), parts)
        return SummedProvince(paths, times) if are_possible(paths, times, self._span) else None

    def _holds(self, one: MonthSums, rows: CountedRows) -> bool:
        """Whether sums are of what lies there, and by the vault's key where that is open."""
        if rows.digest(one.since, one.month.until) != one.of:
            return False
        return self._place.keys.vouch_for(one.seal, one.message(self._place.inventory))

    def _paths(self, names: Collection[str]) -> Mapping[Cell, int] | None:
        """The cells of some lists; None where a path of theirs had two carriers."""
        listings = [self._listing(name) for name in names]
        cells = [self._cells[name] for name in names]
        return cells[0] if len(cells) == 1 else cells_of_all(listings)

    def _listing(self, name: str) -> Listing:
        if name not in self._listings:
            listing = read_listing(self._connection, self._place.inventory, name)
            if listing is None:
                raise LookupError("a list of paths is gone")
            self._listings[name], self._cells[name] = listing, cells_of(listing)
        return self._listings[name]


def sums_faults(connection: Connection, place: StatePlace) -> Iterator[str]:
    """What is wrong with sums that would be taken for those of what lies there."""
    if not (has_table(connection, verdicts) and has_table(connection, month_sums)):
        return
    by_province: dict[str, list[MonthSums]] = defaultdict(list)
    for one in stored_sums(connection, place.inventory):
        if one is None:
            yield f"sums of a month are not as they are made: {_ANEW}"
        else:
            by_province[one.province].append(one)
    for province, rows in counted_rows(connection, place.inventory, _EVER.begin, _EVER.until):
        for one in by_province.get(str(province), ()):
            if rows and rows.digest(one.since, one.month.until) == one.of and not _is_right(connection, place, one):
                month = f"{one.month.begin.astimezone(VIETNAM):%Y-%m}"
                name = printable(one.province, _SHOWN)
                yield f"the sums of {name} of {month} were changed: {_ANEW}"


def _is_right(connection: Connection, place: StatePlace, one: MonthSums) -> bool:
    """Whether sums are those of what lies there: by the vault's seal, else by making them again, which takes longer."""
    verdict = place.keys.judge_seal(one.seal, one.message(place.inventory))
    if verdict in {SealVerdict.GENUINE, SealVerdict.FALSE}:
        return verdict is SealVerdict.GENUINE
    again = made_sums(connection, place, one.province, one.month, one.month.begin - one.since)
    return again is None or content_of(again.packed) == content_of(one.packed)
