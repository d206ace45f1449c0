"""A span by the sums of its months, and by the verdicts of the days around them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from provisioner.availability.looks import Listing
from provisioner.availability.measured import Span
from provisioner.availability.months import (
    Cell,
    CellTimes,
    added,
    are_possible,
    around,
    cell_times,
    cells_of,
    cells_of_all,
    fits,
    months_within,
)
from provisioner.base.clock import VIETNAM
from provisioner.base.printable import printable
from provisioner.history.database import has_table, open_database
from provisioner.history.looks_query import province_looks
from provisioner.history.month_sums import (
    CountedRows,
    MonthSums,
    content_of,
    counted_rows,
    made_sums,
    stored_sums,
    times_of,
)
from provisioner.history.place import StatePlace
from provisioner.history.rows import DAMAGE
from provisioner.history.seal import SealVerdict
from provisioner.history.tables import month_sums, verdicts
from provisioner.history.verdict_rows import PROVINCE, read_listing

_SHOWN: Final = 63
_ANEW: Final = "the next verification that is recorded makes them anew"
_EVER: Final = Span(datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
_MOST_BESIDE: Final = 0.5
"""A province of which more than this share of verdicts would be read one by one is read as if nothing were summed."""


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
