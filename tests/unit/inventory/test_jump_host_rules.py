"""Jump hosts: each is let in where it leads to, and nobody is the way to itself."""

from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from provisioner.desired.limit import key_hosts
from tests import fleets
from tests import inventories as make
from tests.unit.inventory.test_rules import codes, complete

NETWORK = IPv4Network(make.carrier()["management_networks"][0])


def jump(address: object = NETWORK[4], **changes: Any) -> dict[str, Any]:
    return {"address": str(address), "ssh": {"user": "noc", "host_key": make.HOST_KEY}} | changes


@settings(max_examples=40, deadline=None)
@given(st.ip_addresses(v=4), st.ip_addresses(v=4) | st.none(), st.sampled_from(["carrier", "relay", "centre"]))
def test_a_jump_host_is_an_error_where_the_rules_shut_it_out(address: object, inside: object, where: str) -> None:
    """Hosts see `inside`, or without it the address."""
    written = jump(address) | ({"inside": str(inside)} if inside else {})
    of_carrier: dict[str, Any] = {"jump": written} if where == "carrier" else {}
    if where == "relay":
        of_carrier = {"relays": [make.relay("relay-viettel-1", 11, jump=written)]}
    centre = make.centre(jump=written) if where == "centre" else make.centre()
    inventory = complete(carriers=[make.carrier(**of_carrier)], centres=[centre])
    shut_out = "jump-outside-management" in codes(inventory)
    assert shut_out == ((inside or address) not in NETWORK)


def test_every_host_is_called_over_its_own_jump_host_or_its_carriers() -> None:
    carrier = make.carrier(
        jump=jump(NETWORK[4]),
        relays=[make.relay("relay-viettel-1", 11), make.relay("relay-viettel-2", 12, jump=jump(NETWORK[5]))],
    )
    inventory = complete(carriers=[carrier, make.carrier("vnpt", 21)], centres=[make.centre(jump=jump(NETWORK[6]))])
    assert codes(inventory) == []
    wanted = {"relay-viettel-1": NETWORK[4], "relay-viettel-2": NETWORK[5], "relay-vnpt-1": None, "centre": NETWORK[6]}
    for specs in (fleets.state_of(inventory).hosts.values(), key_hosts(inventory, fleets.secrets_of(inventory))):
        assert {spec.id: spec.jump.address if spec.jump else None for spec in specs} == wanted


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (jump("203.0.113.11"), "jump-is-the-host"),
        (jump(NETWORK[4], inside="203.0.113.11"), "jump-is-the-host"),
        (jump("10.91.0.9"), "jump-in-pool"),
        (jump("10.90.0.9", inside=str(NETWORK[4])), "jump-in-pool"),
    ],
)
def test_a_jump_host_stands_before_what_it_leads_to(written: dict[str, Any], code: str) -> None:
    carrier = make.carrier(jump=written, management_networks=[str(NETWORK), "203.0.113.0/24", "10.0.0.0/8"])
    assert code in codes(complete(carriers=[carrier]))


def test_a_jump_host_whose_way_goes_to_no_relay_is_nobodys_problem() -> None:
    relay = make.relay("relay-viettel-1", 11, jump=jump())
    carriers = [make.carrier(jump=jump("192.0.2.1"), relays=[relay]), make.carrier("vnpt", 21)]
    assert codes(complete(carriers=carriers)) == []


@pytest.mark.parametrize(
    "written",
    [
        jump("jump"),
        jump("2001:db8::1%eth0"),
        jump(ssh={"user": "-oProxyCommand=id", "host_key": make.HOST_KEY}),
        jump(ssh={"user": "noc", "host_key": make.HOST_KEY + "\nProxyCommand id"}),
        jump(command="nc %h %p"),
    ],
)
def test_a_jump_host_is_an_address_a_user_and_a_key_and_no_command(written: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make.inventory(carriers=[make.carrier(jump=written)])
