"""SARIF: every problem is a result with a rule, a relative URI and a 1-based region, and nothing else is."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.errors import Problem, Severity
from provisioner.base.text import printable
from provisioner.cli.main import run
from provisioner.report.ci_formats import sarif_log
from provisioner.report.problem_catalogue import CATALOGUE
from tests import inventories as make

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
STRING = {"type": "string"}


def closed(optional: dict[str, Any] | None = None, /, **required: Any) -> dict[str, Any]:
    """An object with these properties and no other."""
    properties = required | (optional or {})
    return {"type": "object", "required": [*required], "properties": properties, "additionalProperties": False}


PLACE = closed(
    {"region": closed(startLine={"type": "integer", "minimum": 1}, startColumn={"type": "integer", "minimum": 1})},
    artifactLocation=closed(
        uri={"type": "string", "pattern": r"^[A-Za-z0-9._~/%-]+$"}, uriBaseId={"const": "%SRCROOT%"}
    ),
)
RESULT = closed(
    {"properties": {"type": "object"}},
    ruleId=STRING,
    ruleIndex={"type": "integer", "minimum": 0},
    level={"enum": ["error", "warning"]},
    message=TEXT,
    locations={"type": "array", "maxItems": 1, "items": closed(physicalLocation=PLACE)},
    partialFingerprints={"type": "object", "additionalProperties": STRING},
)
RULE = closed(
    id=STRING,
    name={"type": "string", "pattern": "^([A-Z][a-z0-9]*)+$"},
    shortDescription=TEXT,
    help=closed(text=STRING, markdown=STRING),
)
RULES = {"type": "array", "uniqueItems": True, "items": RULE}
RUN = closed(
    {
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "originalUriBaseIds": {"type": "object"},
        "invocations": {"items": {"type": "object", "required": ["executionSuccessful"]}},
    },
    tool=closed(driver=closed(name={"const": "provisioner"}, version=STRING, rules=RULES)),
    results={"type": "array", "items": RESULT},
)
# What the specification (SARIF 2.1.0, 3.13 and on) asks of the objects that are written here.
SHAPE = closed(**{"$schema": STRING, "version": {"const": "2.1.0"}, "runs": {"minItems": 1, "maxItems": 1}})


def assert_sound(log: dict[str, Any]) -> None:
    jsonschema.validate(log, SHAPE)
    (one,) = log["runs"]
    jsonschema.validate(one, RUN)
    rules = one["tool"]["driver"]["rules"]
    assert [rules[result["ruleIndex"]]["id"] for result in one["results"]] == [r["ruleId"] for r in one["results"]]
    assert {rule["id"] for rule in rules} == {result["ruleId"] for result in one["results"]}


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
problems = st.builds(
    Problem,
    file=st.just("") | st.text("abé/ %#?\U0001f600", min_size=1, max_size=12).filter(lambda path: path.strip("/.")),
    line=st.integers(0, 99),
    column=st.integers(0, 99),
    code=st.sampled_from([*CATALOGUE, "not-in-the-catalogue"]),
    message=texts,
    hint=st.just("") | texts,
    object=st.sampled_from(["", "facility/kcl-bg-001"]),
    severity=st.sampled_from(Severity),
)


@given(st.lists(problems, max_size=6))
def test_any_problems_give_a_sound_log(problems: list[Problem]) -> None:
    log = sarif_log(problems, version="1.0", folder="/srv/checkout")
    assert_sound(log)
    results = log["runs"][0]["results"]
    assert len(results) == len(problems)
    for problem, result in zip(problems, results, strict=True):
        assert result["level"] == problem.severity.value
        assert result["message"]["text"].startswith(printable(problem.message).replace("](", "] ("))
        assert bool(result["locations"]) == bool(problem.file)


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("inv/a.yml", "inv/a.yml"),
        ("/srv/checkout/inv/a.yml", "inv/a.yml"),
        ("./inv/a.yml", "inv/a.yml"),
        ("/srv/other/a.yml", "../other/a.yml"),
        ("inv/tên lạ%.yml", "inv/t%C3%AAn%20l%E1%BA%A1%25.yml"),
    ],
)
def test_files_are_named_relative_to_where_the_command_was_run(file: str, uri: str) -> None:
    log = sarif_log([Problem(file, 1, 1, "key-missing", "m")], version="1.0", folder="/srv/checkout")
    (result,) = log["runs"][0]["results"]
    written = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert written == uri
    assert not re.match(r"^[a-z]+:|^/", written)


def test_a_problem_keeps_its_fingerprint_when_it_moves_to_another_line() -> None:
    prints = [
        sarif_log([Problem("a.yml", line, 1, code, "m")], version="1", folder="/")["runs"][0]["results"][0]
        for line, code in ((1, "key-missing"), (9, "key-missing"), (1, "key-unknown"))
    ]
    first, moved, other = (result["partialFingerprints"] for result in prints)
    assert first == moved != other


def test_validate_writes_every_problem_that_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make.write_inventory(tmp_path / "inv", {"facilities/bac-giang/kcl-bg-001.yml": make.facility(colour="red")})
    monkeypatch.chdir(tmp_path)
    code = run(["-i", "inv", "--output", "json", "validate", "--sarif", "out.sarif"], {})
    assert code == 3
    printed = json.loads(capsys.readouterr().out)["problems"]
    log = json.loads(Path("out.sarif").read_text(encoding="utf-8"))
    assert_sound(log)
    results = log["runs"][0]["results"]
    assert [result["ruleId"] for result in results] == [problem["code"] for problem in printed]
    for result, problem in zip(results, printed, strict=True):
        if problem["file"]:
            physical = result["locations"][0]["physicalLocation"]
            assert Path(unquote(physical["artifactLocation"]["uri"])).is_file()
            region = {"startLine": problem["line"], "startColumn": problem["column"]}
            assert physical.get("region", {"startLine": 0, "startColumn": 0}) == region


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make.write_inventory(tmp_path / "inv")
    assert run(["-i", str(root), "validate", "--sarif", str(tmp_path / "no/such/out.sarif")], {}) == 2
    assert "cannot be written" in capsys.readouterr().err
