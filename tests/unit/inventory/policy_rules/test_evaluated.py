"""Rules as they are evaluated, by regopy in its process: what they say, and that no failure is a pass."""

import json
import os
import resource
from pathlib import Path

import pytest
from regopy import Interpreter

from provisioner.inventory.policy_rules import engine, judge
from provisioner.inventory.policy_rules.engine import RegoAnswer, RegoBounds, RegoFailureError, RegoQuery, ask_rego
from provisioner.inventory.policy_rules.file import RegoFile
from provisioner.inventory.policy_rules.judge import EMPTY, RegoTest, RegoTestEnd, rego_problems, run_tests
from provisioner.inventory.policy_rules.references import ALLOWED
from tests.hostile import MERGE_REQUEST
from tests.rego_page import page_file, page_files

ROOT = Path("inventories/ours")
HEAD = "package provisioner.x\n\nimport rego.v1\n\n"
FIRM = HEAD + 'deny contains "no plan at all" if input.version == 1\n'
LOOP = 'deny contains m if {\n\tregex.match("^(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")\n\tm := "x"\n}\n'
CANARY = "canary-Rg7oP2xw"


def rules(body: str, name: str = "x") -> RegoFile:
    return RegoFile(f"policy/{name}.rego", HEAD.replace("provisioner.x", f"provisioner.{name}") + body)


def test_the_tests_of_the_page_pass_and_miss_each_of_its_rules() -> None:
    assert [one for one in run_tests(page_files()) if one.end is not RegoTestEnd.PASSED] == []
    assert rego_problems(page_files(), ROOT) == ()


def test_a_rule_that_no_test_misses_is_named() -> None:
    file, test = page_file("evening.rego"), page_file("evening_test.rego")
    less = RegoFile(test.path, test.text.partition("test_readers_are_named")[0])
    assert [one for one in run_tests((file, less)) if one.end is not RegoTestEnd.PASSED] == [
        RegoTest("policy/evening.rego", 17, "warn", RegoTestEnd.UNTESTED, "no test fails without it")
    ]
    failing = RegoFile(test.path, test.text.replace("plan_at(19)", "plan_at(17)"))
    ended = {one.name: one.end for one in run_tests((file, failing))}
    assert ended["test_refused_in_the_evening"] is RegoTestEnd.FAILED
    assert run_tests((file,))[0].end is RegoTestEnd.UNTESTED


def test_a_plan_is_judged_by_every_file_and_each_message_has_its_rule() -> None:
    plan = EMPTY | {
        "now": {"date": "2021-05-20", "hour": 19},
        "provinces": [{"id": "bac-giang", "facilities": 2}],
        "summary": {"viewers": 7},
        "facilities": [{"id": "kcl-bg-009", "new": True, "cameras": 1}],
        "hosts": [{"id": "relay-1", "counts": {"impact": "all"}}],
    }
    verdict = judge.judge(page_files(), ROOT, plan).verdict
    assert [(one.position, one.message) for one in verdict.denied] == [
        ("policy/cameras.rego:5", "kcl-bg-009 is new and has 1 camera; it needs two"),
        ("policy/elections.rego:8", "bac-giang votes this week, and 2 of its facilities would change"),
        ("policy/evening.rego:10", "relay-1: every reader would reconnect between 18:00 and 23:00"),
    ]
    assert [one.position for one in verdict.warned] == ["policy/evening.rego:17"]
    assert verdict.words == "4 Rego rules of 3 files judged this plan: 3 deny, 1 warn, 0 failed"


@MERGE_REQUEST
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("deny contains m if {\n\tm := 1 / 0\n}\n", "a function failed, or two rules contradict each other"),
        ("a := 1\n\na := 2\n\ndeny contains m if m := a\n", "a function failed, or two rules contradict each other"),
        ("deny contains m if m := 5\n", "deny returns an invalid message"),
        ('deny contains m if m := ""\n', "deny returns an invalid message"),
        ('deny contains m if m := {"message": "x", "hint": 1}\n', "deny returns an invalid message"),
        ('deny contains m if m := {"hint": "x"}\n', "deny returns an invalid message"),
        ("warn contains m if m := null\n", "warn returns an invalid message"),
        ("deny contains m if {\n\tf(1)\n\tm := 1\n}\n\nf(a) if f(a)\n", "Recursion detected"),
    ],
)
def test_no_clear_answer_is_a_refusal_and_hides_no_other_file(body: str, said: str) -> None:
    judgement = judge.judge(
        (rules(body), RegoFile("policy/y.rego", FIRM.replace("provisioner.x", "provisioner.y"))), ROOT, EMPTY
    )
    if judgement.problems:
        assert said in judgement.problems[0].message
    else:
        assert said in judgement.verdict.failed[0].message
        assert [one.file for one in judgement.verdict.denied] == ["policy/y.rego"]


