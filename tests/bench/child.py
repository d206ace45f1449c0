"""A real child process and what it cost, as the kernel counts it."""

import ctypes
import os
import resource
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_KIB_PER_MIB = 1024
_PR_SET_CHILD_SUBREAPER = 36
_ORPHANS_S = 2.0


class BenchError(Exception):
    """Something could not be measured; there is no figure then."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process cost."""

    seconds: float  #: Wall clock, from its start to its end.
    cpu: float  #: User and system seconds of it and of all that it started.
    mib: float  #: The largest resident memory of it or of one of those children.
    output: str  #: What it wrote to standard output.


def run(argv: Sequence[str], env: Mapping[str, str], *, cwd: Path | None = None, timeout_s: float = 180) -> Usage:
    """Run a command that has to end with 0.

    Memory is honest only while this process is smaller than the child: until `exec` a child is a copy of it.
    What the child leaves running or unwaited is adopted, and counted when it ends within moments.

    Raises:
        BenchError: it ended with another code, or not in time.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        adopt_orphans()
        reap_orphans()
        # Docker's daemon, where the bench has started it, and with it all that starts in a container: the hosts'
        # own counters have that.
        running = frozenset(_cpu_of_living())
        before = children_cpu(running)
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
        reap_orphans()
        cpu = children_cpu(running) - before
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        said, complained = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    if process.returncode:
        tail = (said + complained).strip()[-2000:]
        raise BenchError(f"{' '.join(argv)} ended with {process.returncode}:\n{tail}")
    return Usage(seconds, cpu, usage.ru_maxrss / _KIB_PER_MIB, said)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a child and those of its own children that stayed in its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


# --- children of children -------------------------------------------------------------------------
def adopt_orphans() -> None:
    """Become the parent of every process below that loses its own, so that its time is counted here."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise BenchError(f"prctl: {os.strerror(ctypes.get_errno())}")


def reap_orphans() -> None:
    """Wait for the adopted processes that are about to end; one that goes on is left alone."""
    until = time.monotonic() + _ORPHANS_S
    while time.monotonic() < until:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            time.sleep(0.02)


def children_cpu(without: Collection[int] = ()) -> float:
    """User and system seconds of all processes below: those that were waited for, and those that live.

    Args:
        without: living processes that do not count, nor does what they start.
    """
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime + sum(_cpu_of_living(without).values())


def _cpu_of_living(without: Collection[int] = ()) -> dict[int, float]:
    """The seconds of each living process below this one, with those of the children it waited for."""
    parents, seconds = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            fields = stat.read_text().rpartition(")")[2].split()
            parents[int(stat.parent.name)] = int(fields[1])
            seconds[int(stat.parent.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    found, new = set[int](), {os.getpid()}
    while new := {pid for pid, parent in parents.items() if parent in new} - found - set(without):
        found |= new
    return {pid: seconds[pid] for pid in found}
