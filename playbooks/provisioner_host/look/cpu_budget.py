"""How much of a host's processors its readers may take: by beginning fewer, never by slowing down who has begun.

A reader that is held back in the midst of its look would see pictures come late, which is a fault that nobody has.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

# So many CPU seconds may be taken at once: a visit to some dozens of paths takes as long as ever.
AT_ONCE_S = 10.0
# What a reader takes, as long as none has ended.
_FIRST_GUESS_S = 0.3


def taken_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


class CpuBudget:
    """CPU seconds that grow with the time that passes.

    Args:
        cores: how many processors' time may be taken; None for no bound.
        taken: CPU seconds that were taken so far.
        clock: the time.
    """

    def __init__(
        self,
        cores: float | None,
        taken: Callable[[], float] = taken_s,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cores, self._taken, self._clock = cores, taken, clock
        self._begun, self._before = clock(), taken()
        self._going, self._ended = 0, 0

    @property
    def has_room(self) -> bool:
        """Whether what was taken, with what those that go on will take, leaves room for one more reader."""
        if self._cores is None:
            return True
        taken = self._taken() - self._before
        each = taken / self._ended if self._ended else _FIRST_GUESS_S
        return taken + (self._going + 1) * each <= AT_ONCE_S + self._cores * (self._clock() - self._begun)

    def begin(self) -> None:
        """Count a reader that begins."""
        self._going += 1

    def end(self) -> None:
        """Count one that has ended."""
        self._going -= 1
        self._ended += 1
