"""A change of carrier is made before it is broken: what serves does not change while another joins or leaves."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.inventory.allocation import allocate
from provisioner.inventory.model.hosts import Allocations
from provisioner.inventory.model.inventory import Inventory
from tests import fleets
from tests import inventories as make

CARRIERS = {"viettel": 11, "vnpt": 21}
OTHER = {"viettel": "vnpt", "vnpt": "viettel"}
NAMES = [f"kcl-{number:03}" for number in range(1, 7)]

Fleet = dict[str, tuple[str, int]]  #: Facility ids with their carrier and how many cameras they have.

fleet = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(st.sampled_from(sorted(CARRIERS)), st.integers(1, 3)), min_size=1, max_size=5
)
Way = tuple[str, str | None]  #: The carriers of a facility's plan and of its successor.

ways = st.tuples(st.sampled_from(sorted(CARRIERS)), st.booleans()).map(
    lambda one: (one[0], OTHER[one[0]] if one[1] else None)
)


def plan(carrier: str) -> dict[str, Any]:
    return {"state": "agreed", "carrier": carrier, "relay": f"relay-{carrier}-1"}


def inventory(chosen: dict[str, tuple[Way, int]], lock: Allocations | None = None) -> Inventory:
    facilities = [
        fleets.facility(name, count, plan=plan(now), **({"successor": plan(later)} if later else {}))
        for name, ((now, later), count) in chosen.items()
    ]
    found = make.inventory(
        carriers=[make.carrier(name, number) for name, number in CARRIERS.items()],
        designations=[make.designation("bac-giang", carrier) for carrier in CARRIERS],
        facilities=facilities,
    )
    return make.with_lock(found, lock) if lock else found


def changed(chosen: Fleet, changing: set[str]) -> list[Inventory]:
    """An inventory before, during and after some facilities change their carrier, each allocated."""
    before: dict[str, tuple[Way, int]] = {name: ((carrier, None), count) for name, (carrier, count) in chosen.items()}
    during = before | {n: ((c, OTHER[c]), count) for n, (c, count) in chosen.items() if n in changing}
    after = before | {n: ((OTHER[c], None), count) for n, (c, count) in chosen.items() if n in changing}
    steps: list[Inventory] = []
    for step in (before, during, after):
        steps.append(fleets.complete(inventory(step, steps[-1].allocations if steps else None)))
    return steps


@settings(max_examples=40)
@given(fleet, st.data())
def test_the_relay_that_serves_is_touched_neither_by_the_new_one_nor_by_the_end_of_the_old(
    chosen: Fleet, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(chosen)))
    old, new = chosen[name][0], OTHER[chosen[name][0]]
    before, during, after = (fleets.files_of(fleets.state_of(step)) for step in changed(chosen, {name}))
    assert during[f"relay-{old}-1"] == before[f"relay-{old}-1"]
    assert after[f"relay-{new}-1"] == during[f"relay-{new}-1"]


@settings(max_examples=40)
@given(fleet, st.data())
def test_both_carriers_serve_the_same_paths_and_then_the_new_one_alone(chosen: Fleet, data: st.DataObject) -> None:
    changing = set(data.draw(st.lists(st.sampled_from(sorted(chosen)), unique=True)))
    before, during, after = changed(chosen, changing)

    def served(step: Inventory) -> dict[tuple[str, str], set[str]]:
        found: dict[tuple[str, str], set[str]] = {}
        for host, path in fleets.state_of(step).paths:
            found.setdefault((path.facility, host.carriers[0]), set()).add(path.name)
        return found

    first, both, last = served(before), served(during), served(after)
    for name, (old, _) in chosen.items():
        paths = first[name, old]
        assert both[name, old] == paths
        assert both.get((name, OTHER[old])) == (paths if name in changing else None)
        assert last.get((name, OTHER[old]), last.get((name, old))) == paths
        assert ((name, old) in last) == (name not in changing)


@settings(max_examples=40)
@given(fleet, st.data())
def test_the_successor_keeps_address_and_ports_and_the_old_address_retires(chosen: Fleet, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(chosen)))
    first, both, last = (step.allocations for step in changed(chosen, {name}))
    successor = both.sites[name].successor
    assert successor is not None
    assert both.sites[name].tunnel_address == first.sites[name].tunnel_address
    assert last.sites[name].tunnel_address == successor.tunnel_address
    assert first.sites[name].ports == both.sites[name].ports == last.sites[name].ports
    assert {stone.tunnel_address for stone in last.tombstones} == {first.sites[name].tunnel_address}


@settings(max_examples=60)
@given(st.lists(st.dictionaries(st.sampled_from(NAMES), ways, min_size=1), min_size=2, max_size=5))
def test_whatever_becomes_of_changes_no_address_is_given_out_twice(steps: list[dict[str, Way]]) -> None:
    """Changes are finished, given up, turned round and begun again."""
    owner: dict[object, str] = {}
    lock = Allocations()
    for step in steps:
        found = inventory({name: (way, 1) for name, way in step.items()}, lock)
        lock = allocate(found)
        assert allocate(make.with_lock(found, lock)) == lock
        gone = {stone.tunnel_address for stone in lock.tombstones}
        for name, site in lock.sites.items():
            held = [site.tunnel_address, *([site.successor.tunnel_address] if site.successor else [])]
            assert len(set(held)) == len(held)
            for address in held:
                assert owner.setdefault(address, name) == name
                assert address not in gone
        problems = make.check(make.with_lock(found, lock))
        assert [p.code for p in problems if p.code.startswith("allocation")] == []
