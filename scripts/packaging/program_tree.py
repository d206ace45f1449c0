"""The program with all that it needs as a virtual environment of its own, laid out for a Python that need not be here.

Nothing of the wheels runs while they are laid out, so it comes out the same on every machine.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile


def lay_out(wheels: Sequence[Path], root: Path, home: str, python: str) -> Path:
    """Unpack wheels as a virtual environment.

    Args:
        wheels: the program's and those of all that it needs.
        root: the folder that stands for `/`.
        home: where the environment will be, e.g. `/usr/lib/provisioner`.
        python: the version of the Python at `/usr/bin` that will run it, e.g. `3.11`.

    Returns:
        Its `site-packages`.

    Raises:
        ValueError: a wheel is not what its own record says.
    """
    library = f"{home}/lib/python{python}/site-packages"
    scheme = {
        "purelib": library,
        "platlib": library,
        "scripts": f"{home}/bin",
        "data": home,
        "headers": f"{home}/include",
    }
    for wheel in sorted(wheels):
        destination = SchemeDictionaryDestination(
            scheme, interpreter=f"{home}/bin/python3", script_kind="posix", destdir=str(root)
        )
        with WheelFile.open(wheel) as source:
            source.validate_record(validate_contents=True)
            install(source=source, destination=destination, additional_metadata={})
    place = root / home.lstrip("/")
    settings = f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {python}\n"
    (place / "pyvenv.cfg").write_text(settings, encoding="utf-8")
    up = "/".join([".."] * home.strip("/").count("/"))
    (place / "bin/python3").symlink_to(f"{up}/../bin/python{python}")
    (place / "bin/python").symlink_to("python3")
    return root / library.lstrip("/")


def leave_out(libraries: Path, folder: str) -> None:
    """Take a folder out of what was unpacked, and out of the records that name its files.

    Args:
        libraries: the environment's `site-packages`.
        folder: the folder there; where it is not, nothing is done.
    """
    shutil.rmtree(libraries / folder, ignore_errors=True)
    for record in libraries.glob("*.dist-info/RECORD"):
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith(f"{folder}/")]
        if len(kept) < len(lines):
            record.write_text("".join(kept), encoding="utf-8")
