"""systemd units of ours: their state and what is done with them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from provisioner_host.shell import run

if TYPE_CHECKING:
    from provisioner_host.wire import UnitAnswer

_SHOWN = "Id,ActiveState,SubState,UnitFileState,NeedDaemonReload,DropInPaths,MainPID"


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
            "drop_ins": sorted(fields["DropInPaths"].split()),
            "pid": int(fields["MainPID"]),
        }
    return states


def systemctl(*words: str, check: bool = True, timeout_s: float = 30) -> None:
    """Tell systemd to do something.

    Raises:
        Failed: it could not, and `check` is set.
    """
    run(["systemctl", *words], check=check, timeout_s=timeout_s)


def notify_ready() -> None:
    """Tell systemd that this service is up (sd_notify(3)); outside a service nobody is told."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
        link.sendto(b"READY=1", f"\0{address[1:]}" if address.startswith("@") else address)
