"""The last unfinished run taken up again, or ended by hand."""

from __future__ import annotations

from dataclasses import replace

from provisioner.apply import HostOutcome, HostResult, Job, JournalStep, RolloutOptions, relays_beside, roll_out
from provisioner.desired.chosen import refuse_all_shut
from provisioner.desired.limit import Limit
from provisioner.desired.spec import HostSpec
from provisioner.history.who import who, who_text
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.observe import observe
from provisioner.pipeline.session import Session
from provisioner.plan.guards.programs import needs_program
from provisioner.runs.applied import Applied
from provisioner.runs.execution import (
    by_host,
    carry_out,
    holdings_after,
    not_asked,
    remaining_changes,
    with_program,
)
from provisioner.runs.journal import RunLog, state_place
from provisioner.runs.meanwhile.silencer import Silencer, to_silence
from provisioner.runs.options import USUAL, RunOptions
from provisioner.runs.unfinished import Unfinished, unfinished


def resume(session: Session, options: RunOptions = USUAL) -> Applied:
    """Take the last unfinished run up again: hosts that were started are asked first what became of them.

    Raises:
        UsageError: no run is unfinished.
        StalePlanError: the inventory, the templates or this tool are others than those it began with.
        StateError: the history does not answer.
    """
    last = unfinished(state_place(session))
    last.refuse_other(session.basis({}))
    jobs, others = _jobs_of(session, last)
    allowed = max(options.rollout.max_failed, last.intent.max_failed)
    # Of what the plan cut nothing is known any more: what has not begun waits for a confirmation.
    options = replace(options, rollout=replace(options.rollout, max_failed=allowed, apart=True))
    progress = last.seen_on({job.spec.id: job.facts for job in jobs if job.facts is not None})
    applied = carry_out(
        session, last.run, jobs, last.intent, options, others=others, progress=progress, silences=last.silences
    )
    return _of_some(session, applied)


def abort(session: Session) -> Applied:
    """End the last unfinished run: hosts that wait return to last-good now, no further host is started.

    Raises:
        UsageError: no run is unfinished.
        StateError: the history does not answer.
    """
    last = unfinished(state_place(session), proved=False)
    jobs, others = _jobs_of(session, last)
    progress = last.seen_on({job.spec.id: job.facts for job in jobs if job.facts is not None})
    open_jobs = [job for job in jobs if job.spec.id in progress.started]
    options = RolloutOptions(who=who_text(who(session.environment)))
    log = RunLog(state_place(session), last.run)
    try:
        # Its silences of before end by themselves: nothing proves that they are its own.
        with Silencer(log, to_silence(session, last.run, last.intent, open_jobs, {})) as journal:
            done = roll_out(
                open_jobs, last.run.id, session.runner, options, journal, progress=progress, abort="ended by hand"
            )
        asked = {result.host for result in done.results}
        through = [result for host, result in last.progress.results.items() if host not in asked]
        left = [_held_back(job.spec.id) for job in jobs if job.spec.id not in asked | set(last.progress.results)]
        applied = Applied(last.run.id, by_host([*done.results, *through, *left, *others]), plan=last.run.plan)
        log.write(JournalStep("", "run", "aborted"))
        holdings = holdings_after(session, last.run.operation, done.results, remaining_changes(session, done.results))
        log.end("aborted", applied.document | {"journal": log.digest()}, holdings)
    finally:
        log.close()
    return replace(_of_some(session, applied), warnings=journal.warnings)


def _of_some(session: Session, applied: Applied) -> Applied:
    """A run taken up again, with the hosts that it was not about."""
    hosts = session.state.hosts.keys() - {result.host for result in applied.results}
    return replace(applied, left_out=tuple(sorted(hosts)))


def _held_back(host: str) -> HostResult:
    return HostResult(host, HostOutcome.NOT_STARTED, "the run was ended by hand")


def _jobs_of(session: Session, last: Unfinished) -> tuple[list[Job], list[HostResult]]:
    """The jobs of a run's hosts that are not through, and the results of those that cannot be asked."""
    names = [host for wave in last.intent.waves for host in wave.hosts]
    refuse_all_shut(session.state, Limit({"host": frozenset(names)}))
    specs = [session.state.hosts[host] for host in names if host in session.state.hosts]
    gone = [host for host in names if host not in session.state.hosts]
    through = last.progress.results
    asked = [spec for spec in specs if spec.id not in through]
    facts, errors = observe(asked, session.files, session.runner) if asked else ({}, {})
    session.settle(facts)
    specs = [session.state.hosts[spec.id] for spec in specs]
    jobs = []
    others = [HostResult(host, HostOutcome.UNREACHABLE, "the inventory does not have it any more") for host in gone]
    for spec in specs:
        if spec.id in errors:
            others.append(not_asked(spec.id, errors[spec.id]))
        elif spec.id in facts or spec.id in through:
            jobs.append(_job_again(session, spec, facts.get(spec.id), last))
    return jobs, others


def _job_again(session: Session, spec: HostSpec, facts: HostFacts | None, last: Unfinished) -> Job:
    intent = last.intent
    changes, live = intent.changes.get(spec.id, ()), intent.live.get(spec.id, "")
    rollback = intent.rollback.get(spec.id)
    beside = relays_beside(spec, session.state.hosts.values())
    job = Job(spec, session.files[spec.id], facts, live, changes=changes, rollback=rollback, carrier=beside)
    ships = facts is not None and rollback is None and needs_program(spec, changes)
    return with_program(session, job, facts.arch) if facts is not None and ships else job
