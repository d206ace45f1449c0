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


def write_atomic(path: Path, text: str, *, mode: int = 0o644, within: Path | None = None) -> None:
    """Replace a file of the inventory; folders are made. A link in its place is replaced, not followed.

    Args:
        path: the file.
        text: all of it.
        mode: its permission bits.
        within: the folder that it belongs to; no link on the way may lead out of it.

    Raises:
        InventoryError: the file cannot be written; the old one is untouched.
    """
    if within is not None and not path.parent.resolve().is_relative_to(within.resolve()):
        hint = f"put a folder into the place of the link that leads out of {within}; nothing was changed"
        raise InventoryError(f"{path} would be written outside of {within}", hint=hint)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode(), mode=mode)
    except OSError as error:
        hint = "correct the folder's permissions or make room, then run the command again; nothing was changed"
        raise InventoryError(f"{path} cannot be written: {error.strerror}", hint=hint) from error
