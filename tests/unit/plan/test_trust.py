"""Who and what is trusted anew: a change of its own, first of every plan, and never done unasked."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from provisioner.desired.render.host import POLICY_FILE
from provisioner.desired.trust import fingerprint, policy_of
from provisioner.plan.change import Resource, distinct_trust
from provisioner.plan.diff.trust import policy_changes
from provisioner.plan.plan import Plan
from provisioner.report.plan_markdown import MAX_BYTES, plan_comment
from tests import fleets, inventories, plans
from tests.hostile import MERGE_REQUEST, RELAY
from tests.plans import EVERYTHING, NOW, World

UNTRUSTED: Mapping[str, int] = {name: number for name, number in EVERYTHING.items() if name != "trust"}
SITES = {"kcl-bg-001": 2}
HOST = "relay-viettel-1"


def trusted(plan: Plan) -> list[tuple[str, str, str, str]]:
    """Every pending change of trust: host, name, action and reason."""
    return [(c.host, c.name, c.action.value, c.reason) for c in plan.pending if c.resource is Resource.TRUST]


def applied() -> World:
    """Hosts that hold one facility."""
    world = World()
    world.apply(plans.of(SITES))
    return world


def edited(**carrier: Any) -> Any:
    """The inventory with another carrier's file."""
    plain = inventories.carrier()
    return plans.of(SITES, carriers=[plain | carrier])


def relay(**changes: Any) -> list[dict[str, Any]]:
    """The carrier's one relay, edited."""
    (only,) = inventories.carrier()["relays"]
    return [only | changes]


def test_a_first_apply_is_trust_of_every_host_and_a_second_one_of_none() -> None:
    world = World()
    first = world.plan(plans.of(SITES), allow=UNTRUSTED).plan
    assert {(name, action) for _, name, action, _ in trusted(first)} == {("first apply", "create")}
    assert {host for host, *_ in trusted(first)} == set(first.hosts)
    assert [refusal.policy for refusal in first.refused] == ["trust"]
    world.apply(plans.of(SITES))
    assert trusted(world.plan(plans.of(SITES), allow=UNTRUSTED).plan) == []


OTHER_KEY = inventories.HOST_KEY[:-1] + "B"
JUMP: dict[str, Any] = {"address": "198.51.100.4", "ssh": {"user": "noc", "host_key": inventories.HOST_KEY}}
EDITS: dict[str, tuple[dict[str, Any], str]] = {
    "another address": ({"relays": relay(address="198.51.100.66")}, "address"),
    "another host key": ({"relays": relay(ssh={"user": "deploy", "host_key": OTHER_KEY})}, "host key"),
    "who signs in the place of a host key": (
        {"host_ca": OTHER_KEY, "relays": relay(ssh={"user": "deploy"})},
        "host key",
    ),
    "another user": ({"relays": relay(ssh=relay()[0]["ssh"] | {"user": "root"})}, "SSH user"),
    "another port": ({"relays": relay(ssh=relay()[0]["ssh"] | {"port": 2222})}, "SSH port"),
    "a jump host": ({"jump": JUMP}, "jump host"),
    "SSH from a quarter of everywhere": ({"management_networks": ["192.0.0.0/2"]}, "SSH from 192.0.0.0/2"),
    "SSH from one address more": (
        {"management_networks": [*inventories.carrier()["management_networks"], "203.0.113.7/32"]},
        "SSH from 203.0.113.7/32",
    ),
}


@MERGE_REQUEST
@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_who_is_trusted_is_named_and_refused_unless_it_is_said(edit: str) -> None:
    carrier, name = EDITS[edit]
    plan = applied().plan(edited(**carrier), allow=UNTRUSTED).plan
    assert {named for _, named, *_ in trusted(plan)} == {name}
    (refusal,) = [refusal for refusal in plan.refused if refusal.policy == "trust"]
    # Networks are the relay's and the centre's; each host that lets more in counts.
    number = 2 if name.startswith("SSH from") else 1
    assert (refusal.limit, refusal.value) == (0, number)
    assert name in refusal.message
    assert f"--allow trust={number}" in refusal.hint
    assert not applied().plan(edited(**carrier), allow={**UNTRUSTED, "trust": number}).plan.refused


JUMP_EDITS: dict[str, dict[str, Any] | None] = {
    "another address": JUMP | {"address": "198.51.100.5", "inside": "198.51.100.4"},
    "another host key": JUMP | {"ssh": JUMP["ssh"] | {"host_key": OTHER_KEY}},
    "another user": JUMP | {"ssh": JUMP["ssh"] | {"user": "root"}},
    "another port": JUMP | {"ssh": JUMP["ssh"] | {"port": 2222}},
    "none": None,
}


