"""Laws of the rendered firewall, in both families: SSH from management networks always passes, from elsewhere never."""

import random
import subprocess
import tempfile
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from provisioner.base.errors import RenderError
from provisioner.base.text import AnyAddress, AnyNetwork
from provisioner.desired.render.host import NFT_FILE, render_host
from provisioner.desired.render.templates import Templates
from provisioner.desired.spec import Firewall, HostSpec
from provisioner.plan.guards.reachability import SshOrigin, deaf_to_neighbours, locked_out, required_sources
from provisioner.plan.reach.packets import accepts, arriving, parse_ruleset, rulings
from provisioner_host.firewall.firewall import loadable
from provisioner_host.state.revocable_texts import ssh_in, with_ipv6_of
from tests import fleets, inventories
from tests.plans import World, of

SOME = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
addresses = st.integers(0, 2**32 - 1).map(IPv4Address)
networks = st.builds(lambda a, p: IPv4Network((a, p), strict=False), addresses, st.integers(4, 32))
ports = st.integers(1, 65535)
# Most of them near each other, so that networks hold addresses and each other.
addresses_v6 = st.integers(0, 2**128 - 1).map(IPv6Address) | st.integers(0, 2**20 - 1).map(
    lambda last: IPv6Address(int(IPv6Address("2001:db8::")) + last)
)
networks_v6 = st.builds(lambda a, p: IPv6Network((a, p), strict=False), addresses_v6, st.integers(4, 128))
either_address = addresses | addresses_v6
either_network = networks | networks_v6


def apart(drawn: list[AnyNetwork]) -> tuple[AnyNetwork, ...]:
    """Networks of which none overlaps another, as inventories have them."""
    disjoint: list[AnyNetwork] = []
    for network in drawn:
        if not any(network.overlaps(other) for other in disjoint):
            disjoint.append(network)
    return tuple(sorted(disjoint, key=lambda n: (n.version, int(n[0]))))


def within(network: AnyNetwork, other: AnyNetwork) -> bool:
    return network[0] in other and network[-1] in other


firewalls = st.builds(
    Firewall,
    management_networks=st.lists(either_network, min_size=1, max_size=6).map(apart),
    ssh_port=ports,
    wireguard_port=ports,
    centres=st.lists(addresses, max_size=3, unique=True).map(lambda listed: tuple(sorted(listed))),
    speaks_ipv6=st.booleans(),
    further_ports=st.lists(ports, max_size=3, unique=True).map(lambda listed: tuple(sorted(listed))),
    cameras=st.lists(st.tuples(addresses, ports), max_size=5, unique=True).map(lambda listed: tuple(sorted(listed))),
)


def base() -> HostSpec:
    return fleets.state_of(inventories.inventory()).hosts["relay-viettel-1"]


BASE = base()


def rendered(firewall: Firewall) -> str:
    files = render_host(replace(BASE, firewall=firewall), fleets.templates())
    return next(file.content.decode() for file in files if file.path == NFT_FILE)


@SOME
@given(firewall=firewalls, seed=st.integers(0, 2**16), stranger=either_address)
def test_ssh_passes_from_management_networks_alone(firewall: Firewall, seed: int, stranger: AnyAddress) -> None:
    text = rendered(firewall)
    rules = parse_ruleset(text)
    sources = [*required_sources(firewall.management_networks, "")]
    assert locked_out(text, firewall.ssh_port, sources) == ()
    assert not deaf_to_neighbours(text, sources)
    chance = random.Random(seed)  # noqa: S311 (any address will do)
    for network in firewall.management_networks:
        inside = network[chance.randrange(network.num_addresses)]
        assert accepts(rules, arriving(ip_network(inside), firewall.ssh_port))
    outside = not any(stranger in network for network in firewall.management_networks)
    assert accepts(rules, arriving(ip_network(stranger), firewall.ssh_port)) == (not outside)


