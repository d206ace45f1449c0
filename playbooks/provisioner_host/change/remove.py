"""Decommissioning: removes our units, files and users from this host.

The owner mark goes last: an interrupted host still names its owner, and the same call finishes. Foreign things stay:
packages, other rules, the SSH user and its sudo rights.
"""

from __future__ import annotations

import contextlib
import pwd
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner_host.machine import files, paths, units
from provisioner_host.machine.shell import Failed, run
from provisioner_host.state import dead_man, keys, leases
from provisioner_host.tunnel import tunnel

if TYPE_CHECKING:
    from provisioner_host.wire import RemoveAnswer, RemoveRequest

_LOCK_S = 20.0
# In this order: what pulls cameras first, the firewall when nothing of ours needs it any more.
_UNITS = (paths.UNIT_QUARANTINE, paths.UNIT_MEDIAMTX, paths.UNIT_WG, paths.UNIT_NFT, paths.UNIT_REVERT)
_RUN = Path("/run")
_WIREGUARD = _RUN / "wireguard"
_OVERRIDES = (
    "/etc/systemd/system",
    "/etc/systemd/system.control",
    "/run/systemd/system",
    "/run/systemd/system.control",
)
_NOLOGIN = "/usr/sbin/nologin"
_SHOWN = 3
# A look of a minute may be at work; who runs on after it was not ours to wait for.
_ENDS_S = 5.0


def remove(request: RemoveRequest, _folder: Path) -> RemoveAnswer:
    """Remove all of ours; `notes` name similar things that stay.

    Raises:
        Failed: a change waits or runs, another inventory owns the host, a site is still served, or a removal failed.
            The same call continues from there.
    """
    with leases.lock("decommission", wait_s=_LOCK_S):
        _refuse_changed_host(request)
        notes: list[str] = []
        _step("units", _remove_units)
        _step("rules", _remove_rules)
        _step("tunnel", tunnel.down)
        _step("users", lambda: notes.extend(_remove_users()))
        _step("files", _remove_files)
    return {"removed": True, "notes": notes}


def _step(name: str, work: Callable[[], object]) -> None:
    try:
        work()
    except (Failed, OSError) as error:
        raise Failed(f"{name}: {error}; nothing is undone: the same command goes on from here") from None


def _refuse_changed_host(request: RemoveRequest) -> None:
    """Refuse if viewers would be cut or the host has changed since."""
    armed, lease = dead_man.armed(), leases.holder()
    if armed is not None:
        raise Failed(f"run {armed.get('run', '')} waits for its confirmation here: wait until it is over")
    if lease is not None and float(lease["due"]) > leases.now():
        raise Failed(f"this host is {leases.sentence(lease)}: wait until that is over")
    keys.refuse_changed(request, "take it out of service")
    served = sorted(_peers() - set(request["peers"]))
    if served:
        names = ", ".join(f"{key[:8]}…" for key in served[:_SHOWN])
        raise Failed(f"its tunnel still has other peers ({len(served)}: {names}): apply the inventory first")


def _peers() -> set[str]:
    configured = set(tunnel.peers_in(paths.WG_FILE.read_text())) if paths.WG_FILE.exists() else set()
    return configured | set(tunnel.live_peers("") or {})


def _remove_units() -> None:
    states = units.states(_UNITS)
    for name in _UNITS:
        # One that hangs is killed: nobody waits until it has ended itself.
        with contextlib.suppress(Failed):
            units.systemctl("stop", name, check=False, timeout_s=10)
        if units.states([name])[name]["active"] not in {"inactive", "failed"}:
            units.systemctl("kill", "--signal=SIGKILL", name, check=False)
            units.systemctl("stop", name, check=False)
        units.systemctl("disable", name, check=False)
        for path in filter(units.of_ours, states[name]["drop_ins"]):
            units.remove_overriding(path)
        for folder in _OVERRIDES:
            with contextlib.suppress(OSError):
                Path(folder, f"{name}.d").rmdir()
        (paths.UNIT_FOLDER / name).unlink(missing_ok=True)
    units.systemctl("daemon-reload")
    units.systemctl("reset-failed", *_UNITS, check=False)
    if going_on := [
        name for name, state in units.states(_UNITS).items() if state["active"] not in {"inactive", "failed"}
    ]:
        raise Failed(f"{', '.join(going_on)} cannot be stopped")


def _remove_rules() -> None:
    for table in (paths.TABLE, paths.PROBE_TABLE):
        if run(["nft", "list", "table", *table], check=False).returncode == 0:
            run(["nft", "delete", "table", *table])


def _remove_users() -> list[str]:
    """Remove users that look like ours; return notes on others."""
    notes = []
    for name in paths.USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            user = None
        if user is not None and not _is_made_by_us(user):
            notes.append(f"the user {name} is not of our making: it stays")
            continue
        if user is not None:
            _wait_for_end(user)
            run(["userdel", name])
        if run(["getent", "group", name], check=False).returncode == 0:
            run(["groupdel", name])
    return notes


def _wait_for_end(user: pwd.struct_passwd) -> None:
    """Wait for a user's processes, which `userdel` ignores, or raise `Failed`."""
    until = time.monotonic() + _ENDS_S
    while running := _processes_of(user.pw_uid):
        if time.monotonic() >= until:
            raise Failed(f"{user.pw_name} still runs process {running[0]} here")
        time.sleep(0.2)


def _processes_of(user: int) -> list[int]:
    running = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and entry.stat().st_uid == user:
                running.append(int(entry.name))
    return running


def _is_made_by_us(user: pwd.struct_passwd) -> bool:
    return user.pw_uid != 0 and user.pw_shell == _NOLOGIN and not Path(user.pw_dir).exists()


def _remove_files() -> None:
    manifest = files.read_json(paths.MANIFEST) or {}
    listed = {Path(text) for text in (*manifest.get("files", ()), *manifest.get("programs", ()))}
    for path in sorted(listed - {paths.HOST_PROGRAM, paths.OWNER}):
        path.unlink(missing_ok=True)
    for entry in _RUN.glob(f"{paths.OURS}-program-*"):
        shutil.rmtree(entry)
    with contextlib.suppress(OSError):
        # The tunnel's unit makes it, and leaves it to other tunnels of the machine.
        _WIREGUARD.rmdir()
    # From here on nothing but the mark says whose the host is, and a first contact is what finishes.
    for folder in (paths.LIB, paths.ETC):
        if folder.exists():
            shutil.rmtree(folder)
    for entry in sorted(paths.STATE.glob("*")):
        if entry != paths.OWNER:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    if paths.RUN.exists():
        shutil.rmtree(paths.RUN)
    files.sync(paths.STATE.parent)
    paths.OWNER.unlink(missing_ok=True)
    if paths.STATE.exists():
        paths.STATE.rmdir()
    files.sync(paths.STATE.parent)
