"""One process that changes every host in one call: `python -m tests.bench.rollout.transaction DIR HOST…`.

The requests are the product's own: what a plan of now would send each host. They go out together and
without a path gate, so that the call is told apart from the waiting. Prints JSON: wall clock and CPU
seconds of the Ansible processes for each call, and what the hosts tell of each step.
"""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from provisioner.cli.support.context import today
from provisioner.desired.limit import Limit
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, HostRunner, call_digest
from provisioner.operations.apply.apply import apply_plan
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import make_plan
from provisioner_host.wire import ConfirmRequest
from tests.bench.child import BenchError, adopt_orphans, children_cpu

_TIMEOUT_S = 240.0


@dataclass
class Overheard:
    """Carries observations once, answers them again, and keeps every change instead of carrying it."""

    inner: HostRunner
    seen: dict[str, HostAnswer] = field(default_factory=dict)
    observed: dict[str, float] = field(default_factory=dict)
    changes: dict[str, HostCall] = field(default_factory=dict)

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """Answer every call; a change is refused."""
        if all(call.request["operation"] == "observe" for call in calls):
            missing = [call for call in calls if call.spec.id not in self.seen]
            if missing:
                answers, self.observed = _timed(self.inner, missing, timeout_s)
                self.seen |= answers
            return {call.spec.id: self.seen[call.spec.id] for call in calls}
        self.changes |= {call.spec.id: call for call in calls if call.request["operation"] == "apply"}
        return {call.spec.id: _refused(call.spec.id) for call in calls}


def _refused(host: str) -> HostAnswer:
    return HostAnswer(
        host,
        CallOutcome.ANSWERED,
        {"outcome": "refused", "cause": "kept for the bench", "steps": [], "run": "", "notes": []},
    )


def measure(root: Path, hosts: Sequence[str]) -> dict[str, Any]:
    """Change the hosts in one call, confirm in a second one; give what each took.

    Raises:
        BenchError: a host did not change.
    """
    adopt_orphans()
    session = Session(root, os.environ, today())
    runner = session.runner
    overheard = Overheard(runner)
    vars(session)["runner"] = overheard
    planned = make_plan(session, Limit({"host": frozenset(hosts)}), allow={"trust": 1_000})
    if planned.unreadable:
        raise BenchError(f"hosts cannot be read: {planned.unreadable}")
    # One host at a time: a refusal holds back the rest of a rollout.
    for host in hosts:
        apply_plan(session, make_plan(session, Limit({"host": frozenset({host})}), allow={"trust": 1_000}))
    changes = [_without_gate(overheard.changes[host]) for host in hosts]
    told: dict[str, Any] = {"observe": dict(overheard.observed), "apply": _carried(runner, changes, "armed")}
    told["confirm"] = _carried(runner, [_confirmation(call) for call in changes], "applied")
    return told


def _without_gate(call: HostCall) -> HostCall:
    request = dict(call.request) | {"gate": None}
    return replace(call, request=request | {"meant": call_digest(request, call.files)})


def _confirmation(call: HostCall) -> HostCall:
    request = {name: part for name, part in call.request.items() if name in ConfirmRequest.__annotations__}
    request |= {"operation": "confirm", "files": list(call.request["files"])}
    return HostCall(call.spec, request, {name: data for name, data in call.files.items() if name == "nft"})


def _carried(runner: HostRunner, calls: Sequence[HostCall], outcome: str) -> dict[str, Any]:
    answers, told = _timed(runner, calls, _TIMEOUT_S)
    other = {host: _said(answer) for host, answer in answers.items() if answer.document.get("outcome") != outcome}
    if other:
        raise BenchError(f"these hosts should have answered {outcome}: {other}")
    return told | {"steps": _steps([answer.document for answer in answers.values()])}


def _timed(
    runner: HostRunner, calls: Sequence[HostCall], timeout_s: float
) -> tuple[dict[str, HostAnswer], dict[str, float]]:
    started, cpu = time.monotonic(), children_cpu()
    answers = runner.call(calls, timeout_s=timeout_s)
    seconds = time.monotonic() - started
    # Ansible and its connections stay for the next call: `children_cpu` counts them as they are.
    return answers, {"seconds": seconds, "cpu": children_cpu() - cpu}


def _said(answer: HostAnswer) -> str:
    return answer.error or f"{answer.document.get('outcome')}: {answer.document.get('cause')}"


def _steps(documents: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Each step's mean seconds on a host."""
    total: dict[str, float] = {}
    for document in documents:
        for step in document["steps"]:
            total[step["name"]] = total.get(step["name"], 0.0) + float(step["seconds"])
    return {name: seconds / len(documents) for name, seconds in total.items()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1]), sys.argv[2:])))
