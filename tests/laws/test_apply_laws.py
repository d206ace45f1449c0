"""Laws of changing hosts: back is back, and nobody's death leaves a host between two states."""

import contextlib
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.desired.spec import DesiredState
from provisioner.operations.rollout.gate import GateRules
from provisioner.operations.rollout.result import HostOutcome
from provisioner.operations.rollout.waves import waves_of
from provisioner_host.state.revocable_texts import RevocableTexts, holdings
from tests.hostile import LOCAL_USER
from tests.simulated import SimulatedHosts, go_back, texts_in
from tests.unit.operations.rollout.world import Controller, at_call, state

FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
names = st.sampled_from([f"kcl-bg-{n:03}" for n in range(1, 5)])
facilities = st.dictionaries(names, st.integers(min_value=1, max_value=3), min_size=0, max_size=3)


class Killed(BaseException):
    """The controller dies here."""


def die(_operation: str, _host: str) -> None:
    raise Killed


def die_of_old_age(hosts: SimulatedHosts) -> None:
    """Let every host that waits find that nobody comes any more."""
    for host in hosts.hosts.values():
        if host.armed is not None:
            go_back(host, "nobody confirmed the change in time")


def applied(controller: Controller, desired: DesiredState, run: str) -> None:
    results = controller.apply(desired, run)
    assert {result.outcome for result in results.values()} <= {HostOutcome.APPLIED}, results


def texts_of(controller: Controller, host: str) -> RevocableTexts:
    """What a host's files say that can be revoked."""
    return texts_in(controller.hosts.hosts[host].files)


@FEW
@given(old=facilities, added=facilities)
def test_a_rollback_of_an_apply_that_took_nothing_away_is_what_was_before(
    old: dict[str, int], added: dict[str, int]
) -> None:
    # Ids in the order of their addresses: what is new moves nobody.
    new = old | {f"kcl-bg-1{name[-2:]}": cameras for name, cameras in added.items()}
    controller = Controller()
    applied(controller, state(old), "run-1")
    before = controller.contents()
    changed = {job.spec.id for job in controller.jobs(state(new))}
    applied(controller, state(new), "run-2")
    after = controller.contents()
    for number, expected in ((3, before), (4, after), (5, before)):
        back = [j for j in controller.jobs(state(new), rollback=f"run-{number - 1}") if j.spec.id in changed]
        controller.run(back, f"run-{number}")
        assert controller.contents() == expected


@LOCAL_USER
@FEW
@given(old=facilities, new=facilities, password=st.sampled_from(["secret", "another"]))
def test_what_an_apply_removed_no_rollback_returns(old: dict[str, int], new: dict[str, int], password: str) -> None:
    controller = Controller()
    applied(controller, state(old), "run-1")
    held = {host: holdings(texts_of(controller, host)) for host in state(old).hosts}
    jobs = controller.jobs(state(new, password))
    changed = {job.spec.id for job in jobs}
    done = controller.run(jobs, "run-2")
    assert {result.outcome for result in done.results} <= {HostOutcome.APPLIED}
    after = {host: texts_of(controller, host) for host in changed}
    back = [job for job in controller.jobs(state(new, password), rollback="run-2") if job.spec.id in changed]
    returned = controller.run(back, "run-3")
    assert {result.outcome for result in returned.results} <= {HostOutcome.APPLIED}
    for host, then in after.items():
        now, has = texts_of(controller, host), holdings(then)
        for kind, names in holdings(now).items():
            assert names.keys() == held[host][kind].keys() & has[kind].keys()
        # What is in both keeps its present secrets and addresses.
        assert set(now.psks.splitlines()) <= set(then.psks.splitlines())
        assert set(now.tunnel.splitlines()) <= set(then.tunnel.splitlines())
        assert password_lines(now) <= password_lines(then)
        for _, state_before in controller.hosts.hosts[host].generations:
            kept = texts_in(state_before.get("files", {}))
            assert set(kept.psks.splitlines()) <= set(then.psks.splitlines())
            assert password_lines(kept) <= password_lines(then)


def password_lines(texts: RevocableTexts) -> set[str]:
    """Where cameras' logins are sent, and the users."""
    lines = texts.relay.splitlines()
    return {line.partition("://")[2].partition("/")[0] for line in lines if "://" in line} | {
        line for line in lines if line.startswith("authInternalUsers")
    }


