"""Changing hosts: enact a plan, take a run up again, end one, go back. Above `pipeline`, which makes the plan.

Every run is recorded before it touches anything, step by step while it goes on, and with what became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from provisioner import __version__
from provisioner.apply import (
    HostResult,
    Job,
    Options,
    Outcome,
    Progress,
    Refusal,
    Rollout,
    Step,
    document,
    roll_out,
    waves_of,
)
from provisioner.artefact import fetch
from provisioner.changes import Action, Change, Resource
from provisioner.desired.spec import HostSpec
from provisioner.diff import changes_of
from provisioner.errors import HostError, PolicyError, UsageError
from provisioner.facts import HostFacts
from provisioner.history.place import Place, place_of
from provisioner.history.records import Holding, Operation, Run
from provisioner.history.who import who
from provisioner.observe import observe
from provisioner.pipeline import Planned, Session, new_run_id
from provisioner.plan import Basis, Plan, Saved, moved_hosts
from provisioner.plan.seen import told_shortly
from provisioner.render import program_path
from provisioner.runs import Intent, RunLog, Unfinished, unfinished, who_text
from provisioner.showing import contents_of, shown_by_change


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Applied:
    """What became of a run: each host's result, and what a fresh plan still finds.

    Attributes:
        plan: the digest of the plan that was enacted.
        ended: `done`, `stopped`, `paused` or `interrupted`; of the last two the run can be taken up again.
        cause: why it ended before its end.
        notes: what a person should know of the run itself.
    """

    run: str
    results: tuple[HostResult, ...]
    remaining: tuple[Change, ...] = ()
    plan: str = ""
    ended: str = "done"
    cause: str = ""
    notes: tuple[str, ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document of the run."""
        return document(self.plan, self.results) | {
            "run": self.run,
            "ended": self.ended,
            "notes": list(self.notes),
            "remaining": [{"host": c.host, "name": c.name, "reason": c.reason} for c in self.remaining],
        }


@dataclass(frozen=True)
class Way:
    """How a run goes: how strict, who approved it, and whether somebody asks to stop."""

    options: Options = field(default_factory=Options)
    approval: str = ""
    stop: Callable[[], bool] = _never


USUAL = Way()


# --- apply ----------------------------------------------------------------------------------------


def enact(
    session: Session,
    planned: Planned,
    *,
    saved: Saved | None = None,
    options: Options | None = None,
    way: Way = USUAL,
) -> Applied:
    """Enact a plan on the hosts that change, then plan afresh.

    Args:
        session: the same session that the plan was made in.
        planned: the plan, as made now.
        saved: the plan that was reviewed; hosts that moved since it was made are not started.
        options: how strict and how patient; those of `way` otherwise.
        way: how the run goes.

    Raises:
        PolicyError: the plan is refused; nothing was touched.
        HostError: MediaMTX's program cannot be had; nothing was touched.
        StateError: the run cannot be recorded; nothing was touched.
    """
    way = replace(way, options=options or way.options)
    _refuse(planned.plan, saved, way.options)
    stale = moved_hosts(saved, planned.plan, planned.seen) if saved else {}
    live = dict(planned.plan.basis.live)
    changed = [spec for spec in planned.hosts if spec.id in planned.plan.hosts and spec.id not in stale]
    jobs = [_job(session, spec, planned, live.get(spec.id, "")) for spec in changed]
    intent = Intent(
        basis=replace(planned.plan.basis, live=live),
        waves=waves_of(changed),
        live={spec.id: live.get(spec.id, "") for spec in changed},
        changes={job.spec.id: job.changes for job in jobs},
        max_failed=way.options.max_failed,
    )
    run = _run(session, Operation.APPLY, way, planned.plan.basis.digest)
    others = _others(planned, stale)
    if not jobs:
        return Applied(run.id, others, plan=run.plan)
    return _recorded(session, run, jobs, intent, way, others=others)


def resume(session: Session, way: Way = USUAL) -> Applied:
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
    return _recorded(session, found.run, jobs, found.intent, way, others=others, progress=found.progress)


