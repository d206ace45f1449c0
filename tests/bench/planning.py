"""One process that plans against hosts in memory: `python -m tests.bench.planning DIR`.

It loads the inventory for real and plans three times: against empty hosts, against hosts that hold
everything, and after one facility changed. Prints JSON: wall clock and CPU seconds of each plan, and CPU
seconds of each stage, without what the hosts in memory take: that is not the controller's work.
"""

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from provisioner.desired.limit import Limit
from provisioner.hosts.runner import HostAnswer, HostCall
from provisioner.operations.apply.apply import apply_plan
from provisioner.operations.apply.run import RunOptions
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, make_plan
from provisioner.operations.rollout.job import RolloutOptions
from provisioner.plan.change import Action
from tests import inventories
from tests.bench.fleet import TODAY
from tests.simulated import SimulatedHosts

T = TypeVar("T")
# A country's first plan changes more hosts than policy lets through unasked.
_ALLOW: Final = {"hosts": 1_000, "trust": 1_000}
_SUB: Final = "sub: { width: 640, height: 360 }"
_OTHER_SUB: Final = 'sub: { width: 640, height: 360, rtsp_path: "/other" }'


@dataclass
class TimedHosts:
    """Simulated hosts that keep the time which they take themselves."""

    inner: SimulatedHosts = field(default_factory=SimulatedHosts)
    seconds: float = 0.0
    cpu: float = 0.0

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """Answer every call."""
        started, cpu = time.perf_counter(), time.process_time()
        answers = self.inner.call(calls, timeout_s=timeout_s)
        self.seconds += time.perf_counter() - started
        self.cpu += time.process_time() - cpu
        return answers


def measure(root: Path) -> dict[str, Any]:
    """Plan three times and give what each took."""
    hosts = TimedHosts()
    session, cold = _plan(root, hosts)
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    planned = cold.pop("planned")
    _install(session, planned, hosts)
    _, again = _plan(root, hosts)
    with _one_facility_changed(root):
        _, changed = _plan(root, hosts)
    for found in (again, changed):
        found.pop("planned")
    assert (again["pending"], changed["pending"] > 0) == (0, True)
    return {"cold": cold, "unchanged": again, "changed": changed, "cold_mib": mib}


def _plan(root: Path, hosts: TimedHosts) -> tuple[Session, dict[str, Any]]:
    """Plan in a session of its own, stage by stage; what the hosts take is taken out again."""
    gc.collect()  # the plans before this one are not this one's work
    session = Session(root, {**os.environ, "PROVISIONER_ARTEFACTS": str(root.parent)}, TODAY)
    vars(session)["runner"] = hosts
    hosts.seconds = hosts.cpu = 0.0
    stages: dict[str, float] = {}
    started = time.perf_counter()
    for name in ("inventory", "secrets", "state", "files", "digest"):
        _time(stages, name, partial(getattr, session, name))
    planned = _time(stages, "compare", lambda: make_plan(session, Limit(), allow=_ALLOW))
    seconds = time.perf_counter() - started - hosts.seconds
    stages["compare"] -= hosts.cpu
    return session, {
        "seconds": seconds,
        "cpu": sum(stages.values()),
        "stages": stages,
        "pending": sum(change.action is not Action.NOOP for change in planned.plan.changes),
        "changes": len(planned.plan.changes),
        "hosts": len(planned.hosts),
        "planned": planned,
    }


def _time(stages: dict[str, float], name: str, action: Callable[[], T]) -> T:
    """Keep the CPU seconds of a stage."""
    started = time.process_time()
    found = action()
    stages[name] = time.process_time() - started
    return found


def _install(session: Session, planned: Planned, hosts: TimedHosts) -> None:
    """Bring the hosts in memory to the desired state."""
    applied = apply_plan(session, planned, options=RunOptions(RolloutOptions(sleep=lambda _: None)))
    assert not applied.remaining
    assert hosts.inner.hosts


@contextmanager
def _one_facility_changed(root: Path) -> Iterator[None]:
    """One camera of one facility another channel, as a person would, for a while."""
    path = next(iter(sorted(root.glob("facilities/*/*.yml"))))
    before = path.read_text(encoding="utf-8")
    after = before.replace(_SUB, _OTHER_SUB, 1)
    assert after != before
    path.write_text(inventories.signed_text(after), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1]))))
