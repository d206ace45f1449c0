"""Merges as forges make them, and which of them an agent follows: docs/operate/agent.md says so."""

import subprocess
from pathlib import Path

import pytest

from provisioner.operations.agent.branch import FollowedBranch, allowed_signers, believed
from tests.agent.site import MERGER, STRANGER, Site, signs
from tests.pipelines.git_server import git
from tests.signatures import public_line

FORGE = "forge"


@pytest.fixture
def reached(site: Site) -> str:
    """The commit that the agent reached; a request of one unsigned commit stands beside it."""
    commit = git(site.person, "rev-parse", "HEAD")
    git(site.person, "checkout", "-q", "-b", "request")
    site.commit("an edit", by="", push=False)
    git(site.person, "checkout", "-q", "main")
    return commit


def objection(site: Site, reached: str, *, signed: str = "tip", more_signers: str = "") -> str:
    """Push the branch, and let an agent judge its newest commit."""
    site.push("--force")
    branch = FollowedBranch(site.settings(f'signed = "{signed}"\n'), site.folder / f"clone-{signed}")
    tip = branch.fetch()
    text = believed(site.settings()).text + more_signers
    return branch.tip(tip, reached, allowed_signers(text)).objection


def merge(site: Site, *how: str, by: str = "") -> None:
    git(site.person, *(signs(by) if by else ()), "merge", "-q", "-m", "a merge", *how, "request")


@pytest.mark.parametrize("signed", ["tip", "each"])
def test_a_merge_by_the_button_of_a_forge_without_a_key_is_refused(site: Site, reached: str, signed: str) -> None:
    merge(site, "--no-ff")
    assert "is not signed" in objection(site, reached, signed=signed)


def test_a_squash_loses_the_signature_of_what_it_squashes(site: Site, reached: str) -> None:
    git(site.person, "checkout", "-q", "request")
    site.commit("signed", push=False)
    git(site.person, "checkout", "-q", "main")
    git(site.person, "merge", "-q", "--squash", "request")
    git(site.person, "commit", "-q", "--allow-empty", "-m", "squashed")
    assert "is not signed" in objection(site, reached)


def test_a_merge_with_a_pgp_signature_is_refused_also_with_the_key_in_the_file(site: Site, reached: str) -> None:
    merge(site, "--no-ff", by=MERGER)
    commit = subprocess.run(["git", "cat-file", "commit", "HEAD"], cwd=site.person, capture_output=True, check=True)
    text = commit.stdout.replace(b"SSH SIGNATURE", b"PGP SIGNATURE")
    pgp = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        input=text,
        cwd=site.person,
        capture_output=True,
        check=True,
    )
    git(site.person, "reset", "-q", "--hard", pgp.stdout.decode().strip())
    assert "has a signature that" in objection(site, reached)


def test_the_ssh_key_of_a_forge_counts_once_it_is_in_the_file_and_within_its_time(site: Site, reached: str) -> None:
    merge(site, "--no-ff", by=FORGE)
    assert "no allowed signer's" in objection(site, reached)
    for signed in ("tip", "each"):
        key = f'forge namespaces="git" {public_line(FORGE)}\n'
        assert objection(site, reached, signed=signed, more_signers=key) == ""
    over = f'forge namespaces="git",valid-before="20200101Z" {public_line(FORGE)}\n'
    assert "does not count now" in objection(site, reached, more_signers=over)


def test_a_fast_forward_keeps_the_signature_of_the_request(site: Site, reached: str) -> None:
    git(site.person, "checkout", "-q", "request")
    signed = site.commit("signed", push=False)
    git(site.person, "checkout", "-q", "main")
    merge(site, "--ff-only")
    assert git(site.person, "rev-parse", "HEAD") == signed
    assert objection(site, reached) == ""
    # The request's first commit is unsigned, and now one of the branch itself.
    assert "is not signed" in objection(site, reached, signed="each")


@pytest.mark.parametrize("signed", ["tip", "each"])
def test_a_merge_that_a_signer_makes_and_pushes_counts(site: Site, reached: str, signed: str) -> None:
    merge(site, "--no-ff", by=MERGER)
    assert objection(site, reached, signed=signed) == ""


def test_a_signed_commit_above_an_unsigned_merge_counts_as_the_tip_alone(site: Site, reached: str) -> None:
    merge(site, "--no-ff")
    merged = git(site.person, "rev-parse", "HEAD")
    site.commit("signed", push=False)
    assert objection(site, reached) == ""
    assert f"stands on {merged[:12]}" in objection(site, reached, signed="each")


def test_a_merge_that_the_forge_signed_is_applied(site: Site, reached: str) -> None:
    git(site.person, "checkout", "-q", "request")
    site.another_channel()
    site.commit(by=STRANGER, push=False)
    git(site.person, "checkout", "-q", "main")
    merge(site, "--no-ff", by=FORGE)
    site.push()
    signers = Path(site.folder / "allowed-signers")
    signers.write_text(f"{signers.read_text()}forge {public_line(FORGE)}\n", encoding="utf-8")
    assert reached
    merged = git(site.person, "rev-parse", "HEAD")
    assert site.round().reached == merged
    assert (site.row(merged).state, site.row(merged).signer) == ("reached", FORGE)
