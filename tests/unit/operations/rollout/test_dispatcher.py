"""Calls of many hosts at once: those that never answer keep none of the others from being heard."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, OpenRunner
from provisioner.operations.rollout.dispatcher import Dispatcher
from tests.hostile import RELAY
from tests.unit.operations.rollout.world import state

SPEC = state({}).hosts["centre"]


class SomeHang(OpenRunner):
    """Hosts of which those whose name says so do not answer until they are let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """Each answer as soon as it is there."""
        assert timeout_s > 0
        for call in calls:
            if call.spec.id.startswith("hangs"):
                self.let_go.wait(30)
            yield HostAnswer(call.spec.id, CallOutcome.ANSWERED)


@RELAY
def test_hosts_that_hang_take_no_places_from_those_that_answer() -> None:
    runner, now = SomeHang(), [0.0]
    sent = Dispatcher(runner, lambda: now[0], time.sleep)
    for number in range(6):
        sent.send(HostCall(replace(SPEC, id=f"hangs-{number}"), {"operation": f"look-{number}"}), 60)
        assert sent.receive() is None
        now[0] += 5
    sent.send(HostCall(replace(SPEC, id="answers"), {"operation": "look"}), 60)
    heard = next((answer for answer in (sent.receive() for _ in range(30)) if answer), None)
    runner.let_go.set()
    assert heard is not None
    assert heard.host == "answers"


@pytest.mark.parametrize("waits", [True, False])
def test_hosts_that_wait_because_they_were_asked_to_take_no_places(*, waits: bool) -> None:
    runner = SomeHang()
    sent = Dispatcher(runner, lambda: 0.0, time.sleep)
    for number in range(6):
        sent.send(HostCall(replace(SPEC, id=f"hangs-{number}"), {"operation": f"look-{number}"}), 60, waits=waits)
        assert sent.receive() is None
    sent.send(HostCall(replace(SPEC, id="answers"), {"operation": "confirm"}), 60)
    heard = next((answer.host for answer in (sent.receive() for _ in range(5)) if answer), "nobody yet")
    runner.let_go.set()
    assert heard == ("answers" if waits else "nobody yet")


def test_what_waits_and_what_does_not_travel_apart() -> None:
    runner, batches = SomeHang(), list[set[str]]()
    plain = runner.stream

    def stream(calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        batches.append({call.spec.id for call in calls})
        return plain(calls, timeout_s=timeout_s)

    runner.stream = stream  # type: ignore[method-assign]  # who travels with whom is seen there alone
    sent = Dispatcher(runner, lambda: 0.0, time.sleep)
    for name, waits in (("a", True), ("b", False), ("c", True)):
        sent.send(HostCall(replace(SPEC, id=name), {"operation": "look"}), 60, waits=waits)
    heard = {answer.host for answer in (sent.receive() for _ in range(10)) if answer}
    assert heard == {"a", "b", "c"}
    assert sorted(map(sorted, batches)) == [["a", "c"], ["b"]]


def test_a_call_that_has_not_been_sent_can_be_taken_back_and_one_that_has_been_cannot() -> None:
    runner, now = SomeHang(), [0.0]
    calls = Dispatcher(runner, lambda: now[0], time.sleep)
    calls.send(HostCall(replace(SPEC, id="hangs-1"), {"operation": "apply"}), 60)
    assert calls.receive() is None
    calls.send(HostCall(replace(SPEC, id="later"), {"operation": "look"}), 60, after_s=3)
    assert not calls.withdraw("hangs-1")
    assert calls.withdraw("later")
    assert not calls.withdraw("later")
    now[0] += 4
    runner.let_go.set()
    heard = [answer.host for answer in (calls.receive() for _ in range(5)) if answer]
    assert heard == ["hangs-1"]


@pytest.mark.parametrize("after_s", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("tick_s", [0.0, 0.01, 0.4, 3.0])
def test_a_call_that_falls_due_between_two_looks_at_the_clock_is_waited_for_no_negative_time(
    tick_s: float, after_s: float
) -> None:
    """Each look at the clock takes a moment; `time.sleep` refuses a negative time."""
    now, slept = [0.0], list[float]()

    def clock() -> float:
        now[0] += tick_s
        return now[0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    sent = Dispatcher(SomeHang(), clock, sleep)
    sent.send(HostCall(SPEC, {"operation": "look"}), 60, after_s=after_s)
    while sent.receive() is None:
        assert len(slept) < 9
    assert all(0 <= seconds <= after_s for seconds in slept)
