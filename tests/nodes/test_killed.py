"""Controllers, nodes and brokers that are killed at any moment: no host stays between two states, none changes twice.

Everything that may die is a process of its own, and is killed by the kernel's own word; time is short (a host waits
three seconds for its confirmation), so that hosts return by themselves now and then. What became of hosts is asked of
them, and held against the history.
"""

import random
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest

from provisioner.base.text import VIETNAM
from provisioner.desired.render.host import NFT_FILE
from provisioner.operations.pipeline.session import Session
from provisioner.record.entries import Operation
from provisioner.record.state_folder import state_folder_of
from provisioner.record.store import open_history
from tests.example_terminal import EXAMPLE
from tests.nodes.broker import CARRIERS
from tests.nodes.own_process import ended, kill
from tests.nodes.served_hosts import HostEvent, HostTimes
from tests.nodes.two_carriers import Carriers, built, two_carriers

APPLY: Final[tuple[str, ...]] = ("apply", "--yes", "--allow", "trust=99")
RESUME: Final[tuple[str, ...]] = ("apply", "--resume")
VICTIMS: Final = ("controller", *CARRIERS, "broker")
ARMED, APPLIED, ROLLED_BACK = "armed", "applied", "rolled-back"
_AT_ONCE_S: Final = 2.0  #: Two kills of one apply are no further apart.
_DEAD_S: Final = 1.5  #: A node or a broker stays dead no longer.
_TICK_S: Final = 0.02
_PATIENCE_S: Final = 120.0


@dataclass
class Toll:
    """What was killed, and what went on meanwhile."""

    killed: Counter[str] = field(default_factory=Counter)
    applies: int = 0
    commands: int = 0
    runs: int = 0
    armed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def sentence(self) -> str:
        kills = ", ".join(f"{count} {victim}" for victim, count in sorted(self.killed.items()))
        hosts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.outcomes.items()))
        return (
            f"{self.killed.total()} kills ({kills}), {self.armed} of them while a host waited; {self.applies} applies"
            f" by {self.commands} commands in {self.runs} runs; of their hosts: {hosts}"
        )


class Killer:
    """Kills, and starts again, what works on applies."""

    def __init__(self, carriers: Carriers, seed: int) -> None:
        self.carriers, self.toll = carriers, Toll()
        self._chance = random.Random(seed)  # noqa: S311 (moments, no secret)
        self._dead: dict[str, float] = {}
        self._next = 0.0

    def apply(self, due: int) -> int:
        """Bring an edit to all hosts, whoever dies: how many of the kills that were due had to be left out."""
        words, process = APPLY, self._begin(APPLY)
        self.toll.applies += 1
        self._draw()
        until = time.monotonic() + _PATIENCE_S
        while True:
            assert time.monotonic() < until, self.carriers.logs()
            time.sleep(_TICK_S)
            self._revive()
            if (code := ended(process)) is not None:
                if words == APPLY and code == 0:
                    self._revive(now=True)
                    return due
                words = APPLY if words == RESUME else RESUME
                process = self._begin(words)
            elif due and time.monotonic() > self._next:
                due -= 1
                if self._kill(process):
                    words = RESUME
                    process = self._begin(words)

    def _begin(self, words: tuple[str, ...]) -> int:
        self.toll.commands += 1
        return self.carriers.begin(*words)

    def _draw(self) -> None:
        self._next = time.monotonic() + self._chance.uniform(0.05, _AT_ONCE_S)

    def _kill(self, controller: int) -> bool:
        """Kill somebody who lives: whether it was the controller."""
        victim = self._chance.choice([one for one in VICTIMS if one not in self._dead])
        hosts, _ = self.carriers.hosts.told()
        self.toll.armed += any(host.armed for host in hosts.values())
        self.toll.killed[victim] += 1
        if victim == "controller":
            kill(controller)
        elif victim == "broker":
            self.carriers.broker.end(signal.SIGKILL)
        else:
            self.carriers.kill_node(victim)
        if victim != "controller":
            self._dead[victim] = time.monotonic() + self._chance.uniform(0, _DEAD_S)
        self._draw()
        return victim == "controller"

    def _revive(self, *, now: bool = False) -> None:
        for victim in [one for one, at in self._dead.items() if now or time.monotonic() > at]:
            del self._dead[victim]
            if victim == "broker":
                self.carriers.broker.start()
            else:
                self.carriers.start_node(victim)


