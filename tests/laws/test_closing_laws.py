"""A facility that closes leaves every host by itself, and what it held is given to nobody else."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.inventory.model.hosts import Allocations
from provisioner.inventory.model.inventory import Inventory
from tests import fleets
from tests import inventories as make

CARRIERS = {"viettel": 11, "vnpt": 21}
NAMES = [f"kcl-{number:03}" for number in range(1, 7)]

Fleet = dict[str, tuple[str, int]]  #: Facility ids with their carrier and how many cameras they have.

fleet = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(st.sampled_from(sorted(CARRIERS)), st.integers(1, 3)), min_size=1, max_size=5
)


def inventory(chosen: Fleet, closed: set[str], lock: Allocations | None = None) -> Inventory:
    """An allocated inventory of which some facilities are closed."""
    facilities = [
        fleets.facility(
            name,
            count,
            operating="closed" if name in closed else "open",
            plan={"state": "agreed", "carrier": carrier, "relay": f"relay-{carrier}-1"},
        )
        for name, (carrier, count) in chosen.items()
    ]
    found = make.inventory(
        carriers=[make.carrier(name, number) for name, number in CARRIERS.items()],
        designations=[make.designation("bac-giang", carrier) for carrier in CARRIERS],
        facilities=facilities,
    )
    return fleets.complete(make.with_lock(found, lock) if lock else found)


@settings(max_examples=40)
@given(fleet, st.data())
def test_no_host_holds_anything_of_a_closed_facility(chosen: Fleet, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(chosen)))
    before = inventory(chosen, set())
    site = before.allocations.sites[name]
    after = inventory(chosen, {name}, before.allocations)
    old, new = fleets.files_of(fleets.state_of(before)), fleets.files_of(fleets.state_of(after))
    held = "|".join(map(re.escape, (name, str(site.tunnel_address), make.public_key(name))))
    trace = re.compile(rf"(?<![\w.])({held})(?![\w.])".encode())
    relay = f"relay-{chosen[name][0]}-1"
    assert {found for file in old[relay] for found in trace.findall(file.content)} == {
        text.encode() for text in (name, str(site.tunnel_address), make.public_key(name))
    }
    assert not [file.path for files in new.values() for file in files if trace.search(file.content)]
    assert {host: files for host, files in new.items() if host != relay} == {
        host: files for host, files in old.items() if host != relay
    }


@settings(max_examples=40)
@given(fleet, st.data())
def test_what_it_held_is_retired_and_one_that_reopens_gets_another_address(chosen: Fleet, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(chosen)))
    before = inventory(chosen, set())
    closed = inventory(chosen, {name}, before.allocations)
    opened = inventory(chosen | {"kcl-009": (chosen[name][0], 1)}, set(), closed.allocations)
    address = before.allocations.sites[name].tunnel_address
    assert name not in closed.allocations.sites
    assert [stone.tunnel_address for stone in closed.allocations.tombstones] == [address]
    assert address not in {site.tunnel_address for site in opened.allocations.sites.values()}
    assert make.check(closed) == ()
    assert make.check(opened) == ()
    for other in chosen.keys() - {name}:
        assert opened.allocations.sites[other] == before.allocations.sites[other]
