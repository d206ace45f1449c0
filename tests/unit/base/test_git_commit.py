"""A commit of single files: their bytes and nothing else, by no filter, and never past a person's own hooks."""

import subprocess
from pathlib import Path

import pytest

from provisioner.base.errors import UsageError
from provisioner.base.git import commit_files, committing
from tests.hostile import MERGE_REQUEST
from tests.unit.base.test_git import git

PERSON = ("[user]", "\tname = Person", "\temail = person@example.com")


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("\n".join(PERSON) + "\n", encoding="utf-8")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    folder = tmp_path / "checkout"
    (folder / "facilities").mkdir(parents=True)
    for name in ("one.yml", "two.yml"):
        (folder / "facilities" / name).write_text(f"{name}: 1\n", encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    return folder


def said(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def write(top: Path, name: str, text: str) -> dict[Path, bytes]:
    file = top / "facilities" / name
    file.write_text(text, encoding="utf-8")
    return {file: text.encode()}


def test_the_file_is_committed_and_nothing_else_that_is_staged_or_changed(top: Path) -> None:
    write(top, "two.yml", "staged: 1\n")
    git(top, "add", "-A")
    write(top, "two.yml", "changed: 1\n")
    (top / "new.txt").write_text("new\n", encoding="utf-8")
    commit = commit_files(committing(top), write(top, "one.yml", "Vĩnh: 2\n"), "one: another\n\nwhy\n")
    assert said(top, "rev-parse", "HEAD").strip() == commit
    assert said(top, "show", "--format=%an <%ae> %s", "--stat=80", "HEAD").split("\n")[0] == (
        "Person <person@example.com> one: another"
    )
    assert said(top, "show", "HEAD:facilities/one.yml") == "Vĩnh: 2\n"
    assert said(top, "diff", "--name-only", "HEAD^", "HEAD").split() == ["facilities/one.yml"]
    assert said(top, "diff", "--name-only", "--cached").split() == ["facilities/two.yml"]
    assert said(top, "status", "--porcelain").splitlines() == ["MM facilities/two.yml", "?? new.txt"]


def test_a_new_file_and_the_first_commit_of_all(top: Path, tmp_path: Path) -> None:
    commit_files(committing(top), write(top, "three.yml", "x: 1\n"), "three")
    assert said(top, "status", "--porcelain") == ""
    fresh = tmp_path / "fresh"
    (fresh / "facilities").mkdir(parents=True)
    git(fresh, "init", "-q")
    commit_files(committing(fresh), write(fresh, "one.yml", "x: 1\n"), "the first")
    assert said(fresh, "log", "--format=%s").split("\n")[:-1] == ["the first"]
    assert said(fresh, "status", "--porcelain") == ""


@MERGE_REQUEST
def test_no_filter_that_a_checkout_names_is_run(top: Path, tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    (top / ".gitattributes").write_text("*.yml filter=evil text eol=crlf\n", encoding="utf-8")
    git(top, "config", "filter.evil.clean", f"touch {proof}; cat")
    before = proof.exists()
    commit_files(committing(top), write(top, "one.yml", "x: 2\n"), "one")
    assert (before, proof.exists()) == (False, False)
    assert said(top, "cat-file", "blob", "HEAD:facilities/one.yml") == "x: 2\n"


@pytest.mark.parametrize("hook", ["pre-commit", "commit-msg"])
def test_where_a_commit_does_more_a_person_does_it(top: Path, hook: str) -> None:
    file = top / ".git/hooks" / hook
    file.parent.mkdir(exist_ok=True)
    file.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    committing(top)  # not executable: Git would not run it either
    file.chmod(0o755)
    with pytest.raises(UsageError, match="hooks") as refused:
        committing(top)
    assert "git commit" in refused.value.hint


@pytest.mark.parametrize(
    ("key", "value", "words"), [("core.hooksPath", ".githooks", "hooks"), ("commit.gpgSign", "true", "signs commits")]
)
def test_the_users_own_settings_are_heeded(top: Path, key: str, value: str, words: str) -> None:
    said(top, "config", "--global", key, value)
    with pytest.raises(UsageError, match=words):
        committing(top)


def test_settings_of_some_folders_alone_count_there(top: Path, tmp_path: Path) -> None:
    (tmp_path / "work").write_text("[user]\n\temail = work@example.com\n", encoding="utf-8")
    said(top, "config", "--global", f"includeIf.gitdir:{top}/.path", str(tmp_path / "work"))
    commit_files(committing(top), write(top, "one.yml", "x: 2\n"), "one")
    assert said(top, "log", "-1", "--format=%ae") == "work@example.com\n"
    with (tmp_path / "work").open("a", encoding="utf-8") as settings:
        settings.write("[commit]\n\tgpgSign = true\n")
    with pytest.raises(UsageError, match="signs commits"):
        committing(top)


@pytest.mark.usefixtures("top")
def test_digests_of_another_length_are_no_matter(tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    (fresh / "facilities").mkdir(parents=True)
    git(fresh, "init", "-q", "--object-format=sha256")
    first = commit_files(committing(fresh), write(fresh, "one.yml", "x: 1\n"), "the first")
    assert commit_files(committing(fresh), write(fresh, "one.yml", "x: 2\n"), "the second") != first
    assert said(fresh, "log", "--format=%s").splitlines() == ["the second", "the first"]


def test_nobody_commits_outside_of_git_in_a_merge_or_without_a_name(top: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no Git"):
        committing(tmp_path)
    (top / ".git/MERGE_HEAD").write_text("0" * 40 + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match="under way"):
        committing(top)
    (top / ".git/MERGE_HEAD").unlink()
    (top / ".git/index.lock").touch()
    with pytest.raises(UsageError, match="another Git works"):
        committing(top)
    (top / ".git/index.lock").unlink()
    said(top, "config", "--global", "--unset", "user.email")
    with pytest.raises(UsageError, match="who you are"):
        committing(top)
