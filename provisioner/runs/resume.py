"""The last unfinished run taken up again, or ended by hand."""

from __future__ import annotations

from dataclasses import replace

from provisioner.apply import (
    HostOutcome,
    HostResult,
    Job,
    JournalStep,
    RolloutOptions,
    RunProgress,
    roll_out,
)
from provisioner.desired.spec import HostSpec
from provisioner.history.who import who, who_text
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.observe import observe
from provisioner.pipeline import Session
from provisioner.runs.applied import Applied
from provisioner.runs.execution import (
    by_host,
    carry_out,
    holdings_after,
    needs_program,
    remaining_changes,
    with_program,
)
from provisioner.runs.journal import RunLog, state_place
from provisioner.runs.options import USUAL, RunOptions
from provisioner.runs.unfinished import Unfinished, unfinished


def resume(session: Session, way: RunOptions = USUAL) -> Applied:
    """Take the last unfinished run up again: hosts that were started are asked first what became of them.

    Raises:
        UsageError: no run is unfinished.
        StalePlanError: the inventory, the templates or this tool are others than those it began with.
        StateError: the history does not answer.
    """
    found = unfinished(state_place(session))
    found.refuse_other(session.basis({}))
    jobs, others = _jobs_of(session, found)
    way = replace(way, options=replace(way.options, max_failed=max(way.options.max_failed, found.intent.max_failed)))
    return carry_out(session, found.run, jobs, found.intent, way, others=others, progress=found.progress)


def abort(session: Session) -> Applied:
    """End the last unfinished run: hosts that wait return to last-good now, no further host is started.

    Raises:
        UsageError: no run is unfinished.
        StateError: the history does not answer.
    """
    found = unfinished(state_place(session))
    started = replace(found, progress=RunProgress(found.progress.results, found.progress.started))
    jobs, others = _jobs_of(session, started)
    open_jobs = [job for job in jobs if job.spec.id in found.progress.started]
    way = RunOptions(options=RolloutOptions(who=who_text(who(session.environment))))
    log = RunLog(state_place(session), found.run)
    try:
        done = roll_out(
            open_jobs, found.run.id, session.runner, way.options, log, progress=found.progress, abort="ended by hand"
        )
        seen = {result.host for result in done.results}
        through = [result for host, result in found.progress.results.items() if host not in seen]
        left = [_held_back(job.spec.id) for job in jobs if job.spec.id not in seen | set(found.progress.results)]
        applied = Applied(found.run.id, by_host([*done.results, *through, *left, *others]), plan=found.run.plan)
        log.write(JournalStep("", "run", "aborted"))
        shown = holdings_after(session, found.run.operation, done.results, remaining_changes(session, done.results))
        log.end("aborted", applied.document | {"journal": log.digest()}, shown)
    finally:
        log.close()
    return applied


def _held_back(host: str) -> HostResult:
    return HostResult(host, HostOutcome.NOT_STARTED, "the run was ended by hand")


def _jobs_of(session: Session, found: Unfinished) -> tuple[list[Job], list[HostResult]]:
    """The jobs of a run's hosts that are not through, and the results of those that cannot be asked."""
    names = [host for wave in found.intent.waves for host in wave.hosts]
    specs = [session.state.hosts[host] for host in names if host in session.state.hosts]
    gone = [host for host in names if host not in session.state.hosts]
    through = found.progress.results
    asked = [spec for spec in specs if spec.id not in through]
    facts, errors = observe(asked, session.files, session.runner) if asked else ({}, {})
    jobs, others = (
        [],
        [HostResult(host, HostOutcome.UNREACHABLE, "the inventory does not have it any more") for host in gone],
    )
    for spec in specs:
        if spec.id in errors:
            others.append(HostResult(spec.id, HostOutcome.UNREACHABLE, errors[spec.id].message))
        elif spec.id in facts or spec.id in through:
            jobs.append(_job_again(session, spec, facts.get(spec.id), found))
    return jobs, others


def _job_again(session: Session, spec: HostSpec, facts: HostFacts | None, found: Unfinished) -> Job:
    intent = found.intent
    changes, live = intent.changes.get(spec.id, ()), intent.live.get(spec.id, "")
    rollback = intent.rollback.get(spec.id)
    job = Job(spec, session.files[spec.id], facts, live, changes=changes, rollback=rollback)
    ships = facts is not None and rollback is None and needs_program(spec, changes)
    return with_program(session, job, facts.arch) if facts is not None and ships else job
