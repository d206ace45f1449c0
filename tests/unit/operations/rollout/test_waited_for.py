"""What a wave waits for: jobs that may cut a picture, and looks until nobody answers them any more."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.desired.render.host import TUNNEL_FILE
from provisioner.operations.rollout.answers import ChangeReport, ChangeState, Look
from provisioner.operations.rollout.gate import GateRules
from provisioner.operations.rollout.job import (
    RETURN_S,
    Job,
    LookOrder,
    RolloutOptions,
    abort_call,
    confirm_call,
    first_call,
    look_call,
    status_call,
)
from provisioner.operations.rollout.looks import Looks
from provisioner.plan.change import HOST, Action, Change, Impact, Resource
from provisioner_host.relay import relay
from tests.simulated import SWITCHED
from tests.unit.operations.rollout.world import Controller, state

RELAY = "relay-viettel-1"


def _job() -> Job:
    """A relay that has what it should, and a path that is pulled on demand, without a viewer."""
    controller, desired = Controller(), state({"kcl-bg-001": 2})
    controller.apply(desired)
    (job,) = (one for one in controller.jobs(desired, rollback="") if one.spec.id == RELAY)
    assert job.spec.relay is not None
    relay = replace(job.spec.relay, paths=tuple(p._replace(on_demand=p.name == IDLE) for p in job.spec.paths))
    return _with_live(replace(job, spec=replace(job.spec, relay=relay), rollback=None), on_demand=True, viewed=False)


def _with_live(job: Job, *, on_demand: bool, viewed: bool) -> Job:
    """The same relay, whose live paths are pulled on demand or not, and the idle one is viewed or not."""
    assert job.facts is not None
    assert job.facts.relay is not None
    assert job.facts.runtime is not None
    live = job.facts.relay["paths"].items()
    listed = {name: {**path, "settings": {**path["settings"], "sourceOnDemand": on_demand}} for name, path in live}
    changed: dict[str, Any] = {
        "relay": {**job.facts.relay, "paths": listed},
        "runtime": {**job.facts.runtime, "viewers": {IDLE: 1} if viewed else {}},
    }
    return replace(job, facts=replace(job.facts, **changed))


def change(resource: Resource, name: str, impact: Impact, action: Action = Action.UPDATE) -> Change:
    return Change(RELAY, resource, name, action, impact, "")


IDLE = "bac-giang/kcl-bg-001/cam-01/sub"
PATH = change(Resource.PATH, IDLE, Impact.PATH)
JOB = _job()
CHANGES = {
    "a device's rule": (change(Resource.RULE, "element cameras 100.64.0.4 . 10554", Impact.HOT, Action.CREATE), True),
    "a file": (change(Resource.FILE, "/etc/provisioner/owner.json", Impact.NONE), True),
    "an idle path": (PATH, True),
    "a rule of all": (change(Resource.RULE, "input/ssh", Impact.HOT), False),
    "people's network": (change(Resource.RULE, "element management 198.51.100.0/27", Impact.HOT), False),
    "the tunnel": (change(Resource.FILE, TUNNEL_FILE, Impact.HOT), False),
    "everything": (change(Resource.UNIT, "provisioner-mediamtx.service", Impact.ALL), False),
    "a path that is pulled": (change(Resource.PATH, IDLE.replace("cam-01", "cam-02"), Impact.PATH), False),
    "a new path": (PATH._replace(action=Action.CREATE), False),
    "a path that cuts": (PATH._replace(cut={RELAY: {IDLE: 1}}), False),
    "a path of nobody": (PATH._replace(name="nowhere"), False),
    "a host key": (change(Resource.TRUST, HOST, Impact.NONE), False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_alone_is_harmless_or_not(name: str) -> None:
    change, is_harmless = CHANGES[name]
    assert replace(JOB, changes=(change,)).is_harmless is is_harmless


@given(names=st.sets(st.sampled_from(sorted(CHANGES))), rollback=st.sampled_from([None, "", "run-1"]))
def test_a_job_is_harmless_if_its_changes_are_and_it_takes_nothing_back(names: set[str], rollback: str | None) -> None:
    job = replace(JOB, changes=tuple(CHANGES[name][0] for name in sorted(names)), rollback=rollback)
    assert job.is_harmless is (rollback is None and bool(names) and all(CHANGES[name][1] for name in names))


@pytest.mark.parametrize("on_demand", [True, False])
@pytest.mark.parametrize("viewed", [True, False])
def test_a_path_is_idle_if_it_is_pulled_on_demand_for_nobody_now(*, on_demand: bool, viewed: bool) -> None:
    job = _with_live(replace(JOB, changes=(PATH,)), on_demand=on_demand, viewed=viewed)
    assert job.is_harmless is (on_demand and not viewed)


def test_what_is_not_known_of_a_host_makes_no_change_harmless() -> None:
    assert JOB.facts is not None
    for facts in (replace(JOB.facts, relay=None), replace(JOB.facts, runtime=None), None):
        assert not replace(JOB, changes=(PATH,), facts=facts).is_harmless


# --- looks that nobody answers --------------------------------------------------------------------------
@pytest.mark.parametrize("patience_s", [10.0, RETURN_S, 200.0])
def test_looks_are_in_vain_once_the_first_unanswered_one_is_older_than_the_gates_patience(patience_s: float) -> None:
    now = [100.0]
    looks = Looks(JOB, RolloutOptions(clock=lambda: now[0], gate=GateRules(patience_s=patience_s)))
    longest_s = max(patience_s, RETURN_S)
    for _ in range(2):
        assert not looks.are_in_vain
        looks.order()
        now[0] += longest_s
        assert not looks.are_in_vain
        # Another one is asked for: the first still counts.
        looks.order()
        now[0] += 0.1
        assert looks.are_in_vain
        looks.take(Look(), now[0])


def test_where_no_gate_decides_no_look_is_in_vain_and_none_has_a_verdict() -> None:
    now = [100.0]
    centre = replace(JOB, spec=replace(JOB.spec, relay=None))
    for job, gate in ((JOB, None), (centre, GateRules())):
        looks = Looks(job, RolloutOptions(clock=lambda: now[0], gate=gate))
        looks.order()
        assert looks.take(Look(), now[0]) is None
        now[0] += 1e6
        assert not looks.are_in_vain


@pytest.mark.parametrize(
    ("waited_s", "heard", "late_enough"), [(10.1, 105.1, True), (10.1, 104.9, False), (9.5, 111, False)]
)
def test_a_look_by_the_hosts_clock_is_late_enough_if_half_of_its_wait_passed_here_too(
    waited_s: float, heard: float, *, late_enough: bool
) -> None:
    """The host was asked at 100 to look ten seconds after its switch; an answer before 105 cannot be of that look."""
    looks = Looks(JOB, RolloutOptions(clock=lambda: 100.0, gate=GateRules(watch_s=10)))
    looks.begin(ChangeReport(ChangeState.ARMED, switched=SWITCHED), 100.0, is_waited_for=False)
    looks.renew()
    looks._at = 110.0  # noqa: SLF001 (when the gate's watch ends)
    order = looks.order()
    assert order.wait_s == pytest.approx(10, abs=0.1)
    assert order.since == SWITCHED
    assert looks._was_waited(waited_s, heard) is late_enough  # noqa: SLF001 (a host cannot show the moment between)


@pytest.mark.parametrize("rollback", [None, "run-0"])
@pytest.mark.parametrize("epoch", [None, 7])
def test_a_run_s_number_goes_with_the_call_that_begins_a_change_and_with_no_later_one(
    rollback: str | None, epoch: int | None
) -> None:
    """A host takes the number before its first change; a later call of an older run must not be refused by it."""
    job, options = replace(JOB, epoch=epoch, rollback=rollback), RolloutOptions()
    later = (
        look_call(job, "run-1", options, LookOrder()),
        confirm_call(job, "run-1", options),
        abort_call(job, "run-1", options, "a person"),
        status_call(job, "run-1", options),
    )
    assert first_call(job, "run-1", options).request.get("epoch") == epoch
    assert all("epoch" not in call.request for call in later)


SENTINEL = "cfg/0123456789ab"


def content(names: list[str], sentinel: str = SENTINEL) -> str:
    lines = ["# Managed by provisioner.", 'logLevel: "info"', "paths:"]
    lines += [f'  {json.dumps(name)}: {{"source": "rtsp://camera/{name}"}}' for name in names]
    return "\n".join([*lines, f'  {json.dumps(sentinel)}: {{"source": "publisher"}}']) + "\n"


@given(old=st.sets(st.integers(0, 400), max_size=200), new=st.sets(st.integers(0, 400), max_size=300))
def test_each_step_adds_at_most_so_many_paths_and_takes_none_away(old: set[int], new: set[int]) -> None:
    live, wanted = content([f"p{n}" for n in sorted(old)]), content([f"p{n}" for n in sorted(new)])
    before = set(relay.describe(live, "")["paths"]) & set(relay.describe(wanted, "")["paths"])
    sentinels = {SENTINEL}
    for sentinel, text in (*relay.stages(live, wanted, 50), (SENTINEL, wanted)):
        described = relay.describe(text, "")
        assert described["sentinel"] == sentinel
        assert described["foreign"] == 0
        now = set(described["paths"])
        assert before <= now
        assert len(now - before) <= 50
        before = now
        sentinels.add(sentinel)
    assert before == set(relay.describe(wanted, "")["paths"])
    assert len(sentinels) == 1 + len(list(relay.stages(live, wanted, 50)))


def test_few_new_paths_come_at_once() -> None:
    assert list(relay.stages("", content([f"p{n}" for n in range(50)]), 50)) == []
    assert len(list(relay.stages("", content([f"p{n}" for n in range(51)]), 50))) == 1
