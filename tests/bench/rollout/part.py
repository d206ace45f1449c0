"""The rollout part: a fleet of each size, all sides in turn on the same hosts, then the fleet is removed."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.bench.child import BenchError, Usage
from tests.bench.figures import Part
from tests.bench.rollout.busy import busy_cores
from tests.bench.rollout.controller import Controller
from tests.bench.rollout.hosts import RelayHosts, limit_advice, room_for_hosts
from tests.bench.rollout.node_side import node_beside
from tests.bench.rollout.plain_side import PlainRole
from tests.bench.rollout.pyinfra_side import Pyinfra, install
from tests.bench.rollout.table import Cost, Found, Round, part
from tests.bench.rounds import Budget
from tests.lab.docker_daemon import DockerDaemon
from tests.lab.engine import Engine, find_engine

# What a host's share of the time costs beside what a fleet costs anyway, in hosts.
_FIXED: Final = 3
_IDLE_S: Final = 5.0


@dataclass(frozen=True)
class _Fleet:
    """One fleet with everything that works on it."""

    controller: Controller
    role: PlainRole
    pyinfra: Pyinfra | None
    wanted: Path
    nodes: Path | None

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
        with RelayHosts.start(fits) as hosts, ExitStack() as beside:
            fleet = _deploy(hosts, engine, program, beside)
            if fleet.nodes is None:
                notes.append("no apply by a node was measured: nats-server is missing")
            say(f"rollout: deployed, {budget.left:.0f} s left for {rounds} rounds")
            done = budget.repeat(partial(_round, fleet, say), rounds)
        yield part(Found(fits, engine.name, done), (before, busy_cores()), notes)


def _pyinfra(say: Callable[[str], None]) -> tuple[Path | None, list[str]]:
    try:
        return install(), []
    except BenchError as error:
        say(f"rollout: {error}")
        return None, ["pyinfra was not measured: it could not be installed"]


def _deploy(hosts: RelayHosts, engine: Engine, program: Path | None, beside: ExitStack) -> _Fleet:
    """Bring the hosts to the inventory for the first time."""
    controller = Controller(hosts, engine)
    controller.deploy()
    wanted = hosts.directory / "wanted"
    pyinfra = Pyinfra(hosts, wanted, program) if program else None
    nodes = beside.enter_context(node_beside(controller))
    return _Fleet(controller, PlainRole(hosts, wanted), pyinfra, wanted, nodes)


def _round(fleet: _Fleet, say: Callable[[str], None]) -> Round:
    """Let each side make the same change, and then none.

    After another side's change ours must find nothing to do: all have done the same.
    """
    controller, inventory = fleet.controller, fleet.controller.inventory
    meter = _Meter(controller.hosts, say)
    inventory.change_whole()
    transaction = meter.take("observation, transaction and confirmation", controller.transaction)
    told = _told(transaction.usage)
    calls = {name: told[name]["seconds"] / len(controller.hosts.names) for name in ("observe", "apply", "confirm")}
    say("rollout:   of that, seconds a host: " + ", ".join(f"{name} {value:.2f}" for name, value in calls.items()))
    changed: dict[str, Cost] = {}
    nothing = []
    for side in fleet.others:
        inventory.change_whole()
        fleet.take_wanted()
        changed[side.name] = meter.take(f"{side.name}, changed", partial(side.run, changes=True))
        nothing.append(meter.take("whole apply, nothing to do", partial(controller.apply, outcome="nothing-to-do")))
    inventory.change_small()
    whole = meter.take("whole apply, changed", partial(controller.apply, outcome="applied"))
    fleet.take_wanted()
    unchanged = {
        side.name: meter.take(f"{side.name}, unchanged", partial(side.run, changes=False)) for side in fleet.others
    }
    by_node = []
    if fleet.nodes is not None:
        inventory.change_small()
        by_node = [
            meter.take(f"whole apply by a node, {name}", partial(controller.apply, outcome=outcome, nodes=fleet.nodes))
            for name, outcome in (("changed", "applied"), ("nothing to do", "nothing-to-do"))
        ]
    return Round(transaction, told, whole, nothing, changed, unchanged, tuple(by_node))


class _Meter:
    """Takes what something costs, on the hosts too, less what those take when nobody calls."""

    def __init__(self, hosts: RelayHosts, say: Callable[[str], None]) -> None:
        self._hosts = hosts
        self._say = say
        before, started = hosts.cpu_seconds(), time.monotonic()
        time.sleep(_IDLE_S)
        self._idle = (hosts.cpu_seconds() - before) / (time.monotonic() - started)

    def take(self, name: str, action: Callable[[], Usage]) -> Cost:
        before, started = self._hosts.cpu_seconds(), time.monotonic()
        usage = action()
        spent = self._hosts.cpu_seconds() - before - self._idle * (time.monotonic() - started)
        self._say(f"rollout:   {name}: {usage.seconds:.1f} s, CPU {usage.cpu:.1f} s here, {spent:.1f} s on the hosts")
        return Cost(usage, max(0.0, spent))


def _told(usage: Usage) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(usage.output)
    return told
