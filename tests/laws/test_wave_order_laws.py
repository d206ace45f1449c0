"""Laws of the order in which hosts change: which wave begins when, and that none is confirmed before earlier ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from provisioner.desired.spec import DesiredState
from provisioner.hosts.runner import HostAnswer, HostCall
from provisioner.operations.rollout.result import HostOutcome, HostResult, NotStartedBecause
from provisioner.operations.rollout.waves import WAVES_AT_ONCE, Rollout, Wave, waves_of
from tests import fleets, inventories
from tests.simulated import SimulatedHosts, go_back
from tests.unit.operations.rollout.world import Controller, at_call

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MOST = 9
BEGINS = {"apply", "rollback"}

sizes = st.integers(1, MOST)
# At which look a host returns by itself; 0 of one that refuses to begin.
failures = st.dictionaries(st.integers(0, MOST - 1), st.integers(0, 3), max_size=2)


@cache
def fleet(relays: int, channels: int, password: str = "secret") -> DesiredState:
    """So many relays of two carriers, each with a facility whose recorder has so many cameras."""
    recorded: dict[str, Any] = {
        "recorders": [inventories.recorder()],
        "cameras": [inventories.channel(f"cam-{number:02}", number) for number in range(1, channels + 1)],
    }
    of = {"viettel": list(range(0, relays, 2)), "vnpt": list(range(1, relays, 2))}
    carriers = [
        inventories.carrier(name, relays=[inventories.relay(f"relay-{n}", 40 + n) for n in numbers])
        for name, numbers in of.items()
        if numbers
    ]
    facilities = [
        fleets.facility(
            f"kcl-bg-{n + 1:03}", plan={"state": "agreed", "carrier": name, "relay": f"relay-{n}"}, **recorded
        )
        for name, numbers in of.items()
        for n in numbers
    ]
    return fleets.state_of(inventories.inventory(carriers=carriers, facilities=facilities), password)


class Killed(BaseException):
    """The controller dies here."""


def die(_operation: str, _host: str) -> None:
    raise Killed


@dataclass
class Witness:
    """Holds every call that begins or confirms a change against the rules, as the hosts see it."""

    controller: Controller
    waves: tuple[Wave, ...]
    at_once: int
    max_failed: int
    run: str = "run-2"
    looked: set[str] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)
    together: int = 0

    def place(self, host: str) -> int:
        return next(number for number, wave in enumerate(self.waves) if host in wave.hosts)

    def earlier(self, host: str) -> list[str]:
        return [other for wave in self.waves[: self.place(host)] for other in wave.hosts]

    def armed(self) -> list[str]:
        hosts = self.controller.hosts.hosts
        return [h for h in self.begun if (armed := hosts[h].armed) is not None and armed["run"] == self.run]

    def outcome(self, host: str) -> str:
        return self.controller.hosts.hosts[host].receipts.get(self.run, ("", ""))[0]

    def failed_before(self, host: str) -> list[str]:
        return [other for other in self.earlier(host) if self.outcome(other) not in {"", "applied"}]

    def known_failures(self) -> set[str]:
        """The hosts of which the controller has written down that they failed."""
        steps = self.controller.journals[self.run].steps
        ends = {step.host: step for step in steps if step.step == "end"}
        return {
            host
            for host, end in ends.items()
            if end.state != "applied" and not end.detail.get("taken_back") and end.detail.get("refusal") != "held-back"
        }

    def sees(self, operation: str, host: str) -> None:
        """Before a host does what it is asked."""
        if operation in BEGINS:
            waiting = self.armed()
            assert all(other in self.looked for other in waiting if self.place(other) < self.place(host)), (
                "a wave began before the one before had been looked at"
            )
            waves = {self.place(other) for other in (*waiting, host)}
            assert len(waves) <= self.at_once
            self.together = max(self.together, len(waves))
            assert len(self.known_failures() & set(self.earlier(host))) <= self.max_failed
            self.begun.add(host)
        if operation == "confirm" and host in self.armed():
            assert not set(self.earlier(host)) & set(self.armed()), "confirmed before an earlier wave was"
            assert set(self.earlier(host)) <= self.begun | self.refusing
            assert len(self.failed_before(host)) <= self.max_failed

    refusing: set[str] = field(default_factory=set)

    def saw(self, operation: str, host: str) -> None:
        """After it."""
        if operation == "look":
            self.looked.add(host)


def fails_at(controller: Controller, fails: Mapping[str, int]) -> Callable[[str, str], None]:
    """A hook by which hosts return by themselves at their so-manieth look."""
    looks = dict.fromkeys(fails, 0)

    def hook(operation: str, host: str) -> None:
        if operation == "look" and host in fails:
            looks[host] += 1
            if looks[host] == fails[host] and controller.hosts.hosts[host].armed is not None:
                go_back(controller.hosts.hosts[host], "nobody confirmed the change in time")

    return hook


@dataclass
class Course:
    """A rollout with its witness."""

    controller: Controller
    witness: Witness
    before: Mapping[str, object]
    done: Rollout
    fails: Mapping[str, int]

    @property
    def results(self) -> dict[str, HostResult]:
        return {result.host: result for result in self.done.results}


def course(
    relays: int,
    fails: Mapping[int, int],
    *,
    max_failed: int = 0,
    apart: bool = False,
    password: str = "secret",
    kill: tuple[int, bool, bool] | None = None,
) -> Course:
    """Apply one camera more on every relay, or another password; kill the controller at a call, and go on."""
    controller = Controller()
    first = controller.apply(fleet(relays, 1), "run-1")
    assert {result.outcome for result in first.values()} == {HostOutcome.APPLIED}
    before = controller.contents()
    jobs = controller.jobs(fleet(relays, 2 if password == "secret" else 1, password))
    waves = waves_of(job.spec for job in jobs)
    harmless = all(job.is_harmless for job in jobs)
    assert harmless == (password == "secret")
    by_name = {f"relay-{n}": at for n, at in fails.items() if n < relays}
    witness = Witness(controller, waves, WAVES_AT_ONCE if harmless and not apart else 1, max_failed)
    for name, at in by_name.items():
        if at == 0:
            controller.hosts.hosts[name].armed = {"run": "somebody", "kind": "apply", "target": ""}
            witness.refusing.add(name)
    options = controller.options(max_failed=max_failed, apart=apart)
    number, late, patient = kill or (0, False, False)
    _watch(controller, witness, fails_at(controller, by_name), number, late=late)
    try:
        done = controller.run(jobs, "run-2", options)
    except Killed:
        event("killed")
        if not patient:
            for host in witness.armed():
                go_back(controller.hosts.hosts[host], "nobody confirmed the change in time")
        done = controller.run(jobs, "run-2", options, waves=waves, progress=controller.progress("run-2"))
    return Course(controller, witness, before, done, by_name)


def _watch(
    controller: Controller, witness: Witness, fail: Callable[[str, str], None], number: int, *, late: bool
) -> None:
    """Have the witness see every call, hosts fail at theirs, and the controller die at one, before it or after it."""
    dies = at_call(number, die)

    def early(operation: str, host: str) -> None:
        if operation == "observe":
            return
        if not late:
            dies(operation, host)
        fail(operation, host)
        witness.sees(operation, host)

    def after(operation: str, host: str) -> None:
        witness.saw(operation, host)
        if late:
            dies(operation, host)

    controller.hosts.before, controller.hosts.after = early, after


def check_ends(ended: Course) -> None:
    """That every host is at an end of which its receipt, its contents and its result say the same."""
    now, results = ended.controller.contents(), ended.results
    fresh = {host: result.outcome for host, result in results.items()}
    assert not ended.witness.armed()
    for host, outcome in fresh.items():
        receipt = ended.witness.outcome(host)
        if outcome is HostOutcome.APPLIED:
            assert receipt == "applied"
            assert now[host] != ended.before[host]
            assert len(ended.witness.failed_before(host)) <= ended.witness.max_failed
            assert not [other for other in ended.witness.earlier(host) if fresh[other] is HostOutcome.NOT_STARTED][
                ended.witness.max_failed :
            ]
        else:
            assert outcome in {HostOutcome.ROLLED_BACK, HostOutcome.NOT_STARTED}
            assert receipt == ("rolled-back" if host in ended.witness.begun and outcome.value == "rolled-back" else "")
            assert now[host] == ended.before[host]
    own = [r for r in results.values() if r.is_failure]
    taken_back = [r for r in results.values() if r.taken_back and r.outcome is HostOutcome.ROLLED_BACK]
    if taken_back:
        event("taken back")
        assert ended.done.ended == "stopped"
        assert own
        assert all(r.cause.startswith("returned: ") and r.cause.endswith(" in an earlier wave") for r in taken_back)
    if not own:
        assert ended.done.ended == "done"
        assert set(fresh.values()) == {HostOutcome.APPLIED}
    event(f"{ended.witness.together} waves together")


@FEW
@given(relays=sizes, fails=failures, max_failed=st.integers(0, 2), apart=st.booleans())
def test_no_wave_is_confirmed_before_those_before_it_and_a_failed_one_takes_later_ones_back(
    relays: int, fails: dict[int, int], max_failed: int, *, apart: bool
) -> None:
    ended = course(relays, fails, max_failed=max_failed, apart=apart)
    check_ends(ended)
    for host, at in ended.fails.items():
        result = ended.results[host]
        if result.outcome is HostOutcome.APPLIED:
            assert at > 0
        elif not result.taken_back and result.refusal is not NotStartedBecause.HELD_BACK:
            assert result.is_failure


@FEW
@given(relays=sizes, fails=failures, number=st.integers(1, 60), late=st.booleans(), patient=st.booleans())
def test_the_order_holds_where_the_controller_dies_at_any_call_and_goes_on(
    relays: int, fails: dict[int, int], number: int, *, late: bool, patient: bool
) -> None:
    check_ends(course(relays, fails, kill=(number, late, patient)))


@FEW
@given(relays=sizes, fails=failures)
def test_waves_of_a_plan_that_cuts_follow_each_other(relays: int, fails: dict[int, int]) -> None:
    ended = course(relays, fails, password="another password")
    check_ends(ended)
    assert ended.witness.together <= 1


@pytest.mark.parametrize("apart", [False, True])
def test_a_wave_that_nobody_notices_begins_while_the_one_before_is_watched_unless_it_may_not(*, apart: bool) -> None:
    ended = course(MOST, {}, apart=apart)
    assert ended.witness.together == (1 if apart else 2)
    calls = [call for call in ended.controller.hosts.calls if call[0] != "observe"]
    canaries = ended.witness.waves[0].hosts
    confirmed = max(number for number, call in enumerate(calls) if call == ("confirm", canaries[-1]))
    begun = [host for number, (operation, host) in enumerate(calls) if operation == "apply" and number < confirmed]
    later = set(begun[-MOST:]) - set(canaries) if not apart else set()
    assert bool(later) is not apart


def test_hosts_that_began_behind_a_wave_whose_watch_fails_return_and_nothing_begins_any_more() -> None:
    ended = course(MOST, {0: 2})
    outcomes = {host: result.outcome for host, result in ended.results.items()}
    canaries, second, *others = (set(wave.hosts) for wave in ended.witness.waves)
    assert "relay-0" in canaries
    assert outcomes["relay-0"] is HostOutcome.ROLLED_BACK
    assert outcomes["relay-1"] is HostOutcome.APPLIED
    for host in second:
        assert ended.results[host].taken_back
        assert ended.results[host].cause == "returned: 1 failed (relay-0) in an earlier wave"
        assert ended.controller.hosts.hosts[host].receipts["run-2"] == ("rolled-back", ended.results[host].cause)
    for host in set().union(*others):
        assert ended.results[host].refusal is NotStartedBecause.HELD_BACK
        assert host not in ended.witness.begun
    assert ended.done.ended == "stopped"
    steps = [(s.host, s.step, s.state) for s in ended.controller.journals["run-2"].steps if s.host in second]
    assert {(host, "abort", "due") for host in second} <= set(steps)


class ReadingHosts(SimulatedHosts):
    """Hosts in memory, and whether each look at one read a path: before the end of the watch, or at it."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: dict[str, list[bool]] = {}
        self.early: set[str] = set()

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """An answer for every call, by host id."""
        for call in calls:
            if call.request["operation"] == "look":
                asked = call.request["gate"]
                self.reads.setdefault(call.spec.id, []).append(bool(asked["paths"]))
                self.early |= {call.spec.id} if asked["paths"] and not asked.get("wait_s") else set()
        return super().call(calls, timeout_s=timeout_s)


@pytest.mark.parametrize("apart", [False, True], ids=["overlapping", "apart"])
def test_a_wave_begins_earlier_on_pictures_alone_and_nothing_is_read_twice_for_nobody(*, apart: bool) -> None:
    hosts = ReadingHosts()
    controller = Controller(hosts=hosts)
    controller.apply(fleet(3, 1), "run-1")
    hosts.reads.clear()
    hosts.early.clear()
    jobs = controller.jobs(fleet(3, 2))
    waves = waves_of(job.spec for job in jobs)
    assert len(waves) > 1
    done = controller.run(jobs, "run-2", controller.options(apart=apart), waves=waves)
    assert {result.outcome for result in done.results} == {HostOutcome.APPLIED}
    changed = {job.spec.id for job in jobs if job.touched.read}
    waited_for = set() if apart else {host for wave in waves[:-1] for host in wave.hosts} & changed
    assert hosts.early & changed == waited_for
    assert all(any(hosts.reads[host]) for host in changed)
