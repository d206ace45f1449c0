"""A merger of provinces moves no path, no address and no key: no file on any host changes."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.desired.limit import parse_limits
from provisioner.desired.render.host import POLICY_FILE, RenderedFile
from provisioner.desired.spec import DesiredState
from provisioner.inventory.allocation import allocate
from provisioner.inventory.geography import by_slug, merged_into, provinces, unit_today
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.policy import ProvinceScheme
from provisioner.plan.change import Action, Change, Impact, Resource
from provisioner.plan.guards.reachability import outside_of
from tests import fleets
from tests import inventories as make

OLD, NEW = "gso-2021", "gso-2025"
SLUGS = [province.slug for province in provinces(OLD)]
CARRIERS = {"viettel": 11, "vnpt": 21}

#: Facility ids with their province of 2021, their carrier and how many cameras they have.
Fleet = dict[str, tuple[str, str, int]]

fleet = st.dictionaries(
    st.sampled_from([f"kcl-{number:03}" for number in range(1, 9)]),
    st.tuples(st.sampled_from(SLUGS), st.sampled_from(sorted(CARRIERS)), st.integers(1, 3)),
    min_size=1,
    max_size=6,
)


def inventory(chosen: Fleet, scheme: str, designations: list[dict[str, Any]], **frozen: str) -> Inventory:
    """An inventory of these facilities; `frozen` stands in every facility's file."""
    facilities = [
        fleets.facility(
            name,
            count,
            province=slug,
            plan={"state": "agreed", "carrier": carrier, "relay": f"relay-{carrier}-1"},
            **frozen,
        )
        for name, (slug, carrier, count) in chosen.items()
    ]
    return make.inventory(
        settings=make.settings(province_scheme=scheme),
        carriers=[make.carrier(name, number) for name, number in CARRIERS.items()],
        designations=designations,
        facilities=facilities,
    )


def before(chosen: Fleet) -> Inventory:
    pairs = sorted({(slug, carrier) for slug, carrier, _ in chosen.values()})
    return inventory(chosen, OLD, [make.designation(*pair) for pair in pairs])


def after(chosen: Fleet) -> Inventory:
    """The inventory as it is after 2025-07-01: designations are of new provinces, slugs are frozen."""
    pairs = sorted({(merged_into(by_slug(slug, OLD)).slug, carrier) for slug, carrier, _ in chosen.values()})
    return inventory(chosen, NEW, [make.designation(*pair) for pair in pairs], province_scheme=OLD)


def with_old_designations(chosen: Fleet) -> Inventory:
    """The inventory that moved on and kept its designations as they were written."""
    pairs = sorted({(slug, carrier) for slug, carrier, _ in chosen.values()})
    designations = [make.designation(*pair, province_scheme=OLD) for pair in pairs]
    return inventory(chosen, NEW, designations, province_scheme=OLD)


def _but_the_policy(state: DesiredState) -> dict[str, list[RenderedFile]]:
    """Every host's files but the one that says by which list of provinces offices sign: that it moved is named."""
    return {host: [f for f in files if f.path != POLICY_FILE] for host, files in fleets.files_of(state).items()}


@settings(max_examples=20)
@given(fleet)
def test_every_host_keeps_every_file(chosen: Fleet) -> None:
    old, new = fleets.state_of(before(chosen)), fleets.state_of(after(chosen))
    assert _but_the_policy(new) == _but_the_policy(old)
    paths = {path.name for host in new.hosts.values() for path in host.paths}
    assert {name.split("/")[0] for name in paths} == {slug for slug, _, _ in chosen.values()}


@given(fleet)
def test_no_address_and_no_port_is_given_anew(chosen: Fleet) -> None:
    lock = allocate(before(chosen))
    assert allocate(make.with_lock(after(chosen), lock)) == lock


@given(fleet)
def test_the_rules_accept_an_inventory_before_and_after(chosen: Fleet) -> None:
    for either in (before(chosen), after(chosen), with_old_designations(chosen)):
        assert make.check(fleets.complete(either)) == ()


@given(fleet)
def test_every_facility_is_in_the_province_of_today(chosen: Fleet) -> None:
    moved = after(chosen)
    for name, (slug, _, _) in chosen.items():
        today = moved.province_today(moved.facilities[name])
        assert today == unit_today(slug, OLD, NEW) == merged_into(by_slug(slug, OLD))
        assert moved.facilities[name].province == slug


@given(fleet, st.sampled_from(SLUGS))
def test_a_province_of_2021_holds_only_what_was_in_it(chosen: Fleet, slug: str) -> None:
    moved = after(chosen)
    heir = merged_into(by_slug(slug, OLD)).slug
    for name, (frozen, _, _) in chosen.items():
        facility = moved.facilities[name]
        assert moved.is_in(facility, heir, None) == (merged_into(by_slug(frozen, OLD)).slug == heir)
        assert moved.is_in(facility, slug, ProvinceScheme.GSO_2021) == (frozen == slug)


@given(fleet, st.sampled_from([province.slug for province in provinces(NEW)] + SLUGS))
def test_a_limit_takes_all_that_is_in_the_province_of_today(chosen: Fleet, slug: str) -> None:
    """A name of the inventory's list means that province; one that only the older list has means the older one."""
    limit = parse_limits([f"province={slug}"]).by(NEW)
    expected = {
        name for name, (frozen, _, _) in chosen.items() if slug in {frozen, merged_into(by_slug(frozen, OLD)).slug}
    }
    state = fleets.state_of(after(chosen))
    assert {path.facility for host, path in state.paths if limit.takes_path(host, path)} == expected
    changes = [
        Change("relay", Resource.PATH, name, Action.CREATE, Impact.NONE, "", province=frozen, facility=name)
        for name, (frozen, _, _) in chosen.items()
    ]
    assert {change.facility for change in outside_of(limit, changes)} == chosen.keys() - expected


@given(fleet, st.sampled_from(SLUGS))
def test_a_limit_by_the_older_list_takes_what_was_in_that_province(chosen: Fleet, slug: str) -> None:
    limit = parse_limits([f"province={slug}"]).by(OLD)
    state = fleets.state_of(before(chosen))
    expected = {name for name, (frozen, _, _) in chosen.items() if frozen == slug}
    assert {path.facility for host, path in state.paths if limit.takes_path(host, path)} == expected


@given(fleet)
def test_provinces_are_counted_as_they_are_today(chosen: Fleet) -> None:
    for either in (before(chosen), after(chosen)):
        counted = {either.province_counted(facility) for facility in either.facilities.values()}
        assert counted == {either.province_today(facility).slug for facility in either.facilities.values()}
