"""Folders of the program's own: who else may write to one could put a link or a record of his own into it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def make_own_folder(folder: Path) -> None:
    """Make a folder with those above it; one that is there has to be the user's, and nobody else's to write to.

    Raises:
        OSError: it cannot be made, or is somebody else's.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "the folder is somebody else's")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        folder.chmod(stat.S_IMODE(status.st_mode) & ~(stat.S_IWGRP | stat.S_IWOTH))


def refuse_link(file: Path) -> None:
    """See that a file of ours, if it is there, is a file, and ours: what is done to a link is done to what it names.

    Raises:
        OSError: it is another thing, or somebody else's.
    """
    try:
        status = file.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no file")
    if status.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it is somebody else's")
