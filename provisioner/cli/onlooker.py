"""When a verification asked its hosts: how long the command had run by then."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

_STAT = Path("/proc/self/stat")
_LOADED = time.monotonic()
# In /proc/self/stat, behind the program's name in its brackets (proc(5)).
_STARTED = 19


class AskedAfter:
    """Keeps when hosts were asked; who waits for which one is shown by whoever watches their calls.

    Attributes:
        before_s: how long the command had run when hosts were asked.
    """

    def __init__(self) -> None:
        self.before_s = 0.0

    def asked(self, paths: Mapping[str, int]) -> None:  # noqa: ARG002 (of no interest here)
        """All hosts were asked."""
        self.before_s = self.before_s or running_s()

    def answered(self, host: str, outcome: str, seconds: float) -> None:
        """A host has answered, or is not waited for any more."""


def running_s() -> float:
    """How long this process has run; where the kernel does not say it, since this module was loaded."""
    try:
        ticks = int(_STAT.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[_STARTED])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, AttributeError):
        return time.monotonic() - _LOADED
