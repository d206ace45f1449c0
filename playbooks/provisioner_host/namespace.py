"""Scratch network namespaces: where rules, tunnels and the relay are tried before they are live."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from collections.abc import Iterator, Sequence

from provisioner_host.shell import run

_numbers = itertools.count()


@contextlib.contextmanager
def scratch() -> Iterator[str]:
    """Give the name of a new, empty network namespace; what still runs in it at the end is ended."""
    name = f"prov-{os.getpid()}-{next(_numbers)}"
    run(["ip", "netns", "add", name])
    try:
        yield name
    finally:
        for pid in run(["ip", "netns", "pids", name], check=False).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        run(["ip", "netns", "del", name], check=False)


def inside(name: str, argv: Sequence[str]) -> list[str]:
    """Give the command that runs `argv` in a namespace."""
    return ["ip", "netns", "exec", name, *argv]


def batch(commands: Sequence[str], namespace: str | None = None) -> None:
    """Run several `ip` commands in one process."""
    where = ["-n", namespace] if namespace else []
    run(["ip", *where, "-batch", "-"], stdin="\n".join(commands) + "\n")
