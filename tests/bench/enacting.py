"""One process that plans and applies for real: `python -m tests.bench.enacting DIR HOST…`.

Prints JSON: what each call to the hosts took, by wall clock and in CPU seconds of the Ansible children, and
the seconds that each host's receipt tells.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provisioner.apply import Outcome
from provisioner.cli.context import today
from provisioner.enacting import enact
from provisioner.hosts import HostAnswer, HostCall, HostRunner
from provisioner.pipeline import Session, make_plan
from provisioner.selection import Limit


@dataclass
class TimedRunner:
    """Carries calls as the inner runner does, and keeps what each took."""

    inner: HostRunner
    calls: list[dict[str, Any]] = field(default_factory=list)

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """Carry the calls; all of them are of one operation."""
        started, cpu = time.monotonic(), _children()
        answers = self.inner.call(calls, timeout_s=timeout_s)
        operation = str(calls[0].request["operation"]) if calls else ""
        told = {"operation": operation, "hosts": len(calls), "seconds": time.monotonic() - started}
        self.calls.append(told | {"cpu": _children() - cpu})
        return answers


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(root: Path, hosts: Sequence[str]) -> dict[str, Any]:
    """Apply to some hosts; give what it took and what became of it."""
    session = Session(root, os.environ, today())
    runner = TimedRunner(session.runner)
    vars(session)["runner"] = runner
    planned = make_plan(session, Limit({"host": frozenset(hosts)}))
    applied = enact(session, planned)
    known = {Outcome.APPLIED, Outcome.UNCHANGED}
    return {
        "calls": runner.calls,
        "receipts": {r.host: r.seconds for r in applied.results if r.outcome is Outcome.APPLIED},
        "failures": [f"{r.host}: {r.outcome.value} {r.cause}" for r in applied.results if r.outcome not in known],
        "remaining": len(applied.remaining),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1]), sys.argv[2:])))
