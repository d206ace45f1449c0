"""Time up, degraded, down or not measured, as agreed shares. Pure.

All is counted in whole microseconds, so that sums are exact: those of the parts of a span are those of the span, and
those of a facility's paths are those of the facility. Shares are of cameras, facilities, carriers and provinces.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from itertools import accumulate, compress, pairwise
from typing import Final

from provisioner.record.availability.verdict_table import ABSENT, HIGHEST_LEVEL, VERDICTS, LookTable

LONGEST_STANDING: Final = timedelta(hours=26)
"""How long a look stands for at most, unless something else is agreed: from a night's to the next, and two hours."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000

_UP, _DEGRADED, _DOWN, _MAINTENANCE, _UNKNOWN, _NOT = range(6)
_KINDS: Final = {"up": _UP, "degraded": _DEGRADED, "down": _DOWN, "quarantined": _DOWN, "unknown": _UNKNOWN}
_IS_OTHER: Final = bytes(kind != _UP for kind in range(256))


def _kind(mark: int) -> int:
    if mark == ABSENT:
        return _NOT
    if mark & 0b111 >= len(VERDICTS):
        return _UNKNOWN
    kind = _KINDS[VERDICTS[mark & 0b111]]
    return _MAINTENANCE if mark & 0b1000 and kind != _UNKNOWN else kind


_KIND_OF: Final = bytes(_kind(mark) for mark in range((HIGHEST_LEVEL + 1) << 4))
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
    """How long a path, or several together, were what; in microseconds.

    Attributes:
        up: up in full.
        degraded: pictures came, and not as agreed: it counts as up, and is shown apart.
        down: down or quarantined.
        maintenance: in an announced window, whatever was seen.
        unmeasured: nobody looked, or could not tell.
        outages: how many times it was seen down, and was not by the look before that still stood.
    """

    up: int = 0
    degraded: int = 0
    down: int = 0
    maintenance: int = 0
    unmeasured: int = 0
    outages: int = 0

    def __add__(self, other: Measured) -> Measured:
        return total_of((self, other))

    @property
    def up_s(self) -> float:
        """`up` in seconds."""
        return self.up / _SECOND

    @property
    def degraded_s(self) -> float:
        """`degraded` in seconds."""
        return self.degraded / _SECOND

    @property
    def down_s(self) -> float:
        """`down` in seconds."""
        return self.down / _SECOND

    @property
    def maintenance_s(self) -> float:
        """`maintenance` in seconds."""
        return self.maintenance / _SECOND

    @property
    def unmeasured_s(self) -> float:
        """`unmeasured` in seconds."""
        return self.unmeasured / _SECOND

    @property
    def total(self) -> int:
        """All of the time."""
        return self.up + self.degraded + self.down + self.maintenance + self.unmeasured

    @property
    def available(self) -> float | None:
        """The share of the measured time outside of maintenance in which pictures came; None where none was."""
        counted = self.up + self.degraded + self.down
        return (self.up + self.degraded) / counted if counted else None

    @property
    def maintenance_share(self) -> float:
        """The share of all of the time that was announced for maintenance."""
        return self.maintenance / self.total if self.total else 0.0

    @property
    def unmeasured_share(self) -> float:
        """The share of all of the time of which nobody knows."""
        return self.unmeasured / self.total if self.total else 0.0


NOTHING_MEASURED: Final = Measured()


class GroupedBy(StrEnum):
    """What a row is about."""

    CAMERA = "camera"
    FACILITY = "facility"
    CARRIER = "carrier"
    PROVINCE = "province"
    ALL = "all"


class Kept(StrEnum):
    """Whether what is agreed was kept.

    Attributes:
        NOT_AGREED: nothing is agreed.
        MET: it was.
        MISSED: it was not.
        UNMEASURED: nobody knows: no time outside of maintenance was measured.
    """

    NOT_AGREED = "not agreed"
    MET = "met"
    MISSED = "missed"
    UNMEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class AgreedLevels:
    """The agreed levels in percent: a facility's own, else its carrier's, else the general one."""

    percent: float | None = None
    carriers: Mapping[str, float] = field(default_factory=dict)
    facilities: Mapping[str, float] = field(default_factory=dict)

    def of(self, by: GroupedBy, facility: str, carriers: Collection[str]) -> float | None:
        """The level of a row: of what has several levels only the general one holds.

        Args:
            by: what the row is about.
            facility: the one that it is about, or whose camera it is about.
            carriers: those of its paths.
        """
        if by in {GroupedBy.CAMERA, GroupedBy.FACILITY} and facility in self.facilities:
            return self.facilities[facility]
        if by is not GroupedBy.PROVINCE and by is not GroupedBy.ALL and len(carriers) == 1:
            return self.carriers.get(next(iter(carriers)), self.percent)
        return self.percent


