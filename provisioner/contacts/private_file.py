"""Files with personal data that a person asked for: nobody else can read them, and none is overwritten unasked."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from provisioner.errors import UsageError


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
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        hint = "name a file in a folder that you can write to"
        raise UsageError(f"{path} cannot be written: {error.strerror}", hint=hint) from None
