"""A plan applied to the hosts that change. Above `pipeline`, which makes the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from provisioner.apply import HostOutcome, HostResult, Job, NotStartedBecause, RolloutOptions, relays_beside, waves_of
from provisioner.base.counted import counted
from provisioner.base.errors import PolicyError, StalePlanError
from provisioner.desired.spec import HostSpec
from provisioner.history.records import Operation
from provisioner.hosts.facts import ArmedChange
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import Planned
from provisioner.plan import Plan, Saved, moved_hosts
from provisioner.plan.cuts import cut_of
from provisioner.plan.guards.policy import hint_once_saved
from provisioner.plan.guards.programs import needs_program
from provisioner.plan.seen import first_few
from provisioner.runs.applied import Applied
from provisioner.runs.approvals.before_apply import refuse_unapproved
from provisioner.runs.approvals.warrants import plan_warrant
from provisioner.runs.execution import carry_out, new_run, with_program
from provisioner.runs.gone import end_gone
from provisioner.runs.intent import Intent
from provisioner.runs.options import USUAL, RunOptions

_NAMED = 3
_NEW_HOST = (
    "if it is new, plan again and say so, as a saved plan takes no allowance: plan --allow trust=NUMBER --out FILE"
)


def apply_plan(
    session: Session, planned: Planned, *, saved: Saved | None = None, options: RunOptions = USUAL
) -> Applied:
    """Bring the hosts that change to what a plan says, then plan afresh.

    Args:
        session: the same session that the plan was made in.
        planned: the plan, as made now.
        saved: the plan that was reviewed; hosts that moved since it was made are not started.
        options: how the run goes.

    Raises:
        PolicyError: the plan is refused, or somebody has still to approve it, or a host is somebody else's; nothing
            was touched.
        StalePlanError: the saved plan is refused, and hosts have moved since it was made; nothing was touched.
        HostError: MediaMTX's program cannot be had; nothing was touched.
        StateError: the run cannot be recorded; nothing was touched.
    """
    planned.refuse_foreign()
    stale = moved_hosts(saved, planned.plan, planned.seen) if saved else {}
    _refuse(planned.plan, saved, stale, options.rollout)
    approvals = refuse_unapproved(session, planned, saved, options.folder, tuple(stale))
    live = planned.plan.basis.live
    closed = end_gone(session, planned.facts)
    changed = [spec for spec in planned.hosts if spec.id in planned.plan.hosts and spec.id not in stale]
    jobs = [_job(session, spec, planned, live.get(spec.id, "")) for spec in changed]
    intent = Intent(
        basis=planned.plan.basis,
        waves=waves_of(changed),
        live={spec.id: live.get(spec.id, "") for spec in changed},
        changes={job.spec.id: job.changes for job in jobs},
        max_failed=options.rollout.max_failed,
        cuts={job.spec.id: cut for job in jobs if (cut := cut_of(job.spec, job.changes))},
        warrant=plan_warrant(session, saved, options.folder),
    )
    run = replace(new_run(session, Operation.APPLY, options, planned.plan.basis.digest), approvals=approvals)
    others = _others(planned, stale, reviewed=saved is not None)
    held = tuple(one.facility for one in planned.plan.held_back)
    if not jobs:
        return Applied(run.id, others, plan=run.plan, left_out=planned.plan.left_out, closed=closed, held=held)
    applied = carry_out(session, run, jobs, intent, options, others=others, held=held)
    return replace(applied, left_out=planned.plan.left_out, closed=closed)


def _refuse(plan: Plan, saved: Saved | None, stale: Mapping[str, list[str]], options: RolloutOptions) -> None:
    """Refuse a plan that policy holds back: as it is now, whatever it was when it was reviewed.

    Raises:
        PolicyError: with the first reason.
        StalePlanError: it is refused, and stale as well: the same plan would not come of the same hosts any more.
    """
    refused = [r for r in plan.refused if r.policy != "lock_out" or options.lockout_check]
    if refused:
        more = f" (and {counted(len(refused) - 1, 'more reason')})" if len(refused) > 1 else ""
        message = f"{refused[0].message}{more}"
        hint = refused[0].hint if saved is None else hint_once_saved(refused, saved.basis.allow)
        if stale:
            moved = "; ".join(
                f"{host} has moved ({first_few(items)})" for host, items in sorted(stale.items())[:_NAMED]
            )
            others = f"; so have {counted(len(stale) - _NAMED, 'more host')}" if len(stale) > _NAMED else ""
            raise StalePlanError(
                f"the plan is stale: {moved}{others}; and it is refused: {message}", hint=hint, object=min(stale)
            )
        raise PolicyError(message, hint=hint, object=refused[0].host)
    if saved is not None and "outside_limit" in saved.refused:
        hint = "make a plan of whole hosts: provisioner plan --limit host=… --out FILE"
        raise PolicyError("the plan was made with a limit that cuts through hosts with other changes", hint=hint)


def _others(planned: Planned, stale: Mapping[str, list[str]], *, reviewed: bool) -> tuple[HostResult, ...]:
    """The hosts that are not changed: those that moved, could not be read, or are as desired."""
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


def _as_desired(host: str, armed: ArmedChange | None) -> HostResult:
    """A host that is as desired, unless that is somebody's change which may still be taken back."""
    if armed is None:
        return HostResult(host, HostOutcome.UNCHANGED)
    cause = f"run {armed.run} waits for its confirmation: {armed.who or 'of somebody'}"
    return HostResult(host, HostOutcome.NOT_STARTED, cause, refusal=NotStartedBecause.LOCKED)


def _job(session: Session, spec: HostSpec, planned: Planned, expected: str) -> Job:
    files, facts = session.files[spec.id], planned.facts[spec.id]
    changes = tuple(change for change in planned.plan.pending if change.host == spec.id)
    beside = relays_beside(spec, session.state.hosts.values())
    job = Job(spec, files, facts, expected, changes=changes, carrier=beside)
    return with_program(session, job, facts.arch) if needs_program(spec, changes) else job
