"""Every document is what its shipped schema says, and holds no field that the schema does not describe."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from provisioner.cli.config import DOCUMENTS, document_schema
from tests.document_schemas import holds
from tests.unit.cli.test_plan import Terminal, call

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
