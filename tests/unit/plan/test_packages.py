"""What makes the packages of sites old: a plan says which sites it is, and why."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from provisioner.base.secret import Secret
from provisioner.cli.plan_text import plan_lines
from provisioner.cli.support.terminal import Terminal
from provisioner.inventory.model.inventory import Inventory
from provisioner.plan.change import Impact, Resource
from provisioner.plan.document import plan_document
from provisioner.report.plan_markdown import plan_comment
from tests import fleets, inventories
from tests.plans import World, of
from tests.simulated import SimulatedHost
from tests.unit.cli.test_plan_text import Screen

RELAY = "relay-viettel-1"
SITES = {"kcl-bg-001": 1, "kcl-bg-002": 2}
BOTH = ["kcl-bg-001", "kcl-bg-002"]


@pytest.fixture
def world() -> World:
    world = World()
    world.apply(of(SITES))
    return world


def needs(world: World, inventory: Inventory) -> dict[str, str]:
    plan = world.plan(inventory).plan
    listed = plan_document(plan)["site_packages"]
    assert {need["relay"] for need in listed} <= {RELAY, "relay-viettel-2"}
    shown = "\n".join(plan_lines(plan, Terminal.of(Screen("utf-8", watched=False), {}, color=False)))
    comment = plan_comment(plan)
    for need in listed:
        assert need["facility"] in shown.split("new site packages", 1)[1]
        assert need["facility"] in comment
    assert ("new site packages" in shown) == bool(listed)
    return {need["facility"]: need["reason"] for need in listed}


def replaced(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a new machine in the relay's place, with a key of its own."""
    true_key = inventories.public_key
    monkeypatch.setattr(inventories, "public_key", lambda name: true_key(f"{name} again" if name == RELAY else name))
    lock = world.lock.model_copy(
        update={
            "relays": {
                name: entry.model_copy(update={"public_key": None} if name == RELAY else {})
                for name, entry in world.lock.relays.items()
            }
        }
    )
    world.lock = lock
    world.hosts.hosts[RELAY] = SimulatedHost()


def test_a_dead_relay_s_replacement_is_all_and_names_every_site(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(world, monkeypatch)
    plan = world.plan(of(SITES)).plan
    assert {need.facility: need.reason for need in plan.site_packages} == dict.fromkeys(
        BOTH, "the relay's public key is another one than before"
    )
    (unit,) = [c for c in plan.pending if c.host == RELAY and c.name == "provisioner-wg.service"]
    assert (unit.impact, "no site of it connects before it has a new package" in unit.reason) == (Impact.ALL, True)
    assert needs(world, of(SITES)).keys() == set(BOTH)


def test_a_first_installation_needs_no_new_package() -> None:
    assert needs(World(), of(SITES)) == {}


def test_an_empty_plan_and_an_edit_by_hand_need_none(world: World) -> None:
    assert needs(world, of(SITES)) == {}
    host = world.hosts.hosts[RELAY]
    key = next(key for key, peer in host.peers.items() if peer["allowed_ips"] == ["10.91.0.2/32"])
    host.peers[key]["psk"] = "another"
    host.link = {**(host.link or {}), "port": 1234}
    assert needs(world, of(SITES)) == {}, "what was changed by hand comes back as packages have it"


def test_a_key_that_only_the_relay_s_own_tunnel_knows_counts_too(world: World) -> None:
    world.hosts.hosts[RELAY].public_key = inventories.public_key("before")
    del world.hosts.hosts["centre"]
    assert needs(world, of(SITES)).keys() == set(BOTH)


def relays(**changes: Any) -> dict[str, Any]:
    return {"carriers": [inventories.carrier(relays=[inventories.relay(RELAY, 11, **changes)])]}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"wireguard_port": 51999}, "51820 → "),
        ({"endpoint": "198.51.100.77"}, "the relay's public address or port 203.0.113.11:51820 → 198.51.100.77:51820"),
    ],
    ids=["port", "address"],
)
def test_another_address_or_port_names_every_site(world: World, changes: Mapping[str, Any], reason: str) -> None:
    found = needs(world, of(SITES, **relays(**changes)))
    assert found.keys() == set(BOTH)
    assert all(reason in words for words in found.values())


def test_a_relay_that_answers_from_another_address_is_no_drift(world: World) -> None:
    inventory = of(SITES, **relays(endpoint="198.51.100.77"))
    world.apply(inventory)
    centre = world.hosts.hosts["centre"]
    (peer,) = [peer for peer in centre.peers.values() if peer["endpoint"]]
    assert peer["endpoint"] == "198.51.100.77:51820"
    peer["endpoint"], peer["handshake"] = "203.0.113.11:51820", int(time.time()) - 60
    assert world.plan(inventory).plan.pending == (), "its packets came from there"
    peer["handshake"] -= 200
    (silent,) = world.plan(inventory).plan.pending
    assert (silent.resource, silent.reason) == (Resource.PEER, "endpoint 203.0.113.11:51820 → 198.51.100.77:51820")
    other = world.plan(of(SITES, **relays(endpoint="198.51.100.78"))).plan.pending
    assert "endpoint 203.0.113.11:51820 → 198.51.100.78:51820" in {change.reason for change in other}