def held_against_the_history(carriers: Carriers, toll: Toll) -> None:
    """Hold what hosts say of all runs against what the history has."""
    hosts, events = carriers.hosts.told()
    assert not [name for name, host in hosts.items() if host.armed], "a host waits for somebody"
    ends = _ends(events)
    with closing(open_history(state_folder_of(carriers.environment, "example"))) as history:
        runs = [one for one in history.runs() if one.run.operation is Operation.APPLY]
        runs = [one for one in runs if one.run.started > carriers.since]
        changed = Counter(
            (one.run.plan, host) for one in runs for host in one.hosts if ends[host, one.run.id] == APPLIED
        )
        assert set(changed.values()) <= {1}, "a plan changed a host twice"
        for one in runs:
            document: Any = history.document(one.run.id)
            assert one.finished, f"run {one.run.id} has no end"
            results = {host["host"]: host["outcome"] for host in document["hosts"]}
            assert set(one.hosts) <= set(results), "a host has no receipt"
            for host in one.hosts:
                toll.outcomes[results[host]] += 1
                assert _agree(results[host], ends[host, one.run.id]), (one.run.id, host, results[host], ends)
        assert not history.verify_chain().faults
    toll.runs = len(runs)


def _ends(events: list[HostEvent]) -> dict[tuple[str, str], str]:
    """What became of each run on each host; empty where it did nothing there."""
    told: dict[tuple[str, str], list[str]] = {}
    for event in events:
        told.setdefault((event.host, event.run), []).append(event.kind)
    assert {tuple(kinds) for kinds in told.values()} <= {(ARMED, APPLIED), (ARMED, ROLLED_BACK)}, told
    return defaultdict(str, {key: kinds[-1] for key, kinds in told.items()})


def _agree(said: str, end: str) -> bool:
    """Whether what the history says of a host is so: one that could not be asked may be as it is."""
    return said == end if end and said != "unreachable" else said not in {APPLIED, ROLLED_BACK}


def _are_whole(carriers: Carriers) -> None:
    """Every host holds what the inventory says, and what is live is what its files say."""
    hosts, _ = carriers.hosts.told()
    root = carriers.folder / EXAMPLE
    environment = carriers.environment | {"ANSIBLE_VAULT_PASSWORD_FILE": str(root / ".vault-password")}
    session = Session(root, environment, datetime.now(VIETNAM).date())
    for name, files in session.files.items():
        has = {path: content for path, (content, *_) in hosts[name].files.items()}
        assert has == {file.path: file.content for file in files}, name
        assert hosts[name].rules == has[NFT_FILE], name


def killed(carriers: Carriers, applies: int, kills: int, seed: int) -> Toll:
    """Do so many applies and so many kills, and hold all that came of it against the history."""
    killer = Killer(carriers, seed)
    left = kills
    while killer.toll.applies < applies or left:
        carriers.edit()
        due = -(-left // max(1, applies - killer.toll.applies))
        left += killer.apply(due) - due
        _are_whole(carriers)
    held_against_the_history(carriers, killer.toll)
    return killer.toll


@pytest.fixture
def carriers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Carriers]:
    (tmp_path / "site").mkdir()
    terminal = built(tmp_path / "site", monkeypatch, capsys)
    with two_carriers(terminal, monkeypatch, HostTimes(), 1) as both:
        yield both


SEEDS: Final = (1, 2, 3, 4, 5)
_APPLIES, _KILLS = 12, 40


def test_whoever_is_killed_no_host_is_half_changed_or_changed_twice(carriers: Carriers) -> None:
    toll = killed(carriers, 3, 8, 20261128)
    sys.stderr.write(f"seed 20261128: {toll.sentence}\n")


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
def test_two_hundred_kills_in_60_applies(carriers: Carriers, capsys: pytest.CaptureFixture[str], seed: int) -> None:
    assert (len(SEEDS) * _KILLS, len(SEEDS) * _APPLIES) == (200, 60)
    toll = killed(carriers, _APPLIES, _KILLS, seed)
    assert (toll.killed.total(), toll.applies) >= (_KILLS, _APPLIES)
    assert set(toll.killed) == set(VICTIMS)
    assert toll.armed, "some were killed while a host waited"
    with capsys.disabled():
        print(f"seed {seed}: {toll.sentence}")  # noqa: T201 (a figure for people)
