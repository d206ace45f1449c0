"""Enact a plan: one transaction a host, confirmed over a second connection. An effect stage.

The receipt on the host is the result of record; what a host did not confirm returns to last-good by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from provisioner.desired.spec import HostSpec
from provisioner.diff import sentinel_of, units_of
from provisioner.facts import HostFacts, parse_facts
from provisioner.host_requests import observe_request
from provisioner.hosts import CallOutcome, HostAnswer, HostCall, HostRunner
from provisioner.render import MEDIAMTX_FILE, NFT_FILE, RenderedFile, program_path

CONFIRM_S = 60.0
TRANSACTION_TIMEOUT_S = 240.0
# What a host may take for its return to last-good once the confirm window is over.
RETURN_S = 60.0
_RETRY_S = 5.0


class Outcome(StrEnum):
    """What became of one host."""

    APPLIED = "applied"
    ROLLED_BACK = "rolled-back"
    UNCHANGED = "unchanged"
    NOT_STARTED = "not-started"
    UNREACHABLE = "unreachable"
    ROLLBACK_FAILED = "rollback-failed"


class Refusal(StrEnum):
    """Why a host was not started."""

    STALE = "stale"
    LOCKED = "locked"
    LOCK_OUT = "lock-out"
    CHECK = "check"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class HostResult:
    """What became of one host, and why.

    Attributes:
        receipt: path of the receipt on the host, empty where there is none.
        seconds: the transaction's own time on the host, without waiting for anything else.
        refusal: why it was not started, None otherwise.
        facts: the host as it was right after its change was confirmed.
    """

    host: str
    outcome: Outcome
    cause: str = ""
    receipt: str = ""
    seconds: float = 0.0
    refusal: Refusal | None = None
    steps: tuple[Mapping[str, Any], ...] = ()
    facts: HostFacts | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Job:
    """One host to change: what it should hold, what it was when the plan was made, what to ship."""

    spec: HostSpec
    files: tuple[RenderedFile, ...]
    facts: HostFacts
    expected: str
    artefact: Path | None = None
    artefact_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """How a transaction runs. Only tests forgo the lock-out check; no command can."""

    confirm_s: float = CONFIRM_S
    lockout_check: bool = True
    sleep: Callable[[float], None] = field(default=time.sleep)
    clock: Callable[[], float] = field(default=time.monotonic)


def apply(
    jobs: Sequence[Job], run_id: str, runner: HostRunner, options: Options | None = None
) -> tuple[HostResult, ...]:
    """Change every host of the jobs and give what became of each; never raises for a single host."""
    options = options or Options()
    calls = [_call(job, run_id, options) for job in jobs]
    answers = runner.call(calls, timeout_s=TRANSACTION_TIMEOUT_S)
    results = {job.spec.id: _first(job, answers[job.spec.id]) for job in jobs}
    open_jobs = [job for job in jobs if _may_be_armed(answers[job.spec.id])]
    for host, answer in _confirm(open_jobs, run_id, runner, options).items():
        results[host] = _second(host, answers[host], answer)
    return tuple(results[job.spec.id] for job in jobs)


def _may_be_armed(answer: HostAnswer) -> bool:
    """Whether the host waits for us, or may do so: a transaction whose answer was lost may have switched."""
    if answer.outcome is CallOutcome.ANSWERED:
        return str(answer.document["outcome"]) == "armed"
    return True


# --- the calls ------------------------------------------------------------------------------------


def _call(job: Job, run_id: str, options: Options) -> HostCall:
    spec = job.spec
    observed, contents = observe_request(spec, job.files)
    files = {file.path: _described(number, file) for number, file in enumerate(job.files)}
    contents |= {str(number): file.content for number, file in enumerate(job.files)}
    request = {
        "operation": "apply",
        **_common(job, run_id),
        "files": files,
        "observe": observed,
        "expected_live_digest": job.expected,
        "confirm_s": options.confirm_s,
        "lockout": {
            "check": options.lockout_check,
            "ssh_port": spec.ssh.port,
            "networks": [str(n) for n in spec.firewall.management_networks] if spec.firewall else [],
        },
    }
    return HostCall(spec, request, contents, job.artefact)


def _described(number: int, file: RenderedFile) -> dict[str, Any]:
    return {"content": str(number), "mode": file.mode, "owner": file.owner, "group": file.group}


def _common(job: Job, run_id: str) -> dict[str, Any]:
    spec = job.spec
    relay_file = next((file.content for file in job.files if file.path == MEDIAMTX_FILE), b"")
    program = None
    if spec.relay is not None:
        program = {
            "path": program_path(spec.relay.artefact),
            "artefact": job.artefact is not None or None,
            "sha256": job.artefact_sha256,
        }
    return {
        "run": run_id,
        "units": list(units_of(spec)),
        "peers": [peer.public_key for peer in spec.tunnel.peers],
        "sentinel": sentinel_of(relay_file),
        "program": program,
    }


def _confirm(jobs: Sequence[Job], run_id: str, runner: HostRunner, options: Options) -> dict[str, HostAnswer]:
    """Come back over new connections. A host that does not answer is asked until it must have returned."""
    waiting = {job.spec.id: _confirmation(job, run_id) for job in jobs}
    answers: dict[str, HostAnswer] = {}
    until = options.clock() + options.confirm_s + RETURN_S
    while waiting:
        for host, answer in runner.call(list(waiting.values()), timeout_s=60.0).items():
            answers[host] = answer
            if answer.outcome is CallOutcome.ANSWERED:
                waiting.pop(host)
        if not waiting or options.clock() > until:
            break
        options.sleep(_RETRY_S)
    return answers


def _confirmation(job: Job, run_id: str) -> HostCall:
    observed, contents = observe_request(job.spec, job.files)
    files = [file.path for file in job.files]
    request = {"operation": "confirm", **_common(job, run_id), "files": files, "observe": observed}
    return HostCall(job.spec, request, contents)


# --- the results ----------------------------------------------------------------------------------


_FIRST: dict[str, tuple[Outcome, Refusal | None]] = {
    "stale": (Outcome.NOT_STARTED, Refusal.STALE),
    "locked": (Outcome.NOT_STARTED, Refusal.LOCKED),
    "refused": (Outcome.NOT_STARTED, Refusal.CHECK),
    "rollback-failed": (Outcome.ROLLBACK_FAILED, None),
}


def _first(job: Job, answer: HostAnswer) -> HostResult:
    host = job.spec.id
    if answer.outcome is CallOutcome.UNREACHABLE:
        return HostResult(host, Outcome.UNREACHABLE, answer.error)
    if answer.outcome is CallOutcome.FAILED:
        return HostResult(host, Outcome.NOT_STARTED, answer.error, refusal=Refusal.HOST)
    told = answer.document
    cause = str(told["cause"])
    outcome, refusal = _FIRST.get(str(told["outcome"]), (Outcome.ROLLED_BACK, None))
    if refusal is Refusal.STALE:
        moved = ", ".join(_moved(job.facts, told["facts"])) or "something the plan rests on"
        cause = f"the host has moved since the plan was made: {moved}"
    if refusal is Refusal.CHECK and "lock-out:" in cause:
        refusal = Refusal.LOCK_OUT
    return HostResult(host, outcome, cause, seconds=_seconds(told), refusal=refusal, steps=tuple(told["steps"]))


def _second(host: str, first: HostAnswer, answer: HostAnswer) -> HostResult:
    if answer.outcome is not CallOutcome.ANSWERED:
        cause = f"no new connection after the change; the host returns to last-good by itself: {answer.error}"
        return HostResult(host, Outcome.UNREACHABLE, cause)
    told = answer.document
    known = dict(first.document)
    seconds = _seconds(known) + _seconds(told)
    steps = (*known.get("steps", ()), *told["steps"])
    outcome = {
        "applied": Outcome.APPLIED,
        "rolled-back": Outcome.ROLLED_BACK,
        "rollback-failed": Outcome.ROLLBACK_FAILED,
    }.get(str(told["outcome"]), Outcome.NOT_STARTED)
    cause = str(told["cause"]) or (first.error if outcome is not Outcome.APPLIED else "")
    facts = parse_facts(host, dict(told["facts"])) if outcome is Outcome.APPLIED else None
    receipt = str(told.get("receipt", ""))
    return HostResult(host, outcome, cause, receipt, round(seconds, 3), steps=steps, facts=facts)


def _seconds(told: Mapping[str, Any]) -> float:
    return round(sum(float(step["seconds"]) for step in told.get("steps", ())), 3)


def _moved(then: HostFacts, now: Mapping[str, Any]) -> list[str]:
    """Name what moved on a host, with what the plan had and what is there now."""
    moved = [
        f"file {path}"
        for path in sorted(set(then.files) | set(now["files"]))
        if then.files.get(path) != now["files"].get(path)
    ]
    for name in sorted(set(then.units) | set(now["units"])):
        before, after = then.units.get(name, {}), now["units"].get(name, {})
        moved += [
            f"unit {name} {key} was {before.get(key)} and is {after.get(key)}"
            for key in ("active", "enabled", "drop_ins")
            if before.get(key) != after.get(key)
        ]
    live_then, live_now = (then.tunnel or {}).get("peers", {}), (now["tunnel"] or {}).get("peers", {})
    moved += [f"peer {key}" for key in sorted(set(live_then) ^ set(live_now))]
    if then.firewall["differences"] != now["firewall"]["differences"]:
        moved.append(f"table inet provisioner in {NFT_FILE}")
    if then.armed != now["armed"]:
        moved.append("a change that waits for its confirmation")
    return moved


# --- the document ---------------------------------------------------------------------------------


def outcome_of(results: Sequence[HostResult]) -> str:
    """Give the whole's outcome: `applied`, `rolled-back`, `partial` or `nothing-to-do`."""
    done = {result.outcome for result in results} - {Outcome.UNCHANGED}
    if not done:
        return "nothing-to-do"
    if done == {Outcome.APPLIED}:
        return "applied"
    return "partial" if Outcome.APPLIED in done else "rolled-back"


