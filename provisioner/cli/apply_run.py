"""The work of `apply` and `rollback`, imported while hosts are read."""

from typing import Annotated, Literal

import click

from provisioner.base.document import Printed, Said, form
from provisioner.base.errors import RollbackError, UsageError
from provisioner.base.language import marked
from provisioner.base.text import local_time, printable
from provisioner.cli.plan_text import plan_ending_lines, plan_lines
from provisioner.cli.support.context import Invocation, ask, echo_lines, print_document, refuse_unattended, said
from provisioner.cli.support.results import code_of, ending_lines, host_line, note_lines, run_options_of, show_applied
from provisioner.cli.support.terminal import stderr_of
from provisioner.cli.support.texts import code_with_frozen, frozen_lines
from provisioner.operations.apply.apply import RollbackPlan, abort, apply_plan, plan_rollback, resume, roll_back
from provisioner.operations.apply.run import Applied, RunOptions, RunRow
from provisioner.operations.apply.saved_plan import plan_again, reviewed_plan
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, make_plan
from provisioner.operations.rollout.result import HostOutcome, HostResult, HostRow, NotStartedBecause, exit_code

__all__ = [
    "abort",
    "apply_made",
    "apply_reviewed",
    "make_plan",
    "resume",
    "roll_back_targets",
    "run_options_of",
    "show_applied",
    "show_rolled_back",
]

_ROLLBACK_WORDS = {HostOutcome.APPLIED: marked("returned"), HostOutcome.ROLLED_BACK: marked("stayed")}


def apply_reviewed(session: Session, saved: str, options: RunOptions, *, has_plan_options: bool) -> Applied:
    """Apply a saved plan; options of a plan raise `UsageError`."""
    if has_plan_options:
        hint = "leave --limit and --allow out, or make a new plan with them: provisioner plan --out FILE"
        raise UsageError(f"{saved} is applied as it was reviewed", hint=hint)
    reviewed = reviewed_plan(session, saved)
    return apply_plan(session, plan_again(session, reviewed), saved=reviewed, options=options)


def apply_made(
    invocation: Invocation, session: Session, planned: Planned, options: RunOptions, *, yes: bool
) -> Applied:
    """Show a new plan, ask, and apply it."""
    if not invocation.json:
        terminal = stderr_of(invocation.env)
        terminal.print(plan_lines(planned.plan, terminal, say=invocation.say))
        terminal.print(plan_ending_lines(planned.plan, terminal, say=invocation.say))
    planned.refuse_foreign()
    if not (planned.plan.is_empty or planned.plan.refused or yes):
        refuse_unattended(invocation, "whether to apply this plan", hint="add --yes, or name a saved plan")
        ask("Apply this plan?")
    return apply_plan(session, planned, options=options)


def roll_back_targets(
    invocation: Invocation, session: Session, targets: tuple[str, ...], options: RunOptions, *, yes: bool
) -> tuple[RollbackPlan, Applied]:
    """Show the hosts' target states, ask, and roll back."""
    planned = plan_rollback(session, targets)
    _ask_for_rollback(invocation, planned, yes=yes)
    return planned, roll_back(session, planned, options)


def _ask_for_rollback(invocation: Invocation, planned: RollbackPlan, *, yes: bool) -> None:
    if not invocation.json:
        for host, (run, at) in planned.hosts.items():
            line = f"{host}: back to its state before run {printable(run)}, kept since {local_time(at)}"
            click.echo(said(line), err=True)
        for host, error in planned.unreadable.items():
            click.echo(f"{host}: {printable(said(error.message))}", err=True)
    if yes or not planned.hosts:
        return
    refuse_unattended(invocation, "whether to go back")
    ask("Go back?")


def show_rolled_back(invocation: Invocation, planned: RollbackPlan, applied: Applied) -> int:
    """Print the hosts' outcomes or the document; return the exit code."""
    say = invocation.say
    if invocation.json:
        print_document(_rollback_document(planned, applied).plain)
    else:
        for result in applied.results:
            label = _ROLLBACK_WORDS.get(result.outcome)
            for line in (host_line(result, say(label) if label else "", say), *note_lines(result, say)):
                click.echo(line)
        ends = (*frozen_lines(applied.held, say=say), *ending_lines(applied, going_back=True, say=say))
        echo_lines(ends)
    return code_with_frozen(code_of(applied, _rollback_exit_code(applied.results)), applied.held)


class ReturnedRow(HostRow):
    """The result of a host of a rollback."""

    outcome: Annotated[
        str, form(enum=["returned", "stayed", "unchanged", "not-started", "unreachable", "rollback-failed"])
    ]
    target: str  #: The run whose change is undone; empty without one.


class _Undone(Printed):
    run: Said
    outcome: Literal["returned", "partial", "failed"]


class RollbackDocument(RunRow, _Undone, name="rollback", title="A rollback"):
    """Output of `provisioner rollback --output json`."""

    hosts: tuple[ReturnedRow, ...]


def _rollback_document(planned: RollbackPlan, applied: Applied) -> RollbackDocument:
    done = sum(result.outcome is HostOutcome.APPLIED for result in applied.results)
    return RollbackDocument(
        **RunRow.model_validate(applied).plain,
        run=applied.run,
        outcome="returned" if done == len(applied.results) else "partial" if done else "failed",
        hosts=[
            HostRow.model_validate(result).plain
            | {"outcome": _ROLLBACK_WORDS.get(result.outcome, result.outcome.value)}
            | {"target": planned.hosts.get(result.host, ("",))[0]}
            for result in applied.results
        ],
    )


def _rollback_exit_code(results: tuple[HostResult, ...]) -> int:
    """Return the exit code; an unreturned host is a failed rollback."""
    failed = any(
        result.outcome in {HostOutcome.ROLLED_BACK, HostOutcome.ROLLBACK_FAILED}
        or result.refusal in {NotStartedBecause.CHECK, NotStartedBecause.LOCK_OUT}
        for result in results
    )
    return RollbackError.exit_code if failed else exit_code(results)
