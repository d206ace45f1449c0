"""A clone in which Git was killed: the next one works in it as if nothing had been."""

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from provisioner.base.errors import NoticeError
from provisioner.base.git import Checkout
from provisioner.base.git_remote import RemoteAccess, clear_leftovers, fetch_branch, make_tree, open_clone
from tests.hostile import MERGE_REQUEST
from tests.pipelines.git_server import git

REFERENCE: Final = "refs/provisioner/agent/tip"


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    folder = tmp_path / "remote"
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True, timeout=60)
    (folder / "much").write_bytes(os.urandom(300_000))
    git(folder, "add", "much")
    git(folder, "commit", "-q", "-m", "much")
    return folder


def clone_of(remote: Path) -> Checkout:
    return open_clone(remote.parent / "clone", str(remote))


def left_behind(clone: Checkout) -> list[str]:
    return [file.name for file in clone.git_folder.rglob("*") if "tmp_" in file.name or file.suffix == ".lock"]


@MERGE_REQUEST
def test_what_came_in_part_does_not_stay(remote: Path) -> None:
    clone = clone_of(remote)
    with pytest.raises(NoticeError):
        fetch_branch(clone, RemoteAccess(most_bytes=100_000), "main", REFERENCE)
    assert left_behind(clone)
    clear_leftovers(clone)
    assert not left_behind(clone)
    assert fetch_branch(clone, RemoteAccess(), "main", REFERENCE) == git(remote, "rev-parse", "HEAD")


def test_locks_of_one_that_was_killed_hold_nothing_up(remote: Path) -> None:
    clone = clone_of(remote)
    commit = fetch_branch(clone, RemoteAccess(), "main", REFERENCE)
    for name in ("config.lock", "HEAD.lock", "packed-refs.lock", f"{REFERENCE}.lock"):
        (clone.git_folder / name).touch()
    git(remote, "commit", "-q", "--allow-empty", "-m", "another")
    newer = fetch_branch(clone_of(remote), RemoteAccess(), "main", REFERENCE)
    assert newer not in {"", commit}


def test_a_tree_whose_making_was_cut_off_is_made(remote: Path) -> None:
    clone, tree = clone_of(remote), remote.parent / "tree"
    commit = fetch_branch(clone, RemoteAccess(), "main", REFERENCE)
    make_tree(clone, tree, commit)
    (clone.git_folder / "worktrees/tree/locked").write_text("initializing", encoding="utf-8")
    assert make_tree(clone, tree, commit).top == tree.resolve()
