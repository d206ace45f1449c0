"""Times of whole months, summed once: of the paths of each facility and carrier. Pure.

What is kept of a month is only what somebody measured; the rest follows from how many paths there are. Times of months
and of the days around them come to the time of a span, as sums are exact.
"""

from __future__ import annotations

import sys
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import compress
from typing import Final

from provisioner.base.text import VIETNAM, start_of
from provisioner.record.availability.measured import GroupedBy, GroupTimes, Measured, Span, facility_of, micro, summed
from provisioner.record.availability.verdict_table import Listing, LookTable

Cell = tuple[str, str]
"""The first two words of paths, their province and their facility, and the carrier of these paths."""
PLANES: Final = 5
"""Up, degraded, down, maintenance and outages: what is kept of a cell, in this order."""
WORD: Final = 8
_MOST: Final = 2**63
_DECEMBER: Final = 12
_FEW: Final = 8


def months_within(span: Span) -> list[Span]:
    """The months of Vietnam's calendar that a span has from their first moment to their last, in order."""
    day = span.begin.astimezone(VIETNAM).date().replace(day=1)
    months = []
    while (following := start_of(_next(day))) <= span.until:
        if start_of(day) >= span.begin:
            months.append(Span(start_of(day), following))
        day = _next(day)
    return months


def _next(first: date) -> date:
    is_last = first.month == _DECEMBER
    return first.replace(year=first.year + is_last, month=1 if is_last else first.month + 1)


def month_of(at: datetime) -> Span:
    """The month of Vietnam's calendar that a moment is in."""
    first = at.astimezone(VIETNAM).date().replace(day=1)
    return Span(start_of(first), start_of(_next(first)))


def around(span: Span, parts: Sequence[Span]) -> list[Span]:
    """What a span has beside some parts of it, which are in order: the rest, in as few pieces as there are."""
    ends = [span.begin, *(part.until for part in parts)]
    begins = [*(part.begin for part in parts), span.until]
    return [Span(begin, until) for begin, until in zip(ends, begins, strict=True) if begin < until]


# --- cells ----------------------------------------------------------------------------------------


def cells_of(listing: Listing) -> dict[Cell, int]:
    """The cells of a list of paths, sorted, with how many paths each has."""
    return dict(sorted(Counter(zip(_places(listing.paths), listing.carriers, strict=True)).items()))


def cells_of_all(listings: Iterable[Listing]) -> dict[Cell, int] | None:
    """The cells of the paths that are in any of several lists.

    Returns:
        None where a path had two carriers: which was the last depends on the time that is asked for.
    """
    carriers: dict[str, str] = {}
    for listing in listings:
        pairs = dict(zip(listing.paths, listing.carriers, strict=True))
        if any(carriers[path] != pairs[path] for path in carriers.keys() & pairs.keys()):
            return None
        carriers |= pairs
    paths = tuple(sorted(carriers))
    return cells_of(Listing(paths, tuple(carriers[path] for path in paths)))


def _places(paths: Iterable[str]) -> Iterator[str]:
    """The first two words of each of some sorted paths."""
    place, within = "", "\n"  # which no path has
    for path in paths:
        if not path.startswith(within):
            place = "/".join(path.split("/", 2)[:2])
            within = f"{place}/"
        yield place


@dataclass(frozen=True, slots=True)
class CellTimes:
    """For how long the paths of each cell were what, as far as somebody measured it.

    Attributes:
        cells: sorted.
        planes: `PLANES` of them, each with `WORD` bytes a cell, the smallest first: microseconds, or a number.
    """

    cells: tuple[Cell, ...]
    planes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if len(self.planes) != PLANES or any(len(plane) != WORD * len(self.cells) for plane in self.planes):
            raise ValueError("a plane has a value for each cell")


def cell_times(table: LookTable, span: Span, longest: timedelta) -> CellTimes:
    """The times of a province's cells.

    Args:
        table: its looks, as `measured` takes them.
        span: of which time.
        longest: how long a look stands for at most.
    """
    of_paths = list(zip(_places(table.paths), table.carriers, strict=True))
    cells = tuple(sorted(set(of_paths)))
    places = {cell: place for place, cell in enumerate(cells)}
    times = summed(table, span, longest, range(len(of_paths)), [places[cell] for cell in of_paths])
    columns = zip(*((one.up, one.degraded, one.down, one.maintenance, one.outages) for one in times), strict=True)
    return CellTimes(cells, tuple(_packed(column) for column in columns) or (b"",) * PLANES)


