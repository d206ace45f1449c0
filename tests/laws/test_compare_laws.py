"""Laws of two revisions compared: what the plan would say of hosts as the older has them, and what is behind whom."""

from ipaddress import IPv4Address, IPv4Network

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.desired.limit import Limit
from provisioner.desired.state import desired_state
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import HostFacts
from provisioner.inventory.model.inventory import Inventory
from provisioner.plan.build import Observed, build_plan
from provisioner.plan.change import Change, Resource
from provisioner.plan.diff.comparison import Comparison, Fleet
from provisioner.plan.offline import comparison_gaps, facts_of_revision, placeholders
from provisioner.plan.plan import Basis, Plan
from tests import fleets, inventories
from tests.plans import EVERYTHING, NOW, World, of
from tests.unit.operations.rollout.world import state

FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
names = st.sampled_from([f"kcl-bg-{n:03}" for n in range(1, 6)])
facilities = st.dictionaries(names, st.integers(min_value=1, max_value=3), max_size=4)
versions = st.sampled_from(["1.20.1", "1.21.1"])
management = st.sampled_from([["198.51.100.0/27"], ["198.51.100.0/27", "192.0.2.0/24"]])


def compared(old: Inventory, new: Inventory) -> Plan:
    before, after = (desired_state(revision, placeholders(revision)) for revision in (old, new))
    files = fleets.files_of(after)
    facts = facts_of_revision(before, fleets.files_of(before), files)
    observed = Observed(new, after, tuple(after.hosts.values()), files, facts, before=old)
    return build_plan(observed, Basis("i", "t", {}, allow=EVERYTHING), Limit(), NOW)


def rows(plan: Plan) -> set[tuple[str, str, str, str, str]]:
    """The pending changes; what a rule means only a kernel knows, and what is in a file only the vault."""
    return {row(c) for c in plan.pending if c.resource not in {Resource.RULE, Resource.FILE}}


def row(change: Change) -> tuple[str, str, str, str, str]:
    return change.host, change.resource.value, change.name, change.action.value, change.impact.value


def inventory(sites: dict[str, int], version: str, networks: list[str]) -> Inventory:
    artefact = {"version": version, "sha256": {"amd64": "0" * 64}}
    return of(
        sites,
        settings=inventories.settings(mediamtx=artefact),
        carriers=[inventories.carrier(management_networks=networks)],
    )


@FEW
@given(old=st.tuples(facilities, versions, management), new=st.tuples(facilities, versions, management))
def test_it_says_what_a_plan_says_of_hosts_that_are_as_the_older_revision_has_them(
    old: tuple[dict[str, int], str, list[str]], new: tuple[dict[str, int], str, list[str]]
) -> None:
    world = World()
    world.apply(inventory(*old))
    online = world.plan(inventory(*new))
    before = world.complete(inventory(*old))
    offline = compared(before, world.complete(inventory(*new)))
    assert rows(offline) == rows(online.plan)
    paths = {c.name for c in online.plan.pending if c.resource is Resource.FILE}
    assert {c.name for c in offline.pending if c.resource is Resource.FILE} == paths


@FEW
@given(sites=facilities)
def test_a_revision_compared_with_itself_is_no_change(sites: dict[str, int]) -> None:
    world = World()
    world.apply(of(sites))
    same = world.complete(of(sites))
    assert compared(same, same).is_empty


def test_rules_are_named_as_hosts_name_them() -> None:
    world = World()
    world.apply(of({"kcl-bg-001": 1}))
    before = world.complete(of({"kcl-bg-001": 1}))
    networks = inventories.carrier(management_networks=["192.0.2.0/24"])
    after = world.complete(of({"kcl-bg-001": 1, "kcl-bg-002": 1}, carriers=[networks]))
    rules = {(c.name, c.action.value) for c in compared(before, after).pending if c.resource is Resource.RULE}
    assert rules == {
        ("element cameras 10.91.0.3 . 10554", "create"),
        ("element management 192.0.2.0/24", "create"),
        ("element management 198.51.100.0/27", "delete"),
    }


def test_what_the_older_revision_protects_is_protected_though_the_same_edit_unprotects_and_deletes_it() -> None:
    world = World()
    world.apply(inventories.inventory(facilities=[fleets.facility(protected=True), fleets.facility("kcl-bg-002")]))
    before = world.complete(
        inventories.inventory(facilities=[fleets.facility(protected=True), fleets.facility("kcl-bg-002")])
    )
    after = world.complete(of({"kcl-bg-002": 2}))
    after = inventories.with_lock(after, after.allocations.model_copy(update={"protected": ()}))
    (refusal,) = compared(before, after).refused
    assert (refusal.policy, refusal.value) == ("protected", 2)
    assert "kcl-bg-001" in refusal.message


MEANINGS = {
    "secrets/cameras/bac-giang.yml": "paths of bac-giang whose login is another one reconnect",
    "secrets/carriers/viettel.yml": "reader secrets or pre-shared keys of viettel may be others",
    "secrets/digest-key.yml": "digests of files are made with another key",
}
CONTENTS = st.dictionaries(st.sampled_from(sorted(MEANINGS)), st.sampled_from([b"a", b"b"]))


@given(old=CONTENTS, new=CONTENTS)
def test_each_encrypted_file_that_differs_is_named_with_effect(old: dict[str, bytes], new: dict[str, bytes]) -> None:
    said = list(comparison_gaps(old, new, ()))[1:]
    differ = sorted(path for path in MEANINGS if old.get(path) != new.get(path))
    assert len(said) == len(differ)
    for path, line in zip(differ, said, strict=True):
        word = "changed" if path in old and path in new else "is new" if path in new else "is gone"
        assert line.startswith(f"{path} {word}, and the vault was not opened: {MEANINGS[path]}")


addresses = st.integers(0, 255).map(lambda last: str(IPv4Address(f"100.64.0.{last}")))
networks = st.tuples(addresses, st.integers(24, 32)).map(lambda n: str(IPv4Network(f"{n[0]}/{n[1]}", strict=False)))


def comparison(pulled: list[str]) -> Comparison:
    """A relay whose live file pulls one path from each of these addresses."""
    paths = {
        f"bac-giang/kcl-{n}/cam-01/sub": wire.PathAnswer(
            settings={"source": f"rtsp://{address}:10554/x"}, digest="", source_digest=""
        )
        for n, address in enumerate(pulled)
    }
    spec = next(spec for spec in state({}).hosts.values() if spec.relay)
    relay = wire.RelayAnswer(settings={}, paths=paths, sentinel=None, foreign=0)
    return Comparison(spec, {}, HostFacts(spec.id, relay=relay), Fleet())


@given(pulled=st.lists(addresses, max_size=6), network=networks)
def test_a_path_is_behind_a_network_that_holds_its_address(pulled: list[str], network: str) -> None:
    at = comparison(pulled)
    behind = [f"bac-giang/kcl-{n}/cam-01/sub" for n, a in enumerate(pulled) if IPv4Address(a) in IPv4Network(network)]
    assert sorted(at.pulled_from(network)) == sorted(behind)
    assert at.site_at(network) == (("bac-giang", at.pulled_from(network)[0].split("/")[1]) if behind else ("", ""))


@given(pulled=st.lists(addresses, max_size=6), network=st.text() | networks.map(lambda n: n + "/"))
def test_a_network_that_a_host_made_up_holds_nothing_else(pulled: list[str], network: str) -> None:
    at = comparison(pulled)
    assert all(path in at.live_paths for path in at.pulled_from(network))
