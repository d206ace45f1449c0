"""The rollout part's figures: seconds a host, ratios, and whether the targets are met."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from tests.bench.child import Usage
from tests.bench.figures import Figure, Part, Ratio
from tests.bench.rollout.busy import is_loaded
from tests.bench.rollout.inventory import CAMERAS, FACILITIES

ROLE: Final = "ordinary role"
PYINFRA: Final = "pyinfra"
# The targets hold for a fleet of this size or more.
TARGET_HOSTS: Final = 20
_TARGET_S: Final = 0.25
_TARGET_RATIO: Final = 20
_TARGET_NODE: Final = 1.2
_CHANGE: Final = "with a change"
_NONE: Final = "without a change"


@dataclass(frozen=True)
class Cost:
    """What one process cost here, and in processor seconds on all hosts beyond what they take when nobody calls."""

    usage: Usage
    hosts_cpu: float


@dataclass(frozen=True)
class Round:
    """What one round cost."""

    transaction: Cost  #: The process that makes the whole change and confirms it; `told` is what it says of its calls.
    told: dict[str, Any]
    whole: Cost  #: An apply with waves and gates, of the small change.
    nothing: list[Cost]  #: Applies that find nothing to do.
    changed: dict[str, Cost]  #: The other sides with the whole change.
    unchanged: dict[str, Cost]  #: The other sides without a change.
    #: An apply of the small change by a node, and one that finds nothing to do; none without a broker.
    by_node: tuple[Cost, ...] = ()


@dataclass(frozen=True)
class Found:
    """What was measured on one fleet."""

    hosts: int
    engine: str
    rounds: list[Round]


def part(found: Found, busy: tuple[float, float], notes: Sequence[str]) -> Part:
    """The part of one fleet."""
    figures, ratios = _Table(found).all()
    loaded = any(is_loaded(cores) for cores in busy)
    told = f"other work kept {busy[0]:.2f} cores busy before and {busy[1]:.2f} after"
    warning = [f"LOADED MACHINE, nothing is claimed: {told}"] if loaded else [told]
    title = f"rollout: {found.hosts} hosts, {FACILITIES * CAMERAS + 1} paths each, engine {found.engine}"
    verdicts = _verdicts(found, figures, ratios, loaded=loaded)
    return Part(title, tuple(figures), tuple(ratios), (*warning, *verdicts, *notes, *_NOTES))


class _Table:
    """The figures of one fleet."""

    def __init__(self, found: Found) -> None:
        self._found = found

    def all(self) -> tuple[list[Figure], list[Ratio]]:
        """All figures and ratios."""
        figures = self._calls() + self._steps()
        rounds = self._found.rounds
        changed = self._processes(_CHANGE, "whole apply", [r.whole for r in rounds])
        nothing = self._processes(_NONE, "whole apply", [cost for r in rounds for cost in r.nothing])
        sides = list(rounds[0].changed)
        ratios: list[Ratio] = []
        with_change, without = list(changed), list(nothing)
        for side in sides:
            theirs = self._processes(_CHANGE, side, [r.changed[side] for r in rounds])
            idle = self._processes(_NONE, side, [r.unchanged[side] for r in rounds])
            ratios += _ratios(_CHANGE, side, theirs, {"transaction call": figures[2:4], "whole apply": changed})
            ratios += _ratios(_NONE, side, idle, {"observation call": figures[:2], "whole apply": nothing})
            with_change += theirs
            without += idle
        if all(r.by_node for r in rounds):
            name = "whole apply by a node"
            far = [self._processes(g, name, [r.by_node[n] for r in rounds]) for n, g in enumerate((_CHANGE, _NONE))]
            ratios += [
                Ratio(f"{group}: by a node / from here, wall clock", theirs[0], ours[0])
                for group, theirs, ours in zip((_CHANGE, _NONE), far, (changed, nothing), strict=True)
            ]
            with_change += far[0]
            without += far[1]
        return [*figures, *with_change, *without], ratios

    def _calls(self) -> list[Figure]:
        told = [each.told for each in self._found.rounds]
        names = {"observe": "observation call", "apply": "transaction call", "confirm": "confirmation call"}
        hosts_cpu = [each.transaction.hosts_cpu for each in self._found.rounds]
        return [
            *(
                self._figure("calls", f"{name}, {what}", [float(each[call][key]) for each in told])
                for call, name in names.items()
                for key, what in (("seconds", "wall clock"), ("cpu", "controller CPU"))
            ),
            self._figure("calls", "the three together, CPU on the host", hosts_cpu),
        ]

    def _steps(self) -> list[Figure]:
        """Each step's seconds on a host, as the hosts tell them: those run at the same time."""
        told = [each.told["apply"]["steps"] for each in self._found.rounds]
        return [Figure("transaction, on a host", name, "s", tuple(each[name] for each in told)) for name in told[0]]

    def _processes(self, group: str, name: str, costs: Sequence[Cost]) -> list[Figure]:
        return [
            self._figure(group, f"{name}, wall clock", [cost.usage.seconds for cost in costs]),
            self._figure(group, f"{name}, controller CPU", [cost.usage.cpu for cost in costs]),
            self._figure(group, f"{name}, CPU on the host", [cost.hosts_cpu for cost in costs]),
        ]

    def _figure(self, group: str, name: str, values: Sequence[float]) -> Figure:
        return Figure(group, name, "s/host", tuple(value / self._found.hosts for value in values))


