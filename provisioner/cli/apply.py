"""`provisioner apply`."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import click

from provisioner.base.collector import without_collector
from provisioner.base.errors import UsageError
from provisioner.cli.context import Invocation
from provisioner.cli.interrupt import stoppable
from provisioner.cli.limit import hosts_limit_option
from provisioner.cli.rollout_options import RolloutChoices, rollout_options
from provisioner.cli.session import session_of
from provisioner.cli.word import Place
from provisioner.desired.limit import parse_limits
from provisioner.pipeline.session import begin_observing


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
    # What is written wrong is said before anybody is asked; most write none, and need no import for it.
    allowed = _allowed(allows) if allows and not saved else {}
    with stoppable() as stop:
        observing = None if saved or resumed or aborted else begin_observing(session, parse_limits(limits))
        # Only now: while hosts are read there is time for this import.
        with without_collector():
            from provisioner.cli import apply_run  # noqa: PLC0415

        if aborted:
            applied = apply_run.abort(session)
        else:
            options = apply_run.run_options_of(chosen, invocation.env, stop, folder)
            if resumed:
                applied = apply_run.resume(session, options)
            elif saved:
                applied = apply_run.apply_reviewed(session, str(saved), options, given=bool(limits or allows))
            else:
                planned = apply_run.make_plan(session, parse_limits(limits), allow=allowed, observing=observing)
                applied = apply_run.apply_made(invocation, session, planned, options, yes=yes)
    return apply_run.show_applied(invocation, applied)


def _allowed(allows: tuple[str, ...]) -> dict[str, int]:
    from provisioner.plan.guards.policy import parse_allowances  # noqa: PLC0415 (few raise a limit)

    return parse_allowances(allows)
