"""Checks of paths over many nights; a path's state and start. Pure.

A sweep is one run's verdicts on a province, in two planes with a byte per path. A path's column has a byte per sweep.
Most sweeps have the same paths, so their planes are joined unchanged.

A verdict is stored for years in two bytes. The first byte, the mark, has the verdict in its three lowest bits and an
open maintenance window in the fourth. The upper four are the level. The second byte indexes the cause in a list of
words stored beside it, so that renaming a cause later does not change the past. An unchecked path is `ABSENT`.

`after` adds one check to a state; `since` takes all recorded checks at once. A night is a day of Vietnam's calendar.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Final, Generic, NamedTuple, TypeVar

from provisioner.base.text import VIETNAM

#: The verdicts; a mark stores the index, so the order must never change. Maintenance is a flag, not a verdict.
VERDICTS: Final = ("up", "degraded", "down", "quarantined", "unknown")
UP: Final = VERDICTS[0]
ABSENT: Final = 0xFF
HIGHEST_LEVEL: Final = 15

_MAINTENANCE: Final = 0b1000
#: Every mark of a check.
MARKS: Final = frozenset(
    place | flag | level << 4
    for place in range(len(VERDICTS))
    for flag in (0, _MAINTENANCE)
    for level in range(HIGHEST_LEVEL + 1)
)
_PLACES: Final = {verdict: place for place, verdict in enumerate(VERDICTS)}
_NOTHING: Final = bytes([ABSENT])
_ALL_BYTES: Final = 256
_OWN_WORDS: Final = _ALL_BYTES - 1
OTHER: Final = "another cause"  #: Replaces causes beyond those that a byte can distinguish; so many never occurred.
_T = TypeVar("_T")
Move = tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """One check of a path, whatever the window, in that day's words."""

    verdict: str
    cause: str = ""
    level: int = 0
    maintenance: bool = False


@dataclass(frozen=True, slots=True)
class SweptPaths:
    """One run's verdicts on paths."""

    verdicts: Mapping[str, StoredVerdict]
    carriers: Mapping[str, str] = field(default_factory=dict)  #: Of all paths that the run knew.
    whole: bool = True  #: Whether these are all of their provinces.


UNREAD: Final = StoredVerdict("unknown", "record damaged")  #: Replaces a check with a damaged record.


class ByPath(Mapping[str, _T], Generic[_T]):
    """Values by path."""

    def __init__(
        self,
        values_by_path: Mapping[str, _T],
        damaged: Sequence[str] = (),
        unproved: int = 0,
        carriers: Mapping[str, str] | None = None,
    ) -> None:
        self._of = values_by_path
        self.damaged = tuple(damaged)  #: Unreadable records; their checks are unknown.
        self.unproved = unproved  #: The number of records that the open vault's key does not prove.
        self.carriers: Mapping[str, str] = carriers or {}  #: The last carrier of each path.

    def __getitem__(self, path: str) -> _T:
        return self._of[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)


@dataclass(frozen=True, slots=True)
class PathList:
    """The paths of a province, sorted, and the carrier of each."""

    paths: tuple[str, ...]
    carriers: tuple[str, ...]

    def within(self, prefix: str) -> range:
        """Return the indexes of the paths with a prefix."""
        first = bisect_left(self.paths, prefix)
        if not prefix:
            return range(len(self.paths))
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        return range(first, bisect_left(self.paths, after, first))


class Sweep(NamedTuple):
    """One run's verdicts on a province."""

    at: int  #: The run's end, in microseconds since 1970.
    order: str  #: Orders runs that ended at the same time.
    listing: PathList
    marks: bytes  #: A byte per path.
    causes: bytes  #: A byte per path, an index into `words`; or empty.
    words: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class LookTable:
    """All checks of some paths, earliest sweep first."""

    paths: tuple[str, ...]
    carriers: tuple[str, ...]  #: The last carrier of each path.
    moments: tuple[int, ...]  #: The time of each sweep, in microseconds since 1970.
    marks: bytes = field(repr=False)  #: A byte per path and sweep, sweep after sweep.
    causes: bytes = field(repr=False)  #: Likewise, indexes into `words`; or empty.
    words: tuple[str, ...] = ("",)

    def column(self, index: int) -> bytes:
        """Return the marks of one path."""
        return self.marks[index :: len(self.paths)]

    def cause_column(self, index: int) -> bytes:
        """Return the causes of one path."""
        return self.causes[index :: len(self.paths)]

    @cached_property
    def places(self) -> dict[str, int]:
        """The index of each path."""
        return {path: index for index, path in enumerate(self.paths)}

    def until(self, at: int) -> int:
        """Return the number of sweeps until a time, inclusive."""
        return bisect_left(self.moments, at + 1)


def mark_of(stored: StoredVerdict) -> int:
    """Return the mark of a verdict; an invalid one raises ValueError."""
    if stored.verdict not in _PLACES or not 0 <= stored.level <= HIGHEST_LEVEL:
        raise ValueError("a look has a verdict and a level")
    return _PLACES[stored.verdict] | (_MAINTENANCE if stored.maintenance else 0) | stored.level << 4


