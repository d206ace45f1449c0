"""Every document is what its shipped schema says, and holds no field that the schema does not describe."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from provisioner.cli.main import run
from provisioner.cli.schemas import DOCUMENTS, document_schema
from tests.example_terminal import EXAMPLE
from tests.unit.cli.test_plan import RELAY, Terminal, call

__all__ = ["call"]  # the fixture
REPORTS = Path(__file__).parents[2] / "golden/report"


def closed(schema: Any) -> Any:
    """A schema that allows no field beyond those that it describes."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    described = isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema
    return inner | ({"additionalProperties": False} if described else {})


def holds(name: str, document: Any) -> None:
    """Check a document against its schema, and that it is the one it says it is."""
    assert document["schema"] == f"provisioner/{name}"
    validator(name).validate(document)


@cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    """What documents of a name are held against; that the schema is one is tested once, since it takes long."""
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(closed(document_schema(name)), format_checker=checker)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_schema_is_one_and_describes_every_field(name: str) -> None:
    schema = document_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["schema"] == {"const": f"provisioner/{name}"}
    wrongs: tuple[Any, ...] = ({}, {"schema": f"provisioner/{name}"}, [], None)
    for wrong in wrongs:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema).validate(wrong)


def test_documents_of_plans_are_as_their_schemas_say(call: Terminal) -> None:
    call.limit_viewers()
    call.other_channel()
    call.close("hai-duong/kcl-hd-001")
    call.hosts.hosts["relay-vnpt-1"].reachable = False
    for words in ([], ["--all"], ["--limit", "facility=kcl-bg-001"], ["--allow", "viewers=9"]):
        holds("plan", call.document("plan", *words)[1])
    assert call("plan", "--out", "plan.json")[0] == 6
    holds("plan", json.loads(Path("plan.json").read_text(encoding="utf-8")))
    holds("drift", call.document("drift")[1])
    holds("plan-check", call.document("plan", "--check", "plan.json")[1])
    call.hosts.hosts[RELAY].units.clear()
    holds("plan-check", call.document("plan", "--check", "plan.json")[1])
    holds("compare", call.document("plan", "--offline", "--against", "HEAD")[1])


def test_documents_of_applies_are_as_their_schemas_say(call: Terminal) -> None:
    holds("apply", call.document("apply", "--yes")[1])
    call.other_channel()
    assert call("plan", "--out", "plan.json")[0] == 0
    call.hosts.hosts["relay-vnpt-1"].units.clear()
    call.hosts.hosts["centre-hn"].reachable = False
    code, done = call.document("apply", "plan.json")
    assert code == 8
    assert {host["outcome"] for host in done["hosts"]} == {"applied", "not-started", "unreachable"}
    holds("apply", done)
    call.hosts.hosts["centre-hn"].reachable = True
    code, back = call.document("rollback", RELAY, "--yes")
    assert code == 0
    holds("rollback", back)


@pytest.mark.parametrize("name", ["all-up", "drifted", "mixed"])
def test_kept_reports_are_as_the_schema_says(name: str) -> None:
    holds("verify", json.loads((REPORTS / f"{name}.json").read_text(encoding="utf-8")))


def test_a_validation_and_errors_are_as_their_schemas_say(call: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    holds("validate", call.document("validate")[1])
    call.edit("facilities/bac-giang/kcl-bg-001.yml", "kind: school", "kind: castle")
    code, printed = call.document("validate")
    assert (code, bool(printed["problems"])) == (3, True)
    holds("validate", printed)
    holds("plan", call.document("plan")[1])
    holds("status", call.document("status")[1])
    holds("export", call.document("export", "progress")[1])
    holds("compare", call.document("plan", "--offline", "--against", "HEAD")[1])
    holds("apply", call.document("apply", "--yes")[1])
    call.edit("carriers/vnpt.yml", "relays:", "relais:")
    holds("error", call.document("plan")[1])
    holds("error", call.document("nonsense")[1])
    capsys.readouterr()
    assert run(["--output", "json", "-i", EXAMPLE, "plan", "--limit", "host=nobody"], {}) != 0
    holds("error", json.loads(capsys.readouterr().out))
