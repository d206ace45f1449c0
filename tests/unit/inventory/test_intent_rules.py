"""Intents in the inventory: what is refused, with a place and a hint."""

import json
from pathlib import Path
from typing import Any

import pytest

from provisioner.inventory.files.positions import Places
from provisioner.inventory.loader.load import load
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.orders import Intents
from provisioner.inventory.rules import check
from tests import fleets
from tests import inventories as make


def intent(name: str = "one", word: str = "deny", /, **traffic: Any) -> dict[str, Any]:
    return {"id": name, word: {"from": ["sites"], "to": ["relays"]} | traffic}


def with_intents(*intents: dict[str, Any]) -> Inventory:
    known = Intents.model_validate_json(json.dumps({"version": 1, "intents": intents}))
    return fleets.complete(make.inventory()).model_copy(update={"intents": known.intents})


def problems(*intents: dict[str, Any]) -> list[tuple[str, str]]:
    known = check(with_intents(*intents), Places({}), make.TODAY)
    return [(p.code, p.severity.value) for p in known if p.code.startswith("intent-")]


def test_intents_in_order_are_no_problem() -> None:
    named = intent("two", "allow", **{"from": ["management/viettel", "centre/centre"], "to": ["relay/relay-viettel-1"]})
    places = intent("three", **{"from": ["site/kcl-bg-001"], "to": ["province/bac-giang", "internet"]})
    assert problems(intent(), named, places, intent("four", services=["ssh", "other"])) == []


@pytest.mark.parametrize(
    ("intents", "codes"),
    [
        ([intent(), intent()], ["intent-twice", "intent-twice"]),
        ([intent(to=["site/kcl-bg-999"])], ["intent-name-unknown"]),
        ([intent(to=["province/ha-noi"])], ["intent-name-unknown"]),
        ([intent(**{"from": ["relay/viettel"]})], ["intent-name-unknown"]),
        ([intent(**{"from": ["centre/viettel"]})], ["intent-name-unknown"]),
        ([intent(**{"from": ["management/relay-viettel-1"]})], ["intent-name-unknown"]),
        ([intent(services=["cameras"])], ["intent-service-unknown"]),
        ([intent(to=["internet"], services=["ssh"])], ["intent-service-unknown"]),
        ([intent(to=["sites"], services=["video"])], ["intent-service-unknown"]),
        ([intent(to=["sites", "relays"], services=["video"])], []),
    ],
)
def test_intents_that_could_hold_nothing_back_are_errors(intents: list[dict[str, Any]], codes: list[str]) -> None:
    assert problems(*intents) == [(code, "error") for code in codes]


def test_a_misspelt_name_is_asked_about() -> None:
    misspelt = with_intents(intent(to=["site/kcl-bg-01"]))
    (problem,) = [p for p in check(misspelt, Places({}), make.TODAY) if "intent" in p.code]
    assert "kcl-bg-001" in problem.hint


@pytest.mark.parametrize(
    "says",
    [
        *("deny: { from: [sites], to: [sites] }, allow: { from: [sites], to: [sites] }", "reason: nothing"),
        *("deny: { from: [anywhere], to: [sites] }", "deny: { from: [sites], to: [management] }"),
        *("deny: { from: [], to: [sites] }", "deny: { from: [sites], to: [sites], services: [http] }"),
        "deny: { from: [sites], to: ['site/../x'] }",
    ],
)
def test_what_is_no_intent_is_refused_with_its_line(tmp_path: Path, says: str) -> None:
    make.write_files(tmp_path, {"inventory.yml": make.settings()})
    text = "version: 1\nintents:\n  - { id: one, " + says + " }\n"
    (tmp_path / "intents.yml").write_text(text, encoding="utf-8")
    known = [p for p in load(tmp_path, today=make.TODAY).problems if p.object == "intents"]
    assert known
    assert {p.line for p in known} == {3}
