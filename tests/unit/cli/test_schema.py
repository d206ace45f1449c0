"""`provisioner schema`: one schema, all of them as files, or a list; and every document is what its schema says."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from provisioner.cli.config import DOCUMENTS, document_schema
from provisioner.cli.main import run
from provisioner.inventory.explanation.problems import PATTERN_HINTS
from provisioner.inventory.explanation.schema import KINDS, schema_of
from provisioner.inventory.model.base import Model
from provisioner.inventory.model.secrets import CarrierSecrets, InventorySecrets
from tests.document_schemas import holds
from tests.unit.cli.test_plan import Terminal, call

EDITORS = (Path(__file__).parents[3] / "docs/start/editors.md").read_text(encoding="utf-8")


def test_a_kind_is_printed_as_json_whatever_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    for options in ([], ["--output", "json"]):
        assert run([*options, "schema", "facility"], {}) == 0
        assert json.loads(capsys.readouterr().out) == schema_of("facility")


def test_all_are_written_under_the_names_of_the_guide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--output", "json", "schema", "--out", str(tmp_path / "new/folder")], {}) == 0
    written = [Path(path) for path in json.loads(capsys.readouterr().out)["written"]]
    assert {path.name for path in written} == set(re.findall(r"[a-z]+\.schema\.json", EDITORS))
    assert len(written) == len(KINDS)
    for path in written:
        assert json.loads(path.read_text(encoding="utf-8")) == schema_of(path.name.partition(".")[0])


def test_without_a_kind_the_kinds_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"], {}) == 0
    listed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in listed] == [*KINDS, *DOCUMENTS]
    assert ["facility", "facilities/*/*.yml"] in listed
    assert run(["--output", "json", "schema"], {}) == 0
    assert list(json.loads(capsys.readouterr().out)["kinds"]) == [*KINDS, *DOCUMENTS]


def test_the_schema_of_a_document_is_printed_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "plan"], {}) == 0
    assert json.loads(capsys.readouterr().out) == document_schema("plan")


def test_what_is_missing_or_unwritable_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "hospital"], {}) == 2
    (tmp_path / "file").touch()
    assert run(["schema", "--out", str(tmp_path / "file/x")], {}) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_every_hint_of_a_form_is_one_of_a_field_that_there_is() -> None:
    def patterns_in(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (text for key, text in node.items() if key == "pattern" and isinstance(text, str))
            yield from node.get("patternProperties", ())
        for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from patterns_in(value)

    models: tuple[type[Model], ...] = (*(model for model, _ in KINDS.values()), InventorySecrets, CarrierSecrets)
    patterns = {pattern for model in models for pattern in patterns_in(model.model_json_schema())}
    assert set(PATTERN_HINTS) - patterns == set()


__all__ = ["call"]  # the fixture
REPORTS = Path(__file__).parents[2] / "golden/report"


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


def test_a_saved_plan_is_as_its_schema_says(call: Terminal) -> None:
    call.limit_viewers()
    call.other_channel()
    assert call("plan", "--out", "plan.json")[0] == 6
    holds("plan", json.loads(Path("plan.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "words",
    [
        *("drift", "facility close kcl-bg-001 --on 2021-06-01 --dry-run", "facility next kcl-bg-001"),
        *("gateway installed kcl-bg-001 --as-desired", "hosts release relay-viettel-1 --yes"),
        *("import --template template.xlsx", "man --out man", "monitoring monitoring"),
        *("rollback relay-viettel-1 --yes", "schema --out schemas", "sign-off kcl-bg-001 --by dic --source minutes"),
        *("sign-off kcl-bg-001 --by dic --source minutes --statement", "site-package kcl-bg-001 --out sites"),
    ],
)
def test_what_no_other_test_prints_has_a_schema_that_fits(call: Terminal, words: str) -> None:
    """The document is held against its schema where it is printed, as in all tests."""
    code, document = call.document(*words.split())
    assert (code, document["schema"].removeprefix("provisioner/") in DOCUMENTS) == (0, True), document


@pytest.mark.parametrize("name", ["all-up", "drifted", "mixed"])
def test_kept_reports_are_as_the_schema_says(name: str) -> None:
    holds("verify", json.loads((REPORTS / f"{name}.json").read_text(encoding="utf-8")))
