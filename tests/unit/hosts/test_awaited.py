"""A relay waits for the centres that read its paths, sees what they make it pull, and waits for nobody in vain."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner_host.look import awaited_reads, deliveries
from provisioner_host.look.rtsp_talk import AGENT
from provisioner_host.relay import source_log
from provisioner_host.relay.source_log import SourceLink
from provisioner_host.wire import PathToProbe, SampleAnswer

CENTRE, DEVICE = "centre-ioc-hn", ("100.64.0.4", 10554)
Reading = tuple[float, float]
Wait = Callable[..., awaited_reads.AwaitedReads]


class _Relay:
    """A relay by its own clock; `readings` are from and until when each path is read at the centre."""

    def __init__(self, readings: dict[str, Reading], *, on_demand: frozenset[str] = frozenset()) -> None:
        self.now, self.readings, self.on_demand = 0.0, readings, on_demand
        self.connected = 1
        self.dead: frozenset[str] = frozenset()
        self.viewers: list[tuple[str, float, float]] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += max(seconds, 0.01)

    @property
    def paths(self) -> dict[str, PathToProbe]:
        return {name: self._path(name) for name in self.readings}

    def _path(self, name: str) -> PathToProbe:
        return {
            "name": name,
            "on_demand": name in self.on_demand,
            "address": DEVICE[0],
            # Each a camera of its own, but for those with both streams.
            "port": DEVICE[1] if name in {"sub", "main"} else DEVICE[1] + sum(name.encode()),
            "peer": "k",
            "read_by": [CENTRE],
        }

    def is_read(self, name: str) -> bool:
        since, until = self.readings[name]
        return since <= self.now < until

    def sessions(self, _paths: object) -> dict[str, deliveries.ReaderSession]:
        reading = [(name, AGENT) for name in self.readings if self.is_read(name)]
        reading += [(name, "VLC") for name, since, until in self.viewers if since <= self.now < until]
        return {
            str(number): deliveries.ReaderSession(CENTRE, name, "100.127.0.2", 1, 0, 0, agent)
            for number, (name, agent) in enumerate(reading)
        }

    def sample(self) -> dict[str, SampleAnswer]:
        there = {
            name: name not in self.dead and (name not in self.on_demand or self.is_read(name)) for name in self.readings
        }
        return {
            name: {"available": is_there, "online": True, "inbound_bytes": 9 * is_there, "tracks": []}
            for name, is_there in there.items()
        }

    def connections(self) -> dict[SourceLink, int]:
        return {SourceLink(number, *DEVICE): 9_000 for number in range(self.connected)}


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> Wait:
    def wait(relay: _Relay, until: float = 1e9) -> awaited_reads.AwaitedReads:
        monkeypatch.setattr(awaited_reads, "time", relay)
        monkeypatch.setattr(deliveries, "sessions", relay.sessions)
        monkeypatch.setattr(source_log, "connections", relay.connections)
        reads = awaited_reads.AwaitedReads(relay.paths, relay.sample)
        reads.wait(until, relay.sample())
        return reads

    return wait


@pytest.mark.parametrize(
    ("readings", "least", "most"),
    [
        ({}, 0, 0),
        # A look of three seconds is watched for most of it.
        ({"a": (0.6, 4.2)}, 3.1, 4.3),
        # One that ends sooner is over when it is over.
        ({"a": (0.6, 1.8)}, 1.8, 2.4),
        # Those that come in turns are all waited for.
        ({"a": (0, 3.2), "b": (3.3, 6.5), "c": (6.6, 9.8)}, 9.1, 10),
        # A centre that does not come is not.
        ({"a": (math.inf, math.inf)}, 8, 8.6),
        ({"a": (0, 3.2), "b": (math.inf, math.inf)}, 11, 12),
    ],
)
def test_reads_are_waited_for_as_long_as_they_tell_something(
    waited: Wait, readings: dict[str, Reading], least: float, most: float
) -> None:
    relay = _Relay(readings)
    waited(relay)
    assert least <= relay.now <= most


def test_no_more_than_the_time_that_there_is(waited: Wait) -> None:
    relay = _Relay({"a": (math.inf, math.inf)})
    waited(relay, 5.0)
    assert relay.now <= 5.1


def test_a_viewer_with_the_centres_login_is_no_read_of_the_check(waited: Wait) -> None:
    relay = _Relay({"a": (4.0, 5.2), "b": (4.0, 5.2)})
    relay.viewers = [("a", 0, math.inf), ("b", 0, math.inf)]
    waited(relay)
    assert 5.2 <= relay.now <= 5.7


@pytest.mark.parametrize("viewers", [[], [("sub", 0, math.inf), ("a", 0, math.inf)]])
def test_what_a_dead_camera_sends_is_not_waited_for(waited: Wait, viewers: list[tuple[str, float, float]]) -> None:
    never = (math.inf, math.inf)
    relay = _Relay({"sub": never, "main": never, "a": (0.6, 1.8)}, on_demand=frozenset({"main"}))
    relay.dead, relay.viewers = frozenset({"sub"}), viewers
    waited(relay)
    assert relay.now <= 2.4


_MOMENTS = st.one_of(st.floats(0, 40), st.just(math.inf))
_NAMES = st.sampled_from(["sub", "main", "a", "b"])


@given(
    reads=st.dictionaries(_NAMES, st.tuples(_MOMENTS, st.floats(0.1, 30))),
    viewers=st.lists(st.tuples(_NAMES, _MOMENTS, _MOMENTS), max_size=6),
    dead=st.frozensets(_NAMES),
)
def test_patience_ends_soon_after_the_checks_own_reads_whoever_watches(
    reads: dict[str, tuple[float, float]], viewers: list[tuple[str, float, float]], dead: frozenset[str]
) -> None:
    relay = _Relay({name: (at, at + lasts) for name, (at, lasts) in reads.items()}, on_demand=frozenset({"main"}))
    relay.viewers, relay.dead = [one for one in viewers if one[0] in reads], dead
    with pytest.MonkeyPatch.context() as patched:
        for module, name, value in (
            (awaited_reads, "time", relay),
            (deliveries, "sessions", relay.sessions),
            (source_log, "connections", relay.connections),
        ):
            patched.setattr(module, name, value)
        awaited_reads.AwaitedReads(relay.paths, relay.sample).wait(1e9, relay.sample())
    last = max((until for _, until in relay.readings.values() if until < math.inf), default=0.0)
    assert relay.now <= last + 8.5


@pytest.mark.parametrize("connected", [1, 2])
def test_an_on_demand_path_is_seen_with_its_devices_connections(waited: Wait, connected: int) -> None:
    relay = _Relay({"sub": (0.6, 4.2), "main": (0.6, 4.2)}, on_demand=frozenset({"main"}))
    relay.connected = connected
    seen = waited(relay).on_demand
    assert set(seen) == {"main"}
    assert (seen["main"]["pulled"], seen["main"]["connected"]) == (2, connected)
    assert seen["main"]["after"]["inbound_bytes"] == 9


def test_what_nobody_read_was_not_seen(waited: Callable[[_Relay], awaited_reads.AwaitedReads]) -> None:
    relay = _Relay({"main": (math.inf, math.inf)}, on_demand=frozenset({"main"}))
    assert waited(relay).on_demand == {}
