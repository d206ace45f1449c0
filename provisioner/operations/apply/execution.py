"""A rollout with its journal and record, and runs of dead controllers.

If a controller is killed, unconfirmed hosts roll back by themselves, but the run's end is not recorded. So a later
apply or rollback, which has read the hosts, ends that run: once no host waits for it, each is asked for its outcome.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from provisioner.base.errors import FrozenFacility, HostError, LockedError, StateError
from provisioner.hosts.artefact import fetch
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.runner import ForeignHostError
from provisioner.inventory.model.policy import WavePolicy
from provisioner.operations.apply.journal import RunLog, attended, expect_usual_time, keyed_state_folder
from provisioner.operations.apply.run import (
    SILENT,
    Applied,
    ClosedRun,
    Intent,
    RunOptions,
    Unfinished,
    proved_unfinished,
)
from provisioner.operations.apply.silences import Silencer, ToSilence, to_silence
from provisioner.operations.apply.verification import contents_of, proved_by_change
from provisioner.operations.pipeline.session import Session
from provisioner.operations.rollout.job import Job, RolloutOptions, relays_beside
from provisioner.operations.rollout.result import HostOutcome, HostResult, NotStartedBecause, outcome_of
from provisioner.operations.rollout.waves import Rollout, RunProgress, roll_out
from provisioner.plan.change import Action, Change
from provisioner.plan.diff import changes_of
from provisioner.plan.plan import program_sums
from provisioner.record.entries import Holding, JournalStep, Operation, Run
from provisioner.record.heads import note_head
from provisioner.record.leases import TakenLease, run_lease, this_process
from provisioner.record.state_folder import Head, who, who_text

if TYPE_CHECKING:
    from provisioner_host.wire import RecordHead

NO_SILENCES: Final[Mapping[str, tuple[str, ...]]] = {}
_GONE_CAUSE = "its controller was gone, and it was seen what became of its hosts"


def carry_out(
    session: Session,
    run: Run,
    jobs: Sequence[Job],
    intent: Intent,
    options: RunOptions,
    *,
    lease: TakenLease,
    not_started: Sequence[HostResult] = (),
    progress: RunProgress | None = None,
    frozen: tuple[FrozenFacility, ...] | None = None,
    silences: Mapping[str, tuple[str, ...]] = NO_SILENCES,
) -> Applied:
    """Roll out with a journal and silences, and record the result.

    No further host starts once the run's `lease` is lost. `not_started` are results of hosts that it does not start.
    `progress` and `silences` (by receiver) are those of a resumed run. `frozen` is `None` for all frozen facilities.
    """
    rollout = replace(options.rollout, who=who_text(run.who))
    expect_usual_time(session, run.operation, hosts=tuple(job.spec.id for job in jobs))
    log = RunLog(keyed_state_folder(session), run)
    try:
        if progress is None:
            log.begin([job.spec.id for job in jobs], intent)
        else:
            log.write(JournalStep("", "run", "resumed", {"who": rollout.who}))
        rollout = replace(rollout, record=_head_for_hosts(log.head()))
        epochs = log.epochs({job.spec.id: job.facts.epoch for job in jobs if job.facts is not None})
        jobs = [replace(job, epoch=epochs.get(job.spec.id), warrant=intent.warrant) for job in jobs]
        wanted_silences = to_silence(session, run, intent, jobs, silences)
        rollout = replace(rollout, apart=_waits_for_each_wave(session, options, wanted_silences))
        with Silencer(attended(log, session.watcher), wanted_silences) as journal:
            outcome = roll_out(
                jobs,
                run.id,
                session.runner,
                rollout,
                journal,
                waves=intent.waves,
                progress=progress,
                stop=lambda: options.stop() or log.is_broken(lease),
            )
        frozen_now = tuple(session.held.values()) if frozen is None else frozen
        applied = _finish_run(session, run, log, outcome, not_started, frozen=frozen_now)
        return replace(applied, warnings=(*applied.warnings, *journal.warnings))
    finally:
        log.close()


@contextmanager
def carried_out_here(session: Session, run: str) -> Iterator[TakenLease]:
    """Hold a run's lease, or raise `LockedError`."""
    with run_lease(keyed_state_folder(session), run, this_process(session.environment, datetime.now(UTC))) as lease:
        yield lease


def _head_for_hosts(head: Head | None) -> "RecordHead | None":
    """Return the run's first entry for hosts, to witness the record."""
    if head is None:
        return None
    return {"run": head.run, "sequence": head.number, "head": head.hash, "seal": head.seal}


def _waits_for_each_wave(session: Session, options: RunOptions, wanted: ToSilence) -> bool:
    """Return whether each wave waits for the confirmation of the last.

    Silences are made before a wave; hosts of the last wave would wait for them.
    """
    silences = bool(wanted.servers and wanted.alerts)
    return options.rollout.apart or silences or session.inventory.settings.policy.next_wave is WavePolicy.CONFIRMED


def _finish_run(
    session: Session,
    run: Run,
    log: RunLog,
    done: Rollout,
    not_started: Sequence[HostResult],
    *,
    frozen: tuple[FrozenFacility, ...],
) -> Applied:
    results = by_host([*done.results, *not_started])
    notes = (f"the journal could not be written: {log.broken}",) if log.broken else ()
    differing = remaining_changes(session, results)
    remaining = differing if run.operation is Operation.APPLY else ()
    applied = Applied(
        run.id, results, done.ended, done.cause, remaining, (), notes, frozen, run.plan, approvals=run.approvals
    )
    # An interrupt after the last host leaves nothing to resume.
    is_whole = done.ended == "interrupted" and not done.cause and not log.broken
    recorded = replace(applied, ended="done") if is_whole else applied
    log.write(JournalStep("", "run", recorded.ended, {"cause": done.cause}))
    if recorded.ended in {"done", "stopped"}:
        document = recorded.document | {"journal": log.digest()}
        holdings = holdings_after(session, run.operation, done.results, differing)
        head = log.end(str(document["outcome"]), document, holdings)
        warning = note_head(session.root, session.environment, session.inventory.settings.id, session.commit, head)
        return replace(applied, warnings=(warning,) if warning else ())
    return applied