@SOME
@given(firewall=firewalls, wanted=either_network)
@example(
    firewall=Firewall((IPv4Network("10.0.0.0/9"), IPv4Network("10.128.0.0/9")), 22, 51820, (), ()),
    wanted=IPv4Network("10.0.0.0/8"),
)
@example(
    firewall=Firewall((IPv6Network("2001:db8::/33"), IPv6Network("2001:db8:8000::/33")), 22, 51820),
    wanted=IPv6Network("2001:db8::/32"),
)
@example(firewall=Firewall((IPv4Network("0.0.0.0/0"),), 22, 51820), wanted=IPv6Network("::/96"))
def test_a_network_passes_only_if_every_address_of_it_does(firewall: Firewall, wanted: AnyNetwork) -> None:
    covered = sum(n.num_addresses for n in firewall.management_networks if within(n, wanted))
    whole = covered == wanted.num_addresses or any(within(wanted, n) for n in firewall.management_networks)
    origins = locked_out(rendered(firewall), firewall.ssh_port, [SshOrigin(wanted, "somebody")])
    assert (origins == ()) == whole


@SOME
@given(firewall=firewalls, source=either_network, port=ports)
def test_wireguard_is_reached_at_its_udp_ports_alone(firewall: Firewall, source: AnyNetwork, port: int) -> None:
    rules = parse_ruleset(rendered(firewall))
    offered = {firewall.wireguard_port, *firewall.further_ports}
    for one in {port, *filter(None, offered)}:
        packet = replace(arriving(source, one), protocol="udp")
        (ruling,) = rulings(rules, "input", packet)
        assert ruling.accepted == (one in offered)
        assert ruling.rule == ("tunnel" if one in offered else "policy"), "by the rule of its first port, limit and all"


def test_ssh_that_is_led_elsewhere_is_a_lock_out() -> None:
    text = rendered(Firewall((IPv4Network("192.0.2.0/24"),), 22, 51820, further_ports=(443,)))
    old = "fib daddr type local udp dport 443 dnat to :51820"
    assert old in text
    assert locked_out(text, 22, [SshOrigin(IPv4Network("192.0.2.0/24"), "somebody")]) == ()
    astray = text.replace(old, "fib daddr type local tcp dport 22 dnat to :51820")
    assert locked_out(astray, 22, [SshOrigin(IPv4Network("192.0.2.0/24"), "somebody")])
    for strange in ("ip saddr @management tcp dport 22 dnat to :51820", "udp dport 443 accept"):
        with pytest.raises(RenderError):
            locked_out(text.replace(old, strange), 22, [SshOrigin(IPv4Network("192.0.2.0/24"), "somebody")])


@SOME
@given(firewall=firewalls, port=ports)
def test_no_other_port_is_open_to_management(firewall: Firewall, port: int) -> None:
    rules = parse_ruleset(rendered(firewall))
    for network in firewall.management_networks:
        assert accepts(rules, arriving(network, port)) == (port == firewall.ssh_port)


@SOME
@given(firewall=firewalls)
def test_rules_without_ipv6_are_those_of_before_and_say_nothing_of_it(firewall: Firewall) -> None:
    """What is loaded on the hosts of an inventory without IPv6 does not change because others have it."""
    four = rendered(replace(firewall, management_networks=firewall.management_of(4), speaks_ipv6=False))
    six = rendered(firewall)
    for word in ("management_v6", "new_ssh_v6", "ip6 saddr @", "groups-v6", "lease-v6"):
        assert word not in four
    # The host brings one form into the other, so that a return to older rules shuts nobody out, or in.
    assert with_ipv6_of(six, four) == four
    assert with_ipv6_of(four, six) == six
    assert ssh_in(six) == (firewall.ssh_port, [str(network) for network in firewall.management_networks])


NEIGHBOURS = ("nd-router-advert", "nd-neighbor-solicit", "nd-neighbor-advert")


