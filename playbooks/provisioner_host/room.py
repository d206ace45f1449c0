"""What a disk that is full, out of inodes or read-only says: which folder, how much is free, what to do."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner_host import paths

if TYPE_CHECKING:
    from provisioner_host.wire import DiskAnswer

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_OURS = (paths.STATE, paths.ETC, paths.LIB, paths.RUN)
# Where a probe keeps what it works with, and where the reasons of sources are read from.
_NEEDED = (*_OURS, Path("/tmp"), Path("/var/log"))  # noqa: S108 (asked how full it is)
_KIB = 1024
_LEAST = 64 * _KIB
"""Less than this is no room: a state, a receipt or a manifest would not fit."""


def words_of(error: Exception) -> str:
    """An error in words: of one of the disk's the folder is named, whoever raised it."""
    if not isinstance(error, OSError):
        return str(error)
    if error.errno not in NO_ROOM:
        what = error.strerror or str(error)
        return f"{error.filename}: {what}" if error.filename else what
    folders = [_existing(Path(os.fsdecode(error.filename)).parent)] if error.filename else _tight()
    return "; ".join(f"{folder} {_state(folder, error)}" for folder in folders) or str(error)


def disks() -> list[DiskAnswer]:
    """How full the disks below the folders that we need are, each disk once, by its first folder."""
    seen: dict[int, DiskAnswer] = {}
    for folder in map(_existing, _NEEDED):
        disk, number = os.statvfs(folder), folder.stat().st_dev
        if number not in seen:
            seen[number] = {
                "folder": str(folder),
                "size": disk.f_blocks * disk.f_frsize,
                "free": disk.f_bavail * disk.f_frsize,
                "inodes": not disk.f_files or disk.f_favail > 0,
                "writable": not disk.f_flag & os.ST_RDONLY,
            }
    return list(seen.values())


def named(error: OSError, path: Path, size: int) -> OSError:
    """An error of writing with the path and the size, neither of which the system says."""
    if error.errno not in NO_ROOM:
        return error
    return OSError(error.errno, f"{error.strerror}, {_amount(size)} needed", str(path))


def _state(folder: Path, error: OSError) -> str:
    """What is so of a folder's disk, and what to do."""
    disk = os.statvfs(folder)
    if error.errno == errno.EROFS:
        return "is on a disk that is read-only: see the kernel's log (dmesg) for why, and mount it anew"
    needed = f", {said}" if (said := (error.strerror or "").partition(", ")[2]) else ""
    if disk.f_files and not disk.f_favail:
        return f"is on a disk with no inode left{needed}: remove files there (df -i {folder})"
    free = _amount(disk.f_bavail * disk.f_frsize)
    return f"is on a disk that is full, {free} free{needed}: make room there (df -h {folder})"


def _tight() -> list[Path]:
    """Our folders whose disk has no room, where the error names none; all of them where none has been seen to be."""
    seen: dict[int, Path] = {}
    for folder in map(_existing, _OURS):
        seen.setdefault(folder.stat().st_dev, folder)
    tight = [folder for folder in seen.values() if _is_tight(os.statvfs(folder))]
    return tight or list(seen.values())


def _is_tight(disk: os.statvfs_result) -> bool:
    return disk.f_bavail * disk.f_frsize < _LEAST or bool(disk.f_files and not disk.f_favail)


def _existing(folder: Path) -> Path:
    """A folder, or what is there above it."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _amount(size: int) -> str:
    return f"{size} bytes" if size < _KIB else f"{size // _KIB} KiB"
