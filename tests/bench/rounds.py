"""How often something is measured: as often as wanted, less where time runs out, once at least."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Budget:
    """Seconds that a part of the bench may take."""

    def __init__(self, seconds: float) -> None:
        """Count from now."""
        self._until = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self._until - time.monotonic()

    def repeat(self, action: Callable[[], T], runs: int, *, share: float = 1.0) -> list[T]:
        """Repeat an action within a share of what is left; a run starts only if the longest one so far still fits."""
        allowed, longest = self.left * share, 0.0
        started = time.monotonic()
        done: list[T] = []
        while len(done) < runs and (not done or time.monotonic() - started + longest <= allowed):
            begun = time.monotonic()
            done.append(action())
            longest = max(longest, time.monotonic() - begun)
        return done
