"""SELinux: whether it is at work, and that our files have the labels that its policy has for their places.

A file that is made in a folder gets the folder's label. One that is linked or moved in from another folder keeps that
of where it was made, and a unit that systemd may not read is one that does not start.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner_host.shell import PATH, Failed, run

if TYPE_CHECKING:
    from provisioner_host.wire import SelinuxState

_ENFORCE = Path("/sys/fs/selinux/enforce")
_RESTORECON = "restorecon"


def state() -> SelinuxState:
    """Whether SELinux decides on this host, only notes what it would refuse, or is off."""
    try:
        return "enforcing" if _ENFORCE.read_text(encoding="ascii").strip() == "1" else "permissive"
    except (OSError, ValueError):
        return "off"


def restore(places: Iterable[Path]) -> None:
    """Set labels of files, and of all below folders, to those of their places; where SELinux is off nothing is done.

    Raises:
        Failed: labels cannot be given, and SELinux decides by them.
    """
    now = state()
    there = [str(place) for place in places if place.exists()]
    if now == "off" or not there:
        return
    if shutil.which(_RESTORECON, path=PATH) is None:
        if now == "enforcing":
            raise Failed(f"SELinux decides on this host, and {_RESTORECON} is missing: install policycoreutils")
        return
    run([_RESTORECON, "-R", *there], check=now == "enforcing")
