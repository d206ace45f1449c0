"""Waits on a relay for centres' reads of the same time.

On-demand paths are pulled only while a reader is present; their state at that time is kept.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from provisioner_host.look import deliveries
from provisioner_host.relay import source_log

if TYPE_CHECKING:
    from provisioner_host.wire import OnDemandAnswer, PathToProbe, SampleAnswer

    States = dict[str, SampleAnswer]

# Of a reader that stays longer no more is seen than that: a whole quick look takes half a second more.
_WATCHED_S = 2.5
# A centre that cannot come is not waited for: one that can begins a reader in this time, or has one.
_PATIENCE_S = 8.0
_EVERY_S, _OFTEN_S, _FEW = 1.0, 0.15, 100
# A list of thousands of paths takes its time.
_PAUSE_SHARE = 3


class AwaitedReads:
    """Expected reads by centres; `sample` returns the paths' present state."""

    def __init__(self, paths: Mapping[str, PathToProbe], sample: Callable[[], States]) -> None:
        self._paths, self._sample = paths, sample
        self._missing = {(user, name) for name, path in paths.items() for user in path.get("read_by", ())}
        self._on_demand = {name for _, name in self._missing if paths[name]["on_demand"]}
        self._since: dict[tuple[str, str], float] = {}
        self.on_demand: dict[str, OnDemandAnswer] = {}
        """Last state of on-demand paths while they were pulled."""

    @property
    def has_reads(self) -> bool:
        """Whether any read is expected."""
        return bool(self._missing)

    def wait(self, until: float) -> None:
        """Wait until each read was observed, ended or is missing.

        It ends at `until` at the latest.
        """
        active = time.monotonic()
        while self._missing and (started := time.monotonic()) < min(until, active + _PATIENCE_S):
            reading = {
                (reader.user, reader.path) for reader in deliveries.sessions(self._paths).values()
            } & self._missing
            self._see()
            for reader in reading - self._since.keys():
                self._since[reader] = started
            if self._missing <= {
                reader for reader in self._since if reader not in reading or started - self._since[reader] > _WATCHED_S
            }:
                break
            active = started if reading else active
            took = time.monotonic() - started
            pause = _OFTEN_S if len(self._missing) <= _FEW else _EVERY_S
            time.sleep(max(0.0, min(max(pause, _PAUSE_SHARE * took), until - time.monotonic())))

    def _see(self) -> None:
        """Record pulled on-demand paths and their devices' connections."""
        before = _available(self._sample()) if self._on_demand else {}
        if not before.keys() & self._on_demand:
            return
        connections = source_log.connections()
        linked = (
            None
            if connections is None
            else Counter((connection.address, connection.port) for connection in connections)
        )
        after = _available(self._sample())
        steady = before.keys() & after.keys()
        pulled = Counter((self._paths[name]["address"], self._paths[name]["port"]) for name in steady)
        for name in steady & self._on_demand:
            device = self._paths[name]["address"], self._paths[name]["port"]
            connected = linked[device] if linked is not None and device[1] else None
            self.on_demand[name] = {"after": after[name], "pulled": pulled[device], "connected": connected}


def _available(states: States) -> States:
    return {name: state for name, state in states.items() if state["available"]}
