"""Rego rules as they are called: `policy`, `validate`, `plan` and `apply`, on hosts in memory."""

import json
import os
from pathlib import Path

import pytest

from provisioner.inventory.policy_rules.references import ALLOWED
from tests.example_terminal import git
from tests.hostile import MERGE_REQUEST
from tests.prepared import prepared
from tests.rego_page import page_file
from tests.unit.cli.test_plan import RELAY, Terminal
from tests.unit.cli.test_plan import call as example

__all__ = ["example"]  # the fixture

CANARY = "canary-Rg3mTq9v"
RULES = """package provisioner.channels

import rego.v1

deny contains {"message": message, "hint": "ask the head of the NOC"} if {
	some change in input.changes
	change.resource == "path"
	change.facility == "kcl-bg-001"
	message := sprintf("%s is not to be touched", [change.name])
}

warn contains message if {
	some facility in input.facilities
	message := sprintf("%s has %d cameras, and %s", [facility.id, facility.cameras, facility.counts.impact])
}
"""
TESTS = """package provisioner.channels

import rego.v1

plan := {
	"changes": [{"resource": "path", "facility": "kcl-bg-001", "name": "a"}],
	"facilities": [{"id": "kcl-bg-001", "cameras": 3, "counts": {"impact": "path"}}],
}

test_one_facility_stays if count(deny) == 1 with input as plan

test_facilities_are_named if warn == {"kcl-bg-001 has 3 cameras, and path"} with input as plan
"""


def write(call: Terminal, name: str, text: str) -> None:
    call.file("policy").mkdir(exist_ok=True)
    call.file(f"policy/{name}").write_text(text, encoding="utf-8")


@pytest.fixture
def call(example: Terminal) -> Terminal:
    """The example with rules that were applied everywhere."""

    def rule() -> None:
        write(example, "channels.rego", RULES)
        write(example, "channels_test.rego", TESTS)
        assert example("apply", "--yes")[0] == 0

    prepared(example.root, example.hosts, "ruled-example", rule)
    return example


def test_rules_are_tested_and_each_test_is_shown(call: Terminal) -> None:
    code, out, _ = call("policy", "test", vault=False)
    assert code == 0
    assert "passed policy/channels_test.rego:10 test_one_facility_stays\n" in out
    assert out.endswith("passed: 2 tests, 2 Rego rules, each missed by a test\n")
    code, document = call.document("policy", "test", vault=False)
    assert (code, document["ok"], document["files"]) == (0, True, ["policy/channels.rego"])
    write(call, "channels_test.rego", TESTS.replace("== 1", "== 2"))
    code, out, _ = call("policy", "test", vault=False)
    assert code == 1
    assert "failed policy/channels_test.rego:10 test_one_facility_stays: its conditions do not all hold" in out
    assert out.endswith("failed: 1 test; 1 test passed, 2 Rego rules\n")
    write(call, "channels_test.rego", TESTS.partition("test_facilities")[0])
    code, out, _ = call("policy", "test", vault=False)
    assert code == 1
    assert "untested policy/channels.rego:12 warn: no test fails without it" in out
    assert out.endswith("untested: 1 Rego rule, which no test misses; 1 test passed, 2 Rego rules\n")


def test_what_a_rule_denies_is_refused_with_its_place_and_touches_nothing(call: Terminal) -> None:
    call.other_channel()
    writes = call.hosts.hosts[RELAY].writes
    code, plan = call.document("plan", "--out", "plan.json")
    assert code == 6
    assert plan["rego"] == {"files": 1, "rules": 2, "denied": 1, "warned": 1, "failed": 0}
    assert plan["refused"] == [
        {
            "policy": "rego",
            "limit": None,
            "value": None,
            "host": "",
            "message": "policy/channels.rego:5: bac-giang/kcl-bg-001/cam-03/sub is not to be touched",
            "hint": "ask the head of the NOC",
        }
    ]
    (warning,) = plan["warnings"]
    assert (warning["file"], warning["line"], warning["code"]) == ("policy/channels.rego", 12, "rego-warns")
    assert warning["message"] == "kcl-bg-001 has 4 cameras, and path"
    note = "2 Rego rules of 1 file judged this plan: 1 deny, 1 warn, 0 failed"
    assert note in plan["notes"]
    assert f"note: {note}" in call("plan")[1]
    assert note in call("--output", "markdown", "plan")[1]
    compared = call.document("plan", "--offline", "--against", "HEAD", vault=False)[1]
    assert [one["policy"] for one in compared["refused"] if one["policy"] == "rego"] == ["rego"]
    for words in (("apply", "plan.json"), ("apply", "--yes")):
        code, _, err = call(*words)
        assert code == 6
        assert "policy/channels.rego:5: bac-giang/kcl-bg-001/cam-03/sub is not to be touched" in err
    assert call.hosts.hosts[RELAY].writes == writes
    assert call("drift")[0] == 10


def test_what_rules_see_is_printed_as_its_schema_says(call: Terminal) -> None:
    call.other_channel()
    code, out, _ = call("policy", "input")
    assert code == 0
    document = json.loads(out)
    (facility,) = document["facilities"]
    assert (facility["id"], facility["new"], facility["carriers"]) == ("kcl-bg-001", False, ["viettel"])
    assert document["hosts"][0]["kind"] == "relay"


