"""Whose signatures count on commits, by what the real Git and ssh-keygen make; and what is refused, case by case."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provisioner.operations.agent.branch import SignersFormError, allowed_signers, judge_commit
from tests.hostile import MERGE_REQUEST
from tests.signatures import KINDS, armoured, key_file, public_line

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OFFICE = "merger"


def commit_by(folder: Path, office: str, kind: str = "ed25519") -> bytes:
    """A commit as Git has it, signed by an office."""
    words = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "gpg.format=ssh"]
    words += ["-c", f"user.signingKey={key_file(office, kind)}"]
    subprocess.run(["git", "init", "-q", str(folder)], check=True, timeout=60)
    subprocess.run(
        [*words, "-C", str(folder), "commit", "-q", "-S", "--allow-empty", "-m", "an edit\n\nof mine"], check=True
    )
    asked = ["git", "-C", str(folder), "cat-file", "commit", "HEAD"]
    return subprocess.run(asked, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return commit_by(tmp_path_factory.mktemp("signed"), OFFICE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_commit_that_git_signed_counts_by_its_own_key_alone(tmp_path: Path, kind: str) -> None:
    commit = commit_by(tmp_path, OFFICE, kind)
    ours = allowed_signers(f"noc@example.com {public_line(OFFICE, kind)} a comment\n")
    assert judge_commit(commit, ours, NOW).signer == "noc@example.com"
    others = allowed_signers(f"noc {public_line('stranger', kind)}")
    assert "no allowed signer's" in judge_commit(commit, others, NOW).objection


def signature_in(commit: bytes) -> bytes:
    """The header with the signature."""
    return commit[commit.index(b"gpgsig ") : commit.index(b"\n\n") + 1]


def ours() -> str:
    return public_line(OFFICE, "ed25519")


CASES: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "not signed": (lambda c: c[: c.index(b"gpgsig")] + c[c.index(b"\n\n") :], "", "is not signed"),
    "another message": (lambda c: c.replace(b"of mine", b"of yours"), "", "that is not over it"),
    "another tree": (lambda c: b"tree " + b"0" * 40 + c[45:], "", "that is not over it"),
    "two signatures": (lambda c: c.replace(b"gpgsig ", b"gpgsig -\ngpgsig ", 1), "", "is not signed"),
    "a signature of another hash beside it": (
        lambda c: c.replace(b"gpgsig ", b"gpgsig-sha256 -\ngpgsig ", 1),
        "",
        "is not signed",
    ),
    "above its committer": (
        lambda c: c.replace(signature_in(c), b"").replace(b"\nauthor ", b"\n" + signature_in(c) + b"author ", 1),
        "",
        "below its committer",
    ),
    "no SSH signature": (lambda c: c.replace(b"SSH SIGNATURE", b"PGP SIGNATURE"), "", "has a signature that"),
    "cut": (lambda c: c.replace(b" U1NIU0lH", b" ", 1), "", "has a signature that"),
    "not yet": (lambda c: c, 'valid-after="20260602" ', "does not count now"),
    "no more": (lambda c: c, 'valid-before="20260601Z" ', "does not count now"),
    "for files alone": (lambda c: c, 'namespaces="file" ', "no allowed signer's"),
}


@MERGE_REQUEST
@pytest.mark.parametrize("case", CASES)
def test_what_does_not_count_is_refused_with_the_reason(signed: bytes, case: str) -> None:
    edit, options, objection = CASES[case]
    text = f"noc {options}{ours()}\nother {public_line('stranger')}\n"
    verdict = judge_commit(edit(signed), allowed_signers(text), NOW)
    assert verdict.signer == ""
    assert objection in verdict.objection


def with_signature(commit: bytes, office: str, namespace: str) -> bytes:
    """A commit with a signature of another purpose in the place of its own."""
    begin, end = commit.index(b"gpgsig "), commit.index(b"\n\n")
    bare = commit[:begin].rstrip(b"\n") + commit[end:]
    armour = armoured(bare, office, namespace=namespace).rstrip().replace(b"\n", b"\n ")
    return commit[:begin] + b"gpgsig " + armour + commit[end:]


@MERGE_REQUEST
def test_a_signature_that_was_made_for_something_else_is_no_commits(signed: bytes) -> None:
    signers = allowed_signers(f"noc {ours()}")
    assert judge_commit(with_signature(signed, OFFICE, "git"), signers, NOW).signer == "noc"
    verdict = judge_commit(with_signature(signed, OFFICE, "plan@provisioner"), signers, NOW)
    assert "for something else than Git" in verdict.objection


def test_days_of_keys_and_the_option_words_are_read() -> None:
    (one,) = allowed_signers(f'# who merges\n\nnoc namespaces="file,g*",valid-after="20260101" {ours()}\n')
    assert one.counts(NOW)
    assert not one.counts(datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=1))
    (one,) = allowed_signers(f'noc valid-before="20260101120000Z" {ours()}')
    assert not one.counts(NOW)


@pytest.mark.parametrize(
    "text",
    [
        *("", "# nobody\n", "noc\n", "noc ssh-ed25519 AAAA\n", "noc ssh-dss AAAAB3NzaC1kc3M=\n"),
        *("noc cert-authority ssh-ed25519 KEY\n", 'noc principals="x" ssh-ed25519 KEY\n'),
        *('noc valid-after="soon" ssh-ed25519 KEY\n', 'noc valid-after="20261301" ssh-ed25519 KEY\n'),
        *("noc namespaces ssh-ed25519 KEY\n", 'noc namespaces="!git,*" ssh-ed25519 KEY\n'),
        'noc namespaces="g[i]t" ssh-ed25519 KEY\n',
    ],
)
def test_a_file_that_is_not_understood_lets_nobody_in(text: str) -> None:
    with pytest.raises(SignersFormError):
        allowed_signers(text.replace("ssh-ed25519 KEY", ours()))
