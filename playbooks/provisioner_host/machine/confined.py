"""Programs of ours that run confined, as they read what may take them over: streams, and what devices answer.

Their modules go in over standard input, as the confined user can read none of ours, and then what they are asked; lines
come out. What comes back is hostile: it is bounded here, and looked at by whoever hears the lines.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, Any

from provisioner_host.machine import shell

_BOOT = """
import json, sys, types
line = sys.stdin.buffer.readline()
package = sys.modules["provisioner_host"] = types.ModuleType("provisioner_host")
package.__path__ = []
for name, source in json.loads(line):
    folder, _, leaf = name.rpartition(".")
    if folder not in sys.modules:
        sys.modules[folder] = types.ModuleType(folder)
        sys.modules[folder].__path__ = []
        setattr(package, folder.rpartition(".")[2], sys.modules[folder])
    module = sys.modules[name] = types.ModuleType(name)
    setattr(sys.modules[folder], leaf, module)
    exec(compile(source, name, "exec"), module.__dict__)
module.serve(json.loads(sys.stdin.buffer.readline()))
"""
PROGRAM = ("/usr/bin/python3", "-I", "-S", "-c", _BOOT)
"""Runs the last of the modules that it gets: its `serve`, with what it is asked."""
LONGEST_LINE = 8192


def sources(modules: Iterable[Any]) -> list[list[str]]:
    """Modules with their sources, in the order of their imports."""
    return [[module.__name__, source_of(module)] for module in modules]


def source_of(module: Any) -> str:
    """A module's source, from wherever it was loaded."""
    return str(module.__loader__.get_source(module.__name__))


class Start:
    """When a program that has started gets what it is asked: until then it does nothing."""

    def __init__(self) -> None:
        self._decided, self._is_now = threading.Event(), False

    def now(self) -> None:
        """Ask it now."""
        self._is_now = True
        self._decided.set()

    def never(self) -> None:
        """Do not ask it, where it was not asked before."""
        self._decided.set()

    def wait(self, until: float) -> bool:
        """Wait for that, and say whether it is asked; no longer than until then."""
        return self._decided.wait(max(0.0, until - time.monotonic())) and self._is_now


def run(
    command: Sequence[str],
    modules: Sequence[Sequence[str]],
    request: bytes,
    until: float,
    hear: Callable[[Iterator[bytes]], bool],
    *,
    start: Start | None = None,
) -> str:
    """Run a program, have its lines heard as they come, and return what it complained of.

    Who has heard all that it wants waits neither for the program's end nor for complaints: there are none then.

    Args:
        command: the program, confined.
        modules: its modules with their sources, in the order of their imports.
        request: what it is asked, one line.
        start: when it gets that; at once where it is left out.
        until: when nothing more is heard, on the monotonic clock.
        hear: takes the lines; whether it has heard all.
    """
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": shell.PATH, "LC_ALL": "C.UTF-8"},
    )
    with process, _ended(process):
        complaint = _Complaint(process.stderr)
        # Beside the answers: whoever does not read must hold nobody up, while a host may wait for its way back.
        words = json.dumps(modules).encode() + b"\n", request + b"\n"
        threading.Thread(target=_hand_out, args=(process.stdin, words, start, until), daemon=True).start()
        return "" if hear(_lines(process.stdout, until)) else complaint.text()


def _hand_out(stdin: IO[bytes] | None, words: tuple[bytes, bytes], start: Start | None, until: float) -> None:
    # It may be gone before it has read: then it answers nothing, and says why.
    with contextlib.suppress(OSError, ValueError):
        if stdin is not None:
            modules, request = words
            stdin.write(modules)
            stdin.flush()
            if start is None or start.wait(until):
                stdin.write(request)
            stdin.close()


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()


class _Complaint:
    """What is said on standard error, the first few lines of it, read so that nobody waits for a full pipe."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._stream, self._said = stream, b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        # Whoever waits no longer closes it.
        with contextlib.suppress(OSError, ValueError):
            while self._stream is not None and (part := os.read(self._stream.fileno(), LONGEST_LINE)):
                self._said = (self._said + part)[:LONGEST_LINE]

    def text(self) -> str:
        self._thread.join(1)
        return self._said.decode(errors="replace").strip()


def _lines(stdout: IO[bytes] | None, until: float) -> Iterator[bytes]:
    if stdout is None:
        return
    rest = b""
    with selectors.DefaultSelector() as ready:
        ready.register(stdout, selectors.EVENT_READ)
        while (left := until - time.monotonic()) > 0 and ready.select(left):
            part = os.read(stdout.fileno(), 1 << 16)
            if not part:
                return
            *lines, rest = (rest + part).split(b"\n")
            yield from (line for line in lines if len(line) <= LONGEST_LINE)
            rest = rest[: LONGEST_LINE + 1]