@MERGE_REQUEST
@pytest.mark.parametrize("edit", JUMP_EDITS)
def test_a_jump_host_that_is_another_one_is_trusted_anew_and_one_that_goes_is_not(edit: str) -> None:
    world = World()
    world.apply(edited(jump=JUMP))
    assert trusted(world.plan(edited(jump=JUMP), allow=UNTRUSTED).plan) == []
    plan = world.plan(edited(jump=JUMP_EDITS[edit]), allow=UNTRUSTED).plan
    changes = trusted(plan)
    if JUMP_EDITS[edit] is None:
        assert changes == []
        return
    ((host, name, action, reason),) = changes
    assert (host, name, action) == (HOST, "jump host", "update")
    was, _, is_now = reason.partition(" → ")
    assert was != is_now
    assert was.startswith("noc@198.51.100.4:22, host key ssh-ed25519 SHA256:")
    assert [refusal.policy for refusal in plan.refused] == ["trust"]


def test_a_host_that_is_called_directly_has_the_file_of_trust_that_it_always_had() -> None:
    def named(inventory: Any) -> set[str]:
        spec = fleets.state_of(fleets.complete(inventory)).hosts[HOST]
        assert spec.trust is not None
        return set(spec.trust.as_document())

    assert named(edited(jump=JUMP)) - named(edited()) == {"jump"}


@MERGE_REQUEST
def test_no_inventory_can_allow_what_it_asks_for() -> None:
    with pytest.raises(ValueError, match="trust"):
        inventories.inventory(settings=inventories.settings(policy={"limits": {"trust": 9}}))


@MERGE_REQUEST
@pytest.mark.parametrize("part", ["version", "sha256"])
def test_another_program_is_named_with_version_and_checksum(part: str) -> None:
    world = applied()
    old = inventories.settings()["mediamtx"]
    new = {"version": "1.21.1"} if part == "version" else {"sha256": {"amd64": "f" * 64}}
    changed = plans.of(SITES, settings=inventories.settings(mediamtx=old | new))
    changes = trusted(world.plan(changed, allow=UNTRUSTED).plan)
    assert {name for _, name, *_ in changes} == {"program"}
    for *_, reason in changes:
        was, _, is_now = reason.partition(" → ")
        assert old["version"] in was
        assert str(new.get("version") or "f" * 64) in is_now


@MERGE_REQUEST
def test_a_limit_that_rises_holds_until_the_rise_was_applied_and_is_asked_for_once() -> None:
    world = applied()
    risen = plans.of(SITES, settings=inventories.settings(policy={"limits": {"hosts": 1000}}))
    plan = world.plan(risen, allow=UNTRUSTED).plan
    assert {(name, reason) for _, name, _, reason in trusted(plan)} == {
        ("limit hosts", "25 → 1000: a plan may do more")
    }
    assert [refusal.value for refusal in plan.refused] == [1], "on every host, and one change"
    world.apply(risen)
    assert world.plan(risen, allow=UNTRUSTED).plan.is_empty
    lowered = plans.of(SITES, settings=inventories.settings(policy={"limits": {"hosts": 2}}))
    assert world.plan(lowered, allow=UNTRUSTED).plan.is_empty, "what holds back more asks nobody, and changes no host"


@MERGE_REQUEST
def test_a_freeze_that_is_lifted_in_the_same_request_is_named() -> None:
    window = {"from": "2021-05-01T00:00", "until": "2021-06-01T00:00", "reason": "elections"}
    world = World()
    frozen = plans.of(SITES, settings=inventories.settings(policy={"freeze": [window]}))
    world.apply(frozen)
    plan = world.plan(plans.of(SITES), allow=UNTRUSTED).plan
    assert {name.partition(" ")[0] for _, name, *_ in trusted(plan)} == {"freeze"}
    longer = plans.of(SITES, settings=inventories.settings(policy={"freeze": [window | {"until": "2021-07-01T00:00"}]}))
    assert trusted(world.plan(longer, allow=UNTRUSTED).plan) == []
    after = datetime(2021, 6, 2, tzinfo=NOW.tzinfo)
    assert trusted(world.plan(plans.of(SITES), allow=UNTRUSTED, now=after).plan) == []


@MERGE_REQUEST
def test_a_centre_that_may_read_is_named() -> None:
    world = applied()
    more = [inventories.centre(), inventories.centre("second")]
    ids = [centre["id"] for centre in more]
    plan = world.plan(plans.of(SITES, centres=more, carriers=[inventories.carrier() | {"centres": ids}])).plan
    assert ("reader second", "create") in {(name, action) for host, name, action, _ in trusted(plan) if host == HOST}


