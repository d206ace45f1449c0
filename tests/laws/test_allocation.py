"""Laws of allocation: nobody moves, nothing is given out twice, order decides nothing."""

from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.inventory.allocation import allocate
from provisioner.inventory.files.edit import render_lock
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.model.facility import Access
from provisioner.inventory.model.hosts import Allocations
from provisioner.inventory.model.inventory import Inventory
from tests import inventories as make

NAMES = [f"kcl-bg-{number:03}" for number in range(1, 8)]
DEVICES = [f"cam-{number:02}" for number in range(1, 6)]

Sites = dict[str, tuple[list[str], str]]  #: Facility ids with their devices, and `open`, `standby` or `closed`.

sites = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(
        st.lists(st.sampled_from(DEVICES), min_size=1, max_size=5, unique=True),
        st.sampled_from(["open", "standby", "closed"]),
    ),
    max_size=7,
)


def facilities(chosen: Sites) -> list[dict[str, Any]]:
    return [
        make.facility(name, operating=state, cameras=[make.camera(d, 10 + int(d[-2:])) for d in devices])
        for name, (devices, state) in chosen.items()
    ]


def inventory(chosen: Sites, lock: Allocations | None = None) -> Inventory:
    unallocated = make.inventory(facilities=facilities(chosen))
    return make.with_lock(unallocated, lock) if lock else unallocated


def history(steps: list[Sites]) -> list[Allocations]:
    """Allocate for one inventory after another, each with the lock of the one before."""
    locks = [Allocations()]
    for step in steps:
        locks.append(allocate(inventory(step, locks[-1])))
    return locks[1:]


@given(sites)
def test_allocating_twice_changes_nothing(chosen: Sites) -> None:
    once = allocate(inventory(chosen))
    assert allocate(inventory(chosen, once)) == once


@given(sites, st.randoms(use_true_random=False))
def test_the_order_of_files_and_of_cameras_decides_nothing(chosen: Sites, random: Any) -> None:
    names = list(chosen)
    random.shuffle(names)
    shuffled = {name: (random.sample(chosen[name][0], len(chosen[name][0])), chosen[name][1]) for name in names}
    assert render_lock(allocate(inventory(shuffled))) == render_lock(allocate(inventory(chosen)))


@given(sites, sites)
def test_what_stays_never_moves(before: Sites, after: Sites) -> None:
    first, second = history([before, after])
    for name in set(first.sites) & set(second.sites):
        assert second.sites[name].tunnel_address == first.sites[name].tunnel_address
        for device in set(first.sites[name].ports) & set(second.sites[name].ports):
            assert second.sites[name].ports[device] == first.sites[name].ports[device]
    assert second.relays == first.relays
    assert second.centres == first.centres


@settings(max_examples=50)
@given(st.lists(sites, min_size=2, max_size=5))
def test_no_address_ever_belongs_to_two_objects(steps: list[Sites]) -> None:
    owner: dict[object, str] = {}
    for lock in history(steps):
        for name, site in lock.sites.items():
            assert owner.setdefault(site.tunnel_address, name) == name
            gone = {stone.tunnel_address for stone in lock.tombstones}
            assert site.tunnel_address not in gone


@settings(max_examples=50)
@given(st.lists(st.lists(st.sampled_from(DEVICES), min_size=1, unique=True), min_size=2, max_size=5))
def test_no_port_of_an_open_site_ever_belongs_to_two_devices(steps: list[list[str]]) -> None:
    owner: dict[int, str] = {}
    gone: set[int] = set()
    for lock in history([{NAMES[0]: (devices, "open")} for devices in steps]):
        ports = lock.sites[NAMES[0]].ports
        for device, port in ports.items():
            assert owner.setdefault(port, device) == device
            assert port not in gone
        gone = set(owner) - set(ports.values())


#: The devices of one site, and whether each is asked about itself by ONVIF.
asked_sites = st.dictionaries(st.sampled_from(DEVICES), st.booleans(), min_size=1)


def asking(devices: dict[str, bool], lock: Allocations) -> Allocations:
    cameras = [
        make.camera(name, 10 + int(name[-2:]), onvif={} if asked else None) for name, asked in sorted(devices.items())
    ]
    unallocated = make.inventory(facilities=[make.facility(NAMES[0], cameras=cameras)])
    found = make.with_lock(unallocated, allocate(make.with_lock(unallocated, lock)))
    assert [p.code for p in make.check(found) if p.code.startswith("allocation")] == []
    return found.allocations


@settings(max_examples=50)
@given(st.lists(asked_sites, min_size=1, max_size=5))
def test_a_port_is_of_one_use_of_one_device_for_ever(steps: list[dict[str, bool]]) -> None:
    owner: dict[int, tuple[str, str]] = {}
    gone: set[int] = set()
    lock = Allocations()
    for devices in steps:
        lock = asking(devices, lock)
        site = lock.sites[NAMES[0]]
        assert sorted(site.device_onvif_ports) == sorted(name for name, asked in devices.items() if asked)
        ports = [(port, (device, "video")) for device, port in site.ports.items()]
        ports += [(port, (device, "onvif")) for device, port in site.device_onvif_ports.items()]
        for port, of in ports:
            assert owner.setdefault(port, of) == of
            assert port not in gone
        assert len({port for port, _ in ports}) == len(ports)
        gone = set(owner) - {port for port, _ in ports}
        assert gone == {stone.port for stone in lock.tombstones}


