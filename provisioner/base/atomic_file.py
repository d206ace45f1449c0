"""Replacing a file: a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from provisioner.base.errors import InventoryError


def replace_file(path: Path, content: bytes, *, mode: int = 0o600, lasting: bool = True) -> None:
    """Write a file beside its place and move it there.

    Args:
        path: the file; its folder is there.
        content: all of the file.
        mode: its permission bits.
        lasting: whether it is flushed to the disk first, so that a loss of power leaves the old one or the new one.

    Raises:
        OSError: the file cannot be written; the old one is untouched.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), mode)
            if lasting:
                stream.flush()
                os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_atomic(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Replace a file of the inventory; folders are made.

    Raises:
        InventoryError: the file cannot be written; the old one is untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode(), mode=mode)
    except OSError as error:
        hint = "correct the folder's permissions or make room, then run the command again; nothing was changed"
        raise InventoryError(f"{path} cannot be written: {error.strerror}", hint=hint) from error
