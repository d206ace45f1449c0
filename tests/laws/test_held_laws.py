"""Laws of what is held: the plan of the others is what it was, and nothing changes of what is held."""

import copy

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.base.errors import FrozenFacility, Problem
from provisioner.desired.render.host import MEDIAMTX_FILE, NFT_FILE, PSK_FILE, TRUST_FILE, WG_FILE
from provisioner.inventory.model.facility import Access
from provisioner.inventory.model.inventory import Inventory
from provisioner.plan.change import Action
from provisioner.plan.document import plan_document
from provisioner_host.state import frozen as host_held
from tests import fleets as fleet_tests
from tests import inventories, plans
from tests.simulated import File, SimulatedHost

FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
RELAY = "relay-viettel-1"
# One id is the beginning of another's: what is one's is never taken for the other's.
NAMES = ("kcl-bg-1", "kcl-bg-10", "kcl-bg-100", "kcl-bg-2", "kcl-bg-20")
FILES = (MEDIAMTX_FILE, WG_FILE, PSK_FILE, NFT_FILE, TRUST_FILE)

fleets = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3), min_size=1, max_size=5)


@st.composite
def edits(draw: st.DrawFn) -> tuple[dict[str, int], dict[str, int], set[str]]:
    """A fleet, an edit of it, and facilities that it has before and after and that are broken then."""
    before = draw(fleets)
    broken = draw(st.sets(st.sampled_from(sorted(before)), min_size=1, max_size=2))
    after = {name: count for name, count in draw(fleets).items() if name not in broken}
    return before, after | {name: before[name] for name in broken}, broken


def held(names: set[str]) -> dict[str, FrozenFacility]:
    problem = Problem("facilities/bac-giang/x.yml", 7, 1, "value-unknown", "a word is wrong", "correct it")
    return {name: FrozenFacility(name, (problem,), "bac-giang", ("viettel",), (name,)) for name in sorted(names)}


def without(inventory: Inventory, names: set[str]) -> Inventory:
    facilities = {name: one for name, one in inventory.facilities.items() if name not in names}
    return inventory.model_copy(update={"facilities": facilities})


def held_on(host: SimulatedHost, names: set[str]) -> host_held.FrozenLines:
    texts = {path: host.files[path][0].decode() for path in FILES if path in host.files}
    return host_held.taken(texts, names, "")[1]


def files(host: SimulatedHost) -> dict[str, File]:
    return {path: host.files[path] for path in FILES}


@FEW
@given(edit=edits())
def test_the_plan_of_the_others_is_what_it_was(edit: tuple[dict[str, int], dict[str, int], set[str]]) -> None:
    before, after, broken = edit
    world = plans.World()
    world.apply(plans.of_modes(before))
    world.watch(RELAY, {f"bac-giang/{name}/cam-01/sub": 2 for name in before})
    intact = world.plan(plans.of_modes(after)).plan
    plan = world.plan(without(plans.of_modes(after), broken), held=held(broken)).plan
    assert plan.pending == intact.pending
    assert plan.refused == intact.refused
    # By the usual limits, too: what is held is served, so that a share of all paths is the same.
    strict = world.plan(without(plans.of_modes(after), broken), held=held(broken), allow={}).plan
    assert strict.refused == world.plan(plans.of_modes(after), allow={}).plan.refused
    one, other = plan_document(plan), plan_document(intact)
    assert one["totals"] == other["totals"]
    assert one["summary"] | {"noop": 0} == other["summary"] | {"noop": 0}
    assert {c.facility for c in plan.changes if c.reason.startswith("held: ")} == broken
    assert all(c.action is Action.NOOP for c in plan.changes if c.facility in broken)
    assert [(one.facility.id, one.hosts) for one in plan.held] == [(name, (RELAY,)) for name in sorted(broken)]


@FEW
@given(edit=edits())
def test_what_is_held_stays_byte_for_byte_and_mending_it_brings_the_ordinary_plan_back(
    edit: tuple[dict[str, int], dict[str, int], set[str]],
) -> None:
    before, after, broken = edit
    world, ordinary = plans.World(), plans.World()
    for one in (world, ordinary):
        one.apply(plans.of_modes(before))
    kept = held_on(world.hosts.hosts[RELAY], broken)
    world.apply(without(plans.of_modes(after), broken), held=held(broken), password="another one")
    host = world.hosts.hosts[RELAY]
    assert held_on(host, broken) == kept
    assert set(kept.paths) == {name for name in plans.paths_in(host) if name.split("/")[1] in broken}
    assert world.plan(without(plans.of_modes(after), broken), held=held(broken), password="another one").plan.is_empty
    # With the logins that it had: nothing of it has to change.
    world.apply(without(plans.of_modes(after), broken), held=held(broken))
    ordinary.apply(plans.of_modes(after))
    assert world.plan(plans.of_modes(after)).plan.is_empty
    assert files(host) == files(ordinary.hosts.hosts[RELAY])


