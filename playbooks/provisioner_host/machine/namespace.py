"""Scratch network namespaces to test rules, tunnels and the relay.

A namespace belongs to one thread of ours; programs and sockets that the thread starts are in its namespace. This
saves the four processes of a named namespace, and leaves no namespace behind if we are killed.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from provisioner_host.machine.shell import Failed, run

_CLONE_NEWNET = 0x40000000
_Result = TypeVar("_Result")


class Scratch:
    """A new, empty network namespace; use `scratch`."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        self.call(_unshare)

    @property
    def path(self) -> str:
        """The path of the namespace, for programs that move links into it."""
        return f"/proc/{os.getpid()}/task/{self._thread.native_id}/ns/net"

    def call(self, work: Callable[[], _Result]) -> _Result:
        """Call a function in the namespace; return its result."""
        done: queue.SimpleQueue[tuple[_Result | None, BaseException | None]] = queue.SimpleQueue()

        def task() -> None:
            try:
                done.put((work(), None))
            except BaseException as error:  # noqa: BLE001 (it is raised where it was asked for)
                done.put((None, error))

        self._tasks.put(task)
        result, error = done.get()
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # without an error it is what the work gave

    def run(self, argv: Sequence[str], **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a program in the namespace, as `shell.run` does."""
        return self.call(lambda: run(argv, **more))

    def ip(self, commands: Sequence[str]) -> None:
        """Run several `ip` commands in one process, or raise `Failed`."""
        self.run(["ip", "-batch", "-"], stdin="\n".join(commands) + "\n")

    def close(self) -> None:
        """Kill the namespace's processes and end it."""
        with contextlib.suppress(OSError):
            self._kill_processes()
        self._tasks.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()

    def _kill_processes(self) -> None:
        ours = Path(self.path).stat().st_ino
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "ns/net").stat().st_ino == ours:
                    os.kill(int(process.name), signal.SIGKILL)


def _unshare() -> None:
    """Move this thread into a new network namespace, or raise `Failed`.

    Python has `os.unshare` from 3.12 on.
    """
    import ctypes  # noqa: PLC0415 (few calls try rules, and each would wait for it)

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        raise Failed(f"no scratch network namespace: {os.strerror(ctypes.get_errno())}")


@contextlib.contextmanager
def scratch() -> Iterator[Scratch]:
    """Open an empty network namespace; kill its processes at the end."""
    namespace = Scratch()
    try:
        yield namespace
    finally:
        namespace.close()
