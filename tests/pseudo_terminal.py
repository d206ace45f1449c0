"""A program in a real pseudo-terminal: what it wrote, and what is to be seen of that."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PIECE = re.compile(r"\x1b\[(\d*)([A-Za-z])|\x1b\[\?[\d;]*[a-z]|\x1b[=>]|(\r)|(\n)|(\x08)|([^\x1b\r\n\x08\x07])")


class Screen:
    """What a terminal of so many columns shows: carriage returns, erasing and going up, as our rows need them."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines: list[str] = [""]
        self._row = self._column = 0

    def feed(self, text: str) -> None:
        """Obey a text."""
        for piece in _PIECE.finditer(text):
            number, letter, home, down, back, seen = piece.groups()
            if seen:
                self._put(seen)
            elif home:
                self._column = 0
            elif back:
                self._column = max(0, self._column - 1)
            elif down:
                self._row += 1
                self.lines += [""] * (self._row + 1 - len(self.lines))
            elif letter == "A":
                self._row = max(0, self._row - int(number or 1))
            elif letter == "J":
                self.lines = [*self.lines[: self._row], self.lines[self._row][: self._column]]
            elif letter == "K":
                self.lines[self._row] = self.lines[self._row][: self._column]

    def _put(self, letter: str) -> None:
        if self._column == self.columns:
            self._row, self._column = self._row + 1, 0
            self.lines += [""] * (self._row + 1 - len(self.lines))
        line = self.lines[self._row].ljust(self._column)
        self.lines[self._row] = line[: self._column] + letter + line[self._column + 1 :]
        self._column += 1

    @property
    def text(self) -> str:
        """All lines that were ever to be seen and were not erased."""
        return "\n".join(line.rstrip() for line in self.lines).strip("\n")


class PseudoTerminal:
    """A program that runs in a terminal of its own.

    Args:
        argv: the program.
        env: its whole environment.
        columns: how wide the terminal is.
        rows: how high.
        cwd: the program's folder.
    """

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], *, columns: int = 80, rows: int = 24, cwd: Path | None = None
    ) -> None:
        self.screen = Screen(columns)
        self.written = ""
        self.shots: list[str] = []
        self._rest = b""
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
                os.chdir(cwd or os.getcwd())  # noqa: PTH109
                os.execve(argv[0], list(argv), dict(env))  # noqa: S606
            finally:
                os._exit(127)

    def resize(self, columns: int, rows: int = 24) -> None:
        """Make it another size."""
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.columns = columns

    def send(self, text: str) -> None:
        """Type something."""
        os.write(self._terminal, text.encode())

    def until(self, seen: Callable[[], bool] | None = None, timeout_s: float = 120) -> bool:
        """Read until something is to be seen, or the program has closed its terminal: whether it was seen."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if seen is not None and seen():
                return True
            if not select.select([self._terminal], [], [], 0.05)[0]:
                continue
            try:
                data = os.read(self._terminal, 65536)
            except OSError:
                break
            if not data:
                break
            self._take(data)
        return seen is not None and seen()

    def _take(self, data: bytes) -> None:
        data = self._rest + data
        for cut in range(4):
            try:
                text = data[: len(data) - cut].decode()
            except UnicodeDecodeError:
                continue
            self._rest = data[len(data) - cut :]
            break
        else:
            raise AssertionError(data)
        self.written += text
        self.screen.feed(text)
        self.shots.append(self.screen.text)

    def ended(self, timeout_s: float = 240) -> int:
        """Wait for the program's end: its exit code, or a signal's number below zero."""
        begun = time.monotonic()
        self.until(timeout_s=timeout_s)
        try:
            while time.monotonic() - begun < timeout_s:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    return os.waitstatus_to_exitcode(status)
                time.sleep(0.02)
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        finally:
            os.close(self._terminal)
        raise AssertionError(f"the program did not end; it showed:\n{self.screen.text}")
