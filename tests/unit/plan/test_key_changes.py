"""A gateway whose key is changed, in plans: both keys are the site's, nothing is cut, and trust is asked for once."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.inventory.model.inventory import Inventory
from provisioner.plan.change import Action, Change, Impact, Resource
from provisioner.plan.diff import trust
from tests import fleets, inventories
from tests.plans import World
from tests.simulated import SimulatedHost

RELAY, SITE = "relay-viettel-1", "kcl-bg-001"
OLD = inventories.facility(SITE)["gateway"]["public_key"]
NEW = inventories.public_key("the next key")
ADDRESS = "10.91.0.2/32"


def inventory(key: str = OLD, following: str | None = None) -> Inventory:
    """Two sites, of which the one has a key, and perhaps one that follows it."""
    site = fleets.facility(SITE, 1)
    site["gateway"]["public_key"] = key
    if following is not None:
        site["gateway"]["next_key"] = {"since": "2021-05-09"} | ({"public_key": following} if following else {})
    return inventories.inventory(facilities=[site, fleets.facility("kcl-bg-002", 1)])


@pytest.fixture
def world() -> World:
    world = World()
    world.apply(inventory())
    world.watch(RELAY, {f"bac-giang/{SITE}/cam-01/sub": 2})
    return world


def relay(world: World) -> SimulatedHost:
    return world.hosts.hosts[RELAY]


def pending(world: World, wanted: Inventory, resource: Resource) -> list[Change]:
    return [c for c in world.plan(wanted).plan.pending if c.resource is resource]


def speak(world: World, key: str) -> None:
    relay(world).handshakes[key] = max(relay(world).handshakes.values(), default=0) + 1
    relay(world).settle()


def test_a_next_key_that_nobody_reported_changes_no_host(world: World) -> None:
    assert not world.plan(inventory(following="")).plan.pending


def test_a_next_key_is_a_peer_without_an_address_and_trusted_once(world: World) -> None:
    (peer,) = pending(world, inventory(following=NEW), Resource.PEER)
    assert (peer.name, peer.action, peer.impact, peer.facility) == (f"next/{SITE}", Action.CREATE, Impact.HOT, SITE)
    (trust,) = pending(world, inventory(following=NEW), Resource.TRUST)
    assert (trust.name, trust.reason) == (f"key of next/{SITE}", f"{OLD} → {NEW}")
    world.apply(inventory(following=NEW))
    assert relay(world).peers[NEW]["allowed_ips"] == []
    assert relay(world).peers[OLD]["allowed_ips"] == [ADDRESS]
    speak(world, NEW)
    assert pending(world, inventory(NEW), Resource.TRUST) == []
    (again,) = pending(world, inventory(OLD, inventories.public_key("another")), Resource.TRUST)
    assert again.name == f"key of next/{SITE}", "another next key is trusted anew"


@pytest.mark.parametrize("spoke", [(), (NEW,), (NEW, OLD)])
def test_who_has_the_address_meanwhile_is_no_difference(world: World, spoke: tuple[str, ...]) -> None:
    world.apply(inventory(following=NEW))
    before = world.plan(inventory(following=NEW))
    for key in spoke:
        speak(world, key)
    after = world.plan(inventory(following=NEW))
    assert not after.plan.pending
    assert after.plan.basis.live == before.plan.basis.live, "a saved plan is not stale for it"
    assert ADDRESS in relay(world).peers[spoke[-1] if spoke else OLD]["allowed_ips"]


def test_what_else_is_wrong_with_the_two_is_one(world: World) -> None:
    world.apply(inventory(following=NEW))
    relay(world).peers[OLD]["allowed_ips"] = []
    (change,) = pending(world, inventory(following=NEW), Resource.PEER)
    assert (change.name, change.reason) == (f"site/{SITE}", f"allowed IPs none → {ADDRESS}")
    relay(world).peers.pop(NEW)
    assert {c.name for c in pending(world, inventory(following=NEW), Resource.PEER)} == {f"site/{SITE}", f"next/{SITE}"}


def test_the_end_of_a_change_cuts_nobody_once_the_gateway_was_seen(world: World) -> None:
    world.apply(inventory(following=NEW))
    (early,) = [c for c in pending(world, inventory(NEW), Resource.PEER) if c.action is Action.DELETE]
    assert (early.name, early.impact, early.viewers) == (f"former/{SITE}/{OLD}", Impact.PATH, 2)
    speak(world, NEW)
    (change,) = pending(world, inventory(NEW), Resource.PEER)
    assert (change.name, change.action, change.impact, change.viewers) == (
        f"former/{SITE}/{OLD}",
        Action.DELETE,
        Impact.HOT,
        0,
    )
    assert change.reason == f"{OLD[:8]}… is a former key of the gateway of {SITE}"
    world.apply(inventory(NEW))
    assert (OLD in relay(world).peers, relay(world).peers[NEW]["allowed_ips"]) == (False, [ADDRESS])
    assert not world.plan(inventory(NEW)).plan.pending


@pytest.mark.parametrize("wanted", [lambda: inventory(following=NEW), lambda: inventory(NEW)])
def test_no_site_needs_a_package_that_it_does_not_need(world: World, wanted: Callable[[], Inventory]) -> None:
    if wanted().facilities[SITE].gateway.public_key == NEW:  # type: ignore[union-attr]
        world.apply(inventory(following=NEW))
        speak(world, NEW)
    planned = world.plan(wanted())
    assert [need for need in planned.plan.site_packages if need.facility == SITE] == []


@given(st.permutations(["site/a", "site/b", "site/c", "next/a"]))
def test_a_next_key_that_becomes_the_present_one_hides_no_key_of_another_site(order: list[str]) -> None:
    """Who has a site's key gets all that is sent there: each new one is trusted by name, whatever stands beside it."""
    live = {"site/a": "A 10.91.0.2/32", "next/a": "NEXT", "site/b": "B 10.91.0.3/32", "site/c": "C 10.91.0.4/32"}
    desired = {"site/a": "NEXT 10.91.0.2/32", "site/b": "OTHER 10.91.0.3/32", "site/c": "C 10.91.0.4/32"}
    listed = {name: desired[name] for name in order if name in desired}
    (difference,) = trust._key_differences({name: live[name] for name in order}, listed)  # noqa: SLF001
    assert difference == ("key of site/b", Action.UPDATE, "B → OTHER")
