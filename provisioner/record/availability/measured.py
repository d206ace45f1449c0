"""Time up, degraded, down or not measured, as agreed shares. Pure.

Times are whole microseconds, so that sums are exact over parts of a span and over a facility's paths. Shares are of
cameras, facilities, carriers and provinces.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from itertools import accumulate, compress, pairwise
from typing import Final

from provisioner.record.availability.path_state import ABSENT, HIGHEST_LEVEL, VERDICTS, LookTable

#: The default of the longest time for which a check counts: from one night to the next, and two hours.
LONGEST_STANDING: Final = timedelta(hours=26)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_UP, _DEGRADED, _DOWN, _MAINTENANCE, _UNKNOWN, _NOT = range(6)
_KINDS: Final = {"up": _UP, "degraded": _DEGRADED, "down": _DOWN, "quarantined": _DOWN, "unknown": _UNKNOWN}
_IS_OTHER: Final = bytes(kind != _UP for kind in range(256))


def _kind_of_mark(mark: int) -> int:
    if mark == ABSENT:
        return _NOT
    if mark & 0b111 >= len(VERDICTS):
        return _UNKNOWN
    kind = _KINDS[VERDICTS[mark & 0b111]]
    return _MAINTENANCE if mark & 0b1000 and kind != _UNKNOWN else kind


_KIND_OF: Final = bytes(_kind_of_mark(mark) for mark in range((HIGHEST_LEVEL + 1) << 4))
_UP_ALONE: Final = bytes([_UP])
_NOT_ALONE: Final = bytes([_NOT])
_SEEN: Final = bytes(kind != _NOT for kind in range(256))
_CAMERA: Final = 3


@dataclass(frozen=True, slots=True)
class Span:
    """A time, without its last moment."""

    begin: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.begin > self.until:
            raise ValueError("a span ends after it began")


@dataclass(frozen=True, slots=True)
class Measured:
    """The times of one or several paths, in microseconds."""

    up: int = 0
    degraded: int = 0  #: Pictures came, but not as agreed; counts as up, and is listed apart.
    down: int = 0  #: Down or quarantined.
    maintenance: int = 0  #: In an announced window, whatever the checks showed.
    unmeasured: int = 0  #: Unchecked or undecided.
    outages: int = 0  #: The number of checks that found it down after a valid check that did not.

    def __add__(self, other: "Measured") -> "Measured":
        return total_of((self, other))

    @property
    def total(self) -> int:
        """The whole time."""
        return self.up + self.degraded + self.down + self.maintenance + self.unmeasured

    @property
    def available(self) -> float | None:
        """The share with pictures of the measured time outside maintenance, or `None`."""
        counted = self.up + self.degraded + self.down
        return (self.up + self.degraded) / counted if counted else None

    @property
    def maintenance_share(self) -> float:
        """The share of the whole time announced for maintenance."""
        return self.maintenance / self.total if self.total else 0.0

    @property
    def unmeasured_share(self) -> float:
        """The share of the whole time without a measurement."""
        return self.unmeasured / self.total if self.total else 0.0


NOTHING_MEASURED: Final = Measured()


class GroupedBy(StrEnum):
    """The subject of a row."""

    CAMERA = "camera"
    FACILITY = "facility"
    CARRIER = "carrier"
    PROVINCE = "province"
    ALL = "all"


class AgreedLevel(StrEnum):
    """Whether the agreed level was reached."""

    NOT_AGREED = "not agreed"  #: No level is agreed.
    MET = "met"
    MISSED = "missed"
    UNMEASURED = "not measured"  #: No time outside maintenance was measured.


@dataclass(frozen=True, slots=True)
class AgreedLevels:
    """Agreed percentages: a facility's, else its carrier's, else the general one."""

    percent: float | None = None
    carriers: Mapping[str, float] = field(default_factory=dict)
    facilities: Mapping[str, float] = field(default_factory=dict)

    def of(self, group_by: GroupedBy, facility: str, carriers: Collection[str]) -> float | None:
        """Return a row's level, or the general one if several apply."""
        if group_by in {GroupedBy.CAMERA, GroupedBy.FACILITY} and facility in self.facilities:
            return self.facilities[facility]
        if group_by is not GroupedBy.PROVINCE and group_by is not GroupedBy.ALL and len(carriers) == 1:
            return self.carriers.get(next(iter(carriers)), self.percent)
        return self.percent


