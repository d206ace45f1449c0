"""What is under way in a command: stages, calls to hosts, the wave of a run, and how long it may take. No effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from provisioner.base.stage import Stage

STEPS: Final[Mapping[str, str]] = {
    "start": "apply",
    "gate": "look",
    "confirm": "confirm",
    "abort": "abort",
    "status": "status",
}
"""The steps of a run's journal that a host is at, and the operation that each calls for."""


@dataclass(slots=True)
class HostWork:
    """One host that is waited for.

    Attributes:
        operation: what it was asked for last.
        since: when it was first waited for.
        paths: how many paths it looks at; 0 where it is not about paths, or not known yet.
    """

    operation: str
    since: float
    paths: int = 0


@dataclass(slots=True)
class StageWork:
    """A stage that was begun: of how many things, how many of them are done."""

    stage: Stage
    total: int
    since: float
    done: int = 0


@dataclass(slots=True)
class HostsWork:
    """Hosts that are asked for one thing, or a run's wave: how many, and who is waited for."""

    since: float
    total: int = 0
    waiting: dict[str, HostWork] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """How many are through."""
        return self.total - len(self.waiting)


@dataclass(frozen=True, slots=True)
class Expected:
    """How long a run usually takes, by how many earlier ones, and since when it goes on."""

    seconds: float
    runs: int
    since: float | None = None


@dataclass
class Underway:
    """What is under way now; whoever changes it keeps others from doing so at the same time.

    Attributes:
        stages: those that were begun and are not over, the innermost last.
        calls: by operation, the hosts that were called.
        wave: the hosts of a run's wave; None between waves. One that begins beside another is one with it.
        wave_name: the name of the one that began last.
        waves: the hosts of each wave that has begun and is not through.
        expected: how long the run usually takes.
    """

    stages: list[StageWork] = field(default_factory=list)
    calls: dict[str, HostsWork] = field(default_factory=dict)
    wave: HostsWork | None = None
    wave_name: str = ""
    waves: dict[str, list[str]] = field(default_factory=dict)
    expected: Expected | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not (self.stages or self.calls or self.wave)

    def begin_stage(self, stage: Stage, total: int, now: float) -> None:
        """A stage was begun."""
        self.stages.append(StageWork(stage, total, now))

    def advance_stage(self, stage: Stage, number: int) -> None:
        """More of its things are done."""
        for work in reversed(self.stages):
            if work.stage is stage:
                work.done += number
                return

    def end_stage(self, stage: Stage) -> StageWork | None:
        """It is over; None where it was not begun."""
        for work in reversed(self.stages):
            if work.stage is stage:
                self.stages.remove(work)
                return work
        return None

    def begin_calls(self, operation: str, hosts: Mapping[str, int], now: float) -> None:
        """Hosts were called."""
        work = self.calls.setdefault(operation, HostsWork(now))
        work.total += len(hosts)
        work.waiting |= {host: HostWork(operation, now, paths) for host, paths in hosts.items()}
        if self.expected and self.expected.since is None:
            self.expected = Expected(self.expected.seconds, self.expected.runs, now)
        for host, paths in hosts.items():
            if self.wave and host in self.wave.waiting:
                self.wave.waiting[host].operation, self.wave.waiting[host].paths = operation, paths

    def end_call(self, operation: str, host: str) -> HostWork | None:
        """A host has answered; None where it was not waited for."""
        work = self.calls.get(operation)
        if work is None:
            return None
        ended = work.waiting.pop(host, None)
        if not work.waiting:
            del self.calls[operation]
        return ended

    def step(self, host: str, step: str, state: str, detail: Mapping[str, object], now: float) -> None:
        """A run wrote down a step."""
        if step == "wave":
            hosts = detail.get("hosts")
            self._turn_wave(str(detail.get("wave", "")), hosts if isinstance(hosts, Sequence) else None, now)
        elif self.wave is not None and step == "end":
            self.wave.waiting.pop(host, None)
        elif self.wave is not None and state == "begin" and step in STEPS and host in self.wave.waiting:
            self.wave.waiting[host].operation = STEPS[step]
        if step == "run" and state != "begin":
            self.wave, self.expected = None, None
            self.waves.clear()

    def _turn_wave(self, name: str, hosts: Sequence[object] | None, now: float) -> None:
        if hosts is None:
            for host in self.waves.pop(name, ()):
                if self.wave is not None:
                    self.wave.waiting.pop(host, None)
            self.wave = self.wave if self.waves else None
            return
        names = [str(host) for host in hosts]
        self.waves[name] = names
        self.wave, self.wave_name = self.wave or HostsWork(now), name
        self.wave.total += len(names)
        self.wave.waiting |= {host: HostWork("", now) for host in names}
