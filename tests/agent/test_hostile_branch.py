"""What somebody may push who can push, and what of it runs: nothing. Each commit here is signed by who may sign."""

import os
import shutil
from pathlib import Path

import pytest

from provisioner.base.errors import NoticeError, UsageError
from provisioner.base.git_remote import RemoteAccess, fetch_branch, open_clone
from provisioner.inventory.files.revision import commit_of
from provisioner.operations.agent.branch import TIP, FollowedBranch, believed
from provisioner.operations.agent.decision import Line, Tip
from tests.agent.site import MERGER, STRANGER, Site, signs
from tests.hostile import MERGE_REQUEST
from tests.pipelines.git_server import git

RAN = "ran"


@pytest.fixture
def branch(site: Site) -> FollowedBranch:
    return FollowedBranch(site.settings(), site.folder / "own")


def with_programs(site: Site, ran: Path) -> None:
    """Files that name programs, wherever Git might look for such."""
    evil = site.person / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {ran}\n", encoding="utf-8")
    evil.chmod(0o755)
    (site.person / ".gitattributes").write_text(
        "* filter=evil diff=evil merge=evil\n*.yml filter=lfs\n", encoding="utf-8"
    )
    (site.person / ".gitconfig").write_text(f'[filter "evil"]\nsmudge = {evil}\n', encoding="utf-8")
    (site.person / "hooks").mkdir()
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        (site.person / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {ran}\n", encoding="utf-8")
        (site.person / "hooks" / hook).chmod(0o755)
    # The same as a repository among the files.
    for name, text in (("HEAD", "ref: refs/heads/main\n"), ("config", f"[core]\nfsmonitor = {evil}\n")):
        (site.person / name).write_text(text, encoding="utf-8")
    (site.person / "objects").mkdir()


@MERGE_REQUEST
def test_nothing_of_a_repository_runs_and_files_are_what_git_has(
    site: Site, branch: FollowedBranch, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = site.folder / RAN
    with_programs(site, ran)
    commit = site.commit()
    hooks = site.folder / "home/hooks"
    hooks.mkdir(parents=True)
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {ran}\n", encoding="utf-8")
        (hooks / hook).chmod(0o755)
    (hooks.parent / ".gitconfig").write_text(f"[core]\nhooksPath = {hooks}\n[init]\ntemplateDir = {hooks.parent}\n")
    monkeypatch.setenv("HOME", str(hooks.parent))
    again = FollowedBranch(site.settings(), site.folder / "another")
    for one in (branch, again):
        assert one.fetch() == commit
        root = one.laid_out(commit)
        assert (root / "inventory.yml").read_bytes() == (site.person / "inventory.yml").read_bytes()
        assert not (root / "evil").exists(), "only what an inventory is read from is laid out"
    assert not ran.exists()


@MERGE_REQUEST
@pytest.mark.parametrize("kind", ["link", "submodule", "no inventory"])
def test_what_no_inventory_holds_is_refused(site: Site, kind: str) -> None:
    site.round()
    if kind == "link":
        (site.person / "facilities/etc").symlink_to("/etc")
        git(site.person, "add", "facilities/etc")
    elif kind == "submodule":
        git(site.person, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},facilities/sub")
    else:
        git(site.person, "rm", "-q", "inventory.yml")
    git(site.person, *signs(MERGER), "commit", "-q", "-m", kind)
    site.push()
    writes = site.writes
    end = site.round()
    assert (end.step.act.value, end.row and end.row.state) == ("refuse", "refused"), site.lines
    assert site.writes == writes


@MERGE_REQUEST
def test_a_pack_without_end_is_ended(site: Site) -> None:
    (site.person / "much").write_bytes(os.urandom(3_000_000))
    site.commit()
    clone = open_clone(site.folder / "small", str(site.bare))
    with pytest.raises(NoticeError):
        fetch_branch(clone, RemoteAccess(most_bytes=1_000_000), "main", TIP)
    assert fetch_branch(clone, RemoteAccess(), "main", TIP)


@MERGE_REQUEST
def test_each_commit_of_the_branch_may_have_to_be_signed(site: Site) -> None:
    reached = git(site.person, "rev-parse", "HEAD")
    unsigned = site.commit(by=STRANGER)
    above = site.commit()
    every = FollowedBranch(site.settings('signed = "each"\n'), site.folder / "every")
    newest = FollowedBranch(site.settings(), site.folder / "newest")
    for one in (every, newest):
        assert one.fetch() == above
    signers = believed(site.settings()).signers
    assert newest.tip(above, reached, signers).objection == ""
    tip = every.tip(above, reached, signers)
    assert tip.line is Line.AHEAD
    assert f"stands on {unsigned[:12]}" in tip.objection
    assert every.tip(above, above, signers).objection == ""
    # Also of a branch that was written anew, where that may be.
    git(site.person, "reset", "-q", "--hard", reached)
    git(site.person, *signs(MERGER), "commit", "-q", "--allow-empty", "-m", "apart")
    apart = git(site.person, "rev-parse", "HEAD")
    site.push("--force")
    back = FollowedBranch(site.settings('signed = "each"\ngoes_back = true\n'), site.folder / "every")
    assert back.fetch() == apart
    assert back.tip(apart, above, signers) == Tip(apart, Line.APART)
    tip = back.tip(above, apart, signers)
    assert tip.line is Line.APART
    assert f"stands on {unsigned[:12]}" in tip.objection


def test_what_is_laid_out_of_other_commits_is_removed(site: Site, branch: FollowedBranch) -> None:
    first = branch.fetch()
    branch.laid_out(first)
    second = site.commit()
    branch.fetch()
    root = branch.laid_out(second)
    branch.keep_only({second})
    assert root.exists()
    assert not (branch.folder / "trees" / first).exists()
    assert branch.laid_out(first).joinpath("inventory.yml").exists(), "and laid out again"


def test_another_folder_of_a_commit_is_laid_out_anew(site: Site, branch: FollowedBranch) -> None:
    (site.person / "live").mkdir()
    for name in ("inventory.yml", "facilities"):
        git(site.person, "mv", name, f"live/{name}")
    site.commit()
    commit = branch.fetch()
    with pytest.raises(UsageError, match="holds no inventory"):
        branch.laid_out(commit)
    live = FollowedBranch(site.settings('folder = "live"\n'), branch.folder)
    root = live.laid_out(commit)
    assert (root.name, root.joinpath("inventory.yml").exists()) == ("live", True)
    git(site.person, "mv", "live", "moved")
    site.commit()
    commit = live.fetch()
    moved = FollowedBranch(site.settings('folder = "moved"\n'), branch.folder)
    assert moved.laid_out(commit).joinpath("inventory.yml").exists()
    with pytest.raises(UsageError, match="holds no inventory"):
        live.laid_out(commit)
    assert moved.laid_out(commit).joinpath("inventory.yml").exists()


def test_a_clone_that_was_removed_is_made_anew_and_nothing_is_lost(site: Site, branch: FollowedBranch) -> None:
    commit = branch.fetch()
    branch.laid_out(commit)
    branch.remember(commit)
    shutil.rmtree(branch.folder / "clone")
    anew = FollowedBranch(site.settings(), branch.folder)
    assert anew.remembered() == commit
    anew.fetch()
    assert commit_of(anew.laid_out(commit)) == commit
