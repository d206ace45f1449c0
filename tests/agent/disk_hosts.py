"""Hosts that outlive the process that calls them: what they are is on the disk, one operation whole or not at all."""

import fcntl
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from provisioner.hosts.runner import HostAnswer, HostCall
from tests.watched import WatchedHosts


class DiskHosts(WatchedHosts):
    """Hosts in a file: every call reads it, does what is asked, and replaces it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        with self._alone():
            self.load()
            answers = super().call(calls, timeout_s=timeout_s)
            self.save()
        return answers

    def load(self) -> None:
        """Take the hosts as they are."""
        if self._file.exists():
            self.hosts = pickle.loads(self._file.read_bytes())  # noqa: S301 (this test's own)

    def save(self) -> None:
        """Let the hosts be as they are here."""
        temporary = self._file.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(pickle.dumps(self.hosts))
        temporary.replace(self._file)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def forked(work: Callable[[], object]) -> int:
    """Do something in a process of its own, which ends without a word: its number."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    finally:
        os._exit(0)
