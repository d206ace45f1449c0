"""`provisioner schema`: one schema, all of them as files, or the list of kinds."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.cli.config import DOCUMENTS, document_schema
from provisioner.cli.main import run
from provisioner.inventory.explanation.problems import PATTERN_HINTS
from provisioner.inventory.explanation.schema import KINDS, schema_of
from provisioner.inventory.model.base import Model
from provisioner.inventory.model.secrets import CarrierSecrets, InventorySecrets

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

    models: tuple[type[Model], ...] = (*KINDS.values(), InventorySecrets, CarrierSecrets)
    patterns = {pattern for model in models for pattern in patterns_in(model.model_json_schema())}
    assert set(PATTERN_HINTS) - patterns == set()
