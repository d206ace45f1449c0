"""The lease: who is changing this host, from the first look to the last word, and for how long that holds.

The lock is held while an operation runs; the lease bridges the time between two operations of one run. It
lies on tmpfs and counts boot time: a jump of the clock moves it not, a reboot ends it, and so does its time
when the controller died.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from typing import Any

from provisioner_host import files, paths
from provisioner_host.shell import Failed


class Locked(Failed):
    """Somebody else is changing this host."""


def now() -> float:
    """Seconds since boot, sleep included: a jump of the clock moves no deadline."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@contextlib.contextmanager
def lock(who: str, *, wait_s: float = 0) -> Iterator[None]:
    """Hold the host while one operation runs.

    Raises:
        Locked: somebody else holds it, after `wait_s`.
    """
    paths.RUN.mkdir(mode=0o755, parents=True, exist_ok=True)
    with paths.LOCK.open("a+") as stream:
        until = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    stream.seek(0)
                    raise Locked(f"held by {told(holder()) or stream.read().strip() or 'another run'}") from None
                time.sleep(0.2)
        stream.truncate(0)
        stream.write(who)
        stream.flush()
        yield


def holder() -> dict[str, Any] | None:
    """The lease as it was written, expired or not; None where there is none, or a damaged one."""
    found = files.read_json(paths.LEASE)
    return found if isinstance(found, dict) and {"run", "who", "since", "due"} <= set(found) else None


def told(lease: dict[str, Any] | None) -> str:
    """A lease in words: who, since when, which run, for how long still."""
    if lease is None:
        return ""
    left = max(0, round(float(lease["due"]) - now()))
    return f"{lease['who']}, run {lease['run']}, since {lease['since']}, for {left} s more"


def take(run: str, who: str, seconds: float) -> str:
    """Take the lease for a run, or renew it; give a line to write down where an expired one was taken over.

    Raises:
        Locked: it is another run's and has not expired; the message names the holder.
    """
    found = holder()
    note = ""
    if found is not None and found["run"] != run:
        if float(found["due"]) > now():
            raise Locked(f"held by {told(found)}")
        note = f"took over the lease of {found['who']}, run {found['run']}, that was held since {found['since']}"
    elif found is None and paths.LEASE.exists():
        note = "took over a lease that could not be read"
    since = found["since"] if found is not None and found["run"] == run else _clock()
    files.folder(paths.RUN, 0o755)
    files.write_json(paths.LEASE, {"run": run, "who": who, "since": since, "due": now() + seconds})
    return note


def extend(run: str, seconds: float) -> None:
    """Renew a run's lease, where it is still that run's."""
    found = holder()
    if found is not None and found["run"] == run:
        files.write_json(paths.LEASE, found | {"due": now() + seconds})


def release(run: str) -> None:
    """End a run's lease; another run's is left alone."""
    found = holder()
    if found is None or found["run"] == run:
        with contextlib.suppress(OSError):
            paths.LEASE.unlink(missing_ok=True)


def _clock() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
