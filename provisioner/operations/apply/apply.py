"""Plans applied, unfinished runs resumed or aborted, hosts rolled back."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial
from typing import Generic, Protocol, TypeVar

from provisioner.base.errors import HostError, PolicyError, StalePlanError, UsageError
from provisioner.base.text import counted, did_you_mean
from provisioner.desired.limit import Limit, refuse_all_shut
from provisioner.desired.spec import HostSpec
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.observe import observe
from provisioner.operations.apply import execution
from provisioner.operations.apply.approvals import approval_files, plan_warrant, refuse_unapproved
from provisioner.operations.apply.journal import RunLog, keyed_state_folder
from provisioner.operations.apply.run import (
    USUAL,
    Applied,
    Intent,
    RunOptions,
    Unfinished,
    refuse_rolled_back,
    unfinished,
)
from provisioner.operations.apply.silences import Silencer, to_silence
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, new_run, refuse_foreign
from provisioner.operations.rollout.job import Job, RolloutOptions, planned_job, relays_beside
from provisioner.operations.rollout.result import HostOutcome, HostResult, NotStartedBecause
from provisioner.operations.rollout.waves import roll_out, waves_of
from provisioner.plan.change import cut_of, cut_whole
from provisioner.plan.guards.policy import hint_once_saved, needs_program
from provisioner.plan.plan import Plan, first_few
from provisioner.plan.saved.file import Saved, moved_hosts
from provisioner.record import read_history
from provisioner.record.entries import JournalStep, Operation
from provisioner.record.leases import TakenLease
from provisioner.record.state_folder import state_folder_of, who, who_text

_NAMED = 3
_NEW_HOST = (
    "if it is new, plan again and say so, as a saved plan takes no allowance: plan --allow trust=NUMBER --out FILE"
)


Sessions = Callable[[], Session]  #: Makes a new session: an older one does not know later edits.


@dataclass(frozen=True)
class RollbackPlan:
    """A planned rollback: each host's run to undo, and its state's time."""

    hosts: Mapping[str, tuple[str, datetime]]
    facts: Mapping[str, HostFacts]
    unreadable: Mapping[str, HostError]


@dataclass(frozen=True)
class StepTerms:
    """Terms of a stepwise change: raised limits (`allow`), run options, `dry_run`."""

    allow: Mapping[str, int] = field(default_factory=dict)
    options: RunOptions = field(default_factory=RunOptions)
    dry_run: bool = False


class StepAttendant(Protocol):
    """Observer of steps, asked before each."""

    def applies(self, planned: Planned) -> None:
        """Show the plan; ask."""

    def applied(self, applied: Applied) -> None:
        """Hosts were changed, or not."""

    def warns(self, sentence: str) -> None:
        """Show a problem that does not stop the change."""

    @property
    def has_enough(self) -> bool:
        """Whether somebody asked to stop."""


@dataclass
class StepwiseOutcome:
    """Result of a stepwise change, with its applies in order."""

    runs: list[Applied] = field(default_factory=list, kw_only=True)


_Terms = TypeVar("_Terms", bound=StepTerms)
_Attendant = TypeVar("_Attendant", bound=StepAttendant)
_Outcome = TypeVar("_Outcome", bound=StepwiseOutcome)


@dataclass
class StepwiseRun(Generic[_Terms, _Attendant, _Outcome]):
    """A stepwise change under way."""

    sessions: Sessions
    terms: _Terms
    by: _Attendant
    outcome: _Outcome

    def apply_shown(self, session: Session, planned: Planned) -> Applied:
        """Apply a plan that the attendant has seen."""
        applied = apply_plan(session, planned, options=self.terms.options)
        self.outcome.runs.append(applied)
        self.by.applied(applied)
        return applied


def apply_plan(
    session: Session, planned: Planned, *, saved: Saved | None = None, options: RunOptions = USUAL
) -> Applied:
    """Apply a plan to its hosts, then plan again.

    `planned` is made now, in this session. `saved` is the reviewed plan: hosts that moved since are not started. Each
    error leaves all hosts unchanged: `PolicyError` if the plan is refused or not approved, or a host belongs to another
    inventory; `StalePlanError` if the saved plan is refused, and hosts have moved since; `HostError` if MediaMTX's
    program cannot be fetched; `StateError` if the run cannot be recorded.
    """
    planned.refuse_foreign()
    stale = moved_hosts(saved, planned.plan, planned.host_items) if saved else {}
    _refuse_by_policy(planned.plan, saved, stale, options.rollout)
    read = cache(partial(approval_files, session.root, options.folder))
    approvals = refuse_unapproved(session, planned, saved, read, tuple(stale))
    live = planned.plan.basis.live
    closed = execution.end_killed_runs(session, planned.facts)
    changed = [spec for spec in planned.hosts if spec.id in planned.plan.hosts and spec.id not in stale]
    jobs = [_apply_job(session, spec, planned, live.get(spec.id, "")) for spec in changed]
    intent = Intent(
        basis=planned.plan.basis,
        waves=waves_of(changed),
        live={spec.id: live.get(spec.id, "") for spec in changed},
        changes={job.spec.id: job.changes for job in jobs},
        max_failed=options.rollout.max_failed,
        cuts={job.spec.id: cut for job in jobs if (cut := cut_of(job.spec, job.changes))},
        warrant=plan_warrant(session, saved, read),
    )
    run = replace(
        new_run(session, Operation.APPLY, plan=planned.plan.basis.digest, approval=options.approval),
        approvals=approvals,
    )
    not_started = _results_not_started(planned, stale, reviewed=saved is not None)
    frozen = tuple(entry.facility for entry in planned.plan.frozen_in_limit)
    if not jobs:
        return Applied(run.id, not_started, plan=run.plan, left_out=planned.plan.left_out, closed=closed, held=frozen)
    with execution.carried_out_here(session, run.id) as lease:
        applied = execution.carry_out(
            session, run, jobs, intent, options, lease=lease, not_started=not_started, frozen=frozen
        )
    return replace(applied, left_out=planned.plan.left_out, closed=closed)


def _refuse_by_policy(plan: Plan, saved: Saved | None, stale: Mapping[str, list[str]], options: RolloutOptions) -> None:
    """Refuse a plan that policy refuses now, whatever its review said."""
    refused = [r for r in plan.refused if r.policy != "lock_out" or options.lockout_check]
    if refused:
        more = f" (and {counted(len(refused) - 1, 'more reason')})" if len(refused) > 1 else ""
        message = f"{refused[0].message}{more}"
        hint = refused[0].hint if saved is None else hint_once_saved(refused, saved.basis.allow)
        if stale:
            moved = "; ".join(
                f"{host} has moved ({first_few(items)})" for host, items in sorted(stale.items())[:_NAMED]
            )
            more_hosts = f"; so have {counted(len(stale) - _NAMED, 'more host')}" if len(stale) > _NAMED else ""
            raise StalePlanError(
                f"the plan is stale: {moved}{more_hosts}; and it is refused: {message}", hint=hint, object=min(stale)
            )
        raise PolicyError(message, hint=hint, object=refused[0].host)
    if saved is not None and "outside_limit" in saved.refused:
        hint = "make a plan of whole hosts: provisioner plan --limit host=… --out FILE"
        raise PolicyError("the plan was made with a limit that cuts through hosts with other changes", hint=hint)


def _apply_job(session: Session, spec: HostSpec, planned: Planned, expected: str) -> Job:
    files, facts = session.files[spec.id], planned.facts[spec.id]
    changes = tuple(change for change in planned.plan.pending if change.host == spec.id)
    job = replace(planned_job(spec, files, facts, changes, session.state.hosts.values()), expected=expected)
    return execution.with_program(session, job, facts.machine["arch"]) if needs_program(spec, changes) else job


def _results_not_started(planned: Planned, stale: Mapping[str, list[str]], *, reviewed: bool) -> tuple[HostResult, ...]:
    """Return results of hosts that moved, were unreadable, or need no change."""
    results = []
    for spec in planned.hosts:
        if spec.id in stale:
            cause = f"the host has moved since the plan was made: {first_few(stale[spec.id])}"
            results.append(HostResult(spec.id, HostOutcome.NOT_STARTED, cause, refusal=NotStartedBecause.STALE))
        elif spec.id in planned.unreadable:
            error = planned.unreadable[spec.id]
            hint = _NEW_HOST if reviewed and spec.id in planned.plan.unproved else error.hint
            results.append(HostResult(spec.id, HostOutcome.UNREACHABLE, f"{error.message}; {hint}"))
        elif spec.id not in planned.plan.hosts:
            results.append(_as_desired(spec.id, planned.facts[spec.id].armed))
    return tuple(results)


def _as_desired(host: str, armed: wire.Armed | None) -> HostResult:
    """Return an unchanged result, unless another run's change is unconfirmed."""
    if armed is None:
        return HostResult(host, HostOutcome.UNCHANGED)
    cause = f"run {armed['run']} waits for its confirmation: {armed.get('who') or 'of somebody'}"
    return HostResult(host, HostOutcome.NOT_STARTED, cause, refusal=NotStartedBecause.LOCKED)