NOTHING_AGREED: Final = AgreedLevels()


@dataclass(frozen=True, slots=True)
class ShareRow:
    """The times of a group of paths."""

    name: str  #: A camera's path without its stream, or an id.
    paths: int
    measured: Measured
    agreed: float | None = None  #: The agreed level in percent, if any.
    before: Measured | None = None  #: The times of the previous span, if requested.

    @property
    def kept(self) -> AgreedLevel:
        """Whether the agreed level was reached."""
        if self.agreed is None:
            return AgreedLevel.NOT_AGREED
        times = self.measured
        counted = times.up + times.degraded + times.down
        if not counted:
            return AgreedLevel.UNMEASURED
        share = Fraction(times.up + times.degraded, counted) * 100
        return AgreedLevel.MET if share >= Fraction(str(self.agreed)) else AgreedLevel.MISSED

    @property
    def change(self) -> float | None:
        """The change of the available share since the previous span, if known."""
        now, before = self.measured.available, self.before.available if self.before else None
        return None if now is None or before is None else now - before


@dataclass(frozen=True, slots=True)
class GroupTimes:
    """The summed times of a group's paths, and their last carriers."""

    paths: int = 0
    measured: Measured = NOTHING_MEASURED
    carriers: frozenset[str] = frozenset()


NO_PATHS: Final = GroupTimes()
_ORDER: Final = {AgreedLevel.MISSED: 0, AgreedLevel.UNMEASURED: 1, AgreedLevel.MET: 2, AgreedLevel.NOT_AGREED: 2}