def holdings_after(
    session: Session, operation: Operation, results: Sequence[HostResult], differing: Iterable[Change]
) -> tuple[Holding, ...]:
    """Return what the started hosts are known to hold now."""
    contents = contents_of(session.served)
    return proved_by_change(operation, session.state, contents, results, differing=differing, at=datetime.now(UTC))


def unread_result(host: str, error: HostError) -> HostResult:
    """Return the result of an unreadable or foreign host."""
    if isinstance(error, ForeignHostError):
        return HostResult(host, HostOutcome.NOT_STARTED, error.message, refusal=NotStartedBecause.FOREIGN)
    return HostResult(host, HostOutcome.UNREACHABLE, error.message)


def by_host(results: Iterable[HostResult]) -> tuple[HostResult, ...]:
    """Sort results by host id."""
    return tuple(sorted(results, key=lambda result: result.host))


def with_program(session: Session, job: Job, arch: str) -> Job:
    """Add MediaMTX's program to a job, or raise `HostError`."""
    if job.spec.media is None:
        return job
    path = fetch(job.spec.media.artefact, arch, session.environment)
    return replace(job, artefact=path, artefact_sha256=program_sums(job.spec)[arch])


def remaining_changes(session: Session, results: Iterable[HostResult]) -> tuple[Change, ...]:
    """Plan applied hosts again; any change is a defect or new drift."""
    by_host = (
        changes_of(session.state.hosts[result.host], session.files[result.host], result.facts)
        for result in results
        if result.facts is not None
    )
    return tuple(change for changes in by_host for change in changes if change.action is not Action.NOOP)


def end_killed_runs(session: Session, facts: Mapping[str, HostFacts]) -> tuple[ClosedRun, ...]:
    """End killed runs whose hosts were all read; others are for people."""
    ended = []
    try:
        waiting = [last for last in proved_unfinished(keyed_state_folder(session)) if _has_ended(session, last, facts)]
        for last in waiting:
            # Somebody may be resuming it at this moment, or have ended it.
            with suppress(LockedError), carried_out_here(session, last.run.id):
                if any(last.run.id == run.run.id for run in proved_unfinished(keyed_state_folder(session))):
                    ended.append(_ended_run(session, last, facts))
    except StateError:
        # Whether a new run can be recorded is told by that run itself.
        return ()
    return tuple(closed for closed in ended if closed is not None)


def _has_ended(session: Session, last: Unfinished, facts: Mapping[str, HostFacts]) -> bool:
    if last.is_paused or datetime.now(UTC) - last.heard < SILENT:
        return False
    hosts = [host for host in _hosts_of(last) if host in session.state.hosts]
    read = all(host in facts or host in last.progress.results for host in hosts)
    return read and not any(
        host_facts.armed is not None and host_facts.armed["run"] == last.run.id for host_facts in facts.values()
    )


def _ended_run(session: Session, last: Unfinished, facts: Mapping[str, HostFacts]) -> ClosedRun | None:
    """End a run with its hosts' outcomes; `None` if one is unknown."""
    progress = last.progress_by_facts(
        {host: host_facts for host, host_facts in facts.items() if host in _hosts_of(last)}
    )
    jobs = [_status_job(session, last, host, facts[host]) for host in _hosts_of(last) if host in progress.started]
    options = RolloutOptions(who=who_text(who(session.environment)))
    with closing(RunLog(keyed_state_folder(session), last.run)) as log:
        done = roll_out(jobs, last.run.id, session.runner, options, log, progress=progress, abort=_GONE_CAUSE)
        if any(result.outcome is HostOutcome.UNREACHABLE for result in done.results):
            return None
        heard = {**progress.results, **{result.host: result for result in done.results}}
        results = by_host(heard.get(host) or _never(session, host) for host in _hosts_of(last))
        read = [replace(r, facts=facts[r.host]) for r in results if r.host in facts]
        holdings = holdings_after(session, last.run.operation, read, remaining_changes(session, read))
        log.write(JournalStep("", "run", "ended", {"cause": _GONE_CAUSE, "who": options.who}))
        document = Applied(last.run.id, results, plan=last.run.plan).document | {"journal": log.digest()}
        outcome = outcome_of(results)
        return ClosedRun(run=last.run.id, outcome=outcome) if log.end(outcome, document, holdings) is not None else None


def _hosts_of(last: Unfinished) -> list[str]:
    return [host for wave in last.intent.waves for host in wave.hosts]


def _status_job(session: Session, last: Unfinished, host: str, facts: HostFacts) -> Job:
    spec = session.state.hosts[host]
    sibling_relays = relays_beside(spec, session.state.hosts.values())
    rollback = last.intent.rollback.get(host)
    return Job(spec, session.files[host], facts, "", rollback=rollback, carrier=sibling_relays)


def _never(session: Session, host: str) -> HostResult:
    if host not in session.state.hosts:
        return HostResult(host, HostOutcome.UNREACHABLE, "the inventory does not have it any more")
    return HostResult(host, HostOutcome.NOT_STARTED, _GONE_CAUSE, refusal=NotStartedBecause.HELD_BACK)