@FEW
@given(fleet=fleets, data=st.data())
def test_an_edit_while_it_was_broken_comes_when_it_is_mended(fleet: dict[str, int], data: st.DataObject) -> None:
    broken = {data.draw(st.sampled_from(sorted(fleet)))}
    world = plans.World()
    world.apply(plans.of_modes(fleet))
    longer = fleet | {name: fleet[name] + 1 for name in broken}
    assert world.plan(without(plans.of_modes(longer), broken), held=held(broken)).plan.is_empty
    mended = world.apply(plans.of_modes(longer)).plan
    assert {change.facility for change in mended.pending if change.facility} == broken
    assert world.plan(plans.of_modes(longer)).plan.is_empty


@FEW
@given(fleet=fleets, data=st.data())
def test_one_that_hosts_do_not_have_is_not_there(fleet: dict[str, int], data: st.DataObject) -> None:
    broken = {data.draw(st.sampled_from(sorted(fleet)))}
    world = plans.World()
    world.apply(without(plans.of_modes(fleet), broken), held=held(broken))
    other = plans.World()
    other.apply(without(plans.of_modes(fleet), broken))
    assert files(world.hosts.hosts[RELAY]) == files(other.hosts.hosts[RELAY])
    assert all(not one.hosts for one in world.plan(without(plans.of_modes(fleet), broken), held=held(broken)).plan.held)


@FEW
@given(fleet=fleets, data=st.data())
def test_taking_out_and_putting_back_are_each_others_inverse(fleet: dict[str, int], data: st.DataObject) -> None:
    world = plans.World()
    world.apply(plans.of_modes(fleet))
    host = copy.deepcopy(world.hosts.hosts[RELAY])
    key = world.state(plans.of_modes(fleet))[2].hosts[RELAY].digest_key.reveal()
    names = data.draw(st.sets(st.sampled_from(NAMES)))
    texts = {path: content.decode() for path, (content, *_) in files(host).items()}
    rest, parts = host_held.taken(texts, names, key)
    assert host_held.put_back(rest, parts, key) == texts
    rendered = plans.World()
    rendered.lock, rendered.secrets = world.lock, world.secrets
    specs = rendered.state(without(plans.of_modes(fleet), names), held=held(names))[2]
    wanted = {file.path: file.content.decode() for file in plans.rendered(specs)[RELAY] if file.path in FILES}
    assert rest == wanted


asked_fleets = st.dictionaries(st.sampled_from(NAMES), st.booleans(), min_size=1, max_size=5)


def asking(fleet: dict[str, bool]) -> Inventory:
    """Facilities with one camera each, which is asked about itself or is not."""
    cameras = {name: [inventories.camera(onvif={} if asked else None)] for name, asked in fleet.items()}
    modes = [mode.value for mode in Access]
    listed = [fleet_tests.of_mode(modes[int(n[-1]) % len(modes)], n, cameras=of) for n, of in cameras.items()]
    carriers = [inventories.carrier(routed_networks=["10.120.0.0/16"])]
    return inventories.inventory(carriers=carriers, facilities=listed)


@FEW
@given(fleet=asked_fleets, data=st.data())
def test_requests_of_held_sites_stay_and_of_others_come_and_go(fleet: dict[str, bool], data: st.DataObject) -> None:
    broken = data.draw(st.sets(st.sampled_from(sorted(fleet)), min_size=1, max_size=2))
    after = {name: fleet[name] if name in broken else data.draw(st.booleans()) for name in sorted(fleet)}
    world, ordinary = plans.World(), plans.World()
    for one in (world, ordinary):
        one.apply(asking(fleet))
    host = world.hosts.hosts[RELAY]
    kept = held_on(host, broken)
    assert len(kept.asked) == sum(fleet[name] for name in broken)
    assert world.plan(without(asking(fleet), broken), held=held(broken)).plan.is_empty
    world.apply(without(asking(after), broken), held=held(broken))
    assert held_on(host, broken) == kept
    ordinary.apply(asking(after))
    assert host.files[NFT_FILE] == ordinary.hosts.hosts[RELAY].files[NFT_FILE]


@FEW
@given(fleet=asked_fleets, data=st.data())
def test_asked_elements_are_taken_out_and_put_back_byte_for_byte(fleet: dict[str, bool], data: st.DataObject) -> None:
    world = plans.World()
    world.apply(asking(fleet))
    names = data.draw(st.sets(st.sampled_from(NAMES)))
    texts = {path: content.decode() for path, (content, *_) in files(world.hosts.hosts[RELAY]).items()}
    rest, parts = host_held.taken(texts, names, "")
    assert host_held.put_back(rest, parts, "") == texts
    specs = world.state(without(asking(fleet), names), held=held(names))[2]
    wanted = {file.path: file.content for file in plans.rendered(specs)[RELAY]}
    assert rest[NFT_FILE].encode() == wanted[NFT_FILE]
