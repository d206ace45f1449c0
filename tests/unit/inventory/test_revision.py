"""An older state of an inventory is laid out in its own folder, whatever somebody wrote into Git's trees."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from provisioner.base.errors import UsageError
from provisioner.inventory.files import revision as revisions
from provisioner.inventory.files.revision import commit_of, revision
from tests.hostile import MERGE_REQUEST

FSCK = "run `git fsck` there, or fetch again"
PARTIAL = "the clone is a partial one: git fetch --refetch --no-filter"
NAMED = "name a branch, a tag or a commit of the inventory's repository, e.g. origin/main"
CANARY = b"canary-Zt5pQ9rK"
FILE = ("100644", "blob")


class Repository:
    """A repository whose trees are written entry by entry, as Git itself never would."""

    def __init__(self, top: Path) -> None:
        self.top = top
        top.mkdir()
        self.git("init", "-q")

    def git(self, *words: str, stdin: bytes = b"") -> str:
        argv = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", *words]
        env = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        done = subprocess.run(argv, cwd=self.top, env=env, input=stdin, check=True, capture_output=True)
        return done.stdout.decode().strip()

    def blob(self, content: bytes = CANARY) -> str:
        return self.git("hash-object", "-w", "--stdin", stdin=content)

    def tree(self, entries: Sequence[tuple[str, bytes, str]]) -> str:
        raw = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(what) for mode, name, what in entries)
        return self.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)

    def commit(self, *entries: tuple[str, bytes, str]) -> str:
        """A commit of an inventory, and of some entries more."""
        whole = [("100644", b"inventory.yml", self.blob(b"version: 1\n")), *entries]
        commit = self.git("commit-tree", self.tree(whole), "-m", "x")
        self.git("update-ref", "refs/heads/proposed", commit)
        return commit


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "checkout")


def laid_out(repository: Repository) -> dict[str, bytes]:
    with revision(repository.top, "proposed") as old:
        return {path.relative_to(old.root).as_posix(): path.read_bytes() for path in old.root.rglob("*.*ml")}


def refused(repository: Repository, tmp_path: Path) -> str:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError) as caught:
        laid_out(repository)
    after = [path for path in tmp_path.rglob("*") if repository.top / ".git" not in path.parents]
    assert set(after) <= set(before), "nothing is written elsewhere"
    assert all(c.isprintable() for c in caught.value.message)
    assert caught.value.hint
    return caught.value.message


def test_what_nobody_reads_is_not_laid_out(repository: Repository) -> None:
    blob = repository.blob()
    below = repository.tree([("100644", b"a.yml", blob)])
    entries = [("100644", b"README.md", blob), ("40000", b"contacts", below), ("40000", b"facilities", below)]
    repository.commit(*entries)
    assert laid_out(repository) == {"inventory.yml": b"version: 1\n", "facilities/a.yml": CANARY}


@MERGE_REQUEST
@pytest.mark.parametrize(
    "name",
    [b"..", b".", b"", b"../outside.yml", b"/tmp/outside.yml", b"a/../../outside.yml", b".git", b".GIT", b"x" * 300],
    ids=repr,
)
@pytest.mark.parametrize("kind", ["blob", "tree"])
def test_a_name_that_leads_elsewhere_is_refused(repository: Repository, tmp_path: Path, name: bytes, kind: str) -> None:
    blob = repository.blob()
    if kind == "blob":
        repository.commit(("100644", name, blob))
    else:
        repository.commit(("40000", name, repository.tree([("100644", b"outside.yml", blob)])))
    refused(repository, tmp_path)


@MERGE_REQUEST
@pytest.mark.parametrize("target", [b"../../outside.yml", b"/etc/passwd", b"inventory.yml"])
@pytest.mark.parametrize("name", [b"facilities", b"designations.yml", b"secrets"])
def test_a_link_is_refused(repository: Repository, tmp_path: Path, name: bytes, target: bytes) -> None:
    repository.commit(("120000", name, repository.blob(target)))
    assert "a link at" in refused(repository, tmp_path)


@MERGE_REQUEST
def test_a_link_that_is_a_folder_too_is_not_written_through(repository: Repository, tmp_path: Path) -> None:
    link = repository.blob(str(tmp_path).encode())
    below = repository.tree([("100644", b"outside.yml", repository.blob())])
    repository.commit(("120000", b"facilities", link), ("40000", b"facilities", below))
    refused(repository, tmp_path)


@MERGE_REQUEST
def test_a_name_that_is_there_twice_is_refused(repository: Repository, tmp_path: Path) -> None:
    blob = repository.blob()
    repository.commit(("100644", b"a.yml", blob), ("40000", b"a.yml", repository.tree([("100644", b"b.yml", blob)])))
    assert "cannot be laid out" in refused(repository, tmp_path)


@pytest.mark.soak
@MERGE_REQUEST
def test_a_tree_that_unfolds_without_end_is_broken_off(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = repository.tree([("100644", b"a.yml", repository.blob())])
    for _ in range(7):
        tree = repository.tree([("40000", f"{number}".encode(), tree) for number in range(10)])
    repository.commit(("40000", b"facilities", tree))
    monkeypatch.setattr("provisioner.base.git._TIMEOUT_S", 30)
    refused(repository, tmp_path)


@MERGE_REQUEST
def test_a_tree_that_is_nested_without_end_is_refused(repository: Repository, tmp_path: Path) -> None:
    tree = repository.tree([("100644", b"a.yml", repository.blob())])
    for _ in range(40):
        tree = repository.tree([("40000", b"a", tree)])
    repository.commit(("40000", b"facilities", tree))
    assert "no name of a file" in refused(repository, tmp_path)


@MERGE_REQUEST
def test_a_file_without_end_is_refused(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "MOST_BYTES_OF_ONE", 2**20)
    repository.commit(("100644", b"a.yml", repository.blob(bytes(2**20 + 1))))
    assert "1048577 bytes" in refused(repository, tmp_path)


@MERGE_REQUEST
def test_a_submodule_is_refused(repository: Repository, tmp_path: Path) -> None:
    repository.commit(("160000", b"facilities", "1" * 40))
    assert "a link at" in refused(repository, tmp_path)


@MERGE_REQUEST
@pytest.mark.parametrize(
    "name", ["--output=outside", "-h", "--upload-pack=x", "HEAD\0x", ":/", "proposed:inventory.yml"]
)
def test_a_name_of_a_revision_is_no_option(repository: Repository, tmp_path: Path, name: str) -> None:
    repository.commit()
    with pytest.raises((UsageError, ValueError)), revision(repository.top, name):
        pass
    assert not (tmp_path / "outside").exists()


@MERGE_REQUEST
def test_an_inventory_that_became_a_link_is_none(repository: Repository, tmp_path: Path) -> None:
    (repository.top / "inventory").mkdir()
    repository.commit(("120000", b"inventory", repository.blob(b"/etc")))
    with pytest.raises(UsageError), revision(repository.top / "inventory", "proposed"):
        pass
    assert commit_of(tmp_path) == ""


def sorted_commit(repository: Repository) -> str:
    """A commit with entries in Git's order, so that Git finds them by path."""
    below = repository.tree([("100644", b"a.yml", repository.blob())])
    own = repository.blob(b"version: 1\n")
    other = repository.blob(b"read by nobody\n")
    files = [("100644", b"README.md", other), ("40000", b"facilities", below), ("100644", b"inventory.yml", own)]
    tree = repository.tree(files)
    commit = repository.git("commit-tree", tree, "-m", "x")
    repository.git("update-ref", "refs/heads/proposed", commit)
    return commit


