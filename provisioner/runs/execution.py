"""A rollout with the journal beside it, and the record of what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from provisioner import __version__
from provisioner.apply import (
    HostOutcome,
    HostResult,
    Job,
    JournalStep,
    NotStartedBecause,
    Rollout,
    RunProgress,
    roll_out,
)
from provisioner.base.errors import HostError
from provisioner.base.held import HeldFacility
from provisioner.history.git_notes import note_head
from provisioner.history.records import Holding, Operation, Run
from provisioner.history.seal import Head
from provisioner.history.who import who, who_text
from provisioner.hosts.artefact import fetch
from provisioner.hosts.runner import ForeignHostError
from provisioner.inventory.model import WavePolicy
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import new_run_id
from provisioner.plan.changes import Action, Change
from provisioner.plan.diff import changes_of
from provisioner.runs.applied import Applied
from provisioner.runs.holdings import contents_of, shown_by_change
from provisioner.runs.intent import Intent
from provisioner.runs.journal import RunLog, attended, expect_usual_time, state_place
from provisioner.runs.meanwhile.silencer import Silencer, ToSilence, to_silence
from provisioner.runs.options import RunOptions

if TYPE_CHECKING:  # the host's own package: its types are for the type checker, the module is not installed here
    from provisioner_host.wire import RecordHead

NO_SILENCES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


def carry_out(
    session: Session,
    run: Run,
    jobs: Sequence[Job],
    intent: Intent,
    options: RunOptions,
    *,
    others: Sequence[HostResult] = (),
    progress: RunProgress | None = None,
    held: tuple[HeldFacility, ...] | None = None,
    silences: Mapping[str, tuple[str, ...]] = NO_SILENCES,
) -> Applied:
    """Roll out with the journal beside it, and record what became of it.

    What the changes cut is kept silent meanwhile (`runs.meanwhile.silencer`).

    Args:
        session: the session.
        run: the run.
        jobs: its hosts.
        intent: all that it is about to do.
        options: how it goes.
        others: the results of hosts that it does not start.
        progress: how far it had come, where it goes on.
        held: of what was chosen, the facilities that are held; None for all.
        silences: those that it made before it was killed, by receiver.
    """
    rollout = replace(options.rollout, who=who_text(run.who))
    expect_usual_time(session, run.operation, hosts=tuple(job.spec.id for job in jobs))
    log = RunLog(state_place(session), run)
    try:
        if progress is None:
            log.begin([job.spec.id for job in jobs], intent)
        else:
            log.write(JournalStep("", "run", "resumed", {"who": rollout.who}))
        rollout = replace(rollout, record=_on_hosts(log.head()))
        epochs = log.epochs({job.spec.id: job.facts.epoch for job in jobs if job.facts is not None})
        jobs = [replace(job, epoch=epochs.get(job.spec.id), warrant=intent.warrant) for job in jobs]
        wanted = to_silence(session, run, intent, jobs, silences)
        rollout = replace(rollout, apart=_apart(session, options, wanted))
        with Silencer(attended(log, session.watcher), wanted) as journal:
            done = roll_out(
                jobs,
                run.id,
                session.runner,
                rollout,
                journal,
                waves=intent.waves,
                progress=progress,
                stop=lambda: options.stop() or bool(log.broken),
            )
        kept = tuple(session.held.values()) if held is None else held
        applied = _closed_run(session, run, log, done, others, held=kept)
        return replace(applied, warnings=(*applied.warnings, *journal.warnings))
    finally:
        log.close()


def _apart(session: Session, options: RunOptions, wanted: ToSilence) -> bool:
    """Whether each wave waits for the confirmation of the one before, be the plan ever so harmless.

    Whoever makes silences before a wave would keep hosts of the one before waiting.
    """
    silences = bool(wanted.servers and wanted.alerts)
    return options.rollout.apart or silences or session.inventory.settings.policy.next_wave is WavePolicy.CONFIRMED


def _on_hosts(head: Head | None) -> RecordHead | None:
    """The run's first entry as hosts keep it: who cuts the record has to cut it there, too."""
    if head is None:
        return None
    return {"run": head.run, "sequence": head.number, "head": head.hash, "seal": head.seal}


def _closed_run(
    session: Session,
    run: Run,
    log: RunLog,
    done: Rollout,
    others: Sequence[HostResult],
    *,
    held: tuple[HeldFacility, ...],
) -> Applied:
    results = by_host([*done.results, *others])
    notes = (f"the journal could not be written: {log.broken}",) if log.broken else ()
    differing = remaining_changes(session, results)
    remaining = differing if run.operation is Operation.APPLY else ()
    applied = Applied(
        run.id, results, remaining, run.plan, done.ended, done.cause, notes, held=held, approvals=run.approvals
    )
    log.write(JournalStep("", "run", done.ended, {"cause": done.cause}))
    if done.ended in {"done", "stopped"}:
        document = applied.document | {"journal": log.digest()}
        holdings = holdings_after(session, run.operation, done.results, differing)
        head = log.end(str(document["outcome"]), document, holdings)
        warning = note_head(session.root, session.environment, session.inventory.settings.id, session.commit, head)
        return replace(applied, warnings=(warning,) if warning else ())
    return applied


def holdings_after(
    session: Session, operation: Operation, results: Sequence[HostResult], differing: Iterable[Change]
) -> tuple[Holding, ...]:
    """What the hosts that were started are known to hold now."""
    contents = contents_of(session.served)
    return shown_by_change(operation, session.state, contents, results, differing=differing, at=datetime.now(UTC))


def not_asked(host: str, error: HostError) -> HostResult:
    """The result of a host that could not be read, or that is somebody else's and was sent nothing."""
    if isinstance(error, ForeignHostError):
        return HostResult(host, HostOutcome.NOT_STARTED, error.message, refusal=NotStartedBecause.FOREIGN)
    return HostResult(host, HostOutcome.UNREACHABLE, error.message)


def by_host(results: Iterable[HostResult]) -> tuple[HostResult, ...]:
    """Results in the order of their hosts' ids."""
    return tuple(sorted(results, key=lambda result: result.host))


def new_run(session: Session, operation: Operation, options: RunOptions, plan: str, limit: tuple[str, ...] = ()) -> Run:
    """A run that begins now: who, with what approval, on which inventory."""
    people = who(session.environment) | ({"approval": options.approval} if options.approval else {})
    return Run(
        id=new_run_id(),
        operation=operation,
        started=datetime.now(UTC),
        commit=session.commit,
        digest=session.digest,
        who=people,
        tool=__version__,
        plan=plan,
        limit=limit,
    )


def with_program(session: Session, job: Job, arch: str) -> Job:
    """The job with MediaMTX's program for an architecture to ship.

    Raises:
        HostError: the program cannot be had.
    """
    if job.spec.media is None:
        return job
    artefact = job.spec.media.artefact
    path = fetch(artefact, arch, session.environment)
    checksum = {str(arch): digest for arch, digest in artefact.sha256.items()}[arch]
    return replace(job, artefact=path, artefact_sha256=checksum)


def remaining_changes(session: Session, results: Iterable[HostResult]) -> tuple[Change, ...]:
    """A fresh plan of what was applied must be empty; what it still finds is an error of ours or new drift."""
    by_host = (
        changes_of(session.state.hosts[result.host], session.files[result.host], result.facts)
        for result in results
        if result.facts is not None
    )
    return tuple(change for changes in by_host for change in changes if change.action is not Action.NOOP)