def dialling(*sites: str, port: int = 443, **changes: Any) -> Inventory:
    """The sites behind a relay with further ports, some of whose gateways dial one of them."""
    facilities = [
        fleets.facility(name, count, gateway=inventories.facility(name)["gateway"] | {"relay_port": port})
        if name in sites
        else fleets.facility(name, count)
        for name, count in SITES.items()
    ]
    offered = {"further_wireguard_ports": [443, 53]} | changes
    return inventories.inventory(facilities=facilities, **relays(**offered))


def test_another_port_that_a_gateway_dials_names_its_site_alone(world: World) -> None:
    assert needs(world, dialling()) == {}, "a port more is nobody's before a gateway dials it"
    reason = "the port of the relay that its gateway dials 51820 → 443"
    assert needs(world, dialling("kcl-bg-002")) == {"kcl-bg-002": reason}
    world.apply(dialling("kcl-bg-002"))
    assert needs(world, dialling("kcl-bg-002")) == {}
    assert needs(world, dialling("kcl-bg-002", port=53)) == {"kcl-bg-002": reason.replace("51820 → 443", "443 → 53")}
    assert needs(world, of(SITES)) == {"kcl-bg-002": reason.replace("51820 → 443", "443 → 51820")}
    trusted = [c for c in world.plan(dialling()).plan.pending if c.resource is Resource.TRUST]
    assert trusted == [], "nobody is trusted for a port"


def test_another_port_of_wireguard_itself_concerns_only_those_who_dial_it(world: World) -> None:
    world.apply(dialling("kcl-bg-002"))
    found = needs(world, dialling("kcl-bg-002", wireguard_port=51999))
    assert found.keys() == {"kcl-bg-001"}
    swapped = needs(world, dialling(wireguard_port=443, further_wireguard_ports=[51820]))
    assert swapped.keys() == {"kcl-bg-001"}, "443 is where the other one goes on to"


def test_a_renewed_pre_shared_key_names_its_site_and_cuts_its_paths(world: World) -> None:
    assert world.secrets is not None
    carrier = world.secrets.carriers["viettel"]
    renewed = carrier.model_copy(update={"site_psks": {**carrier.site_psks, "kcl-bg-002": Secret("A" * 43 + "=")}})
    world.secrets = world.secrets.model_copy(update={"carriers": {"viettel": renewed}})
    assert needs(world, of(SITES)) == {"kcl-bg-002": "its pre-shared key is another one"}
    (peer,) = [c for c in world.plan(of(SITES)).plan.pending if c.resource is Resource.PEER]
    assert (peer.name, peer.impact) == ("site/kcl-bg-002", Impact.PATH)


def test_a_new_device_of_a_site_names_it_and_a_new_stream_does_not(world: World) -> None:
    assert needs(world, of({"kcl-bg-001": 1, "kcl-bg-002": 3})).keys() == {"kcl-bg-002"}
    more = {"sub": {"width": 640, "height": 360}, "main": {"width": 1280, "height": 720}}
    cameras = [inventories.camera("cam-01", 11, streams=more)]
    sites = [fleets.facility("kcl-bg-001", cameras=cameras), fleets.facility("kcl-bg-002", 2)]
    assert needs(world, inventories.inventory(facilities=sites)) == {}


def test_a_site_that_goes_to_another_relay_or_is_closed_is_named() -> None:
    two = {
        "carriers": [
            inventories.carrier(relays=[inventories.relay(RELAY, 11), inventories.relay("relay-viettel-2", 12)])
        ]
    }
    world = World()
    world.apply(of(SITES, **two))
    plan = {"plan": {"state": "agreed", "carrier": "viettel", "relay": "relay-viettel-2"}}
    moved = [fleets.facility("kcl-bg-001", 1, **plan), fleets.facility("kcl-bg-002", 2)]
    found = needs(world, inventories.inventory(facilities=moved, **two))
    assert found == {"kcl-bg-001": f"relay-viettel-2 serves it from now on, instead of {RELAY}"}
    plan["plan"] |= {"relay": RELAY, "backup_relay": "relay-viettel-2"}
    backed = [fleets.facility("kcl-bg-001", 1, **plan), fleets.facility("kcl-bg-002", 2)]
    found = needs(world, inventories.inventory(facilities=backed, **two))
    assert found == {"kcl-bg-001": f"relay-viettel-2 serves it from now on, beside {RELAY}"}
    closed = [fleets.facility("kcl-bg-001", 1, operating="closed"), fleets.facility("kcl-bg-002", 2)]
    found = needs(world, inventories.inventory(facilities=closed, **two))
    assert found == {"kcl-bg-001": "no relay serves it any more: its package takes the gateway down"}
