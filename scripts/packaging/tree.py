"""Trees of files that come out the same whoever makes them: modes, times, order, owner."""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

_EXECUTABLE = 0o755
_PLAIN = 0o644


def settle(root: Path, seconds: int) -> None:
    """Give everything below a folder, and the folder, modes of a usual umask and one time.

    Args:
        root: the folder.
        seconds: the time, since 1970.
    """
    for path in [*root.rglob("*"), root]:
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(_EXECUTABLE if executable else _PLAIN)
        os.utime(path, (seconds, seconds), follow_symlinks=False)


def write_text(path: Path, text: str, *, executable: bool = False) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(_EXECUTABLE if executable else _PLAIN)


def write_gzip(path: Path, content: bytes) -> None:
    """Write a compressed file, as small as it gets, without a name or a time in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, compresslevel=9, mtime=0))


def write_tar(target: Path, root: Path, name: str, seconds: int) -> None:
    """Write a folder as an archive: in order, of root, with one time and a usual umask's modes.

    Args:
        target: the archive.
        root: the folder.
        name: what the folder is called in the archive.
        seconds: the time, since 1970.
    """
    with target.open("wb") as stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in _ordered(root):
            entry = archive.gettarinfo(path, f"{name}/{path.relative_to(root)}" if path != root else name)
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = "root"
            entry.mtime = seconds
            if not entry.issym():
                entry.mode = _EXECUTABLE if entry.isdir() or entry.mode & stat.S_IXUSR else _PLAIN
            _add(archive, entry, path)


def _add(archive: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> None:
    if entry.isreg():
        with path.open("rb") as stream:
            archive.addfile(entry, stream)
    else:
        archive.addfile(entry)


def _ordered(root: Path) -> Iterator[Path]:
    yield root
    yield from sorted(root.rglob("*"))


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sums(root: Path) -> str:
    """The checksums of all files below a folder, as `sha256sum --check` reads them."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink())
    return "".join(f"{digest(path)}  {path.relative_to(root)}\n" for path in files)
