"""CPU limit of a host's readers: start fewer, never slow running ones.

A slowed reader would see late pictures and report a fault that does not exist.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

# So many CPU seconds may be taken at once: a visit to some dozens of paths takes as long as ever.
AT_ONCE_S = 10.0
# What a reader takes, as long as none has ended.
_FIRST_GUESS_S = 0.3


def used_cpu_s() -> float:
    """Return CPU seconds of this process and its ended children."""
    parts = (resource.getrusage(scope) for scope in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


class CpuBudget:
    """A CPU time allowance that grows with elapsed time.

    Args:
        cores: limit in processors; `None` for no limit.
        taken: returns CPU seconds used so far.
        clock: the clock.
    """

    def __init__(
        self, cores: float | None, used_s: Callable[[], float] = used_cpu_s, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cores, self._cpu_s, self._clock = cores, used_s, clock
        self._begun, self._before = clock(), used_s()
        self._going, self._ended = 0, 0

    @property
    def has_capacity(self) -> bool:
        """Whether another reader fits, given used and expected CPU time."""
        if self._cores is None:
            return True
        used_s = self._cpu_s() - self._before
        each = used_s / self._ended if self._ended else _FIRST_GUESS_S
        return used_s + (self._going + 1) * each <= AT_ONCE_S + self._cores * (self._clock() - self._begun)

    def begin(self) -> None:
        """Count a started reader."""
        self._going += 1

    def end(self) -> None:
        """Count an ended reader."""
        self._going -= 1
        self._ended += 1
