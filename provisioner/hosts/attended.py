"""Calls to hosts while somebody looks on: who was asked what, and who has answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from provisioner.hosts.call_target import CallTarget
from provisioner.hosts.runner import HostAnswer, HostCall, ProvingRunner


class CallsWatcher(Protocol):
    """Whoever wants to know how far calls to hosts and runs are; it is told from several threads at once."""

    def begun(self, operation: str, hosts: Mapping[str, int]) -> None:
        """An operation was begun on hosts, each with the number of paths that it is about there; 0 where of none."""
        ...

    def answered(self, operation: str, host: str, outcome: str) -> None:
        """One of them has answered, or nothing more is to come from it: then the outcome is empty."""
        ...

    def stepped(self, host: str, step: str, state: str, detail: Mapping[str, object]) -> None:
        """A run has written down a step of a host, or of its own: then the host is empty."""
        ...

    def expect(self, seconds: float, runs: int) -> None:
        """The run that begins now will take about so long, as so many earlier runs did."""
        ...


class OpenRunner(Protocol):
    """A `HostRunner` with all that a real one can do."""

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """An answer for every call, by host id."""
        ...

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """An answer for every call, in the order in which they come."""
        ...

    def expect(self, specs: Sequence[CallTarget]) -> None:
        """Start for calls to these hosts that are about to come."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class AttendedRunner:
    """A runner whose calls somebody watches; it carries them as the other one does."""

    def __init__(self, runner: OpenRunner, watcher: CallsWatcher) -> None:
        self._runner = runner
        self._watcher = watcher

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """An answer for every call, by host id."""
        return {answer.host: answer for answer in self.stream(calls, timeout_s=timeout_s)}

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """An answer for every call, in the order in which they come."""
        asked = {call.spec.id: str(call.request.get("operation", "")) for call in calls}
        for operation in sorted(set(asked.values())):
            hosts = {call.spec.id: _paths(call.request) for call in calls if asked[call.spec.id] == operation}
            self._watcher.begun(operation, hosts)
        try:
            for answer in self._runner.stream(calls, timeout_s=timeout_s):
                if answer.host in asked:
                    self._watcher.answered(asked.pop(answer.host), answer.host, answer.outcome.value)
                yield answer
        finally:
            for host, operation in asked.items():
                self._watcher.answered(operation, host, "")

    def expect(self, specs: Sequence[CallTarget]) -> None:
        """Start for calls to these hosts that are about to come."""
        self._runner.expect(specs)

    def prove(self, specs: Sequence[CallTarget]) -> None:
        """Have expected hosts prove themselves now, where what carries calls can ask for that."""
        if isinstance(self._runner, ProvingRunner):
            self._runner.prove(specs)

    def close(self) -> None:
        """End it."""
        self._runner.close()


def _paths(request: Mapping[str, object]) -> int:
    """How many paths are looked at by a call: a relay's own, those that a centre reads, those of a gate."""
    parts = [request.get("relay"), request.get("gate")]
    centre = request.get("centre")
    if isinstance(centre, Mapping) and isinstance(relays := centre.get("relays"), Sequence):
        parts += relays
    return sum(
        len(paths) for part in parts if isinstance(part, Mapping) and isinstance(paths := part.get("paths"), list)
    )
