"""Calls to hosts while somebody looks on: who was asked what, and who has answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from provisioner.desired.spec import HostSpec
from provisioner.hosts.runner import HostAnswer, HostCall


class CallsWatcher(Protocol):
    """Whoever wants to know how far calls to hosts are; it is told from several threads at once."""

    def begun(self, operation: str, hosts: Sequence[str]) -> None:
        """An operation was begun on hosts."""
        ...

    def answered(self, operation: str, host: str) -> None:
        """One of them has answered, or nothing more is to come from it."""
        ...


class OpenRunner(Protocol):
    """A `HostRunner` with all that a real one can do."""

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """An answer for every call, by host id."""
        ...

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """An answer for every call, in the order in which they come."""
        ...

    def expect(self, specs: Sequence[HostSpec]) -> None:
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
            self._watcher.begun(operation, [host for host, its in asked.items() if its == operation])
        try:
            for answer in self._runner.stream(calls, timeout_s=timeout_s):
                if answer.host in asked:
                    self._watcher.answered(asked.pop(answer.host), answer.host)
                yield answer
        finally:
            for host, operation in asked.items():
                self._watcher.answered(operation, host)

    def expect(self, specs: Sequence[HostSpec]) -> None:
        """Start for calls to these hosts that are about to come."""
        self._runner.expect(specs)

    def close(self) -> None:
        """End it."""
        self._runner.close()
