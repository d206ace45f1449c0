"""An offline bundle: all wheels of one machine with their checksums, what installs them, and what makes an image."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.packaging.tree import digest, sums, write_tar, write_text
from scripts.packaging.wheelhouse import NEWER, OLDEST_LIBC, Target, entries, fitting_all

HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that can be built."""

    source: Path  #: The commit's files.
    program: Path  #: The program's wheel.
    #: By Python and glibc, all that it needs there; under a newer glibc, what an older one does not have.
    wheels: Mapping[Target, tuple[Path, ...]]
    tool: Path  #: The wheel of `installer`.
    bill: Path  #: The bill of materials.
    version: str  #: The program's version.
    seconds: int  #: The time of everything in it, since 1970.
    machine: str  #: The machine, as `uname -m` says it.

    @property
    def name(self) -> str:
        """Its folder's name; the file's has an ending."""
        return f"provisioner-{self.version}-offline-{self.machine}"

    def build(self, target: Path) -> Path:
        """Write the bundle into a folder, as an archive."""
        archive = target / f"{self.name}.tar"
        with tempfile.TemporaryDirectory() as scratch:
            self.fill(Path(scratch))
            write_tar(archive, Path(scratch), self.name, self.seconds)
        return archive

    def fill(self, folder: Path) -> None:
        """Write what is in the bundle into a folder."""
        write_text(folder / "version", f"{self.version}\n")
        write_text(folder / "machine", f"{self.machine}\n")
        shutil.copy(HERE / "bundle/install", folder)
        for file in (HERE / "Containerfile", self.source / "LICENSE", self.source / "CHANGELOG.md", self.bill):
            shutil.copy(file, folder)
        shutil.copy(self.source / "docs/start/install.md", folder / "INSTALL.md")
        everywhere = fitting_all([wheels for one, wheels in self.wheels.items() if one.libc == OLDEST_LIBC])
        for one, wheels in self.wheels.items():
            own = one.tag if one.libc == OLDEST_LIBC else f"{one.tag}-glibc{one.libc}"
            for wheel in wheels:
                _copy(wheel, folder / "wheels" / ("any" if wheel.name in everywhere else own))
        _copy(self.program, folder / "wheels/any")
        _copy(self.tool, folder / "tools")
        lock = (self.source / "scripts/packaging/runtime.lock").read_text(encoding="utf-8")
        write_text(folder / "requirements.txt", _with_program(lock, self.version, digest(self.program)))
        everything = (self.source / "requirements.lock").read_text(encoding="utf-8")
        write_text(folder / "requirements-rego.txt", entries(everything, NEWER))
        write_text(folder / "SHA256SUMS", sums(folder))


def _copy(wheel: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(wheel, folder)


def _with_program(lock: str, version: str, sha256: str) -> str:
    """The lock with the program itself, for who installs with a pip of his own."""
    packages = re.sub(r"^#.*\n", "", lock, flags=re.MULTILINE)
    return f"{packages}provisioner=={version} \\\n    --hash=sha256:{sha256}\n"