@FEW
@given(old=facilities, new=facilities, number=st.integers(1, 14), late=st.booleans(), patient=st.booleans())
def test_a_run_that_was_killed_at_any_step_and_resumed_leaves_every_host_old_or_new(
    old: dict[str, int], new: dict[str, int], number: int, *, late: bool, patient: bool
) -> None:
    controller = Controller()
    applied(controller, state(old), "run-1")
    before = controller.contents()
    jobs = controller.jobs(state(new))
    if late:
        controller.hosts.after = at_call(number, die)
    else:
        controller.hosts.before = at_call(number, die)
    with contextlib.suppress(Killed):
        controller.run(jobs, "run-2")
    controller.hosts.before = controller.hosts.after = lambda _operation, _host: None
    if not patient:
        die_of_old_age(controller.hosts)
    waves = waves_of(job.spec for job in jobs)
    results = controller.run(jobs, "run-2", waves=waves, progress=controller.progress("run-2")).results
    assert all(host.armed is None for host in controller.hosts.hosts.values())
    outcomes = {result.host: result.outcome for result in results}
    fresh = Controller()
    applied(fresh, state(old), "run-1")
    applied(fresh, state(new), "run-2")
    now, then = controller.contents(), fresh.contents()
    for host in now:
        outcome = outcomes.get(host, HostOutcome.UNCHANGED)
        expected = then if outcome is HostOutcome.APPLIED else before
        assert now[host] == expected[host], (host, outcome)


@FEW
@given(old=facilities.filter(bool), data=st.data())
def test_a_host_whose_touched_path_goes_dark_is_as_before(old: dict[str, int], data: st.DataObject) -> None:
    controller = Controller()
    applied(controller, state(old), "run-1")
    before = controller.contents()
    pulled = [p.name for h, p in state(old).paths if h.id == "relay-viettel-1" and not p.on_demand]
    dark = data.draw(st.sampled_from(pulled))
    controller.hosts.before = lambda operation, host: (
        controller.hosts.hosts[host].dark.add(dark) if operation == "look" else None
    )
    results = controller.apply(state(old, "another password"), "run-2")
    assert results["relay-viettel-1"].outcome is HostOutcome.ROLLED_BACK
    assert dark in results["relay-viettel-1"].cause
    assert controller.contents()["relay-viettel-1"] == before["relay-viettel-1"]


@FEW
@given(old=facilities.filter(bool), dark=st.booleans())
def test_a_path_that_was_dark_before_decides_nothing_unless_it_is_required(old: dict[str, int], *, dark: bool) -> None:
    controller = Controller()
    applied(controller, state(old), "run-1")
    path = next(p.name for h, p in state(old).paths if h.id == "relay-viettel-1" and not p.on_demand)
    controller.hosts.hosts["relay-viettel-1"].dark.add(path)
    rules = GateRules(required=(path,)) if dark else GateRules()
    results = controller.apply(state(old, "another password"), "run-2", gate=rules)
    assert results["relay-viettel-1"].outcome is (HostOutcome.ROLLED_BACK if dark else HostOutcome.APPLIED)


@FEW
@given(count=st.integers(0, 60), carriers=st.integers(1, 4))
def test_every_host_is_in_one_wave_and_the_canaries_are_one_a_carrier(count: int, carriers: int) -> None:
    template = state({"kcl-bg-001": 1}).hosts["relay-viettel-1"]
    specs = [replace(template, id=f"relay-{n}", carriers=(f"carrier-{n % carriers}",)) for n in range(count)]
    waves = waves_of(specs)
    listed = [host for wave in waves for host in wave.hosts]
    assert sorted(listed) == sorted(spec.id for spec in specs)
    if specs:
        assert waves[0].name == "canary"
        assert len(waves[0].hosts) == min(count, carriers)
        assert all(wave.hosts for wave in waves)


@FEW
@given(sites=facilities)
def test_only_the_hosts_of_the_jobs_are_touched(sites: dict[str, int]) -> None:
    controller = Controller()
    jobs = [job for job in controller.jobs(state(sites)) if job.spec.id == "relay-viettel-1"]
    controller.hosts.calls.clear()
    controller.run(jobs)
    assert {host for _, host in controller.hosts.calls} <= {"relay-viettel-1"}
