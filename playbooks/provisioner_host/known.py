"""What a host found out since its boot, kept on tmpfs under what it was found out from: no stale answer comes of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provisioner_host import files, paths

_KEPT = 20


def identity(path: Path) -> list[int]:
    """What the kernel changes with every write to a file, the time of its last change included.

    Raises:
        FileNotFoundError: there is no such file.
    """
    status = path.stat()
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def known(kind: str, key: object, find_out: Callable[[], Any]) -> Any:
    """What is known of a key (any JSON); what is not known yet is found out and kept.

    A kept answer that is damaged is found out again; one that cannot be kept is given all the same.
    """
    name = hashlib.sha256(files.canonical(key)).hexdigest()[:32]
    path = paths.KNOWN / f"{kind}-{name}.json"
    kept = files.read_json(path)
    if isinstance(kept, dict) and kept.get("key") == key:
        return kept["value"]
    value = find_out()
    try:
        paths.KNOWN.mkdir(mode=0o700, parents=True, exist_ok=True)
        _forget_oldest()
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_bytes(files.canonical({"key": key, "value": value}))
        beside.replace(path)
    except OSError:
        pass
    return value


def _forget_oldest() -> None:
    entries = sorted(paths.KNOWN.iterdir(), key=lambda entry: entry.stat().st_mtime)
    for entry in entries[: max(0, len(entries) - _KEPT)]:
        entry.unlink(missing_ok=True)