def resume(session: Session, options: RunOptions = USUAL) -> Applied:
    """Resume the last unfinished run; ask started hosts for their outcome first.

    Raises `UsageError` without such a run, `LockedError` if another process carries it out, `PolicyError` if people
    approved it, and a later run took it back, `StalePlanError` if inventory, templates or this program have changed
    since.
    """
    with _last_unfinished(session) as (last, lease):
        last.refuse_other(session.basis({}))
        refuse_rolled_back(keyed_state_folder(session), last)
        jobs, unreachable = _jobs_of(session, last)
        allowed = max(options.rollout.max_failed, last.intent.max_failed)
        # The plan's cuts are not known any more, so waves that have not started wait for a confirmation.
        options = replace(options, rollout=replace(options.rollout, max_failed=allowed, apart=True))
        progress = last.progress_by_facts({job.spec.id: job.facts for job in jobs if job.facts is not None})
        applied = execution.carry_out(
            session,
            last.run,
            jobs,
            last.intent,
            options,
            lease=lease,
            not_started=unreachable,
            progress=progress,
            silences=last.silences,
        )
    return _of_some(session, applied)


@contextmanager
def _last_unfinished(session: Session, *, proved: bool = True) -> Iterator[tuple[Unfinished, TakenLease]]:
    """Hold the last unfinished run, read again under its lease."""
    folder = keyed_state_folder(session)
    name = unfinished(folder, proved=proved).run.id
    with execution.carried_out_here(session, name) as lease:
        last = unfinished(folder, proved=proved)
        if last.run.id != name:
            raise UsageError(f"run {name} has ended meanwhile", hint="see provisioner history", object=name)
        yield last, lease


