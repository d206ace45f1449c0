"""The versions of a file that Git still has. Erasing a person is vain if an old commit can be opened."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from provisioner.base.errors import UsageError
from provisioner.base.git import Checkout, ask_git, checkout_of

_MOST_BYTES: Final = 1024 * 1024 * 1024
"""Of all commits' trees together; a province's contacts alone take a thousandth of it."""


def earlier_versions(path: Path) -> tuple[bytes, ...] | None:
    """Every content that a file has had in this checkout's Git, on any branch, stash or reflog.

    None where that cannot be known: the folder is in no Git checkout, or Git does not answer.
    """
    checkout = checkout_of(path.parent)
    if checkout is None:
        return None
    name = _name_of(path, checkout)
    listed = _git(checkout, "rev-list", "--all", "--reflog", "--objects", "--", name)
    if listed is None:
        return None
    named = (line.split(" ", 1) for line in listed.decode("utf-8", "replace").splitlines())
    blobs = [parts[0] for parts in named if len(parts) > 1 and parts[1].rpartition("/")[2] == path.name]
    contents = [_git(checkout, "cat-file", "blob", blob) for blob in dict.fromkeys(blobs)]
    return None if None in contents else tuple(content for content in contents if content is not None)


def is_known_to_git(path: Path) -> bool:
    """Tell whether Git has or had a file; a password that was committed can be destroyed nowhere."""
    checkout = checkout_of(path.parent)
    staged = _git(checkout, "ls-files", "--", _name_of(path, checkout)) if checkout else None
    return bool(staged) or bool(earlier_versions(path))


def _name_of(path: Path, checkout: Checkout) -> str:
    return checkout.relative(path.parent.resolve() / path.name)


def _git(checkout: Checkout, *arguments: str) -> bytes | None:
    try:
        done = ask_git(checkout, *arguments, most_bytes=_MOST_BYTES)
    except UsageError:
        return None
    return done.output if done.code == 0 else None
