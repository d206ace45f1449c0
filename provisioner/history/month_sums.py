"""Sums of whole months beside the verdicts: a year of a province is a dozen rows then, and not one a night.

A row of sums says of which verdicts it is the sum, by a hash over all that is counted of them. It is taken for their
sum where that is the hash of what lies there at that moment, and else passed over: whoever changes, adds or takes away
a verdict changes the hash. So sums are no record; they are made of the verdicts again where they are missing.
"""

from __future__ import annotations

import hashlib
import zlib
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, cast

import orjson
from sqlalchemy import Connection, select

from provisioner.availability.looks import EMPTY
from provisioner.availability.measured import Span
from provisioner.availability.months import PLANES, WORD, Cell, CellTimes, cell_times
from provisioner.base.canonical import canonical_json
from provisioner.history.looks_query import province_looks, row_bytes
from provisioner.history.place import StatePlace
from provisioner.history.tables import microseconds, moment, month_sums, stored, verdicts
from provisioner.history.verdict_rows import LONGEST_PLANE, inflated

COLUMNS: Final = ("province", "begin", "until", "since", "rows", "newest", "of", "packed", "seal")
_COUNTED: Final = ("province", "at", "number", "run", "paths", "seal", "marks")
_AN_INSTANT: Final = timedelta(microseconds=1)


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


# --- what the verdicts say ------------------------------------------------------------------------


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