def abort(session: Session) -> Applied:
    """End the last unfinished run: hosts that wait return to last-good now, no further host is started.

    Raises:
        UsageError: no run is unfinished.
        StateError: the history does not answer.
    """
    found = unfinished(state_place(session))
    started = replace(found, progress=Progress(found.progress.results, found.progress.started))
    jobs, others = _jobs_of(session, started)
    open_jobs = [job for job in jobs if job.spec.id in found.progress.started]
    way = Way(options=Options(who=who_text(who(session.environment))))
    log = RunLog(state_place(session), found.run)
    try:
        done = roll_out(
            open_jobs, found.run.id, session.runner, way.options, log, progress=found.progress, abort="ended by hand"
        )
        seen = {result.host for result in done.results}
        through = [result for host, result in found.progress.results.items() if host not in seen]
        left = [_held_back(job.spec.id) for job in jobs if job.spec.id not in seen | set(found.progress.results)]
        applied = Applied(found.run.id, _sorted([*done.results, *through, *left, *others]), plan=found.run.plan)
        log.write(Step("", "run", "aborted"))
        shown = _shown(session, found.run.operation, done.results, _remaining(session, done.results))
        log.end("aborted", applied.document | {"journal": log.digest()}, shown)
    finally:
        log.close()
    return applied


def _held_back(host: str) -> HostResult:
    return HostResult(host, Outcome.NOT_STARTED, "the run was ended by hand")


def _recorded(
    session: Session,
    run: Run,
    jobs: Sequence[Job],
    intent: Intent,
    way: Way,
    *,
    others: Sequence[HostResult] = (),
    progress: Progress | None = None,
) -> Applied:
    """Roll out with the journal beside it, and record what became of it."""
    options = replace(way.options, who=who_text(run.who))
    log = RunLog(state_place(session), run)
    try:
        if progress is None:
            log.begin([job.spec.id for job in jobs], intent)
        else:
            log.write(Step("", "run", "resumed", {"who": options.who}))
        done = roll_out(
            jobs,
            run.id,
            session.runner,
            options,
            log,
            waves=intent.waves,
            progress=progress,
            stop=lambda: way.stop() or bool(log.broken),
        )
        return _closed(session, run, log, done, others)
    finally:
        log.close()


def _closed(session: Session, run: Run, log: RunLog, done: Rollout, others: Sequence[HostResult]) -> Applied:
    results = _sorted([*done.results, *others])
    notes = (f"the journal could not be written: {log.broken}",) if log.broken else ()
    differing = _remaining(session, results)
    remaining = differing if run.operation is Operation.APPLY else ()
    applied = Applied(run.id, results, remaining, run.plan, done.ended, done.cause, notes)
    log.write(Step("", "run", done.ended, {"cause": done.cause}))
    if done.ended in {"done", "stopped"}:
        shown = applied.document | {"journal": log.digest()}
        log.end(str(shown["outcome"]), shown, _shown(session, run.operation, done.results, differing))
    return applied


def _shown(
    session: Session, operation: Operation, results: Sequence[HostResult], differing: Iterable[Change]
) -> tuple[Holding, ...]:
    """Give what the hosts that were started are known to hold now."""
    contents = contents_of(session.inventory)
    return shown_by_change(operation, session.state, contents, results, differing=differing, at=datetime.now(UTC))


def _sorted(results: Iterable[HostResult]) -> tuple[HostResult, ...]:
    return tuple(sorted(results, key=lambda result: result.host))


def _refuse(plan: Plan, saved: Saved | None, options: Options) -> None:
    """Refuse a plan that policy holds back: as it is now, whatever it was when it was reviewed.

    Raises:
        PolicyError: with the first reason.
    """
    refused = [r for r in plan.refused if r.policy != "lock_out" or options.lockout_check]
    if refused:
        more = f" (and {len(refused) - 1} more reasons)" if len(refused) > 1 else ""
        raise PolicyError(f"{refused[0].message}{more}", hint=refused[0].hint, object=refused[0].host)
    if saved is not None and "outside_limit" in saved.refused:
        hint = "make a plan of whole hosts: provisioner plan --limit host=… --out FILE"
        raise PolicyError("the plan was made with a limit that cuts through hosts with other changes", hint=hint)


