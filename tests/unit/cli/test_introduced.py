"""`plan --known-in`: no edit makes a pipeline log in where the target branch never did."""

import pytest

from tests.example_terminal import git
from tests.hostile import MERGE_REQUEST
from tests.unit.cli.test_plan import RELAY, Terminal, call  # noqa: F401 (the fixture)

OTHER = "relay-vnpt-1"
CARRIER = "carriers/viettel.yml"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFmpfCFrQd8eV0TDJQR7IXpTvAkybmvA/FpUVmrfF2mI"
ANOTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILLxxTLNWIvTOqfEHsYPptl1mrfK9Gmz7ymtR1zfHdv5"
EDITS = {
    "another address": ("address: 203.0.113.11", "address: 203.0.113.66", "203.0.113.66"),
    "another user": ("user: deploy", "user: root", "root@203.0.113.11"),
    "another port": ("user: deploy", "user: deploy\n      port: 2222", "203.0.113.11:2222"),
    "another host key": (HOST_KEY, ANOTHER_KEY, "its host key was ssh-ed25519 SHA256:"),
    "a jump host": (
        "    max_paths: 800",
        f"    jump: {{ address: 198.51.100.20, ssh: {{ user: x, host_key: {ANOTHER_KEY} }} }}\n    max_paths: 800",
        "its jump host was none and is x@198.51.100.20:22",
    ),
}


@MERGE_REQUEST
@pytest.mark.parametrize("edit", EDITS)
def test_nobody_logs_in_where_an_edit_leads(call: Terminal, edit: str) -> None:  # noqa: F811
    old, new, words = EDITS[edit]
    call.edit(CARRIER, old, new)
    call.hosts.calls.clear()
    code, printed = call.document("plan", "--known-in", "HEAD", "--allow", "trust=9")
    assert code == 5
    assert set(printed["unreadable"]) == {RELAY}
    assert words in printed["unreadable"][RELAY]
    assert {host for _, host in call.hosts.calls} == {OTHER, "centre-hn"}
    assert RELAY not in {change["host"] for change in printed["changes"]}


@MERGE_REQUEST
def test_a_host_that_is_new_is_not_called_and_not_by_a_merge_queue_either(call: Terminal) -> None:  # noqa: F811
    call.edit("carriers/vnpt.yml", f"id: {OTHER}", "id: relay-vnpt-0")
    author = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    git(call.root, *author, "commit", "-qam", "before there was one")
    git(call.root, "checkout", "-q", "HEAD~1", "--", ".")
    call.hosts.calls.clear()
    for more in ((), ("--check", "sha256:" + "0" * 64)):
        code, printed = call.document("plan", "--known-in", "HEAD", *more)
        assert (code, set(printed["unreadable"])) == (5, {OTHER})
        assert f"{OTHER} (deploy@" in printed["unreadable"][OTHER]
        assert "is not in HEAD: nobody logs in there" in printed["unreadable"][OTHER]
    assert OTHER not in {host for _, host in call.hosts.calls}


def test_what_the_branch_has_is_planned_as_always(call: Terminal) -> None:  # noqa: F811
    call.other_channel()
    code, printed = call.document("plan", "--known-in", "HEAD")
    assert (code, printed["unreadable"]) == (0, {})
    assert printed["digest"] == call.document("plan")[1]["digest"]


def test_a_revision_that_there_is_not_is_wrong_usage(call: Terminal) -> None:  # noqa: F811
    call.hosts.calls.clear()
    code, _, err = call("plan", "--known-in", "no-such")
    assert code == 2
    assert "it has no such revision" in err
    assert not call.hosts.calls
    assert call("plan", "--offline", "--against", "HEAD", "--known-in", "HEAD")[0] == 2