NOTHING_AGREED: Final = AgreedLevels()


@dataclass(frozen=True, slots=True)
class ShareRow:
    """How long the paths of something were what.

    Attributes:
        name: a camera's path without its stream, or the id of what it is about.
        paths: how many there are.
        agreed: the agreed level in percent; None where there is none.
        before: the same of the span before; None where nobody asked.
    """

    name: str
    paths: int
    measured: Measured
    agreed: float | None = None
    before: Measured | None = None

    @property
    def kept(self) -> Kept:
        """Whether what is agreed was kept."""
        if self.agreed is None:
            return Kept.NOT_AGREED
        one = self.measured
        counted = one.up + one.degraded + one.down
        if not counted:
            return Kept.UNMEASURED
        share = Fraction(one.up + one.degraded, counted) * 100
        return Kept.MET if share >= Fraction(str(self.agreed)) else Kept.MISSED

    @property
    def change(self) -> float | None:
        """By how much the available share rose since the span before; None where one of both is not known."""
        now, before = self.measured.available, self.before.available if self.before else None
        return None if now is None or before is None else now - before


@dataclass(frozen=True, slots=True)
class GroupTimes:
    """How long the paths of a group were what together.

    Attributes:
        paths: how many there are.
        carriers: the carriers that they had last.
    """

    paths: int = 0
    measured: Measured = NOTHING_MEASURED
    carriers: frozenset[str] = frozenset()


NO_PATHS: Final = GroupTimes()
_ORDER: Final = {Kept.MISSED: 0, Kept.UNMEASURED: 1, Kept.MET: 2, Kept.NOT_AGREED: 2}