def _others(planned: Planned, stale: Mapping[str, list[str]]) -> tuple[HostResult, ...]:
    """Give the hosts that are not changed: those that moved, could not be read, or are as desired."""
    found = []
    for spec in planned.hosts:
        if spec.id in stale:
            cause = f"the host has moved since the plan was made: {told_shortly(stale[spec.id])}"
            found.append(HostResult(spec.id, Outcome.NOT_STARTED, cause, refusal=Refusal.STALE))
        elif spec.id in planned.unreadable:
            error = planned.unreadable[spec.id]
            found.append(HostResult(spec.id, Outcome.UNREACHABLE, f"{error.message}; {error.hint}"))
        elif spec.id not in planned.plan.hosts:
            found.append(_as_desired(spec.id, planned.facts[spec.id].armed))
    return tuple(found)


def _as_desired(host: str, armed: Mapping[str, Any] | None) -> HostResult:
    """A host that is as desired, unless that is somebody's change which may still be taken back."""
    if armed is None:
        return HostResult(host, Outcome.UNCHANGED)
    cause = f"run {armed['run']} waits for its confirmation: {armed.get('who') or 'of somebody'}"
    return HostResult(host, Outcome.NOT_STARTED, cause, refusal=Refusal.LOCKED)


def _run(session: Session, operation: Operation, way: Way, plan: str, limit: tuple[str, ...] = ()) -> Run:
    told = who(session.environment) | ({"approval": way.approval} if way.approval else {})
    return Run(
        id=new_run_id(),
        operation=operation,
        started=datetime.now(UTC),
        commit=session.commit,
        digest=session.digest,
        who=told,
        tool=__version__,
        plan=plan,
        limit=limit,
    )


def state_place(session: Session) -> Place:
    """Give where the history of the session's inventory is."""
    return place_of(session.environment, session.inventory.settings.id)


def _job(session: Session, spec: HostSpec, planned: Planned, expected: str) -> Job:
    files, facts = session.files[spec.id], planned.facts[spec.id]
    changes = tuple(change for change in planned.plan.pending if change.host == spec.id)
    job = Job(spec, files, facts, expected, changes=changes)
    return _with_program(session, job) if _needs_program(spec, changes) else job


def _with_program(session: Session, job: Job) -> Job:
    if job.spec.relay is None:
        return job
    artefact = job.spec.relay.artefact
    path = fetch(artefact, job.facts.arch, session.root, session.environment)
    checksum = {str(arch): digest for arch, digest in artefact.sha256.items()}[job.facts.arch]
    return replace(job, artefact=path, artefact_sha256=checksum)


def _needs_program(spec: HostSpec, changes: Sequence[Change]) -> bool:
    path = program_path(spec.relay.artefact) if spec.relay else ""
    return any(
        c.host == spec.id and c.resource is Resource.FILE and c.name == path and c.action is not Action.NOOP
        for c in changes
    )


def _remaining(session: Session, results: Iterable[HostResult]) -> tuple[Change, ...]:
    """A fresh plan of what was applied must be empty; what it still finds is an error of ours or new drift."""
    found = (
        changes_of(session.state.hosts[result.host], session.files[result.host], result.facts)
        for result in results
        if result.facts is not None
    )
    return tuple(change for changes in found for change in changes if change.action is not Action.NOOP)


# --- taking a run up again ------------------------------------------------------------------------


def _jobs_of(session: Session, found: Unfinished) -> tuple[list[Job], list[HostResult]]:
    """Give the jobs of a run's hosts that are not through, and the results of those that cannot be asked."""
    names = [host for wave in found.intent.waves for host in wave.hosts]
    specs = [session.state.hosts[host] for host in names if host in session.state.hosts]
    gone = [host for host in names if host not in session.state.hosts]
    through = found.progress.results
    asked = [spec for spec in specs if spec.id not in through]
    facts, errors = observe(asked, session.files, session.runner) if asked else ({}, {})
    jobs, others = (
        [],
        [HostResult(host, Outcome.UNREACHABLE, "the inventory does not have it any more") for host in gone],
    )
    for spec in specs:
        if spec.id in errors:
            others.append(HostResult(spec.id, Outcome.UNREACHABLE, errors[spec.id].message))
        elif spec.id in facts or spec.id in through:
            jobs.append(_job_again(session, spec, facts.get(spec.id), found))
    return jobs, others


