"""Files that somebody may have proposed: those of a checkout. What a person names must not turn out to be one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from provisioner.base.errors import UsageError
from provisioner.base.git import checkout_of

_MOST_LINKS: Final = 40


def refuse_proposed_link(path: Path, folder: Path) -> None:
    """Refuse to go where a link of a checkout leads: somebody else would have chosen the place.

    Args:
        path: what a person asked to be read or written.
        folder: the inventory's folder.

    Raises:
        UsageError: a link on the way is one that Git has, or may have.
    """
    top = top_of(folder)
    try:
        *links, _ = places_of(path)
    except OSError as error:
        raise UsageError(f"{path} leads nowhere: {error.strerror}", hint="name another place") from None
    for link in links:
        if link.is_relative_to(top) and is_tracked(link) is not False:
            hint = "name a place that no link of the checkout leads to"
            raise UsageError(f"{path} leads over the link {link}, which is a file of the checkout", hint=hint)


def is_proposed(path: Path, folder: Path) -> bool:
    """Tell whether a path is, or leads over, something that Git has in the checkout of a folder."""
    top = top_of(folder)
    try:
        return any(place.is_relative_to(top) and is_tracked(place) for place in places_of(path))
    except OSError:
        return False  # who reads it says so


def places_of(path: Path) -> Iterator[Path]:
    """Every link that a path leads over, each at its own place, and at the end the place that it leads to.

    Raises:
        OSError: the links lead round in circles.
    """
    here, left = Path("/"), _parts(os.path.join(os.getcwd(), path))  # noqa: PTH109, PTH118 (nothing is taken together)
    links = 0
    while left:
        part = left.pop()
        beside = here.parent if part == ".." else here / part
        if part == ".." or not beside.is_symlink():
            here = beside
            continue
        yield beside
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        target = os.readlink(beside)  # noqa: PTH115 (its very text)
        here = Path("/") if target.startswith("/") else here
        left += _parts(target)
    yield here


def _parts(path: str) -> list[str]:
    """The parts of a path, the last one first."""
    return [part for part in reversed(path.split("/")) if part not in {"", "."}]


def top_of(folder: Path) -> Path:
    """The top of the checkout that a folder lies in, of the outer one where that has it as a submodule or a worktree.

    Outside Git it is the folder itself.
    """
    checkout = checkout_of(folder)
    if checkout is None:
        return folder.resolve()
    outer = checkout_of(checkout.top.parent)
    if outer is not None and checkout.git_folder.is_relative_to(outer.git_folder):
        return top_of(outer.top)
    return checkout.top


def is_tracked(place: Path) -> bool | None:
    """Tell whether Git has a file, or a file below a folder; None outside Git, and where it cannot be asked."""
    checkout = checkout_of(place.parent)
    try:
        return checkout.tracks(place) if checkout else None
    except UsageError:
        return None
