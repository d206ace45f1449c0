"""Verify paths: one visit to every host at the same time, then the verdicts. The effect stage of verification."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from provisioner.hosts.facts import HostFacts, engine_name
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostRunner
from provisioner.plan.changes import Change, pending
from provisioner.verify.condition import findings
from provisioner.verify.evidence import HostEvidence, parse_evidence
from provisioner.verify.incidents import incidents_of, of_hosts
from provisioner.verify.judge import judge
from provisioner.verify.requests import ObserveCall, ProbeLimits, probe_calls
from provisioner.verify.result import HostReport, VerifyResult
from provisioner.verify.wanted import PathToCheck

# For the way there and back, and for the facts, which are read before the reads are counted.
_MARGIN_S = 120.0
_USUAL_LIMITS = ProbeLimits()


def verify(
    targets: Sequence[PathToCheck],
    runner: HostRunner,
    *,
    observe: Mapping[str, ObserveCall],
    compare: Callable[[HostFacts], Iterable[Change]],
    clock: Callable[[], datetime],
    limits: ProbeLimits = _USUAL_LIMITS,
) -> VerifyResult:
    """Check paths on their relays and from their centres.

    Args:
        targets: the paths, at least one (`wanted.select` refuses an empty set).
        runner: carries the calls.
        observe: by host id, how a host's own facts are read.
        compare: what differs from the desired state on a host, from its facts.
        clock: the time, with its zone.
        limits: how much a probe may take of a host.
    """
    calls = probe_calls(targets, observe, limits)
    started = clock()
    longest = max((float(c.request["deadline_s"]) for c in calls), default=0.0)
    answers = runner.call(calls, timeout_s=longest + _MARGIN_S)
    finished = clock()
    # A runner that lost a host has not heard of it: that is no evidence either.
    missing = {c.spec.id: HostAnswer(c.spec.id, CallOutcome.FAILED, error="there is no answer") for c in calls}
    evidence = {host: parse_evidence(answer) for host, answer in sorted((missing | answers).items())}
    drift = {e.host: tuple(compare(e.facts)) for e in evidence.values() if e.facts is not None}
    verdicts = judge(targets, evidence, drift, finished)
    hosts = tuple(_report(e, drift, (started, finished)) for e in evidence.values())
    return VerifyResult(
        engine=_engine_of(evidence.values()),
        started_at=started,
        finished_at=finished,
        paths=verdicts,
        incidents=(*incidents_of(verdicts), *of_hosts(hosts)),
        hosts=hosts,
    )


def _engine_of(evidence: Iterable[HostEvidence]) -> str:
    """The name of what serves the paths, as the running program names itself, else as the installed one does."""
    versions = []
    for facts in (e.facts for e in evidence):
        if facts is not None:
            running = facts.runtime.version if facts.runtime else ""
            versions.append(running or (facts.program.version if facts.program else ""))
    return engine_name(versions)


def _report(
    evidence: HostEvidence, drift: Mapping[str, tuple[Change, ...]], asked: tuple[datetime, datetime]
) -> HostReport:
    changes = drift.get(evidence.host)
    return HostReport(
        host=evidence.host,
        outcome=evidence.outcome.value,
        error=evidence.error,
        drift=None if changes is None else pending(changes),
        findings=findings(evidence.disks, evidence.clock, *asked),
    )