@MERGE_REQUEST
def test_a_gateway_or_centre_with_another_key_is_named() -> None:
    world = applied()
    swapped = fleets.facility("kcl-bg-001", 2)
    swapped["gateway"] = swapped["gateway"] | {"public_key": inventories.public_key("somebody else")}
    plan = world.plan(inventories.inventory(facilities=[swapped]), allow=UNTRUSTED).plan
    assert [name for _, name, *_ in trusted(plan)] == ["key of site/kcl-bg-001"]


@MERGE_REQUEST
def test_gateways_that_swap_keys_or_move_with_another_one_are_named() -> None:
    sites = {"kcl-bg-001": 1, "kcl-bg-002": 1}
    world = World()
    world.apply(plans.of(sites))
    one, two = (fleets.facility(name, 1) for name in sites)
    one["gateway"], two["gateway"] = two["gateway"], one["gateway"]
    plan = world.plan(inventories.inventory(facilities=[one, two]), allow=UNTRUSTED).plan
    assert [name for _, name, *_ in trusted(plan)] == ["key of site/kcl-bg-001", "key of site/kcl-bg-002"]
    assert [(refusal.policy, refusal.value) for refusal in plan.refused] == [("trust", 2)]


@RELAY
def test_a_host_that_lies_about_the_policy_hides_nothing_of_what_others_know() -> None:
    world = applied()
    lie = json.loads(world.hosts.hosts[HOST].files[POLICY_FILE][0])
    lie["limits"] = dict.fromkeys(lie["limits"], 10**6)
    _, mode, owner, group = world.hosts.hosts[HOST].files[POLICY_FILE]
    world.hosts.hosts[HOST].files[POLICY_FILE] = (json.dumps(lie).encode(), mode, owner, group)
    risen = plans.of(SITES, settings=inventories.settings(policy={"limits": {"hosts": 1000}}))
    plan = world.plan(risen, allow=UNTRUSTED).plan
    assert {(host, name) for host, name, *_ in trusted(plan)} == {("centre", "limit hosts")}
    assert [refusal.policy for refusal in plan.refused] == ["trust"]


@MERGE_REQUEST
def test_what_is_dangerous_comes_first_and_is_never_cut() -> None:
    networks = [f"192.0.2.{number}/32" for number in range(0, 80, 2)]
    carrier = inventories.carrier() | {"relays": relay(address="198.51.100.66")}
    carrier["management_networks"] = [*carrier["management_networks"], *networks]
    plan = applied().plan(plans.of(SITES, carriers=[carrier]), allow=UNTRUSTED).plan
    assert distinct_trust(plan.pending)[0][1].name == "address"
    (refusal,) = [refusal for refusal in plan.refused if refusal.policy == "trust"]
    assert f"(address on {HOST};" in refusal.message
    comment = plan_comment(plan)
    assert "update `address`" in comment
    assert len(comment.encode()) <= MAX_BYTES


@MERGE_REQUEST
def test_a_protection_that_is_lifted_is_named() -> None:
    world = World()
    world.apply(plans.of(SITES))
    kept = world.complete(plans.of(SITES))
    marked = kept.allocations.model_copy(update={"protected": ("facility/kcl-bg-001",)})
    live = policy_of(inventories.with_lock(kept, marked))
    spec = fleets.state_of(plans.of(SITES)).hosts[HOST]
    assert [change.name for change in policy_changes(spec, live, NOW)] == ["protected facility/kcl-bg-001"]


@RELAY
def test_a_host_that_proves_nothing_is_sent_nothing_and_stops_no_other() -> None:
    world = applied()
    world.hosts.hosts[HOST].proves = False
    planned = world.plan(plans.of({"kcl-bg-001": 3}), allow=UNTRUSTED)
    assert set(planned.unreadable) == {HOST}
    assert "has not proved" in planned.unreadable[HOST].message
    assert planned.facts, "the others were read"
    assert not planned.plan.refused


def test_fingerprints_are_those_of_ssh_keygen(tmp_path: Path) -> None:
    made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a comment", "-f", str(tmp_path / "key")]
    subprocess.run(made, check=True)
    listed = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], check=True, capture_output=True, text=True)
    assert fingerprint((tmp_path / "key.pub").read_text()) == f"ssh-ed25519 {listed.stdout.split()[1]}"


def test_a_plan_is_the_same_whatever_order_its_trust_was_found_in() -> None:
    world = applied()
    plan = world.plan(edited(management_networks=["0.0.0.0/0"])).plan
    again = world.plan(edited(management_networks=["0.0.0.0/0"])).plan
    assert plan.basis.digest == again.basis.digest
    assert replace(plan, changes=()) == replace(again, changes=())
