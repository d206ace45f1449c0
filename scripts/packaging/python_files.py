"""Wheel and sdist, as `python -m build` makes them."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.packaging.programs import run


def build_python_files(source: Path, target: Path, seconds: int) -> tuple[Path, Path]:
    """Build both from a folder of sources.

    Args:
        source: the sources.
        target: the folder that gets them.
        seconds: the time of everything in them, since 1970.

    Returns:
        The wheel and the sdist.

    Raises:
        RefusedError: they cannot be built.
    """
    argv: list[str | Path] = [sys.executable, "-m", "build", "--no-isolation", "--outdir", target, source]
    run(argv, environment={"SOURCE_DATE_EPOCH": str(seconds)})
    (wheel,) = target.glob("provisioner-*.whl")
    (sdist,) = target.glob("provisioner-*.tar.gz")
    return wheel, sdist
