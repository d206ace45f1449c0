"""`plan push` and `plan fetch`: a saved plan is found again by the inventory's content, and by nothing else."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.example_terminal import git
from tests.hostile import MERGE_REQUEST
from tests.unit.cli.test_plan import Terminal, call  # noqa: F401 (the fixture)


@pytest.fixture
def kept(call: Terminal) -> Terminal:  # noqa: F811
    """A checkout with a remote, an edit, and its plan."""
    subprocess.run(["git", "init", "-q", "--bare", "remote.git"], cwd=call.root, check=True, timeout=30)
    git(call.root, "remote", "add", "origin", str(call.root / "remote.git"))
    call.other_channel()
    assert call("plan", "--out", "plan.json")[0] == 0
    return call


def references(terminal: Terminal) -> list[str]:
    argv = ["git", "for-each-ref", "--format=%(refname)"]
    return subprocess.check_output(argv, cwd=terminal.root / "remote.git", text=True, timeout=30).split()


def test_what_was_pushed_is_fetched_where_the_same_content_is_and_applies(kept: Terminal) -> None:
    code, pushed = kept.document("plan", "push", "plan.json")
    assert (code, pushed["schema"], [pushed["reference"]]) == (0, "provisioner/plan-pushed", references(kept))
    git(kept.root, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-qam", "merged")
    code, out, _ = kept("plan", "fetch", "--out", "fetched.json")
    assert (code, out) == (0, f"plan {pushed['digest']} fetched from origin as {pushed['reference']}\n")
    assert Path("fetched.json").read_bytes() == Path("plan.json").read_bytes()
    assert Path("fetched.json").stat().st_mode & 0o077 == 0
    assert kept("apply", "fetched.json")[0] == 0


def test_of_another_content_there_is_none(kept: Terminal) -> None:
    assert kept("plan", "push", "plan.json")[0] == 0
    kept.limit_viewers()
    code, _, err = kept("plan", "fetch", "--out", "fetched.json")
    assert code == 8
    assert "nobody pushed a plan of this content of the inventory to origin" in err
    assert "hint: make the plan of what is here now" in err
    assert not Path("fetched.json").exists()
    code, _, err = kept("plan", "push", "plan.json")
    assert (code, "the plan is of another content of the inventory than is here" in err) == (8, True)


def test_a_later_plan_of_the_same_content_takes_its_place(kept: Terminal) -> None:
    kept("plan", "push", "plan.json")
    kept("plan", "--allow", "viewers=7", "--out", "later.json")
    assert kept("plan", "push", "later.json")[0] == 0
    assert len(references(kept)) == 1
    kept("plan", "fetch", "--out", "fetched.json")
    assert json.loads(Path("fetched.json").read_text("utf-8"))["allow"] == {"viewers": 7}


def test_no_vault_is_opened_and_no_host_is_asked(kept: Terminal) -> None:
    kept.hosts.calls.clear()
    assert kept("plan", "push", "plan.json", vault=False)[0] == 0
    assert kept("plan", "fetch", "--out", "fetched.json", vault=False)[0] == 0
    assert not kept.hosts.calls


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("push", "no-such.json"), 8, "no-such.json cannot be read"),
        (("push", "inventories/example/inventory.yml"), 8, "hint: "),
        (("push", "plan.json", "--remote", "nobody"), 2, "'nobody' is no remote of"),
        (("push", "plan.json", "--remote", "--upload-pack=touch"), 2, "is no remote of"),
        (("push", "plan.json", "--remote", "ext::sh -c touch% x"), 2, "is no remote of"),
        (("push", "plan.json", "--refs", "refs/heads/../../x"), 2, "is no reference"),
        (("push", "plan.json", "--refs", "--all"), 2, "is no reference"),
        (("fetch", "--out", "f.json", "--remote", "nobody"), 2, "hint: name one of those that `git remote` lists"),
    ],
)
def test_bad_words_change_nothing(kept: Terminal, words: tuple[str, ...], code: int, says: str) -> None:
    ended, _, err = kept("plan", *words)
    assert (ended, says in err) == (code, True), err
    assert not references(kept)


def test_a_remote_that_is_away_is_said_to_be_without_its_login(kept: Terminal) -> None:
    git(kept.root, "remote", "set-url", "origin", "http://me:canary-1234@127.0.0.1:9/inventory.git")
    code, out, err = kept("plan", "push", "plan.json")
    assert (code, "git says of origin" in err) == (14, True)
    assert "canary-1234" not in out + err


@MERGE_REQUEST
@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 5000, b'{"schema": "provisioner/plan"}', b"\xff\xfe"])
def test_what_somebody_else_pushed_there_is_no_plan(kept: Terminal, content: bytes) -> None:
    _, pushed = kept.document("plan", "push", "plan.json")
    other = kept.root / "other"
    other.mkdir()
    git(other, "init", "-q")
    (other / "plan.json").write_bytes(content)
    git(other, "add", "-A")
    git(other, "-c", "user.name=M", "-c", "user.email=m@example.com", "commit", "-qm", "mine")
    git(other, "push", "-qf", str(kept.root / "remote.git"), f"HEAD:{pushed['reference']}")
    code, _, err = kept("plan", "fetch", "--out", "fetched.json")
    assert (code, "is no plan of this inventory" in err) == (8, True)
    assert not Path("fetched.json").exists()


@MERGE_REQUEST
def test_no_hook_and_no_program_of_the_checkout_runs(kept: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = kept.root / "ran"
    monkeypatch.setenv("PATH", f"{kept.root / 'hooks'}:{os.environ['PATH']}")
    for place in (kept.root / ".git/hooks", kept.root / "hooks"):
        place.mkdir(exist_ok=True)
        for name in ("pre-push", "reference-transaction", "post-checkout", "git-remote-http", "git"):
            (place / name).write_text(f"#!/bin/sh\ntouch {ran}\n", "utf-8")
            (place / name).chmod(0o755)
    assert kept("plan", "push", "plan.json")[0] == 0
    assert kept("plan", "fetch", "--out", "fetched.json")[0] == 0
    assert not ran.exists()
