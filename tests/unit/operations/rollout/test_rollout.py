"""Waves, failures, pauses, interrupts, and answers that come one by one."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

import pytest

from provisioner.hosts.answers import wire
from provisioner.hosts.runner import HostAnswer, HostCall, OpenRunner
from provisioner.operations.rollout import waves as waves_module
from provisioner.operations.rollout.dispatcher import StartedHost
from provisioner.operations.rollout.gate import WATCH_S
from provisioner.operations.rollout.host_change import HostChange
from provisioner.operations.rollout.job import Job, RolloutOptions
from provisioner.operations.rollout.result import HostOutcome, NotStartedBecause, exit_code
from provisioner.operations.rollout.waves import RunProgress, Wave, roll_out, waves_of
from provisioner.record.entries import JournalStep
from tests.simulated import NO_SESSIONS, SWITCHED, MemoryJournal, SimulatedHosts, peer_session
from tests.unit.operations.rollout.world import Controller, state

SITES = {"kcl-bg-001": 2}
RELAY, CENTRE = "relay-viettel-1", "centre"


@pytest.mark.parametrize(("allowed", "ended"), [(0, "stopped"), (1, "done")])
def test_hosts_of_later_waves_are_not_started_after_a_failure_unless_it_is_allowed(allowed: int, ended: str) -> None:
    controller = Controller()
    jobs = controller.jobs(state(SITES))
    controller.hosts.hosts[RELAY].armed = {"run": "somebody", "kind": "apply", "target": ""}
    done = controller.run(jobs, "run-1", controller.options(max_failed=allowed))
    results = {r.host: r for r in done.results}
    assert results[RELAY].refusal is NotStartedBecause.LOCKED
    assert results[CENTRE].outcome is (HostOutcome.NOT_STARTED if ended == "stopped" else HostOutcome.APPLIED)
    assert ("apply", CENTRE) in controller.hosts.calls or ended == "stopped"
    assert done.ended == ended
    assert exit_code(done.results) == 9
    assert RELAY in done.cause or ended == "done"


class LateHosts(SimulatedHosts):
    """Hosts that a call reaches which a controller sent before it was killed, right before the same one of the next."""

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """Carry a first call twice; the first one's answer is nobody's."""
        if any(call.request["operation"] == "apply" for call in calls):
            super().call(calls, timeout_s=timeout_s)
        return super().call(calls, timeout_s=timeout_s)


def test_a_host_that_its_own_run_holds_already_is_asked_how_far_it_is() -> None:
    controller = Controller(hosts=LateHosts())
    done = controller.run(controller.jobs(state(SITES)))
    assert {r.host: r.outcome for r in done.results} == {RELAY: HostOutcome.APPLIED, CENTRE: HostOutcome.APPLIED}
    assert {host.receipts["run-1"][0] for host in controller.hosts.hosts.values()} == {"applied"}


def test_a_pause_leaves_later_waves_for_the_next_call() -> None:
    controller = Controller()
    jobs = controller.jobs(state(SITES))
    waves = waves_of(job.spec for job in jobs)
    paused = controller.run(jobs, "run-1", controller.options(pause_after="canary"))
    assert paused.ended == "paused"
    assert {r.host: r.outcome for r in paused.results} == {RELAY: HostOutcome.APPLIED, CENTRE: HostOutcome.NOT_STARTED}
    gone_on = controller.run(jobs, "run-1", waves=waves, progress=controller.progress("run-1"))
    assert {r.host: r.outcome for r in gone_on.results} == {RELAY: HostOutcome.APPLIED, CENTRE: HostOutcome.APPLIED}
    assert [host for operation, host in controller.hosts.calls if operation == "apply"] == [RELAY, CENTRE]


def test_an_interrupt_starts_no_further_host_and_finishes_those_on_their_way() -> None:
    controller = Controller()
    asked: list[bool] = []
    controller.hosts.before = lambda operation, _host: asked.append(True) if operation == "look" else None
    done = controller.run(controller.jobs(state(SITES)), "run-1", stop=lambda: bool(asked))
    assert done.ended == "interrupted"
    assert {r.host: r.outcome for r in done.results} == {RELAY: HostOutcome.APPLIED, CENTRE: HostOutcome.NOT_STARTED}
    assert exit_code(done.results) == 0


def test_a_resumed_wave_starts_its_other_hosts_once_its_started_ones_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier controller left half done shows whether the change is good before it meets more hosts."""
    controller = Controller()
    jobs = controller.jobs(state(SITES))
    both = (Wave("canary", (RELAY, CENTRE)),)

    class Gone(BaseException):
        pass

    def die(operation: str, _host: str) -> None:
        if operation == "look":
            raise Gone

    controller.hosts.before = die
    with monkeypatch.context() as patch:
        patch.setattr(waves_module, "_AT_ONCE", 1)
        with pytest.raises(Gone):
            controller.run(jobs, "run-1", waves=both)
    controller.hosts.before = lambda _operation, _host: None
    done = controller.run(jobs, "run-1", waves=both, progress=controller.progress("run-1"))
    assert {r.host: r.outcome for r in done.results} == {RELAY: HostOutcome.APPLIED, CENTRE: HostOutcome.APPLIED}
    calls = controller.hosts.calls
    assert calls.index(("confirm", RELAY)) < calls.index(("apply", CENTRE))