def _ratios(group: str, side: str, theirs: Sequence[Figure], ours: dict[str, Sequence[Figure]]) -> list[Ratio]:
    return [
        Ratio(f"{group}: {side} / {name}, {top.name.rpartition(', ')[2]}", top, bottom)
        for name, figures in ours.items()
        for top, bottom in zip(theirs, figures, strict=False)
    ]


def _verdicts(found: Found, figures: Sequence[Figure], ratios: Sequence[Ratio], *, loaded: bool) -> list[str]:
    """Hold the medians against the targets; on a loaded machine, or a small fleet, nothing is judged."""
    if found.hosts < TARGET_HOSTS:
        return []
    if loaded:
        return ["targets not judged: run again on a quiet machine"]
    call = next(f for f in figures if f.name == "transaction call, wall clock").median
    lines = [_judged(f"transaction call {call:.2f} s a host, target {_TARGET_S} or less", good=call <= _TARGET_S)]
    for ratio in ratios:
        if ratio.name == f"{_CHANGE}: by a node / from here, wall clock":
            value = median(ratio.top.values) / median(ratio.bottom.values)
            lines.append(
                _judged(f"{ratio.name}: {value:.2f}, target {_TARGET_NODE} or less", good=value <= _TARGET_NODE)
            )
        if not ratio.name.endswith("call, wall clock"):
            continue
        value = median(ratio.top.values) / median(ratio.bottom.values)
        least = _TARGET_RATIO if f"{ROLE} /" in ratio.name else 1
        lines.append(_judged(f"{ratio.name}: {value:.1f}, target above {least}", good=value > least))
    return lines


def _judged(text: str, *, good: bool) -> str:
    return f"target {'met' if good else 'MISSED'}: {text}"


_NOTES: Final = (
    "s/host: seconds divided by the number of hosts; hosts work at the same time and share this machine's cores",
    "the whole change: one path, one tunnel peer and the firewall's rules on every host, read back; and back again",
    "transaction call: the whole change on all hosts in one round trip: checks, last-good, switch, armed return",
    "observation call: what plan and apply need to know that nothing is to be done",
    "whole apply with a change: load, observe, plan, waves, gates, confirm, fresh plan; of one on-demand path a host",
    "ordinary role and pyinfra: the same files, rules, tunnel, relay with read-back and units; our next plan is empty",
    "ordinary role and pyinfra: neither checks aside, saves the state before, or returns by itself",
    "whole apply by a node: the same command, its calls over a broker; node and broker beside it count for no CPU",
    "controller CPU: user and system seconds of the process and all that it started; the hosts' share is not in it",
    "CPU on the host: of all its processes, less what the idle hosts took just before the round; cores are shared here",
)