def _packed(values: Iterable[int]) -> bytes:
    plane = array("Q", values)
    if sys.byteorder != "little":
        plane.byteswap()
    return plane.tobytes()


def _unpacked(plane: bytes) -> Sequence[int]:
    values = array("Q", plane)
    if sys.byteorder != "little":
        values.byteswap()
    return values


def fits(paths: int, span: Span) -> bool:
    """Whether the times of so many paths within a span are less than a plane's word can hold."""
    return paths * max(1, micro(span.until) - micro(span.begin)) < _MOST


def added(cells: Sequence[Cell], parts: Iterable[CellTimes]) -> CellTimes:
    """What the times of several parts of a span come to.

    Args:
        cells: those of the span, sorted; each part has some of them.
        parts: what is known of each; together they `fit`.

    Raises:
        LookupError: a part has another cell.
    """
    known = tuple(cells)
    sums = [0] * PLANES
    for part in parts:
        # A plane as one long number: no word of it runs over, so that all cells are added at once.
        planes = part.planes if part.cells == known else _spread(part, known)
        for place, plane in enumerate(planes):
            sums[place] += int.from_bytes(plane, "little")
    return CellTimes(known, tuple(one.to_bytes(WORD * len(known), "little") for one in sums))


def _spread(part: CellTimes, cells: Sequence[Cell]) -> Iterator[bytes]:
    place_of = {cell: place for place, cell in enumerate(cells)}
    targets = [place_of[cell] for cell in part.cells]
    for plane in part.planes:
        values = [0] * len(cells)
        for target, value in zip(targets, _unpacked(plane), strict=True):
            values[target] = value
        yield _packed(values)


def are_possible(paths: Mapping[Cell, int], times: CellTimes, span: Span) -> bool:
    """Whether no cell was measured for longer than a span lasted."""
    length = micro(span.until) - micro(span.begin)
    lasted = zip(*map(_unpacked, times.planes[:-1]), strict=True)
    return all(sum(of) <= paths[cell] * length for cell, of in zip(times.cells, lasted, strict=True))


# --- groups ---------------------------------------------------------------------------------------


def cell_groups(
    by: GroupedBy,
    paths: Mapping[Cell, int],
    times: CellTimes,
    span: Span,
    takes: Callable[[str, str], bool] | None = None,
) -> dict[str, GroupTimes]:
    """How long groups of a province's paths were what, by their names, as `group_times` counts them.

    Args:
        by: what a group is about; no camera, as no cell is of one.
        paths: how many each cell has.
        times: how long they were what.
        span: of which time.
        takes: whether the paths of a cell count, by its first word and its carrier; None takes all.
    """
    length = micro(span.until) - micro(span.begin)
    taken = [takes is None or takes(*cell) for cell in times.cells]
    cells = list(compress(times.cells, taken))
    columns = [list(compress(_unpacked(plane), taken)) for plane in times.planes]
    columns.append([paths[cell] for cell in cells])
    carriers: dict[str, set[str]] = defaultdict(set)
    names = [carrier if by is GroupedBy.CARRIER else _name(by, place) for place, carrier in cells]
    for name, (_, carrier) in zip(names, cells, strict=True):
        carriers[name].add(carrier)
    groups = {}
    for name, (up, degraded, down, maintenance, outages, number) in _summed_by(names, columns, len(carriers)):
        unmeasured = number * length - up - degraded - down - maintenance
        lasted = Measured(up, degraded, down, maintenance, unmeasured, outages)
        groups[name] = GroupTimes(number, lasted, frozenset(carriers[name]))
    return groups


def _summed_by(
    names: Sequence[str], columns: Sequence[Sequence[int]], number: int
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The sums of columns by the names beside them, of which there are so many."""
    if number <= _FEW:
        for name in sorted(set(names)):
            chosen = [one == name for one in names]
            yield name, tuple(sum(compress(column, chosen)) for column in columns)
        return
    sums: dict[str, tuple[int, ...]] = {}
    for name, *values in zip(names, *columns, strict=True):
        sums[name] = tuple(map(int.__add__, sums[name], values)) if name in sums else tuple(values)
    yield from sums.items()


def _name(by: GroupedBy, place: str) -> str:
    """The name of the group that a place's paths are in."""
    match by:
        case GroupedBy.FACILITY:
            return facility_of(place)
        case GroupedBy.PROVINCE:
            return place.partition("/")[0]
        case GroupedBy.ALL:
            return GroupedBy.ALL.value
        case GroupedBy.CARRIER | GroupedBy.CAMERA:
            raise ValueError("no place is of one carrier or camera")
