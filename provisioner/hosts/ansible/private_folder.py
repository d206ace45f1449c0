"""Private folders on tmpfs for data to hosts.

Other users of this machine write to the same tmpfs, under any name. So only the caller's own folders are examined, and
only a place where other users cannot move them is used.
"""

import contextlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from provisioner.base.errors import HostError

_MOUNTS = Path("/proc/mounts")
_SHARED = ("/dev/shm", "/run")  # noqa: S108 (tmpfs is the point)
# Escapes of white space and backslash in /proc/mounts (proc_pid_mounts(5)).
_OCTAL = re.compile(rb"\\([0-7]{3})")
_OWN_NAME = re.compile(r"provisioner-([0-9]{1,10})-([0-9]*)-.*", re.DOTALL)


def make_private_folder(environment: Mapping[str, str]) -> Path:
    """Create a folder of mode 0700 on tmpfs, or raise `HostError`.

    The caller removes it. Folders of killed processes are removed first.
    """
    for candidate in (environment.get("XDG_RUNTIME_DIR", ""), *_SHARED):
        place = _checked_folder(candidate)
        if place is not None:
            _sweep(place)
            prefix = f"provisioner-{os.getpid()}-{_start_ticks(os.getpid())}-"
            return Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    raise HostError(
        "no tmpfs to keep secrets on while they travel",
        hint="set XDG_RUNTIME_DIR to a folder on tmpfs that only you can write to, or mount one on /dev/shm",
    )


def _checked_folder(candidate: str) -> Path | None:
    """Resolve a candidate; `None` unless it is on tmpfs, writable and safe."""
    if not candidate.startswith("/"):
        return None
    try:
        place = Path(candidate).resolve(strict=True)
        safe = all(map(_is_safe, (place, *place.parents)))
        return place if safe and os.access(place, os.W_OK | os.X_OK) and _is_tmpfs(place) else None
    except (OSError, RuntimeError):  # it is not there, may not be looked at, or leads in a circle
        return None


def _is_safe(folder: Path) -> bool:
    """Return whether other users (except root) cannot replace a folder in it."""
    status = folder.stat()
    others_write = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    ours = status.st_uid in {0, os.geteuid()}
    return stat.S_ISDIR(status.st_mode) and ours and (not others_write or bool(status.st_mode & stat.S_ISVTX))


def _is_tmpfs(place: Path) -> bool:
    mount = place
    while not mount.is_mount():
        mount = mount.parent
    return _kinds_of_mounts().get(str(mount)) == "tmpfs"


def _kinds_of_mounts() -> dict[str, str]:
    """Return file systems by mount point; the last mount counts."""
    mounts = (line.split(b" ") for line in _MOUNTS.read_bytes().splitlines())
    return {_unescaped(mount[1]): os.fsdecode(mount[2]) for mount in mounts if len(mount) > 2}  # noqa: PLR2004


def _unescaped(point: bytes) -> str:
    return os.fsdecode(_OCTAL.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), point))


def _start_ticks(pid: int) -> str:
    """Return a process's start in clock ticks; empty if it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _sweep(parent: Path) -> None:
    for folder, pid, started in _own_folders(parent):
        if _start_ticks(pid) != started:
            shutil.rmtree(folder, ignore_errors=True)


def _own_folders(parent: Path) -> Iterator[tuple[Path, int, str]]:
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            match = _OWN_NAME.fullmatch(entry.name)
            if match and entry.is_dir(follow_symlinks=False) and _is_ours(entry):
                yield Path(entry.path), int(match[1]), match[2]


def _is_ours(entry: os.DirEntry[str]) -> bool:
    with contextlib.suppress(OSError):
        return entry.stat(follow_symlinks=False).st_uid == os.geteuid()
    return False