def exit_code(results: Sequence[HostResult]) -> int:
    """Give the exit code for all hosts: the worst cause decides (docs/design.md, part 8)."""
    order = [11, 7, 9, 8, 6, 5]
    codes = {_code(result) for result in results}
    return next((code for code in order if code in codes), 0)


def _code(result: HostResult) -> int:
    if result.refusal is not None:
        return {Refusal.STALE: 8, Refusal.LOCKED: 9, Refusal.LOCK_OUT: 6, Refusal.HOST: 5}.get(result.refusal, 7)
    return {
        Outcome.ROLLBACK_FAILED: 11,
        Outcome.ROLLED_BACK: 7,
        Outcome.NOT_STARTED: 7,
        Outcome.UNREACHABLE: 5,
    }.get(result.outcome, 0)


def document(plan_digest: str, results: Sequence[HostResult]) -> dict[str, Any]:
    """Give the JSON document of an apply."""
    return {
        "schema": "provisioner/apply",
        "version": 1,
        "plan": plan_digest,
        "outcome": outcome_of(results),
        "hosts": [
            {
                "host": result.host,
                "outcome": result.outcome.value,
                "receipt": result.receipt,
                "seconds": result.seconds,
                "cause": result.cause,
                "steps": [dict(step) for step in result.steps],
            }
            for result in results
        ],
    }
