"""Waits on a relay for centres' reads of the same time.

On-demand paths are pulled only while a reader is present; their state at that time is kept.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from provisioner_host.look import deliveries
from provisioner_host.look.rtsp_talk import AGENT
from provisioner_host.relay import source_log

if TYPE_CHECKING:
    from provisioner_host.wire import OnDemandAnswer, PathToProbe, SampleAnswer

    States = dict[str, SampleAnswer]

# Of a reader that stays longer no more is seen than that: a whole quick look takes half a second more.
_WATCHED_S = 2.5
# A centre begins its next reader so soon after its last one went on, and none goes on for longer than this.
_PATIENCE_S, _LONGEST_READ_S = 8.0, 70.0
# Programs that a centre reads with: ours, its hub, and what an older MediaMTX does not name. Others are viewers'.
_CENTRES_AGENTS = frozenset({AGENT, "gortsplib", ""})
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
        self.on_demand: dict[str, OnDemandAnswer] = {}  #: Last state of on-demand paths while they were pulled.

    @property
    def has_reads(self) -> bool:
        """Whether any read is expected."""
        return bool(self._missing)

    def wait(self, until: float, first: States) -> None:
        """Wait until each read was observed, ended or is missing.

        It ends at `until` at the latest, and soon after the last read began, whoever watches. Devices without a
        stream in the `first` sample cannot be read.
        """
        absent = {
            n for n, path in self._paths.items() if not (path["on_demand"] or (n in first and first[n]["available"]))
        }
        dead = {self._device(name) for name in absent if self._paths[name]["port"]}
        self._missing = {
            (user, name) for user, name in self._missing if name not in absent and self._device(name) not in dead
        }
        begun = active = time.monotonic()
        while self._missing and (started := time.monotonic()) < min(until, active + _PATIENCE_S):
            sessions = deliveries.sessions(self._paths).values()
            reading, ours = (
                {(reader.user, reader.path) for reader in sessions if reader.agent in agents} & self._missing
                for agents in (_CENTRES_AGENTS, {AGENT})
            )
            self._record_pulled_paths()
            if new := reading - self._since.keys():
                self._since |= dict.fromkeys(new, started)
                begun = active = started
            if self._missing <= {
                reader for reader in self._since if reader not in reading or started - self._since[reader] > _WATCHED_S
            }:
                break
            if ours and started < begun + _LONGEST_READ_S:
                active = started
            took = time.monotonic() - started
            pause = _OFTEN_S if len(self._missing) <= _FEW else _EVERY_S
            time.sleep(max(0.0, min(max(pause, _PAUSE_SHARE * took), until - time.monotonic())))

    def _device(self, name: str) -> tuple[str, int]:
        return self._paths[name]["address"], self._paths[name]["port"]

    def _record_pulled_paths(self) -> None:
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
        pulled = Counter(self._device(name) for name in steady)
        for name in steady & self._on_demand:
            device = self._device(name)
            connected = linked[device] if linked is not None and device[1] else None
            self.on_demand[name] = {"after": after[name], "pulled": pulled[device], "connected": connected}


def _available(states: States) -> States:
    return {name: state for name, state in states.items() if state["available"]}
