"""The versions of a file that Git still has. Erasing a person is vain if an old commit can be opened."""

from __future__ import annotations

import subprocess
from pathlib import Path

_TIMEOUT_S = 60


def earlier_versions(path: Path) -> tuple[bytes, ...] | None:
    """Every content that a file has had in this checkout's Git, on any branch, stash or reflog.

    None where that cannot be known: the folder is in no Git checkout, or Git does not answer.
    """
    listed = _git(path.parent, "rev-list", "--all", "--reflog", "--objects", "--", path.name)
    if listed is None:
        return None
    named = (line.split(" ", 1) for line in listed.decode("utf-8", "replace").splitlines())
    blobs = [parts[0] for parts in named if len(parts) > 1 and parts[1].rpartition("/")[2] == path.name]
    contents = [_git(path.parent, "cat-file", "blob", blob) for blob in dict.fromkeys(blobs)]
    return None if None in contents else tuple(content for content in contents if content is not None)


def is_known_to_git(path: Path) -> bool:
    """Tell whether Git has or had a file; a password that was committed can be destroyed nowhere."""
    staged = _git(path.parent, "ls-files", "--", path.name)
    return bool(staged) or bool(earlier_versions(path))


def _git(folder: Path, *arguments: str) -> bytes | None:
    argv = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