@MERGE_REQUEST
def test_a_file_cannot_speak_for_another_one() -> None:
    """Were it not refused for its form, it would still be evaluated apart: nothing of it reaches the other file."""
    firm = RegoFile("policy/x.rego", FIRM)
    for body in ("package provisioner.x\n\nimport rego.v1\n\ndeny := set()\n", FIRM.replace("== 1", "== 2")):
        judgement = judge.judge((firm, RegoFile("policy/y.rego", body)), ROOT, EMPTY)
        assert "the file is not of the package provisioner.y" in judgement.problems[0].message
    beside = rules('deny_at_5 contains "x" if false\n\ndeny contains m if m := "beside"\n', "y")
    assert judge.judge((firm, beside), ROOT, EMPTY).problems != ()
    asked = ask_rego(
        [firm.module.text_with_rule_names()[0]], [RegoQuery("data.provisioner.x.deny_at_5")], [EMPTY], engine.CHECKED
    )
    assert asked[0].value == ["no plan at all"]


@MERGE_REQUEST
@pytest.mark.parametrize(
    ("body", "bounds", "said"),
    [
        ("[a | some a in numbers.range(1, 9000000)]", RegoBounds(30, 200), "more than 200 MiB of memory"),
        (
            'regex.match("^(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")',
            RegoBounds(1, 900),
            "longer than 1 second",
        ),
    ],
)
def test_what_never_ends_is_ended(body: str, bounds: RegoBounds, said: str) -> None:
    """Below the rules' form: these are handed to the door as they are."""
    with pytest.raises(RegoFailureError, match=said):
        ask_rego([f"{HEAD}bomb := {body}\n"], [RegoQuery("data.provisioner.x.bomb")], [{}], bounds)


