"""Nobody is judged by one look: who comes back is read again, who goes is not told to be there, a centre waits."""

from collections.abc import Collection
from concurrent.futures import Future
from typing import Any, Self

import pytest

from provisioner_host.look import probe
from provisioner_host.look.rtsp_talk import Login
from provisioner_host.relay import source_log
from provisioner_host.wire import PathToProbe, ReadAnswer, SampleAnswer

FRAME: ReadAnswer = {"codec": "h264", "width": 640, "height": 360, "seconds": 0.1}
ABSENT: ReadAnswer = {"error": "404", "status": 404, "timed_out": False, "seconds": 0.1}


class _Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


class _AtOnce:
    """An executor whose work is done as soon as it is handed over."""

    def __init__(self, _workers: int) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Any, *arguments: Any) -> Future[Any]:
        done = Future[Any]()
        done.set_result(work(*arguments))
        return done


class _Relay:
    """A relay whose paths are there from and until some moment."""

    def __init__(self, clock: _Clock, there: dict[str, tuple[float, float]]) -> None:
        self.clock, self.there, self.reads = clock, there, [dict.fromkeys(there, 0)]

    def is_there(self, name: str) -> bool:
        since, until = self.there[name]
        return since <= self.clock.now - 1_000 < until

    def sample(self, paths: Any) -> tuple[dict[str, SampleAnswer], str]:
        """The paths as they are now: what is there has grown since the last time."""
        return {name: self._state(name) for name in paths}, ""

    def _state(self, name: str) -> SampleAnswer:
        size = int(self.clock.now * 1000) if self.is_there(name) else 0
        return {"available": self.is_there(name), "online": True, "inbound_bytes": size, "tracks": []}

    def read(self, _address: str, paths: Any, _samples: Any, _limits: Any) -> dict[str, ReadAnswer]:
        """A read of each, which takes a moment."""
        self.clock.sleep(0.5)
        self.reads.append(dict.fromkeys(paths, 0))
        return {name: FRAME if self.is_there(name) else ABSENT for name in paths}


def _path(name: str, *, on_demand: bool = False) -> PathToProbe:
    return {"name": name, "on_demand": on_demand, "address": "100.64.0.4", "port": 10554, "peer": "k"}


def _limits(deadline_s: float = 120) -> probe.ProbeBudget:
    return probe.ProbeBudget({"deadline_s": deadline_s, "max_readers": 8, "sample_s": 5, "read_s": 25})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    """The clock of the host program."""
    made = _Clock()
    monkeypatch.setattr(probe, "time", made)
    # Reads are done when they are begun, and nobody waits for them.
    monkeypatch.setattr(probe, "ThreadPoolExecutor", _AtOnce)
    monkeypatch.setattr(probe, "wait", lambda *_: None)
    monkeypatch.setattr(source_log, "connections", dict)
    monkeypatch.setattr(source_log, "evidence", lambda *_: None)
    return made


def _look(
    monkeypatch: pytest.MonkeyPatch, relay: _Relay, deadline_s: float = 120, later: Collection[str] = ()
) -> probe._Look:
    monkeypatch.setattr(probe, "sample", relay.sample)
    monkeypatch.setattr(probe, "reads_of_relay", relay.read)
    paths = {name: _path(name) for name in relay.there}
    look = probe._Look("100.64.0.1", paths, _limits(deadline_s), probe.Spans(0.0), later)  # noqa: SLF001
    begun = relay.clock.now
    look.take(5, paths)
    look.take_again(begun + 7)
    return look


@pytest.mark.parametrize(
    ("error", "read"),
    [("the relay's Control API: timed out", 8), ("the relay's Control API: HTTP/1.0 401 Unauthorized", 20)],
)
def test_a_relay_that_hangs_is_read_a_few_times_and_one_that_refuses_the_probe_whole(
    monkeypatch: pytest.MonkeyPatch, clock: _Clock, error: str, read: int
) -> None:
    relay = _Relay(clock, {f"path-{n:02}": (0.0, 1e9) for n in range(20)})
    monkeypatch.setattr(relay, "sample", lambda _paths: ({}, error))
    look = _look(monkeypatch, relay)
    assert [len(names) for names in relay.reads[1:]] == [read]
    assert look.error == error


ALWAYS, NEVER = (0.0, 1e9), (1e9, 1e9)


@pytest.mark.parametrize("since", [0.5, 3.0, 5.2, 6.5])
def test_a_camera_that_comes_back_while_it_is_looked_at_is_read_again(
    monkeypatch: pytest.MonkeyPatch, clock: _Clock, since: float
) -> None:
    relay = _Relay(clock, {"a": ALWAYS, "b": (since, 1e9), "c": NEVER})
    look = _look(monkeypatch, relay)
    evidence = look.evidence({})
    first, second = evidence["b"]["samples"]
    assert first is not None
    assert second is not None
    assert first["available"]
    assert second["inbound_bytes"] > first["inbound_bytes"]
    assert evidence["b"]["read"] == FRAME
    assert evidence["b"]["unsteady"]
    assert not evidence["a"]["unsteady"]
    assert not evidence["c"]["unsteady"]
    # Only who failed is read again, and the one that stays away is not.
    assert [list(names) for names in relay.reads[1:]] == [["a", "b", "c"], ["b"]]
    assert look.dark() == {"c"}


