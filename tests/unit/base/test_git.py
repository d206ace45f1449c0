"""The one door to Git: a checkout is where its `.git` is, and what else looks like one is files."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from provisioner.base.errors import UsageError
from provisioner.base.git import Checkout, ask_git, checkout_of, run_git
from tests.hostile import LOCAL_USER, MERGE_REQUEST


def git(folder: Path, *words: str) -> None:
    argv = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "protocol.file.allow=always", *words]
    env = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    subprocess.run(argv, cwd=folder, env=env, check=True, capture_output=True)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "inventories/one").mkdir(parents=True)
    (folder / "inventories/one/inventory.yml").write_text("version: 1\n", encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    return folder


def located(path: Path) -> Checkout:
    checkout = checkout_of(path)
    assert checkout
    return checkout


def head(path: Path) -> str:
    return run_git(located(path), "rev-parse", "HEAD", hint="").decode().strip()


def test_a_checkout_is_located_from_any_folder_below_it(top: Path) -> None:
    assert checkout_of(top) == checkout_of(top / "inventories/one") == Checkout(top, top / ".git")
    assert located(top).relative(top / "inventories/one") == "inventories/one"
    assert checkout_of(top.parent) is None


def test_a_worktree_and_a_submodule_have_their_repository_elsewhere(top: Path, tmp_path: Path) -> None:
    git(top, "worktree", "add", "-q", str(tmp_path / "tree"))
    git(top, "worktree", "add", "-q", str(top / "inside"), "-b", "inside")
    git(top, "submodule", "add", "-q", str(top), "module")
    assert located(tmp_path / "tree").git_folder == top / ".git/worktrees/tree"
    assert located(top / "inside").git_folder == top / ".git/worktrees/inside"
    assert located(top / "module/inventories").git_folder == top / ".git/modules/module"
    assert head(top) == head(tmp_path / "tree") == head(top / "inside") == head(top / "module")


def test_what_git_has_and_what_it_has_not(top: Path) -> None:
    (top / "untracked").touch()
    checkout = located(top)
    assert checkout.tracks(top / "inventories/one/inventory.yml")
    assert checkout.tracks(top / "inventories")
    assert not checkout.tracks(top / "untracked")
    assert not checkout.tracks(top / "*.yml"), "a name is no pattern"


@MERGE_REQUEST
def test_a_repository_of_committed_files_is_none(top: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", str(top / "inventories/one/nested"))
    assert checkout_of(top / "inventories/one/nested") == Checkout(top, top / ".git")
    assert run_git(located(top / "inventories/one/nested"), "rev-parse", "HEAD", hint="")


@MERGE_REQUEST
def test_a_pointer_to_a_repository_inside_the_checkout_is_none(top: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", str(top / "inventories/one/nested"))
    (top / "inventories/one/.git").write_text("gitdir: nested\n", encoding="utf-8")
    assert checkout_of(top / "inventories/one") == Checkout(top, top / ".git")


@MERGE_REQUEST
@pytest.mark.parametrize("content", ["", "gitdir:", "gitdir: /nowhere", "gitdir: .", "\0", "gitdir: \0", "x" * 9999])
def test_what_is_no_pointer_is_passed_over(top: Path, content: str) -> None:
    (top / "inventories/.git").write_text(content, encoding="utf-8")
    assert checkout_of(top / "inventories/one") == Checkout(top, top / ".git")


@MERGE_REQUEST
@pytest.mark.parametrize(
    "command", [["ls-files"], ["rev-list", "--all"], ["ls-tree", "-r", "HEAD"], ["status", "--porcelain"]]
)
def test_no_program_of_the_settings_is_run(top: Path, tmp_path: Path, command: list[str]) -> None:
    mark = tmp_path / "mark"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n: > {mark}\n", encoding="utf-8")
    program.chmod(0o755)
    for name in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.askPass", "diff.external"):
        git(top, "config", name, str(program))
    git(top, "config", "core.hooksPath", str(tmp_path))
    shutil.copy(program, tmp_path / "post-index-change")
    mark.unlink(missing_ok=True)
    assert ask_git(located(top), *command).code == 0
    assert not mark.exists()


@MERGE_REQUEST
def test_what_is_missing_is_not_fetched(top: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    git(top, "config", "remote.origin.url", f"ext::sh -c 'echo>{mark}'")
    git(top, "config", "protocol.ext.allow", "always")
    for name, value in {"remote.origin.promisor": "true", "extensions.partialClone": "origin"}.items():
        git(top, "config", name, value)
    git(top, "config", "core.repositoryFormatVersion", "1")
    with pytest.raises(UsageError):
        run_git(located(top), "cat-file", "blob", "1" * 40, hint="")
    assert not mark.exists()


@MERGE_REQUEST
def test_a_replaced_commit_is_shown_as_it_was(top: Path) -> None:
    first = head(top)
    git(top, "commit", "-q", "--allow-empty", "-m", "canary-Xq2mT8wz")
    git(top, "replace", first, "HEAD")
    assert b"canary" not in run_git(located(top), "cat-file", "commit", first, hint="")


@MERGE_REQUEST
def test_an_answer_without_end_is_broken_off(top: Path) -> None:
    (top / "large").write_bytes(bytes(2**21))
    git(top, "add", "-A")
    with pytest.raises(UsageError, match=r"more about .* than any inventory holds"):
        ask_git(located(top), "cat-file", "blob", ":large", most_bytes=2**20)


@LOCAL_USER
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("place", ["", ".git"])
def test_another_users_checkout_is_asked_only_where_it_is_trusted(
    top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    os.chown(top / place, 12345, 12345)
    with pytest.raises(UsageError, match="belongs to another user"):
        head(top)
    for trusted, value in [(False, "/elsewhere"), (True, str(top)), (True, "*"), (True, f"{tmp_path}/*")]:
        (tmp_path / ".gitconfig").write_text(f"[safe]\n\tdirectory = {value}\n", encoding="utf-8")
        assert trusted == _answers(top)
    (tmp_path / ".gitconfig").write_text(f"[safe]\n\tdirectory = {top}\n\tdirectory =\n", encoding="utf-8")
    assert not _answers(top), "an empty value takes back what stands before it"


def _answers(top: Path) -> bool:
    try:
        return bool(head(top))
    except UsageError:
        return False
