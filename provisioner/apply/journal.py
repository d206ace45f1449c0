"""What a rollout writes down before and after each of its steps: enough to go on after its own death.

Here is the interface, and one in memory; `runs.journal` has the one that is kept, in the history's event log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class JournalStep:
    """One line of a run's journal.

    Attributes:
        host: empty for the run as a whole.
        step: `run`, `wave`, `start`, `armed`, `gate`, `confirm`, `abort`, `end`, …
        state: `begin` before the step, `done` or what came of it after it.
        detail: no secret, no personal data: causes, seconds, digests.
    """

    host: str
    step: str
    state: str
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StartedHost:
    """What the journal of a run that goes on has of a host that was started, and whose end is not known.

    Attributes:
        armed: whether it was heard to wait for its confirmation: what it was before it is not any more.
        gate_failed: why it was to return to last-good; empty where the gate had not failed.
        confirming: whether it was about to be told that it is confirmed.
    """

    armed: bool = False
    gate_failed: str = ""
    confirming: bool = False


class Journal(Protocol):
    """Where a run's steps are written down, each durable before the next begins."""

    def write(self, step: JournalStep) -> None:
        """Write one step down."""
        ...


class MemoryJournal:
    """A journal that lives as long as its process: for hosts in memory."""

    def __init__(self) -> None:
        self.steps: list[JournalStep] = []

    def write(self, step: JournalStep) -> None:
        """Write one step down."""
        self.steps.append(step)
