"""The wheels that a lock names, for a Python and a machine, each with its locked hash."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.packaging.errors import RefusedError
from scripts.packaging.programs import run

PYTHONS: Final = ("3.11", "3.12", "3.13")  #: The versions of CPython that the lock is made for.
MACHINES: Final = ("x86_64", "aarch64")  #: The machines that the lock is made for, as `uname -m` says them.
#: A wheel may ask for glibc 2.28 at most: Debian 10, Enterprise Linux 8 and whatever is newer have it.
OLDEST_LIBC: Final = 28
#: What the wheels of `NEWER` ask for, glibc 2.34: Debian 12, Ubuntu 22.04, Enterprise Linux 9 have it.
NEWER_LIBC: Final = 34
#: The packages for which an older glibc will not do: those of the extra `rego`. They need no others.
NEWER: Final = ("regopy",)
_ALIASES: Final = ("manylinux2014", "manylinux2010", "manylinux1")


@dataclass(frozen=True, slots=True)
class Target:
    """Where wheels are to run."""

    python: str  #: The version of CPython, e.g. `3.11`.
    machine: str  #: One of `MACHINES`.
    libc: int = OLDEST_LIBC  #: The oldest glibc that is there, 2.`libc`.

    @property
    def tag(self) -> str:
        """The interpreter as wheels name it, e.g. `cp311`."""
        return f"cp{self.python.replace('.', '')}"

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms that run there, as wheels name them."""
        names = [*(f"manylinux_2_{minor}" for minor in range(self.libc, 4, -1)), *_ALIASES]
        return tuple(f"{name}_{self.machine}" for name in names)


def collect(lock: Path, target: Target, folder: Path) -> tuple[Path, ...]:
    """Fetch the wheels of a lock from the index that pip is set up for.

    Args:
        lock: the lock; every package in it has its hashes.
        target: what they are for.
        folder: gets them.

    Raises:
        RefusedError: one cannot be had, or is another file than the locked one.
    """
    exact: list[str | Path] = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "--requirement", lock]
    kind = ["--implementation", "cp", "--python-version", target.python]
    kind += [word for platform in target.platforms for word in ("--platform", platform)]
    run([sys.executable, "-m", "pip", "download", "--quiet", "--dest", folder, *exact, *kind])
    return tuple(sorted(folder.glob("*.whl")))


def collect_some(lock: Path, names: Sequence[str], target: Target, folder: Path) -> tuple[Path, ...]:
    """Fetch the wheels of some packages of a lock, without what they need.

    Args:
        lock: the development environment's lock.
        names: the packages.
        target: what they are for.
        folder: gets them.

    Raises:
        RefusedError: one is not locked, or cannot be had as locked.
    """
    with tempfile.TemporaryDirectory() as scratch:
        alone = Path(scratch) / "some.lock"
        alone.write_text(entries(lock.read_text(encoding="utf-8"), names), encoding="utf-8")
        return collect(alone, target, folder)


def entry(lock: str, name: str) -> str:
    """The lines of a lock that are about one package.

    Raises:
        RefusedError: there are none.
    """
    match = re.search(rf"^{re.escape(name)}==.*(?:\n    --hash=.*)*", lock, re.MULTILINE)
    if match is None:
        raise RefusedError(f"{name} is not locked", hint="scripts/lock")
    return match[0] + "\n"


def entries(lock: str, names: Sequence[str]) -> str:
    """The lines of a lock that are about some packages.

    Raises:
        RefusedError: one is not in it.
    """
    return "".join(entry(lock, name) for name in names)


def fitting_all(groups: Sequence[Sequence[Path]]) -> frozenset[str]:
    """The names of the wheels that are in every group."""
    return frozenset.intersection(*(frozenset(path.name for path in group) for group in groups))