def _micro(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def total_of(parts: Iterable[Measured]) -> Measured:
    """Return the sum of several."""
    totals = [0] * 6
    for part in parts:
        totals[0] += part.up
        totals[1] += part.degraded
        totals[2] += part.down
        totals[3] += part.maintenance
        totals[4] += part.unmeasured
        totals[5] += part.outages
    return Measured(*totals)


def measured(table: LookTable, span: Span, longest: timedelta = LONGEST_STANDING) -> Mapping[str, Measured]:
    """Return each path's times; a check counts for `longest` at most.

    `table` has the checks from `longest` before the span; those after it are ignored.
    """
    width = len(table.paths)
    marks = table.marks[: width * table.until(_micro(span.until))]
    first: dict[bytes, int] = {}
    # Of a short span most columns are alike: each is measured once, by the first path that has it.
    first_alike = [first.setdefault(marks[index::width], index) for index in range(width)]
    places = tuple(first.values())
    times_of = dict(zip(places, summed(table, span, longest, places, range(len(places))), strict=True))
    return {path: times_of[index] for path, index in zip(table.paths, first_alike, strict=True)}


def summed(
    table: LookTable, span: Span, longest: timedelta, places: Sequence[int], groups: Sequence[int]
) -> list[Measured]:
    """Return the summed times of each group's paths, as `measured` does.

    `places` are the indexes of the paths that count, `groups` the group of each, from 0 without a gap.
    """
    begin, until, longest_us = _micro(span.begin), _micro(span.until), longest // _MICROSECOND
    width, sweeps = len(table.paths), table.until(until)
    kinds = table.marks[: width * sweeps].translate(_KIND_OF)
    sums = _Sums(max(groups, default=-1) + 1, until - begin)
    for visited, members in _grouped_by_sweeps(kinds, width, places):
        clock = _Clock(tuple(compress(table.moments[:sweeps], visited)), begin, until, longest_us)
        columns = [kinds[places[member] :: width] for member in members]
        if not all(visited):
            columns = [column.translate(None, _NOT_ALONE) for column in columns]
        sums.add(clock, columns, [groups[member] for member in members])
    return sums.measured()


def _grouped_by_sweeps(kinds: bytes, width: int, places: Sequence[int]) -> Iterator[tuple[bytes, Sequence[int]]]:
    """Group paths by their sweeps: a byte per sweep, and the members."""
    sweeps = len(kinds) // width if width else 0
    blind = [sweep for sweep in range(sweeps) if kinds.find(_NOT, sweep * width, (sweep + 1) * width) >= 0]
    if not blind:
        yield b"\1" * sweeps, range(len(places))
        return
    rows = b"".join([kinds[sweep * width : (sweep + 1) * width] for sweep in blind]).translate(_SEEN)
    alike: dict[bytes, list[int]] = defaultdict(list)
    for member, index in enumerate(places):
        alike[rows[index::width]].append(member)
    for pattern, members in alike.items():
        visited = bytearray(b"\1" * sweeps)
        for sweep, is_visited in zip(blind, pattern, strict=True):
            visited[sweep] = is_visited
        yield bytes(visited), members


class _Clock:
    """The times of sweeps, and how long each check counts."""

    def __init__(self, moments: tuple[int, ...], begin: int, until: int, longest: int) -> None:
        self.moments = moments  #: In microseconds since 1970.
        self._begin, self._until, self._longest = begin, until, longest
        lasts = (
            max(0, min(following, at + longest, until) - max(at, begin))
            for at, following in zip(moments, (*moments[1:], until), strict=False)
        )
        self.stood = [0, *accumulate(lasts)]  #: The summed durations before each moment, and of all.
        late = (self._counts(at) and at - before > longest for before, at in pairwise(moments))
        #: The outages of down checks that follow another state: `onset` of the first plus `again` until the last.
        self.again = [0, 0, *accumulate(late)]
        self.onset = [self._counts(at) - known for at, known in zip(moments, self.again[1:], strict=False)]
        self._known: dict[tuple[int, bytes], tuple[list[int], int]] = {}

    def _counts(self, at: int) -> bool:
        return self._begin <= at < self._until

    def look_by_look(self, first: int, kinds: bytes) -> tuple[list[int], int]:
        key = first, kinds
        if key not in self._known:
            self._known[key] = self._look_by_look(*key)
        return self._known[key]

    def _look_by_look(self, first: int, kinds: bytes) -> tuple[list[int], int]:
        """Add a path's times look by look; return times and outages."""
        times, outages, previous, before = [0] * _NOT, 0, _UP, 0
        for index, kind in enumerate(kinds, first):
            times[kind] += self.stood[index + 1] - self.stood[index]
            at = self.moments[index]
            if kind == _DOWN:
                goes_on = previous == _DOWN and at - before <= self._longest
                outages += not goes_on and self._counts(at)
            if kind != _UNKNOWN:
                previous, before = kind, at
        return times, outages


class _Sums:
    def __init__(self, groups: int, length: int) -> None:
        self._length = length
        self._paths, self._looked, self._outages = [0] * groups, [0] * groups, [0] * groups
        self._times = [[0] * groups for _ in range(_NOT)]

    def add(self, clock: _Clock, columns: Sequence[bytes], groups: Sequence[int]) -> None:
        """Add paths by their columns, with a check at each moment.

        Nearly all checks found a path up: only runs of others are examined.
        """
        for group, paths in Counter(groups).items():
            self._paths[group] += paths
            self._looked[group] += paths * clock.stood[-1]
        times, outages, stood, onset, again = self._times, self._outages, clock.stood, clock.onset, clock.again
        # Each column ends with an `up` byte, which ends an outage too.
        line, stride = _UP_ALONE.join([*columns, b""]), len(clock.moments) + 1
        other_flags = line.translate(_IS_OTHER)
        start = other_flags.find(1)
        while start >= 0:
            end = other_flags.find(0, start)
            path = start // stride
            group, kind, length, first = groups[path], line[start], end - start, start - path * stride
            if length == 1 or line.count(kind, start, end) == length:
                times[kind][group] += stood[first + length] - stood[first]
                if kind == _DOWN:
                    outages[group] += onset[first] + again[first + length]
            else:
                self._add_mixed(group, *clock.look_by_look(first, line[start:end]))
            start = other_flags.find(1, end)

    def _add_mixed(self, group: int, times: Sequence[int], outages: int) -> None:
        for of_kind, time in zip(self._times, times, strict=True):
            of_kind[group] += time
        self._outages[group] += outages

    def measured(self) -> list[Measured]:
        total_times = [paths * self._length for paths in self._paths]
        _, *times_by_state = self._times
        up = [
            looked - sum(measured_times) for looked, *measured_times in zip(self._looked, *times_by_state, strict=True)
        ]
        measured_times = (up, *times_by_state[:-1])
        unmeasured = (length - sum(times) for length, *times in zip(total_times, *measured_times, strict=True))
        return list(map(Measured, *measured_times, unmeasured, self._outages))


def together(groups: Collection[GroupTimes]) -> GroupTimes:
    """Return the sum of several groups without common paths."""
    return GroupTimes(
        sum(group.paths for group in groups),
        total_of(group.measured for group in groups),
        frozenset().union(*(group.carriers for group in groups)),
    )


def group_times(
    group_by: GroupedBy,
    tables: Iterable[LookTable],
    span: Span,
    longest: timedelta = LONGEST_STANDING,
    takes: Callable[[str, str], bool] | None = None,
) -> dict[str, GroupTimes]:
    """Return groups' times from each province's checks, without empty groups."""
    groups: dict[str, GroupTimes] = {}
    for table in tables:
        for name, group in _times_by_group(group_by, table, span, longest, takes):
            groups[name] = together((groups[name], group)) if name in groups else group
    return groups


def _times_by_group(
    group_by: GroupedBy, table: LookTable, span: Span, longest: timedelta, takes: Callable[[str, str], bool] | None
) -> Iterator[tuple[str, GroupTimes]]:
    names, carriers = _group_names(group_by, table), table.carriers
    places: Sequence[int] = range(len(names))
    if takes is not None:
        places = [place for place in places if takes(table.paths[place], carriers[place])]
    index: dict[str, int] = {}
    groups = [index.setdefault(names[place], len(index)) for place in places]
    paths, of_carriers = Counter(groups), defaultdict(set)
    for group, carrier in {(group, carriers[place]) for group, place in zip(groups, places, strict=True)}:
        of_carriers[group].add(carrier)
    times = summed(table, span, longest, places, groups)
    for name, group in index.items():
        yield name, GroupTimes(paths[group], times[group], frozenset(of_carriers[group]))


def _group_names(group_by: GroupedBy, table: LookTable) -> Sequence[str]:
    paths = table.paths
    match group_by:
        case GroupedBy.CAMERA:
            return ["/".join(path.split("/")[:_CAMERA]) for path in paths]
        case GroupedBy.FACILITY:
            return [facility_of(path) for path in paths]
        case GroupedBy.CARRIER:
            return table.carriers
        case GroupedBy.PROVINCE:
            return [path.partition("/")[0] for path in paths]
        case GroupedBy.ALL:
            return [GroupedBy.ALL.value] * len(paths)


def facility_of(path: str) -> str:
    """Return the facility of a path or camera, or empty."""
    return path.partition("/")[2].partition("/")[0]


def share_rows(
    group_by: GroupedBy,
    groups: Mapping[str, GroupTimes],
    agreed: AgreedLevels = NOTHING_AGREED,
    before: Mapping[str, GroupTimes] | None = None,
) -> tuple[ShareRow, ...]:
    """Return the rows, worst first.

    Rows that miss most of the agreed level come first, then unmeasured ones, then the lowest shares. `before` has the
    times of the previous span.
    """
    rows = (
        ShareRow(
            name,
            group.paths,
            group.measured,
            agreed.of(group_by, name if group_by is GroupedBy.FACILITY else facility_of(name), group.carriers),
            None if before is None else before.get(name, NO_PATHS).measured,
        )
        for name, group in groups.items()
    )
    return tuple(sorted(rows, key=_worst))


def _worst(row: ShareRow) -> tuple[int, float, float, str]:
    share = row.measured.available
    below = (share - row.agreed / 100) if row.kept is AgreedLevel.MISSED and share is not None and row.agreed else 0.0
    return _ORDER[row.kept], below, 2.0 if share is None else share, row.name


def missed(rows: Iterable[ShareRow]) -> Sequence[ShareRow]:
    """Return the rows below the agreed level, or unmeasured."""
    return [row for row in rows if row.kept in {AgreedLevel.MISSED, AgreedLevel.UNMEASURED}]