def verdict_of_mark(mark: int, cause: str) -> StoredVerdict:
    """Return the verdict of a mark; an invalid one raises ValueError."""
    if mark not in MARKS:
        raise ValueError("no look has this mark")
    return StoredVerdict(VERDICTS[mark & 0b111], cause, mark >> 4, bool(mark & _MAINTENANCE))


def table_of(sweeps: Iterable[Sweep], prefix: str = "", *, with_causes: bool = True) -> LookTable:
    """Join one province's sweeps, in any order, for paths with a prefix."""
    ordered = sorted(sweeps, key=lambda sweep: (sweep.at, sweep.order))
    if not ordered:
        return LookTable((), (), (), b"", b"")
    listings = {id(sweep.listing): sweep.listing for sweep in reversed(ordered)}
    ranges = {list_id: listing.within(prefix) for list_id, listing in listings.items()}
    paths, carriers = _latest_carriers(listings, ranges)
    moves = {list_id: _byte_moves(listing, ranges[list_id], paths) for list_id, listing in listings.items()}
    marks = b"".join(
        _with_moved_columns(sweep.marks, moves[id(sweep.listing)], len(paths), _NOTHING) for sweep in ordered
    )
    moments = tuple(sweep.at for sweep in ordered)
    if not with_causes:
        return LookTable(paths, carriers, moments, marks, b"")
    texts = _CauseTexts()
    causes = b"".join(
        _with_moved_columns(texts.common(sweep), moves[id(sweep.listing)], len(paths), b"\0") for sweep in ordered
    )
    return LookTable(paths, carriers, moments, marks, causes, tuple(texts.places))


