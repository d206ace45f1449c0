"""Hosts returned to the state before a run: a transaction with the same checks, gate and switch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime

from provisioner.apply import Job, relays_beside, waves_of
from provisioner.base.errors import HostError, UsageError
from provisioner.base.nearest import did_you_mean
from provisioner.desired.chosen import refuse_all_shut
from provisioner.desired.limit import Limit
from provisioner.history.place import state_place_of
from provisioner.history.records import Operation
from provisioner.history.store import find_history
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.observe import observe
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import refuse_foreign
from provisioner.plan.cuts import cut_whole
from provisioner.runs.applied import Applied
from provisioner.runs.execution import carry_out, new_run, not_asked
from provisioner.runs.gone import end_gone
from provisioner.runs.intent import Intent
from provisioner.runs.options import USUAL, RunOptions


@dataclass(frozen=True)
class RollbackPlan:
    """What a rollback would do: by host, the run whose change is undone and when that state was kept."""

    hosts: Mapping[str, tuple[str, datetime]]
    facts: Mapping[str, HostFacts]
    unreadable: Mapping[str, HostError]


def plan_rollback(session: Session, targets: Sequence[str]) -> RollbackPlan:
    """See which hosts can return, and to before which run.

    Args:
        session: the session.
        targets: host ids, or one run id; none takes the last run that a host of this inventory knows.

    Raises:
        UsageError: a target is neither, or no host keeps a state to return to.
        SecretsError: a target's secrets stayed shut, or none is named and there are such hosts.
        PolicyError: a host that is named is somebody else's.
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
    kept = {host: {one.run: one.kept for one in of.generations} for host, of in facts.items()}
    newest = {host: next(iter(of), "") for host, of in kept.items()}
    run = runs[0] if runs else _last_run(session, newest.values())
    chosen = {host: newest[host] for host in named & set(kept)} if named else {h: run for h in kept if run in kept[h]}
    planned = {host: (target, kept[host][target]) for host, target in chosen.items() if target}
    if not planned and not errors:
        known = sorted({r for of in kept.values() for r in of})
        what = f"a state of before {run}" if runs else "a state to return to"
        otherwise = f"kept are states of before: {', '.join(known) or 'none'}"
        hint = did_you_mean(run, [*hosts, *known], otherwise) if runs else otherwise
        raise UsageError(f"no host keeps {what}", hint=hint)
    return RollbackPlan(planned, facts, errors)


def _last_run(session: Session, named: Iterable[str]) -> str:
    """The last of the runs that hosts name: one that is recorded here, if any is, as a host may name what never was."""
    runs = {run for run in named if run}
    history = find_history(state_place_of(session.environment, session.inventory.settings.id))
    if history is not None:
        with closing(history):
            recorded = {past.run.id for past in history.runs()}
        runs = runs & recorded or runs
    return max(runs, default="")


def roll_back(session: Session, planned: RollbackPlan, options: RunOptions = USUAL) -> Applied:
    """Return hosts to the state before a run: a transaction with the same checks, gate and switch.

    Raises:
        StateError: the run cannot be recorded; nothing was touched.
    """
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
    others = tuple(not_asked(host, error) for host, error in sorted(planned.unreadable.items()))
    closed = end_gone(session, planned.facts)
    run = new_run(session, Operation.ROLLBACK, options, "")
    if not jobs:
        return Applied(run.id, others, closed=closed, held=tuple(session.held.values()))
    intent = Intent(
        basis=session.basis({}),
        waves=waves_of(job.spec for job in jobs),
        live={},
        changes={},
        rollback={host: target for host, (target, _) in planned.hosts.items()},
        max_failed=options.rollout.max_failed,
        cuts={host: cut_whole(host) for host in planned.hosts},
    )
    return replace(carry_out(session, run, jobs, intent, options, others=others), closed=closed)
