"""What forges other than those of SARIF read: every problem is in it, once, and nothing of it is markup."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.errors import Problem, Severity
from provisioner.base.text import printable
from provisioner.cli.main import run
from provisioner.report.ci_formats import code_quality, junit_problems
from tests import inventories as make
from tests.unit.report.test_sarif import problems

AT = datetime(2021, 5, 12, tzinfo=UTC)
# What GitLab's documentation of the report asks of each entry.
ENTRY: dict[str, Any] = {
    "type": "object",
    "required": ["description", "check_name", "fingerprint", "severity", "location"],
    "properties": {
        "description": {"type": "string"},
        "check_name": {"type": "string", "minLength": 1},
        "fingerprint": {"type": "string", "minLength": 1},
        "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
        "location": {
            "type": "object",
            "required": ["path", "lines"],
            "properties": {
                "path": {"type": "string", "minLength": 1, "not": {"pattern": r"^(\./|/)"}},
                "lines": {"type": "object", "required": ["begin"], "properties": {"begin": {"minimum": 1}}},
            },
        },
    },
    "additionalProperties": False,
}


@given(st.lists(problems, max_size=6).map(lambda listed: [*listed, *listed[:2]]))
def test_every_problem_is_an_entry_of_its_own_for_gitlab(problems: list[Problem]) -> None:
    report = code_quality(problems, folder="/srv/checkout")
    jsonschema.validate(report, {"type": "array", "items": ENTRY})
    assert len({entry["fingerprint"] for entry in report}) == len(report) == len(problems)
    for problem, entry in zip(problems, report, strict=True):
        assert entry["description"].startswith(printable(problem.message))
        assert (entry["severity"] == "critical") == (problem.severity is Severity.ERROR)


def test_what_moves_to_another_line_is_the_same_for_gitlab() -> None:
    first, moved = (code_quality([Problem("a.yml", line, 1, "key-missing", "m")], folder="/")[0] for line in (1, 9))
    assert first["fingerprint"] == moved["fingerprint"]


@given(st.lists(problems, max_size=6).map(lambda listed: [*listed, *listed[:2]]))
def test_every_problem_is_a_case_and_only_without_errors_has_the_inventory_passed(problems: list[Problem]) -> None:
    whole = fromstring(junit_problems(problems, folder="/srv/checkout", at=AT))
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    cases = {(case.attrib["classname"], case.attrib["name"]): case for case in whole.iter("testcase")}
    assert len(cases) == len(problems) + 1, "each has a name of its own: those who read it keep one of a name"
    assert int(whole.attrib["failures"]) == errors + bool(errors)
    assert int(whole.attrib["skipped"]) == len(problems) - errors
    assert [name for (_, name), case in cases.items() if not len(case)] == ["the inventory has no error"] * (not errors)


def test_validate_writes_them_beside_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make.write_inventory(tmp_path / "inv", {"facilities/bac-giang/kcl-bg-001.yml": make.facility(colour="red")})
    monkeypatch.chdir(tmp_path)
    files = ("--code-quality", "quality.json", "--junit", "validate.xml")
    assert run(["-i", "inv", "--output", "json", "validate", *files], {}) == 3
    printed = json.loads(capsys.readouterr().out)["problems"]
    report = json.loads(Path("quality.json").read_text(encoding="utf-8"))
    assert [(entry["check_name"], entry["location"]["path"]) for entry in report] == [
        (problem["code"], problem["file"] or ".") for problem in printed
    ]
    assert all(Path(entry["location"]["path"]).exists() for entry in report)
    whole = fromstring(Path("validate.xml").read_text(encoding="utf-8"))
    assert len(list(whole.iter("testcase"))) == len(printed) + 1


@pytest.mark.parametrize("option", ["--code-quality", "--junit"])
def test_one_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
    root = make.write_inventory(tmp_path / "inv")
    assert run(["-i", str(root), "validate", option, str(tmp_path / "no/such/file")], {}) == 2
    assert "cannot be written" in capsys.readouterr().err
