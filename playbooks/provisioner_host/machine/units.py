"""Our systemd units, and the SELinux labels of our files.

A file gets the label of the folder where it is created. A link or move keeps the old label, and systemd cannot start
a unit that it may not read.
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
    """Return the SELinux mode of this host."""
    try:
        return "enforcing" if _ENFORCE.read_text(encoding="ascii").strip() == "1" else "permissive"
    except (OSError, ValueError):
        return "off"


def relabel(targets: Iterable[Path]) -> None:
    """Restore SELinux labels recursively; raise `Failed` only if enforcing."""
    selinux_mode = selinux()
    existing = [str(path) for path in targets if path.exists()]
    if selinux_mode == "off" or not existing:
        return
    if shutil.which(_RESTORECON, path=PATH) is None:
        if selinux_mode == "enforcing":
            raise Failed(f"SELinux decides on this host, and {_RESTORECON} is missing: install policycoreutils")
        return
    run([_RESTORECON, "-R", *existing], check=selinux_mode == "enforcing")


def states(names: Iterable[str]) -> dict[str, UnitAnswer]:
    """Return the states of units by name, from one call."""
    wanted = list(names)
    if not wanted:
        return {}
    states: dict[str, UnitAnswer] = {}
    for fields in properties(_SHOWN, *wanted):
        states[fields["Id"]] = {
            "active": fields["ActiveState"],
            "enabled": fields["UnitFileState"] or "absent",
            "reload": fields["NeedDaemonReload"] == "yes",
            "drop_ins": _overriding_files(fields.get("FragmentPath", ""), fields["DropInPaths"]),
            "pid": int(fields["MainPID"]),
        }
    return states


def properties(wanted: str, *names: str) -> list[dict[str, str]]:
    """Return properties of units, from one call; `wanted` names them with commas.

    Raises:
        Failed: systemd does not answer.
    """
    text = run(["systemctl", "show", f"--property={wanted}", *names]).stdout
    return [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.strip().split("\n\n")
    ]


def journal(*query: str) -> str:
    """Return the messages of a query to the journal; empty if unreadable."""
    try:
        return run(["journalctl", "-o", "cat", "--no-pager", "-q", *query], check=False).stdout
    except (Failed, UnicodeDecodeError):
        return ""


def active(name: str) -> str:
    """Return a unit's state in systemd's word; `unknown` if unreadable."""
    try:
        return states([name])[name]["active"]
    except (Failed, KeyError):
        return "unknown"


def _overriding_files(fragment: str, drop_ins: str) -> list[str]:
    paths = drop_ins.split()
    if any(mark in drop_ins for mark in "'\"\\"):
        import shlex  # noqa: PLC0415 (systemd quotes a name with a space in it, which hardly any host has)

        with contextlib.suppress(ValueError):
            paths = shlex.split(drop_ins)
    return sorted([*paths, *([fragment] if fragment.startswith(_BEFORE_OURS) else [])])


def of_ours(path: str) -> bool:
    """Return whether a file overrides only units of ours.

    `service.d` belongs to the machine: it applies to every service.
    """
    file = Path(path)
    return file.parent.name.startswith(_OUR_NAMES) or file.name.startswith(_OUR_NAMES)


def remove_overriding(path: str) -> None:
    """Remove a file that overrides units of ours, or raise `Failed`."""
    try:
        Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise Failed(f"{path} overrides a unit of ours and cannot be removed ({error.strerror}): remove it") from None


def systemctl(*arguments: str, check: bool = True, timeout_s: float = 30) -> None:
    """Run systemctl; with `check`, raise `Failed` on errors."""
    run(["systemctl", *arguments], check=check, timeout_s=timeout_s)


def restart(name: str) -> None:
    """Restart a unit; kill it after 10 s without a stop."""
    try:
        systemctl("restart", name, timeout_s=_ENDS_ITSELF_S)
    except Failed:
        restart_silent(name)


def restart_silent(name: str) -> None:
    """Kill and restart a unit that does not answer."""
    systemctl("kill", "--signal=SIGKILL", name, check=False)
    systemctl("restart", name)


def notify_ready() -> None:
    """Notify systemd that this service is ready (sd_notify(3)), if it is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
        link.sendto(b"READY=1", f"\0{address[1:]}" if address.startswith("@") else address)