@pytest.mark.parametrize("kind", NEIGHBOURS)
def test_rules_that_do_not_hear_neighbours_shut_out_whoever_comes_over_ipv6(kind: str) -> None:
    text = rendered(Firewall((IPv6Network("2001:db8::/48"),), 22, 51820))
    deaf = text.replace(f"{kind} ", "").replace(f"{kind}, ", "").replace(f", {kind}", "")
    six, four = required_sources([], "2001:db8::1"), required_sources([], "192.0.2.1")
    assert deaf != text
    assert not deaf_to_neighbours(text, six)
    assert deaf_to_neighbours(deaf, required_sources([], "2001:db8::1"))
    assert not deaf_to_neighbours(deaf, four)


@pytest.mark.parametrize(
    "line",
    [
        "icmpv6 type { nd-neighbor-solicit } drop",
        "ip6 saddr fe80::/10 drop",
        "ip6 saddr @management_v6 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } drop",
        "meta l4proto icmpv6 drop",
        "counter drop",
    ],
)
def test_a_rule_that_drops_some_neighbours_before_they_are_heard_is_seen(line: str) -> None:
    text = rendered(Firewall((IPv6Network("2001:db8::/48"),), 22, 51820))
    before = "\t\ticmp type { echo-request"
    assert before in text
    changed = text.replace(before, f'\t\t{line} comment "x"\n{before}')
    assert deaf_to_neighbours(changed, required_sources([], "2001:db8::1"))


def test_a_host_whose_rules_hear_no_neighbours_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.apply(of({"kcl-bg-001": 1}))
    networks = ["2001:db8::/48", "198.51.100.0/27"]
    six = of({"kcl-bg-001": 1}, carriers=[inventories.carrier(management_networks=networks)])
    assert world.plan(six).plan.refused == ()
    name, templates = "nftables/provisioner.nft.j2", fleets.templates()
    text = templates.texts[name].replace("nd-neighbor-solicit, ", "")
    monkeypatch.setattr(fleets, "templates", lambda: Templates({**templates.texts, name: text}, templates.host_sources))
    (refusal,) = world.plan(six).plan.refused
    assert (refusal.policy, refusal.host) == ("lock_out", "relay-viettel-1")
    assert "neighbour discovery" in refusal.message


def test_a_controller_that_comes_over_ipv6_is_locked_out_by_a_table_without_ipv6() -> None:
    text = rendered(Firewall((IPv4Network("0.0.0.0/0"),), 22, 51820, (), ()))
    (origin,) = locked_out(text, 22, required_sources([], "2001:db8::1"))
    assert "2001:db8::1" in origin.who


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('accept comment "ssh-v6"', 'ip6 daddr 2001:db8::1 accept comment "ssh-v6"'),
        ("udp sport 547", "tcp sport 22"),
        ('accept comment "ssh"', 'ip ttl 64 accept comment "ssh"'),
        ('ip saddr @management tcp dport 22 accept comment "ssh"', "jump elsewhere"),
        ("chain input {", "chain inputs {"),
    ],
)
def test_rules_that_are_not_understood_are_never_taken_for_open(old: str, new: str) -> None:
    firewall = Firewall((IPv4Network("192.0.2.0/24"), IPv6Network("2001:db8::/32")), 22, 51820, speaks_ipv6=True)
    text = rendered(firewall)
    assert old in text
    with pytest.raises(RenderError):
        locked_out(text.replace(old, new), 22, [SshOrigin(IPv6Network("2001:db8:1::/48"), "somebody")])