def test_a_healthy_relay_is_looked_at_once(monkeypatch: pytest.MonkeyPatch, clock: _Clock) -> None:
    relay = _Relay(clock, {"a": ALWAYS, "b": ALWAYS})
    look = _look(monkeypatch, relay)
    assert clock.now == 1_002
    assert len(relay.reads) == 2
    assert look.dark() == set()


def test_who_stays_away_costs_no_more_than_the_next_try(monkeypatch: pytest.MonkeyPatch, clock: _Clock) -> None:
    _look(monkeypatch, _Relay(clock, {"a": NEVER}))
    assert clock.now <= 1_007.5


def test_what_another_visit_looks_at_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, clock: _Clock) -> None:
    relay = _Relay(clock, {"a": NEVER, "b": ALWAYS})
    _look(monkeypatch, relay, later={"a"})
    assert len(relay.reads) == 2
    # The samples alone: one that stands still may be slow.
    assert clock.now <= 1_005.5


def test_who_was_read_for_longer_than_a_relay_needs_to_try_again_is_not_read_again(
    monkeypatch: pytest.MonkeyPatch, clock: _Clock
) -> None:
    relay = _Relay(clock, {"a": ALWAYS, "b": NEVER})
    waited: ReadAnswer = {"error": "no answer within 12 s", "status": None, "timed_out": True, "seconds": 12.0}
    asked: list[list[str]] = []

    def read(_address: str, paths: Any, _samples: Any, _limits: Any) -> dict[str, ReadAnswer]:
        asked.append(sorted(paths))
        return dict.fromkeys(paths, waited)

    monkeypatch.setattr(relay, "read", read)
    _look(monkeypatch, relay)
    assert asked == [["a", "b"]]


def test_a_look_again_ends_with_the_time(monkeypatch: pytest.MonkeyPatch, clock: _Clock) -> None:
    relay = _Relay(clock, {"a": (5.2, 1e9)})
    _look(monkeypatch, relay, deadline_s=6)
    assert clock.now <= 1_006.5
    assert len(relay.reads) == 2


def test_a_camera_that_goes_during_a_look_is_not_told_there(monkeypatch: pytest.MonkeyPatch, clock: _Clock) -> None:
    relay = _Relay(clock, {"a": ALWAYS, "b": (0, 5.3), "c": NEVER})
    look = _look(monkeypatch, relay)
    second = look.evidence({})["b"]["samples"][1]
    assert second is not None
    assert not second["available"]
    assert look.lost == {"b"}
    assert look.dark() == {"b", "c"}


@pytest.mark.parametrize(
    ("first", "later", "result"),
    [
        (ABSENT, FRAME, FRAME),
        (ABSENT, ABSENT, ABSENT),
        (ABSENT, {"not_run": "no time was left"}, ABSENT),
        # Who waited as long as a relay needs to try again has looked long enough.
        (ABSENT | {"status": 400, "seconds": 15.0}, FRAME, ABSENT | {"status": 400, "seconds": 15.0}),
        # It ended in the midst of a stream that was just coming, or it waited for one in vain.
        (ABSENT | {"status": None}, FRAME, FRAME),
        (
            ABSENT | {"status": None, "timed_out": True, "seconds": 25.0},
            FRAME,
            ABSENT | {"status": None, "timed_out": True, "seconds": 25.0},
        ),
        # A login that is refused is refused again.
        (ABSENT | {"status": 401}, FRAME, ABSENT | {"status": 401}),
    ],
)
def test_a_centre_looks_again_at_what_a_relay_had_not_got(
    monkeypatch: pytest.MonkeyPatch, clock: _Clock, first: Any, later: Any, result: Any
) -> None:
    turn = ("edge-1", "a")
    reads: dict[tuple[str, str], ReadAnswer] = {turn: first, ("edge-1", "b"): FRAME}
    asked: list[list[tuple[str, str]]] = []

    def again(
        _logins: Any, turns: list[tuple[str, str]], _looks: Any, _limits: Any
    ) -> dict[tuple[str, str], ReadAnswer]:
        asked.append(turns)
        assert clock.now >= 1_009
        return dict.fromkeys(turns, later)

    monkeypatch.setattr(probe, "_reads_of_centre", again)
    probe._read_again(reads, {"edge-1": Login("100.64.0.1", 8554, "u", "p")}, {}, _limits())  # noqa: SLF001
    assert reads == {turn: result, ("edge-1", "b"): FRAME}
    assert asked in ([], [[turn]])
