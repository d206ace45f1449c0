"""Laws of reachability: networks are judged as their addresses are, and what is shut stays so whatever is rendered."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from provisioner.desired.render.host import firewall_file
from provisioner.desired.spec import Firewall, HostSpec
from provisioner.inventory.model.facility import Access
from provisioner.plan.reach.packets import NetPacket, Networks, Ruling, parse_ruleset, rulings
from provisioner.plan.reach.roads import CellReach, internet_but
from provisioner.plan.reach.statements import ALL, BUILT_IN, Reachability, judged
from tests import fleets, inventories

SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Few addresses, so that networks, sets and packets meet.
_FEW = st.integers(0, 63).map(lambda last: IPv4Address(int(IPv4Address("10.91.0.0")) + last))
_NETWORKS = st.builds(lambda a, p: IPv4Network((a, p), strict=False), _FEW, st.integers(26, 32))
_PORTS = st.sampled_from([22, 8554, 10554, 10555, 9])
_PAIRS = st.frozensets(st.tuples(_FEW, _PORTS), max_size=12)
FLEET = fleets.state_of(inventories.inventory()).hosts
RELAY, CENTRE = FLEET["relay-viettel-1"], FLEET["centre"]


def apart(networks: list[IPv4Network]) -> tuple[IPv4Network, ...]:
    disjoint: list[IPv4Network] = []
    for network in networks:
        if not any(network.overlaps(other) for other in disjoint):
            disjoint.append(network)
    return tuple(disjoint)


@st.composite
def firewalls(draw: st.DrawFn) -> Firewall:
    return Firewall(
        management_networks=apart(draw(st.lists(_NETWORKS, min_size=1, max_size=4))),
        ssh_port=22,
        wireguard_port=51820,
        centres=tuple(sorted(draw(st.frozensets(_FEW, max_size=4)))),
        cameras=tuple(sorted(draw(_PAIRS))),
        onvif=tuple(sorted(draw(_PAIRS))),
        relays=tuple(sorted(draw(st.frozensets(_FEW, max_size=4)))),
        further_ports=tuple(sorted(draw(st.frozensets(_PORTS, max_size=2)))),
    )


def text_of(spec: HostSpec) -> str:
    return firewall_file(spec, fleets.templates()).content.decode()


@SOME
@given(
    firewall=firewalls(),
    source=_NETWORKS,
    to=_NETWORKS,
    port=_PORTS,
    names=st.sampled_from([("", ""), ("wg-prov", ""), ("wg-prov", "wg-prov"), ("", "wg-prov"), ("lo", "lo")]),
    user=st.sampled_from(["", "mediamtx", "provisioner-probe"]),
    chain=st.sampled_from(["input", "forward", "output"]),
    host=st.sampled_from([RELAY, CENTRE]),
)
def test_a_network_is_judged_as_each_of_its_addresses(
    *,
    firewall: Firewall,
    source: IPv4Network,
    to: IPv4Network,
    port: int,
    names: tuple[str, str],
    user: str,
    chain: str,
    host: HostSpec,
) -> None:
    rules = parse_ruleset(text_of(replace(host, firewall=firewall)))
    whole = NetPacket(Networks((source,)), Networks((to,)), port, came_by=names[0], leaves_by=names[1], user=user)
    each: set[Ruling] = set()
    for sender in source if chain != "output" else [source.network_address]:
        for receiver in to if chain != "input" else [to.network_address]:
            one = replace(whole, sources=Networks((ip_network(sender),)), targets=Networks((ip_network(receiver),)))
            (ruling,) = rulings(rules, chain, one)
            each.add(ruling)
    assert rulings(rules, chain, whole) == each
    cut = [Networks(network.subnets()) for network in (source, to)]
    assert rulings(rules, chain, replace(whole, sources=cut[0], targets=cut[1])) == each


@SOME
@given(st.lists(_NETWORKS, max_size=5), st.integers(0, 2**32 - 1).map(IPv4Address) | _FEW)
@example([IPv4Network("0.0.0.0/0")], IPv4Address("192.0.2.1"))
def test_the_internet_is_whoever_does_not_manage(networks: list[IPv4Network], address: IPv4Address) -> None:
    inside = any(address in network for network in networks)
    assert any(address in left for left in internet_but(tuple(networks)).networks) == (not inside)


access_modes = st.lists(st.sampled_from([mode.value for mode in Access]), min_size=1, max_size=3)
sites = st.dictionaries(
    st.integers(1, 9).map(lambda number: f"kcl-bg-{number:03}"), st.integers(1, 3), min_size=1, max_size=5
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    facilities=sites,
    both=st.booleans(),
    management=st.sampled_from(["198.51.100.0/27", "2001:db8:7::/48"]),
    modes=access_modes,
)
def test_what_is_built_in_holds_by_whatever_is_rendered(
    facilities: dict[str, int], management: str, modes: list[str], *, both: bool
) -> None:
    networks = ["10.120.0.0/16"] if "routed" in modes else []
    relay = inventories.relay("relay-viettel-1", 11, further_wireguard_ports=[443] if both else [])
    opened: dict[str, Any] = {"publishers": {}} if "publish" in modes else {}
    one = inventories.carrier(management_networks=[management], routed_networks=networks, relays=[relay], **opened)
    carriers: list[dict[str, Any]] = [one]
    if both:
        carriers.append(inventories.carrier("vnpt", 21, management_networks=["192.0.2.0/28"]))
    listed = [
        fleets.of_mode(modes[number % len(modes)], name, count)
        for number, (name, count) in enumerate(sorted(facilities.items()))
    ]
    inventory = fleets.complete(inventories.inventory(carriers=carriers, facilities=listed))
    reachability = Reachability(inventory, fleets.state_of(inventory).hosts, text_of)
    assert [one.statement.name for one in judged(BUILT_IN, reachability) if one.broken] == []
    cells = list(reachability.cells(ALL))
    assert not [cell for cell in cells if cell.reach is CellReach.PART]
    pulled = {c.target for c in cells if c.program == "relay" and c.service == "cameras" and c.reach is CellReach.YES}
    used = {modes[number % len(modes)] for number in range(len(facilities))}
    of_kind = {f"{'routed ' if mode == 'routed' else ''}sites of relay-viettel-1" for mode in used - {"publish"}}
    assert pulled == of_kind, "each relay that has sites reaches their cameras"
    # Sites push from outside alone, by logins that nobody else has; a routed site comes by no tunnel, either.
    pushing = {c.source for c in cells if c.service == "publish" and c.reach is CellReach.YES}
    outside = {"internet", "routed sites of relay-viettel-1"} | (
        {"management/viettel", "management/vnpt"} if both else {"management/viettel"}
    )
    if "publish" not in used:
        assert pushing == set()
    else:
        assert (
            {"internet", "pushing sites of relay-viettel-1"}
            <= pushing
            <= outside | {"pushing sites of relay-viettel-1"}
        )