def abort(session: Session) -> Applied:
    """Roll back unconfirmed hosts, start no others; or raise `UsageError` or `LockedError`."""
    with _last_unfinished(session, proved=False) as (last, _):
        return _aborted(session, last)


def _aborted(session: Session, last: Unfinished) -> Applied:
    jobs, unreachable = _jobs_of(session, last)
    progress = last.progress_by_facts({job.spec.id: job.facts for job in jobs if job.facts is not None})
    open_jobs = [job for job in jobs if job.spec.id in progress.started]
    options = RolloutOptions(who=who_text(who(session.environment)))
    log = RunLog(keyed_state_folder(session), last.run)
    try:
        # Earlier silences end by themselves: there is no proof that they are the run's own.
        with Silencer(log, to_silence(session, last.run, last.intent, open_jobs, {})) as journal:
            done = roll_out(
                open_jobs, last.run.id, session.runner, options, journal, progress=progress, abort="ended by hand"
            )
        ended_hosts = {result.host for result in done.results}
        earlier = [result for host, result in last.progress.results.items() if host not in ended_hosts]
        remaining = [
            HostResult(
                job.spec.id, HostOutcome.NOT_STARTED, "the run was ended by hand", refusal=NotStartedBecause.HELD_BACK
            )
            for job in jobs
            if job.spec.id not in ended_hosts | set(last.progress.results)
        ]
        results = execution.by_host([*done.results, *earlier, *remaining, *unreachable])
        applied = Applied(last.run.id, results, "aborted", plan=last.run.plan)
        log.write(JournalStep("", "run", "aborted"))
        holdings = execution.holdings_after(
            session, last.run.operation, done.results, execution.remaining_changes(session, done.results)
        )
        log.end("aborted", applied.document | {"journal": log.digest()}, holdings)
    finally:
        log.close()
    return replace(_of_some(session, applied), warnings=journal.warnings)


def _jobs_of(session: Session, last: Unfinished) -> tuple[list[Job], list[HostResult]]:
    """Return jobs of a run's open hosts, and results of unreachable ones."""
    names = [host for wave in last.intent.waves for host in wave.hosts]
    refuse_all_shut(session.state, Limit({"host": frozenset(names)}))
    specs = [session.state.hosts[host] for host in names if host in session.state.hosts]
    removed = [host for host in names if host not in session.state.hosts]
    results = last.progress.results
    open_specs = [spec for spec in specs if spec.id not in results]
    facts, errors = observe(open_specs, session.files, session.runner) if open_specs else ({}, {})
    session.settle(facts)
    specs = [session.state.hosts[spec.id] for spec in specs]
    jobs = []
    unreachable = [
        HostResult(host, HostOutcome.UNREACHABLE, "the inventory does not have it any more") for host in removed
    ]
    for spec in specs:
        if spec.id in errors:
            unreachable.append(execution.unread_result(spec.id, errors[spec.id]))
        elif spec.id in facts or spec.id in results:
            jobs.append(_resumed_job(session, spec, facts.get(spec.id), last))
    return jobs, unreachable


