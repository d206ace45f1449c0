"""What a command and all that it starts hold in memory together: `python -m tests.bench.memory COMMAND…`.

The kernel keeps the peak of single processes only, and processes share pages. So this adds up the
proportional share of each process (PSS) many times a second, and prints the largest sum in MiB: a figure
from below, since what comes and goes between two looks is not seen.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

_EVERY_S = 0.02
_KIB_PER_MIB = 1024


def peak_mib(argv: Sequence[str]) -> float:
    """Run a command that has to end with 0, and give the largest sum."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(_pss_kib, _tree(process.pid))))
        time.sleep(_EVERY_S)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(argv))
    return peak / _KIB_PER_MIB


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                yield from _tree(int(child))


def _pss_kib(pid: int) -> int:
    with suppress(OSError):  # it has ended
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


if __name__ == "__main__":
    sys.stdout.write(f"{peak_mib(sys.argv[1:])}\n")
