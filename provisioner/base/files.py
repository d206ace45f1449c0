"""Files and folders of this machine, read and written safely.

Replacing is atomic. Reading waits for no pipe, reads no device and is bounded. The program's own folders belong to
the user alone: others could insert a link or a record. A path that a person names must not follow a link in a checkout.
"""

import errno
import os
import stat
import tempfile
from pathlib import Path

from provisioner.base.errors import InventoryError, UsageError, os_errors
from provisioner.base.git import checkout_of, links_of

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_BLOCK = 4 * 1024 * 1024


def replace_file(path: Path, content: bytes, *, mode: int = 0o600, lasting: bool = True) -> None:
    """Write a temporary file in the same folder, then rename it.

    `lasting` flushes to the disk first, so that a power loss leaves the old or the new file, as `OSError` leaves
    the old one.
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
    """Replace an inventory file, never through a link; make its folders.

    No link on the path may leave the folder `within`. `InventoryError` leaves the old file untouched.
    """
    if within is not None and not path.parent.resolve().is_relative_to(within.resolve()):
        hint = f"put a folder into the place of the link that leads out of {within}; nothing was changed"
        raise InventoryError(f"{path} would be written outside of {within}", hint=hint)
    hint = "correct the folder's permissions or make room, then run the command again; nothing was changed"
    with os_errors(f"{path} cannot be written", hint, InventoryError):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode(), mode=mode)


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise `UsageError` if the file exists, or its folder does not."""
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", hint="make it first, where only you can read")
    if path.is_dir() or (path.exists() and not force):
        raise UsageError(f"{path} is there already", hint="name another file, or overwrite it with --force")


def write_private(path: Path, content: bytes, *, force: bool) -> None:
    """Write a file with mode 0600; an existing one raises `UsageError`."""
    refuse_existing(path, force=force)
    with os_errors(f"{path} cannot be written", "name a file in a folder that you can write to"):
        replace_file(path, content)


def make_own_folder(folder: Path) -> None:
    """Make a folder and its parents, the user's alone, or raise `OSError`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "the folder is somebody else's")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        folder.chmod(stat.S_IMODE(status.st_mode) & ~(stat.S_IWGRP | stat.S_IWOTH))


def refuse_link(file: Path) -> None:
    """Raise `OSError` if an existing file is irregular or another user's."""
    try:
        status = file.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no file")
    if status.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it is somebody else's")


def open_regular(path: str | Path) -> int:
    """Open a regular file for reading, or raise `OSError`; return its descriptor."""
    descriptor = os.open(path, _FLAGS)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no regular file", str(path))


def read_regular(path: str | Path, *, most: int) -> bytes:
    """Return a regular file's bytes, at most `most`, or raise `OSError`."""
    descriptor = open_regular(path)
    try:
        parts, remaining = [], most + 1
        while remaining > 0 and (block := os.read(descriptor, min(remaining, _BLOCK))):
            parts.append(block)
            remaining -= len(block)
    finally:
        os.close(descriptor)
    if remaining <= 0:
        raise OSError(errno.EFBIG, f"it has more than {most // 2**20} MiB", str(path))
    return b"".join(parts)


def refuse_tracked_link(path: Path, folder: Path) -> None:
    """Raise `UsageError` for a checkout's link on a path: others chose it."""
    top = top_of(folder)
    with os_errors(f"{path} leads nowhere", "name another place"):
        *links, _ = links_of(path)
    for link in links:
        if link.is_relative_to(top) and is_tracked(link) is not False:
            hint = "name a place that no link of the checkout leads to"
            raise UsageError(f"{path} leads over the link {link}, which is a file of the checkout", hint=hint)


def is_tracked_path(path: Path, folder: Path) -> bool:
    """Return whether Git tracks a path or a link on it."""
    top = top_of(folder)
    try:
        return any(link.is_relative_to(top) and is_tracked(link) for link in links_of(path))
    except OSError:
        return False  # who reads it says so


def top_of(folder: Path) -> Path:
    """Return the outermost checkout of a folder, or the folder outside Git."""
    checkout = checkout_of(folder)
    if checkout is None:
        return folder.resolve()
    outer = checkout_of(checkout.top.parent)
    if outer is not None and checkout.git_folder.is_relative_to(outer.git_folder):
        return top_of(outer.top)
    return checkout.top


def is_tracked(path: Path) -> bool | None:
    """Return whether Git tracks a path or files below; `None` if unknown."""
    checkout = checkout_of(path.parent)
    try:
        return checkout.tracks(path) if checkout else None
    except UsageError:
        return None
