"""A clone of Git's that is this program's alone: made without a template, laid out without a checkout.

Nobody works in it, and nothing in it is run: its settings are written here, files come out of its objects by our own
hand, and what Git would do at a checkout (filters, hooks, submodules) is never asked for.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from provisioner.base.child_process import OutputTooLongError, StillRunningError, run_quietly
from provisioner.base.errors import StateError, UsageError
from provisioner.base.git import Checkout, ask_git, checkout_of, environment_outside, run_git
from provisioner.base.git_remote import REMOTE
from provisioner.base.own_folder import make_own_folder

_TIMEOUT_S: Final = 30
_MOST_BYTES: Final = 64 * 1024
_HINT: Final = "remove the clone's folder: it is made anew, and nothing is lost"
_ANCESTOR, _NO_ANCESTOR = 0, 1
_LEFT_BEHIND: Final = (
    "*.lock",
    "refs/**/*.lock",
    "worktrees/*/*.lock",
    "objects/pack/tmp_*",
    "objects/pack/.tmp-*",
    "objects/??/tmp_obj_*",
)
"""What a Git that was killed leaves: locks that hold up every later one, and objects that came in part."""


def open_clone(folder: Path, url: str) -> Checkout:
    """Open the clone in a folder, and make it where there is none; its one remote is at `url`.

    Raises:
        StateError: it cannot be made, or is somebody else's.
        UsageError: Git cannot be run.
    """
    checkout = _opened(folder)
    clear_left_behind(checkout)
    run_git(checkout, "config", f"remote.{REMOTE}.url", url, hint=_HINT)
    return checkout


def clear_left_behind(clone: Checkout) -> None:
    """Remove what a Git that was killed left in a clone; no other Git may be at work in it.

    Raises:
        StateError: something cannot be removed.
    """
    try:
        for pattern in _LEFT_BEHIND:
            for file in clone.git_folder.glob(pattern):
                file.unlink(missing_ok=True)
    except OSError as error:
        raise StateError(f"what was left in {clone.git_folder} stays: {error.strerror}", hint=_HINT) from None


def _opened(folder: Path) -> Checkout:
    try:
        make_own_folder(folder)
    except OSError as error:
        hint = "give yourself the folder, or name another state with PROVISIONER_STATE"
        raise StateError(f"the clone {folder} cannot be made: {error.strerror}", hint=hint) from None
    checkout = checkout_of(folder)
    if checkout is None or checkout.top != folder.resolve():
        _make(folder)
        checkout = checkout_of(folder)
    if checkout is None or checkout.top != folder.resolve():
        raise StateError(f"git made no clone in {folder}", hint=_HINT)
    return checkout


def _make(folder: Path) -> None:
    environment = environment_outside(Checkout(folder, folder / ".git"))
    environment |= {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    argv = ["git", "init", "--quiet", "--template=", "--initial-branch=main", str(folder)]
    try:
        done = run_quietly(argv, environment, timeout_s=_TIMEOUT_S, most_bytes=_MOST_BYTES)
    except OSError:
        raise UsageError("git cannot be run", hint="install git") from None
    except (StillRunningError, OutputTooLongError):
        raise StateError(f"git makes no clone in {folder}", hint=_HINT) from None
    if done.code != 0:
        raise StateError(f"git makes no clone in {folder}", hint=_HINT)


def is_ancestor(clone: Checkout, older: str, newer: str) -> bool:
    """Whether a commit is one that another stands on, or the same; one that is not there stands on nothing.

    Raises:
        UsageError: as `ask_git`.
    """
    done = ask_git(clone, "merge-base", "--is-ancestor", older, newer)
    return done.code == _ANCESTOR


def commits_between(clone: Checkout, older: str, newer: str, *, most: int, first_parent: bool = False) -> list[str]:
    """The commits that `newer` stands on and `older` does not, the newest first; `newer` is one of them.

    Args:
        clone: where they are.
        older: empty for none.
        newer: the newest.
        most: so many at most.
        first_parent: only those of the branch itself, and not what was merged into it.

    Raises:
        UsageError: as `run_git`.
    """
    words = ["rev-list", f"--max-count={most}", *(["--first-parent"] if first_parent else []), newer]
    listed = run_git(clone, *words, *([f"^{older}"] if older else []), hint=_HINT)
    return listed.decode().split()


def raw_commit(clone: Checkout, commit: str, most_bytes: int) -> bytes:
    """A commit as Git has it.

    Raises:
        UsageError: it is larger than it may be, or is none.
    """
    return run_git(clone, "cat-file", "commit", commit, hint=_HINT, most_bytes=most_bytes)


def make_tree(clone: Checkout, folder: Path, commit: str) -> Checkout:
    """A folder that Git takes for a checkout of a commit, with its index and without any of its files.

    Whatever lies there is removed first.

    Raises:
        StateError: the folder cannot be made.
        UsageError: as `run_git`.
    """
    remove_tree(clone, folder)
    # Twice: one that was begun and cut off is still locked.
    words = ("--quiet", "--force", "--force", "--detach", "--no-checkout")
    run_git(clone, "worktree", "add", *words, str(folder), commit, hint=_HINT)
    tree = checkout_of(folder)
    if tree is None or tree.top != folder.resolve():
        raise StateError(f"git made no checkout in {folder}", hint=_HINT)
    run_git(tree, "read-tree", commit, hint=_HINT)
    return tree


def remove_tree(clone: Checkout, folder: Path) -> None:
    """Remove a folder that `make_tree` made.

    Raises:
        StateError: it cannot be removed.
    """
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise StateError(f"{folder} cannot be removed: {error.strerror}", hint=_HINT) from None
    ask_git(clone, "worktree", "prune")
