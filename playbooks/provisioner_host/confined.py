"""Programs of ours that run confined, as they read what may take them over: streams, and what devices answer.

Their modules and what they are asked go in over standard input, as the confined user can read none of ours; lines come
out. What comes back is hostile: it is bounded here, and looked at by whoever hears the lines.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, Any

from provisioner_host import shell

_BOOT = """
import json, sys, types
line = sys.stdin.buffer.readline()
package = sys.modules["provisioner_host"] = types.ModuleType("provisioner_host")
package.__path__ = []
for name, source in json.loads(line)["modules"]:
    module = sys.modules[name] = types.ModuleType(name)
    setattr(package, name.rpartition(".")[2], module)
    exec(compile(source, name, "exec"), module.__dict__)
module.serve(json.loads(line))
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


def run(command: Sequence[str], request: bytes, until: float, hear: Callable[[Iterator[bytes]], bool]) -> str:
    """Run a program, have its lines heard as they come, and return what it complained of.

    Who has heard all that it wants waits neither for the program's end nor for complaints: there are none then.

    Args:
        command: the program, confined.
        request: one line, for its standard input.
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
        threading.Thread(target=_hand_out, args=(process.stdin, request), daemon=True).start()
        return "" if hear(_lines(process.stdout, until)) else complaint.text()


def _hand_out(stdin: IO[bytes] | None, request: bytes) -> None:
    # It may be gone before it has read: then it answers nothing, and says why.
    with contextlib.suppress(OSError, ValueError):
        if stdin is not None:
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
