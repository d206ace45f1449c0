"""`plan diff`: two saved plans side by side, as it is called."""

import json
from pathlib import Path

import pytest

from tests.example_terminal import git
from tests.unit.cli.test_plan import RELAY, Terminal, call

__all__ = ["call"]  # the fixture


def saved(call: Terminal, name: str, *words: str) -> str:
    assert call("plan", "--out", name, *words)[0] in {0, 6}
    return name


def test_a_commit_more_leaves_the_plan_the_same(call: Terminal) -> None:
    call.other_channel()
    first = saved(call, "first.json")
    git(call.root, "add", "inventories")
    git(call.root, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-qm", "B")
    second = saved(call, "second.json")
    code, out, _ = call("plan", "diff", first, second, vault=False)
    assert code == 0
    assert out.startswith("the same plan: sha256:")
    assert "commit, which no digest is over: " in out
    document = call.document("plan", "diff", first, second)[1]
    assert (document["same"], document["equal"], document["changes"]) == (True, True, [])
    assert [one["what"] for one in document["beside"]] == ["commit"]


def test_an_edit_that_moves_nothing_there_leaves_it_the_same(call: Terminal) -> None:
    call.other_channel()
    first = saved(call, "first.json")
    call.edit("facilities/bac-giang/kcl-bg-001.yml", "name: ", "name: Khu ")
    second = saved(call, "second.json")
    code, out, _ = call("plan", "diff", first, second)
    assert code == 0
    assert out.splitlines()[0] == "the same is done: what approved the first plan approves the second"
    assert "the inventory's content: sha256:" in out
    assert call("plan", "--check", first)[0] == 8, "the saved plan itself is stale: it is of another inventory"


def test_what_moved_is_named_with_who_is_cut(call: Terminal) -> None:
    call.other_channel()
    first = saved(call, "first.json")
    call.edit("inventory.yml", "viewers: 20", "viewers: 30")
    call.hosts.hosts[RELAY].viewers = dict.fromkeys(call.hosts.hosts[RELAY].viewers, 5)
    second = saved(call, "second.json", "--allow", "trust=1")
    code, out, _ = call("plan", "diff", first, second)
    assert code == 8
    lines = out.splitlines()
    assert lines[0].startswith("another plan: ")
    assert lines[1] == "trust:"
    assert "+ update trust limit viewers on " in out
    assert "viewers dropped: 2 → 5" in out
    assert "allowed, trust: no → 1" in out
    document = call.document("plan", "diff", first, second)[1]
    assert document["summary"]["trust"] >= 1
    assert document["summary"]["vanishes"] == 0
    code, markdown, _ = call("--output", "markdown", "plan", "diff", first, second)
    assert (code, markdown.startswith("### Another plan: ")) == (8, True)
    assert "**Trust:**" in markdown


def test_a_change_that_has_another_reason_shows_both(call: Terminal) -> None:
    call.other_channel()
    first = saved(call, "first.json")
    call.edit("facilities/bac-giang/kcl-bg-001.yml", "channel: 18", "channel: 19")
    parties = ["--by", "dic", "--by", "health", "--by", "carrier"]
    assert call("sign-off", "kcl-bg-001", *parties, "--on", "2021-06-02", "--source", "03/BB")[0] == 0
    second = saved(call, "second.json")
    code, document = call.document("plan", "diff", first, second)
    assert code == 8
    assert document["summary"]["differs"] == len(document["changes"]) > 0
    out = call("plan", "diff", first, second)[1]
    assert "is (" in out
    assert "  ~ update path bac-giang/kcl-bg-001/" in out


def test_what_a_plan_printed_is_taken_as_well(call: Terminal) -> None:
    call.other_channel()
    saved(call, "first.json")
    for words in (["--all"], []):
        Path("second.json").write_text(call("--output", "json", "plan", *words)[1], encoding="utf-8")
        assert call("plan", "diff", "first.json", "second.json")[1].startswith("the same plan: sha256:")


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[" * 5000])
def test_what_is_no_plan_is_said_with_8(call: Terminal, content: bytes) -> None:
    Path("odd.json").write_bytes(content)
    code, _, err = call("plan", "diff", "odd.json", "odd.json")
    assert (code, "odd.json is not a saved plan" in err) == (8, True)


def test_a_plan_that_was_edited_is_not_compared(call: Terminal) -> None:
    call.other_channel()
    whole = json.loads(Path(saved(call, "first.json")).read_text(encoding="utf-8"))
    whole["changes"][0]["reason"] = "nothing of consequence"
    Path("second.json").write_text(json.dumps(whole), encoding="utf-8")
    code, _, err = call("plan", "diff", "first.json", "second.json")
    assert (code, "its changes are not those of its digest" in err) == (8, True)


def test_the_plan_s_own_options_are_not_taken_beside_diff(call: Terminal) -> None:
    first = saved(call, "first.json")
    code, _, err = call("plan", "--out", "x.json", "diff", first, first)
    assert (code, "--out is of plan itself, not of plan diff" in err) == (2, True)
    assert not Path("x.json").exists()
    assert call("plan", "dif", first, first)[0] == 2


def test_files_that_cannot_be_read_are_named(call: Terminal) -> None:
    code, _, err = call("plan", "diff", "nowhere.json", "nowhere.json")
    assert (code, "nowhere.json cannot be read" in err) == (8, True)
