"""A real child process and what it cost, as the kernel counts it."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_KIB_PER_MIB = 1024


class BenchError(Exception):
    """Something could not be measured; there is no figure then."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process cost.

    Attributes:
        seconds: wall clock, from its start to its end.
        cpu: user and system seconds of it and of the children that it waited for.
        mib: the largest resident memory of it or of one of those children.
        output: what it wrote to standard output.
    """

    seconds: float
    cpu: float
    mib: float
    output: str


def run(argv: Sequence[str], env: Mapping[str, str], *, cwd: Path | None = None, timeout_s: float = 180) -> Usage:
    """Run a command that has to end with 0.

    Memory is honest only while this process is smaller than the child: until `exec` a child is a copy of it.

    Raises:
        BenchError: it ended with another code, or not in time.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        process = subprocess.Popen(
            argv, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        timer = threading.Timer(timeout_s, _end, [process])
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            _end(process)
            raise
        finally:
            timer.cancel()
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        said, complained = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    if process.returncode:
        tail = (said + complained).strip()[-2000:]
        raise BenchError(f"{' '.join(argv)} ended with {process.returncode}:\n{tail}")
    return Usage(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / _KIB_PER_MIB, said)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a child and those of its own children that stayed in its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
