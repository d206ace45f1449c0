"""A folder for what travels to hosts: on tmpfs, the caller's alone; what killed processes left there is removed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from provisioner.base.errors import HostError


def make_private_folder(environment: Mapping[str, str]) -> Path:
    """Make a folder of mode 0700 on tmpfs; whoever makes it removes it. What killed processes left goes first.

    Raises:
        HostError: this machine has no tmpfs that we may write to.
    """
    candidates = (environment.get("XDG_RUNTIME_DIR", ""), "/dev/shm", "/run")  # noqa: S108 (tmpfs is the point)
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    tmpfs = {mount[1] for mount in mounts if mount[2] == "tmpfs"}
    for candidate in candidates:
        if candidate and os.access(candidate, os.W_OK) and _mount_of(Path(candidate)) in tmpfs:
            _sweep(Path(candidate))
            prefix = f"provisioner-{os.getpid()}-{_started(os.getpid())}-"
            return Path(tempfile.mkdtemp(prefix=prefix, dir=candidate))
    raise HostError(
        "no tmpfs to keep secrets on while they travel",
        hint="set XDG_RUNTIME_DIR to a folder on tmpfs, or mount one on /dev/shm",
    )


def _started(pid: int) -> str:
    """When a process began, as the kernel counts; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _sweep(parent: Path) -> None:
    """Remove the private folders of processes that are gone: one that was killed could not remove its own."""
    for folder in parent.glob("provisioner-*-*-*"):
        _, pid, started, *_ = folder.name.split("-")
        if pid.isdigit() and _is_ours(folder) and _started(int(pid)) != started:
            shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Tell whether it is a folder of our own: others may put anything of that name beside it, a link among them."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _mount_of(path: Path) -> str:
    path = path.resolve()
    while not path.is_mount():
        path = path.parent
    return str(path)
