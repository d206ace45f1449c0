"""A Debian package: the program in a virtual environment of its own, for one Debian's Python and one machine.

It needs dpkg-deb and nothing else of Debian's, and comes out the same on every machine.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from string import Template
from typing import Final

from provisioner.cli.support.completion import INSTRUCTION
from scripts.packaging.packages import packages_of
from scripts.packaging.program_tree import lay_out, leave_out
from scripts.packaging.programs import run
from scripts.packaging.tree import settle, write_gzip, write_text
from scripts.packaging.units import units
from scripts.packaging.wheelhouse import NEWER_LIBC, Target

HOME: Final = "/usr/lib/provisioner"
MAINTAINER: Final = "The provisioner authors <provisioner@example.com>"
TEXTS: Final = Path(__file__).parent / "debian"
_SCRIPTS: Final = ("postinst", "prerm", "postrm")
_COMPLETIONS: Final = {
    "bash": "usr/share/bash-completion/completions/provisioner",
    "fish": "usr/share/fish/vendor_completions.d/provisioner.fish",
    "zsh": "usr/share/zsh/vendor-completions/_provisioner",
}
_CONTROL: Final = """\
Package: provisioner
Version: {version}
Section: admin
Priority: optional
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {kibibytes}
Depends: git, {libraries}, openssh-client, python3 (>= {python}~), python3 (<< {next_python}~), tzdata
Suggests: bash-completion, prometheus, prometheus-alertmanager
Description: orchestration and provisioning of camera relays
 provisioner reads an inventory of provinces, carriers, facilities and cameras,
 deploys MediaMTX relays, WireGuard tunnels and nftables rules onto carriers'
 hosts, and proves that every camera path is up.
 .
 It lies with all that it needs in a virtual environment of its own, and
 touches no other Python package. No service is enabled.
"""
#: Fonts that come with reportlab and that no sheet of ours uses: under the GPL, or with code of Adobe's.
_FONTS: Final = "reportlab/fonts"
#: What wheels take from the machine, regopy's the most of it.
_LIBRARIES: Final = f"libatomic1, libc6 (>= 2.{NEWER_LIBC}), libgcc-s1, libstdc++6 (>= 11), zlib1g"
_CHANGES: Final = """\
provisioner ({version}) unstable; urgency=medium

  * Release {upstream}; what users notice is in changelog.gz beside this file.

 -- {maintainer}  {moment}
"""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A Debian whose Python a package is made for."""

    release: int  #: Its number.
    python: str  #: The version of its `python3`.


DISTRIBUTIONS: Final = (Distribution(12, "3.11"), Distribution(13, "3.13"))
ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}  #: Machines as `uname -m` says them, and as Debian does.


