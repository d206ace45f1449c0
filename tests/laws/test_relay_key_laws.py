"""A relay that changes its own key: whom the keys are told, whose rules they are, and where each peer is reached."""

import json
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from provisioner.desired.render.host import NFT_FILE, TUNNEL_FILE, WG_FILE
from provisioner.desired.sites import link_ends
from provisioner.desired.state import desired_state
from provisioner.inventory.model.hosts import NextRelayKey, OwnKeyStage
from provisioner.inventory.model.inventory import Inventory
from provisioner.operations.edit.keys import at_stage, with_key_taken, with_own_next_key
from provisioner.plan.reach.packets import parse_ruleset
from provisioner_host.tunnel import interface, second_tunnel
from provisioner_host.tunnel.interface import FilePeer
from tests import fleets, inventories

RELAY, SITE, PORT = "relay-viettel-1", "kcl-bg-001", 51999
NEXT = inventories.public_key("the relay's next key")
BOTH = '{ "wg-prov", "wg-prov-next" }'

stages = st.sampled_from([None, *OwnKeyStage])
modes = st.sampled_from(["pull_portmap", "routed", "pull_nat_map", "publish"])


def changing(stage: OwnKeyStage | None, mode: str = "pull_portmap", port: int = PORT) -> Inventory:
    """A fleet whose relay changes its own key, or does not."""
    sites = [fleets.facility(SITE)] + ([] if mode == "pull_portmap" else [fleets.of_mode(mode, "kcl-bg-002")])
    changes = {"further_wireguard_ports": [443, 4500]}
    relay = inventories.relay(RELAY, 11, **changes)
    carrier = inventories.carrier(relays=[relay], routed_networks=["10.120.0.0/16"])
    inventory = fleets.complete(inventories.inventory(carriers=[carrier], facilities=sites))
    if stage is None:
        return inventory
    following = NextRelayKey(public_key=NEXT, port=port, since=date(2021, 5, 1), stage=stage)
    return inventories.with_lock(inventory, with_own_next_key(inventory.allocations, RELAY, following))


def files_of(inventory: Inventory) -> dict[str, dict[str, str]]:
    """The texts on every host, by path."""
    hosts = fleets.files_of(desired_state(inventory, fleets.secrets_of(inventory)))
    return {host: {f.path: f.content.decode(errors="replace") for f in of} for host, of in hosts.items()}


def answered(inventory: Inventory) -> set[tuple[str, int]]:
    """The keys with which the relay answers, each with the port."""
    lock, files = inventory.allocations.relays[RELAY], files_of(inventory)[RELAY]
    port = next(line for line in files[WG_FILE].splitlines() if line.startswith("ListenPort = "))
    own = {(str(lock.own_key), int(port.rpartition(" ")[2]))}
    second = second_tunnel.wanted(json.loads(files[TUNNEL_FILE]))
    return own | ({(second.public_key, second.port)} if second else set())


@given(stages)
def test_nobody_is_told_a_key_and_a_port_with_which_the_relay_does_not_answer(stage: OwnKeyStage | None) -> None:
    inventory = changing(stage)
    told = link_ends(inventory, inventory.facilities[SITE])[0]
    answers = answered(inventory)
    assert (told.public_key, told.endpoint[1]) in answers
    state = desired_state(inventory, fleets.secrets_of(inventory))
    centres = [spec for spec in state.hosts.values() if spec.relay is None]
    for centre in centres:
        peer = next(peer for peer in centre.tunnel.peers if peer.name == f"relay/{RELAY}")
        assert peer.endpoint is not None
        assert (peer.public_key, peer.endpoint[1]) == (told.public_key, told.endpoint[1])
    # Before the relay was applied with both nobody is told the next one, and with one key there is one port.
    assert (told.public_key == NEXT) == (stage in {OwnKeyStage.MOVING, OwnKeyStage.ENDING})
    assert len(answers) == (2 if stage in {OwnKeyStage.BEGUN, OwnKeyStage.MOVING} else 1)


