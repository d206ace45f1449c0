"""Laws of what a plan says: whom it cuts, whom it touches, and that it says the same whatever the order."""

import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.cli.plan_text import plan_lines
from provisioner.cli.support.terminal import Terminal
from provisioner.desired.limit import Limit
from provisioner.inventory.model.inventory import Inventory
from provisioner.plan.change import Action, Impact, Resource, cut_by
from provisioner.plan.document import plan_document
from provisioner.plan.saved.file import saved_text
from provisioner.report.plan_markdown import plan_comment
from tests import fleets, inventories
from tests.plans import KEY, World, of

FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
RELAY = "relay-viettel-1"
CANARY = "canary-Mật:khẩu@/#?%$G1"
names = st.sampled_from([f"kcl-bg-{n:03}" for n in range(1, 6)])
facilities = st.dictionaries(names, st.integers(min_value=1, max_value=3), max_size=4)
watched = st.dictionaries(
    st.builds("bac-giang/{}/cam-0{}/sub".format, names, st.integers(1, 3)), st.integers(1, 9), max_size=8
)
WIDE = Terminal(width=None, encoding="utf-8", color=False, stream=sys.stdout)


def shown(planned: Any) -> str:
    """All that a plan is ever printed as."""
    lines = [*plan_lines(planned.plan, WIDE, everything=True), *plan_lines(planned.plan, WIDE)]
    return "\n".join([*lines, plan_comment(planned.plan), planned.text(KEY), repr(planned.plan)])


@FEW
@given(old=facilities, new=facilities, viewers=watched)
def test_viewers_are_counted_once_each(old: dict[str, int], new: dict[str, int], viewers: dict[str, int]) -> None:
    world = World()
    world.apply(of(old))
    world.watch(RELAY, viewers)
    planned = world.plan(of(new))
    document = plan_document(planned.plan)
    by_path = document["viewers_by_path"].get(RELAY, {})
    assert document["summary"]["viewers_dropped"] == sum(by_path.values()) <= sum(viewers.values())
    assert by_path.items() <= viewers.items()
    cut = {c.name for c in planned.plan.pending if c.resource is Resource.PATH and c.impact is Impact.PATH}
    assert by_path == {path: n for path, n in viewers.items() if path in cut}
    for key in ("carriers", "provinces", "facilities"):
        assert sum(row["viewers"] for row in document["totals"][key]) == document["summary"]["viewers_dropped"]


@FEW
@given(sites=facilities.filter(bool), viewers=watched)
def test_what_cuts_everybody_names_everybody_once(sites: dict[str, int], viewers: dict[str, int]) -> None:
    world = World()
    world.apply(of(sites))
    world.watch(RELAY, viewers)
    settings_ = inventories.settings(mediamtx={"version": "1.21.1", "sha256": {"amd64": "1" * 64}})
    planned = world.plan(of(sites, settings=settings_))
    document = plan_document(planned.plan)
    everything = [c for c in document["changes"] if c["impact"] == "all"]
    assert everything
    assert all(change["viewers_by_path"] == ({RELAY: viewers} if viewers else {}) for change in everything)
    assert document["summary"]["viewers_dropped"] == sum(viewers.values())


@FEW
@given(old=facilities, new=facilities, data=st.data())
def test_order_of_files_and_hosts_is_nothing(old: dict[str, int], new: dict[str, int], data: st.DataObject) -> None:
    world = World()
    world.apply(of(old, carriers=[inventories.carrier(), inventories.carrier("vnpt", 12)]))
    carriers = data.draw(st.permutations([inventories.carrier(), inventories.carrier("vnpt", 12)]))
    shuffled = dict(data.draw(st.permutations(list(new.items()))))
    one = world.plan(of(new, carriers=[inventories.carrier(), inventories.carrier("vnpt", 12)]))
    other = world.plan(of(shuffled, carriers=carriers))
    assert one.text(KEY) == other.text(KEY)
    assert plan_comment(one.plan) == plan_comment(other.plan)


@FEW
@given(old=facilities, new=facilities)
def test_hosts_inside_the_limit_are_asked_and_the_others_are_named(old: dict[str, int], new: dict[str, int]) -> None:
    world = World()
    world.apply(of(old))
    world.hosts.calls.clear()
    planned = world.plan(of(new), limit=Limit({"host": frozenset({RELAY})}))
    assert {host for _, host in world.hosts.calls} == {RELAY}
    assert {change.host for change in planned.plan.changes} == {RELAY}
    assert (set(planned.plan.basis.live), planned.plan.left_out) == ({RELAY}, ("centre",))


