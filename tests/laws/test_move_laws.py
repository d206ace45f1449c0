"""Laws of ids that become others: nobody is cut, nothing of the site's moves, and nothing is left behind."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.base.errors import InventoryError
from provisioner.inventory.allocation import allocate, devices_of
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.policy import Move
from provisioner.inventory.new_secrets import completed
from provisioner.inventory.renamed_ids import moved_secrets, old_names
from provisioner.plan.change import Action, Resource, cut_by
from tests import fleets, inventories
from tests.plans import World, of

FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
RELAY = "relay-viettel-1"
BEFORE, AFTER = "kcl-bg-001", "kcl-bg-101"
others = st.dictionaries(st.sampled_from(["kcl-bg-002", "kcl-bg-003"]), st.integers(1, 3), max_size=2)


def move(old: str, new: str, until: str = "2021-07-01") -> dict[str, str]:
    return {"from": old, "to": new, "until": until}


def renamed(fleet: dict[str, int], moves: list[dict[str, str]], cameras: int, first: str = "cam-01") -> Inventory:
    """An inventory in which the site BEFORE is called AFTER, with the same gateway."""
    plain = fleets.facility(BEFORE, cameras)
    cameras_ = [camera | {"id": first} if camera["id"] == "cam-01" else camera for camera in plain["cameras"]]
    facility = inventories.signed(plain | {"id": AFTER, "cameras": cameras_})
    rest = [fleets.facility(name, number) for name, number in fleet.items()]
    return inventories.inventory(facilities=[*rest, facility], settings=inventories.settings(moved=moves))


def paths_of(name: str, cameras: int) -> set[str]:
    return {f"bac-giang/{name}/cam-{n:02}/sub" for n in range(1, cameras + 1)}


@FEW
@given(fleet=others, cameras=st.integers(1, 3), viewers=st.integers(1, 9))
def test_a_renamed_facility_cuts_nobody_and_loses_nothing(fleet: dict[str, int], cameras: int, viewers: int) -> None:
    world = World()
    world.apply(of(fleet | {BEFORE: cameras}))
    before = world.lock
    world.watch(RELAY, dict.fromkeys(paths_of(BEFORE, cameras), viewers))
    moved = renamed(fleet, [move(f"bac-giang/{BEFORE}", f"bac-giang/{AFTER}")], cameras)
    planned = world.plan(moved, allow={})
    pending = planned.plan.pending
    assert cut_by(pending) == {}
    assert planned.plan.refused == ()
    assert {c.resource for c in pending} <= {Resource.PATH, Resource.FILE}
    assert {(c.action, c.name) for c in pending if c.resource is Resource.PATH} == {
        (Action.CREATE, path) for path in paths_of(AFTER, cameras)
    }
    world.apply(moved)
    assert world.lock.sites[AFTER] == before.sites[BEFORE]
    assert BEFORE not in world.lock.sites
    assert world.lock.tombstones == before.tombstones == ()
    assert world.plan(moved).plan.is_empty


@FEW
@given(fleet=others, cameras=st.integers(1, 3))
def test_when_the_entry_goes_exactly_the_old_names_go(fleet: dict[str, int], cameras: int) -> None:
    world = World()
    world.apply(of(fleet | {BEFORE: cameras}))
    world.apply(renamed(fleet, [move(f"bac-giang/{BEFORE}", f"bac-giang/{AFTER}")], cameras))
    pending = world.plan(renamed(fleet, [], cameras)).plan.pending
    assert {(c.action, c.name) for c in pending if c.resource is Resource.PATH} == {
        (Action.DELETE, path) for path in paths_of(BEFORE, cameras)
    }
    assert {c.resource for c in pending} <= {Resource.PATH, Resource.FILE}


@FEW
@given(cameras=st.integers(1, 3))
def test_a_facility_and_a_camera_in_it_can_both_be_called_otherwise(cameras: int) -> None:
    world = World()
    world.apply(of({BEFORE: cameras}))
    moves = [
        move(f"bac-giang/{BEFORE}", f"bac-giang/{AFTER}"),
        move(f"bac-giang/{AFTER}/cam-01", f"bac-giang/{AFTER}/cam-gate"),
    ]
    moved = renamed({}, moves, cameras, first="cam-gate")
    planned = world.plan(moved)
    gone = {c.name for c in planned.plan.pending if c.action is Action.DELETE}
    new = {c.name for c in planned.plan.pending if c.resource is Resource.PATH and c.action is Action.CREATE}
    assert gone == set()
    assert f"bac-giang/{AFTER}/cam-gate/sub" in new
    assert not any(c.resource in {Resource.PEER, Resource.RULE} for c in planned.plan.pending)
    ports = world.complete(moved).allocations.sites[AFTER].ports
    assert ports["cam-gate"] == world.lock.sites[BEFORE].ports["cam-01"]


@FEW
@given(fleet=others, cameras=st.integers(1, 3))
def test_without_the_entry_a_rename_is_another_site(fleet: dict[str, int], cameras: int) -> None:
    world = World()
    world.apply(of(fleet | {BEFORE: cameras}))
    world.watch(RELAY, dict.fromkeys(paths_of(BEFORE, cameras), 1))
    planned = world.plan(renamed(fleet, [], cameras))
    assert cut_by(planned.plan.pending) == {RELAY: dict.fromkeys(sorted(paths_of(BEFORE, cameras)), 1)}
    assert world.complete(renamed(fleet, [], cameras)).allocations.tombstones


def test_a_camera_that_is_called_otherwise_is_told_of_the_way_that_cuts_nobody() -> None:
    world = World()
    world.apply(of({BEFORE: 1}))
    called = fleets.facility(BEFORE, 1)
    called = inventories.signed(called | {"recorders": [], "cameras": [called["cameras"][0] | {"id": "cam-gate"}]})
    lock = world.lock.sites[BEFORE].model_copy(update={"ports": {"cam-gate": 10554}})
    world.lock = world.lock.model_copy(update={"sites": {BEFORE: lock}})
    (gone,) = [
        c for c in world.plan(inventories.inventory(facilities=[called])).plan.pending if c.action is Action.DELETE
    ]
    assert gone.reason == (
        f"its stream is bac-giang/{BEFORE}/cam-gate/sub from now on; `moved` in inventory.yml would serve both names"
        " for a while"
    )


@FEW
@given(fleet=others, cameras=st.integers(1, 3))
def test_allocating_again_changes_nothing(fleet: dict[str, int], cameras: int) -> None:
    world = World()
    world.apply(of(fleet | {BEFORE: cameras}))
    moved = renamed(fleet, [move(f"bac-giang/{BEFORE}", f"bac-giang/{AFTER}")], cameras)
    lock = allocate(inventories.with_lock(moved, world.lock))
    assert allocate(inventories.with_lock(moved, lock)) == lock


segments = st.sampled_from(["a", "b", "c"])
prefixes = st.builds("p/{}".format, segments) | st.builds("p/{}/{}".format, segments, segments)


@given(
    moves=st.lists(
        st.tuples(prefixes, prefixes).map(lambda m: Move.model_validate(move(*m), strict=False)), max_size=5
    ),
    name=st.builds("p/{}/{}/sub".format, segments, segments),
)
def test_old_names_come_to_an_end_whatever_the_entries_say(moves: list[Move], name: str) -> None:
    names = old_names(moves, name)
    assert name not in names
    assert len(set(names)) == len(names)


def test_the_port_by_which_a_device_is_asked_goes_along_with_its_site_and_its_name() -> None:
    def asked(name: str, camera: str, moves: list[dict[str, str]]) -> Inventory:
        cameras = [inventories.camera(camera, onvif={}), inventories.camera("cam-02", 12)]
        facility = inventories.facility(name, cameras=cameras)
        return inventories.inventory(facilities=[facility], settings=inventories.settings(moved=moves))

    lock = allocate(asked(BEFORE, "cam-01", []))
    moves = [
        move(f"bac-giang/{BEFORE}", f"bac-giang/{AFTER}"),
        move(f"bac-giang/{AFTER}/cam-01", f"bac-giang/{AFTER}/cam-gate"),
    ]
    after = allocate(inventories.with_lock(asked(AFTER, "cam-gate", moves), lock))
    assert after.sites[AFTER].onvif_ports == {"cam-gate": 10556}
    assert after.tombstones == ()


def test_a_tombstone_of_a_renamed_site_goes_along_so_that_its_ports_are_not_given_out_again() -> None:
    world = World()
    world.apply(of({BEFORE: 3}))
    world.apply(of({BEFORE: 1}))
    stones = {(stone.pool, stone.port) for stone in world.lock.tombstones}
    assert stones == {(f"site/{BEFORE}", 10555), (f"site/{BEFORE}", 10556)}
    moved = renamed({}, [move(f"bac-giang/{BEFORE}", f"bac-giang/{AFTER}")], 3)
    lock = world.complete(moved).allocations
    assert sorted(lock.sites[AFTER].ports.values()) == [10554, 10557, 10558]


def test_keys_init_writes_the_sites_own_pre_shared_key_under_its_new_id() -> None:
    world = World()
    world.apply(of({BEFORE: 2}))
    assert world.secrets is not None
    old = world.secrets.carriers["viettel"].site_psks[BEFORE]
    moved = world.complete(renamed({}, [move(f"bac-giang/{BEFORE}", f"bac-giang/{AFTER}")], 2))
    devices = {name: devices_of(facility) for name, facility in moved.facilities.items()}
    written = completed(moved, moved_secrets(world.secrets, moved.settings.moved, devices))
    assert dict(written.carriers["viettel"].site_psks) == {AFTER: old}


def test_a_moved_device_that_does_not_exist_is_refused_before_anything_is_planned() -> None:
    moves: list[dict[str, Any]] = [move(f"bac-giang/{AFTER}/cam-01", f"bac-giang/{AFTER}/cam-9")]
    with pytest.raises(InventoryError, match="is no device of kcl-bg-101"):
        World().plan(renamed({}, moves, 1))