class SlowHosts(OpenRunner):
    """A streaming carrier over hosts in memory in which one host is slow."""

    def __init__(self, hosts: SimulatedHosts, slow: str, seconds: float) -> None:
        self._hosts, self._slow, self._seconds = hosts, slow, seconds
        self._lock = threading.Lock()
        self.ended: dict[str, float] = {}

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """The slow host's first answer late."""
        for call in sorted(calls, key=lambda c: c.spec.id == self._slow):
            if call.spec.id == self._slow and call.request["operation"] in {"apply", "rollback"}:
                time.sleep(self._seconds)
            with self._lock:
                answer = self._hosts.call([call], timeout_s=timeout_s)[call.spec.id]
            if call.request["operation"] == "confirm":
                self.ended[call.spec.id] = time.monotonic()
            yield answer


def test_a_host_is_confirmed_as_soon_as_it_is_ready_not_after_the_slowest() -> None:
    controller = Controller()
    jobs = controller.jobs(state(SITES))
    runner = SlowHosts(controller.hosts, RELAY, 1.5)
    together = (Wave("all", (CENTRE, RELAY)),)
    done = roll_out(jobs, "run-1", runner, RolloutOptions(), MemoryJournal(), waves=together)
    assert {r.outcome for r in done.results} == {HostOutcome.APPLIED}
    assert runner.ended[RELAY] - runner.ended[CENTRE] > 0.8


class WatchedCarrier:
    """Hosts in memory, and how each call of a change travelled; every look makes time pass."""

    def __init__(self, controller: Controller, look_s: float) -> None:
        self._controller, self._look_s = controller, look_s
        self.travelled: list[tuple[str, bool, str]] = []
        self.looks: list[Mapping[str, Any]] = []
        self.carry = controller.hosts.call

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """An answer for every call, by host id."""
        for call in calls:
            operation = str(call.request["operation"])
            self.travelled.append((operation, call.shares, call.since))
            self._controller.clock.now += self._look_s if operation == "look" else 0.0
            self.looks += [call.request["gate"]] if operation == "look" else []
        return self.carry(calls, timeout_s=timeout_s)


