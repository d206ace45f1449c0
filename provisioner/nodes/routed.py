"""Calls to all hosts of an inventory: those of a carrier that has a node go by it, all others from here."""

from __future__ import annotations

import queue
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from provisioner.hosts.attended import OpenRunner
from provisioner.hosts.call_target import CallTarget
from provisioner.hosts.runner import HostAnswer, HostCall, ProvingRunner


@dataclass(frozen=True, slots=True)
class _Failed:
    """A part of the calls that could not be carried."""

    error: BaseException


class RoutedRunner:
    """Carries each call from where its host is reached.

    A host belongs to a node whose carrier is the only one that it serves. A centre that several carriers share is
    called from here.

    Args:
        local: carries calls from here.
        remote: carries calls by nodes.
        carriers: those that have a node.
    """

    def __init__(self, local: OpenRunner, remote: OpenRunner, carriers: Collection[str]) -> None:
        self._local, self._remote, self._carriers = local, remote, frozenset(carriers)

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """An answer for every call, by host id."""
        return {answer.host: answer for answer in self.stream(calls, timeout_s=timeout_s)}

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """An answer for every call, in the order in which they come."""
        parts: dict[str, list[HostCall]] = {}
        for call in calls:
            parts.setdefault(self._node_of(call.spec), []).append(call)
        if len(parts) == 1:
            yield from self._runner_of(*parts).stream(calls, timeout_s=timeout_s)
            return
        come: queue.SimpleQueue[HostAnswer | _Failed | None] = queue.SimpleQueue()
        for node, part in parts.items():
            threading.Thread(target=self._carry, args=(node, part, timeout_s, come), daemon=True).start()
        going = len(parts)
        failures: list[_Failed] = []
        while going:
            one = come.get()
            if isinstance(one, HostAnswer):
                yield one
                continue
            going -= 1
            failures += [one] if one is not None else []
        if failures:
            raise failures[0].error

    def expect(self, specs: Sequence[CallTarget]) -> None:
        """Start for calls to these hosts that are about to come."""
        if here := [spec for spec in specs if not self._node_of(spec)]:
            self._local.expect(here)

    def prove(self, specs: Sequence[CallTarget]) -> None:
        """Have expected hosts prove themselves now that are called from here."""
        if isinstance(self._local, ProvingRunner):
            self._local.prove([spec for spec in specs if not self._node_of(spec)])

    def close(self) -> None:
        """End it."""
        try:
            self._remote.close()
        finally:
            self._local.close()

    def _node_of(self, host: CallTarget) -> str:
        """The carrier whose node reaches a host; empty where it is called from here."""
        return host.carriers[0] if len(host.carriers) == 1 and host.carriers[0] in self._carriers else ""

    def _runner_of(self, node: str) -> OpenRunner:
        return self._remote if node else self._local

    def _carry(
        self,
        node: str,
        calls: Sequence[HostCall],
        timeout_s: float,
        come: queue.SimpleQueue[HostAnswer | _Failed | None],
    ) -> None:
        failed: _Failed | None = None
        try:
            for answer in self._runner_of(node).stream(calls, timeout_s=timeout_s):
                come.put(answer)
        except BaseException as error:  # noqa: BLE001 (a thread's end must reach who waits for it)
            failed = _Failed(error)
        finally:
            come.put(failed)
