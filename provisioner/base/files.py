"""Files and folders of this machine, read and written safely.

A reader of a replaced file sees the old one or the new one, never half of one. Reading waits for no pipe, reads no
device and ends at a bound. A folder of the program's own belongs to the user alone: others could put a link or a
record into it. A path that a person names must not lead over a file that somebody proposed, that is one of a checkout.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from provisioner.base.errors import InventoryError, UsageError
from provisioner.base.git import checkout_of, places_of

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_BLOCK = 4 * 1024 * 1024


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


def open_regular(path: str | Path) -> int:
    """Open a file to be read: its descriptor.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    descriptor = os.open(path, _FLAGS)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no regular file", str(path))


def read_regular(path: str | Path, *, most: int) -> bytes:
    """A file's bytes.

    Raises:
        OSError: it cannot be read, is no regular file, or has more bytes than it may.
    """
    descriptor = open_regular(path)
    try:
        parts, left = [], most + 1
        while left > 0 and (block := os.read(descriptor, min(left, _BLOCK))):
            parts.append(block)
            left -= len(block)
    finally:
        os.close(descriptor)
    if left <= 0:
        raise OSError(errno.EFBIG, f"it has more than {most // 2**20} MiB", str(path))
    return b"".join(parts)


def refuse_proposed_link(path: Path, folder: Path) -> None:
    """Refuse to go where a link of a checkout leads: somebody else would have chosen the place.

    Args:
        path: what a person asked to be read or written.
        folder: the inventory's folder.

    Raises:
        UsageError: a link on the way is one that Git has, or may have.
    """
    top = top_of(folder)
    try:
        *links, _ = places_of(path)
    except OSError as error:
        raise UsageError(f"{path} leads nowhere: {error.strerror}", hint="name another place") from None
    for link in links:
        if link.is_relative_to(top) and is_tracked(link) is not False:
            hint = "name a place that no link of the checkout leads to"
            raise UsageError(f"{path} leads over the link {link}, which is a file of the checkout", hint=hint)


def is_proposed(path: Path, folder: Path) -> bool:
    """Tell whether a path is, or leads over, something that Git has in the checkout of a folder."""
    top = top_of(folder)
    try:
        return any(place.is_relative_to(top) and is_tracked(place) for place in places_of(path))
    except OSError:
        return False  # who reads it says so


def top_of(folder: Path) -> Path:
    """The top of the checkout that a folder lies in, of the outer one where that has it as a submodule or a worktree.

    Outside Git it is the folder itself.
    """
    checkout = checkout_of(folder)
    if checkout is None:
        return folder.resolve()
    outer = checkout_of(checkout.top.parent)
    if outer is not None and checkout.git_folder.is_relative_to(outer.git_folder):
        return top_of(outer.top)
    return checkout.top


def is_tracked(place: Path) -> bool | None:
    """Tell whether Git has a file, or a file below a folder; None outside Git, and where it cannot be asked."""
    checkout = checkout_of(place.parent)
    try:
        return checkout.tracks(place) if checkout else None
    except UsageError:
        return None
