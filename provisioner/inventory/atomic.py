"""Replacing a file of the inventory: a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from provisioner.errors import InventoryError


def write_atomic(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file beside its place, flush it to the disk, and move it there; folders are made.

    Raises:
        InventoryError: the file cannot be written; the old one is untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, text, mode)
    except OSError as error:
        hint = "correct the folder's permissions or make room, then run the command again; nothing was changed"
        raise InventoryError(f"{path} cannot be written: {error.strerror}", hint=hint) from error


def _replace(path: Path, text: str, mode: int) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
