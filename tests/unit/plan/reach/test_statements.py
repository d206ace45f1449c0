"""Statements about who reaches what: which of them a mistake breaks, and what is said of it."""

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from provisioner.base.errors import RenderError
from provisioner.desired.render.host import firewall_file
from provisioner.desired.spec import HostSpec
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.orders import Intents, Program, Service
from provisioner.plan.reach.roads import CellReach
from provisioner.plan.reach.statements import (
    ALL,
    BUILT_IN,
    Reachability,
    ReachCell,
    ReachQuery,
    StatementResult,
    judged,
    statements_of,
)
from tests import fleets, inventories
from tests.plans import of

RELAY, OTHER, CENTRE = "relay-viettel-1", "relay-vnpt-1", "centre"
FIRST, SECOND = "kcl-bg-001", "kcl-bg-002"


def fleet(*intents: dict[str, Any]) -> Inventory:
    vnpt = inventories.carrier("vnpt", 21, management_networks=["192.0.2.0/28"])
    inventory = fleets.complete(of({FIRST: 2, SECOND: 1}, carriers=[inventories.carrier(), vnpt]))
    known = Intents.model_validate_json(json.dumps({"version": 1, "intents": intents}))
    return inventory.model_copy(update={"intents": known.intents})


def text_of(spec: HostSpec) -> str:
    return firewall_file(spec, fleets.templates()).content.decode()


def reachability(
    inventory: Inventory, *, edits: dict[str, tuple[str, str]] | None = None, spec: HostSpec | None = None
) -> Reachability:
    """With a host's rules edited, as a mistake in a template would edit them."""

    def edited(spec: HostSpec) -> str:
        old, new = (edits or {}).get(spec.id, ("", ""))
        text = text_of(spec)
        assert old in text
        return text.replace(old, new) if old else text

    specs = {spec.id: spec} if spec else {}
    return Reachability(inventory, fleets.state_of(inventory).hosts | specs, edited)


def broken(inventory: Inventory, at: Reachability) -> dict[str, StatementResult]:
    return {one.statement.name: one for one in judged(statements_of(inventory), at) if one.broken}


def test_every_built_in_statement_is_about_something_and_holds() -> None:
    inventory = fleet()
    for result in judged(BUILT_IN, reachability(inventory)):
        assert result.cells, result.statement.name
        assert result.holds, result


TUNNEL_SHUT = 'iifname "wg-prov" drop comment "nothing-new-from-the-tunnel"'
NO_SCANNING = 'oifname "wg-prov" drop comment "no-scanning"'
READERS = 'iifname "wg-prov" ip saddr @centres tcp dport 8554 accept'
FORWARD, INPUT = "hook forward priority filter; policy ", "hook input priority filter; policy "
OPEN = 'counter accept comment "x"'
MISTAKES = [
    (RELAY, f"{FORWARD}drop", f"{FORWARD}accept", "sites-apart"),
    (RELAY, f"{INPUT}drop", f"{INPUT}accept", "relays-shut-outside"),
    (RELAY, NO_SCANNING, OPEN, "nobody-scans-sites"),
    (RELAY, 'meta skuid "mediamtx" counter drop', 'meta skuid "mediamtx" counter accept', "mediamtx-stays-inside"),
    (RELAY, 'meta skuid "provisioner-probe" counter drop', "udp dport 1 drop", "probe-stays-inside"),
    (RELAY, "ip saddr @management tcp dport 22 accept", "tcp dport 22 accept", "hosts-shut-to-the-internet"),
    (CENTRE, 'tcp dport 22 drop comment "ssh-from-elsewhere"', OPEN, "hosts-shut-to-the-internet"),
]


@pytest.mark.parametrize(("host", "old", "new", "statement"), MISTAKES)
def test_a_mistake_in_the_rules_breaks_the_statement_about_it(host: str, old: str, new: str, statement: str) -> None:
    inventory = fleet()
    assert statement in broken(inventory, reachability(inventory, edits={host: (old, new)}))


def test_where_two_hosts_hold_something_back_it_takes_a_mistake_at_both() -> None:
    inventory = fleet()
    centre = {CENTRE: (TUNNEL_SHUT, 'iifname "wg-prov" accept comment "x"')}
    assert broken(inventory, reachability(inventory, edits=centre)) == {}
    both = reachability(inventory, edits=centre | {RELAY: (NO_SCANNING, OPEN)})
    assert "relays-open-nothing-at-centres" in broken(inventory, both)


