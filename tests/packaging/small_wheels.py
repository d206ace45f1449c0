"""Wheels of a few lines, so that packages are built in a second: a program, what it needs, and the real installer."""

import base64
import hashlib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Final
from zipfile import ZipFile, ZipInfo

from scripts.packaging.wheelhouse import NEWER_LIBC, PYTHONS, Target

VERSION: Final = "1.2.0"
MAIN: Final = """\
import needed


def main():
    print("provisioner " + needed.WORD)
"""


def write_wheel(
    folder: Path, name: str, files: Mapping[str, str], *, about: str = "", tag: str = "py3-none-any"
) -> Path:
    """A wheel with a right record."""
    folder.mkdir(parents=True, exist_ok=True)
    home = f"{name}-{VERSION}.dist-info"
    licence = "" if "License" in about else "License-Expression: MIT\n"
    texts = {
        **files,
        f"{home}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {VERSION}\n{licence}{about}",
        f"{home}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    rows = [f"{path},sha256={_hash(text.encode())},{len(text.encode())}" for path, text in texts.items()]
    path = folder / f"{name}-{VERSION}-{tag}.whl"
    with ZipFile(path, "w") as archive:
        for inside, text in {**texts, f"{home}/RECORD": "\n".join([*rows, f"{home}/RECORD,,"]) + "\n"}.items():
            # Of one moment, whenever it is made: by now, two of them would differ.
            info = ZipInfo(inside)
            info.external_attr = 0o600 << 16
            archive.writestr(info, text)
    return path


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def program(folder: Path) -> Path:
    """The program: a script, a manual page, and that it needs another package."""
    home = f"provisioner-{VERSION}"
    return write_wheel(
        folder,
        "provisioner",
        {
            "provisioner/__init__.py": MAIN,
            f"{home}.dist-info/entry_points.txt": "[console_scripts]\nprovisioner = provisioner:main\n",
            f"{home}.data/data/share/man/man1/provisioner.1": ".TH PROVISIONER 1\n.SH NAME\nprovisioner \\- x\n",
            f"{home}.data/data/share/doc/provisioner/html/index.html": "<!doctype html>\n",
        },
        about="License-Expression: Apache-2.0\nSummary: A program.\nRequires-Dist: needed\n"
        'Requires-Dist: elsewhere; sys_platform == "win32"\n',
    )


def needed(folder: Path, python: str) -> tuple[Path, ...]:
    """What the program needs: one package for every Python, and one for this Python alone."""
    tag = Target(python, "x86_64").tag
    return (
        write_wheel(folder, "anywhere", {"anywhere.py": ""}),
        write_wheel(folder, "needed", {"needed.py": f'WORD = "for {tag}"\n'}, tag=f"{tag}-none-any"),
    )


def for_all(folder: Path, machine: str) -> dict[Target, tuple[Path, ...]]:
    """What the program needs, by Python, and one package that a newer glibc alone has."""
    older = {Target(python, machine): needed(folder / python, python) for python in PYTHONS}
    return older | {
        Target(of.python, machine, NEWER_LIBC): (
            write_wheel(folder / of.python / "newer", "newer", {"newer.py": ""}, tag=f"{of.tag}-none-any"),
        )
        for of in older
    }


def real_installer(folder: Path) -> Path:
    """The wheel of `installer`, made again of what is installed here."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"installer-{metadata.version('installer')}-py3-none-any.whl"
    with ZipFile(path, "w") as archive:
        for file in metadata.files("installer") or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                archive.write(Path(str(file.locate())), str(file))
    return path


def lock_of(*wheels: Path) -> str:
    """A lock of some wheels."""
    sums = [(wheel.name.split("-")[0], hashlib.sha256(wheel.read_bytes()).hexdigest()) for wheel in wheels]
    return "".join(f"{name}=={VERSION} \\\n    --hash=sha256:{sha256}\n" for name, sha256 in sums)
