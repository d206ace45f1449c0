"""Files on the host: digests, atomic writes, JSON, full disks.

Errors of a full disk name the folder, the free space and the next step.

Facts that hold until reboot are cached on tmpfs under their inputs, so no stale fact is used.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import hashlib
import hmac
import json
import os
import pwd
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner_host.machine import paths

if TYPE_CHECKING:
    from provisioner_host.wire import DiskAnswer, FileAnswer

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_OURS = (paths.STATE, paths.ETC, paths.LIB, paths.RUN)
# Where a probe keeps what it works with, and where the reasons of sources are read from.
_NEEDED = (*_OURS, Path("/tmp"), Path("/var/log"))  # noqa: S108 (asked how full it is)
_KIB = 1024
_LEAST = 64 * _KIB  #: Below this a disk is full: a state, receipt or manifest would not fit.

_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))

NOT_A_FILE = "not-a-file"
_BLOCK = 1 << 18

_KEPT = 20


def words_of(error: Exception) -> str:
    """Return an error in words; disk errors name the folder."""
    if not isinstance(error, OSError):
        return str(error)
    if error.errno not in NO_ROOM:
        reason = error.strerror or str(error)
        return f"{error.filename}: {reason}" if error.filename else reason
    folders = [_existing(Path(os.fsdecode(error.filename)).parent)] if error.filename else _folders_on_full_disks()
    return "; ".join(f"{folder} {_disk_state(folder, error)}" for folder in folders) or str(error)


def disks() -> list[DiskAnswer]:
    """Return each disk below our folders, by its first folder."""
    by_disk: dict[int, DiskAnswer] = {}
    for folder in map(_existing, _NEEDED):
        disk, number = os.statvfs(folder), folder.stat().st_dev
        if number not in by_disk:
            by_disk[number] = {
                "folder": str(folder),
                "size": disk.f_blocks * disk.f_frsize,
                "free": disk.f_bavail * disk.f_frsize,
                "inodes": not disk.f_files or disk.f_favail > 0,
                "writable": not disk.f_flag & os.ST_RDONLY,
            }
    return list(by_disk.values())


def named(error: OSError, path: Path, size: int) -> OSError:
    """Add path and size to a disk error; the system gives neither."""
    if error.errno not in NO_ROOM:
        return error
    return OSError(error.errno, f"{error.strerror}, {_amount(size)} needed", str(path))


def _disk_state(folder: Path, error: OSError) -> str:
    disk = os.statvfs(folder)
    if error.errno == errno.EROFS:
        return "is on a disk that is read-only: see the kernel's log (dmesg) for why, and mount it anew"
    needed = f", {amount}" if (amount := (error.strerror or "").partition(", ")[2]) else ""
    if disk.f_files and not disk.f_favail:
        return f"is on a disk with no inode left{needed}: remove files there (df -i {folder})"
    free = _amount(disk.f_bavail * disk.f_frsize)
    return f"is on a disk that is full, {free} free{needed}: make room there (df -h {folder})"


def _folders_on_full_disks() -> list[Path]:
    """Return our folders on full disks; all of ours otherwise."""
    by_disk: dict[int, Path] = {}
    for folder in map(_existing, _OURS):
        by_disk.setdefault(folder.stat().st_dev, folder)
    tight = [folder for folder in by_disk.values() if _is_tight(os.statvfs(folder))]
    return tight or list(by_disk.values())


def _is_tight(disk: os.statvfs_result) -> bool:
    return disk.f_bavail * disk.f_frsize < _LEAST or bool(disk.f_files and not disk.f_favail)


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


def _amount(size: int) -> str:
    return f"{size} bytes" if size < _KIB else f"{size // _KIB} KiB"


def keyed_digest(key: str, content: bytes) -> str:
    """Return the HMAC-SHA-256 of content; the controller computes the same."""
    return "hmac-sha256:" + hmac.digest(key.encode(), content, "sha256").hex()


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def canonical(document: object) -> bytes:
    """Return canonical JSON: equal documents give equal bytes."""
    return _CANONICAL.encode(document).encode()


def describe(path: Path, key: str) -> FileAnswer | None:
    """Return a file's digest, mode and owners; `None` if it is missing."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return {"digest": NOT_A_FILE, "mode": 0, "owner": "", "group": ""}
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return {
        "digest": keyed_digest(key, content),
        "mode": stat.S_IMODE(status.st_mode),
        "owner": _name(pwd.getpwuid, status.st_uid),
        "group": _name(grp.getgrgid, status.st_gid),
    }


def _name(lookup: Any, number: int) -> str:
    try:
        return str(lookup(number)[0])
    except KeyError:
        return str(number)


def write(path: Path, content: bytes, *, mode: int, owner: str = "root", group: str = "root") -> None:
    """Replace a file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new_path = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        new_path.unlink()
    descriptor = os.open(new_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            os.fchown(stream.fileno(), pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid)
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            os.fsync(stream.fileno())
        new_path.replace(path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            new_path.unlink()
        if isinstance(error, OSError):
            raise named(error, path, len(content)) from None
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Make a file, or a rename in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> Any:
    """Read a JSON document of ours; `None` if missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def write_json(path: Path, document: object, mode: int = 0o600) -> None:
    """Write JSON atomically, on one line, which is ten times faster."""
    write(path, json.dumps(document, sort_keys=True).encode() + b"\n", mode=mode)


def folder(path: Path, mode: int, group: str = "root") -> None:
    """Create a folder of ours with exactly these rights."""
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, 0, grp.getgrnam(group).gr_gid)
    path.chmod(mode)


def identity(path: Path) -> list[int]:
    """Return the file attributes that the kernel changes with every write."""
    status = path.stat()
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def cached(kind: str, key: object, find_out: Callable[[], Any]) -> Any:
    """Return a key's cached value, or compute and cache it.

    The key is any JSON. A damaged cache entry is computed again; write errors of the cache are ignored.
    """
    name = hashlib.sha256(canonical(key)).hexdigest()[:32]
    path = paths.KNOWN / f"{kind}-{name}.json"
    stored = read_json(path)
    if isinstance(stored, dict) and stored.get("key") == key:
        return stored["value"]
    value = find_out()
    try:
        paths.KNOWN.mkdir(mode=0o700, parents=True, exist_ok=True)
        _forget_oldest()
        new_path = path.with_name(f".{path.name}.{os.getpid()}")
        new_path.write_bytes(canonical({"key": key, "value": value}))
        new_path.replace(path)
    except OSError:
        pass
    return value


def _forget_oldest() -> None:
    entries = sorted(paths.KNOWN.iterdir(), key=lambda entry: entry.stat().st_mtime)
    for entry in entries[: max(0, len(entries) - _KEPT)]:
        entry.unlink(missing_ok=True)
