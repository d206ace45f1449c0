"""Files on the host: keyed digests, atomic writes, JSON."""

from __future__ import annotations

import contextlib
import grp
import hashlib
import hmac
import json
import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner_host.room import named

if TYPE_CHECKING:
    from provisioner_host.wire import FileAnswer

_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))

NOT_A_FILE = "not-a-file"
_BLOCK = 1 << 18


def keyed_digest(key: str, content: bytes) -> str:
    """The HMAC-SHA-256 of a content; the controller computes the same one."""
    return "hmac-sha256:" + hmac.digest(key.encode(), content, "sha256").hex()


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal; no more than a part of it is in memory."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def canonical(document: object) -> bytes:
    """A document as JSON, the same bytes for the same content."""
    return _CANONICAL.encode(document).encode()


def describe(path: Path, key: str) -> FileAnswer | None:
    """A file's digest, mode and owners, or None where there is no plain file."""
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
    """Replace a file in one step: a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            os.fchown(stream.fileno(), pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid)
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()
        if isinstance(error, OSError):
            raise named(error, path, len(content)) from None
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> Any:
    """A JSON document of ours, or None where it is not there or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def write_json(path: Path, document: object, mode: int = 0o600) -> None:
    """Write a JSON document in one step; on one line, for which Python takes a tenth of the time."""
    write(path, json.dumps(document, sort_keys=True).encode() + b"\n", mode=mode)


def folder(path: Path, mode: int, group: str = "root") -> None:
    """Make a folder of ours with exactly these rights."""
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, 0, grp.getgrnam(group).gr_gid)
    path.chmod(mode)
