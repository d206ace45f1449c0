"""What a verification waits for, told on a terminal while it waits, and how long the command has run."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import click

from provisioner.base.counted import counted
from provisioner.base.printable import printable

_NAMED = 4
_STAT = Path("/proc/self/stat")
_LOADED = time.monotonic()
# In /proc/self/stat, behind the program's name in its brackets (proc(5)).
_STARTED = 19


class TerminalOnlooker:
    """Tells a terminal what is waited for; a file or a pipe is told nothing.

    Attributes:
        before_s: how long the command had run when hosts were asked.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream if stream.isatty() else None
        self._waits: dict[str, int] = {}
        self.before_s = 0.0

    def asked(self, paths: Mapping[str, int]) -> None:
        """All hosts were asked, each about so many paths."""
        self.before_s = running_s()
        self._waits = dict(paths)
        hosts = ", ".join(f"{host} ({counted(number, 'path')})" for host, number in list(paths.items())[:_NAMED])
        more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
        self._say(f"asked {hosts}{more}: tunnels, cameras' ports and pictures are looked at side by side")

    def answered(self, host: str, outcome: str, seconds: float) -> None:
        """A host has answered, or is not waited for any more."""
        self._waits.pop(host, None)
        said = f"{host}: {outcome} after {seconds:.1f} s"
        rest = ", ".join(list(self._waits)[:_NAMED])
        more = f" and {len(self._waits) - _NAMED} more" if len(self._waits) > _NAMED else ""
        self._say(f"{said}; waiting for {rest}{more}" if rest else said)

    def _say(self, line: str) -> None:
        if self._stream is not None:
            click.echo(printable(line), file=self._stream)


def running_s() -> float:
    """How long this process has run; where the kernel does not say it, since this module was loaded."""
    try:
        ticks = int(_STAT.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[_STARTED])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, AttributeError):
        return time.monotonic() - _LOADED
