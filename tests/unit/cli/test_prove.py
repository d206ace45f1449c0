"""`provisioner prove` as it is called: the matrix, the statements, what ends it with which code."""

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from provisioner.cli.config import document_schema
from provisioner.cli.main import run

EXAMPLE = Path(__file__).parents[3] / "inventories" / "example"


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    folder = tmp_path / "inventory"
    shutil.copytree(EXAMPLE, folder)
    return folder


def call(folder: Path, *words: str) -> int:
    return run(["-i", str(folder), *words], {"XDG_CACHE_HOME": str(folder.parent / "cache")})


def document(folder: Path, capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    assert call(folder, "--output", "json", "prove", *words) == code
    printed = json.loads(capsys.readouterr().out)
    assert isinstance(printed, dict)
    jsonschema.validate(printed, document_schema("prove"))
    return printed


def say(folder: Path, *intents: str) -> None:
    lines = "".join(f"  - {intent}\n" for intent in intents)
    (folder / "intents.yml").write_text(f"version: 1\nintents:\n{lines}", encoding="utf-8")


def test_it_needs_no_password_and_no_host(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = document(inventory, capsys)
    assert printed["summary"]["broken"] == printed["summary"]["about_nothing"] == 0
    reached = {(c["from"], c["program"], c["to"], c["service"]) for c in printed["cells"] if c["reaches"] == "yes"}
    assert ("internet", None, "relay/relay-viettel-1", "tunnel") in reached
    assert not [
        c
        for c in printed["cells"]
        if c["from"].startswith("sites") and c["reaches"] != "no" and c["service"] != "tunnel"
    ]
    assert {s["origin"] for s in printed["statements"]} == {"built-in", "intents.yml"}


def test_the_matrix_as_people_see_it(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(inventory, "prove", "--from", "internet", "--to", "relays") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["from", "programs", "to", "reaches", "does", "not", "reach"]
    assert out[1].split() == ["internet", "-", "relay/relay-viettel-1", "tunnel", "ssh,", "video,", "api,", "other"]
    assert out[-3:] == [
        "10 cells, 2 of them reached; no host was asked",
        "built-in statements: 15 hold",
        "intents.yml: 3 hold",
    ]


def test_why_names_the_rule(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(inventory, "prove", "--from", "centre/centre-hn", "--to", "relay/relay-vnpt-1", "--why") == 0
    assert "relay-vnpt-1 MediaMTX: login of centre-centre-hn" in capsys.readouterr().out


def test_a_broken_intent_ends_with_6_at_its_line(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(inventory, "{ id: shut, deny: { from: [internet], to: [relays], services: [tunnel] }, reason: a try }")
    assert call(inventory, "prove") == 6
    out, err = capsys.readouterr()
    assert f"{inventory}/intents.yml:3:" in err
    assert "intent shut (a try) does not hold: deny internet to relays (tunnel)" in err
    assert "internet reaches tunnel of relay/relay-viettel-1: relay-viettel-1 input: tunnel" in err
    assert out.splitlines()[-1] == "intents.yml: 0 hold, 1 DO NOT HOLD"


def test_an_intent_about_nothing_is_said_and_is_not_green(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(inventory, "{ id: idle, deny: { from: [relay/relay-vnpt-1], to: [site/kcl-bg-001] } }")
    assert call(inventory, "prove") == 1
    out, err = capsys.readouterr()
    assert "intent idle concerns no object of the inventory" in err
    assert out.splitlines()[-1] == "intents.yml: 0 hold, 1 about nothing that is there"
    printed = document(inventory, capsys, code=1)
    assert [s["holds"] for s in printed["statements"] if s["id"] == "idle"] == [None]


def test_a_place_that_is_not_there_is_wrong_usage(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(inventory, "prove", "--from", "site/kcl-bg-01") == 2
    err = capsys.readouterr().err
    assert "there is no place site/kcl-bg-01" in err
    assert "did you mean site/kcl-bg-001" in err


def test_an_intent_without_names_is_an_inventory_error(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(inventory, "{ id: lost, deny: { from: [site/kcl-bg-0001], to: [relays] } }")
    assert call(inventory, "prove") == 3
    assert "intent lost: site kcl-bg-0001 does not exist" in capsys.readouterr().err
