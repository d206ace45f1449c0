"""Laws of access modes: each has a row in every table, and a relay connects to what is the site's and leads on."""

import re
from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.desired.access import ACCESS, device_places
from provisioner.desired.render.site import PACKAGES, render_site
from provisioner.desired.sites import site_spec
from provisioner.desired.state import desired_state
from provisioner.inventory.allocation import NEEDS, allocate
from provisioner.inventory.model.facility import Access, Facility
from provisioner.inventory.model.inventory import Inventory
from provisioner.verify.network import UNANSWERED
from tests import fleets, inventories

LANS = ["10.120.1.0/24", "10.120.1.128/25", "10.120.0.0/23", "10.120.2.0/24", "192.168.1.0/24"]
NEXT = {"state": "agreed", "carrier": "vnpt", "relay": "relay-vnpt-1"}


@st.composite
def facilities(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """A facility of any access mode, with recorders and cameras of its own, and perhaps a next carrier."""
    mode = draw(st.sampled_from(Access)).value
    alone = [inventories.camera(f"cam-{n:02}", 10 + n) for n in range(1, draw(st.integers(1, 4)))]
    recorders = [inventories.recorder(f"nvr-{n:02}", 50 + n) for n in range(1, draw(st.integers(1, 3)))]
    behind = [inventories.channel(f"cam-9{n}", 1, recorder["id"]) for n, recorder in enumerate(recorders)]
    plan = {"state": "agreed", "carrier": "viettel", "relay": "relay-viettel-1", "access": mode}
    changes: dict[str, Any] = {"successor": NEXT | {"access": mode}} if draw(st.booleans()) else {}
    cameras = draw(st.permutations([*alone, *behind])) or [inventories.camera()]
    return fleets.of_mode(mode, name, plan=plan, recorders=recorders, cameras=cameras, **changes)


@st.composite
def inventories_of_sites(draw: st.DrawFn) -> Inventory:
    names = draw(st.lists(st.sampled_from([f"kcl-bg-00{n}" for n in range(1, 6)]), min_size=1, max_size=3, unique=True))
    carriers = [
        inventories.carrier(routed_networks=["10.120.0.0/16"], publishers={}),
        inventories.carrier("vnpt", 21, routed_networks=["10.120.0.0/16"], publishers={"networks": ["198.51.0.0/16"]}),
    ]
    listed = [draw(facilities(name)) for name in names]
    return fleets.complete(inventories.inventory(carriers=carriers, facilities=listed))


@pytest.mark.parametrize("table", [NEEDS, ACCESS, PACKAGES], ids=["lock", "desired", "package"])
def test_every_access_mode_has_a_row_in_every_table(table: Mapping[Access, object]) -> None:
    assert set(table) == set(Access)


def test_what_a_devices_silence_means_is_said_of_every_mode_in_which_a_relay_asks_one() -> None:
    assert set(UNANSWERED) == {mode for mode in Access if not mode.is_pushed}


@settings(max_examples=50)
@given(inventory=inventories_of_sites())
def test_what_a_relay_pulls_from_is_an_address_of_that_sites_peer_and_of_no_other(inventory: Inventory) -> None:
    for relay in desired_state(inventory, fleets.secrets_of(inventory)).hosts.values():
        owners = {peer.name: peer.allowed_ips for peer in relay.tunnel.peers}
        for path in relay.paths:
            assert (path.source is None) == path.access.is_pushed
            if path.source is None:
                assert f"site/{path.facility}" not in owners
                continue
            inside = [name for name, networks in owners.items() if any(path.source.address in n for n in networks)]
            assert inside == ([f"site/{path.facility}"] if path.access.has_tunnel else [])
            if not path.access.has_tunnel:
                assert relay.firewall
                assert f"site/{path.facility}" not in owners
                assert any(path.source.address in network for network in relay.firewall.routed)


@settings(max_examples=50)
@given(inventory=inventories_of_sites())
def test_no_two_devices_of_a_relay_are_found_at_one_address_and_port(inventory: Inventory) -> None:
    for relay in desired_state(inventory, fleets.secrets_of(inventory)).hosts.values():
        pulled = [(path, path.source) for path in relay.paths if path.source is not None]
        devices = {(path.facility, path.device): (source.address, source.port) for path, source in pulled}
        assert len(set(devices.values())) == len(devices)
        if relay.firewall:
            assert set(relay.firewall.cameras) == set(devices.values())


@settings(max_examples=50)
@given(inventory=inventories_of_sites())
def test_a_site_package_names_every_device_of_the_site_by_its_own_address(inventory: Inventory) -> None:
    secrets = fleets.secrets_of(inventory)
    for facility in inventory.rendered_facilities:
        package = render_site(site_spec(inventory, secrets, facility), fleets.templates(), fleets.VALID)
        text = b"\n".join(file.content for file in package if not file.secret).decode()
        # What a gateway pulls itself stands beside the login.
        text += "".join(f.content.decode() for f in package if f.path == "publish.yml").replace(":554/", " . 554")
        addresses = [r.address for r in facility.recorders] + [c.address for c in facility.cameras if c.address]
        assert all(f"{address} . 554" in text or f"-w 3 {address} 554 " in text for address in addresses)


@settings(max_examples=50)
@given(inventory=inventories_of_sites())
def test_a_gateway_leads_what_a_relay_connects_to_to_that_device_and_no_other(inventory: Inventory) -> None:
    secrets = fleets.secrets_of(inventory)
    packages = {f.id: _linux_map(inventory, f) for f in inventory.rendered_facilities}
    own = {f.id: device_places(f) for f in inventory.rendered_facilities}
    for relay in desired_state(inventory, secrets).hosts.values():
        for path in relay.paths:
            leads = packages[path.facility]
            if leads is None or path.source is None:
                continue
            places = {(str(path.source.address), str(path.source.port)), ("", str(path.source.port))}
            place = own[path.facility][path.device]
            assert [leads[key] for key in places if key in leads] == [(str(place.address), str(place.port))]


def _linux_map(inventory: Inventory, facility: Facility) -> dict[tuple[str, str], tuple[str, str]] | None:
    """Where a gateway leads an address and port, by its rules; an address that is the site's one is left out."""
    package = render_site(
        site_spec(inventory, fleets.secrets_of(inventory), facility), fleets.templates(), fleets.VALID
    )
    rules = [file.content.decode() for file in package if file.path == "provisioner-site.nft"]
    if not rules:
        return None
    (text,) = rules
    ports = {("", port): (at, own) for port, at, own in re.findall(r"(\d+) : ([\d.]+) \. (\d+)", text)}
    open_ports = re.findall(r"([\d.]{7,}) \. (\d+)", text)
    addresses = re.findall(r"([\d.]{7,}) : ([\d.]{7,})(?! \.)\b", text)
    return ports or {(at, port): (own, port) for at, own in addresses for of, port in open_ports if of == own}


@settings(max_examples=50)
@given(inventory=inventories_of_sites())
def test_a_device_has_a_port_or_an_address_in_the_lock_where_its_mode_says_so(inventory: Inventory) -> None:
    for name, site in allocate(inventory).sites.items():
        facility = inventory.facilities[name]
        assert facility.plan
        needs = NEEDS[facility.plan.access]
        assert bool(site.ports) == needs.device_ports
        assert bool(site.numbers) == needs.device_numbers
        assert len(site.prefixes) == needs.device_numbers * (2 if facility.successor else 1)
    without = [f.id for f in inventory.facilities.values() if f.plan and not f.plan.access.has_tunnel]
    assert not set(without) & set(inventory.allocations.sites)
    about = ("allocation", "routed", "gateway", "lan", "publish", "public")
    assert [p.code for p in inventories.check(inventory) if p.code.startswith(about)] == []


@given(
    st.lists(st.sampled_from(LANS), min_size=1, max_size=4),
    st.lists(st.sampled_from(["routed", "pull_portmap"]), min_size=4, max_size=4),
)
def test_only_sites_without_a_tunnel_are_told_apart_by_their_networks(lans: list[str], modes: list[str]) -> None:
    listed = []
    for number, lan in enumerate(lans, 1):
        network = IPv4Network(lan)
        cameras = [inventories.camera("cam-01") | {"address": str(network[5])}]
        gateway = {"lan": lan, "lan_interface": "br-lan", "public_key": inventories.public_key(str(number))}
        plan = {"state": "agreed", "carrier": "viettel", "relay": "relay-viettel-1", "access": modes[number - 1]}
        listed.append(fleets.facility(f"kcl-bg-00{number}", plan=plan, cameras=cameras, gateway=gateway))
    carriers = [inventories.carrier(routed_networks=["10.120.0.0/16"])]
    found = fleets.complete(inventories.inventory(carriers=carriers, facilities=listed))
    routed = {
        f.id: f.gateway.lan for f in found.facilities.values() if f.gateway and modes[int(f.id[-1]) - 1] == "routed"
    }
    expected = {n for n, lan in routed.items() for m, other in routed.items() if n != m and lan.overlaps(other)}
    overlaps = {p.object for p in inventories.check(found) if p.code == "routed-lan-overlap"}
    assert overlaps == {f"facility/{name}" for name in expected}
    outside = {n for n, lan in routed.items() if not lan.subnet_of(IPv4Network("10.120.0.0/16"))}
    found_outside = {p.object for p in inventories.check(found) if p.code == "routed-lan-outside"}
    assert found_outside == {f"facility/{name}" for name in outside}
