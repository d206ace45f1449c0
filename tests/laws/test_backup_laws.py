"""Laws of backup relays: the first relay is as it was without one, and the other one pulls nothing by itself."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pydantic_core import to_json

from provisioner.base.errors import Severity
from provisioner.desired.limit import Limit
from provisioner.desired.readers import readings
from provisioner.desired.render.host import render_host
from provisioner.desired.render.site import render_site
from provisioner.desired.sites import link_ends, package_digest, site_spec
from provisioner.desired.state import desired_state
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.outline import Outline, outline_of
from provisioner.inventory.signed import signed_content
from provisioner.verify.memory import swept_paths
from provisioner.verify.paths import select
from provisioner.verify.result import NO_FINDING, PathVerdict, Verdict, VerifyResult
from tests import fleets
from tests import inventories as make

FIRST, BACKUP, THIRD = (f"relay-viettel-{number}" for number in (1, 2, 3))
NAMES = [f"kcl-bg-00{number}" for number in range(1, 6)]
RELAYS = st.sampled_from([FIRST, BACKUP, THIRD])


def plan(relay: str, backup: str | None, **changes: Any) -> dict[str, Any]:
    told = {"backup_relay": backup} if backup else {}
    return {"state": "agreed", "carrier": "viettel", "relay": relay} | told | changes


def inventory_of(*facilities: dict[str, Any]) -> Inventory:
    carriers = [make.carrier(relays=[make.relay(relay, 11 + n) for n, relay in enumerate((FIRST, BACKUP, THIRD))])]
    return make.inventory(carriers=carriers, facilities=list(facilities))


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """A plan, perhaps with a backup relay, and perhaps a successor with one of its own."""
    relay = draw(RELAYS)
    others = sorted({FIRST, BACKUP, THIRD} - {relay})
    drawn = {"plan": plan(relay, draw(st.none() | st.sampled_from(others)))}
    if draw(st.booleans()):
        later = draw(st.sampled_from(others))
        drawn["successor"] = plan(later, draw(st.none() | st.sampled_from(sorted({FIRST, BACKUP, THIRD} - {later}))))
    return drawn


@st.composite
def fleet(draw: st.DrawFn) -> Inventory:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    return fleets.complete(
        inventory_of(*(fleets.facility(name, draw(st.integers(1, 3)), **draw(plans())) for name in names))
    )


@settings(max_examples=50)
@given(inventory=fleet())
def test_each_relay_carries_a_site_once_and_outlines_say_the_same(inventory: Inventory) -> None:
    for facility in inventory.facilities.values():
        relays = [connection.relay for connection in facility.connections]
        assert len(set(relays)) == len(relays)
        outline = outline_of(facility)
        assert list(outline.relays) == relays
        assert TypeAdapter(Outline).validate_json(to_json(outline)) == outline
        assert [end.relay for end in link_ends(inventory, facility)] == relays
        assert sum(connection.is_first for connection in facility.connections) == 1


@settings(max_examples=50)
@given(inventory=fleet())
def test_only_who_always_pulls_pulls_by_itself(inventory: Inventory) -> None:
    pulling = {f.id: {p.relay for p in f.carried_plans} for f in inventory.facilities.values()}
    state = desired_state(inventory, fleets.secrets_of(inventory))
    for relay, one in state.paths:
        assert one.on_demand is (one.stream == "main" or relay.id not in pulling[one.facility])
    memories = [target.remembered_as for target in select(state)]
    assert len(set(memories)) == len(memories)
    assert {path.name for _, path in state.paths} <= set(memories)


@settings(max_examples=30)
@given(name=st.sampled_from(NAMES), count=st.integers(1, 3))
def test_a_backup_changes_nothing_on_the_first_relay(name: str, count: int) -> None:
    def files(backup: str | None) -> dict[str, list[Any]]:
        whole = fleets.complete(inventory_of(fleets.facility(name, count, plan=plan(FIRST, backup))))
        state = desired_state(whole, fleets.secrets_of(whole))
        # What is signed has another hash, and stands in no file of a host.
        return {host: list(render_host(spec, fleets.templates())) for host, spec in state.hosts.items()}

    alone, both = files(None), files(BACKUP)
    assert {host for host in alone if alone[host] != both[host]} == {BACKUP}


def packaged(backup: str | None) -> tuple[set[str], str]:
    """The names of the files of a site's package, and its digest."""
    whole = fleets.complete(inventory_of(fleets.facility("kcl-bg-001", plan=plan(FIRST, backup))))
    site = whole.facilities["kcl-bg-001"]
    rendered = render_site(site_spec(whole, fleets.secrets_of(whole), site), fleets.templates(), fleets.VALID)
    return {file.path for file in rendered}, package_digest(whole, site)


