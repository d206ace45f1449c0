"""What a file of Rego rules may say, found by its text alone: no slip of the pen lets a plan pass."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from provisioner.base.errors import Problem
from provisioner.inventory.policy_rules.file import RegoFile, parsed_module
from provisioner.inventory.policy_rules.judge import EMPTY, input_fields, rego_problems, static_faults
from provisioner.inventory.policy_rules.references import ALLOWED
from tests.hostile import MERGE_REQUEST
from tests.rego_page import PAGE, page_files

HEAD = "package provisioner.x\n\nimport rego.v1\n\n"
GOOD = HEAD + 'deny contains m if {\n\tsome c in input.changes\n\tc.impact == "all"\n\tm := c.host\n}\n'


def faults(text: str) -> list[Problem]:
    return static_faults(parsed_module("x", text))


def test_the_files_of_the_page_have_no_fault_and_each_has_tests() -> None:
    files = page_files()
    assert len(files) == 6
    assert rego_problems(files, Path("inventories/ours"), evaluates=False) == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("input.changes", "input.chnges", 6, "the plan has no chnges there, so that this never holds"),
        ("c.impact", "c.impct", 7, "the plan has no impct there"),
        ("c.impact", "d.impact", 7, "d is not declared"),
        ('"all"', '"al"', 7, 'c.impact is never "al"'),
        ('"all"', "3", 7, "c.impact is a text, and is compared with 3"),
        ("m := c.host", "m := host", 8, "host is not declared"),
        ("m := c.host", "m := c.host.id", 8, "the plan has no id there"),
        ("m := c.host", "m := upcase(c.host)", 8, "rules cannot call upcase"),
        ("m := c.host", "m := data.provisioner.y.deny", 8, "it reads data"),
        ("m := c.host", 'm := c["hst"]', 8, "the plan has no hst there"),
        ("m := c.host", "m := c.host\n\tcount(deny) == 0", 9, "a rule reads deny: only tests do"),
        ("m := c.host", "m := c.host with input as {}", 8, "it puts something in the place of the plan"),
        ("deny contains m", "denny contains m", 5, "denny is unused"),
        ("deny contains m if", "deny := m if", 5, "deny is no set of messages"),
        ("deny contains m if", "deny if", 5, "deny is no set of messages"),
        ("deny contains", "default deny := set()\n\ndeny contains", 5, "deny is no set of messages"),
        ("deny contains", "a.deny contains", 5, "a has more than a name as its head"),
        ("deny contains", "test_a if true\n\ndeny contains", 5, "test_a is a test, and stands among rules"),
        ("deny contains", "deny_at_5 contains", 5, "deny_at_5 is a name of provisioner's own"),
        ("some c in", "some input in", 6, "input is declared anew"),
        ("provisioner.x", "provisioner.y", 1, "the file is not of the package provisioner.x"),
        ("import rego.v1", "import rego.v1\nimport data.provisioner.y", 4, "it imports data.provisioner.y"),
        ("import rego.v1\n", "", 1, "the file does not import rego.v1"),
        ("deny contains", "package provisioner.y\n\ndeny contains", 5, "it names a second package"),
        ("c.host\n}", "c.host\n", 5, "this { is not closed"),
        ("c.host\n}", "c.host\n}}", 9, "this } is not opened"),
        ("m := c.host", 'm := $"{c.host}"', 8, "$ is not understood"),
        ("m := c.host", "m := " + "(" * 60 + "c" + ")" * 60, 8, "it is more than 40 brackets deep"),
    ],
)
def test_a_slip_is_named_at_its_line(old: str, new: str, line: int, said: str) -> None:
    assert faults(GOOD) == []
    found = faults(GOOD.replace(old, new, 1))
    assert any(fault.line == line and said in fault.message for fault in found), found
    assert all(fault.hint for fault in found)


@MERGE_REQUEST
@pytest.mark.parametrize(
    "call",
    [
        *("http.send({})", "opa.runtime()", "time.now_ns()", "rand.intn(1,2)", "net.lookup_ip_addr(c.host)", "walk(c)"),
        *("trace(c.host)", "uuid.rfc4122(c.host)", "io.jwt.decode(c.host)", "crypto.md5(c.host)"),
    ],
)
def test_no_rule_reaches_beyond_the_plan(call: str) -> None:
    (fault,) = faults(GOOD.replace("m := c.host", f"m := {call}"))
    assert (fault.line, fault.code) == (8, "rego-function")
    assert fault.message.startswith(f"rules cannot call {call.partition('(')[0]}: ")


@MERGE_REQUEST
@pytest.mark.parametrize("character", ["\u202e", "\u200b", "\r", "\x00", "\x1b", "\u2028"])
@pytest.mark.parametrize("place", ["# comment", '"all"', "some"])
def test_what_cannot_be_seen_is_in_no_rule(character: str, place: str) -> None:
    text = GOOD.replace("deny", "# comment\ndeny", 1).replace(place, place[:3] + character + place[3:], 1)
    assert any("cannot be seen" in fault.message or "not understood" in fault.message for fault in faults(text))


def test_what_cannot_be_told_of_an_argument_is_at_least_some_field() -> None:
    text = GOOD + "late(change) if change.{}\n\nwarn contains m if {{\n\tsome m in input.changes\n\tlate(m)\n}}\n"
    assert faults(text.replace("{}", "viewers").replace("{{", "{").replace("}}", "}")) == []
    (fault,) = faults(text.replace("{}", "viewer").replace("{{", "{").replace("}}", "}"))
    assert fault.hint == "did you mean viewers?"


def test_tests_are_about_one_plan_of_fields_that_there_are() -> None:
    rules = parsed_module("x", GOOD)

    def of(body: str) -> list[str]:
        module = parsed_module("x", HEAD + body, is_test=True)
        return [fault.message for fault in static_faults(module, rules)]

    assert of('test_a if count(deny) == 0 with input as {"changes": []}\n') == []
    assert "the plan has no chnges there" in of('test_a if count(deny) == 0 with input as {"chnges": []}\n')[0]
    assert (
        "test_a is about several plans"
        in of("test_a if {\n\tcount(deny) == 0 with input as {}\n\tcount(deny) == 1 with input as []\n}\n")[0]
    )
    assert "it replaces something else" in of("test_a if count(deny) == 0 with input.now as {}\n")[0]
    assert "test_a is there twice" in of("test_a if true\n\ntest_a if false\n")[0]
    assert "tests have no deny" in of('deny contains "x" if true\n')[0]
    own = of("test_a if {\n\tp := {}\n\tcount(deny) == 0 with input as p\n}\n")
    assert own == ["the plan of test_a is made of its own p"]


def test_the_page_lists_the_functions_that_there_are() -> None:
    listed = PAGE.read_text(encoding="utf-8").split("Functions are the file's own", 1)[1].split("- A test")[0]
    assert set(listed.split("`")[1::2]) == ALLOWED | {"set"}


def test_a_plan_of_nothing_has_every_field() -> None:
    assert set(EMPTY) == set(input_fields().names(input_fields().root))
    json.dumps(EMPTY)


def test_more_files_than_there_may_be_and_tests_of_nothing_are_problems() -> None:
    many = tuple(RegoFile(f"policy/a{number}.rego", GOOD) for number in range(41))
    (problem,) = rego_problems(many, Path("ours"), evaluates=False)
    assert problem.message == "policy holds more than 40 files of Rego"
    alone = rego_problems((RegoFile("policy/x_test.rego", HEAD),), Path("ours"), evaluates=False)
    assert "there are no rules x for these tests" in alone[0].message


def test_rules_without_tests_are_a_warning() -> None:
    (warning,) = rego_problems((RegoFile("policy/x.rego", GOOD),), Path("ours"), evaluates=False)
    assert (warning.code, warning.severity.value, warning.stops) == ("rego-untested", "warning", False)


def test_each_rule_that_judges_has_a_name_of_its_own_and_stays_in_its_line() -> None:
    for file in page_files():
        text, named = file.module.text_with_rule_names()
        assert text.count("\n") == file.text.count("\n")
        assert [rule.head.line for rule in named.values()] == [rule.head.line for rule in file.module.judging]
        assert all(text.splitlines()[rule.head.line - 1].startswith(f"{name} contains") for name, rule in named.items())
        assert all(a.head.line < b.head.line for a, b in pairwise(named.values()))


@MERGE_REQUEST
@pytest.mark.parametrize(
    "body",
    [
        "".join(f"r{number} := m{number}\n" for number in range(4000)),
        "deny contains m if m := input" + ".a" * 30_000,
        "deny contains m if m := " + "input[" * 39 + "1" + "]" * 39,
        *("(" * 60_000, '"' * 60_000, "`" * 59_999, "#" * 60_000, "deny contains x if {" + " x" * 30_000 + "}"),
    ],
)
def test_a_text_that_means_harm_costs_little_and_says_little(body: str) -> None:
    assert 0 < len(faults(HEAD + body)) <= 50
