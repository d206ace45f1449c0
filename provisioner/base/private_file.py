"""Files that a person asked for and nobody else may read: none is overwritten unasked."""

from __future__ import annotations

from pathlib import Path

from provisioner.base.atomic_file import replace_file
from provisioner.base.errors import UsageError


def refuse_existing(path: Path, *, force: bool) -> None:
    """Refuse to overwrite a file, before anything is opened for it.

    Raises:
        UsageError: there is one, or no folder for it.
    """
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", hint="make it first, where only you can read")
    if path.is_dir() or (path.exists() and not force):
        raise UsageError(f"{path} is there already", hint="name another file, or overwrite it with --force")


def write_private(path: Path, content: bytes, *, force: bool) -> None:
    """Write a file with mode 0600.

    Raises:
        UsageError: there is one, or it cannot be written.
    """
    refuse_existing(path, force=force)
    try:
        replace_file(path, content)
    except OSError as error:
        hint = "name a file in a folder that you can write to"
        raise UsageError(f"{path} cannot be written: {error.strerror}", hint=hint) from None
