"""A relay that changes its own key in a fleet of all shapes: what says another thing is what has to, and no more."""

from datetime import date
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from provisioner.desired.render.host import NFT_FILE, PSK_FILE, TRUST_FILE, TUNNEL_FILE, WG_FILE
from provisioner.desired.render.site import render_site
from provisioner.desired.sites import link_ends, package_digest, site_spec
from provisioner.inventory.model.hosts import NextRelayKey, OwnKeyStage
from provisioner.inventory.model.inventory import Inventory
from provisioner.operations.edit.keys import with_own_next_key
from tests import fleets, inventories

RELAYS, CENTRE, PORT = ("relay-viettel-1", "relay-viettel-2"), "centre", 51999
BACKED, MAPPED, PUSHING, ROUTED = (f"kcl-bg-00{number}" for number in range(1, 5))
NEXT = {relay: inventories.public_key(f"the next key of {relay}") for relay in RELAYS}

stages = st.fixed_dictionaries(dict.fromkeys(RELAYS, st.sampled_from([None, *OwnKeyStage])))
Stages = dict[str, OwnKeyStage | None]


@cache
def usual() -> Inventory:
    """Two relays of a carrier, a hub, and a site of each shape; the first one has the second relay as its backup."""
    viewers = [{"id": "dic", "name": "DIC", "reads": ["bac-giang"], "networks": ["192.0.2.0/27"]}]
    backed = inventories.facility(BACKED)["plan"] | {"backup_relay": RELAYS[1]}
    sites = [
        fleets.facility(BACKED, plan=backed),
        fleets.of_mode("pull_nat_map", MAPPED),
        fleets.pushing(PUSHING),
        fleets.routed(ROUTED),
    ]
    carrier = inventories.carrier(
        relays=[inventories.relay(relay, 11 + number) for number, relay in enumerate(RELAYS)],
        routed_networks=["10.120.0.0/16"],
        publishers={},
    )
    centres = [inventories.centre(CENTRE, hub={"address": "203.0.113.31"}, viewers=viewers)]
    return fleets.complete(inventories.inventory(carriers=[carrier], centres=centres, facilities=sites))


def changing(at: Stages) -> Inventory:
    """The same while relays change their own keys."""
    lock = usual().allocations
    for relay, stage in at.items():
        if stage is not None:
            following = NextRelayKey(public_key=NEXT[relay], port=PORT, since=date(2021, 5, 1), stage=stage)
            lock = with_own_next_key(lock, relay, following)
    return inventories.with_lock(usual(), lock)


def files_of(inventory: Inventory) -> dict[str, dict[str, bytes]]:
    """The texts on every host, by path."""
    hosts = fleets.files_of(fleets.state_of(inventory))
    return {host: {file.path: file.content for file in of} for host, of in hosts.items()}


@cache
def usual_files() -> dict[str, dict[str, bytes]]:
    return files_of(usual())


def package(inventory: Inventory, facility: str) -> dict[str, bytes]:
    spec = site_spec(inventory, fleets.secrets_of(inventory), inventory.facilities[facility])
    return {file.path: file.content for file in render_site(spec, fleets.templates(), fleets.VALID)}


def told(at: Stages, relay: str) -> bool:
    """Whether packages and centres have a relay's next key."""
    return at[relay] in {OwnKeyStage.MOVING, OwnKeyStage.ENDING}


@given(stages)
def test_no_host_says_another_thing_but_where_the_key_or_its_port_stands(at: Stages) -> None:
    for host, files in files_of(changing(at)).items():
        before = usual_files()[host]
        assert files.keys() == before.keys()
        differing = {path for path in files if files[path] != before[path]}
        if host == CENTRE:
            # What the hub pulls and who reads there is as it was.
            assert differing == ({WG_FILE, PSK_FILE, TRUST_FILE} if any(told(at, relay) for relay in RELAYS) else set())
        elif at[host] is None:
            assert differing == set()
        else:
            assert differing <= {NFT_FILE, WG_FILE, TUNNEL_FILE, TRUST_FILE}
            assert NFT_FILE in differing


@given(stages)
def test_each_relay_is_named_by_its_own_key_and_port_whatever_the_other_one_does(at: Stages) -> None:
    inventory = changing(at)
    lock = inventory.allocations.relays
    for facility in (BACKED, MAPPED):
        for end in link_ends(inventory, inventory.facilities[facility]):
            expected = (NEXT[end.relay], PORT) if told(at, end.relay) else (lock[end.relay].public_key, 51820)
            assert (end.public_key, end.endpoint[1]) == expected
    relays = [end.relay for end in link_ends(inventory, inventory.facilities[BACKED])]
    assert relays == list(RELAYS)


@given(stages)
def test_whoever_has_no_tunnel_has_the_package_that_he_had(at: Stages) -> None:
    inventory = changing(at)
    for facility, relays in ((BACKED, RELAYS), (MAPPED, RELAYS[:1]), (PUSHING, ()), (ROUTED, ())):
        is_another = any(told(at, relay) for relay in relays)
        before, after = (package_digest(of, of.facilities[facility]) for of in (usual(), inventory))
        assert (before != after) == is_another
    assert package(inventory, PUSHING) == package(usual(), PUSHING)
