"""Build the stand-in into one executable file that needs nothing but Python 3.11 on the host."""

from __future__ import annotations

import importlib.util
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHEBANG: Final = b"#!/usr/bin/python3\n"
# The start of the ZIP calendar: real times would change the bytes at each build.
_TIMESTAMP: Final = (1980, 1, 1, 0, 0, 0)
_FILE_MODE: Final = 0o644 << 16
_EXECUTABLE: Final = 0o755
_LAUNCHER: Final = b"import sys\n\nfrom standin.command import main\n\nsys.exit(main())\n"


def build(target: Path) -> Path:
    """Write the stand-in to the target and make it executable; the same sources give the same bytes.

    Raises:
        RuntimeError: PyYAML is not installed where this runs.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        file.write(_SHEBANG)
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in sorted(_members()):
                member = zipfile.ZipInfo(name, _TIMESTAMP)
                member.external_attr = _FILE_MODE
                # Stored, not deflated: the bytes must not depend on the version of zlib.
                member.compress_type = zipfile.ZIP_STORED
                archive.writestr(member, data)
    target.chmod(_EXECUTABLE)
    return target


def _members() -> Iterator[tuple[str, bytes]]:
    yield "__main__.py", _LAUNCHER
    yield from _modules(Path(__file__).parent, "standin")
    yield from _modules(_yaml_folder(), "yaml")


def _modules(folder: Path, package: str) -> Iterator[tuple[str, bytes]]:
    for file in folder.glob("*.py"):
        if file.name not in ("build.py", "cyaml.py"):
            yield f"{package}/{file.name}", file.read_bytes()


def _yaml_folder() -> Path:
    """Find PyYAML; without its optional C part it is pure Python."""
    found = importlib.util.find_spec("yaml")
    if found is None or found.origin is None:
        message = "PyYAML must be installed to build the stand-in"
        raise RuntimeError(message)
    return Path(found.origin).parent


if __name__ == "__main__":
    build(Path(sys.argv[1]))
