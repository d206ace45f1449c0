"""Laws of what leaves a relay: MediaMTX follows a camera's redirect anywhere, so that the firewall must not."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.base.errors import RenderError
from provisioner.desired.render.host import NFT_FILE, PROBE_USER, RELAY_USER, render_host
from provisioner.desired.spec import API_PORT, RTSP_PORT, TUNNEL, Firewall, HostSpec
from provisioner.plan.reach.packets import NetPacket, Networks, Ruleset, leaving, parse_ruleset, rulings
from tests import fleets, inventories
from tests.hostile import CAMERA

SOME = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CAMERA_AT, OTHER_AT = (IPv4Address("10.91.0.4"), 10554), (IPv4Address("10.91.0.5"), 10554)
ASKED_AT = (IPv4Address("10.91.0.4"), 10556)
INTERFACES = ("lo", "eth0", "eth1", TUNNEL)


def spec() -> HostSpec:
    base = fleets.state_of(inventories.inventory()).hosts["relay-viettel-1"]
    assert base.firewall
    return replace(base, firewall=replace(base.firewall, cameras=(CAMERA_AT, OTHER_AT)))


SPEC = spec()


def rendered(firewall: Firewall | None = None) -> str:
    files = render_host(replace(SPEC, firewall=firewall or SPEC.firewall), fleets.templates())
    return next(file.content.decode() for file in files if file.path == NFT_FILE)


RULES = parse_ruleset(rendered())


def lets_out(ruleset: Ruleset, packet: NetPacket) -> bool:
    """Whether `output` accepts a packet; dynamic sets count as empty."""
    return all(ruling.accepted for ruling in rulings(ruleset, "output", packet))


_ANY = st.one_of(
    st.integers(0, 2**32 - 1).map(IPv4Address),
    st.integers(0, 2**128 - 1).map(IPv6Address),
    st.sampled_from(
        [
            CAMERA_AT[0],
            OTHER_AT[0],
            SPEC.tunnel.address,
            IPv4Address(str(SPEC.address)),
            *map(ip_address, ("127.0.0.1", "::1", "169.254.169.254", "fe80::1", "::ffff:10.91.0.4")),
        ]
    ),
)
_PORTS = st.one_of(st.integers(0, 65535), st.sampled_from([CAMERA_AT[1], RTSP_PORT, API_PORT, 53]))


@st.composite
def departures(draw: st.DrawFn, user: str) -> NetPacket:
    """The first packet of anything that a user may send."""
    protocol = draw(st.sampled_from(["tcp", "udp", "icmp"]))
    return leaving(user, draw(st.sampled_from(INTERFACES)), draw(_ANY), protocol, draw(_PORTS))


@CAMERA
@SOME
@given(departures(RELAY_USER))
def test_a_relay_opens_connections_to_cameras_through_the_tunnel_and_to_nothing_else(packet: NetPacket) -> None:
    camera = packet.protocol == "tcp" and (packet.targets[0].network_address, packet.port) in {CAMERA_AT, OTHER_AT}
    assert lets_out(RULES, packet) == (camera and packet.leaves_by == TUNNEL)


@CAMERA
@SOME
@given(departures(PROBE_USER))
def test_the_probing_reader_reaches_its_own_relay_and_nothing_else(packet: NetPacket) -> None:
    own = (packet.protocol, packet.targets[0].network_address, packet.port) == ("tcp", SPEC.tunnel.address, RTSP_PORT)
    assert lets_out(RULES, packet) == (own and packet.leaves_by == "lo")


@CAMERA
@SOME
@given(departures(PROBE_USER) | departures(RELAY_USER) | departures("root"), st.sampled_from(["tcp", "udp"]))
def test_only_the_probe_asks_and_only_where_somebody_is_to_be_asked(packet: NetPacket, protocol: str) -> None:
    assert SPEC.firewall
    asking = parse_ruleset(rendered(replace(SPEC.firewall, onvif=(ASKED_AT,))))
    assert (
        lets_out(asking, packet) == lets_out(RULES, packet)
        or (packet.targets[0].network_address, packet.port) == ASKED_AT
    )
    there = replace(packet, targets=Networks((ip_network(ASKED_AT[0]),)), port=ASKED_AT[1], protocol=protocol)
    may = (there.user, there.leaves_by, protocol) == (PROBE_USER, TUNNEL, "tcp")
    assert lets_out(asking, there) == (may or lets_out(RULES, there))


@SOME
@given(_ANY, _PORTS, st.sampled_from(INTERFACES))
def test_readers_and_callers_of_the_api_are_answered(to: IPv4Address | IPv6Address, port: int, interface: str) -> None:
    assert lets_out(RULES, leaving(RELAY_USER, interface, to, "tcp", port, is_reply=True))
    assert not lets_out(RULES, leaving(PROBE_USER, interface, IPv4Address("192.0.2.9"), "tcp", port, is_reply=True))


@SOME
@given(departures("root"))
def test_rules_about_the_relay_hold_nobody_else_up(packet: NetPacket) -> None:
    camera = packet.protocol == "tcp" and (packet.targets[0].network_address, packet.port) in {CAMERA_AT, OTHER_AT}
    assert lets_out(RULES, packet) == (packet.leaves_by != TUNNEL or packet.protocol == "icmp" or camera)


@pytest.mark.parametrize("lost", ["relay-elsewhere", "probe-elsewhere"])
def test_rules_that_lost_their_last_line_let_something_out(lost: str) -> None:
    text = "\n".join(line for line in rendered().splitlines() if f'comment "{lost}"' not in line) + "\n"
    user = RELAY_USER if lost.startswith("relay") else PROBE_USER
    assert lets_out(parse_ruleset(text), leaving(user, "eth0", IPv4Address("192.0.2.1"), "tcp", 22))


@pytest.mark.parametrize(
    ("old", "new"), [('meta skuid "mediamtx" counter', "meta mark 7 counter"), ("chain output {", "chain out {")]
)
def test_rules_that_are_not_understood_are_never_taken_for_shut(old: str, new: str) -> None:
    text = rendered()
    assert old in text
    with pytest.raises(RenderError):
        lets_out(parse_ruleset(text.replace(old, new)), leaving(RELAY_USER, "lo", IPv4Address("127.0.0.1")))


def test_drops_of_the_relay_are_counted() -> None:
    drops = [rule for rule in RULES.chains["output"].rules if rule.verdict == "drop" and "skuid" in rule.matches]
    assert {rule.comment for rule in drops} == {"relay-halted", "pull-limit", "relay-elsewhere", "probe-elsewhere"}
    assert all(rule.matches.endswith("counter") for rule in drops)


@CAMERA
def test_first_packets_at_the_tunnels_port_are_counted_of_both_families() -> None:
    limits = {rule.comment: rule.matches for rule in RULES.chains["input"].rules if "udp dport" in rule.matches}
    assert "add @new_tunnel { ip saddr limit" in limits["tunnel-limit"]
    # A line has a /64 of its own and as many addresses in it as it likes.
    assert "add @new_tunnel_v6 { ip6 saddr and ffff:ffff:ffff:ffff:: limit" in limits["tunnel-limit-v6"]
    order = [rule.comment for rule in RULES.chains["input"].rules]
    assert order.index("tunnel-limit-v6") < order.index("tunnel")


@CAMERA
def test_the_relays_unit_lets_pools_and_the_one_who_asks_the_api_in_and_out_and_nobody_else() -> None:
    files = {file.path: file.content for file in render_host(SPEC, fleets.templates())}
    lines = files["/etc/systemd/system/provisioner-mediamtx.service"].decode().splitlines()
    allowed = [line.removeprefix("IPAddressAllow=").split() for line in lines if line.startswith("IPAddressAllow=")]
    assert "IPAddressDeny=any" in lines
    assert allowed == [["127.0.0.1", *map(str, SPEC.tunnel.routes)]]
