"""How long paths were up, degraded, down, in maintenance, and not measured, within a span of time. Pure.

All is counted in whole microseconds, so that sums are exact: those of the parts of a span are those of the span, and
those of a facility's paths are those of the facility.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import Final

from provisioner.availability.kept import ABSENT, HIGHEST_LEVEL, VERDICTS
from provisioner.availability.looks import LookTable

LONGEST_STANDING: Final = timedelta(hours=26)
"""How long a look stands for at most, unless something else is agreed: from a night's to the next, and two hours."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000

# Up is 0, which counts as nothing where bytes choose.
_UP, _DEGRADED, _DOWN, _MAINTENANCE, _UNKNOWN, _NOT = range(6)
_KINDS: Final = {"up": _UP, "degraded": _DEGRADED, "down": _DOWN, "quarantined": _DOWN, "unknown": _UNKNOWN}


def _kind(mark: int) -> int:
    if mark == ABSENT:
        return _NOT
    if mark & 0b111 >= len(VERDICTS):
        return _UNKNOWN
    kind = _KINDS[VERDICTS[mark & 0b111]]
    return _MAINTENANCE if mark & 0b1000 and kind != _UNKNOWN else kind


_KIND_OF: Final = bytes(_kind(mark) for mark in range((HIGHEST_LEVEL + 1) << 4))
_UP_ALONE: Final = bytes([_UP])
_UNKNOWN_ALONE: Final = bytes([_UNKNOWN])


def micro(moment: datetime) -> int:
    """A moment in whole microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


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
    begin, until = micro(span.begin), micro(span.until)
    clock = _Clock(table.moments[: table.until(until)], begin, until, longest // _MICROSECOND)
    width, sweeps = len(table.paths), len(clock.moments)
    kinds = table.marks[: width * sweeps].translate(_KIND_OF)
    known: dict[bytes, Measured] = {}
    by_path = {}
    for place, path in enumerate(table.paths):
        column = kinds[place::width]
        if column not in known:
            known[column] = clock.measure(column)
        by_path[path] = known[column]
    return by_path


class _Clock:
    """The moments of sweeps, and for how long of a span a look at each stands."""

    def __init__(self, moments: tuple[int, ...], begin: int, until: int, longest: int) -> None:
        self.moments = moments
        self._begin, self._until, self._longest = begin, until, longest
        self._stand = self._standing(moments)
        self._whole_stand = sum(self._stand)

    def _standing(self, moments: tuple[int, ...]) -> list[int]:
        """For how long each look stands where each of these is followed by the next."""
        nexts = (*moments[1:], self._until)
        return [
            max(0, min(following, at + self._longest, self._until) - max(at, self._begin))
            for at, following in zip(moments, nexts, strict=False)
        ]

    def measure(self, column: bytes) -> Measured:
        """What a column of kinds comes to."""
        moments, stand = self.moments, self._stand
        if _NOT in column:
            moments = tuple(compress(moments, column.translate(_SEEN)))
            stand = self._standing(moments)
            column = column.translate(None, bytes([_NOT]))
        # Nearly all looks of a year saw it up: only the others are gone through one by one.
        times = [sum(stand) if stand is not self._stand else self._whole_stand, 0, 0, 0, 0]
        for kind, lasts in zip(column.translate(None, _UP_ALONE), compress(stand, column), strict=True):
            times[kind] += lasts
            times[_UP] -= lasts
        up, degraded, down, maintenance = times[:_UNKNOWN]
        unmeasured = self._until - self._begin - up - degraded - down - maintenance
        outages = self._outages(moments, column) if _DOWN in column else 0
        return Measured(up, degraded, down, maintenance, unmeasured, outages)

    def _outages(self, moments: tuple[int, ...], column: bytes) -> int:
        """How often it was seen down anew within the span."""
        number, place = 0, column.find(_DOWN)
        while place >= 0:
            known = len(column[:place].rstrip(_UNKNOWN_ALONE)) - 1
            at = moments[place]
            goes_on = known >= 0 and column[known] == _DOWN and at - moments[known] <= self._longest
            number += not goes_on and self._begin <= at < self._until
            place = column.find(_DOWN, place + 1)
        return number


_SEEN: Final = bytes(place != _NOT for place in range(256))