@dataclass(frozen=True, slots=True)
class Deb:
    """A package that can be built."""

    source: Path  #: The commit's files.
    wheels: Sequence[Path]  #: The program's, and those of all that it needs there.
    version: str  #: The program's version.
    seconds: int  #: The time of everything in it, since 1970.
    distribution: Distribution  #: The Debian that it is for.
    machine: str  #: The machine, as `uname -m` says it.

    @property
    def debian_version(self) -> str:
        """The version as dpkg orders it: a release candidate comes before its release, Debian 12 before 13."""
        upstream = self.version
        for word in ("a", "b", "rc"):
            upstream = upstream.replace(word, f"~{word}", 1) if "~" not in upstream else upstream
        return f"{upstream}-1~deb{self.distribution.release}"

    @property
    def name(self) -> str:
        """The file's name."""
        return f"provisioner_{self.debian_version}_{ARCHITECTURES[self.machine]}.deb"

    def build(self, target: Path) -> Path:
        """Write the package into a folder.

        Raises:
            RefusedError: dpkg-deb is missing, or refuses it.
        """
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch) / "root"
            root.mkdir()
            self._fill(root)
            settle(root, self.seconds)
            self._describe(root)
            settle(root, self.seconds)
            package = target / self.name
            # One thread: what xz writes depends on whether there are more. A higher level takes minutes for a tenth.
            how = ["--root-owner-group", "--threads-max=1", "-Zxz", "-z1"]
            run(["dpkg-deb", *how, "--build", root, package], environment={"SOURCE_DATE_EPOCH": str(self.seconds)})
        return package

    def _fill(self, root: Path) -> None:
        leave_out(lay_out(self.wheels, root, HOME, self.distribution.python), _FONTS)
        (root / "usr/bin").mkdir()
        (root / "usr/bin/provisioner").symlink_to(f"../lib/{Path(HOME).name}/bin/provisioner")
        manual = root / HOME.lstrip("/") / "share/man/man1"
        for page in sorted(manual.glob("provisioner*.1")):
            write_gzip(root / f"usr/share/man/man1/{page.name}.gz", page.read_bytes())
        shutil.rmtree(manual.parent)
        html = root / HOME.lstrip("/") / "share/doc/provisioner/html"
        shutil.copytree(html, root / "usr/share/doc/provisioner/html")
        shutil.rmtree(html.parents[1])
        for library in (root / HOME.lstrip("/")).rglob("*.so*"):
            library.chmod(0o644)
        for shell, path in _COMPLETIONS.items():
            write_text(root / path, _completion(self.source, shell))
        for name, text in units().items():
            write_text(root / "usr/lib/systemd/system" / name, text)
        users = (TEXTS / "provisioner.sysusers").read_text(encoding="utf-8")
        write_text(root / "usr/lib/sysusers.d/provisioner.conf", users)
        overrides = (TEXTS / "lintian-overrides").read_text(encoding="utf-8")
        write_text(root / "usr/share/lintian/overrides/provisioner", overrides)
        self._document(root / "usr/share/doc/provisioner")

    def _document(self, folder: Path) -> None:
        write_gzip(folder / "changelog.gz", (self.source / "CHANGELOG.md").read_bytes())
        moment = format_datetime(datetime.fromtimestamp(self.seconds, UTC))
        changes = _CHANGES.format(
            version=self.debian_version, upstream=self.version, maintainer=MAINTAINER, moment=moment
        )
        write_gzip(folder / "changelog.Debian.gz", changes.encode())
        template = Template((TEXTS / "copyright").read_text(encoding="utf-8"))
        write_text(folder / "copyright", template.substitute(PACKAGES=_paragraphs(self.wheels)))

    def _describe(self, root: Path) -> None:
        files = [path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink()]
        control = root / "DEBIAN"
        for name in _SCRIPTS:
            write_text(control / name, (TEXTS / name).read_text(encoding="utf-8"), executable=True)
        sums = "".join(f"{_md5(path)}  {path.relative_to(root)}\n" for path in files)
        write_text(control / "md5sums", sums)
        major, minor = self.distribution.python.split(".")
        text = _CONTROL.format(
            version=self.debian_version,
            architecture=ARCHITECTURES[self.machine],
            maintainer=MAINTAINER,
            kibibytes=sum(-(-path.stat().st_size // 1024) for path in files),
            libraries=_LIBRARIES,
            python=self.distribution.python,
            next_python=f"{major}.{int(minor) + 1}",
        )
        write_text(control / "control", text)


def targets() -> tuple[Target, ...]:
    """What wheels are needed for, for all packages together."""
    return tuple(Target(one.python, machine) for one in DISTRIBUTIONS for machine in ARCHITECTURES)


def _completion(source: Path, shell: str) -> str:
    """What a shell reads to complete the program's words, as the program itself prints it."""
    words = {"PYTHONPATH": str(source), INSTRUCTION: f"{shell}_source"}
    return run([sys.executable, "-m", "provisioner"], folder=source, environment=words)


def _paragraphs(wheels: Sequence[Path]) -> str:
    return "".join(
        f"Files: */site-packages/{one.name.replace('-', '_')}*\n"
        f"Copyright: those whom its folder names\n"
        f"License: {one.licence.replace(' ', '-')}\n"
        f"Comment: {one.name} {one.version}\n\n"
        for one in packages_of(wheels)
        if one.name != "provisioner"
    )


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
