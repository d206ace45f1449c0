"""The image of lab hosts, made when its recipe has changed: `python3 -m tests.lab.image` makes it beforehand.

One recipe makes it of each Debian that hosts may have; the lab's own is the older one.

It needs no package beyond Python's own library, so that it can be made while the others are installed: with `--after
PID` Docker too, whose packages that process installs.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from shutil import which
from typing import IO, Final

from .docker_cli import INSTALL, LABEL, docker
from .docker_daemon import DockerDaemon, alone, answers
from .errors import LabError
from .patience import stretched

RECIPE: Final = Path(__file__).parent / "image"
_BASE_RECIPE: Final = ("base.Dockerfile", "base.sh", "customise.sh", "dpkg-excludes", "empty.sh", "packages.txt")
#: Debian's suites that an image can be made of, each with the tag of the image that is pulled for it.
SUITES: Final = {"bookworm": "12-slim", "trixie": "13-slim"}
USUAL: Final = "bookworm"
_PULL_SECONDS: Final = 60
_BUILD_SECONDS: Final = 900


def image(suite: str = USUAL) -> str:
    """Return the tag of the image of a suite, built first where there is none for this recipe."""
    tag = f"{_named('provisioner-lab', suite)}:{_digest(_all_files())}"
    if not _exists(tag):
        with alone(_lock()):
            if not _exists(tag):
                _build(tag, suite)
    return tag


def _named(name: str, suite: str) -> str:
    return name if suite == USUAL else f"{name}-{suite}"


def _build(tag: str, suite: str) -> None:
    base = f"{_named('provisioner-lab-base', suite)}:{_digest([RECIPE / name for name in _BASE_RECIPE])}"
    if not _exists(base):
        _build_base(base, suite)
    arguments = ("--build-arg", f"BASE={base}", "--label", f"{LABEL}=image", "--tag", tag)
    docker("build", "--quiet", *arguments, str(RECIPE), timeout=_BUILD_SECONDS)


def _build_base(tag: str, suite: str) -> None:
    if _can_pull(suite):
        of_suite = ("--build-arg", f"TAG={SUITES[suite]}")
        arguments = ("--file", str(RECIPE / "base.Dockerfile"), *of_suite, "--label", f"{LABEL}=image", "--tag", tag)
        docker("build", "--quiet", *arguments, str(RECIPE), timeout=_BUILD_SECONDS)
        return
    if os.geteuid() != 0 or not which("mmdebstrap"):
        raise LabError(f"no image can be pulled here, and to make one root and mmdebstrap are needed: {INSTALL}")
    _import_base(tag, suite)


def _can_pull(suite: str) -> bool:
    try:
        return docker("pull", "--quiet", f"debian:{SUITES[suite]}", check=False, timeout=_PULL_SECONDS).returncode == 0
    except LabError:
        return False


def _import_base(tag: str, suite: str) -> None:
    words = ["docker", "import", "--change", f"LABEL {LABEL}=image", "-", tag]
    with _base_system(suite) as base:
        _base_system.cache_clear()
        base.seek(0)
        importing = subprocess.run(
            words, stdin=base, capture_output=True, check=False, timeout=stretched(_BUILD_SECONDS)
        )
    if importing.returncode:
        raise LabError(f"base image: {importing.stderr.decode(errors='replace').strip()}")


@cache
def _base_system(suite: str) -> IO[bytes]:
    """The base system of a suite as an archive, in a file that has no name."""
    base = tempfile.TemporaryFile()  # noqa: SIM115 (it is closed with what imports it)
    words = ["sh", str(RECIPE / "base.sh"), suite]
    made = subprocess.run(words, stdout=base, stderr=subprocess.PIPE, check=False, timeout=stretched(_BUILD_SECONDS))
    if made.returncode:
        base.close()
        raise LabError("base image: " + made.stderr.decode(errors="replace")[-3000:])
    return base


def _exists(tag: str) -> bool:
    return docker("image", "inspect", "--format", "{{.Id}}", tag, check=False).returncode == 0


def _all_files() -> list[Path]:
    return sorted(path for path in RECIPE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _digest(files: list[Path]) -> str:
    total = hashlib.sha256()
    for path in files:
        mode = "x" if os.access(path, os.X_OK) else "-"
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(RECIPE)} {mode} {content}\n".encode())
    return total.hexdigest()[:16]


def _lock() -> Path:
    """Return the lock of the one process that builds."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "provisioner"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "lab-image.lock"


def _make_beforehand(installing: int | None) -> None:
    """Make the image; where Docker is being installed, first what needs none."""
    if installing and not which("dockerd") and which("mmdebstrap") and not answers():
        _base_system(USUAL)
        # A daemon started before its package is configured would be in the way of the package's own.
        _wait_for_end(installing)
    DockerDaemon.ensure()
    image()


def _wait_for_end(process: int) -> None:
    deadline = time.monotonic() + stretched(_BUILD_SECONDS)
    while time.monotonic() < deadline and Path(f"/proc/{process}").exists():
        time.sleep(0.2)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--after", type=int, metavar="PID", help="the process that installs Docker")
    _make_beforehand(arguments.parse_args().after)
