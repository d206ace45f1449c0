"""`provisioner apply`."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import click

from provisioner.base.errors import UsageError
from provisioner.cli.context import Invocation
from provisioner.cli.interrupt import stoppable
from provisioner.cli.limit import hosts_limit_option
from provisioner.cli.plan_text import ending_lines as plan_ending_lines
from provisioner.cli.plan_text import plan_lines
from provisioner.cli.question import ask, refuse_unattended
from provisioner.cli.results import RolloutChoices, rollout_options, run_options_of, show_applied
from provisioner.cli.session import session_of
from provisioner.cli.terminal import stderr_of
from provisioner.cli.word import Place
from provisioner.desired.limit import parse_limits
from provisioner.pipeline import Planned, Session, make_plan
from provisioner.plan.guards.policy import parse_allowances
from provisioner.runs.applied import Applied
from provisioner.runs.apply import apply_plan
from provisioner.runs.options import RunOptions
from provisioner.runs.resume import abort, resume
from provisioner.runs.saved_plan import plan_again, reviewed_plan


@click.command()
@click.argument("saved", required=False, type=Place(path_type=Path), metavar="[PLAN]")
@hosts_limit_option
@click.option("--allow", "allows", multiple=True, metavar="NAME=NUMBER", help="Raise a limit of the policy.")
@click.option(
    "--approvals",
    "folder",
    type=Place(path_type=Path),
    metavar="DIR",
    help="Where the approvals of PLAN are; approvals/ of the inventory otherwise.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--resume", "resumed", is_flag=True, help="Go on with the last run that has not ended.")
@click.option("--abort", "aborted", is_flag=True, help="End the last run that has not ended; hosts that wait return.")
@rollout_options
@click.pass_obj
def apply(
    invocation: Invocation,
    /,
    saved: Path | None,
    limits: tuple[str, ...],
    allows: tuple[str, ...],
    *,
    folder: Path | None,
    yes: bool,
    resumed: bool,
    aborted: bool,
    **chosen: Unpack[RolloutChoices],
) -> int:
    """Bring hosts to what the inventory says.

    With a saved PLAN exactly that plan is enacted, or refused if the inventory or a host has moved
    since. Without one it plans, shows the plan and asks. Hosts change in waves. Each checks everything
    aside, switches in one transaction, is looked at over new connections, and returns to its last-good
    state unless its paths are as good as before. Where the inventory has people approve plans
    (policy.approvals) it takes a saved PLAN alone, and ends with 6 while somebody is still needed.

    Example: provisioner -i DIR apply plan.json
    """
    session = session_of(invocation)
    invocation.refuse_proposed(folder)
    if folder is not None and not saved:
        raise UsageError("--approvals is for a saved plan", hint="name it: apply PLAN --approvals DIR")
    if (resumed or aborted) and (saved or limits or allows or (resumed and aborted)):
        raise UsageError("--resume and --abort stand alone", hint="the run knows its plan and its hosts")
    if aborted:
        applied = abort(session)
    else:
        with stoppable() as stop:
            options = run_options_of(chosen, invocation.env, stop, folder)
            if resumed:
                applied = resume(session, options)
            elif saved:
                applied = _apply_reviewed(session, str(saved), options, given=bool(limits or allows))
            else:
                planned = make_plan(session, parse_limits(limits), allow=parse_allowances(allows))
                _ask(invocation, planned, yes=yes)
                applied = apply_plan(session, planned, options=options)
    return show_applied(invocation, applied)


def _apply_reviewed(session: Session, saved: str, options: RunOptions, *, given: bool) -> Applied:
    """Apply a saved plan; which hosts it takes and what it is allowed stands in it."""
    if given:
        hint = "leave --limit and --allow out, or make a new plan with them: provisioner plan --out FILE"
        raise UsageError(f"{saved} is applied as it was reviewed", hint=hint)
    reviewed = reviewed_plan(session, saved)
    return apply_plan(session, plan_again(session, reviewed), saved=reviewed, options=options)


def _ask(invocation: Invocation, planned: Planned, *, yes: bool) -> None:
    if not invocation.json:
        terminal = stderr_of(invocation.env, color=invocation.color)
        terminal.print(plan_lines(planned.plan, terminal, say=invocation.say))
        terminal.print(plan_ending_lines(planned.plan, terminal, say=invocation.say))
    planned.refuse_foreign()
    if planned.plan.is_empty or planned.plan.refused or yes:
        return
    refuse_unattended(invocation, "whether to apply this plan", hint="add --yes, or name a saved plan")
    ask("Apply this plan?")