@pytest.mark.parametrize(
    "old",
    [
        'ip saddr @management tcp dport 22 accept comment "ssh"',
        "elements = { 192.0.2.0/24 }",
        "tcp dport 22 accept",
        'accept comment "ssh"',
    ],
)
def test_rules_that_lost_something_are_a_lock_out(old: str) -> None:
    text = rendered(Firewall((IPv4Network("192.0.2.0/24"),), 22, 51820, (), ()))
    assert old in text
    replaced = {
        "tcp dport 22 accept": "tcp dport 2222 accept",
        # To one address of the host's alone.
        'accept comment "ssh"': 'ip daddr 192.0.2.1 accept comment "ssh"',
        "elements = { 192.0.2.0/24 }": "elements = { 198.51.100.0/24 }",
    }
    changed = text.replace("\t\t" + old + "\n", "") if old not in replaced else text.replace(old, replaced[old])
    assert locked_out(changed, 22, [SshOrigin(IPv4Network("192.0.2.0/24"), "somebody")])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('\t\tip6 saddr @management_v6 tcp dport 22 accept comment "ssh-v6"\n', ""),
        ("elements = { 2001:db8::/48 }", "elements = { 2001:db8::/49 }"),
        ("ip6 saddr @management_v6 tcp dport 22 accept", "ip saddr @management_v6 tcp dport 22 accept"),
        ("ip6 saddr @management_v6 tcp dport 22 accept", "ip6 saddr @management tcp dport 22 accept"),
        ("ip6 saddr @management_v6 tcp dport 22 accept", "udp sport 547 ip6 saddr @management_v6 accept"),
    ],
)
def test_rules_that_lost_something_of_ipv6_are_a_lock_out_there_alone(old: str, new: str) -> None:
    text = rendered(Firewall((IPv4Network("192.0.2.0/24"), IPv6Network("2001:db8::/48")), 22, 51820))
    assert old in text
    (origin,) = locked_out(
        text.replace(old, new), 22, required_sources([IPv4Network("192.0.2.0/24"), IPv6Network("2001:db8::/48")], "")
    )
    assert origin.network.version == 6


def nft_checks() -> bool:
    """Tell whether nft can check a file here: it asks the kernel, which takes rights."""
    try:
        done = subprocess.run(["unshare", "-rn", "nft", "-c", "add table inet x"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


@pytest.mark.skipif(not nft_checks(), reason="nft cannot be asked here")
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(firewall=firewalls)
@example(firewall=Firewall((IPv4Network("0.0.0.0/0"),), 22, 51820, (), ()))
@example(firewall=Firewall((IPv6Network("::/0"),), 22, 51820, speaks_ipv6=True))
def test_nft_takes_every_rendered_file_as_a_host_loads_it(firewall: Firewall) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".nft") as file:
        file.write(rendered(firewall))
        file.flush()
        rules = loadable(Path(file.name))
    done = subprocess.run(
        ["unshare", "-rn", "nft", "-c", "-f", "-"], input=rules, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_management_networks_that_overlap_are_one_element() -> None:
    overlapping = ["2001:DB8:0:1::/64", "10.0.0.0/16", "10.0.4.0/24", "2001:db8::/64", "10.1.0.0/16", "192.0.2.0/24"]
    state = fleets.state_of(inventories.inventory(carriers=[inventories.carrier(management_networks=overlapping)]))
    firewall = state.hosts["relay-viettel-1"].firewall
    assert firewall
    assert [str(network) for network in firewall.management_networks] == [
        "10.0.0.0/15",
        "192.0.2.0/24",
        "2001:db8::/63",
    ]


def test_a_plan_that_would_lock_the_controller_out_is_refused_and_says_who() -> None:
    world = World()
    world.apply(of({"kcl-bg-001": 1}))
    world.hosts.hosts["relay-viettel-1"].ssh_peer = "198.51.100.5"
    elsewhere = of({"kcl-bg-001": 1}, carriers=[inventories.carrier(management_networks=["192.0.2.0/24"])])
    (refusal,) = world.plan(elsewhere).plan.refused
    assert (refusal.policy, refusal.host) == ("lock_out", "relay-viettel-1")
    assert "this controller, which the host sees as 198.51.100.5" in refusal.message
    assert "carriers/viettel.yml" in refusal.hint


def test_a_host_that_does_not_tell_where_the_controller_is_makes_the_plan_say_so() -> None:
    world = World()
    world.apply(of({"kcl-bg-001": 1}))
    world.hosts.hosts["relay-viettel-1"].ssh_peer = "unknown"
    plan = world.plan(of({"kcl-bg-001": 2})).plan
    assert (plan.refused, len(plan.notes)) == ((), 1)
    assert "relay-viettel-1 did not tell" in plan.notes[0]
