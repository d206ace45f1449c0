"""Git's older states of an inventory: the one door to `git` for plans. Reads only; contacts/ is left alone."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from provisioner.base.errors import UsageError

_TIMEOUT_S = 60
_FILE = "100"
_CONTACTS = "contacts"


@dataclass(frozen=True, slots=True)
class Revision:
    """An older state of an inventory, laid out in a folder of its own.

    Attributes:
        name: as it was asked for, e.g. `origin/main`.
        commit: its commit.
        root: where it lies for now.
    """

    name: str
    commit: str
    root: Path


def commit_of(root: Path) -> str:
    """The commit that an inventory's folder is checked out at; empty outside Git."""
    try:
        return _git(root, "rev-parse", "--verify", "HEAD").decode().strip()
    except UsageError:
        return ""


@contextmanager
def revision(root: Path, name: str) -> Iterator[Revision]:
    """Lay an older state of an inventory's folder out, for as long as it is needed.

    Raises:
        UsageError: there is no Git there, no such revision, or no inventory in it.
    """
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").decode().strip()
    with tempfile.TemporaryDirectory(prefix="provisioner-revision-") as folder:
        for path, blob in _files(root, commit, name):
            target = Path(folder) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(blob)
        yield Revision(name, commit, Path(folder))


def _files(root: Path, commit: str, name: str) -> list[tuple[str, bytes]]:
    """The files of the folder in a commit, with what is in them."""
    listed = _git(root, "ls-tree", "-r", "-z", commit, ".").decode("utf-8", "surrogateescape")
    blobs: list[tuple[str, str]] = []
    for entry in listed.split("\0")[:-1]:
        head, _, path = entry.partition("\t")
        mode, kind, blob = head.split()
        if PurePosixPath(path).parts[0] == _CONTACTS:
            continue
        if kind != "blob" or not mode.startswith(_FILE):
            hint = "check that revision out elsewhere, and compare the two folders there"
            raise UsageError(f"{name} holds a link at {path}, which is not followed", hint=hint)
        blobs.append((path, blob))
    if not any(path == "inventory.yml" for path, _ in blobs):
        raise UsageError(f"{name} holds no inventory at {root}", hint="name a revision in which the folder exists")
    contents = _contents(root, [blob for _, blob in blobs])
    return [(path, content) for (path, _), content in zip(blobs, contents, strict=True)]


def _contents(root: Path, blobs: list[str]) -> list[bytes]:
    output = _git(root, "cat-file", "--batch", stdin="\n".join(blobs).encode() + b"\n")
    contents, position = [], 0
    for _ in blobs:
        end = output.index(b"\n", position)
        size = int(output[position:end].split()[2])
        contents.append(output[end + 1 : end + 1 + size])
        position = end + size + 2
    return contents


def _git(root: Path, *arguments: str, stdin: bytes | None = None) -> bytes:
    argv = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        raise UsageError("git cannot be run", hint="install git; the revision is read with it") from None
    if done.returncode != 0:
        said = (done.stderr.decode(errors="replace").strip().splitlines() or ["it has no such revision"])[-1]
        hint = "name a branch, a tag or a commit of the inventory's repository, e.g. --against origin/main"
        raise UsageError(f"git says of {root}: {said}", hint=hint)
    return done.stdout
