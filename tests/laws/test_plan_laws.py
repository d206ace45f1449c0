"""Laws of plan and apply over generated inventories and hosts in memory."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.base.text import indented_parts
from provisioner.desired.spec import DesiredState
from provisioner.hosts.observe import observe
from provisioner.operations.rollout.job import Job
from provisioner.operations.rollout.result import HostOutcome
from provisioner.plan.change import Action, Change, Impact, Resource
from provisioner.plan.diff import changes_of
from provisioner.plan.document import plan_document, plan_in_parts
from provisioner.plan.plan import Basis, Plan
from tests import fleets, inventories
from tests.simulated import SimulatedHosts, apply

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CANARY = "canary-Mật:khẩu@/#?%$G1"

names = st.sampled_from([f"kcl-bg-{n:03}" for n in range(1, 7)])
facilities = st.dictionaries(names, st.integers(min_value=1, max_value=4), min_size=0, max_size=4)


def state(sites: dict[str, int], password: str = CANARY) -> DesiredState:
    listed = [fleets.facility(name, cameras) for name, cameras in sites.items()]
    return fleets.state_of(inventories.inventory(facilities=listed), password)


def plan_of(desired: DesiredState, hosts: SimulatedHosts, *, only: tuple[str, ...] = ()) -> list[Change]:
    chosen = [spec for host, spec in desired.hosts.items() if host in (only or tuple(desired.hosts))]
    files = fleets.files_of(desired)
    facts, errors = observe(chosen, files, hosts)
    assert not errors
    return [change for spec in chosen for change in changes_of(spec, files[spec.id], facts[spec.id])]


def apply_all(desired: DesiredState, hosts: SimulatedHosts, *, only: tuple[str, ...] = (), run: str = "run-1") -> None:
    files = fleets.files_of(desired)
    chosen = [spec for host, spec in desired.hosts.items() if host in (only or tuple(desired.hosts))]
    facts, _ = observe(chosen, files, hosts)
    jobs = [Job(spec, files[spec.id], facts[spec.id], facts[spec.id].live_digest) for spec in chosen]
    assert {result.outcome for result in apply(jobs, run, hosts)} == {HostOutcome.APPLIED}


def pending(changes: list[Change]) -> list[Change]:
    return [change for change in changes if change.action is not Action.NOOP]


@FEW
@given(old=facilities, new=facilities)
def test_after_an_apply_a_fresh_plan_is_empty(old: dict[str, int], new: dict[str, int]) -> None:
    hosts = SimulatedHosts()
    apply_all(state(old), hosts)
    apply_all(state(new), hosts, run="run-2")
    assert pending(plan_of(state(new), hosts)) == []


@FEW
@given(old=facilities, new=facilities)
def test_a_plan_names_exactly_the_paths_and_peers_that_differ(old: dict[str, int], new: dict[str, int]) -> None:
    hosts = SimulatedHosts()
    apply_all(state(old), hosts)
    named = {(c.resource, c.name, c.action) for c in pending(plan_of(state(new), hosts))}
    before = {path.name for _, path in state(old).paths}
    after = {path.name for _, path in state(new).paths}
    created = {name for resource, name, action in named if resource is Resource.PATH and action is Action.CREATE}
    deleted = {name for resource, name, action in named if resource is Resource.PATH and action is Action.DELETE}
    assert (created, deleted) == (after - before, before - after)
    new_peers = {name for resource, name, action in named if resource is Resource.PEER and action is Action.CREATE}
    assert new_peers == {f"site/{name}" for name in set(new) - set(old)}


@FEW
@given(sites=facilities, data=st.data())
def test_the_order_of_facilities_changes_no_file(sites: dict[str, int], data: st.DataObject) -> None:
    shuffled = dict(data.draw(st.permutations(list(sites.items()))))
    assert fleets.files_of(state(sites)) == fleets.files_of(state(shuffled))


@FEW
@given(sites=facilities)
def test_only_the_chosen_hosts_are_touched(sites: dict[str, int]) -> None:
    hosts = SimulatedHosts()
    apply_all(state(sites), hosts, only=("relay-viettel-1",))
    assert {host for _, host in hosts.calls} == {"relay-viettel-1"}


@FEW
@given(sites=facilities)
def test_no_secret_is_in_a_plan_or_in_what_is_printed_of_it(sites: dict[str, int]) -> None:
    hosts = SimulatedHosts()
    apply_all(state(sites, "another one"), hosts)
    desired = state(sites)
    changes = plan_of(desired, hosts)
    plan = Plan(Basis("i", "t", {}), tuple(changes))
    text = json.dumps(plan_document(plan, everything=True), ensure_ascii=False, indent=2)
    assert "".join(indented_parts(plan_in_parts(plan, everything=True))) == text
    text += repr(desired) + repr(fleets.files_of(desired)) + repr(changes)
    for secret in secrets_in(desired):
        assert secret not in text


def secrets_in(desired: DesiredState) -> set[str]:
    secrets = {CANARY, "reader-viettel-centre", "digest-key"}
    for spec in desired.hosts.values():
        secrets.add(spec.digest_key.reveal())
        secrets |= {peer.psk.reveal() for peer in spec.tunnel.peers}
    return secrets


@FEW
@given(sites=facilities.filter(bool))
def test_a_new_password_changes_its_paths_and_says_no_more(sites: dict[str, int]) -> None:
    hosts = SimulatedHosts()
    apply_all(state(sites, "the old one"), hosts)
    changed = [c for c in pending(plan_of(state(sites, "the new one"), hosts)) if c.resource is Resource.PATH]
    assert {c.name for c in changed} == {path.name for _, path in state(sites).paths}
    assert {c.reason for c in changed} == {"credentials of the source differ"}
    assert {c.impact for c in changed} == {Impact.PATH}


@FEW
@given(sites=facilities, viewers=st.dictionaries(names, st.integers(1, 9)))
def test_viewers_are_counted_on_the_paths_that_are_cut(sites: dict[str, int], viewers: dict[str, int]) -> None:
    hosts = SimulatedHosts()
    apply_all(state(sites), hosts)
    watched = {f"bac-giang/{name}/cam-01/sub": n for name, n in viewers.items()}
    hosts.hosts["relay-viettel-1"].viewers = watched
    plan = Plan(Basis("i", "t", {}), tuple(plan_of(state({}), hosts)))
    there = {path.name for _, path in state(sites).paths}
    assert plan_document(plan)["summary"]["viewers_dropped"] == sum(n for path, n in watched.items() if path in there)


def test_a_host_that_moved_since_the_plan_is_refused_and_the_mover_is_named() -> None:
    hosts = SimulatedHosts()
    desired = state({"kcl-bg-001": 1})
    apply_all(desired, hosts)
    files = fleets.files_of(desired)
    facts, _ = observe(desired.hosts.values(), files, hosts)
    content, mode, owner, group = hosts.hosts["centre"].files["/etc/provisioner/wg-prov.conf"]
    hosts.hosts["centre"].files["/etc/provisioner/wg-prov.conf"] = (content + b"#", mode, owner, group)
    jobs = [Job(s, files[s.id], facts[s.id], facts[s.id].live_digest) for s in desired.hosts.values()]
    results = {result.host: result for result in apply(jobs, "run-2", hosts)}
    assert results["centre"].outcome is HostOutcome.NOT_STARTED
    assert "/etc/provisioner/wg-prov.conf" in results["centre"].cause
    assert results["relay-viettel-1"].outcome is HostOutcome.APPLIED


def test_a_second_apply_cannot_confirm_the_first_ones_change() -> None:
    hosts = SimulatedHosts()
    desired = state({"kcl-bg-001": 1})
    apply_all(desired, hosts)
    hosts.hosts["centre"].armed = {"run": "somebody-else"}
    files = fleets.files_of(desired)
    facts, _ = observe(desired.hosts.values(), files, hosts)
    job = Job(desired.hosts["centre"], files["centre"], facts["centre"], facts["centre"].live_digest)
    (result,) = apply([job], "run-3", hosts)
    assert (result.outcome, "somebody-else" in result.cause) == (HostOutcome.NOT_STARTED, True)
    assert hosts.hosts["centre"].armed == {"run": "somebody-else"}


def test_one_hosts_silence_does_not_hide_the_others() -> None:
    hosts = SimulatedHosts()
    desired = state({"kcl-bg-001": 1})
    apply_all(desired, hosts)
    hosts.hosts["relay-viettel-1"].reachable = False
    facts, errors = observe(desired.hosts.values(), fleets.files_of(desired), hosts)
    assert (set(facts), set(errors)) == ({"centre"}, {"relay-viettel-1"})
