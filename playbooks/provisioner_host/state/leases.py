"""Leases and epochs: which run may change this host now.

The lock lasts for one operation; the lease bridges the operations of a run. The lease is on tmpfs and counts boot
time: a clock jump does not move it, and a reboot or its expiry ends it.

Each run brings an epoch, a number higher than all before. A run that was taken over, for example because its
controller hung, has a lower epoch and can no longer change the host.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from provisioner_host.machine import files, paths
from provisioner_host.machine.shell import Failed

if TYPE_CHECKING:
    from provisioner_host.wire import HostEpoch, Lease


# Controllers follow the number of a host. One far beyond it would leave no number for any run after it.
_FURTHEST_EPOCH = 1_000_000


class Locked(Failed):
    """Another run is changing this host."""


def now() -> float:
    """Return seconds since boot, including sleep; clock jumps have no effect."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@contextlib.contextmanager
def lock(who: str, *, wait_s: float = 0) -> Iterator[None]:
    """Lock the host for one operation; raise `Locked` after `wait_s`."""
    # Root's alone, folder and file: whoever may open a lock may hold it, and so keep a host from its way back.
    files.folder(paths.RUN, 0o700)
    with os.fdopen(os.open(paths.LOCK, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "a+") as stream:
        os.fchmod(stream.fileno(), 0o600)
        until = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    stream.seek(0)
                    raise Locked(f"held by {sentence(holder()) or stream.read().strip() or 'another run'}") from None
                time.sleep(0.2)
        stream.truncate(0)
        stream.write(who)
        stream.flush()
        yield


def holder() -> Lease | None:
    """Return the lease, expired or not; `None` if missing or damaged."""
    lease: Lease | None = files.read_json(paths.LEASE)
    return lease if isinstance(lease, dict) and {"run", "who", "since", "due"} <= set(lease) else None


def sentence(lease: Lease | None) -> str:
    """Return a lease in words: who, run, since when, time left."""
    if lease is None:
        return ""
    left_s = max(0, round(float(lease["due"]) - now()))
    return f"{lease['who']}, run {lease['run']}, since {lease['since']}, for {left_s} s more"


def take(run: str, who: str, seconds: float) -> str:
    """Take or renew a run's lease; return a note after a takeover.

    Raises:
        Locked: another run's lease has not expired; the message names that run.
    """
    lease = holder()
    note = ""
    if lease is not None and lease["run"] != run:
        if float(lease["due"]) > now():
            raise Locked(f"held by {sentence(lease)}")
        note = f"took over the lease of {lease['who']}, run {lease['run']}, that was held since {lease['since']}"
    elif lease is None and paths.LEASE.exists():
        note = "took over a lease that could not be read"
    since = lease["since"] if lease is not None and lease["run"] == run else moment()
    files.folder(paths.RUN, 0o700)
    files.write_json(paths.LEASE, {"run": run, "who": who, "since": since, "due": now() + seconds})
    return note


def extend(run: str, seconds: float) -> None:
    """Renew a run's lease if it is still that run's."""
    lease = holder()
    if lease is not None and lease["run"] == run:
        files.write_json(paths.LEASE, {**lease, "due": now() + seconds})


def release(run: str) -> None:
    """End a run's lease; leave another run's alone."""
    lease = holder()
    if lease is None or lease["run"] == run:
        with contextlib.suppress(OSError):
            paths.LEASE.unlink(missing_ok=True)


def moment() -> str:
    """Return the host's time in UTC, as people read it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def last_epoch() -> HostEpoch | None:
    """Return the last epoch; `None` if missing or damaged."""
    epoch = files.read_json(paths.EPOCH)
    is_valid = isinstance(epoch, dict) and isinstance(epoch.get("number"), int) and isinstance(epoch.get("run"), str)
    return cast("HostEpoch", epoch) if is_valid else None


def epoch_number() -> int:
    """Return the last epoch's number, or 0."""
    last = last_epoch()
    return last["number"] if last is not None else 0


def epoch_refusal(last: HostEpoch | None, run: str, number: int | None) -> str:
    """Return why a run may not begin here, or an empty string.

    `number` is the run's epoch; older controllers send `None`.
    """
    if last is None or number is None or (number, run) == (last["number"], last["run"]):
        return ""
    if last["number"] < number <= last["number"] + _FURTHEST_EPOCH:
        return ""
    began = f"run {last['run']} of {last.get('who') or 'somebody'} began here at {last.get('at') or 'some time'}"
    return f"{began} with epoch {last['number']}, and this one has epoch {number}"


def take_epoch(run: str, who: str, number: int | None) -> None:
    """Store a run's epoch before its first change."""
    if number is not None:
        files.folder(paths.STATE, 0o700)
        files.write_json(paths.EPOCH, {"number": number, "run": run, "who": who, "at": moment()})
