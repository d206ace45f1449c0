"""A relay waits for the centres that read its paths, sees what they make it pull, and waits for nobody in vain."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from provisioner_host.look import awaited_reads, deliveries
from provisioner_host.relay import source_log
from provisioner_host.relay.source_log import SourceLink
from provisioner_host.wire import PathToProbe, SampleAnswer

CENTRE, DEVICE = "centre-ioc-hn", ("100.64.0.4", 10554)
Reading = tuple[float, float]


class _Relay:
    """A relay by its own clock; `readings` are from and until when each path is read at the centre."""

    def __init__(self, readings: dict[str, Reading], *, on_demand: frozenset[str] = frozenset()) -> None:
        self.now, self.readings, self.on_demand = 0.0, readings, on_demand
        self.connected = 1

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
            "port": DEVICE[1],
            "peer": "k",
            "read_by": [CENTRE],
        }

    def is_read(self, name: str) -> bool:
        since, until = self.readings[name]
        return since <= self.now < until

    def sessions(self, _paths: object) -> dict[str, deliveries.ReaderSession]:
        reading = [name for name in self.readings if self.is_read(name)]
        return {name: deliveries.ReaderSession(CENTRE, name, "100.127.0.2", 1, 0, 0) for name in reading}

    def sample(self) -> dict[str, SampleAnswer]:
        there = {name: name not in self.on_demand or self.is_read(name) for name in self.readings}
        return {
            name: {"available": is_there, "online": True, "inbound_bytes": 9 * is_there, "tracks": []}
            for name, is_there in there.items()
        }

    def connections(self) -> dict[SourceLink, int]:
        return {SourceLink(number, *DEVICE): 9_000 for number in range(self.connected)}


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> Callable[[_Relay], awaited_reads.AwaitedReads]:
    def wait(relay: _Relay, until: float = 1e9) -> awaited_reads.AwaitedReads:
        monkeypatch.setattr(awaited_reads, "time", relay)
        monkeypatch.setattr(deliveries, "sessions", relay.sessions)
        monkeypatch.setattr(source_log, "connections", relay.connections)
        reads = awaited_reads.AwaitedReads(relay.paths, relay.sample)
        reads.wait(until)
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
    waited: Callable[[_Relay], awaited_reads.AwaitedReads], readings: dict[str, Reading], least: float, most: float
) -> None:
    relay = _Relay(readings)
    waited(relay)
    assert least <= relay.now <= most


def test_no_more_than_the_time_that_there_is(waited: Callable[..., awaited_reads.AwaitedReads]) -> None:
    relay = _Relay({"a": (math.inf, math.inf)})
    waited(relay, 5.0)
    assert relay.now <= 5.1


@pytest.mark.parametrize("connected", [1, 2])
def test_an_on_demand_path_is_seen_with_its_devices_connections(
    waited: Callable[[_Relay], awaited_reads.AwaitedReads], connected: int
) -> None:
    relay = _Relay({"sub": (0.6, 4.2), "main": (0.6, 4.2)}, on_demand=frozenset({"main"}))
    relay.connected = connected
    seen = waited(relay).on_demand
    assert set(seen) == {"main"}
    assert (seen["main"]["pulled"], seen["main"]["connected"]) == (2, connected)
    assert seen["main"]["after"]["inbound_bytes"] == 9


def test_what_nobody_read_was_not_seen(waited: Callable[[_Relay], awaited_reads.AwaitedReads]) -> None:
    relay = _Relay({"main": (math.inf, math.inf)}, on_demand=frozenset({"main"}))
    assert waited(relay).on_demand == {}
