"""How long the lab and its tests wait: what is enough on a quiet machine, as often as this one is slower at present.

Every limit of time in this folder is a number of quiet seconds that passes through here, so that a machine with other
work makes a test slower and not red. What a host waits for by itself is no limit of ours and is left alone, as is a
time that the product promises.
"""

import os
import time
from functools import cache
from typing import Final

MOST: Final = 6.0  #: A machine that is slower than this is broken, and waiting would only hide it.

_SPIN_SECONDS: Final = 0.1


def stretched(seconds: float) -> float:
    """So many seconds of a quiet machine, on this one."""
    return seconds * factor(at_start(), os.getloadavg()[0], os.cpu_count() or 1)


def factor(measured: float, load: float, processors: int) -> float:
    """How much longer things take.

    Args:
        measured: how often longer than on a quiet machine something took.
        load: how many processes want to run, on average over a minute.
        processors: how many can.
    """
    return min(max(1.0, measured, load / processors), MOST)


@cache
def at_start() -> float:
    """How many times longer than its own processor time a computation takes: measured once a process."""
    began, used = time.monotonic(), time.process_time()
    while time.process_time() - used < _SPIN_SECONDS:
        pass
    return (time.monotonic() - began) / _SPIN_SECONDS