def _micro(moment: datetime) -> int:
    """A moment in whole microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def total_of(parts: Iterable[Measured]) -> Measured:
    """What several come to together."""
    sums = [0] * 6
    for part in parts:
        sums[0] += part.up
        sums[1] += part.degraded
        sums[2] += part.down
        sums[3] += part.maintenance
        sums[4] += part.unmeasured
        sums[5] += part.outages
    return Measured(*sums)


def measured(table: LookTable, span: Span, longest: timedelta = LONGEST_STANDING) -> Mapping[str, Measured]:
    """How long each path was what.

    Args:
        table: the looks, from `longest` before the span on; later ones than the span's end change nothing.
        span: of which time.
        longest: how long a look stands for at most.
    """
    width = len(table.paths)
    marks = table.marks[: width * table.until(_micro(span.until))]
    first: dict[bytes, int] = {}
    # Of a short span most columns are alike: each is measured once, by the first path that has it.
    alike = [first.setdefault(marks[place::width], place) for place in range(width)]
    places = tuple(first.values())
    known = dict(zip(places, summed(table, span, longest, places, range(len(places))), strict=True))
    return {path: known[place] for path, place in zip(table.paths, alike, strict=True)}


def summed(
    table: LookTable, span: Span, longest: timedelta, places: Sequence[int], groups: Sequence[int]
) -> list[Measured]:
    """How long the paths of each group were what together.

    Args:
        table: as `measured` takes it.
        span: of which time.
        longest: how long a look stands for at most.
        places: the places of the paths that count.
        groups: the group of each of them, from 0 on without a gap.
    """
    begin, until, most = _micro(span.begin), _micro(span.until), longest // _MICROSECOND
    width, sweeps = len(table.paths), table.until(until)
    kinds = table.marks[: width * sweeps].translate(_KIND_OF)
    sums = _Sums(max(groups, default=-1) + 1, until - begin)
    for seen, alike in _looked_at_alike(kinds, width, places):
        clock = _Clock(tuple(compress(table.moments[:sweeps], seen)), begin, until, most)
        columns = [kinds[places[one] :: width] for one in alike]
        if not all(seen):
            columns = [column.translate(None, _NOT_ALONE) for column in columns]
        sums.add(clock, columns, [groups[one] for one in alike])
    return sums.measured()


def _looked_at_alike(kinds: bytes, width: int, places: Sequence[int]) -> Iterator[tuple[bytes, Sequence[int]]]:
    """Which of the places were looked at by the same sweeps: a byte a sweep that is 0 where it did not, and which."""
    sweeps = len(kinds) // width if width else 0
    blind = [sweep for sweep in range(sweeps) if kinds.find(_NOT, sweep * width, (sweep + 1) * width) >= 0]
    if not blind:
        yield b"\1" * sweeps, range(len(places))
        return
    rows = b"".join([kinds[sweep * width : (sweep + 1) * width] for sweep in blind]).translate(_SEEN)
    alike: dict[bytes, list[int]] = defaultdict(list)
    for one, place in enumerate(places):
        alike[rows[place::width]].append(one)
    for pattern, members in alike.items():
        seen = bytearray(b"\1" * sweeps)
        for sweep, is_seen in zip(blind, pattern, strict=True):
            seen[sweep] = is_seen
        yield bytes(seen), members


class _Clock:
    """The moments of sweeps, and for how long of a span a look at each stands until the next of them.

    Attributes:
        moments: in microseconds since 1970.
        stood: for how long the looks before each moment stand together, and at last all of them.
        onset: with `again`, how often a path was seen down anew that was so by the looks from one to before another,
            and not before: the onset of the first and what came again until the other.
        again: see there.
    """

    def __init__(self, moments: tuple[int, ...], begin: int, until: int, longest: int) -> None:
        self.moments = moments
        self._begin, self._until, self._longest = begin, until, longest
        lasts = (
            max(0, min(following, at + longest, until) - max(at, begin))
            for at, following in zip(moments, (*moments[1:], until), strict=False)
        )
        self.stood = [0, *accumulate(lasts)]
        late = (self._counts(at) and at - before > longest for before, at in pairwise(moments))
        self.again = [0, 0, *accumulate(late)]
        self.onset = [self._counts(at) - known for at, known in zip(moments, self.again[1:], strict=False)]
        self._known: dict[tuple[int, bytes], tuple[list[int], int]] = {}

    def _counts(self, at: int) -> bool:
        """Whether an outage that was seen at a moment is one of the span."""
        return self._begin <= at < self._until

    def look_by_look(self, first: int, kinds: bytes) -> tuple[list[int], int]:
        """What looks of several kinds come to, where the one before saw it up if there is one: times, and outages."""
        key = first, kinds
        if key not in self._known:
            self._known[key] = self._look_by_look(*key)
        return self._known[key]

    def _look_by_look(self, first: int, kinds: bytes) -> tuple[list[int], int]:
        times, outages, known, before = [0] * _NOT, 0, _UP, 0
        for place, kind in enumerate(kinds, first):
            times[kind] += self.stood[place + 1] - self.stood[place]
            at = self.moments[place]
            if kind == _DOWN:
                goes_on = known == _DOWN and at - before <= self._longest
                outages += not goes_on and self._counts(at)
            if kind != _UNKNOWN:
                known, before = kind, at
        return times, outages


class _Sums:
    """The times of groups of paths, which grow by one path after the other."""

    def __init__(self, groups: int, length: int) -> None:
        self._length = length
        self._paths, self._looked, self._outages = [0] * groups, [0] * groups, [0] * groups
        self._times = [[0] * groups for _ in range(_NOT)]

    def add(self, clock: _Clock, columns: Sequence[bytes], groups: Sequence[int]) -> None:
        """Add paths by their columns of kinds; all have looks at each moment of the clock.

        Nearly all looks saw a path up: only the others are gone through, those that follow each other at once.
        """
        for group, paths in Counter(groups).items():
            self._paths[group] += paths
            self._looked[group] += paths * clock.stood[-1]
        times, outages, stood, onset, again = self._times, self._outages, clock.stood, clock.onset, clock.again
        # A byte that is up ends each column, so that what is not up ends with it.
        line, stride = _UP_ALONE.join([*columns, b""]), len(clock.moments) + 1
        others = line.translate(_IS_OTHER)
        start = others.find(1)
        while start >= 0:
            end = others.find(0, start)
            path = start // stride
            group, kind, length, first = groups[path], line[start], end - start, start - path * stride
            if length == 1 or line.count(kind, start, end) == length:
                times[kind][group] += stood[first + length] - stood[first]
                if kind == _DOWN:
                    outages[group] += onset[first] + again[first + length]
            else:
                self._add_mixed(group, *clock.look_by_look(first, line[start:end]))
            start = others.find(1, end)

    def _add_mixed(self, group: int, times: Sequence[int], outages: int) -> None:
        for of_kind, time in zip(self._times, times, strict=True):
            of_kind[group] += time
        self._outages[group] += outages

    def measured(self) -> list[Measured]:
        """What each group comes to; what is neither is not measured."""
        whole = [paths * self._length for paths in self._paths]
        _, *others = self._times
        up = [looked - sum(known) for looked, *known in zip(self._looked, *others, strict=True)]
        known = (up, *others[:-1])
        unmeasured = (length - sum(times) for length, *times in zip(whole, *known, strict=True))
        return list(map(Measured, *known, unmeasured, self._outages))


def together(groups: Collection[GroupTimes]) -> GroupTimes:
    """What several groups come to, none of whose paths is in two of them."""
    return GroupTimes(
        sum(group.paths for group in groups),
        total_of(group.measured for group in groups),
        frozenset().union(*(group.carriers for group in groups)),
    )


def group_times(
    by: GroupedBy,
    tables: Iterable[LookTable],
    span: Span,
    longest: timedelta = LONGEST_STANDING,
    takes: Callable[[str, str], bool] | None = None,
) -> dict[str, GroupTimes]:
    """How long groups of paths were what, by their names; those of which no path counts are left out.

    Args:
        by: what a group is about.
        tables: the looks at the paths of each province, as `measured` takes them.
        span: of which time.
        longest: how long a look stands for at most.
        takes: whether a path counts, by its name and its carrier; None takes all.
    """
    groups: dict[str, GroupTimes] = {}
    for table in tables:
        for name, group in _of_table(by, table, span, longest, takes):
            groups[name] = together((groups[name], group)) if name in groups else group
    return groups


def _of_table(
    by: GroupedBy, table: LookTable, span: Span, longest: timedelta, takes: Callable[[str, str], bool] | None
) -> Iterator[tuple[str, GroupTimes]]:
    names, carriers = _names(by, table), table.carriers
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


def _names(by: GroupedBy, table: LookTable) -> Sequence[str]:
    """The name of each path's group."""
    paths = table.paths
    match by:
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
    """The facility of a path, or of a camera; empty where its name has none."""
    return path.partition("/")[2].partition("/")[0]