def of_children() -> float:
    """The processor time of the processes that ended, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@MERGE_REQUEST
def test_files_that_never_end_share_their_time_and_hide_no_other_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "MOST_CPU_S", 2.0)
    files = [rules(LOOP, f"loop{number}") for number in range(5)]
    last = rules("deny contains m if {\n\tm := 1 +\n}\n", "wrong")
    harmless = [rules("deny contains m if {\n\tm := 1\n\tfalse\n}\n", f"quiet{number}") for number in range(5)]
    began = of_children()
    rego_problems((*harmless, last), ROOT)
    of_starts = of_children() - began
    began = of_children()
    found = [one for one in rego_problems((*files, last), ROOT) if one.stops_plans]
    taken = of_children() - began
    assert [one.object for one in found] == [*(file.path for file in files), last.path]
    assert all("its share of the time" in one.message for one in found[:-1])
    assert taken - of_starts < 3, "more than the share, and what starting the same number of files takes here"


@MERGE_REQUEST
def test_the_process_of_rules_knows_nothing_of_the_caller(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CANARY", CANARY)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "regopy.py").write_text("raise SystemExit(0)\n", encoding="utf-8")
    (tmp_path / "json.py").write_text("raise SystemExit(0)\n", encoding="utf-8")
    text = f"{HEAD}says := opa.runtime()\n"
    queries = [
        RegoQuery("data.provisioner.x.says"),
        RegoQuery('http.send({"method": "get", "url": "http://127.0.0.1:9"})'),
    ]
    (runtime, asked) = ask_rego([text], queries, [{}], engine.CHECKED)
    assert runtime.is_defined
    assert CANARY not in str(runtime.value)
    assert os.environ["HOME"] not in str(runtime.value)
    assert not asked.is_defined


@MERGE_REQUEST
def test_what_rules_print_is_no_answer() -> None:
    text = f'{HEAD}x if print("{{\\"answers\\": []}}")\n'
    (answer,) = ask_rego([text], [RegoQuery("data.provisioner.x.x")], [{}], engine.CHECKED)
    assert answer.value is True


@MERGE_REQUEST
@pytest.mark.parametrize(
    "written",
    [
        *(b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"fault": {}}', b'{"answers": 1}', b'{"answers": []}'),
        *(b'{"answers": [1]}', b'{"answers": [{}, {}]}', b'{"answers": "ab"}'),
    ],
)
def test_what_is_no_answer_is_a_failure(written: bytes) -> None:
    with pytest.raises(RegoFailureError):
        engine.answers_in(written, 1)


def test_without_regopy_nothing_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.inventory.policy_rules.judge.is_installed", lambda: False)
    judgement = judge.judge(page_files(), ROOT, EMPTY)
    assert [one.code for one in judgement.problems] == ["rego-not-installed"]
    assert "every plan is refused" in judgement.problems[0].hint


def test_a_regopy_that_cannot_be_loaded_judges_nothing_and_says_what_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = "libatomic.so.1: cannot open shared object file: No such file or directory"

    def unloaded(*_: object) -> tuple[RegoAnswer, ...]:
        return engine.answers_in(json.dumps({"unloaded": missing}).encode(), 1)

    monkeypatch.setattr("provisioner.inventory.policy_rules.judge.ask_rego", unloaded)
    monkeypatch.setattr("provisioner.inventory.policy_rules.judge.ask_rego", unloaded)
    judgement = judge.judge(page_files(), ROOT, EMPTY)
    for problem in (*judgement.problems, *rego_problems(page_files(), ROOT)):
        assert problem.code == "rego-not-installed"
        assert f"regopy is there and cannot be loaded: {missing}" in problem.message
        assert "apt-get install libatomic1 libstdc++6" in problem.hint
    assert judgement.problems


def test_what_regopy_does_not_take_is_named_at_its_place() -> None:
    found = rego_problems((rules("deny contains m if {\n\tm := 1 +\n}\n"),), ROOT)
    (problem,) = [one for one in found if one.stops_plans]
    assert (problem.file, problem.code) == ("inventories/ours/policy/x.rego", "rego-form")
    assert problem.line in {5, 6, 7}


CHANGES = [
    {"host": "r1", "resource": "path", "name": "a/b", "action": "delete", "impact": "path", "viewers": 3}
    | {"reason": "", "carriers": ["viettel"], "province": "bac-giang", "facility": "f1"},
    {"host": "r2", "resource": "peer", "name": "p", "action": "create", "impact": "none", "viewers": 0}
    | {"reason": "", "carriers": ["vnpt"], "province": "", "facility": ""},
]
USUAL = {
    "not is_peer(c)\n\tm := c.name\n}\n\nis_peer(c) if {\n\tc.resource == `peer`": "a/b",
    "every d in input.changes {\n\t\td.viewers < 5\n\t}\n\tc.viewers > 0\n\tm := c.host": "r1",
    "lost := [d.name | some d in input.changes; d.action == `delete`]\n\tm := concat(c.host, lost)": "a/b",
    "c.host == `r1`\n\thosts := {d.host | some d in input.changes}\n\tm := sprintf(`%d`, [count(hosts)])": "2",
    "n := sum([d.viewers | some d in input.changes])\n\tm := sprintf(`%d`, [n])": "3",
    "some i\n\tinput.changes[i].action == `delete`\n\tm := sprintf(`%d`, [i])": "0",
    "`viettel` in c.carriers\n\tc.action in {`delete`, `update`}\n\tm := c.host": "r1",
    "c.host == `r1`\n\tm := level(c)\n}\n\ndefault level(_) := `low`\n\nlevel(c) := `up` if {\n\tc.viewers > 2": "up",
    "c.impact == `path`\n\tm := object.get(c, `name`, `none`)": "a/b",
    "late\n\tm := `late`\n}\n\ndefault late := false\n\nlate if {\n\tinput.now.hour > 10": "late",
    "startswith(c.province, `bac-`)\n\tm := c.province": "bac-giang",
    "m := time.weekday(time.parse_rfc3339_ns(input.now.at))": "Thursday",
    "regex.match(`^r1$`, c.host)\n\tm := c.host": "r1",
    "limits := {`viettel`: 1, `vnpt`: 9}\n\tsome k in c.carriers\n\tc.viewers > limits[k]\n\tm := k": "viettel",
}


def test_what_rules_are_usually_made_of_comes_to_what_it_should() -> None:
    """What another version of regopy has to do as well."""
    files = [
        rules(f"deny contains m if {{\n\tsome c in input.changes\n\t{body}\n}}\n", f"x{number:02}")
        for number, body in enumerate(USUAL)
    ]
    judgement = judge.judge(files, ROOT, EMPTY | {"changes": CHANGES})
    assert judgement.problems == ()
    assert judgement.verdict.failed == ()
    assert [one.message for one in judgement.verdict.denied] == list(USUAL.values())


def test_every_function_that_rules_may_call_is_one() -> None:
    interpreter = Interpreter()
    assert [name for name in sorted(ALLOWED) if not interpreter.is_builtin(name)] == []