def test_video_takes_an_open_port_and_a_login() -> None:
    inventory = fleet()
    spec = fleets.state_of(inventory).hosts[RELAY]
    assert spec.relay
    edits = {RELAY: (READERS, 'iifname "wg-prov" tcp dport 8554 accept')}
    assert broken(inventory, reachability(inventory, edits=edits)) == {}, "MediaMTX's own list of addresses holds"
    site = str(next(p.allowed_ips[0] for p in spec.tunnel.peers if p.name == f"site/{FIRST}"))
    users = tuple(replace(user, addresses=(*user.addresses, site)) for user in spec.relay.users)
    loose = replace(spec, relay=replace(spec.relay, users=users))
    at = reachability(inventory, edits=edits, spec=loose)
    (cell,) = broken(inventory, at)["sites-open-nothing-at-relays"].broken
    assert (cell.service, cell.reach) == (Service.VIDEO, CellReach.PART), "one of two sites"


def test_a_management_network_that_holds_the_tunnels_addresses_lets_sites_log_in() -> None:
    inventory = fleet()
    spec = fleets.state_of(inventory).hosts[RELAY]
    assert spec.firewall
    wide = replace(spec, firewall=replace(spec.firewall, management_networks=(IPv4Network("10.0.0.0/8"),)))
    result = broken(inventory, reachability(inventory, spec=wide))["sites-open-nothing-at-relays"]
    assert {(cell.service, cell.reach) for cell in result.broken} == {(Service.SSH, CellReach.YES)}
    assert result.broken[0].by == (f"{RELAY} input: ssh",)


def test_a_network_that_holds_some_sites_lets_some_log_in() -> None:
    inventory = fleet()
    spec = fleets.state_of(inventory).hosts[RELAY]
    assert spec.firewall
    first = next(p.allowed_ips for p in spec.tunnel.peers if p.name == f"site/{FIRST}")
    narrow = replace(spec, firewall=replace(spec.firewall, management_networks=first))
    (cell,) = broken(inventory, reachability(inventory, spec=narrow))["sites-open-nothing-at-relays"].broken
    assert (cell.reach, cell.by) == (CellReach.PART, (f"{RELAY} input: policy",))


def test_a_camera_outside_of_its_sites_address_is_seen() -> None:
    inventory = fleet()
    spec = fleets.state_of(inventory).hosts[RELAY]
    assert spec.firewall
    elsewhere = (*spec.firewall.cameras, (IPv4Address(spec.firewall.cameras[0][0]), 9))
    scanning = replace(spec, firewall=replace(spec.firewall, cameras=elsewhere))
    names = broken(inventory, reachability(inventory, spec=scanning))
    assert {"mediamtx-pulls-cameras-alone", "nobody-scans-sites"} <= names.keys()


def tunnel_cells(at: Reachability) -> dict[str, tuple[CellReach, tuple[str, ...]]]:
    cells = at.cells(ReachQuery(("internet", "management", "sites", "centres"), (f"relay/{RELAY}",), (Service.TUNNEL,)))
    return {f"{cell.source} {cell.program or ''}".strip(): (cell.reach, cell.by) for cell in cells}


def test_wireguard_is_reached_at_every_port_that_the_relay_offers_and_what_is_lost_of_them_is_named() -> None:
    relay = inventories.relay(RELAY, 11, further_wireguard_ports=[443, 53])
    inventory = fleets.complete(of({FIRST: 2, SECOND: 1}, carriers=[inventories.carrier(relays=[relay])]))
    cells = tunnel_cells(reachability(inventory))
    assert cells["internet"] == (CellReach.YES, (f"{RELAY} input: tunnel",))
    assert broken(inventory, reachability(inventory)) == {}
    lost = "fib daddr type local udp dport 53 dnat to :51820"
    astray = reachability(inventory, edits={RELAY: (lost, lost.replace("dport 53", "dport 54"))})
    assert tunnel_cells(astray)["internet"] == (CellReach.PART, (f"{RELAY} input: policy",))
    elsewhere = reachability(inventory, edits={RELAY: (lost, lost.replace("51820", "51821"))})
    assert tunnel_cells(elsewhere)["internet"][0] is CellReach.PART