def share_rows(
    by: GroupedBy,
    groups: Mapping[str, GroupTimes],
    agreed: AgreedLevels = NOTHING_AGREED,
    before: Mapping[str, GroupTimes] | None = None,
) -> tuple[ShareRow, ...]:
    """The rows, the worst first: what misses most of what is agreed, then what came least, then what nobody measured.

    Args:
        by: what a row is about.
        groups: how long the paths of each were what.
        agreed: the agreed levels.
        before: likewise of the span before.
    """
    rows = (
        ShareRow(
            name,
            group.paths,
            group.measured,
            agreed.of(by, name if by is GroupedBy.FACILITY else facility_of(name), group.carriers),
            None if before is None else before.get(name, NO_PATHS).measured,
        )
        for name, group in groups.items()
    )
    return tuple(sorted(rows, key=_worst))


def _worst(row: ShareRow) -> tuple[int, float, float, str]:
    share = row.measured.available
    below = (share - row.agreed / 100) if row.kept is Kept.MISSED and share is not None and row.agreed else 0.0
    return _ORDER[row.kept], below, 2.0 if share is None else share, row.name


def missed(rows: Iterable[ShareRow]) -> Sequence[ShareRow]:
    """The rows that did not keep what is agreed, or of which nobody knows."""
    return [row for row in rows if row.kept in {Kept.MISSED, Kept.UNMEASURED}]
