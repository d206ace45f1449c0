"""Further UDP ports of relays, and which of them gateways dial: what `validate` says of them."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.outline import Outline, outline_of
from tests import fleets
from tests import inventories as make

RELAY, OTHER = "relay-viettel-1", "relay-viettel-2"
VNPT = make.carrier("vnpt", 21)
PLAN = {"state": "agreed", "carrier": "viettel", "relay": RELAY}


def inventory(*sites: dict[str, Any], own: list[int] | None = None, others: list[int] | None = None) -> Inventory:
    """Two relays of a carrier with their further ports, and sites."""
    relays = [
        make.relay(RELAY, 11, further_wireguard_ports=own or []),
        make.relay(OTHER, 12, further_wireguard_ports=others or []),
    ]
    return fleets.complete(make.inventory(carriers=[make.carrier(relays=relays), VNPT], facilities=[*sites]))


def site(port: int | None, **plan: Any) -> dict[str, Any]:
    """A site whose gateway dials a port, by a plan with some changes."""
    gateway = make.facility()["gateway"] | ({"relay_port": port} if port else {})
    return fleets.facility(gateway=gateway, plan=PLAN | plan)


def problems(of: Inventory) -> list[tuple[str, str]]:
    return [(problem.code, problem.message) for problem in make.check(of)]


@pytest.mark.parametrize(
    ("port", "why"),
    [
        (51820, "its wireguard_port"),
        (22, "its SSH"),
        (8554, "the relay's RTSP"),
        (8322, "the relay's encrypted RTSP"),
        (9997, "MediaMTX's Control API"),
        (68, "(DHCP)"),
        (546, "(DHCPv6)"),
    ],
)
def test_a_port_that_something_else_has_is_no_further_port(port: int, why: str) -> None:
    ((code, message),) = problems(inventory(site(None), own=[443, port]))
    assert code == "wireguard-port-unfit"
    assert f"port {port} as well: " in message
    assert why in message


def test_a_port_that_is_named_twice_is_said_once() -> None:
    ((code, message),) = problems(inventory(site(None), own=[443, 443]))
    assert (code, "named twice" in message) == ("wireguard-port-unfit", True)


def test_all_that_are_fit_are_no_problem() -> None:
    assert problems(inventory(site(443), own=[443, 53, 123, 4500])) == []


@pytest.mark.parametrize(
    ("port", "own", "others", "plan", "named"),
    [
        (443, [443], [], {}, []),
        (51820, [], [], {}, []),
        (443, [], [443], {}, [RELAY]),
        (443, [443], [], {"backup_relay": OTHER}, [OTHER]),
        (443, [443], [443], {"backup_relay": OTHER}, []),
        (443, [], [], {"backup_relay": OTHER}, [RELAY, OTHER]),
        # What is not agreed yet is said before it is.
        (53, [443], [], {"state": "proposed"}, [RELAY]),
    ],
)
def test_a_gateway_dials_what_all_of_its_relays_offer(
    port: int, own: list[int], others: list[int], plan: dict[str, Any], named: list[str]
) -> None:
    told = problems(inventory(site(port, **plan), own=own, others=others))
    assert [code for code, _ in told] == ["relay-port-not-offered"] * len(named)
    assert all(f"port {port} of {relay}," in message for relay, (_, message) in zip(named, told, strict=True))


def test_the_relay_that_a_site_moves_to_has_to_offer_the_port_too() -> None:
    moving = make.signed(site(443) | {"successor": PLAN | {"relay": OTHER}})
    (told,) = problems(inventory(moving, own=[443]))
    assert OTHER in told[1]
    assert problems(inventory(moving, own=[443], others=[443])) == []


def test_a_site_without_a_tunnel_dials_nothing_and_a_closed_one_no_more() -> None:
    relays = [make.relay(RELAY, 11, further_wireguard_ports=[443])]
    carriers = [make.carrier(relays=relays, routed_networks=["10.120.0.0/16"]), VNPT]
    routed = fleets.routed("kcl-bg-002", gateway={"lan": "10.120.2.0/24", "relay_port": 443})
    whole = fleets.complete(make.inventory(carriers=carriers, facilities=[routed]))
    ((code, message),) = problems(whole)
    assert (code, "the site is routed" in message) == ("relay-port-not-offered", True)
    assert problems(inventory(site(4443) | {"operating": "closed"})) == []


@pytest.mark.parametrize("ports", [[0], [65536], ["443"], [1, 2, 3, 4, 5], 443])
def test_what_is_no_list_of_a_few_ports_is_refused_by_the_model(ports: Any) -> None:
    with pytest.raises(ValidationError):
        inventory(own=ports)


def test_two_relays_behind_one_address_share_no_port() -> None:
    relays = [
        make.relay(RELAY, 11, endpoint="203.0.113.99", further_wireguard_ports=[443]),
        make.relay(OTHER, 12, endpoint="203.0.113.99", wireguard_port=51821, further_wireguard_ports=[443]),
    ]
    of = fleets.complete(make.inventory(carriers=[make.carrier(relays=relays), VNPT], facilities=[site(443)]))
    ((code, message),) = problems(of)
    assert (code, "203.0.113.99:443" in message) == ("relay-endpoint-duplicate", True)


def test_an_outline_keeps_the_port_through_the_cache() -> None:
    facility = inventory(site(443), own=[443]).facilities["kcl-bg-001"]
    outline = outline_of(facility)
    assert outline.relay_port == 443
    assert TypeAdapter(Outline).validate_json(to_json(outline)) == outline