def _waited(document: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    return {**document, "after": {**document["after"], "waited_s": seconds}}


class Program(StrEnum):
    """How a host's program looks: at the moment that is asked for, by its own clock; after a while; or at once."""

    FROM_ITS_SWITCH = "waits from its switch"
    WAITS = "waits from its call"
    AT_ONCE = "looks at once"
    CLOCK_RUNS_AWAY = "looks at once, and says that it waited"


class WaitingHosts:
    """Hosts in memory whose calls take a tenth of a second there and back, and whose looks three."""

    def __init__(self, controller: Controller, program: Program) -> None:
        self._controller, self._program = controller, program
        self._switched = 0.0
        self.looks: list[tuple[float, float]] = []
        """How long each look was to wait, and when it was taken after the switch."""

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """An answer for every call, by host id."""
        clock = self._controller.clock
        clock.now += 0.1
        asked = calls[0].request["gate"] if calls[0].request["operation"] == "look" else None
        waited_s = self._look(asked) if asked is not None else 0.0
        answers = self._controller.hosts.call(calls, timeout_s=timeout_s)
        if "switched" in next(iter(answers.values())).document:
            self._switched = clock.now
        clock.now += 0.1
        return {host: replace(a, document=self._said(a.document, waited_s)) for host, a in answers.items()}

    def _look(self, asked: Mapping[str, Any]) -> float:
        clock, wait_s = self._controller.clock, float(asked.get("wait_s", 0.0))
        since = self._switched if asked.get("since") is not None else clock.now
        if self._program in {Program.FROM_ITS_SWITCH, Program.WAITS}:
            clock.now = max(clock.now, since + wait_s)
        waited_s = clock.now - since
        self.looks.append((wait_s, clock.now - self._switched))
        clock.now += 0.3
        return {Program.AT_ONCE: 0.0, Program.CLOCK_RUNS_AWAY: wait_s}.get(self._program, waited_s)

    def _said(self, document: Mapping[str, Any], waited_s: float) -> dict[str, Any]:
        said = dict(document)
        if self._program in {Program.WAITS, Program.AT_ONCE}:
            said.pop("switched", None)
        return _waited(said, waited_s) if "after" in said else said


@pytest.mark.parametrize("program", [Program.FROM_ITS_SWITCH, Program.WAITS, Program.AT_ONCE])
def test_the_last_look_is_on_its_way_before_its_moment_and_begins_no_sooner(program: Program) -> None:
    controller = Controller()
    jobs = [job for job in controller.jobs(state(SITES)) if job.spec.id == RELAY]
    hosts = WaitingHosts(controller, program)
    done = roll_out(jobs, "run-1", hosts, controller.options(), MemoryJournal())
    assert [r.outcome for r in done.results] == [HostOutcome.APPLIED]
    waits_s, moments = zip(*hosts.looks, strict=True)
    assert moments[-1] >= WATCH_S
    if program is Program.FROM_ITS_SWITCH:
        # One call, over a new connection, that is there all the while: neither way adds to the watch.
        assert waits_s == (pytest.approx(WATCH_S, abs=0.01),)
        assert moments[-1] < WATCH_S + 0.02
        return
    assert waits_s[0] == 0.0
    # It reads what is new, for which it is there so much sooner.
    assert all(1.7 < wait_s <= 2.0 for wait_s in waits_s if wait_s)
    assert len(waits_s) == (2 if program is Program.WAITS else 3)


@pytest.mark.parametrize(
    ("under_way", "outcome"), [("look", HostOutcome.ROLLED_BACK), ("confirm", HostOutcome.APPLIED)]
)
def test_a_host_that_is_taken_back_while_it_answers_is_understood(under_way: str, outcome: HostOutcome) -> None:
    controller = Controller()
    job = next(job for job in controller.jobs(state(SITES)) if job.spec.id == RELAY)
    change, steps, calls = HostChange(job, "run-1", controller.options()), list[JournalStep](), list[str]()
    while change.result is None:
        calls.append((call := change.next_call()[0]).request["operation"])
        (answer,) = controller.hosts.call([call], timeout_s=60).values()
        if calls[-1] == under_way and not change.goes_back:
            steps += change.take_back("1 failed", is_free=False)
        steps += change.take(answer)[0]
    assert [step.step for step in steps if step.state == "not understood"] == []
    assert (calls[0], calls[-1]) == ("apply", "abort" if under_way == "look" else "confirm")
    assert "status" not in calls
    assert change.result.outcome is outcome
    # Whoever is confirmed was not taken back for others.
    assert change.result.taken_back == (outcome is HostOutcome.ROLLED_BACK)


@pytest.mark.parametrize("handshake", [0, 100], ids=["reset", "as it was"])
def test_what_came_and_went_within_the_watch_takes_a_change_back(handshake: int) -> None:
    controller = Controller()
    controller.apply(state(SITES))
    job = next(job for job in controller.jobs(state(SITES, "another password")) if job.spec.id == RELAY)
    change = HostChange(job, "run-2", controller.options())
    change.is_waited_for = False

    def seen(handshake: int) -> wire.SessionsAnswer:
        return {**NO_SESSIONS, "peers": {"somebody": peer_session(handshake, 1)}}

    while change.result is None:
        (answer,) = controller.hosts.call([call := change.next_call()[0]], timeout_s=60).values()
        document: dict[str, Any] = {**answer.document}
        if call.request["operation"] == "apply":
            document["before"] = {**document["before"], "sessions": seen(100)}
        if call.request["operation"] == "look":
            assert call.request["gate"]["first"]
            controller.clock.now += WATCH_S
            looked = {"sessions": seen(200), "first": seen(handshake), "waited_s": WATCH_S + 0.1}
            document["after"] = {**document["after"], **looked}
        change.take(replace(answer, document=document))
    returns = handshake == 0
    assert change.result.outcome is (HostOutcome.ROLLED_BACK if returns else HostOutcome.APPLIED)
    assert ("the session of peer somebody was reset" in change.result.cause) == returns


def test_a_host_whose_clock_runs_away_is_watched_by_ours() -> None:
    controller = Controller()
    jobs = [job for job in controller.jobs(state(SITES)) if job.spec.id == RELAY]
    hosts = WaitingHosts(controller, Program.CLOCK_RUNS_AWAY)
    done = roll_out(jobs, "run-1", hosts, controller.options(), MemoryJournal())
    assert [r.outcome for r in done.results] == [HostOutcome.APPLIED]
    assert len(hosts.looks) > 1
    assert hosts.looks[-1][1] >= WATCH_S


def test_where_a_wave_waits_for_a_first_look_it_is_taken_at_once_and_the_last_one_counts_from_the_switch() -> None:
    controller = Controller()
    controller.apply(state(SITES))
    job = next(job for job in controller.jobs(state(SITES, "another password")) if job.spec.id == RELAY)
    change, looks = HostChange(job, "run-2", controller.options()), list[Mapping[str, Any]]()
    assert change.is_waited_for
    while change.result is None:
        (answer,) = controller.hosts.call([call := change.next_call()[0]], timeout_s=60).values()
        assert change.host_waits == bool(call.request.get("gate", {}).get("wait_s"))
        if call.request["operation"] == "look":
            looks.append(asked := call.request["gate"])
            controller.clock.now += asked.get("wait_s", 0.0)
            answer = replace(answer, document=_waited(answer.document, asked.get("wait_s", 0.0)))
        controller.clock.now += change.take(answer)[1]
    assert change.result.outcome is HostOutcome.APPLIED
    first, last = looks
    assert {path["name"] for path in first["paths"]} == {path["name"] for path in last["paths"]} == named(job)
    assert ("since" in first, "wait_s" in first) == (False, False)
    assert (last["since"], last["wait_s"], last["first"]) == (SWITCHED, pytest.approx(WATCH_S, abs=0.05), False)


def test_a_last_look_that_reads_is_there_sooner_for_the_key_frames() -> None:
    controller = Controller()
    controller.apply(state(SITES))
    jobs = [job for job in controller.jobs(state(SITES, "another password")) if job.spec.id == RELAY]
    hosts = WaitingHosts(controller, Program.FROM_ITS_SWITCH)
    carrier = WatchedCarrier(controller, 0.0)
    carrier.carry = hosts.call
    done = roll_out(jobs, "run-2", carrier, controller.options(), MemoryJournal())
    assert [r.outcome for r in done.results] == [HostOutcome.APPLIED]
    (look,) = carrier.looks
    assert (look["early_s"], look["first"]) == (1.7, True)
    # Nobody waits for a picture before the end of the watch, at which there has to be one in any case.
    assert {path["name"] for path in look["paths"]} == named(jobs[0])


def test_a_path_that_is_read_at_the_end_alone_has_to_give_a_picture_there() -> None:
    controller = Controller()
    controller.apply(state(SITES))
    before = controller.contents()
    jobs = [job for job in controller.jobs(state(SITES, "another password")) if job.spec.id == RELAY]
    lost = min(named(jobs[0]))
    relay = controller.hosts.hosts[RELAY]
    controller.hosts.before = lambda operation, _: relay.dark.add(lost) if operation == "look" else None
    done = controller.run(jobs, "run-2")
    assert [r.outcome for r in done.results] == [HostOutcome.ROLLED_BACK]
    assert f"path gate: no picture after the change: {lost}" in done.results[0].cause
    assert controller.contents() == before


def named(job: Job) -> set[str]:
    """The paths that a change of a host reads."""
    return {path.name for path in job.touched.read}


@pytest.mark.parametrize(("look_s", "which"), [(1.0, "the looks'"), (30.0, "another")])
def test_a_change_is_confirmed_over_a_connection_that_it_did_not_begin_with(look_s: float, which: str) -> None:
    controller = Controller()
    jobs = [job for job in controller.jobs(state(SITES)) if job.spec.id == RELAY]
    carrier = WatchedCarrier(controller, look_s)
    done = roll_out(jobs, "run-1", carrier, controller.options(), MemoryJournal())
    assert [r.outcome for r in done.results] == [HostOutcome.APPLIED]
    changed, *looked, confirmed = carrier.travelled
    assert changed == ("apply", True, "")
    assert set(looked) == {("look", True, "run-1")}
    assert confirmed == ("confirm", which == "the looks'", "run-1")


def test_what_became_of_a_change_is_asked_over_a_connection_of_its_own() -> None:
    controller = Controller()
    jobs = [job for job in controller.jobs(state(SITES)) if job.spec.id == RELAY]
    carrier = WatchedCarrier(controller, 1.0)
    progress = RunProgress(started={RELAY: StartedHost(armed=True)})
    roll_out(jobs, "run-1", carrier, controller.options(), MemoryJournal(), progress=progress, abort="by hand")
    assert ("status", False, "") in carrier.travelled
