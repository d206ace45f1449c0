"""The dead-man switch: returns an unconfirmed host to last-good."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner_host.machine import files, paths, units
from provisioner_host.machine.shell import Failed
from provisioner_host.state import last_good, leases
from provisioner_host.state.leases import now

if TYPE_CHECKING:
    from provisioner_host.wire import Armed

# However often the controller renews it: so long after the arming a change is confirmed or gone.
LONGEST_S = 900.0
# Between these two the host is neither old nor new: a change that is found there without its program goes back.
SWITCHING, WAITING = "switching", "waiting"
_LOCK_S = 30.0
_RETRY_S = (2.0, 5.0, 15.0, 30.0)


def boot_id() -> str:
    """Return this boot's id, to detect a reboot before confirmation.

    It joins the kernel's boot id and the start time of process 1: a restarted container keeps its kernel.
    """
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    started = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]
    return f"{kernel}/{started}"


def armed() -> Armed | None:
    """Return the armed change, or `None` if the switch is not armed.

    An unreadable record counts as a change whose deadline has passed.
    """
    if not paths.ARMED.exists():
        return None
    record: Armed | None = files.read_json(paths.ARMED)
    if isinstance(record, dict) and isinstance(record.get("run"), str) and isinstance(record.get("due"), (int, float)):
        return record
    # It may be gone since it was looked for.
    return {"run": "unknown", "due": 0.0, "damaged": True} if paths.ARMED.exists() else None


def arm(run_id: str, seconds: float, who: str, kind: str = "apply", target: str = "") -> None:
    """Arm the switch for `seconds` and start its watcher.

    `kind` is `apply` or `rollback`; `target` is the generation of a rollback.

    Raises:
        Failed: the watcher does not run, so the change must not start.
    """
    started = now()
    record = {"run": run_id, "boot": boot_id(), "since": started, "due": started + seconds, "phase": SWITCHING}
    files.write_json(paths.ARMED, record | {"kind": kind, "target": target, "who": who})
    try:
        _start_watch(run_id)
    except (Failed, OSError):
        disarm()
        raise


def _start_watch(run_id: str) -> None:
    # systemd's own link, asked for without systemd.
    enabled = paths.UNIT_FOLDER / "sysinit.target.wants" / paths.UNIT_REVERT
    if not enabled.is_symlink():
        units.systemctl("enable", paths.UNIT_REVERT)
    paths.WATCHED.unlink(missing_ok=True)
    units.systemctl("restart", paths.UNIT_REVERT)
    # systemd waits until the watcher says that it watches; it has written down what.
    if not enabled.is_symlink() or not paths.WATCHED.is_file() or paths.WATCHED.read_text() != run_id:
        raise Failed("the unit that returns this host to last-good does not run: nothing was changed")


def renew(run_id: str, seconds: float, phase: str = "") -> None:
    """Move the deadline, to at most 15 minutes after arming.

    `phase` is `waiting` once the switch is done; empty leaves it. The caller holds the host's lock.

    Raises:
        Failed: the switch is not armed for this run, or the 15 minutes are over.
    """
    record = armed()
    if record is None or record["run"] != run_id:
        raise Failed("the switch is not armed for this run")
    last = float(record.get("since", 0.0)) + LONGEST_S
    if now() >= last:
        raise Failed(f"{LONGEST_S:.0f} s are over: this host returns to last-good")
    renewed = {"due": min(now() + seconds, last), "phase": phase or record.get("phase", WAITING)}
    files.write_json(paths.ARMED, {**record, **renewed})


def disarm() -> None:
    """Disarm the switch and stop its watcher."""
    paths.ARMED.unlink(missing_ok=True)
    if paths.STATE.exists():
        files.sync(paths.STATE)
    units.systemctl("stop", "--no-block", paths.UNIT_REVERT, check=False)


def watch() -> None:
    """Run the unit: revert after a reboot, report ready, watch the deadline.

    systemd starts later units, and `arm` continues, only after the ready notification. If the revert fails, systemd
    restarts the unit.
    """
    revert_at_boot()
    _publish_watched_run()
    units.notify_ready()
    revert_at_deadline()


def _publish_watched_run() -> None:
    """Write the watched run; if that fails, `arm` changes nothing."""
    record = armed()
    with contextlib.suppress(OSError):
        files.folder(paths.RUN, 0o700)
        paths.WATCHED.write_text(record["run"] if record else "")


def revert_at_boot() -> None:
    """Revert an unconfirmed change after a reboot, before services start."""
    record = armed()
    if record is None or record.get("boot") == boot_id():
        return
    with leases.lock("return to last-good at boot", wait_s=10):
        # The first try is made before anything of ours runs; a later one finds it running.
        running = any(state["active"] == "active" for state in units.states(last_good.UNITS).values())
        give_back(record, "the host was rebooted before the change was confirmed", live=running)


def revert_at_deadline() -> None:
    """Wait for the deadline, then return to last-good; retry until that works."""
    failures = 0
    while (record := armed()) is not None:
        if record["due"] > now():
            time.sleep(min(1.0, max(0.05, record["due"] - now())))
            continue
        try:
            with leases.lock("return to last-good", wait_s=_LOCK_S):
                record = armed()
                if record is None or record["due"] > now():
                    continue
                give_back(record, cause_of(record), live=True)
        except (Failed, OSError):
            time.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
            failures += 1
            continue
        return


def cause_of(record: Armed) -> str:
    """Return the receipt's cause for the return to last-good."""
    if record.get("damaged"):
        return "the record of the change that waited could not be read"
    return "nobody confirmed the change in time"


def give_back(record: Armed, cause: str, *, live: bool) -> None:
    """Return to last-good, then disarm and write the receipt.

    The caller holds the host's lock.

    Raises:
        Failed: the return failed; the receipt says `rollback-failed` and the switch stays armed.
    """
    run_id = record["run"]
    try:
        last_good.restore(live=live)
    except (Failed, OSError) as error:
        last_good.receipt(run_id, "rollback-failed", f"{cause}; then: {error}", [])
        raise
    paths.ARMED.unlink(missing_ok=True)
    leases.release(run_id)
    with contextlib.suppress(OSError):
        os.sync()
    last_good.receipt(run_id, "rolled-back", cause, [])
