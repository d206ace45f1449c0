"""Confined programs of ours, which parse hostile streams and device answers.

The confined user cannot read our files, so the modules and the request go in through standard input. The output is
hostile: this module bounds it, and the caller checks the lines.
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
PROGRAM = ("/usr/bin/python3", "-I", "-S", "-c", _BOOT)  #: Runs `serve` of the last module with the request.
LONGEST_LINE = 8192


def sources(modules: Iterable[Any]) -> list[list[str]]:
    """Return modules' names and sources, in import order."""
    return [[module.__name__, source_of(module)] for module in modules]


def source_of(module: Any) -> str:
    """Return a module's source from its loader."""
    return str(module.__loader__.get_source(module.__name__))


class Start:
    """The start signal for a program that waits for its request."""

    def __init__(self) -> None:
        self._decided, self._is_now = threading.Event(), False

    def now(self) -> None:
        """Send the request now."""
        self._is_now = True
        self._decided.set()

    def never(self) -> None:
        """Cancel the request if it was not sent yet."""
        self._decided.set()

    def wait(self, until: float) -> bool:
        """Wait for the decision until `until`; return whether to send."""
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
    """Run a confined program, pass its lines on, return its standard error.

    If `hear` has all its lines, the result is empty and the program is killed. `modules` are in import order. The
    request, one line, is sent at `start` or at once.
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
        lines = json.dumps(modules).encode() + b"\n", request + b"\n"
        threading.Thread(target=_write_request, args=(process.stdin, lines, start, until), daemon=True).start()
        return "" if hear(_answer_lines(process.stdout, until)) else complaint.text()


def _write_request(stdin: IO[bytes] | None, lines: tuple[bytes, bytes], start: Start | None, until: float) -> None:
    # It may be gone before it has read: then it answers nothing, and says why.
    with contextlib.suppress(OSError, ValueError):
        if stdin is not None:
            modules, request = lines
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
    """The first lines of standard error; a thread drains the pipe."""

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


def _answer_lines(stdout: IO[bytes] | None, until: float) -> Iterator[bytes]:
    if stdout is None:
        return
    rest = b""
    with selectors.DefaultSelector() as ready:
        ready.register(stdout, selectors.EVENT_READ)
        while (left_s := until - time.monotonic()) > 0 and ready.select(left_s):
            part = os.read(stdout.fileno(), 1 << 16)
            if not part:
                return
            *lines, rest = (rest + part).split(b"\n")
            yield from (line for line in lines if len(line) <= LONGEST_LINE)
            rest = rest[: LONGEST_LINE + 1]
