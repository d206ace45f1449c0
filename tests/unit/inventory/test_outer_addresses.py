"""Addresses of either family, and host names: what may stand where, what is one and the same, and what is refused."""

import json
from ipaddress import IPv6Address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from provisioner.base.errors import Problem, Severity
from provisioner.base.text import HostName
from provisioner.inventory.model.hosts import Carrier, Centre, JumpHost
from tests import fleets
from tests import inventories as make
from tests.unit.inventory.test_rules import codes, complete

NETWORKS = ["198.51.100.0/27", "2001:db8:7::/48"]


def read(**changes: Any) -> Carrier:
    return Carrier.model_validate_json(json.dumps(make.carrier(**changes)))


def relay(**changes: Any) -> dict[str, Any]:
    return make.relay("relay-viettel-1", 11, **changes)


def of(*relays: dict[str, Any], networks: list[str] = NETWORKS, **changes: Any) -> list[str]:
    carrier = make.carrier(management_networks=networks, relays=list(relays), **changes)
    return codes(complete(carriers=[carrier, make.carrier("vnpt", 21)]))


six = st.integers(0, 2**128 - 1).map(IPv6Address).filter(lambda a: a.ipv4_mapped is None)


def zero_led(address: IPv6Address) -> str:
    return ":".join(f"{int(group, 16):x}" for group in address.exploded.split(":"))


@settings(max_examples=60, deadline=None)
@given(six)
def test_an_ipv6_address_is_one_value_however_it_is_written(address: IPv6Address) -> None:
    forms = {
        address.exploded,
        address.exploded.upper(),
        zero_led(address),
        address.compressed,
        address.compressed.upper(),
    }
    read_as = {Centre.model_validate_json(json.dumps(make.centre(address=form))).address for form in forms}
    assert read_as == {address}
    written = Centre.model_validate_json(json.dumps(make.centre(address=address.exploded.upper())))
    assert json.loads(written.model_dump_json())["address"] == str(address)


@pytest.mark.parametrize(
    "text",
    [
        "fe80::1%eth0",
        "::ffff:1.2.3.4",
        "::ffff:102:304",
        "64:ff9b::1.2.3.4",
        "[2001:db8::1]",
        "[2001:db8::1]:22",
        "2001:db8::1/64",
        "2001:db8::g",
        "1::2::3",
        " 2001:db8::1",
        "2001:db8::1\n",
        "relay",
        "relay.",
        "relay.example.com.",
        "-relay.example.com",
        "relay_1.example.com",
        "relay..example.com",
        "192.168.1.300",
        "10.1",
        "0x7f.1",
        "1.2.3.4.5",
        "a.example.com:22",
        "user@a.example.com",
        "%h.example.com",
        "a.example.com\nProxyCommand id",
        "é.example.com",
        f"{'a' * 64}.example.com",
        f"{'a.' * 126}abc",
        "",
    ],
)
def test_what_is_no_address_and_no_name_of_a_host_is_refused_everywhere(text: str) -> None:
    for changes in ({"address": text}, {"endpoint": text}, {"endpoint_address": text}):
        with pytest.raises(ValidationError):
            read(relays=[relay(**changes)])
    with pytest.raises(ValidationError):
        Centre.model_validate_json(json.dumps(make.centre(address=text)))
    for jump in ({"address": text}, {"address": "192.0.2.1", "inside": text}):
        with pytest.raises(ValidationError):
            read(jump=jump | {"ssh": make.centre()["ssh"]})


@pytest.mark.parametrize(
    "text",
    [
        *("a.example.com", "2001:db8::1/32", "::ffff:0:0/96", "::ffff:1.2.3.0/120", "fe80::%eth0/64"),
        "64:ff9b::1.0.0.0/104",
    ],
)
def test_a_management_network_is_a_network_of_addresses(text: str) -> None:
    with pytest.raises(ValidationError):
        read(management_networks=[text])


NAMED = {"address": "192.0.2.1", "ssh": make.centre()["ssh"], "inside": "a.example.com"}


