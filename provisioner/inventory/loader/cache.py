"""Results of reading an inventory, kept between runs: a private folder of checked files, safe to lose at any time.

A stale answer cannot come out of it. What is kept is found again only under the same bytes (by SHA-256)
of the inventory's file, read by the same code: the stamp covers every source file of this package and the
versions of Python, pydantic, PyYAML and libyaml. Each kept file has a checksum, over its own name as
well; one that does not fit is as good as missing, and is written anew. Files are replaced in one step,
so runs at the same time do not disturb each other.

The format is JSON, which cannot run code as pickle and marshal can. Whoever can write into the folder
could still plant good news: it is used only if it belongs to the user and to nobody else, and if Git has nothing
of it in the inventory's checkout. Nothing of contacts/ is ever put into it, nor of a file that does not fit the
model: what stands in such a file may be anything. Of secrets/ there is no login and no key, and what is known of
those files only as `known_secrets` has it: encrypted and authenticated under the vault's password.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pydantic
import pydantic_core
import yaml

from provisioner import __version__
from provisioner.base.atomic_file import replace_file
from provisioner.base.proposed_files import is_proposed

DISABLED: Final = "PROVISIONER_NO_CACHE"
_FORMAT: Final = 2
_INVENTORIES: Final = 8
_MAX_BYTES: Final = 64 * 1024 * 1024
_LEFT_BEHIND_S: Final = 3600.0
_LOADED_AT: Final = time.time()
_IMPORTS_TAKE_S: Final = 5.0


@dataclass(frozen=True)
class Cache:
    """The kept files of one inventory.

    Attributes:
        folder: where they are.
        stamp: by which code they have to be written.
    """

    folder: Path
    stamp: str

    def read(self, name: str) -> bytes | None:
        """What was kept under a name, or None where that is missing, damaged or of other code."""
        try:
            descriptor = os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as stream:
                head, _, body = stream.read(_MAX_BYTES + 1).partition(b"\n")
        except OSError:
            return None
        return body if head == self._head(name, body) else None

    def write(self, name: str, body: bytes) -> None:
        """Keep something under a name, if that is possible: a cache that cannot be written is no failure."""
        head = self._head(name, body)
        if len(head) + 1 + len(body) > _MAX_BYTES:
            return
        with suppress(OSError):
            # Not flushed to the disk, which takes longer than all the rest: half of a file fits no checksum.
            replace_file(self.folder / name, head + b"\n" + body, lasting=False)

    def forget_oldest(self, beginning: str, most: int) -> None:
        """Remove what was written longest ago of the files whose names begin so, but for so many."""
        with suppress(OSError):
            files = sorted(self.folder.glob(f"{beginning}*"), key=lambda f: f.stat().st_mtime, reverse=True)
            for file in files[most:]:
                file.unlink(missing_ok=True)

    def _head(self, name: str, body: bytes) -> bytes:
        digest = hashlib.sha256(f"{name}\n{self.stamp}\n".encode() + body).hexdigest()
        return f"provisioner-cache {_FORMAT} {self.stamp} {digest}".encode()


def cache_of(root: Path, env: Mapping[str, str]) -> Cache | None:
    """An inventory's cache in `$XDG_CACHE_HOME/provisioner/inventories`, or None where there can be none.

    Args:
        root: the inventory's folder; another path to it leads to the same cache.
        env: the environment; a value in PROVISIONER_NO_CACHE says no.
    """
    base = _base(env)
    code = None if env.get(DISABLED) or base is None else stamp()
    if base is None or code is None:
        return None
    name = hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:32]
    folder = base / "provisioner" / "inventories" / name
    try:
        if is_proposed(folder, root):
            return None
        is_new = not folder.is_dir()
        if is_new:
            _make_private(folder)
        if not (_is_private(folder.parent) and _is_private(folder)):
            return None
        if is_new:
            _forget_others(folder)
        _tidy(folder)
    except OSError:
        return None
    return Cache(folder, code)


def _base(env: Mapping[str, str]) -> Path | None:
    """The user's folder of caches; a relative XDG_CACHE_HOME does not count, as its specification says."""
    named, home = Path(env.get("XDG_CACHE_HOME", "")), env.get("HOME", "")
    if named.is_absolute():
        return named
    return Path(home) / ".cache" if home and Path(home).is_absolute() else None


def _make_private(folder: Path) -> None:
    folder.parent.parent.mkdir(parents=True, exist_ok=True)
    for made in (folder.parent, folder):
        made.mkdir(mode=0o700, exist_ok=True)


def _is_private(folder: Path) -> bool:
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def _forget_others(folder: Path) -> None:
    """Remove the inventories that were not used for longest: their number is bounded."""
    others = sorted((f for f in folder.parent.iterdir() if f != folder), key=lambda f: f.stat().st_mtime, reverse=True)
    for other in others[_INVENTORIES - 1 :]:
        shutil.rmtree(other, ignore_errors=True)


def _tidy(folder: Path) -> None:
    """Mark the folder as used, and remove what runs left behind that were killed while they wrote."""
    os.utime(folder)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") and time.time() - entry.stat().st_mtime > _LEFT_BEHIND_S:
                Path(entry.path).unlink(missing_ok=True)


@cache
def stamp() -> str | None:
    """What tells this code from any other, or None where that is not known for sure."""
    return stamp_of(Path(__file__).parents[2], _LOADED_AT - _IMPORTS_TAKE_S)


def stamp_of(package: Path, imported_at: float) -> str | None:
    """What tells one state of a package's sources, and of what they rest on, from any other.

    Args:
        package: the package's folder.
        imported_at: since when its code runs, in seconds since 1970: source files that changed later are
            not that code, and nothing is known then. Neither is where there are no source files.
    """
    digest = hashlib.sha256()
    versions = (_FORMAT, __version__, sys.version, pydantic.VERSION, pydantic_core.__version__, yaml.__version__)
    digest.update(repr((*versions, yaml.__with_libyaml__, _libyaml_version())).encode())
    try:
        sources = sorted(_sources(str(package), ""))
        for relative in sources:
            with open(f"{package}/{relative}", "rb", buffering=0) as stream:  # noqa: PTH123 (hundreds in each run)
                status, data = os.fstat(stream.fileno()), stream.readall()
            if max(status.st_mtime, status.st_ctime) > imported_at:
                return None
            digest.update(f"{relative}\n{len(data)}\n".encode() + data)
    except OSError:
        return None
    return digest.hexdigest() if sources else None


def _sources(package: str, folder: str) -> Iterator[str]:
    """The paths of a package's sources, within it."""
    with os.scandir(f"{package}/{folder}") as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _sources(package, f"{folder}{entry.name}/")
            elif entry.name.endswith(".py"):
                yield folder + entry.name


def _libyaml_version() -> str:
    return str(yaml._yaml.get_version_string())  # noqa: SLF001 (no public name has it)