def test_a_site_package_has_a_tunnel_to_each_and_its_digest_knows() -> None:
    (alone, digest), (both, other) = packaged(None), packaged(BACKUP)
    assert both - alone == {f"peers/{BACKUP}.conf", f"peers/{BACKUP}.psk"}
    assert digest != other


@pytest.mark.parametrize("system", ["routeros", "openwrt"])
def test_two_relays_that_reach_a_site_at_one_address_give_the_router_one(system: str) -> None:
    """RouterOS ends an import where an address is added twice."""
    site = fleets.facility("kcl-bg-001", plan=plan(FIRST, BACKUP))
    site["gateway"] |= {"system": system}
    whole = fleets.complete(inventory_of(site))
    spec = site_spec(whole, fleets.secrets_of(whole), whole.facilities["kcl-bg-001"])
    text = b"".join(
        file.content for file in render_site(spec, fleets.templates(), fleets.VALID) if not file.path.endswith("html")
    ).decode()
    added = [line for line in text.splitlines() if "address add address=" in line or "wg.addresses=" in line]
    assert len(added) == 1
    assert str(spec.links[0].address) in added[0]


@given(plans(), RELAYS)
def test_the_parties_sign_each_relay_over_which_pictures_go(drawn: dict[str, Any], other: str) -> None:
    facility = inventory_of(fleets.facility(**drawn)).facilities["kcl-bg-001"]
    assert facility.plan is not None
    changed = facility.plan.model_copy(update={"backup_relay": other})
    same = signed_content(facility, facility.plan) == signed_content(facility, changed)
    assert same is (facility.plan.backup_relay == other)


@settings(max_examples=50)
@given(inventory=fleet())
def test_readers_have_each_path_once_first_where_it_is_always_pulled(inventory: Inventory) -> None:
    listed = list(readings(inventory, "centre", Limit()))
    state = desired_state(inventory, fleets.secrets_of(inventory))
    at = {(spec.id, path.name): f"rtsp://{spec.tunnel.address}:8554/{path.name}" for spec, path in state.paths}
    assert len({one.path for one in listed}) == len(listed)
    assert {(place.relay, one.path): place.url for one in listed for place in one.read_at} == at
    for one in listed:
        facility = inventory.facilities[one.facility]
        assert facility.plan is not None
        assert one.read_at[0].relay == facility.plan.relay


@pytest.mark.parametrize(
    ("backup", "message"),
    [
        (FIRST, f"the backup relay is {FIRST} itself, over which it is connected"),
        ("relay-viettel-9", "the backup relay relay-viettel-9 does not exist"),
        ("relay-vnpt-1", "the backup relay relay-vnpt-1 belongs to vnpt, not to viettel"),
    ],
)
def test_a_backup_is_another_relay_of_the_carrier(backup: str, message: str) -> None:
    carriers = [make.carrier(relays=[make.relay(FIRST, 11), make.relay(BACKUP, 12)]), make.carrier("vnpt", 21)]
    site = fleets.facility("kcl-bg-001", plan=plan(FIRST, backup))
    problems = make.check(make.inventory(carriers=carriers, facilities=[site]))
    (problem,) = (p for p in problems if p.code == "backup-relay-unfit")
    assert problem.message.endswith(message)
    assert problem.hint == f"name another relay of viettel: {BACKUP}"
    assert problem.severity is Severity.ERROR


SAID = st.tuples(
    st.sampled_from(["quarantined", "down", "unknown", "degraded", "up"]), st.sampled_from([FIRST, BACKUP])
)


@given(st.lists(SAID, min_size=1, max_size=4))
def test_what_is_kept_of_a_path_is_the_better_of_what_two_relays_gave(said: list[tuple[str, str]]) -> None:
    """Where the one gave nothing, and nobody knows of the other, it is not known."""
    order = ["quarantined", "down", "unknown", "degraded", "up"]
    at = datetime(2026, 1, 1, tzinfo=UTC)
    paths = tuple(
        PathVerdict("a/b/c/sub", "viettel", "a", "b", "c", relay, Verdict(verdict), 0, NO_FINDING, at)
        for verdict, relay in said
    )
    (kept,) = swept_paths(VerifyResult("MediaMTX", at, at, paths, ()), whole=True).verdicts.values()
    assert kept.verdict == max((verdict for verdict, _ in said), key=order.index)
