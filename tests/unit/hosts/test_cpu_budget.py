"""What readers may take of a host's processors: fewer begin, and who has begun is not held back."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.verify.paths import select
from provisioner.verify.requests import ProbeLimits, probe_calls
from provisioner_host.look import cpu_budget, probe, readers
from provisioner_host.look.cpu_budget import AT_ONCE_S, CpuBudget
from provisioner_host.look.readers import ReadTimes
from provisioner_host.look.rtsp_reader import Login
from provisioner_host.wire import LimitsRequest, ReadAnswer
from tests.unit.verify.world import CENTRE, RELAY, observe_requests, state

NEVER = 10.0**9


class Processors:
    """A host whose time passes as a test says, with readers that take what they take when they end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cores: float | None) -> None:
        self.now, self.taken = 0.0, 0.0
        self.going: list[tuple[float, float]] = []
        self.begun: list[float] = []
        self.budget = CpuBudget(cores, lambda: self.taken, lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.pass_by)

    def pass_by(self, seconds: float) -> None:
        """Let time pass: readers whose time is over end, and what they took is counted."""
        self.now += seconds
        for one in [one for one in self.going if one[0] <= self.now]:
            self.going.remove(one)
            self.taken += one[1]
            self.budget.end()

    def read(self, takes_s: float, lasts_s: float, until: float = NEVER) -> None:
        """Begin a reader, as soon as it may."""
        self.budget.begin(until)
        self.begun.append(self.now)
        self.going.append((self.now + lasts_s, takes_s))


@given(
    cores=st.floats(0.25, 16),
    reads=st.lists(st.tuples(st.floats(0.05, 0.6), st.floats(0.5, 4)), min_size=1, max_size=60),
)
@settings(max_examples=60, deadline=None)
def test_what_readers_take_stays_within_the_budget_but_for_those_that_go_on(
    cores: float, reads: list[tuple[float, float]]
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        host = Processors(monkeypatch, cores)
        for takes_s, lasts_s in reads:
            host.read(takes_s, lasts_s)
            most = AT_ONCE_S + cores * host.now
            assert host.taken <= most
            # Of those that go on nobody knows yet what they take: no more than one that is as dear as any.
            assert host.taken + sum(takes for _, takes in host.going) <= most + 0.6 * len(host.going)


def test_a_few_paths_wait_for_nothing_and_hundreds_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Processors(monkeypatch, 1.0)
    for _ in range(24):
        host.read(0.25, 3.0)
    assert set(host.begun) == {0.0}
    for _ in range(400):
        host.read(0.25, 3.0)
    # A quarter of a second each at one processor, and what may be taken at once.
    assert host.now == pytest.approx(424 * 0.25 - AT_ONCE_S, rel=0.1)


def test_without_a_bound_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Processors(monkeypatch, None)
    for _ in range(500):
        host.read(1.0, 3.0)
    assert host.now == 0.0


def test_when_the_time_is_over_nobody_waits_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Processors(monkeypatch, 0.01)
    for _ in range(300):
        host.read(1.0, 1.0, until=60.0)
    assert host.now == pytest.approx(60.0, abs=0.2)


def test_real_processors_are_counted_with_the_children_that_ended() -> None:
    before, until = cpu_budget.taken_s(), time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert cpu_budget.taken_s() - before >= 0.04


class Counting:
    """A budget that only counts who begins and ends."""

    made: ClassVar[list[Counting]] = []

    def __init__(self, cores: float | None) -> None:
        self.cores, self.steps = cores, list[str]()
        self.made.append(self)

    def begin(self, _until: float) -> None:
        self.steps.append("begin")

    def end(self) -> None:
        self.steps.append("end")


def test_the_confined_part_begins_each_reader_by_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counting, "made", [])
    monkeypatch.setattr(cpu_budget, "CpuBudget", Counting)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))

    def read(_login: object, path: str, *_rest: object) -> ReadAnswer:
        if path == "broken":
            raise RuntimeError
        return {"not_run": path}

    monkeypatch.setattr(readers, "_read", read)
    logins = {"probe": Login("127.0.0.1", 9, "probe", "x")}
    for path in ("well", "broken"):
        times = ReadTimes(1, 5.0, NEVER, 1.5)
        request = json.loads(readers._request(logins, [("probe", path)], times, {}))  # noqa: SLF001 (what goes in)
        with contextlib.suppress(RuntimeError):
            readers.serve(request)
    assert [(one.cores, one.steps) for one in Counting.made] == [(1.5, ["begin", "end"])] * 2


@pytest.mark.parametrize(("share", "cores"), [(0.5, 0.5 * (os.cpu_count() or 1)), (None, None)])
def test_a_share_is_one_of_the_hosts_own_processors(share: float | None, cores: float | None) -> None:
    limits: LimitsRequest = {"deadline_s": 60, "max_readers": 8, "sample_s": 5, "read_s": 25}
    if share is not None:
        limits["cpu_share"] = share
    assert probe.ProbeBudget(limits).reads().cores == cores


def test_a_relay_has_a_budget_and_a_centre_which_is_there_to_look_has_none() -> None:
    calls = probe_calls(select(state()), observe_requests(), ProbeLimits())
    assert {call.spec.id: call.request.get("cpu_share") for call in calls} == {RELAY: 0.5, CENTRE: None}
