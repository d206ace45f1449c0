"""Laws of a centre's table: SSH from management networks alone, nothing new from the tunnel, all else as it was."""

import subprocess
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from provisioner.base.text import AnyAddress, AnyNetwork
from provisioner.desired.render.host import NFT_FILE, PROBE_USER, render_host
from provisioner.desired.spec import Firewall, HostSpec
from provisioner.plan.guards.reachability import locked_out, required_sources
from provisioner.plan.reach.packets import accepts, arriving, parse_ruleset
from tests import fleets, inventories
from tests.hostile import CAMERA, GATEWAY, RELAY
from tests.plans import World, of

from .test_lockout_laws import addresses, apart, either_address, either_network, nft_checks, ports

SOME = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
guards = st.builds(
    Firewall,
    management_networks=st.lists(either_network, min_size=1, max_size=6).map(apart),
    ssh_port=ports,
    relays=st.lists(addresses, max_size=5, unique=True).map(lambda listed: tuple(sorted(listed))),
)


def centre(**more: Any) -> HostSpec:
    return fleets.state_of(inventories.inventory(centres=[inventories.centre(**more)])).hosts["centre"]


BASE = centre()


def rendered(firewall: Firewall) -> str:
    files = render_host(replace(BASE, firewall=firewall), fleets.templates())
    return next(file.content.decode() for file in files if file.path == NFT_FILE)


@GATEWAY
@SOME
@given(firewall=guards, stranger=either_address)
def test_ssh_of_a_centre_is_open_to_management_networks_alone(firewall: Firewall, stranger: AnyAddress) -> None:
    text = rendered(firewall)
    assert locked_out(text, firewall.ssh_port, required_sources(firewall.management_networks, "")) == ()
    inside = any(stranger in network for network in firewall.management_networks)
    assert accepts(parse_ruleset(text), arriving(ip_network(stranger), firewall.ssh_port)) == inside
    if not firewall.management_of(6):
        (origin,) = locked_out(text, firewall.ssh_port, required_sources([], "2001:db8::1"))
        assert "2001:db8::1" in origin.who


@SOME
@given(firewall=guards, stranger=either_network, port=ports)
def test_other_services_of_a_centre_are_left_alone(firewall: Firewall, stranger: AnyNetwork, port: int) -> None:
    assume(port != firewall.ssh_port)
    assert accepts(parse_ruleset(rendered(firewall)), arriving(stranger, port))


@RELAY
@SOME
@given(firewall=guards)
def test_nothing_new_comes_out_of_the_tunnel_before_any_other_rule_is_asked(firewall: Firewall) -> None:
    rules = parse_ruleset(rendered(firewall)).chains
    into = [rule.matches for rule in rules["input"].rules if rule.verdict == "accept"]
    before = [r.matches for r in rules["input"].rules][: [r.comment for r in rules["input"].rules].index("ssh-limit")]
    # What may come is what was asked for, and ICMP; then the door is shut, before SSH is spoken of.
    assert before[0] == "ct state established,related"
    assert before[-1] == 'iifname "wg-prov"'
    assert into[2].startswith('iifname "wg-prov" icmp type')
    assert [(r.matches, r.verdict) for r in rules["forward"].rules] == [
        ('iifname "wg-prov" ct state established,related', "accept"),
        ('iifname "wg-prov"', "drop"),
    ]


@CAMERA
@SOME
@given(firewall=guards)
def test_who_reads_streams_on_a_centre_reaches_relays_and_nothing_else(firewall: Firewall) -> None:
    rules = parse_ruleset(rendered(firewall)).chains["output"].rules
    assert [(r.matches, r.verdict) for r in rules] == [
        (f'meta skuid "{PROBE_USER}" oifname "wg-prov" ip daddr @relays tcp dport 8554', "accept"),
        (f'meta skuid "{PROBE_USER}"', "drop"),
    ]


@pytest.mark.skipif(not nft_checks(), reason="nft cannot be asked here")
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(firewall=guards)
def test_nft_takes_every_rendered_file(firewall: Firewall) -> None:
    # The user is there on a host before a rule names it; here there may be none.
    text = rendered(firewall).replace(PROBE_USER, "root")
    done = subprocess.run(
        ["unshare", "-rn", "nft", "-c", "-f", "-"], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_centre_is_managed_from_where_its_relays_are_and_from_its_own_networks() -> None:
    own = centre(management_networks=["192.0.2.0/24"])
    assert own.firewall
    assert [str(n) for n in own.firewall.management_networks] == ["192.0.2.0/24", "198.51.100.0/27"]
    assert own.firewall.relays == tuple(own.tunnel.peers[i].allowed_ips[0].network_address for i in range(1))


def test_a_plan_that_would_shut_the_controller_out_of_a_centre_is_refused_and_says_who() -> None:
    world = World()
    world.apply(of({"kcl-bg-001": 1}))
    world.hosts.hosts["centre"].ssh_peer = "203.0.113.5"
    moved = inventories.centre(management_networks=["192.0.2.0/24"])
    (refusal,) = world.plan(of({"kcl-bg-001": 1}, centres=[moved])).plan.refused
    assert (refusal.policy, refusal.host) == ("lock_out", "centre")
    assert "this controller, which the host sees as 203.0.113.5" in refusal.message
    assert "centres/centre.yml" in refusal.hint
