"""The rollout part: a fleet of each size, all sides in turn on the same hosts, then the fleet is removed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.bench.child import BenchError, Usage
from tests.bench.figures import Part
from tests.bench.rollout.busy import busy_cores
from tests.bench.rollout.controller import Controller
from tests.bench.rollout.hosts import RelayHosts, limit_advice, room_for_hosts
from tests.bench.rollout.plain_side import PlainRole
from tests.bench.rollout.pyinfra_side import Pyinfra, install
from tests.bench.rollout.table import Found, Round, part
from tests.bench.rounds import Budget
from tests.lab.docker_daemon import DockerDaemon
from tests.lab.engine import Engine, find_engine

# What a host's share of the time costs beside what a fleet costs anyway, in hosts.
_FIXED: Final = 3


@dataclass(frozen=True)
class _Fleet:
    """One fleet with everything that works on it."""

    controller: Controller
    role: PlainRole
    pyinfra: Pyinfra | None
    wanted: Path

    def take_wanted(self) -> None:
        """Write down for the other sides what is wanted now; no part of what is measured."""
        shutil.rmtree(self.wanted, ignore_errors=True)
        self.controller.write_wanted(self.wanted)
        for side in self.others:
            side.take()

    @property
    def others(self) -> list[PlainRole | Pyinfra]:
        """The sides that the product is compared with."""
        return [self.role, *([self.pyinfra] if self.pyinfra else [])]


def measure(counts: Sequence[int], rounds: int, minutes: float, say: Callable[[str], None]) -> Iterator[Part]:
    """Measure fleets of these sizes, one at a time, and give a part for each.

    Every size is measured once at least; after that a round starts only if it fits into the minutes.
    """
    DockerDaemon.ensure()
    engine = find_engine()
    program, missing = _pyinfra(say)
    weights = sum(count + _FIXED for count in counts)
    for count in counts:
        fits = min(count, room_for_hosts())
        if fits < 1:
            raise BenchError(f"no host fits on this machine: {limit_advice()}")
        notes = [*missing]
        if fits < count:
            notes.append(f"{fits} hosts instead of {count}: no more fit; {limit_advice()}")
        budget = Budget(minutes * 60 * (count + _FIXED) / weights)
        before = busy_cores()
        say(f"rollout: {fits} hosts, engine {engine.name}; other work keeps {before:.2f} cores busy; starting")
        with RelayHosts.start(fits) as hosts:
            fleet = _deploy(hosts, engine, program)
            say(f"rollout: deployed, {budget.left:.0f} s left for {rounds} rounds")
            done = budget.repeat(partial(_round, fleet, say), rounds)
        yield part(Found(fits, engine.name, done), (before, busy_cores()), notes)


def _pyinfra(say: Callable[[str], None]) -> tuple[Path | None, list[str]]:
    try:
        return install(), []
    except BenchError as error:
        say(f"rollout: {error}")
        return None, ["pyinfra was not measured: it could not be installed"]


def _deploy(hosts: RelayHosts, engine: Engine, program: Path | None) -> _Fleet:
    """Bring the hosts to the inventory for the first time."""
    controller = Controller(hosts, engine)
    controller.deploy()
    wanted = hosts.directory / "wanted"
    pyinfra = Pyinfra(hosts, wanted, program) if program else None
    return _Fleet(controller, PlainRole(hosts, wanted), pyinfra, wanted)


def _round(fleet: _Fleet, say: Callable[[str], None]) -> Round:
    """Let each side make the same change, and then none.

    After another side's change ours must find nothing to do: all have done the same.
    """
    controller, inventory = fleet.controller, fleet.controller.inventory
    inventory.change_whole()
    transaction = controller.transaction()
    _progress(say, "transaction", transaction)
    changed: dict[str, Usage] = {}
    nothing = []
    for side in fleet.others:
        inventory.change_whole()
        fleet.take_wanted()
        changed[side.name] = side.run(changes=True)
        _progress(say, f"{side.name}, changed", changed[side.name])
        nothing.append(controller.apply(outcome="nothing-to-do"))
        _progress(say, "whole apply, nothing to do", nothing[-1])
    inventory.change_small()
    whole = controller.apply(outcome="applied")
    _progress(say, "whole apply, changed", whole)
    fleet.take_wanted()
    unchanged = {}
    for side in fleet.others:
        unchanged[side.name] = side.run(changes=False)
        _progress(say, f"{side.name}, unchanged", unchanged[side.name])
    return Round(transaction, _told(transaction), whole, nothing, changed, unchanged)


def _progress(say: Callable[[str], None], name: str, usage: Usage) -> None:
    say(f"rollout:   {name}: {usage.seconds:.1f} s, {usage.cpu:.1f} s CPU")


def _told(usage: Usage) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(usage.output)
    return told
