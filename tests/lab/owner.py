"""Who a lab belongs to: a process, named so that it is never mistaken for a later one with the same number."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_START_TIME: Final = 19


@dataclass(frozen=True, slots=True)
class Owner:
    """A process of this machine: its number, when it started, in which boot and which process namespace."""

    pid: int
    started: int
    boot: str
    namespace: str

    @classmethod
    def current(cls) -> Owner:
        """Return this process."""
        pid = os.getpid()
        return cls(pid, _started(pid) or 0, _boot(), _namespace())

    @classmethod
    def parse(cls, text: str) -> Owner:
        """Read what `str` of an owner wrote."""
        pid, started, boot, namespace = text.split(":")
        return cls(int(pid), int(started), boot, namespace)

    def __str__(self) -> str:
        return f"{self.pid}:{self.started}:{self.boot}:{self.namespace}"

    @property
    def is_gone(self) -> bool:
        """Whether the process has certainly ended; a process that cannot be seen from here counts as running."""
        if self.boot != _boot():
            return True
        return self.namespace == _namespace() and _started(self.pid) != self.started


def _started(pid: int) -> int | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The program's name, in brackets, may itself hold brackets and blanks.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[_START_TIME])


def _boot() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _namespace() -> str:
    return str((_PROC / "self/ns/pid").stat().st_ino)