def saying(word: str, origin: str, target: str, services: str = "", programs: str = "") -> dict[str, Any]:
    """An intent that allows or denies."""
    more = {"services": [services], "programs": [programs]}
    return {word: {"from": [origin], "to": [target]} | {name: value for name, value in more.items() if value != [""]}}


INTENTS: list[tuple[dict[str, Any], bool]] = [
    (saying("allow", "management/vnpt", f"relay/{OTHER}", "ssh"), True),
    (saying("allow", "management/vnpt", f"relay/{RELAY}", "ssh"), False),
    (saying("deny", "management/vnpt", f"relay/{RELAY}", "ssh"), True),
    (saying("deny", "management", "relays", "ssh"), False),
    (saying("allow", "centres", "relays", "video"), True),
    (saying("deny", "centres", "relays", "video"), False),
    (saying("allow", f"relay/{RELAY}", f"site/{FIRST}", "cameras", "relay"), True),
    (saying("deny", f"relay/{RELAY}", "province/bac-giang", "cameras", "probe"), True),
    (saying("deny", f"site/{FIRST}", f"site/{SECOND}"), True),
    (saying("allow", "internet", "relays", "tunnel"), True),
    (saying("deny", "relays", "internet"), False),
]


@pytest.mark.parametrize(("says", "holds"), INTENTS)
def test_what_an_inventory_says_is_held_against_its_rules(says: dict[str, Any], *, holds: bool) -> None:
    inventory = fleet({"id": "own"} | says)
    own = [one for one in judged(statements_of(inventory), reachability(inventory)) if one.statement.name == "own"]
    (result,) = own
    assert result.cells
    assert result.holds == holds


def test_what_is_not_there_is_neither_kept_nor_broken() -> None:
    inventory = fleet({"id": "own", "deny": {"from": [f"relay/{OTHER}"], "to": ["sites"]}})
    own = next(one for one in judged(statements_of(inventory), reachability(inventory)) if one.statement.name == "own")
    assert (own.cells, own.broken, own.holds) == (0, (), False)


def test_only_roads_over_the_hosts_that_change_are_judged() -> None:
    inventory = fleet()
    cells = [*reachability(inventory).cells(ALL._replace(touching=[OTHER]))]
    assert cells
    assert all(OTHER in cell.hosts for cell in cells)


def test_a_site_is_told_from_the_others_of_its_relay() -> None:
    inventory = fleet()
    wanted = ReachQuery((f"site/{FIRST}",), ("sites", f"site/{FIRST}", f"site/{SECOND}"))
    cells: list[ReachCell] = [*reachability(inventory).cells(wanted)]
    assert {cell.target for cell in cells} == {f"sites of {RELAY}", f"site/{SECOND}"}, "never to itself alone"
    assert {cell.reach for cell in cells} == {CellReach.NO}


def test_programs_of_a_relay_are_told_apart() -> None:
    wanted = ReachQuery(("relays",), ("relays",), (Service.API,))
    cells = [*reachability(fleet()).cells(wanted)]
    reached = {cell.program for cell in cells if cell.reach is CellReach.YES}
    assert reached == {Program.OTHERS}, "MediaMTX's API is root's"


def test_rules_that_nobody_understands_are_an_error_and_no_answer() -> None:
    inventory = fleet()
    at = reachability(inventory, edits={RELAY: ("ct state invalid drop", "meta mark 7 drop")})
    with pytest.raises(RenderError):
        list(at.cells(ALL))


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (f"site/{FIRST}", {f"site/{FIRST}"}),
        (f"site/{SECOND}", {f"site/{SECOND}"}),
        ("site/nowhere", set()),
        ("sites", {f"sites of {RELAY}", f"pushing sites of {RELAY}"}),
        ("province/bac-giang", {"province/bac-giang", "pushing province/bac-giang"}),
        ("province/hai-duong", set()),
    ],
)
def test_a_site_that_pushes_from_outside_is_asked_for_as_one_that_has_a_tunnel(source: str, names: set[str]) -> None:
    sites = [fleets.pushing(FIRST), fleets.facility(SECOND, 1)]
    inventory = fleets.complete(inventories.inventory(facilities=sites))
    cells = reachability(inventory).cells(ReachQuery((source,), ("relays",)))
    assert {cell.source for cell in cells} == names
