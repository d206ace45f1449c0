"""Processes that are this one's copy: what a test has put in the place of real things holds in them, too."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

_DIES_WITH_ITS_PARENT: Final = 1  #: PR_SET_PDEATHSIG.
FAILED: Final = 70


def begun(work: Callable[[], object], log: Path | None = None) -> int:
    """Begin some work in a process of its own, whose number is given; it ends with what the work returns.

    Args:
        work: it.
        log: takes what it writes, behind what is there.
    """
    child = os.fork()
    if child:
        return child
    code: object = FAILED
    try:
        ctypes.CDLL(None).prctl(_DIES_WITH_ITS_PARENT, signal.SIGKILL)
        if log is not None:
            sys.stdout = sys.stderr = log.open("a", buffering=1, encoding="utf-8")
        code = work()
    finally:
        os._exit(code if isinstance(code, int) else 0)


def kill(process: int) -> None:
    """Kill it, at whatever it is."""
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def waited(process: int) -> int:
    """The exit code of one, once it has ended."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def ended(process: int) -> int | None:
    """The exit code of one that has ended; None where it goes on."""
    found, status = os.waitpid(process, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None
