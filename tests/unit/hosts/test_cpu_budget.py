"""What readers may take of a host's processors: fewer begin, and who has begun is not held back."""

import json
import os
import selectors
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.verify.paths import select
from provisioner.verify.requests import ProbeLimits, probe_calls
from provisioner_host.look import cpu_budget, probe, readers, stream_reader
from provisioner_host.look.cpu_budget import AT_ONCE_S, CpuBudget
from provisioner_host.look.readers import ReadTimes
from provisioner_host.look.rtsp_talk import Login
from provisioner_host.look.stream_reader import ReadLimits, StreamTurn
from provisioner_host.wire import LimitsRequest, ReadAnswer
from tests.unit.verify.world import CENTRE, RELAY, observe_requests, state

NEVER = 10.0**9


class Processors:
    """A host whose time passes as a test says, with readers that take what they take when they end."""

    def __init__(self, cores: float | None) -> None:
        self.now, self.taken = 0.0, 0.0
        self.going: list[tuple[float, float]] = []
        self.begun: list[float] = []
        self.budget = CpuBudget(cores, lambda: self.taken, lambda: self.now)

    def pass_by(self, seconds: float) -> None:
        """Let time pass: readers whose time is over end, and what they took is counted."""
        self.now += seconds
        for one in [one for one in self.going if one[0] <= self.now]:
            self.going.remove(one)
            self.taken += one[1]
            self.budget.end()

    def read(self, takes_s: float, lasts_s: float, until: float = NEVER) -> None:
        """Begin a reader, as soon as it may."""
        while self.now < until and not self.budget.has_capacity:
            self.pass_by(0.05)
        self.budget.begin()
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
    host = Processors(cores)
    for takes_s, lasts_s in reads:
        host.read(takes_s, lasts_s)
        most = AT_ONCE_S + cores * host.now
        assert host.taken <= most
        # Of those that go on nobody knows yet what they take: no more than one that is as dear as any.
        assert host.taken + sum(takes for _, takes in host.going) <= most + 0.6 * len(host.going)


def test_a_few_paths_wait_for_nothing_and_hundreds_are_spread() -> None:
    host = Processors(1.0)
    for _ in range(24):
        host.read(0.25, 3.0)
    assert set(host.begun) == {0.0}
    for _ in range(400):
        host.read(0.25, 3.0)
    # A quarter of a second each at one processor, and what may be taken at once.
    assert host.now == pytest.approx(424 * 0.25 - AT_ONCE_S, rel=0.1)


def test_without_a_bound_nobody_waits() -> None:
    host = Processors(None)
    for _ in range(500):
        host.read(1.0, 3.0)
    assert host.now == 0.0


def test_when_the_time_is_over_nobody_waits_any_more() -> None:
    host = Processors(0.01)
    for _ in range(300):
        host.read(1.0, 1.0, until=60.0)
    assert host.now == pytest.approx(60.0, abs=0.2)


def test_real_processors_are_counted_with_the_children_that_ended() -> None:
    before, until = cpu_budget.used_cpu_s(), time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert cpu_budget.used_cpu_s() - before >= 0.04


def test_the_confined_part_begins_readers_by_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[ReadLimits] = []

    def read_streams(_turns: object, wanted: ReadLimits, _tell: object) -> None:
        limits.append(wanted)

    monkeypatch.setattr(stream_reader, "read_streams", read_streams)
    logins = {"probe": Login("127.0.0.1", 9, "probe", "x")}
    for cores in (1.5, None):
        times = ReadTimes(1, 5.0, NEVER, cores)
        readers.serve(json.loads(readers._request(logins, [("probe", "a")], times, {})))  # noqa: SLF001 (what goes in)
    assert [(one.at_once, one.read_s, one.until) for one in limits] == [(1, 5.0, NEVER)] * 2
    for _ in range(500):
        for one in limits:
            one.budget.begin()
    assert [one.budget.has_capacity for one in limits] == [False, True]


@pytest.mark.parametrize("answer", [{"not_run": "the time ran out"}, {"codec": "h264", "width": 64, "height": 48}])
def test_a_reader_that_has_told_makes_room_whatever_it_told(answer: ReadAnswer) -> None:
    budget = CpuBudget(0.01, lambda: 0.0, lambda: 0.0)
    said: list[ReadAnswer] = []
    with selectors.DefaultSelector() as ready:
        reads = stream_reader._Reads(ready, ReadLimits(1, 5.0, NEVER, budget), lambda _, one: said.append(one))  # noqa: SLF001
        while budget.has_capacity:
            budget.begin()
        turn = StreamTurn(0, Login("127.0.0.1", 9, "probe", "x"), "a", None)
        one = stream_reader._Read(turn, reads)  # noqa: SLF001 (as it is begun)
        for _ in range(2):
            one._report_answer(answer)  # noqa: SLF001
    assert said == [answer]
    assert budget.has_capacity


@pytest.mark.parametrize(("share", "cores"), [(0.5, 0.5 * (os.cpu_count() or 1)), (None, None)])
def test_a_share_is_one_of_the_hosts_own_processors(share: float | None, cores: float | None) -> None:
    limits: LimitsRequest = {"deadline_s": 60, "max_readers": 8, "sample_s": 5, "read_s": 25}
    if share is not None:
        limits["cpu_share"] = share
    assert probe.ProbeBudget(limits).reads().cores == cores


def test_a_relay_has_a_budget_and_a_centre_which_is_there_to_look_has_none() -> None:
    calls = probe_calls(select(state()), observe_requests(), ProbeLimits())
    assert {call.spec.id: call.request.get("cpu_share") for call in calls} == {RELAY: 0.5, CENTRE: None}
