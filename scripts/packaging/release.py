"""`scripts/release`: everything that users install, of one commit, built twice and compared.

It writes below out/ and nowhere else: it makes no commit, no tag and no signature, and sends nothing.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.packaging.bill import bill_of
from scripts.packaging.bundle import Bundle
from scripts.packaging.commit import Commit
from scripts.packaging.deb import DISTRIBUTIONS, Deb
from scripts.packaging.errors import RefusedError
from scripts.packaging.image import Image, base_image, save, system_packages
from scripts.packaging.programs import run
from scripts.packaging.python_files import build_python_files
from scripts.packaging.tree import digest, sums, write_text
from scripts.packaging.wheelhouse import MACHINES, NEWER, NEWER_LIBC, PYTHONS, Target, collect, collect_some

ROOT: Final = Path(__file__).parents[2]
REFUSED: Final = 1
_UMASKS: Final = (0o022, 0o077)  #: One for each of the two builds: what is built may not depend on whose it is.
_SUITE: Final = "trixie"


@dataclass(frozen=True, slots=True)
class Wheels:
    """All wheels that go into packages, fetched once."""

    #: By Python, machine and glibc; those that need a newer glibc are under that one alone.
    of: Mapping[Target, tuple[Path, ...]]
    tool: Path  #: The wheel of `installer`.

    @classmethod
    def fetch(cls, source: Path, machines: Sequence[str], folder: Path) -> Wheels:
        """Fetch them, each with its locked hash.

        Raises:
            RefusedError: one cannot be had as it is locked.
        """
        lock, everything = source / "scripts/packaging/runtime.lock", source / "requirements.lock"
        of: dict[Target, tuple[Path, ...]] = {}
        for machine, python in itertools.product(machines, PYTHONS):
            target, newer = Target(python, machine), Target(python, machine, NEWER_LIBC)
            place = folder / f"{target.tag}-{machine}"
            of[target] = collect(lock, target, place)
            of[newer] = collect_some(everything, NEWER, newer, place / "newer")
        (tool,) = collect_some(everything, ["installer"], next(iter(of)), folder / "tool")
        return cls(of, tool)

    def on(self, machine: str) -> dict[Target, tuple[Path, ...]]:
        """Those of one machine."""
        return {target: wheels for target, wheels in self.of.items() if target.machine == machine}

    def under(self, python: str, machine: str) -> tuple[Path, ...]:
        """Those of one Python on one machine whose glibc is new enough for all."""
        return tuple(
            wheel for target, wheels in self.on(machine).items() if target.python == python for wheel in wheels
        )


def build_files(commit: Commit, source: Path, wheels: Wheels, machines: Sequence[str], target: Path) -> None:
    """Build what can be built without Docker.

    Args:
        commit: what it is made of.
        source: its files.
        wheels: all that the program needs.
        machines: those that packages are built for.
        target: the folder that gets everything.

    Raises:
        RefusedError: something cannot be built.
    """
    program, _ = build_python_files(source, target, commit.seconds)
    bill = target / f"provisioner-{commit.version}.cdx.json"
    everything = [program, *(wheel for group in wheels.of.values() for wheel in group)]
    write_text(bill, bill_of(everything, commit.seconds))
    for machine in machines:
        Bundle(source, program, wheels.on(machine), wheels.tool, bill, commit.version, commit.seconds, machine).build(
            target
        )
        for distribution in DISTRIBUTIONS:
            needed = [*wheels.under(distribution.python, machine), program]
            Deb(source, needed, commit.version, commit.seconds, distribution, machine).build(target)


def differences(one: Path, other: Path) -> list[str]:
    """The names of files that are in one folder alone, or not the same in both."""
    names = sorted({path.name for folder in (one, other) for path in folder.iterdir()})
    return [name for name in names if not _is_same(one / name, other / name)]


def _is_same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and digest(one) == digest(other)


def build_image(commit: Commit, target: Path, tag: str) -> None:
    """Build the image of this machine of the bundle in a folder, and write it and its bill beside that.

    Args:
        commit: what it is made of.
        target: the folder.
        tag: what the image is called.

    Raises:
        RefusedError: Docker does not answer, or refuses it.
    """
    machine = platform.machine()
    bundle = target / f"provisioner-{commit.version}-offline-{machine}.tar"
    image = Image(bundle, commit.version, commit.name, commit.seconds)
    stem = f"provisioner-{commit.version}-image-{machine}"
    with tempfile.TemporaryDirectory() as scratch, image.built(base_image(_SUITE), tag):
        run(["tar", "-C", scratch, "-xf", bundle])
        wheels = list(Path(scratch).glob("*/wheels/*/*.whl"))
        write_text(target / f"{stem}.cdx.json", bill_of(wheels, commit.seconds, system=system_packages(tag)))
        save(tag, target / f"{stem}.tar.gz")


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _say(sentence: str) -> None:
    print(f"release: {sentence}", file=sys.stderr, flush=True)


def release(*, machines: Sequence[str], rehearse: bool, with_image: bool) -> Path:
    """Check, build twice, compare, and put everything in its place.

    Returns:
        The folder.

    Raises:
        RefusedError: with what is wrong; the folder is as it was before.
    """
    commit = Commit.of(ROOT)
    if not rehearse:
        commit.check((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    if with_image:
        _check_for_image(machines)
    out = ROOT / "out"
    out.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".release-", dir=out) as scratch:
        work = Path(scratch)
        built = [work / "first", work / "second"]
        wheels: Wheels | None = None
        for folder, mask in zip(built, _UMASKS, strict=True):
            with _umask(mask):
                folder.mkdir()
                source = work / f"sources-{folder.name}"
                commit.export(source)
                if wheels is None:
                    _say("fetching the locked packages")
                    wheels = Wheels.fetch(source, machines, work / "wheels")
                _say(f"building everything, the {folder.name} time")
                build_files(commit, source, wheels, machines, folder)
        if different := differences(*built):
            raise RefusedError(
                f"built twice, and not the same: {', '.join(different)}",
                hint="something in them depends on time, folder or umask: compare them with diffoscope",
            )
        if with_image:
            _say("building the image")
            build_image(commit, built[0], f"provisioner:{commit.version}{'-rehearsal' if rehearse else ''}")
        write_text(built[0] / "SHA256SUMS", sums(built[0]))
        for path in built[0].iterdir():
            path.chmod(0o644)
        place = out / ("rehearsal" if rehearse else "release")
        shutil.rmtree(place, ignore_errors=True)
        built[0].rename(place)
        place.chmod(0o755)
    return place


def _check_for_image(machines: Sequence[str]) -> None:
    if platform.machine() not in machines:
        raise RefusedError(f"an image is of this machine, {platform.machine()}", hint="--no-image leaves it out")
    try:
        run(["docker", "version"], timeout_s=60)
    except RefusedError as refused:
        raise RefusedError(f"Docker does not answer: {refused}", hint="start it; --no-image leaves it out") from refused


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/release", description=__doc__)
    parser.add_argument("--rehearse", action="store_true", help="build of any commit, into out/rehearsal: no release")
    parser.add_argument("--no-image", action="store_true", help="leave the container image out, which needs Docker")
    parser.add_argument("--machine", choices=MACHINES, action="append", help="for this machine alone; may come twice")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Run the script.

    Returns:
        0, or 1 where it was refused.
    """
    asked = _arguments(words)
    began = time.monotonic()
    try:
        place = release(
            machines=tuple(asked.machine or MACHINES), rehearse=asked.rehearse, with_image=not asked.no_image
        )
    except RefusedError as refused:
        print(f"release: refused: {refused}\nhint: {refused.hint}", file=sys.stderr)
        return REFUSED
    for path in sorted(place.iterdir()):
        print(f"{path.stat().st_size / 1e6:8.1f} MB  {path.name}")
    print(f"\nin {place.relative_to(ROOT)}, after {time.monotonic() - began:.0f} s")
    print(
        "built twice in different folders and umasks: the same byte for byte, but for the image, which was built once"
    )
    if asked.rehearse:
        print("a rehearsal: nothing of this is a release")
        return 0
    tag = Commit.of(ROOT).tag
    print(_NEXT.format(tag=tag, place=place.relative_to(ROOT)))
    return 0


_NEXT: Final = """
what a person does next:
  1. sign the sums:   gpg --detach-sign --armor {place}/SHA256SUMS
  2. sign the tag:    git tag --verify {tag}, or where it has no signature: git tag --sign --force {tag} {tag}^{{}}
  3. publish:         git push origin {tag}; upload the whole folder, SHA256SUMS.asc too
  4. try it:          install one of each as docs/start/install.md says, with the sums checked"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