@MERGE_REQUEST
@pytest.mark.parametrize("edit", ["removed", "emptied", "comment"])
def test_a_request_cannot_take_a_rule_away_by_itself(call: Terminal, edit: str) -> None:
    call.other_channel()
    file = call.file("policy/channels.rego")
    if edit == "removed":
        file.unlink()
        call.file("policy/channels_test.rego").unlink()
    else:
        new = RULES.replace('"kcl-bg-001"', '"kcl-bg-009"') if edit == "emptied" else f"# {RULES}"
        file.write_text(
            new if edit == "emptied" else RULES.replace("some change", "# c\n\tsome change", 1), encoding="utf-8"
        )
    code, plan = call.document("plan")
    assert code == 6
    assert "trust" in {one["policy"] for one in plan["refused"]}
    names = {change["name"] for change in plan["changes"] if change["resource"] == "trust"}
    assert names == {"Rego rules channels.rego"}
    code, _, err = call("apply", "--yes")
    assert code == 6
    assert "1 change of trust (Rego rules channels.rego on" in err
    assert call("plan", "--allow", "trust=1")[0] == (6 if edit == "comment" else 0)


def test_a_new_rule_needs_no_trust_and_holds_at_once(call: Terminal) -> None:
    call.other_channel()
    write(call, "channels.rego", RULES)
    write(call, "firm.rego", RULES.replace("provisioner.channels", "provisioner.firm"))
    code, plan = call.document("plan")
    assert code == 6
    assert {one["policy"] for one in plan["refused"]} == {"rego"}
    assert len(plan["refused"]) == 2


def test_a_rule_that_does_not_compile_stops_plans_and_nothing_else(call: Terminal) -> None:
    write(call, "channels.rego", RULES.replace("change.resource", "change.resourc"))
    code, out, _ = call("validate")
    assert code == 3
    place = "inventories/example/policy/channels.rego:7:9"
    assert f"error: {place}: policy/channels.rego: the plan has no resourc there, so that this never holds" in out
    for words in (("plan",), ("apply", "--yes"), ("plan", "--offline", "--against", "HEAD"), ("policy", "test")):
        code, _, err = call(*words)
        assert code == 3
        assert place in err
    assert call("drift")[0] == 10  # the file of the policy that hosts keep
    assert call("status")[0] == 0


def test_an_inventory_without_rules_is_as_before(example: Terminal) -> None:
    code, plan = example.document("plan")
    assert (code, plan["rego"], plan["notes"]) == (0, None, [])
    assert "rego" not in json.loads(example.hosts.hosts[RELAY].files["/etc/provisioner/policy.json"][0])
    code, out, _ = example("policy", "test", vault=False)
    assert (code, out) == (0, "no Rego rules in policy/\n")


@MERGE_REQUEST
@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("policy/link.rego", "link", "link-outside"),
        ("policy/pipe.rego", "pipe", "file-unexpected"),
        ("policy/folder.rego", "folder", ""),
        ("policy/Big.rego", "file", "file-unexpected"),
        ("policy/below/x.rego", "file", "file-unexpected"),
        ("rules.rego", "file", "file-unexpected"),
        ("policy/huge.rego", "huge", "rego-form"),
        ("policy/bytes.rego", "bytes", "rego-form"),
        ("policy", "linked", "link-outside"),
    ],
)
def test_files_that_are_none_are_named_and_quote_nothing(example: Terminal, name: str, kind: str, code: str) -> None:
    secret = example.root / "secret.rego"
    secret.write_text(f"{CANARY} is not\n", encoding="utf-8")
    path = example.file(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    contents = {"file": RULES.encode(), "huge": b"#" * 70_000, "bytes": b"\xff\xfe"}
    if kind in contents:
        path.write_bytes(contents[kind])
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(secret if kind == "link" else example.root)
    ended, document = example.document("validate", vault=False)
    codes = {problem["code"] for problem in document["problems"] if name in problem["file"]}
    assert codes == ({code} if code else set())
    assert ended == (3 if code else 0)
    assert CANARY not in json.dumps(document)


def test_rules_of_the_page_judge_an_older_revision_as_well(example: Terminal) -> None:
    """A revision's rules are laid out with it: what did not move of them is compared as ever."""
    for name in ("cameras.rego", "cameras_test.rego"):
        write(example, name, page_file(name).text)
    git(Path(), "add", "inventories")
    git(Path(), "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-qm", "B")
    example.edit("facilities/bac-giang/kcl-bg-001.yml", "channel: 17", "channel: 18")
    code, plan = example.document("plan", "--offline", "--against", "HEAD", vault=False)
    assert code in {0, 3}
    assert plan["rego"] == {"files": 1, "rules": 1, "denied": 0, "warned": 0, "failed": 0}
    assert not [change for change in plan["changes"] if change["resource"] == "trust"]


def test_its_help_lists_every_function_that_rules_may_call(example: Terminal) -> None:
    code, text, _ = example("policy", "--help", vault=False)
    listed = text.partition("and these:")[2].partition("Options:")[0]
    assert code == 0
    assert {word.strip(".,") for word in listed.split()} == ALLOWED | {"set"}