def _latest_carriers(
    listings: Mapping[int, PathList], ranges: Mapping[int, range]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return all paths of lists (latest first) with last carriers, sorted."""
    sections = [(listing, slice(ranges[list_id].start, ranges[list_id].stop)) for list_id, listing in listings.items()]
    if len(sections) == 1:
        ((listing, section),) = sections
        return listing.paths[section], listing.carriers[section]
    carriers: dict[str, str] = {}
    for listing, section in reversed(sections):
        carriers |= zip(listing.paths[section], listing.carriers[section], strict=True)
    paths = tuple(sorted(carriers))
    return paths, tuple(carriers[path] for path in paths)


def _byte_moves(listing: PathList, cut: range, paths: Sequence[str]) -> tuple[Move, ...]:
    """Return which bytes of a sweep go where, in the fewest pieces."""
    if listing.paths[cut.start : cut.stop] == paths:
        return ((slice(cut.start, cut.stop), slice(0, len(paths))),)
    index_of = {path: index for index, path in enumerate(paths)}
    goes = [(index, index_of[listing.paths[index]]) for index in cut]
    breaks = [i for i, (first, second) in enumerate(pairwise(goes), 1) if second[1] != first[1] + 1]
    pieces = pairwise([0, *breaks, len(goes)])
    return tuple(
        (slice(goes[a][0], goes[b - 1][0] + 1), slice(goes[a][1], goes[b - 1][1] + 1)) for a, b in pieces if b > a
    )


def _with_moved_columns(plane: bytes, moves: Sequence[Move], width: int, nothing: bytes) -> bytes:
    if len(moves) == 1 and moves[0][1] == slice(0, width):
        return plane[moves[0][0]]
    spread = bytearray(nothing * width)
    for source, target in moves:
        spread[target] = plane[source]
    return bytes(spread)


class _CauseTexts:
    def __init__(self) -> None:
        self.places: dict[str, int] = {"": 0}
        self._known: dict[tuple[str, ...], bytes] = {}

    def common(self, sweep: Sweep) -> bytes:
        if sweep.words not in self._known:
            places = bytes(map(self._number_of, sweep.words))
            self._known[sweep.words] = places.ljust(_ALL_BYTES, b"\0")
        return sweep.causes.translate(self._known[sweep.words])

    def _number_of(self, cause: str) -> int:
        is_room = cause in self.places or len(self.places) < _OWN_WORDS
        return self.places.setdefault(cause if is_room else OTHER, len(self.places))


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STATES: Final = {"up": 0, "degraded": 1, "down": 2, "quarantined": 2, "unknown": 3}
_UNKNOWN, _NOT = 3, 4


def _state_code(mark: int) -> int:
    if mark == ABSENT:
        return _NOT
    verdict_number = mark & 0b111
    return _STATES[VERDICTS[verdict_number]] if verdict_number < len(VERDICTS) else _UNKNOWN


_STATE_OF: Final = bytes(_state_code(mark) for mark in range(256))
_UP: Final = (0, 1)
_WORST_FIRST: Final = ("down", "quarantined", "degraded", "up", "unknown")


@dataclass(frozen=True, slots=True)
class PathState:
    """The state of a path, and its start.

    Undecided checks neither end a state nor count for it; quarantined is a kind of down. `verdict`, `cause`, `level`
    and `maintenance` are of the last decided check, if any.
    """

    verdict: str
    cause: str
    level: int
    since: datetime  #: The first check of this state.
    looks: int  #: The number of consecutive checks in this state.
    last_look: datetime  #: The last of them.
    last_up: datetime | None = None  #: The last check with pictures, if any.
    unknown_since: datetime | None = None  #: The first of the undecided checks at the end, if any.
    maintenance: bool = False

    def since_as(self, verdict: str) -> datetime | None:
        """Return the start of a verdict, or `None` in another state."""
        state = _STATES.get(verdict)
        if state == _UNKNOWN:
            return self.unknown_since
        return self.since if state == _STATES[self.verdict] else None


@dataclass(frozen=True, slots=True)
class WorstOfDay:
    """One day's worst verdict on a path: empty without a check, `maintenance` in a window."""

    day: date
    verdict: str = ""


Strip = tuple[WorstOfDay, ...]  #: One item per day, the earliest first.


def after(state: PathState | None, stored: StoredVerdict, at: datetime) -> PathState:
    """Return a path's state after one more check, in time order."""
    now, before = _STATES[stored.verdict], None if state is None else _STATES[state.verdict]
    if state is not None and now == _UNKNOWN != before:
        return state if state.unknown_since else replace(state, unknown_since=at)
    start, looks = (state.since, state.looks) if state is not None and now == before else (at, 0)
    return PathState(
        verdict=stored.verdict,
        cause=stored.cause,
        level=stored.level,
        since=start,
        looks=looks + 1,
        last_look=at,
        last_up=at if now in _UP else state.last_up if state else None,
        unknown_since=start if now == _UNKNOWN else None,
        maintenance=stored.maintenance and now != _UNKNOWN,
    )


def since(table: LookTable, as_of: datetime | None = None) -> Mapping[str, PathState]:
    """Return the state of each checked path, as known at `as_of`."""
    sweeps = len(table.moments) if as_of is None else table.until((as_of - _EPOCH) // timedelta(microseconds=1))
    width = len(table.paths)
    marks = table.marks[: sweeps * width]
    by_path = {}
    for index, path in enumerate(table.paths):
        state = _path_state(table, index, marks[index::width])
        if state is not None:
            by_path[path] = state
    return by_path


def _path_state(table: LookTable, index: int, column: bytes) -> PathState | None:
    states = column.translate(_STATE_OF)
    known_states = states.rstrip(bytes([_UNKNOWN, _NOT]))
    after = states[len(known_states) :].find(_UNKNOWN)
    if not known_states:
        return _unknown_state(table, index, column, states)
    state, last = known_states[-1], len(known_states) - 1
    other_codes = bytes(code for code in range(_UNKNOWN) if code != state)
    before = max(known_states.rfind(code) for code in other_codes)
    first = known_states.index(state, before + 1)
    last_up = max(known_states.rfind(code) for code in _UP)
    stored = verdict_of_mark(column[last], table.words[table.cause_column(index)[last]])
    return PathState(
        verdict=stored.verdict,
        cause=stored.cause,
        level=stored.level,
        since=_moment(table, first),
        looks=known_states.count(state, first),
        last_look=_moment(table, last),
        last_up=None if last_up < 0 else _moment(table, last_up),
        unknown_since=None if after < 0 else _moment(table, len(known_states) + after),
        maintenance=stored.maintenance,
    )


def _unknown_state(table: LookTable, index: int, column: bytes, states: bytes) -> PathState | None:
    first, last = states.find(_UNKNOWN), states.rfind(_UNKNOWN)
    if first < 0:
        return None
    stored = verdict_of_mark(column[last], table.words[table.cause_column(index)[last]])
    start = _moment(table, first)
    looks = states.count(_UNKNOWN)
    return PathState(
        stored.verdict, stored.cause, stored.level, start, looks, _moment(table, last), unknown_since=start
    )


def _moment(table: LookTable, sweep: int) -> datetime:
    return _EPOCH + table.moments[sweep] * timedelta(microseconds=1)


def nights(table: LookTable, last: date, number: int) -> Mapping[str, Strip]:
    """Return the last days of each path, earliest first."""
    days = [last - timedelta(days=back) for back in reversed(range(number))]
    of_day = [(_EPOCH + timedelta(microseconds=at)).astimezone(VIETNAM).date() for at in table.moments]
    sweeps = [[index for index, day in enumerate(of_day) if day == wanted] for wanted in days]
    strips: dict[tuple[bytes, bytes], Strip] = {}
    by_path = {}
    for index, path in enumerate(table.paths):
        columns = table.column(index), table.cause_column(index)
        if columns not in strips:
            strip = (_night(table, day, day_sweeps, *columns) for day, day_sweeps in zip(days, sweeps, strict=True))
            strips[columns] = tuple(strip)
        by_path[path] = strips[columns]
    return by_path


def _night(table: LookTable, day: date, sweeps: list[int], marks: bytes, causes: bytes) -> WorstOfDay:
    verdicts = (verdict_of_mark(marks[sweep], table.words[causes[sweep]]) for sweep in sweeps if marks[sweep] != ABSENT)
    worst = min(verdicts, key=lambda verdict: _WORST_FIRST.index(verdict.verdict), default=None)
    return WorstOfDay(day, ("maintenance" if worst.maintenance else worst.verdict) if worst else "")
