"""`provisioner rollback`."""

from __future__ import annotations

from typing import Unpack

import click

from provisioner.apply import HostOutcome, HostResult, NotStartedBecause, exit_code, host_document
from provisioner.base.errors import RollbackError
from provisioner.base.json_document import Document
from provisioner.base.language import marked
from provisioner.base.printable import printable
from provisioner.cli.completion import hosts_and_runs_like
from provisioner.cli.context import Invocation
from provisioner.cli.held_text import code_with_held, held_documents, held_lines
from provisioner.cli.interrupt import stoppable
from provisioner.cli.output import print_document
from provisioner.cli.question import ask, refuse_unattended
from provisioner.cli.results import code_of, ending_lines, host_line, note_lines, run_options_of
from provisioner.cli.rollout_options import RolloutChoices, rollout_options
from provisioner.cli.session import session_of
from provisioner.runs.applied import Applied
from provisioner.runs.rollback import RollbackPlan, plan_rollback, roll_back

_WORDS = {HostOutcome.APPLIED: marked("returned"), HostOutcome.ROLLED_BACK: marked("stayed")}


@click.command()
@click.argument("targets", nargs=-1, metavar="[HOST…|RUN]", shell_complete=hosts_and_runs_like)
@click.option("--yes", is_flag=True, help="Do not ask.")
@rollout_options
@click.pass_obj
def rollback(
    invocation: Invocation, /, targets: tuple[str, ...], *, yes: bool, **chosen: Unpack[RolloutChoices]
) -> int:
    """Return hosts to the state before a run.

    With a RUN, the hosts that it changed return to their state before it; with hosts, each returns to
    its state before its own last run; without either, the last run is undone. A host keeps its last
    three states. Going back is a change like any other: checked aside, in waves, looked at, confirmed,
    and it can be undone the same way. The inventory stays as it is: the next plan names the difference.

    What an apply has taken away since (peers, paths, readers) stays away, and secrets stay the present
    ones: each host's notes name it. To bring something back, change the inventory and apply.

    Example: provisioner -i DIR rollback relay-viettel-1
    """
    session = session_of(invocation)
    with stoppable() as stop:
        options = run_options_of(chosen, invocation.env, stop)
        planned = plan_rollback(session, targets)
        _ask(invocation, planned, yes=yes)
        applied = roll_back(session, planned, options)
    _show(invocation, planned, applied)
    return code_with_held(code_of(applied, _exit_code(applied.results)), applied.held)


def _exit_code(results: tuple[HostResult, ...]) -> int:
    """The exit code: a host that should have returned and did not is a failed rollback."""
    failed = any(
        result.outcome in {HostOutcome.ROLLED_BACK, HostOutcome.ROLLBACK_FAILED}
        or result.refusal in {NotStartedBecause.CHECK, NotStartedBecause.LOCK_OUT}
        for result in results
    )
    return RollbackError.exit_code if failed else exit_code(results)


def _ask(invocation: Invocation, planned: RollbackPlan, *, yes: bool) -> None:
    if not invocation.json:
        for host, (run, at) in planned.hosts.items():
            click.echo(
                f"{host}: back to its state before run {printable(run)}, kept since {at:%Y-%m-%d %H:%M} UTC", err=True
            )
        for host, error in planned.unreadable.items():
            click.echo(f"{host}: {printable(error.message)}", err=True)
    if yes or not planned.hosts:
        return
    refuse_unattended(invocation, "whether to go back")
    ask("Go back?")


def _show(invocation: Invocation, planned: RollbackPlan, applied: Applied) -> None:
    if invocation.json:
        print_document(_document(planned, applied))
        return
    say = invocation.say
    for result in applied.results:
        word = _WORDS.get(result.outcome)
        for line in (host_line(result, say(word) if word else "", say), *note_lines(result, say)):
            click.echo(line, color=invocation.color)
    for line in (*held_lines(applied.held, say=say), *ending_lines(applied, going_back=True, say=say)):
        click.echo(line, color=invocation.color)


def _document(planned: RollbackPlan, applied: Applied) -> Document:
    done = sum(result.outcome is HostOutcome.APPLIED for result in applied.results)
    outcome = "returned" if done == len(applied.results) else "partial" if done else "failed"
    return {
        "schema": "provisioner/rollback",
        "version": 1,
        "run": applied.run,
        "outcome": outcome,
        "ended": applied.ended,
        "notes": list(applied.notes),
        "warnings": list(applied.warnings),
        "closed": [closed.document for closed in applied.closed],
        "held": held_documents(applied.held),
        "hosts": [
            host_document(result)
            | {"outcome": _WORDS.get(result.outcome, result.outcome.value)}
            | {"target": planned.hosts.get(result.host, ("",))[0]}
            for result in applied.results
        ],
    }