@pytest.mark.parametrize(
    "changes", [{"jump": NAMED}, {"relays": [relay(endpoint="a.example.com", endpoint_address="b.example.com")]}]
)
def test_what_rules_and_centres_go_by_is_an_address_and_no_name(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read(**changes)


SIX: dict[str, dict[str, Any]] = {
    "pools": {"settings": make.settings(pools={"centres": "fd00::/64", "carriers": {"viettel": "10.91.0.0/16"}})},
    "lan": {"facilities": [make.facility(gateway={"lan": "fd00::/64", "lan_interface": "lan"})]},
    "camera": {"facilities": [make.facility(cameras=[make.camera(address="fd00::1")])]},
}


@pytest.mark.parametrize("where", SIX)
def test_the_tunnel_and_the_lans_of_sites_are_ipv4(where: str) -> None:
    with pytest.raises(ValidationError):
        make.inventory(**SIX[where])


def test_one_address_in_two_forms_and_one_name_in_two_cases_are_one() -> None:
    other = make.relay("relay-viettel-2", 12, address="2001:DB8:0:0::B")
    assert of(relay(address="2001:db8::b"), other) == ["host-address-duplicate"]
    named = {"endpoint_address": "2001:db8::c"}
    other = make.relay("relay-viettel-2", 12, address="Relay.Example.com", endpoint_address="2001:db8::d")
    assert of(relay(address="relay.example.com", **named), other) == ["host-address-duplicate"]
    other = make.relay("relay-viettel-2", 12, endpoint="2001:0db8::000c")
    assert of(relay(endpoint="relay.example.com", **named), other) == ["relay-endpoint-duplicate"]
    other = make.relay("relay-viettel-2", 12, endpoint="RELAY.example.com", endpoint_address="2001:db8::d")
    assert of(relay(endpoint="relay.example.com", **named), other) == ["relay-endpoint-duplicate"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"address": "2001:db8::b"}, []),
        ({"address": "relay.example.com", "endpoint_address": "203.0.113.11"}, []),
        ({"endpoint": "relay.example.com", "endpoint_address": "2001:db8::b"}, []),
        ({"address": "relay.example.com", "endpoint": "203.0.113.11"}, []),
        ({"address": "relay.example.com"}, ["relay-endpoint-unnumbered"]),
        ({"endpoint": "relay.example.com"}, ["relay-endpoint-unnumbered"]),
        ({"endpoint_address": "203.0.113.99"}, ["relay-endpoint-twice"]),
        ({"address": "fe80::1", "endpoint": "203.0.113.11"}, ["host-address-unusable"]),
        ({"address": "::", "endpoint": "203.0.113.11"}, ["host-address-unusable"]),
        ({"address": "ff02::1", "endpoint": "203.0.113.11"}, ["host-address-unusable"]),
        ({"endpoint": "fe80::1"}, ["relay-endpoint-unusable"]),
        ({"endpoint": "ff02::1"}, ["relay-endpoint-unusable"]),
        ({"endpoint": "::1"}, ["relay-endpoint-unusable"]),
        ({"endpoint": "a.example.com", "endpoint_address": "fe80::1"}, ["relay-endpoint-unusable"]),
        ({"endpoint": "a.example.com", "endpoint_address": "10.91.0.9"}, ["host-address-in-pool"]),
        ({"endpoint": "2001:db8:7::9"}, ["endpoint-in-management-network"]),
        ({"endpoint": "a.example.com", "endpoint_address": "2001:db8:7::9"}, ["endpoint-in-management-network"]),
    ],
)
def test_where_a_relay_is_called_and_sent_to(changes: dict[str, Any], expected: list[str]) -> None:
    assert of(relay(**changes)) == expected


def test_a_host_that_is_called_in_a_family_that_may_not_come_in_is_an_error() -> None:
    four, both = NETWORKS[:1], NETWORKS
    assert of(relay(address="2001:db8::b"), networks=four) == ["management-of-other-family"]
    assert of(relay(), networks=NETWORKS[1:]) == ["management-of-other-family"]
    assert of(relay(address="2001:db8::b"), networks=both) == []
    # What a name leads to is not known: either may be.
    assert of(relay(address="a.example.com", endpoint_address="203.0.113.11"), networks=NETWORKS[1:]) == []
    inventory = complete(
        carriers=[make.carrier(), make.carrier("vnpt", 21)], centres=[make.centre(address="2001:db8::c")]
    )
    assert codes(inventory) == ["management-of-other-family"]
    own = make.centre(address="2001:db8::c", management_networks=NETWORKS[1:])
    assert codes(complete(carriers=[make.carrier(), make.carrier("vnpt", 21)], centres=[own])) == []