@FEW
@given(old=facilities, new=facilities, chosen=names)
def test_a_limit_by_facility_is_refused_exactly_where_others_would_change_with_it(
    old: dict[str, int], new: dict[str, int], chosen: str
) -> None:
    new = new | {chosen: 2}
    world = World()
    world.apply(of(old))
    whole = world.plan(of(new)).plan
    limited = world.plan(of(new), limit=Limit({"facility": frozenset({chosen})})).plan
    others = {c.facility for c in whole.pending if c.host == RELAY and c.facility} - {chosen}
    assert {change.facility for change in limited.outside} == others
    assert ("outside_limit" in {refusal.policy for refusal in limited.refused}) == bool(others)


@FEW
@given(sites=facilities)
def test_no_secret_is_in_anything_that_is_printed_or_saved(sites: dict[str, int]) -> None:
    world = World()
    world.apply(of(sites), password="another one")
    planned = world.plan(of(sites), password=CANARY)
    text = shown(planned)
    _, secrets, state = world.state(of(sites), CANARY)
    hidden = {CANARY, "digest-key", KEY.reveal()}
    for spec in state.hosts.values():
        hidden |= {spec.digest_key.reveal()} | {peer.psk.reveal() for peer in spec.tunnel.peers}
    for carrier in secrets.carriers.values():
        hidden |= {secret.reveal() for secret in carrier.readers.values()}
    assert [secret for secret in hidden if secret in text] == []


@FEW
@given(sites=facilities)
def test_every_item_says_why_a_no_op_too(sites: dict[str, int]) -> None:
    world = World()
    first = world.apply(of(sites)).plan
    again = world.plan(of(sites)).plan
    assert again.is_empty
    assert all(change.reason for change in (*first.changes, *again.changes))
    assert {c.impact for c in again.changes} <= {Impact.NONE}


@FEW
@given(old=facilities, new=facilities)
def test_an_update_that_nobody_notices_cuts_nobody(old: dict[str, int], new: dict[str, int]) -> None:
    world = World()
    world.apply(of(old))
    world.watch(RELAY, {f"bac-giang/{name}/cam-01/sub": 3 for name in old})
    for change in world.plan(of(new)).plan.pending:
        assert (change.viewers == 0) or change.impact.rank >= Impact.PATH.rank


def carried_by_both(name: str = "kcl-bg-001") -> Inventory:
    """An inventory in which a facility changes its carrier: both connections are there."""
    plan = {"state": "agreed", "carrier": "vnpt", "relay": "relay-vnpt-1"}
    return inventories.inventory(
        carriers=[inventories.carrier(), inventories.carrier("vnpt", 12)],
        designations=[inventories.designation(), inventories.designation("bac-giang", "vnpt")],
        facilities=[fleets.facility(name, successor=plan)],
    )


def test_a_path_of_two_relays_has_two_audiences() -> None:
    world = World()
    both = carried_by_both()
    world.apply(both)
    path = "bac-giang/kcl-bg-001/cam-01/sub"
    world.watch(RELAY, {path: 3})
    world.watch("relay-vnpt-1", {path: 4})
    planned = world.plan(both, password="a new one")
    assert cut_by(planned.plan.pending) == {RELAY: {path: 3}, "relay-vnpt-1": {path: 4}}
    rows = {row["carrier"]: row["viewers"] for row in plan_document(planned.plan)["totals"]["carriers"]}
    assert rows == {"viettel": 3, "vnpt": 4}
    (province,) = plan_document(planned.plan)["totals"]["provinces"]
    assert (province["viewers"], province["hosts"]) == (7, 2)


def test_a_path_that_another_relay_serves_from_now_on_is_not_lost() -> None:
    world = World()
    world.apply(carried_by_both())
    moved_on = carried_by_both().model_copy(
        update={
            "facilities": inventories.inventory(
                carriers=[inventories.carrier(), inventories.carrier("vnpt", 12)],
                facilities=[fleets.facility(plan={"state": "agreed", "carrier": "vnpt", "relay": "relay-vnpt-1"})],
            ).facilities
        }
    )
    planned = world.plan(moved_on, allow={})
    gone = [c for c in planned.plan.pending if c.resource is Resource.PATH and c.action is Action.DELETE]
    assert {change.reason for change in gone} == {"relay-vnpt-1 serves it from now on; it is no longer served here"}
    assert [refusal for refusal in planned.plan.refused if refusal.policy.startswith("deletion")] == []


@pytest.mark.parametrize("broken", ["relay-viettel-1", "centre"])
def test_a_host_that_cannot_be_read_hides_no_other(broken: str) -> None:
    world = World()
    world.apply(of({"kcl-bg-001": 1}))
    world.hosts.hosts[broken].reachable = False
    planned = world.plan(of({"kcl-bg-001": 2}))
    assert set(planned.plan.unreadable) == {broken}
    assert broken not in planned.plan.basis.live
    assert saved_text(planned.plan, planned.host_items, KEY)
