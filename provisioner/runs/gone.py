"""Runs whose controller was killed, ended by the next command that reads their hosts.

A host that is not confirmed returns by itself, whoever was killed. What nobody wrote down is the end of the run: it
would be unfinished for ever, whatever was applied since. A later apply or rollback has just read the hosts; where none
of them waits for that run any more, each is asked what became of it there, and the run ends with that.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

from provisioner.apply import (
    HostOutcome,
    HostResult,
    Job,
    JournalStep,
    NotStartedBecause,
    RolloutOptions,
    outcome_of,
    relays_beside,
    roll_out,
)
from provisioner.base.errors import StateError
from provisioner.history.who import who, who_text
from provisioner.hosts.facts import HostFacts
from provisioner.pipeline.session import Session
from provisioner.runs.applied import Applied, ClosedRun
from provisioner.runs.execution import by_host, holdings_after, remaining_changes
from provisioner.runs.journal import RunLog, state_place
from provisioner.runs.unfinished import SILENT, Unfinished, proved_unfinished

_CAUSE = "its controller was gone, and it was seen what became of its hosts"


def end_gone(session: Session, facts: Mapping[str, HostFacts]) -> tuple[ClosedRun, ...]:
    """End the runs that were killed, as far as a command has read all of their hosts.

    A run that pauses or was interrupted is left to people, and so is one that is not proved to be by the vault's key.

    Args:
        session: the session.
        facts: the hosts as this command has just read them.
    """
    try:
        waiting = [last for last in proved_unfinished(state_place(session)) if _is_over(session, last, facts)]
        ended = [_ended(session, last, facts) for last in waiting]
    except StateError:
        # Whether a new run can be recorded is told by that run itself.
        return ()
    return tuple(closed for closed in ended if closed is not None)


def _is_over(session: Session, last: Unfinished, facts: Mapping[str, HostFacts]) -> bool:
    """Whether a run is neither alive nor wanted, and every host of it was read and does not wait for it."""
    if last.kept or datetime.now(UTC) - last.heard < SILENT:
        return False
    known = [host for host in _hosts(last) if host in session.state.hosts]
    read = all(host in facts or host in last.progress.results for host in known)
    return read and not any(of.armed is not None and of.armed.run == last.run.id for of in facts.values())


def _hosts(last: Unfinished) -> list[str]:
    return [host for wave in last.intent.waves for host in wave.hosts]


def _ended(session: Session, last: Unfinished, facts: Mapping[str, HostFacts]) -> ClosedRun | None:
    """End a run with what each of its hosts says of it; None where one does not say."""
    progress = last.seen_on({host: of for host, of in facts.items() if host in _hosts(last)})
    jobs = [_job(session, last, host, facts[host]) for host in _hosts(last) if host in progress.started]
    options = RolloutOptions(who=who_text(who(session.environment)))
    with closing(RunLog(state_place(session), last.run)) as log:
        done = roll_out(jobs, last.run.id, session.runner, options, log, progress=progress, abort=_CAUSE)
        if any(result.outcome is HostOutcome.UNREACHABLE for result in done.results):
            return None
        heard = {**progress.results, **{result.host: result for result in done.results}}
        results = by_host(heard.get(host) or _never(session, host) for host in _hosts(last))
        read = [replace(r, facts=facts[r.host]) for r in results if r.host in facts]
        holdings = holdings_after(session, last.run.operation, read, remaining_changes(session, read))
        log.write(JournalStep("", "run", "ended", {"cause": _CAUSE, "who": options.who}))
        document = Applied(last.run.id, results, plan=last.run.plan).document | {"journal": log.digest()}
        outcome = outcome_of(results)
        return ClosedRun(last.run.id, outcome) if log.end(outcome, document, holdings) is not None else None


def _job(session: Session, last: Unfinished, host: str, facts: HostFacts) -> Job:
    spec = session.state.hosts[host]
    beside = relays_beside(spec, session.state.hosts.values())
    rollback = last.intent.rollback.get(host)
    return Job(spec, session.files[host], facts, "", rollback=rollback, carrier=beside)


def _never(session: Session, host: str) -> HostResult:
    if host not in session.state.hosts:
        return HostResult(host, HostOutcome.UNREACHABLE, "the inventory does not have it any more")
    return HostResult(host, HostOutcome.NOT_STARTED, _CAUSE, refusal=NotStartedBecause.HELD_BACK)
