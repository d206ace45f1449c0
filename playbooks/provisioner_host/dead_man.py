"""The dead-man's switch: armed before a change, it returns the host to last-good unless it is disarmed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from provisioner_host import files, last_good, places, units
from provisioner_host.shell import Failed


class Locked(Failed):
    """Somebody else is changing this host."""


@contextlib.contextmanager
def lock(who: str, *, wait_s: float = 0) -> Iterator[None]:
    """Hold the host: one change at a time.

    Raises:
        Locked: somebody else holds it, after `wait_s`.
    """
    places.RUN.mkdir(mode=0o755, parents=True, exist_ok=True)
    with places.LOCK.open("a+") as stream:
        until = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    stream.seek(0)
                    raise Locked(f"held by {stream.read().strip() or 'another run'}") from None
                time.sleep(0.2)
        stream.truncate(0)
        stream.write(who)
        stream.flush()
        yield


def boot_id() -> str:
    """Give this boot's id: a change that a reboot met was never confirmed.

    The kernel's id and the start of the first process: a container that is restarted keeps its kernel.
    """
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    started = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]
    return f"{kernel}/{started}"


def now() -> float:
    """Give seconds since boot, sleep included: a jump of the clock moves no deadline."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def arm(run_id: str, seconds: float) -> None:
    """Arm the switch and start what watches it.

    Raises:
        Failed: the watcher does not run, so nothing may be switched.
    """
    files.write_json(places.ARMED, {"run": run_id, "boot": boot_id(), "due": now() + seconds})
    if units.states([places.UNIT_REVERT])[places.UNIT_REVERT]["enabled"] != "enabled":
        units.systemctl("enable", places.UNIT_REVERT)
    units.systemctl("restart", places.UNIT_REVERT)
    state = units.states([places.UNIT_REVERT])[places.UNIT_REVERT]
    if (state["active"], state["enabled"]) != ("active", "enabled"):
        disarm()
        raise Failed("the unit that returns this host to last-good does not run: nothing was changed")


def renew(run_id: str, seconds: float) -> None:
    """Move the deadline, while the controller is still deciding.

    Raises:
        Failed: the switch is not armed for this run.
    """
    armed = files.read_json(places.ARMED)
    if armed is None or armed["run"] != run_id:
        raise Failed("the switch is not armed for this run")
    files.write_json(places.ARMED, armed | {"due": now() + seconds})


def disarm() -> None:
    """Take the switch away, and stop its watcher."""
    places.ARMED.unlink(missing_ok=True)
    if places.STATE.exists():
        files.sync_folder(places.STATE)
    units.systemctl("stop", "--no-block", places.UNIT_REVERT, check=False)


def revert_at_boot() -> None:
    """After a reboot inside the window: put the files back before anything reads them."""
    armed = files.read_json(places.ARMED)
    if armed is not None and armed.get("boot") == boot_id():
        return
    with lock("return to last-good at boot", wait_s=10):
        _revert(armed, "the host was rebooted before the change was confirmed", live=False)


def revert_when_due() -> None:
    """Watch the deadline; when it passes, return to last-good."""
    while (armed := files.read_json(places.ARMED)) is not None:
        if armed["due"] > now():
            time.sleep(min(1.0, max(0.05, armed["due"] - now())))
            continue
        with lock("return to last-good", wait_s=30):
            armed = files.read_json(places.ARMED)
            if armed is None or armed["due"] > now():
                continue
            _revert(armed, "nobody confirmed the change in time", live=True)
        return


def _revert(armed: dict[str, Any] | None, cause: str, *, live: bool) -> None:
    run_id = armed["run"] if armed else "unknown"
    try:
        last_good.restore(live=live)
    except (Failed, OSError) as error:
        last_good.receipt(run_id, "rollback-failed", f"{cause}; then: {error}", [])
        raise
    finally:
        places.ARMED.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            os.sync()
    last_good.receipt(run_id, "rolled-back", cause, [])
