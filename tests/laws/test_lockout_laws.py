"""Laws of the rendered firewall: SSH from management networks always passes, from elsewhere never."""

from __future__ import annotations

import random
import subprocess
import tempfile
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_network
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from provisioner.base.errors import RenderError
from provisioner.desired.spec import Firewall, HostSpec
from provisioner.plan.guards.lockout import SshOrigin, locked_out, required_sources
from provisioner.plan.guards.ruleset import NewConnection, accepts, parse_ruleset
from provisioner.render.files import NFT_FILE
from provisioner.render.host import render_host
from provisioner_host.firewall import loadable
from tests import fleets, inventories
from tests.plans import World, of

SOME = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
addresses = st.integers(0, 2**32 - 1).map(IPv4Address)
networks = st.builds(lambda a, p: IPv4Network((a, p), strict=False), addresses, st.integers(4, 32))
ports = st.integers(1, 65535)


def apart(drawn: list[IPv4Network]) -> tuple[IPv4Network, ...]:
    """Networks of which none overlaps another, as inventories have them."""
    disjoint: list[IPv4Network] = []
    for network in drawn:
        if not any(network.overlaps(other) for other in disjoint):
            disjoint.append(network)
    return tuple(sorted(disjoint))


firewalls = st.builds(
    Firewall,
    management_networks=st.lists(networks, min_size=1, max_size=6).map(apart),
    ssh_port=ports,
    wireguard_port=ports,
    centres=st.lists(addresses, max_size=3, unique=True).map(lambda listed: tuple(sorted(listed))),
    cameras=st.lists(st.tuples(addresses, ports), max_size=5, unique=True).map(lambda listed: tuple(sorted(listed))),
)


def base() -> HostSpec:
    return fleets.state_of(inventories.inventory()).hosts["relay-viettel-1"]


BASE = base()


def rendered(firewall: Firewall) -> str:
    files = render_host(replace(BASE, firewall=firewall), fleets.templates())
    return next(file.content.decode() for file in files if file.path == NFT_FILE)


@SOME
@given(firewall=firewalls, seed=st.integers(0, 2**16), stranger=addresses)
def test_ssh_passes_from_management_networks_and_from_nowhere_else(
    firewall: Firewall, seed: int, stranger: IPv4Address
) -> None:
    text = rendered(firewall)
    rules = parse_ruleset(text)
    assert locked_out(text, firewall.ssh_port, required_sources(firewall.management_networks, "")) == ()
    chance = random.Random(seed)  # noqa: S311 (any address will do)
    for network in firewall.management_networks:
        inside = network[chance.randrange(network.num_addresses)]
        assert accepts(rules, NewConnection(ip_network(inside), firewall.ssh_port))
    outside = not any(stranger in network for network in firewall.management_networks)
    assert accepts(rules, NewConnection(ip_network(stranger), firewall.ssh_port)) == (not outside)


@SOME
@given(firewall=firewalls, wanted=networks)
@example(
    firewall=Firewall((IPv4Network("10.0.0.0/9"), IPv4Network("10.128.0.0/9")), 22, 51820, (), ()),
    wanted=IPv4Network("10.0.0.0/8"),
)
def test_a_network_passes_only_if_every_address_of_it_does(firewall: Firewall, wanted: IPv4Network) -> None:
    covered = sum(n.num_addresses for n in firewall.management_networks if n.subnet_of(wanted))
    whole = covered == wanted.num_addresses or any(wanted.subnet_of(n) for n in firewall.management_networks)
    origins = locked_out(rendered(firewall), firewall.ssh_port, [SshOrigin(wanted, "somebody")])
    assert (origins == ()) == whole


@SOME
@given(firewall=firewalls, port=ports)
def test_no_other_port_is_open_to_management(firewall: Firewall, port: int) -> None:
    rules = parse_ruleset(rendered(firewall))
    network = firewall.management_networks[0]
    assert accepts(rules, NewConnection(network, port)) == (port == firewall.ssh_port)


def test_a_controller_that_comes_over_ipv6_is_locked_out_by_a_table_without_ipv6() -> None:
    text = rendered(Firewall((IPv4Network("0.0.0.0/0"),), 22, 51820, (), ()))
    (origin,) = locked_out(text, 22, required_sources([], "2001:db8::1"))
    assert "2001:db8::1" in origin.who


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('accept comment "ssh"', 'ip daddr 192.0.2.1 accept comment "ssh"'),
        ('ip saddr @management tcp dport 22 accept comment "ssh"', "jump elsewhere"),
        ("chain input {", "chain inputs {"),
    ],
)
def test_rules_that_are_not_understood_are_never_taken_for_open(old: str, new: str) -> None:
    text = rendered(Firewall((IPv4Network("192.0.2.0/24"),), 22, 51820, (), ()))
    assert old in text
    with pytest.raises(RenderError):
        locked_out(text.replace(old, new), 22, [SshOrigin(IPv4Network("192.0.2.0/24"), "somebody")])


@pytest.mark.parametrize(
    "old",
    ['ip saddr @management tcp dport 22 accept comment "ssh"', "elements = { 192.0.2.0/24 }", "tcp dport 22 accept"],
)
def test_rules_that_lost_something_are_a_lock_out(old: str) -> None:
    text = rendered(Firewall((IPv4Network("192.0.2.0/24"),), 22, 51820, (), ()))
    assert old in text
    replaced = {
        "tcp dport 22 accept": "tcp dport 2222 accept",
        "elements = { 192.0.2.0/24 }": "elements = { 198.51.100.0/24 }",
    }
    changed = text.replace("\t\t" + old + "\n", "") if old not in replaced else text.replace(old, replaced[old])
    assert locked_out(changed, 22, [SshOrigin(IPv4Network("192.0.2.0/24"), "somebody")])


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
def test_nft_takes_every_rendered_file_as_a_host_loads_it(firewall: Firewall) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".nft") as file:
        file.write(rendered(firewall))
        file.flush()
        rules = loadable(Path(file.name))
    done = subprocess.run(
        ["unshare", "-rn", "nft", "-c", "-f", "-"],
        input=rules,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_management_networks_that_overlap_are_one_element() -> None:
    overlapping = ["10.0.0.0/16", "10.0.4.0/24", "10.1.0.0/16", "192.0.2.0/24"]
    state = fleets.state_of(inventories.inventory(carriers=[inventories.carrier(management_networks=overlapping)]))
    firewall = state.hosts["relay-viettel-1"].firewall
    assert firewall
    assert [str(network) for network in firewall.management_networks] == ["10.0.0.0/15", "192.0.2.0/24"]


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
