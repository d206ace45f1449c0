"""systemd units of ours, and the SELinux labels of our files.

A file that is made in a folder gets the folder's label. One that is linked or moved in from another folder keeps that
of where it was made, and a unit that systemd may not read is one that does not start.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner_host.machine.paths import OURS
from provisioner_host.machine.shell import PATH, Failed, run

if TYPE_CHECKING:
    from provisioner_host.wire import SelinuxState, UnitAnswer


_ENFORCE = Path("/sys/fs/selinux/enforce")
_RESTORECON = "restorecon"

_SHOWN = "Id,ActiveState,SubState,UnitFileState,NeedDaemonReload,FragmentPath,DropInPaths,MainPID"
# What systemd takes before /etc/systemd/system: a unit's whole file there overrides ours.
_BEFORE_OURS = ("/etc/systemd/system.control/", "/run/systemd/")
_OUR_NAMES = f"{OURS}-"
# MediaMTX ends itself in a fraction of it; systemd would wait for one that hangs a minute and a half.
_ENDS_ITSELF_S = 10.0


def selinux() -> SelinuxState:
    """Whether SELinux decides on this host, only notes what it would refuse, or is off."""
    try:
        return "enforcing" if _ENFORCE.read_text(encoding="ascii").strip() == "1" else "permissive"
    except (OSError, ValueError):
        return "off"


def relabel(places: Iterable[Path]) -> None:
    """Set labels of files, and of all below folders, to those of their places; where SELinux is off nothing is done.

    Raises:
        Failed: labels cannot be given, and SELinux decides by them.
    """
    now = selinux()
    there = [str(place) for place in places if place.exists()]
    if now == "off" or not there:
        return
    if shutil.which(_RESTORECON, path=PATH) is None:
        if now == "enforcing":
            raise Failed(f"SELinux decides on this host, and {_RESTORECON} is missing: install policycoreutils")
        return
    run([_RESTORECON, "-R", *there], check=now == "enforcing")


def states(names: Iterable[str]) -> dict[str, UnitAnswer]:
    """Each unit's state by name, in one call."""
    wanted = list(names)
    if not wanted:
        return {}
    text = run(["systemctl", "show", f"--property={_SHOWN}", *wanted]).stdout
    states: dict[str, UnitAnswer] = {}
    for block in text.strip().split("\n\n"):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        states[fields["Id"]] = {
            "active": fields["ActiveState"],
            "enabled": fields["UnitFileState"] or "absent",
            "reload": fields["NeedDaemonReload"] == "yes",
            "drop_ins": _overriding(fields.get("FragmentPath", ""), fields["DropInPaths"]),
            "pid": int(fields["MainPID"]),
        }
    return states


def active(name: str) -> str:
    """A unit's state in systemd's word; `unknown` where it cannot be read."""
    try:
        return states([name])[name]["active"]
    except (Failed, KeyError):
        return "unknown"


def _overriding(fragment: str, drop_ins: str) -> list[str]:
    """The files that override a unit of ours: drop-ins, and a whole file that systemd takes before ours."""
    paths = drop_ins.split()
    if any(mark in drop_ins for mark in "'\"\\"):
        import shlex  # noqa: PLC0415 (systemd quotes a name with a space in it, which hardly any host has)

        with contextlib.suppress(ValueError):
            paths = shlex.split(drop_ins)
    return sorted([*paths, *([fragment] if fragment.startswith(_BEFORE_OURS) else [])])


def of_ours(path: str) -> bool:
    """Whether a file overrides units of ours alone: it stands under their names, which nobody else may use.

    What stands in `service.d` is of every service of the machine, and the machine's own.
    """
    file = Path(path)
    return file.parent.name.startswith(_OUR_NAMES) or file.name.startswith(_OUR_NAMES)


def remove_overriding(path: str) -> None:
    """Remove a file that overrides units of ours.

    Raises:
        Failed: it cannot be removed.
    """
    try:
        Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise Failed(f"{path} overrides a unit of ours and cannot be removed ({error.strerror}): remove it") from None


def systemctl(*words: str, check: bool = True, timeout_s: float = 30) -> None:
    """Tell systemd to do something.

    Raises:
        Failed: it could not, and `check` is set.
    """
    run(["systemctl", *words], check=check, timeout_s=timeout_s)


def restart(name: str) -> None:
    """Restart a unit; one that does not end itself within some seconds is killed.

    Raises:
        Failed: it does not start.
    """
    try:
        systemctl("restart", name, timeout_s=_ENDS_ITSELF_S)
    except Failed:
        restart_silent(name)


def restart_silent(name: str) -> None:
    """Restart a unit that does not answer: nobody waits until it has ended itself, which it may never do.

    Raises:
        Failed: it does not start.
    """
    systemctl("kill", "--signal=SIGKILL", name, check=False)
    systemctl("restart", name)


def notify_ready() -> None:
    """Tell systemd that this service is up (sd_notify(3)); outside a service nobody is told."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
        link.sendto(b"READY=1", f"\0{address[1:]}" if address.startswith("@") else address)
