"""Reading a file that may be anything: no pipe is waited for, no device is read, and nothing without end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_BLOCK = 4 * 1024 * 1024


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
