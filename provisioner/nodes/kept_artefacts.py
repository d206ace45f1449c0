"""The large files that a node keeps, so that they come once: relays' programs by their checksum. They are no secret."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from provisioner.base.atomic_file import replace_file
from provisioner.base.own_folder import make_own_folder
from provisioner.base.regular_file import read_regular
from provisioner.nodes.unit import is_sha256

_MOST: Final = 4
_MOST_BYTES: Final = 512 * 1024 * 1024


class KeptArtefacts:
    """The files of a folder, each named by its SHA-256; the ones that were used last stay.

    What is kept is there to be quick: a disk that takes nothing, or a file that somebody has changed, is as none.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def names(self) -> frozenset[str]:
        """The checksums of what is there."""
        try:
            return frozenset(path.name for path in self._folder.iterdir() if is_sha256(path.name))
        except OSError:
            return frozenset()

    def add(self, sha256: str, content: bytes) -> None:
        """Keep a file that has this checksum, and let go of those that nobody used for longest."""
        with suppress(OSError):
            make_own_folder(self._folder)
            replace_file(self._folder / sha256, content)
            used = sorted((self._folder / name for name in self.names), key=lambda path: path.stat().st_mtime)
            for old in used[:-_MOST]:
                old.unlink()

    def content(self, sha256: str) -> bytes | None:
        """A file, whole as it was kept; None where it is not there any more."""
        path = self._folder / sha256
        try:
            content = read_regular(path, most=_MOST_BYTES)
        except OSError:
            return None
        with suppress(OSError):
            if hashlib.sha256(content).hexdigest() == sha256:
                os.utime(path)
                return content
            path.unlink()
        return None
