"""Work in progress, its rows in a terminal, its log file.

Rows are redrawn, and erased before other output. No library draws them: all output passes `SafeStream`, which blocks
cursor movement, and a library would replace both standard streams to bypass it. The file of `--log` records what a
command did and when. It contains no output, arguments, secrets, personal data, or sentences with a person's words.
"""

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from provisioner.base.errors import UsageError, os_errors
from provisioner.base.service import Stage
from provisioner.base.text import printable
from provisioner.cli.support.terminal import size_of

_WIDEST_ROW: Final = 100
_ERASE: Final = "\r\x1b[J"
_LONGEST_LINE: Final = 400
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LEFT_OUT: Final = "(left out: it looks like a password or a person's data)"

#: A run's steps on a host, with their operation.
STEPS: Final[Mapping[str, str]] = {
    "start": "apply",
    "gate": "look",
    "confirm": "confirm",
    "abort": "abort",
    "status": "status",
}


class TerminalRows:
    """Rows below the cursor, which stays at the first.

    So any output erases them, and a narrowed terminal, which wraps rows again, keeps no remains.
    """

    def __init__(self, stream: TextIO, size: Callable[[], os.terminal_size] | None = None) -> None:
        self._stream = stream
        self._size = size or (lambda: size_of(stream))
        self._drawn = False

    def draw(self, rows: Sequence[str]) -> None:
        """Replace the rows."""
        size = self._size()
        width = min(size.columns - 1, _WIDEST_ROW)
        visible = [_cut(row, width) for row in rows[: max(1, size.lines - 1)]]
        up = f"\x1b[{len(visible) - 1}A" if len(visible) > 1 else ""
        self._drawn = True
        self._write(_ERASE + "\r\n".join(visible) + up + "\r")

    def erase(self) -> None:
        """Remove the rows."""
        if self._drawn:
            self._drawn = False
            self._write(_ERASE)

    def _write(self, text: str) -> None:
        # A closed terminal must not end the run: hosts may be in the middle of a change.
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


class LogFile:
    """A file of timestamped lines, readable by its owner alone.

    Raises `UsageError` if it cannot be written, or is no file of the user's own.
    """

    def __init__(self, path: Path) -> None:
        with os_errors(f"--log {path} cannot be written", "name a file in a folder that you can write to, and no link"):
            self._descriptor = os.open(path, _FLAGS, 0o600)
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            os.close(self._descriptor)
            raise UsageError(f"--log {path} is no file of your own", hint="name a new one")
        os.fchmod(self._descriptor, 0o600)
        self._is_open = True

    def write(self, text: str) -> None:
        """Add a line; a full disk does not end the command."""
        from provisioner.base.private_text import is_private  # noqa: PLC0415 (few commands keep a log)

        line = _LEFT_OUT if is_private(text) else printable(text, _LONGEST_LINE)
        if self._is_open:
            try:
                os.write(self._descriptor, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {os.getpid()} {line}\n".encode())
            except OSError:
                self.close()

    def close(self) -> None:
        """Close the file."""
        if self._is_open:
            self._is_open = False
            os.close(self._descriptor)


@dataclass(slots=True)
class HostWork:
    """A host that is waited for, with its number of paths."""

    operation: str
    since: float
    paths: int = 0


@dataclass(slots=True)
class StageWork:
    """A stage in progress, with items done."""

    stage: Stage
    total: int
    since: float
    done: int = 0


@dataclass(slots=True)
class HostsWork:
    """Hosts of one call or of a run's wave."""

    since: float
    total: int = 0
    waiting: dict[str, HostWork] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Number of finished hosts."""
        return self.total - len(self.waiting)


@dataclass(frozen=True, slots=True)
class Expected:
    """A run's usual time, the number of earlier runs, and its beginning."""

    seconds: float
    runs: int
    since: float | None = None


@dataclass
class Underway:
    """All work in progress; changes need a lock."""

    stages: list[StageWork] = field(default_factory=list)  #: The innermost last.
    calls: dict[str, HostsWork] = field(default_factory=dict)
    wave: HostsWork | None = None  #: The hosts of a run's waves together; `None` between waves.
    wave_name: str = ""
    waves: dict[str, list[str]] = field(default_factory=dict)  #: Hosts of each unfinished wave.
    expected: Expected | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no work is in progress."""
        return not (self.stages or self.calls or self.wave)

    def begin_stage(self, stage: Stage, total: int, now: float) -> None:
        """Begin a stage."""
        self.stages.append(StageWork(stage, total, now))

    def advance_stage(self, stage: Stage, number: int) -> None:
        """Count items of a stage."""
        for work in reversed(self.stages):
            if work.stage is stage:
                work.done += number
                return

    def end_stage(self, stage: Stage) -> StageWork | None:
        """Return the ended stage, or `None` if it never began."""
        for work in reversed(self.stages):
            if work.stage is stage:
                self.stages.remove(work)
                return work
        return None

    def begin_calls(self, operation: str, hosts: Mapping[str, int], now: float) -> None:
        """Add called hosts."""
        work = self.calls.setdefault(operation, HostsWork(now))
        work.total += len(hosts)
        work.waiting |= {host: HostWork(operation, now, paths) for host, paths in hosts.items()}
        if self.expected and self.expected.since is None:
            self.expected = Expected(self.expected.seconds, self.expected.runs, now)
        for host, paths in hosts.items():
            if self.wave and host in self.wave.waiting:
                self.wave.waiting[host].operation, self.wave.waiting[host].paths = operation, paths

    def end_call(self, operation: str, host: str) -> HostWork | None:
        """Return the host that answered, or `None` if not waited for."""
        work = self.calls.get(operation)
        if work is None:
            return None
        ended = work.waiting.pop(host, None)
        if not work.waiting:
            del self.calls[operation]
        return ended

    def step(self, host: str, step: str, state: str, detail: Mapping[str, object], now: float) -> None:
        """Take a run's step."""
        if step == "wave":
            hosts = detail.get("hosts")
            self._start_or_end_wave(str(detail.get("wave", "")), hosts if isinstance(hosts, Sequence) else None, now)
        elif self.wave is not None and step == "end":
            self.wave.waiting.pop(host, None)
        elif self.wave is not None and state == "begin" and step in STEPS and host in self.wave.waiting:
            self.wave.waiting[host].operation = STEPS[step]
        if step == "run" and state != "begin":
            self.wave, self.expected = None, None
            self.waves.clear()

    def _start_or_end_wave(self, name: str, hosts: Sequence[object] | None, now: float) -> None:
        if hosts is None:
            for host in self.waves.pop(name, ()):
                if self.wave is not None:
                    self.wave.waiting.pop(host, None)
            self.wave = self.wave if self.waves else None
            return
        names = [str(host) for host in hosts]
        self.waves[name] = names
        self.wave, self.wave_name = self.wave or HostsWork(now), name
        self.wave.total += len(names)
        self.wave.waiting |= {host: HostWork("", now) for host in names}


def _cut(row: str, width: int) -> str:
    mark = "..." if width > len("...") else ""
    return row if len(row) <= width else row[: max(0, width - len(mark))] + mark
