"""What an apply costs on the lab's relays, beside an ordinary role on the same hosts in the same minutes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Final

from tests import inventories
from tests.bench.child import BenchError, Usage, run
from tests.bench.figures import Figure, Part, Ratio
from tests.bench.plain_side import PlainRole
from tests.bench.rounds import Budget
from tests.lab.deployment import Deployment
from tests.lab.engine import Engine, find_engine
from tests.lab.lab import Lab
from tests.lab.topology import RELAYS

_ROOT: Final = Path(__file__).parents[2]
_HOSTS: Final = tuple(relay.name for relay in RELAYS)
_BUDGET_S: Final = 280
# One camera of each relay: its sub stream comes from the device's channel 101 instead of 102, and back.
_CAMERAS: Final = (("kcl-bg-001", "cam-01"), ("kcl-qn-001", "cam-02"))
_BEFORE: Final = "sub: { width: 352, height: 288 }"
_AFTER: Final = 'sub: { width: 640, height: 360, rtsp_path: "/Streaming/Channels/101" }'
_CHANGE: Final = "with a change"
_NONE: Final = "without a change"


@dataclass(frozen=True)
class _Round:
    """Both sides, with a change and then without one."""

    ours: dict[str, tuple[Usage, dict[str, Any]]]
    plain: dict[str, Usage]


def measure(rounds: int, say: Callable[[str], None]) -> Part:
    """Start a lab, deploy, measure, remove the lab."""
    budget = Budget(_BUDGET_S)
    engine = find_engine()
    say(f"lab: engine {engine.name}; starting")
    with Lab.start() as lab:
        deployment = Deployment(lab, engine)
        deployment.prepare()
        first = deployment.deploy()
        if first["outcome"] != "applied":
            raise BenchError(f"the lab's first apply ended with {first['outcome']}")
        plain = PlainRole(deployment, _HOSTS)
        plain.take()
        plain.run(changes=True)
        say(f"lab: deployed, {budget.left:.0f} s left for measuring")
        found = budget.repeat(lambda: _round(deployment, plain), rounds)
    return _part(engine, found)


def _round(deployment: Deployment, plain: PlainRole) -> _Round:
    for facility, camera in _CAMERAS:
        _edit(deployment, facility, camera)
    ours = {_CHANGE: _enact(deployment, changes=True)}
    plain.take()
    theirs = {_CHANGE: plain.run(changes=True)}
    ours[_NONE] = _enact(deployment, changes=False)
    theirs[_NONE] = plain.run(changes=False)
    return _Round(ours, theirs)


def _edit(deployment: Deployment, facility: str, camera: str) -> None:
    """Change a camera's channel, or change it back."""
    path = deployment.facility_file(facility)
    head, mark, tail = path.read_text(encoding="utf-8").partition(f"- id: {camera}\n")
    old, new = (_BEFORE, _AFTER) if tail.index(_BEFORE) < _index(tail, _AFTER) else (_AFTER, _BEFORE)
    changed = head + mark + tail.replace(old, new, 1)
    path.write_text(inventories.signed_text(changed), encoding="utf-8")


def _index(text: str, part: str) -> int:
    return text.index(part) if part in text else len(text)


def _enact(deployment: Deployment, *, changes: bool) -> tuple[Usage, dict[str, Any]]:
    argv = [sys.executable, "-m", "tests.bench.enacting", str(deployment.root), *_HOSTS]
    usage = run(argv, deployment.environment, cwd=_ROOT)
    told: dict[str, Any] = json.loads(usage.output)
    if told["failures"] or told["remaining"] or len(told["receipts"]) != (len(_HOSTS) if changes else 0):
        raise BenchError(f"the apply did not do what is to be measured: {usage.output}")
    return usage, told


# --- figures --------------------------------------------------------------------------------------


def _part(engine: Engine, found: list[_Round]) -> Part:
    def per_host(group: str, name: str, values: list[float]) -> Figure:
        return Figure(group, name, "s/host", tuple(value / len(_HOSTS) for value in values))

    figures: list[Figure] = []
    ratios: list[Ratio] = []
    for group in (_CHANGE, _NONE):
        ours = [each.ours[group] for each in found]
        theirs = [each.plain[group] for each in found]
        whole = per_host(group, "whole apply, wall clock", [usage.seconds for usage, _ in ours])
        cpu = per_host(group, "whole apply, controller CPU", [usage.cpu for usage, _ in ours])
        plain = per_host(group, "ordinary role, wall clock", [usage.seconds for usage in theirs])
        plain_cpu = per_host(group, "ordinary role, controller CPU", [usage.cpu for usage in theirs])
        ratios += [
            Ratio(f"{group}: ordinary role / whole apply, wall clock", plain, whole),
            Ratio(f"{group}: ordinary role / whole apply, controller CPU", plain_cpu, cpu),
        ]
        if group == _CHANGE:
            told = [document for _, document in ours]
            receipts = tuple(mean(document["receipts"].values()) for document in told)
            figures.append(Figure(group, "transaction on the host, by its receipt", "s/host", receipts))
            call = per_host(group, "transaction call, wall clock", [_of(d, "apply", "seconds") for d in told])
            call_cpu = per_host(group, "transaction call, controller CPU", [_of(d, "apply", "cpu") for d in told])
            figures += [call, call_cpu]
            ratios.append(Ratio(f"{group}: ordinary role / transaction call, wall clock", plain, call))
            ratios.append(Ratio(f"{group}: ordinary role / transaction call, controller CPU", plain_cpu, call_cpu))
            for operation, name in {"observe": "observe and fresh plan", "confirm": "confirm"}.items():
                for what, unit in (("seconds", "wall clock"), ("cpu", "controller CPU")):
                    values = [_of(document, operation, what) for document in told]
                    figures.append(per_host(group, f"{name}, {unit}", values))
        figures += [whole, cpu, plain, plain_cpu]
    return Part(f"lab: {len(_HOSTS)} relays, engine {engine.name}", tuple(figures), tuple(ratios), _NOTES)


def _of(told: dict[str, Any], operation: str, what: str) -> float:
    return sum(float(call[what]) for call in told["calls"] if call["operation"] == operation)


_NOTES: Final = (
    "a change: one camera of each relay gets its sub stream from another channel of its device, and back",
    "s/host: seconds divided by the number of hosts; hosts run at the same time, but share this machine's cores",
    "transaction call: one round trip that checks, saves last-good, switches and arms the return; without gates",
    "whole apply: load, render, observe, transaction, confirm over new connections, fresh plan; process start included",
    "without a change there is no transaction: one observation and a comparison",
    "controller CPU: user and system seconds of the process and its children, for a call of its children only",
    "ordinary role: the same files by copy and template, nft -c, a unit and a handler, Ansible's defaults",
    "ordinary role: it installs no program, checks neither relay nor tunnel, and has no way back",
)
