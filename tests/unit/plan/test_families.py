"""Plans of inventories with IPv6 and names: nothing is left to do after an apply, and what changes is named."""

from typing import Any

import pytest

from provisioner.inventory.model.inventory import Inventory
from provisioner.plan.change import Action, Change, Resource
from tests import inventories
from tests.plans import World, of

BOTH = ["198.51.100.0/27", "2001:db8:7::/48"]
RELAY = "relay-viettel-1"


def fleet(networks: list[str] = BOTH, centre: str = "203.0.113.31", **relay: Any) -> Inventory:
    carrier = inventories.carrier(management_networks=networks, relays=[inventories.relay(RELAY, 11, **relay)])
    own = inventories.centre(address=centre, management_networks=networks)
    return of({"kcl-bg-001": 1}, carriers=[carrier], centres=[own])


def applied(inventory: Inventory) -> World:
    world = World()
    world.apply(inventory)
    return world


def changes_of(world: World, inventory: Inventory) -> list[Change]:
    return [change for change in world.plan(inventory).plan.changes if change.action is not Action.NOOP]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"networks": BOTH[1:], "address": "2001:db8::b", "centre": "2001:db8::c"},
        {"address": "2001:db8::b", "endpoint": "2001:db8:1::b"},
        {"address": "relay.example.com", "endpoint_address": "2001:db8::b", "centre": "centre.example.com"},
        {"endpoint": "relay.example.com", "endpoint_address": "203.0.113.11"},
    ],
)
def test_after_an_apply_nothing_is_left_to_do(changes: dict[str, Any]) -> None:
    inventory = fleet(**changes)
    world = applied(inventory)
    assert changes_of(world, inventory) == []
    assert world.plan(inventory).plan.refused == ()


def test_the_same_addresses_in_other_forms_change_nothing() -> None:
    one = fleet(
        ["2001:db8:7::/48", "198.51.100.0/27"],
        address="2001:db8::b",
        endpoint="relay.example.com",
        endpoint_address="2001:db8::d",
    )
    other = fleet(
        ["2001:DB8:0007::/49", "198.51.100.0/28", "198.51.100.16/28", "2001:db8:7:8000::/49"],
        address="2001:0DB8:0:0::B",
        endpoint="Relay.Example.COM",
        endpoint_address="2001:db8:0:0:0:0:0:d",
    )
    assert changes_of(applied(one), other) == []


def test_a_relay_that_is_sent_to_over_ipv6_from_now_on_is_one_peer_and_its_sites() -> None:
    world, six = applied(fleet()), fleet(endpoint="2001:db8:1::b")
    assert [(c.host, c.resource, c.name) for c in changes_of(world, six) if c.resource is Resource.PEER] == [
        ("centre", Resource.PEER, f"relay/{RELAY}")
    ]
    (need,) = world.plan(six).plan.site_packages
    assert need.reason == "the relay's public address or port 203.0.113.11:51820 → [2001:db8:1::b]:51820"


def test_a_relay_that_moves_under_its_name_needs_no_package() -> None:
    world = applied(fleet(endpoint="relay.example.com", endpoint_address="203.0.113.11"))
    moved = fleet(endpoint="relay.example.com", endpoint_address="2001:db8::99")
    assert [c.name for c in changes_of(world, moved) if c.resource is Resource.PEER] == [f"relay/{RELAY}"]
    assert world.plan(moved).plan.site_packages == ()


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ({}, {"endpoint": "a.example.com", "endpoint_address": "203.0.113.11"}, "by address → a.example.com:51820"),
        (
            {"endpoint": "a.example.com", "endpoint_address": "203.0.113.11"},
            {"endpoint": "b.example.com", "endpoint_address": "203.0.113.11"},
            "a.example.com:51820 → b.example.com:51820",
        ),
        ({"endpoint": "a.example.com", "endpoint_address": "203.0.113.11"}, {}, "a.example.com:51820 → by address"),
    ],
)
def test_a_name_that_gateways_are_to_go_by_is_a_package_and_no_change_of_trust(
    before: dict[str, Any], after: dict[str, Any], reason: str
) -> None:
    world = applied(fleet(**before))
    (need,) = world.plan(fleet(**after)).plan.site_packages
    assert (need.facility, need.reason) == ("kcl-bg-001", f"the relay's endpoint {reason}")
    assert [c for c in changes_of(world, fleet(**after)) if c.resource is Resource.TRUST] == []


def test_another_name_or_network_of_ipv6_is_a_change_of_trust() -> None:
    world = applied(fleet(address="relay.example.com", endpoint="203.0.113.11"))
    other = fleet([*BOTH, "2001:db8:9::/64"], address="2001:db8::b", endpoint="203.0.113.11")
    trust = {c.name: c.reason for c in changes_of(world, other) if c.resource is Resource.TRUST and c.host == RELAY}
    assert trust == {
        "address": "relay.example.com → 2001:db8::b",
        "SSH from 2001:db8:9::/64": "new SSH could not come from there",
    }
