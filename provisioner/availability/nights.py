"""What was seen of paths day by day, by Vietnam's calendar: the strip of a path's last nights. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from provisioner.availability.kept import ABSENT, KeptVerdict, kept_of
from provisioner.availability.looks import LookTable
from provisioner.base.clock import VIETNAM

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WORST_FIRST: Final = ("down", "quarantined", "degraded", "up", "unknown")


@dataclass(frozen=True, slots=True)
class SeenNight:
    """What was seen of a path within one day: the worst that a look of it could tell.

    Attributes:
        looks: how many looks there were.
    """

    day: date
    verdict: str
    cause: str
    level: int
    maintenance: bool
    looks: int


Strip = tuple[SeenNight | None, ...]
"""Day after day, None where nobody looked."""


def nights(table: LookTable, last: date, number: int) -> Mapping[str, Strip]:
    """The last days of each path, the earliest first.

    Args:
        table: the looks.
        last: the last day.
        number: how many days.
    """
    days = [last - timedelta(days=back) for back in reversed(range(number))]
    of_day = [_day(at) for at in table.moments]
    sweeps = [[place for place, day in enumerate(of_day) if day == one] for one in days]
    known: dict[tuple[bytes, bytes], Strip] = {}
    by_path = {}
    for place, path in enumerate(table.paths):
        columns = table.column(place), table.cause_column(place)
        if columns not in known:
            strip = (_night(table, day, of, *columns) for day, of in zip(days, sweeps, strict=True))
            known[columns] = tuple(strip)
        by_path[path] = known[columns]
    return by_path


def _day(at: int) -> date:
    return (_EPOCH + timedelta(microseconds=at)).astimezone(VIETNAM).date()


def _night(table: LookTable, day: date, sweeps: list[int], marks: bytes, causes: bytes) -> SeenNight | None:
    kept = list(_kept(table, sweeps, marks, causes))
    if not kept:
        return None
    worst = min(kept, key=lambda one: _WORST_FIRST.index(one.verdict))
    return SeenNight(day, worst.verdict, worst.cause, worst.level, worst.maintenance, len(kept))


def _kept(table: LookTable, sweeps: list[int], marks: bytes, causes: bytes) -> Iterator[KeptVerdict]:
    for sweep in sweeps:
        if marks[sweep] != ABSENT:
            yield kept_of(marks[sweep], table.words[causes[sweep]])
