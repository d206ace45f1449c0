"""A fleet in memory, and the calls of a controller that changes it."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from provisioner.desired.spec import DesiredState
from provisioner.hosts.observe import observe
from provisioner.operations.apply.run import progress_of
from provisioner.operations.rollout.job import Job, RolloutOptions
from provisioner.operations.rollout.result import HostResult
from provisioner.operations.rollout.waves import Rollout, RunProgress, Wave, roll_out
from provisioner.plan.change import Action
from provisioner.plan.diff import changes_of
from provisioner.record.entries import Event
from tests import fleets, inventories
from tests.simulated import MemoryJournal, SimulatedHosts


@dataclass
class Clock:
    """A clock that moves when somebody sleeps."""

    now: float = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        self.now += 0.01
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass, as the system does: it waits no negative time."""
        assert seconds >= 0
        self.now += seconds


def state(sites: Mapping[str, int], password: str = "secret") -> DesiredState:
    """The desired state of facilities with so many cameras each."""
    listed = [fleets.facility(name, cameras) for name, cameras in sites.items()]
    return fleets.state_of(inventories.inventory(facilities=listed), password)


@dataclass
class Controller:
    """A controller over hosts in memory; each run has its own journal."""

    hosts: SimulatedHosts = field(default_factory=SimulatedHosts)
    clock: Clock = field(default_factory=Clock)
    journals: dict[str, MemoryJournal] = field(default_factory=dict)

    def options(self, **changes: Any) -> RolloutOptions:
        """Options on the controller's clock."""
        return RolloutOptions(clock=self.clock, sleep=self.clock.sleep, **changes)

    def jobs(self, desired: DesiredState, *, rollback: str | None = None) -> list[Job]:
        """Observe all hosts and give a job for each that is not as desired; of a rollback for each."""
        files = fleets.files_of(desired)
        facts, errors = observe(desired.hosts.values(), files, self.hosts)
        assert not errors
        jobs = []
        for spec in desired.hosts.values():
            live = facts[spec.id]
            changes = changes_of(spec, files[spec.id], live)
            pending = tuple(c for c in changes if c.action is not Action.NOOP)
            if rollback is not None or pending:
                jobs.append(Job(spec, files[spec.id], live, live.live_digest, changes=pending, rollback=rollback))
        return jobs

    def run(self, jobs: list[Job], run: str = "run-1", options: RolloutOptions | None = None, **more: Any) -> Rollout:
        """Roll out with a journal."""
        journal = self.journals.setdefault(run, MemoryJournal())
        return roll_out(jobs, run, self.hosts, options or self.options(), journal, **more)

    def apply(self, desired: DesiredState, run: str = "run-1", **more: Any) -> dict[str, HostResult]:
        """Bring all hosts to a state; give the results by host."""
        done = self.run(self.jobs(desired), run, self.options(**more))
        return {result.host: result for result in done.results}

    def progress(self, run: str) -> RunProgress:
        """What the run's journal tells."""
        now = datetime.now(UTC)
        return progress_of(Event(s.host, s.step, s.state, s.detail, at=now) for s in self.journals[run].steps)

    def contents(self) -> dict[str, Any]:
        """All that hosts hold and run, without records of runs."""
        contents = {
            name: (host.files, host.rules, host.peers, host.link, sorted(host.units))
            for name, host in self.hosts.hosts.items()
        }
        return copy.deepcopy(contents)


def at_call(number: int, act: Callable[[str, str], object]) -> Callable[[str, str], object]:
    """A hook that acts at the so-manieth call that changes or decides something."""
    calls = 0

    def hook(operation: str, host: str) -> None:
        nonlocal calls
        if operation == "observe":
            return
        calls += 1
        if calls == number:
            act(operation, host)

    return hook


__all__ = ["Clock", "Controller", "Wave", "at_call", "state"]