def _resumed_job(session: Session, spec: HostSpec, facts: HostFacts | None, last: Unfinished) -> Job:
    intent = last.intent
    changes, live = intent.changes.get(spec.id, ()), intent.live.get(spec.id, "")
    rollback = intent.rollback.get(spec.id)
    sibling_relays = relays_beside(spec, session.state.hosts.values())
    job = Job(spec, session.files[spec.id], facts, live, changes=changes, rollback=rollback, carrier=sibling_relays)
    ships = facts is not None and rollback is None and needs_program(spec, changes)
    return execution.with_program(session, job, facts.machine["arch"]) if facts is not None and ships else job


def _of_some(session: Session, applied: Applied) -> Applied:
    hosts = session.state.hosts.keys() - {result.host for result in applied.results}
    return replace(applied, left_out=tuple(sorted(hosts)))


def plan_rollback(session: Session, targets: Sequence[str]) -> RollbackPlan:
    """Return which hosts can be rolled back, and which run is undone.

    `targets` are host ids or one run id; without targets it is the last run that hosts know. Raises `UsageError` if a
    target is neither, or no host has a state to return to; `SecretsError` if a target's secrets stayed closed, or some
    host's if no target is named; `PolicyError` if a named host belongs to another inventory.
    """
    hosts = session.state.hosts
    by_name = bool(targets) and set(targets) <= hosts.keys() | session.state.left_out.keys()
    refuse_all_shut(session.state, Limit({"host": frozenset(targets)} if by_name else {}))
    named = {target for target in targets if target in hosts}
    runs = [target for target in targets if target not in hosts]
    if len(runs) > 1 or (runs and named):
        raise UsageError("a rollback takes hosts, or one run", hint="see provisioner history for runs")
    facts, errors = observe([hosts[h] for h in sorted(named or set(hosts))], session.files, session.runner)
    session.settle(facts)
    if named:
        refuse_foreign(errors)
    generations = {
        host: {generation["run"]: datetime.fromtimestamp(generation["at"], UTC) for generation in of_host.generations}
        for host, of_host in facts.items()
    }
    newest = {host: next(iter(of_host), "") for host, of_host in generations.items()}
    run = runs[0] if runs else _last_run(session, newest.values())
    chosen = (
        {host: newest[host] for host in named & set(generations)}
        if named
        else {h: run for h in generations if run in generations[h]}
    )
    planned = {host: (target, generations[host][target]) for host, target in chosen.items() if target}
    if not planned and not errors:
        stored_runs = sorted({r for of_host in generations.values() for r in of_host})
        missing = f"a state of before {run}" if runs else "a state to return to"
        otherwise = f"kept are states of before: {', '.join(stored_runs) or 'none'}"
        hint = did_you_mean(run, [*hosts, *stored_runs], otherwise) if runs else otherwise
        raise UsageError(f"no host keeps {missing}", hint=hint)
    return RollbackPlan(planned, facts, errors)


def _last_run(session: Session, named: Iterable[str]) -> str:
    """Return the hosts' last run; recorded runs come before unknown ones."""
    runs = {run for run in named if run}
    folder = state_folder_of(session.environment, session.inventory.settings.id)
    recorded = read_history(folder, lambda history: {past.run.id for past in history.runs()}, set())
    return max(runs & recorded or runs, default="")


def roll_back(session: Session, planned: RollbackPlan, options: RunOptions = USUAL) -> Applied:
    """Roll hosts back in transactions; without record (`StateError`) none changes."""
    hosts = session.state.hosts
    jobs = [
        Job(
            hosts[host],
            session.files[host],
            planned.facts[host],
            "",
            rollback=target,
            carrier=relays_beside(hosts[host], hosts.values()),
        )
        for host, (target, _) in sorted(planned.hosts.items())
    ]
    not_started = tuple(execution.unread_result(host, error) for host, error in sorted(planned.unreadable.items()))
    closed = execution.end_killed_runs(session, planned.facts)
    run = new_run(session, Operation.ROLLBACK, approval=options.approval)
    if not jobs:
        return Applied(run.id, not_started, closed=closed, held=tuple(session.held.values()))
    intent = Intent(
        basis=session.basis({}),
        waves=waves_of(job.spec for job in jobs),
        live={},
        changes={},
        rollback={host: target for host, (target, _) in planned.hosts.items()},
        max_failed=options.rollout.max_failed,
        cuts={host: cut_whole(host) for host in planned.hosts},
    )
    with execution.carried_out_here(session, run.id) as lease:
        applied = execution.carry_out(session, run, jobs, intent, options, lease=lease, not_started=not_started)
    return replace(applied, closed=closed)
