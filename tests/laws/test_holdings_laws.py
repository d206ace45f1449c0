"""Laws of what a run shows: what a host is told to hold is what it holds."""

from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.desired.spec import DesiredState
from provisioner.hosts.observe import observe
from provisioner.operations.apply.verification import Contents, contents_of, holding, proved_by_change
from provisioner.operations.rollout.result import HostOutcome, HostResult
from provisioner.plan.diff import changes_of
from provisioner.record.entries import Operation
from tests import fleets, inventories
from tests.simulated import SimulatedHosts
from tests.unit.operations.rollout.world import Controller

FEW = settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
AT = datetime(2021, 5, 9, tzinfo=UTC)
RELAY = "relay-viettel-1"
names = st.sampled_from([f"kcl-bg-{n:03}" for n in range(1, 5)])
facilities = st.dictionaries(names, st.integers(min_value=1, max_value=3), max_size=3)


def wanted(sites: dict[str, int]) -> tuple[DesiredState, Contents]:
    inventory = inventories.inventory(facilities=[fleets.facility(name, cameras) for name, cameras in sites.items()])
    return fleets.state_of(inventory), contents_of(inventory)


@FEW
@given(old=facilities, new=facilities)
def test_what_is_read_from_a_relay_is_what_was_applied_to_it(old: dict[str, int], new: dict[str, int]) -> None:
    controller = Controller(SimulatedHosts())
    before, was = wanted(old)
    controller.apply(before)
    after, contents = wanted(new)
    spec, files = after.hosts[RELAY], fleets.files_of(after)
    facts, _ = observe([spec], files, controller.hosts)
    shown = holding(spec, contents[RELAY], changes_of(spec, files[RELAY], facts[RELAY]), AT)
    assert shown.held is not None
    same = {name for name in old if was[RELAY][name] == contents[RELAY].get(name)}
    assert set(shown.held) == set(old)
    assert {name for name, content in shown.held.items() if content} <= same
    if old == new:
        assert shown.exact
        assert shown.held == contents[RELAY]
    else:
        assert not shown.exact


def test_a_run_shows_what_it_confirmed_and_nothing_of_what_it_did_not_touch() -> None:
    state, contents = wanted({"kcl-bg-001": 2})
    controller = Controller(SimulatedHosts())
    results = controller.apply(state)
    (shown,) = proved_by_change(Operation.APPLY, state, contents, tuple(results.values()), differing=(), at=AT)
    assert (shown.host, shown.held, shown.exact) == (RELAY, contents[RELAY], True)


def test_only_where_the_end_was_not_seen_is_it_unknown_what_a_host_holds() -> None:
    state, contents = wanted({"kcl-bg-001": 1})
    holdings = {
        (operation, outcome): proved_by_change(
            operation, state, contents, (HostResult(RELAY, outcome),), differing=(), at=AT
        )
        for operation in (Operation.APPLY, Operation.ROLLBACK)
        for outcome in HostOutcome
    }
    unknown = {key for key, shown in holdings.items() if shown and shown[0].held is None}
    assert unknown == {
        (Operation.APPLY, HostOutcome.APPLIED),
        (Operation.APPLY, HostOutcome.UNREACHABLE),
        (Operation.APPLY, HostOutcome.ROLLBACK_FAILED),
        (Operation.ROLLBACK, HostOutcome.APPLIED),
        (Operation.ROLLBACK, HostOutcome.UNREACHABLE),
        (Operation.ROLLBACK, HostOutcome.ROLLBACK_FAILED),
        (Operation.ROLLBACK, HostOutcome.ROLLED_BACK),
    }
    assert all(not shown for key, shown in holdings.items() if key not in unknown)
