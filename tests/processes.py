"""Programs that run beside a test or the demo, and not longer than it, however that ends."""

import contextlib
import secrets
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

_PATIENCE_S: Final = 10.0


@contextlib.contextmanager
def beside(
    words: Sequence[str | Path],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    patience: float = _PATIENCE_S,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the end of the block; what it prints is in a file.

    Args:
        words: the program and its arguments.
        log: for what it prints.
        environment: another one than this process has.
        patience: how many seconds it has to end.
    """
    process = started(words, log, environment=environment)
    try:
        yield process
    finally:
        end(process, patience)


def started(
    words: Sequence[str | Path], log: Path, *, environment: Mapping[str, str] | None = None, outlives: bool = False
) -> subprocess.Popen[bytes]:
    """A program that runs from now on; `outlives` says whether it goes on when this process has ended."""
    # Where this process is killed nothing here can end the other: the kernel does.
    bound = () if outlives else ("setpriv", "--pdeathsig", "TERM")
    with log.open("wb") as out:
        return subprocess.Popen(
            [*bound, *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=outlives,
        )


def end(process: subprocess.Popen[bytes], patience: float = _PATIENCE_S) -> None:
    """End a program, at last without asking."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A TCP port that nobody listens on, below those that the kernel gives to connections meanwhile."""
    for _ in range(100):
        port = 12_000 + secrets.randbelow(20_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port
    raise AssertionError("no port is free")
