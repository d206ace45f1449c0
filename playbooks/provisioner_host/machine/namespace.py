"""Scratch network namespaces: where rules, tunnels and the relay are tried before they are live.

A namespace belongs to one thread of ours, which makes it and does in it what it is told: what a thread
starts, or which sockets it opens, is in its namespace. That saves the four programs that a namespace with a
name takes, and leaves nothing behind when we are killed.
"""

from __future__ import annotations

import contextlib
import ctypes
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
    """A new, empty network namespace. Use `scratch`."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        self.call(_unshare)

    @property
    def path(self) -> str:
        """The namespace's place, for programs that move something into it."""
        return f"/proc/{os.getpid()}/task/{self._thread.native_id}/ns/net"

    def call(self, work: Callable[[], _Result]) -> _Result:
        """Do something in the namespace: what it returns or raises."""
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
        """Run a program in the namespace, as `shell.run` does.

        Raises:
            Failed: as there.
        """
        return self.call(lambda: run(argv, **more))

    def ip(self, commands: Sequence[str]) -> None:
        """Run several `ip` commands in one process.

        Raises:
            Failed: one was refused.
        """
        self.run(["ip", "-batch", "-"], stdin="\n".join(commands) + "\n")

    def close(self) -> None:
        """End what still runs in it, and the namespace with it."""
        with contextlib.suppress(OSError):
            self._end_all()
        self._tasks.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()

    def _end_all(self) -> None:
        ours = Path(self.path).stat().st_ino
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "ns/net").stat().st_ino == ours:
                    os.kill(int(process.name), signal.SIGKILL)


def _unshare() -> None:
    """Move this thread into a network namespace of its own (`os.unshare` is there from Python 3.12 on).

    Raises:
        Failed: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        raise Failed(f"no scratch network namespace: {os.strerror(ctypes.get_errno())}")


@contextlib.contextmanager
def scratch() -> Iterator[Scratch]:
    """A new, empty network namespace; what still runs in it at the end is ended.

    Raises:
        Failed: the kernel refused.
    """
    namespace = Scratch()
    try:
        yield namespace
    finally:
        namespace.close()
