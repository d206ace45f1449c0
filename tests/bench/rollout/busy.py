"""How busy this machine is with other work: nothing that is measured here runs meanwhile."""

import os
import time
from pathlib import Path
from typing import Final

# More than this share of the cores, and wall clock tells more of the other work than of ours.
MAX_SHARE: Final = 0.15
_SAMPLE_S: Final = 3.0
_IDLE: Final = (3, 4)


def busy_cores() -> float:
    """How many cores are busy, over a few seconds."""
    idle, started = _idle_seconds(), time.monotonic()
    time.sleep(_SAMPLE_S)
    elapsed = time.monotonic() - started
    return max(0.0, _cores() - (_idle_seconds() - idle) / elapsed)


def is_loaded(busy: float) -> bool:
    """Whether that is too much to claim anything of wall clock."""
    return busy > MAX_SHARE * _cores()


def _idle_seconds() -> float:
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    return sum(int(fields[index]) for index in _IDLE) / os.sysconf("SC_CLK_TCK")


def _cores() -> int:
    return os.cpu_count() or 1