def _job_again(session: Session, spec: HostSpec, facts: HostFacts | None, found: Unfinished) -> Job:
    intent = found.intent
    changes, live = intent.changes.get(spec.id, ()), intent.live.get(spec.id, "")
    rollback = intent.rollback.get(spec.id)
    if facts is None:
        return Job(spec, session.files[spec.id], _no_facts(spec), live, changes=changes, rollback=rollback)
    job = Job(spec, session.files[spec.id], facts, live, changes=changes, rollback=rollback)
    return _with_program(session, job) if rollback is None and _needs_program(spec, changes) else job


def _no_facts(spec: HostSpec) -> HostFacts:
    """Facts of a host that is through: nothing is asked of it and nothing is read from this."""
    return HostFacts(spec.id, "", (), {}, None, {}, None, {"differences": []}, {}, None, None, None, None, "")


# --- rollback -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Return:
    """What a rollback would do: by host, the run whose change is undone and when that state was kept."""

    hosts: Mapping[str, tuple[str, datetime]]
    facts: Mapping[str, HostFacts]
    unreadable: Mapping[str, HostError]


def plan_rollback(session: Session, targets: Sequence[str]) -> Return:
    """See which hosts can return, and to before which run.

    Args:
        session: the session.
        targets: host ids, or one run id; none takes the last run that a host of this inventory knows.

    Raises:
        UsageError: a target is neither, or no host keeps a state to return to.
    """
    hosts = session.state.hosts
    named = {target for target in targets if target in hosts}
    runs = [target for target in targets if target not in hosts]
    if len(runs) > 1 or (runs and named):
        raise UsageError("a rollback takes hosts, or one run", hint="see provisioner history for runs")
    facts, errors = observe([hosts[h] for h in sorted(named or set(hosts))], session.files, session.runner)
    kept = {host: {str(g["run"]): g for g in found.generations} for host, found in facts.items()}
    newest = {host: next(iter(of), "") for host, of in kept.items()}
    run = runs[0] if runs else max((r for r in newest.values() if r), default="")
    chosen = {host: newest[host] for host in named & set(kept)} if named else {h: run for h in kept if run in kept[h]}
    found = {
        host: (target, datetime.fromtimestamp(int(kept[host][target]["at"]), UTC))
        for host, target in chosen.items()
        if target
    }
    if not found and not errors:
        known = sorted({r for of in kept.values() for r in of})
        what = f"a state of before {run}" if runs else "a state to return to"
        raise UsageError(f"no host keeps {what}", hint=f"kept are states of before: {', '.join(known) or 'none'}")
    return Return(found, facts, errors)


def roll_back(session: Session, planned: Return, way: Way = USUAL) -> Applied:
    """Return hosts to the state before a run: a transaction with the same checks, gate and switch.

    Raises:
        StateError: the run cannot be recorded; nothing was touched.
    """
    hosts = session.state.hosts
    jobs = [
        Job(hosts[host], session.files[host], planned.facts[host], "", rollback=target)
        for host, (target, _) in sorted(planned.hosts.items())
    ]
    others = tuple(
        HostResult(host, Outcome.UNREACHABLE, error.message) for host, error in sorted(planned.unreadable.items())
    )
    run = _run(session, Operation.ROLLBACK, way, "")
    if not jobs:
        return Applied(run.id, others)
    intent = Intent(
        basis=Basis(session.digest, session.templates.digest, {}),
        waves=waves_of(job.spec for job in jobs),
        live={},
        changes={},
        rollback={host: target for host, (target, _) in planned.hosts.items()},
        max_failed=way.options.max_failed,
    )
    return _recorded(session, run, jobs, intent, way, others=others)
