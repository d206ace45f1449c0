"""Statements about who reaches what hold a plan back, where the plan would change a host on the road."""

import json
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from provisioner.desired.render.host import NFT_FILE
from provisioner.desired.render.templates import Templates
from provisioner.inventory.loader.load import load
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.orders import Intents, Program, Service
from provisioner.plan.guards.reachability import problem_of
from provisioner.plan.reach import packets, roads
from provisioner.plan.reach.statements import ReachQuery, Statement, StatementResult
from tests import fleets, inventories
from tests.hostile import MERGE_REQUEST
from tests.plans import World, of

RELAY = "relay-viettel-1"
SITE = "kcl-bg-001"


def fleet(*intents: dict[str, Any], count: int = 1) -> Inventory:
    known = Intents.model_validate_json(json.dumps({"version": 1, "intents": intents}))
    return of({SITE: count}).model_copy(update={"intents": known.intents})


def of_intents(world: World, inventory: Inventory) -> list[str]:
    return [one.message for one in world.plan(inventory).plan.refused if one.policy == "intent"]


DENIED = {"id": "no-ssh", "deny": {"from": ["management"], "to": ["relays"], "services": ["ssh"]}, "reason": "a try"}


def test_a_plan_that_breaks_an_intent_is_refused_with_who_says_so_and_why() -> None:
    (message,) = of_intents(World(), fleet(DENIED))
    assert "intent no-ssh (a try) does not hold" in message
    assert f"management/viettel reaches ssh of relay/{RELAY}: {RELAY} input: ssh" in message


def test_a_plan_of_nothing_is_not_refused() -> None:
    world = World()
    world.apply(fleet())
    assert of_intents(world, fleet(DENIED)) == [], "nothing would change"


def test_what_holds_is_no_refusal() -> None:
    allowed = {"id": "ssh", "allow": {"from": ["management/viettel"], "to": ["relays"], "services": ["ssh"]}}
    assert of_intents(World(), fleet(allowed)) == []


def test_intents_are_no_change_of_a_host() -> None:
    world = World()
    world.apply(fleet())
    assert [c for c in world.plan(fleet(DENIED)).plan.changes if c.action.value != "noop"] == []


@MERGE_REQUEST
def test_a_template_that_opens_what_is_shut_is_refused_without_any_intent(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.apply(fleet())
    name, templates = "nftables/provisioner.nft.j2", fleets.templates()
    shut = "hook forward priority filter; policy "
    text = templates.texts[name].replace(f"{shut}drop", f"{shut}accept")
    monkeypatch.setattr(fleets, "templates", lambda: Templates({**templates.texts, name: text}, templates.host_sources))
    messages = of_intents(world, fleet())
    assert any("built-in statement sites-reach-nobody does not hold" in message for message in messages)


def test_no_allowance_settles_it() -> None:
    refused = [one for one in World().plan(fleet(DENIED)).plan.refused if one.policy == "intent"]
    assert [one.allow for one in refused] == [""]


@pytest.mark.parametrize(("place", "line"), [(0, 3), (1, 4), (None, 1)])
def test_a_broken_intent_is_shown_at_its_line_and_a_built_in_statement_at_the_inventory(
    tmp_path: Path, place: int | None, line: int
) -> None:
    intents = [DENIED, {**DENIED, "id": "no-ssh-2"}]
    text = "version: 1\nintents:\n" + "".join(f"  - {json.dumps(intent)}\n" for intent in intents)
    root = inventories.write_inventory(tmp_path)
    (root / "intents.yml").write_text(text)
    places = load(root, today=inventories.TODAY).places
    statement = Statement("no-ssh", allows=False, wanted=ReachQuery((), ()), place=place)
    problem = problem_of(places, StatementResult(statement, 1, ()))
    assert (Path(problem.file).name, problem.line) == ("inventory.yml" if place is None else "intents.yml", line)


@pytest.mark.parametrize(("service", "address"), [(Service.VIDEO, "10.91.0.1/32"), (Service.API, "127.0.0.1/32")])
def test_a_relay_asks_itself_for_pictures_at_its_tunnel_address_and_its_api_on_loopback(
    monkeypatch: pytest.MonkeyPatch, service: Service, address: str
) -> None:
    """MediaMTX listens for its Control API on loopback alone."""
    desired = fleets.state_of(fleet())
    (rules,) = (f.content.decode() for f in fleets.files_of(desired)[RELAY] if f.path == NFT_FILE)
    relay, asked = roads.RuledHost(desired.hosts[RELAY], lambda _: rules), list[Any]()
    real = roads._leaves  # noqa: SLF001 (the packet is the point)

    def leaves(host: Any, program: Any, targets: Any, port: int, **more: Any) -> Any:
        asked.append(targets)
        return real(host, program, targets, port, **more)

    monkeypatch.setattr(roads, "_leaves", leaves)
    roads.relay_to_itself(relay, Program.PROBE, service)
    assert asked == [packets.Networks((IPv4Network(address),))]