def test_a_jump_host_that_is_called_by_name_says_what_hosts_see_it_come_from() -> None:
    jump = {"address": "jump.example.com", "ssh": make.centre()["ssh"]}
    assert of(relay(), jump=jump) == ["jump-without-inside"]
    assert of(relay(), jump=jump | {"inside": "198.51.100.4"}) == []
    assert of(relay(), jump=jump | {"inside": "2001:db8:7::4"}) == ["jump-of-other-family"]
    assert of(relay(address="2001:db8::b"), jump=jump | {"inside": "2001:db8:7::4"}) == []
    assert of(relay(address="2001:db8::b"), jump=jump | {"inside": "2001:db8:8::4"}) == ["jump-outside-management"]
    itself = relay(address="jump.example.com", endpoint="203.0.113.11")
    assert "jump-is-the-host" in of(itself, jump=jump | {"inside": "198.51.100.4"})
    assert "host-address-unusable" in of(relay(), jump=jump | {"address": "fe80::4", "inside": "198.51.100.4"})


def problems(networks: list[str]) -> list[Problem]:
    inventory = complete(carriers=[make.carrier(management_networks=networks), make.carrier("vnpt", 21)])
    return [problem for problem in make.check(inventory) if problem.code == "management-network-open"]


@pytest.mark.parametrize(
    ("network", "severity", "many"),
    [
        ("::/0", Severity.ERROR, "2^128 addresses"),
        ("2000::/3", Severity.ERROR, "2^125 addresses"),
        ("2000::/4", Severity.WARNING, "2^124 addresses"),
        ("2001::/16", Severity.WARNING, "2^112 addresses"),
        ("0.0.0.0/0", Severity.ERROR, "4294967296 addresses"),
    ],
)
def test_a_network_of_everybody_is_no_management_network(network: str, severity: Severity, many: str) -> None:
    (problem,) = problems([network, "198.51.100.0/27"])
    assert (problem.severity, many in problem.message) == (severity, True)


@pytest.mark.parametrize(
    ("networks", "family"),
    [
        (["0.0.0.0/1", "128.0.0.0/1"], "IPv4"),
        (["0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/8"], "IPv4"),
        (["2000::/4", "3000::/4"], "IPv6"),
    ],
)
def test_networks_that_are_nearly_everybody_together_are_refused(networks: list[str], family: str) -> None:
    (error,) = (problem for problem in problems(networks) if problem.severity is Severity.ERROR)
    assert f"most of all {family} addresses together" in error.message
    assert error.object == "carrier/viettel"


@pytest.mark.parametrize("networks", [["0.0.0.0/1", "0.0.0.0/2"], ["2000::/4", "2000::/5"], ["0.0.0.0/1", "2000::/4"]])
def test_one_network_in_another_is_counted_once(networks: list[str]) -> None:
    assert {problem.severity for problem in problems(networks)} == {Severity.WARNING}


def test_a_providers_own_network_is_narrow_enough() -> None:
    assert problems(["2001:db8::/32", "198.51.100.0/27"]) == []


def test_a_name_stays_a_name_from_the_file_to_ssh_and_to_the_gateway() -> None:
    """Nothing on this way asks what it leads to."""
    named = relay(address="relay.example.com", endpoint_address="2001:db8::b")
    state = fleets.state_of(make.inventory(carriers=[make.carrier(relays=[named])], facilities=[fleets.facility()]))
    assert state.hosts["relay-viettel-1"].address == HostName("relay.example.com")
    (peer,) = (p for p in state.hosts["centre"].tunnel.peers if p.name == "relay/relay-viettel-1")
    assert peer.endpoint == (IPv6Address("2001:db8::b"), 51820)


def test_a_jump_host_in_a_tests_own_words_is_held_to_the_same_form() -> None:
    with pytest.raises(ValidationError):
        JumpHost(address=IPv6Address("fe80::1%eth0"), ssh=read().relays[0].ssh)