def judged(top: Path, name: str) -> tuple[str, str | None]:
    with pytest.raises(UsageError) as caught, revision(top, name):
        pass
    assert caught.value.exit_code == 2
    return caught.value.message, caught.value.hint


@MERGE_REQUEST
@pytest.mark.parametrize("what", ["inventory.yml", "facilities/a.yml", "facilities", ""])
def test_an_object_that_is_gone_is_said_with_its_repair(repository: Repository, what: str) -> None:
    commit = sorted_commit(repository)
    name = repository.git("rev-parse", f"{commit}:{what}")
    (repository.top / ".git/objects" / name[:2] / name[2:]).unlink()
    message, hint = judged(repository.top, "proposed")
    assert message == f"git has not the content of {what if what.endswith('.yml') else 'proposed'}"
    assert hint == FSCK


def test_a_file_that_nobody_reads_may_be_gone(repository: Repository) -> None:
    name = repository.git("rev-parse", f"{sorted_commit(repository)}:README.md")
    (repository.top / ".git/objects" / name[:2] / name[2:]).unlink()
    assert laid_out(repository) == {"inventory.yml": b"version: 1\n", "facilities/a.yml": CANARY}


@pytest.mark.parametrize("kept", ["blob:none", "tree:0"])
def test_a_partial_clone_is_said_to_be_one(repository: Repository, tmp_path: Path, kept: str) -> None:
    sorted_commit(repository)
    repository.git("config", "uploadpack.allowFilter", "true")
    clone = ("-c", "protocol.allow=always", "clone", "-q", "--no-checkout", f"--filter={kept}", "-b", "proposed")
    repository.git(*clone, repository.top.as_uri(), str(tmp_path / "clone"))
    assert judged(tmp_path / "clone", "HEAD") == ("git has not the content of HEAD", PARTIAL)
    # Git would pack it all anew beside the test.
    quiet = ("git", "-c", "maintenance.auto=false", "-c", "gc.auto=0")
    subprocess.run([*quiet, "fetch", "-q", "--refetch", "--no-filter"], cwd=tmp_path / "clone", check=True)
    with revision(tmp_path / "clone", "HEAD") as old:
        assert (old.root / "facilities/a.yml").read_bytes() == CANARY


def test_a_name_that_no_commit_has_gets_the_hint_that_fits(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit()
    tree = repository.git("rev-parse", f"{first}^{{tree}}")
    second = repository.git("commit-tree", tree, "-p", first, "-m", "y")
    repository.git("update-ref", "refs/heads/proposed", second)
    top = repository.top
    assert judged(top, "elsewhere") == (f"git says of {top}: it has no such revision", NAMED)
    behind = f"git says of {top}: proposed~999 is before its first commit"
    assert judged(top, "proposed~999") == (behind, "`git log --oneline proposed` lists the commits that there are")
    said, hint = judged(top, "proposed^{tree}")
    assert ("tree type" in said, hint) == (True, NAMED)
    shutil.copytree(top, tmp_path / "cut")
    (tmp_path / "cut/.git/objects" / first[:2] / first[2:]).unlink()
    assert judged(tmp_path / "cut", "proposed~1")[1] == FSCK
    clone = ("-c", "protocol.allow=always", "clone", "-q", "--depth=1", "-b", "proposed")
    repository.git(*clone, top.as_uri(), str(tmp_path / "shallow"))
    shallow = judged(tmp_path / "shallow", "HEAD~1")
    assert shallow == (
        f"git says of {tmp_path / 'shallow'}: HEAD~1 is before its first commit",
        "the clone has not the whole history: git fetch --unshallow",
    )
