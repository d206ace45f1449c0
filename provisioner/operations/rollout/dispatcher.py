"""Many hosts' calls at once, and a rollout's journal. An effect stage.

Calls due together share an Ansible run. If the runner streams answers (`OpenRunner`), slow or silent hosts do not delay
others, which must be heard before their dead-man switch fires. The journal has a line before and after each step,
enough to resume after the controller's death; the stored one is `operations.apply.journal`.
"""

import heapq
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from provisioner.base.errors import ProvisionerError
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, HostRunner, OpenRunner
from provisioner.record.entries import JournalStep

# Answers that come within so many seconds of each other have their next calls travel together.
_TOGETHER_S = 0.05

_RUNS_AT_ONCE = 4

# A run that outlasts its good hosts has only slow ones left, and blocks no place. Neither does one whose hosts wait by
# request.
_SLOW_S = 10.0

_TICK_S = 0.2


@dataclass(frozen=True, slots=True)
class StartedHost:
    """A resumed run's journal of a started host without known end."""

    armed: bool = False  #: Whether it was heard to wait for confirmation, so it has changed.
    gate_failed: str = ""
    confirming: bool = False  #: Whether a confirmation was about to be sent.


class Journal(Protocol):
    """Store of a run's steps, each durable before the next."""

    def write(self, step: JournalStep) -> None:
        """Write a step."""


@dataclass(order=True)
class _QueuedCall:
    at: float
    number: int
    call: HostCall = field(compare=False)
    timeout_s: float = field(compare=False)
    waits: bool = field(compare=False)


class Dispatcher:
    """Sends calls and collects answers."""

    def __init__(self, runner: HostRunner, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._runner, self._clock, self._sleep = runner, clock, sleep
        self._due: list[_QueuedCall] = []
        self._answers: queue.SimpleQueue[HostAnswer] = queue.SimpleQueue()
        self._number = 0
        self._runs: dict[int, float] = {}
        self._lock = threading.Lock()

    def send(self, call: HostCall, timeout_s: float, *, after_s: float = 0.0, waits: bool = False) -> None:
        """Send a call, maybe delayed here or (`waits`) on the host."""
        self._number += 1
        heapq.heappush(self._due, _QueuedCall(self._clock() + after_s, self._number, call, timeout_s, waits))

    def withdraw(self, host: str) -> bool:
        """Withdraw a host's unsent call; return whether there was one."""
        remaining = [item for item in self._due if item.call.spec.id != host]
        is_taken = len(remaining) < len(self._due)
        self._due = remaining
        heapq.heapify(self._due)
        return is_taken

    def receive(self) -> HostAnswer | None:
        """Return the next answer, or `None` after a moment."""
        try:
            return self._answers.get(timeout=self._patience_s())
        except queue.Empty:
            pass
        if self._quick_runs() < _RUNS_AT_ONCE and (batch := self._next_batch()):
            self._run_batch(batch)
        elif not self._runs and self._due:
            self._sleep(max(0.0, self._due[0].at - self._clock()))
        return None

    def _patience_s(self) -> float:
        if not self._runs:
            return 0.0
        if self._quick_runs() >= _RUNS_AT_ONCE or not self._due:
            return _TICK_S
        return min(_TICK_S, max(_TOGETHER_S, self._due[0].at - self._clock()))

    def _quick_runs(self) -> int:
        with self._lock:
            return sum(self._clock() - started_s < _SLOW_S for started_s in self._runs.values())

    def _next_batch(self) -> list[_QueuedCall]:
        """Take due calls of one operation, which share timeout and waiting."""
        now = self._clock()
        due = [item for item in self._due if item.at <= now]
        kinds = [(str(item.call.request["operation"]), item.waits) for item in due]
        batch = [item for item, kind in zip(due, kinds, strict=True) if kind == kinds[0]]
        self._due = [item for item in self._due if item not in batch]
        heapq.heapify(self._due)
        return batch

    def _run_batch(self, batch: Sequence[_QueuedCall]) -> None:
        calls = [item.call for item in batch]
        timeout_s = max(item.timeout_s for item in batch)
        if not isinstance(self._runner, OpenRunner):
            for answer in self._runner.call(calls, timeout_s=timeout_s).values():
                self._answers.put(answer)
            return
        run = batch[0].number
        with self._lock:
            self._runs[run] = self._clock() - (_SLOW_S if batch[0].waits else 0.0)
        threading.Thread(target=self._stream_answers, args=(self._runner, run, calls, timeout_s), daemon=True).start()

    def _stream_answers(self, runner: OpenRunner, run: int, calls: Sequence[HostCall], timeout_s: float) -> None:
        missing = {call.spec.id for call in calls}
        error = "the run ended without an answer"
        try:
            for answer in runner.stream(calls, timeout_s=timeout_s):
                missing.discard(answer.host)
                self._answers.put(answer)
        except ProvisionerError as failure:
            error = failure.message
        except Exception as failure:  # noqa: BLE001 (a thread's end must reach the hosts that wait for it)
            error = f"{type(failure).__name__} while hosts were called"
        finally:
            for host in sorted(missing):
                self._answers.put(HostAnswer(host, CallOutcome.UNREACHABLE, error=error))
            with self._lock:
                del self._runs[run]
