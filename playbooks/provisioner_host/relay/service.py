"""MediaMTX's own state: restarts, open files, processor time.

MediaMTX 1.20.1 ends its RTSP server for good if a connection finds no file left, and goes on without it (measured). The
kernel counts how long each thread waits for a processor: for other programs, its unit's quota, or the hypervisor.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from provisioner_host.machine import units
from provisioner_host.machine.paths import READER_PORTS, UNIT_MEDIAMTX
from provisioner_host.machine.patterns import pattern
from provisioner_host.machine.shell import Failed, run

if TYPE_CHECKING:
    from provisioner_host.wire import ServiceAnswer

_PROC = Path("/proc")
_FIELDS = "MainPID,NRestarts,ExecMainStartTimestampMonotonic"
# systemd's messages of an automatic restart and of a process that ended (`journalctl --catalog`).
_RESTART, _EXIT = "5eb03494b6584870a536b337290809b3", "98e322203f7a4ed290d09fe03c09fe15"
_SCHEDULED = "Scheduled restart job"
_EXITED = pattern(r"process exited, code=(\w{1,20}), status=(\S{1,40})")
_HOUR_S = 3600
_NO_FILES = "too many open files"
_LIMIT = pattern(r"^Max open files +(\d+) ", re.MULTILINE)
_STOLEN = 8
_NS = 1e9


class Spent(NamedTuple):
    """Processor time at one moment."""

    at: float  #: Monotonic.
    pid: int
    ran: float  #: Seconds that MediaMTX's threads ran.
    waited: float  #: Seconds that they waited for a processor.
    stolen: int  #: The machine's time that its hypervisor took, in ticks.
    machine: int  #: All of the machine's time, in ticks.


def spent() -> Spent:
    """Return the processor time of the present MediaMTX."""
    pid = int(_shown("MainPID").get("MainPID") or 0)
    return _spent_by(pid)


def _spent_by(pid: int) -> Spent:
    times = list(_thread_times(pid)) if pid else []
    machine = _machine_ticks()
    ran, waited = (sum(row[at] for row in times) / _NS for at in (0, 1))
    return Spent(
        time.monotonic(), pid, ran, waited, machine[_STOLEN - 1] if len(machine) >= _STOLEN else 0, sum(machine)
    )


def _thread_times(pid: int) -> Iterator[tuple[int, int]]:
    for file in (_PROC / str(pid) / "task").glob("*/schedstat"):
        with contextlib.suppress(OSError, ValueError):
            ran, waited, _ = file.read_text(encoding="ascii").split()
            yield int(ran), int(waited)


def _machine_ticks() -> list[int]:
    with contextlib.suppress(OSError, ValueError):
        line = (_PROC / "stat").read_text(encoding="ascii").partition("\n")[0]
        return [int(field) for field in line.split()[1 : _STOLEN + 1]]
    return []


def evidence(before: Spent) -> ServiceAnswer:
    """Return the service's state, and what it spent since `before`."""
    shown = _shown(_FIELDS)
    pid = int(shown.get("MainPID") or 0)
    restarts, ended = _recent_restarts() if int(shown.get("NRestarts") or 0) else (0, "")
    now = _spent_by(pid)
    is_same = pid != 0 and pid == before.pid
    started = int(shown.get("ExecMainStartTimestampMonotonic") or 0) / 1e6
    machine = now.machine - before.machine
    is_listening = _awaits_readers()
    return {
        "restarts": restarts,
        "ended": ended,
        "age_s": round(max(0.0, time.clock_gettime(time.CLOCK_MONOTONIC) - started), 1) if pid else 0.0,
        "files": _open_files(pid),
        "most_files": _most_files(pid),
        "listens": is_listening,
        "lacked_files": not is_listening
        and bool(
            units.journal(f"--since=-{_HOUR_S}s", f"--grep={_NO_FILES}", "--lines=1", f"_SYSTEMD_UNIT={UNIT_MEDIAMTX}")
        ),
        "seconds": round(now.at - before.at, 2) if is_same else 0.0,
        "ran_s": round(max(0.0, now.ran - before.ran), 2) if is_same else 0.0,
        "waited_s": round(max(0.0, now.waited - before.waited), 2) if is_same else 0.0,
        "stolen": round(min(1.0, max(0, now.stolen - before.stolen) / machine), 2) if machine > 0 else 0.0,
    }


def _shown(wanted: str) -> dict[str, str]:
    try:
        return units.properties(wanted, UNIT_MEDIAMTX)[0]
    except (Failed, UnicodeDecodeError):
        return {}


def _recent_restarts() -> tuple[int, str]:
    found = units.journal(
        f"--since=-{_HOUR_S}s", f"MESSAGE_ID={_RESTART}", f"MESSAGE_ID={_EXIT}", f"UNIT={UNIT_MEDIAMTX}"
    )
    exits = _EXITED.findall(found)
    return sum(_SCHEDULED in line for line in found.splitlines()), ", ".join(exits[-1]) if exits else ""


def _open_files(pid: int) -> int:
    with contextlib.suppress(OSError):
        return sum(1 for _ in (_PROC / str(pid) / "fd").iterdir()) if pid else 0
    return 0


def _most_files(pid: int) -> int:
    with contextlib.suppress(OSError):
        limit = _LIMIT.search((_PROC / str(pid) / "limits").read_text(encoding="ascii"))
        return int(limit[1]) if limit else 0
    return 0


def _awaits_readers() -> bool:
    """Return whether MediaMTX waits for readers; `True` if unknown."""
    ports = " or ".join(f"sport = :{port}" for port in sorted(READER_PORTS))
    try:
        return bool(run(["ss", "--no-header", "-tln", f"( {ports} )"]).stdout.strip())
    except (Failed, UnicodeDecodeError):
        return True