@given(st.sampled_from(OwnKeyStage), modes)
def test_the_rules_treat_both_tunnels_alike_and_all_else_as_before(stage: OwnKeyStage, mode: str) -> None:
    usual, rules = files_of(changing(None, mode))[RELAY][NFT_FILE], files_of(changing(stage, mode))[RELAY][NFT_FILE]
    parse_ruleset(rules)
    if stage is OwnKeyStage.ENDING:
        assert rules == usual.replace("51820", str(PORT))
        return
    assert '"wg-prov"' not in rules.replace(BOTH, "")
    without = "\n".join(line for line in rules.replace(BOTH, '"wg-prov"').splitlines() if not line.endswith('-next"'))
    assert without == usual.rstrip("\n")
    added = [line for line in rules.splitlines() if line.endswith('-next"')]
    assert len(added) == 3
    assert all(f"udp dport {PORT} " in line for line in added)


@given(st.sampled_from([OwnKeyStage.BEGUN, OwnKeyStage.MOVING]))
def test_a_further_port_that_is_the_next_key_s_leads_to_that_alone(stage: OwnKeyStage) -> None:
    rules = files_of(changing(stage, port=443))[RELAY][NFT_FILE]
    assert "udp dport 443 dnat" not in rules
    assert "udp dport 4500 dnat to :51820" in rules


def test_the_change_leads_from_one_valid_lock_to_another_and_back() -> None:
    usual = changing(None)
    moving = changing(OwnKeyStage.MOVING)
    for inventory in (usual, moving):
        assert not [problem for problem in inventories.check(inventory) if problem.stops and "port" in problem.code]
    assert with_own_next_key(moving.allocations, RELAY, None) == usual.allocations
    ended = with_key_taken(at_stage(moving.allocations, RELAY, OwnKeyStage.ENDING), RELAY)
    assert (ended.relays[RELAY].public_key, ended.relays[RELAY].next_key) == (NEXT, None)
    assert with_key_taken(ended, RELAY) == ended
    wrong = changing(OwnKeyStage.MOVING, port=51820)
    assert "wireguard-port-unfit" in {problem.code for problem in inventories.check(wrong)}


# --- where each peer is ---------------------------------------------------------------------------
KEYS = [inventories.public_key(f"peer {number}") for number in range(4)]
MEMBERS = tuple(FilePeer(f"site/{n}", key, (f"10.91.{n}.1/32", f"10.99.{n}.0/24")) for n, key in enumerate(KEYS))
heard = st.dictionaries(st.sampled_from(KEYS), st.integers(0, 4))
networks = st.sets(st.sampled_from([network for one in MEMBERS for network in one.networks] + ["10.7.7.0/24"]))


@given(heard, heard)
def test_a_peer_is_where_it_was_heard_last_and_at_one_of_the_two(first: dict[str, int], second: dict[str, int]) -> None:
    moved = second_tunnel.moved_of(first, second)
    for key in KEYS:
        was, is_now = first.get(key, 0), second.get(key, 0)
        assert (key in moved) == (is_now > 0 and is_now >= was)


@given(st.sets(st.sampled_from(KEYS)), networks)
def test_after_the_steps_those_who_are_there_and_nobody_else_have_routes_there(there: set[str], live: set[str]) -> None:
    commands, names = second_tunnel.steps(MEMBERS, frozenset(there), frozenset(live), "10.91.0.1")
    routes = set(live)
    for command in commands:
        _, verb, network, *rest = command.split(" ")
        assert rest[:2] == ["dev", "wg-prov-next"]
        (routes.add if verb == "replace" else routes.remove)(network)
    assert routes == {network for one in MEMBERS if one.public_key in there for network in one.networks}
    again = second_tunnel.steps(MEMBERS, frozenset(there), frozenset(routes), "10.91.0.1")
    assert again == ([], [])
    assert all(name in {one.name for one in MEMBERS} for name in names)


def test_the_members_of_a_file_are_its_peers_with_networks() -> None:
    conf = files_of(changing(OwnKeyStage.MOVING))[RELAY][WG_FILE]
    members = [one for one in interface.peers_in(conf) if one.networks]
    assert {one.name.partition("/")[0] for one in members} == {"centre", "site"}
    assert all(one.networks and one.public_key for one in members)
    assert second_tunnel.calling(conf).count("PersistentKeepalive = 25") == conf.count("PersistentKeepalive = off")
