"""Hosts of two carriers in a process of their own: whoever calls them may be killed, and they do not notice.

They are in memory, and return to last-good by themselves where nobody confirms. Each call takes a moment before it
begins, and another one before its answer is told, so that calls overtake each other. What happened to a host is written
down as it happens.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, Final

from provisioner import __version__
from provisioner.desired.spec import HostSpec
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, OpenRunner
from provisioner.nodes.unit import UnitReport, UnitState, pack_report, pack_unit, report_in, unit_in
from tests.nodes.own_process import begun
from tests.simulated import SimulatedHost, SimulatedHosts, go_back

_TICK_S: Final = 0.05
_HELD_UP: Final = 0.05
_RENEWING: Final = frozenset({"apply", "look"})  #: Operations after which a host waits anew.


@dataclass(frozen=True, slots=True)
class HostEvent:
    """What happened to a host: `armed`, `applied` or `rolled-back` by a run, at a moment."""

    host: str
    run: str
    kind: str
    at: float
    cause: str = ""


@dataclass(frozen=True, slots=True)
class HostTimes:
    """How long hosts take, in seconds."""

    before: float = 0.15  #: A call waits at most so long before it begins.
    held_up: float = 1.5  #: So long at most where it is one of the few that are held up.
    after: float = 0.05  #: Its answer waits at most so long.
    confirm: float = 3.0  #: So long a change waits for the next word.


class _Served:
    """The hosts, where they are."""

    def __init__(
        self, hosts: dict[str, SimulatedHost], specs: Mapping[str, HostSpec], times: HostTimes, seed: int
    ) -> None:
        self._hosts, self._specs, self._times = SimulatedHosts(), specs, times
        self._hosts.hosts = hosts
        self._chance = random.Random(seed)  # noqa: S311 (moments, no secret)
        self._locks = {host: threading.Lock() for host in specs}
        self._heard: dict[str, float] = {}
        self._events: list[HostEvent] = []

    def serve(self, address: str) -> None:
        """Answer calls, for ever."""
        threading.Thread(target=self._return_late_ones, daemon=True).start()
        listener = Listener(address, family="AF_UNIX", backlog=64)
        while True:
            threading.Thread(target=self._talk, args=(listener.accept(),), daemon=True).start()

    def _talk(self, connection: Connection[Any, Any]) -> None:
        # Who calls may be gone before the answer comes: nothing else is different then.
        with suppress(OSError, EOFError), connection:
            unit = connection.recv_bytes()
            if unit:
                (call,) = unit_in(unit).calls
                connection.send_bytes(pack_report(UnitReport(UnitState.OVER, (self._carried(call.host_call(None)),))))
            else:
                connection.send((self._hosts.hosts, self._events))

    def _carried(self, call: HostCall) -> HostAnswer:
        name = call.spec.id
        is_held_up = self._chance.random() < _HELD_UP
        time.sleep(self._chance.uniform(0, self._times.held_up if is_held_up else self._times.before))
        with self._locks[name]:
            was = self._armed(name)
            answer = self._hosts.call([replace(call, spec=self._specs[name])], timeout_s=1.0)[name]
            if call.request["operation"] in _RENEWING:
                self._heard[name] = time.monotonic()
            self._note(name, was, "")
        time.sleep(self._chance.uniform(0, self._times.after))
        return answer

    def _armed(self, name: str) -> str:
        host = self._hosts.hosts.get(name)
        return str(host.armed["run"]) if host and host.armed else ""

    def _note(self, name: str, was: str, cause: str) -> None:
        """Write down what became of a host."""
        host, now = self._hosts.hosts[name], time.time()
        if was and not host.armed:
            self._events.append(HostEvent(name, was, host.receipts[was][0], now, cause))
        elif host.armed and not was:
            self._events.append(HostEvent(name, str(host.armed["run"]), "armed", now))

    def _return_late_ones(self) -> None:
        """The dead-man's switches of all hosts."""
        while True:
            time.sleep(_TICK_S)
            for name, lock in self._locks.items():
                with lock:
                    late = time.monotonic() - self._heard.get(name, 0.0) > self._times.confirm
                    if late and (run := self._armed(name)):
                        go_back(self._hosts.hosts[name], "nobody confirmed")
                        self._note(name, run, "nobody confirmed")


class ServedHosts(OpenRunner):
    """Carries calls to such hosts, from whichever process.

    Args:
        address: where they are.
        process: in which.
    """

    def __init__(self, address: str, process: int) -> None:
        self._address, self.process = address, process

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """An answer for every call, as soon as it is there."""
        assert timeout_s > 0
        with ThreadPoolExecutor(len(calls)) as pool:
            for one in as_completed([pool.submit(self._asked, call, timeout_s) for call in calls]):
                yield one.result()

    def told(self) -> tuple[dict[str, SimulatedHost], list[HostEvent]]:
        """The hosts as they are, and what happened to them."""
        with Client(self._address, family="AF_UNIX") as connection:
            connection.send_bytes(b"")
            hosts, events = connection.recv()
        return hosts, events

    def _asked(self, call: HostCall, timeout_s: float) -> HostAnswer:
        try:
            with Client(self._address, family="AF_UNIX") as connection:
                connection.send_bytes(pack_unit(__version__, [replace(call, artefact=None)], timeout_s))
                (answer,) = report_in(connection.recv_bytes()).answers
        except (OSError, EOFError) as error:
            return HostAnswer(call.spec.id, CallOutcome.UNREACHABLE, error=f"no answer: {error}")
        return answer


def served(hosts: dict[str, SimulatedHost], specs: Mapping[str, HostSpec], times: HostTimes, seed: int) -> ServedHosts:
    """Start the hosts: who calls them."""
    address = f"\0provisioner-hosts-{os.getpid()}-{seed}-{time.monotonic_ns()}"
    process = begun(lambda: _Served(hosts, specs, times, seed).serve(address))
    one = ServedHosts(address, process)
    until = time.monotonic() + 10
    while True:
        try:
            one.told()
        except OSError:
            assert time.monotonic() < until, "the hosts did not start"
            time.sleep(0.01)
        else:
            return one