@given(st.dictionaries(st.sampled_from(DEVICES), st.booleans(), min_size=1))
def test_who_is_asked_changes_no_port_of_video_and_nobody_asked_no_lock(devices: dict[str, bool]) -> None:
    with_asking = asking(devices, Allocations())
    without = asking(dict.fromkeys(devices, False), Allocations())
    assert with_asking.sites[NAMES[0]].ports == without.sites[NAMES[0]].ports
    assert "onvif" not in render_lock(without)
    document = parse(render_lock(with_asking).encode())
    assert Allocations.model_validate(document.value, strict=False) == with_asking


@settings(max_examples=50)
@given(st.lists(sites, min_size=1, max_size=4))
def test_the_rules_accept_every_lock_that_allocate_makes(steps: list[Sites]) -> None:
    lock = history(steps)[-1]
    problems = make.check(inventory(steps[-1], lock))
    assert [p.code for p in problems if p.code.startswith("allocation")] == []


@given(sites)
def test_a_rendered_lock_reads_back_as_it_was(chosen: Sites) -> None:
    lock = allocate(inventory(chosen))
    document = parse(render_lock(lock).encode())
    assert document.faults == ()
    assert document.value == lock.model_dump(mode="json", exclude_none=True)


# --- prefixes -------------------------------------------------------------------------------------
MODES = [mode.value for mode in Access]
CARRIERS = ["viettel", "vnpt"]

#: Facility ids with their devices, access mode, carrier, and whether the other carrier is the next one.
moded_sites = st.dictionaries(
    st.sampled_from(NAMES[:4]),
    st.tuples(
        st.lists(st.sampled_from(DEVICES), min_size=1, max_size=5, unique=True),
        st.sampled_from(MODES),
        st.sampled_from(CARRIERS),
        st.booleans(),
    ),
    max_size=4,
)

ModedSites = dict[str, tuple[list[str], str, str, bool]]


def moded(chosen: ModedSites, lock: Allocations | None = None) -> Inventory:
    listed = []
    for name, (devices, mode, carrier, moves) in chosen.items():
        other = CARRIERS[1 - CARRIERS.index(carrier)]
        plan, after = (
            {"state": "agreed", "carrier": one, "relay": f"relay-{one}-1", "access": mode} for one in (carrier, other)
        )
        cameras = [make.camera(d, 10 + int(d[-2:])) for d in devices]
        changes = {"successor": after} if moves else {}
        listed.append(make.facility(name, plan=plan, cameras=cameras, **changes))
    unallocated = make.inventory(carriers=[make.carrier(), make.carrier("vnpt", 21)], facilities=listed)
    return make.with_lock(unallocated, lock) if lock else unallocated


def moded_history(steps: list[ModedSites]) -> list[Allocations]:
    locks = [Allocations()]
    for step in steps:
        locks.append(allocate(moded(step, locks[-1])))
    return locks[1:]


@settings(max_examples=50)
@given(st.lists(moded_sites, min_size=1, max_size=4))
def test_a_prefix_is_of_one_site_for_ever_and_holds_no_address_of_anybody_else(steps: list[ModedSites]) -> None:
    owner: dict[object, str] = {}
    singles: set[IPv4Address] = set()
    for step, lock in zip(steps, moded_history(steps), strict=True):
        for name, site in lock.sites.items():
            for prefix in site.prefixes:
                assert owner.setdefault(prefix, name) == name
                assert prefix not in {stone.prefix for stone in lock.tombstones}
            singles |= {held.tunnel_address for held in (site, site.successor) if held}
        singles |= {relay.tunnel_address for relay in lock.relays.values()}
        prefixes = [prefix for prefix in owner if isinstance(prefix, IPv4Network)]
        assert not [a for a in singles for prefix in prefixes if a in prefix]
        assert not [one for one, other in combinations(prefixes, 2) if one.overlaps(other)]
        found = make.with_lock(moded(step), lock)
        assert [p.code for p in make.check(found) if p.code.startswith(("allocation", "prefix"))] == []


@settings(max_examples=50)
@given(st.lists(moded_sites, min_size=2, max_size=4))
def test_a_device_keeps_its_address_as_long_as_its_site_keeps_the_prefix(steps: list[ModedSites]) -> None:
    owner: dict[tuple[str, object, int], str] = {}
    before = Allocations()
    for lock in moded_history(steps):
        for name, site in lock.sites.items():
            numbers = site.device_numbers
            assert len(set(numbers.values())) == len(numbers)
            for prefix in site.prefixes:
                assert all(prefix[number] not in {prefix[0], prefix[-1]} for number in numbers.values())
                for device, number in numbers.items():
                    assert owner.setdefault((name, prefix, number), device) == device
            old = before.sites.get(name)
            if old and set(old.prefixes) & set(site.prefixes):
                kept = set(old.device_numbers) & set(numbers)
                assert all(numbers[device] == old.device_numbers[device] for device in kept)
        before = lock


@settings(max_examples=50)
@given(moded_sites, moded_sites)
def test_who_comes_and_goes_moves_no_prefix_of_who_stays_as_it_was(before: ModedSites, after: ModedSites) -> None:
    first, second = moded_history([before, after])
    for name in set(before) & set(after):
        if before[name][1:] == after[name][1:]:
            kept = [lock.sites[name].prefixes for lock in (first, second) if name in lock.sites]
            assert len(kept) in {0, 2}
            assert len(set(kept)) <= 1
    assert allocate(moded(after, second)) == second
