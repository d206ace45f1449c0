"""`provisioner apply` and `provisioner rollback`."""

from pathlib import Path
from typing import Unpack

import click

from provisioner.base.errors import UsageError
from provisioner.base.processes import without_collector
from provisioner.cli.support.completion import hosts_and_runs_like
from provisioner.cli.support.context import Invocation, stoppable
from provisioner.cli.support.options import RolloutChoices, hosts_limit_option, rollout_options
from provisioner.cli.support.session import session_of
from provisioner.cli.support.terminal import ValidPath
from provisioner.desired.limit import parse_limits
from provisioner.operations.pipeline.session import begin_observing
from provisioner.plan.guards.policy import parse_allowances


@click.command()
@click.argument("saved", required=False, type=ValidPath(), metavar="[PLAN]")
@hosts_limit_option
@click.option("--allow", "allows", multiple=True, metavar="NAME=NUMBER", help="Raise a limit of the policy.")
@click.option(
    "--approvals-dir",
    "folder",
    type=ValidPath(),
    metavar="DIR",
    help="The folder of PLAN's approvals. Default: approvals/ of the inventory.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--resume", "resumed", is_flag=True, help="Resume the last unfinished run.")
@click.option("--abort", "aborted", is_flag=True, help="End the last unfinished run; waiting hosts return.")
@rollout_options
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
    """Change hosts to match the inventory.

    With a saved PLAN the command applies exactly that plan, or refuses it if the inventory or a host has changed since.
    Without PLAN it plans, shows the plan and asks.

    Hosts change in waves. Each host checks all files aside, switches in one transaction, and is read again over new
    connections. It returns to its last-good state unless its paths are as good as before.

    If the inventory requires approvals (policy.approvals), pass a saved PLAN. Exit code 6: an approval is missing.

    Example: provisioner -i DIR apply plan.json
    """
    session = session_of(invocation)
    invocation.refuse_tracked_links(saved, folder)
    if folder is not None and not saved:
        raise UsageError("--approvals-dir is for a saved plan", hint="name it: apply PLAN --approvals-dir DIR")
    if (resumed or aborted) and (saved or limits or allows or (resumed and aborted)):
        raise UsageError("--resume and --abort stand alone", hint="the run knows its plan and its hosts")
    # Report invalid options before any question.
    allowed = parse_allowances(allows) if allows and not saved else {}
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
                applied = apply_run.apply_reviewed(
                    session, str(saved), options, has_plan_options=bool(limits or allows)
                )
            else:
                planned = apply_run.make_plan(session, parse_limits(limits), allow=allowed, observing=observing)
                applied = apply_run.apply_made(invocation, session, planned, options, yes=yes)
    return apply_run.show_applied(invocation, applied)


@click.command()
@click.argument("targets", nargs=-1, metavar="[HOST…|RUN]", shell_complete=hosts_and_runs_like)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@rollout_options
def rollback(
    invocation: Invocation, /, targets: tuple[str, ...], *, yes: bool, **chosen: Unpack[RolloutChoices]
) -> int:
    """Return hosts to the state before a run.

    With a RUN, the hosts that it changed return to their state before it. With hosts, each one returns to the state
    before its own last run. Without arguments the command undoes the last run. A host keeps its last three states. A
    rollback is checked aside, made in waves, and confirmed like any other change, and it can be undone the same way.
    The inventory stays as it is: the next plan shows the difference.

    Peers, paths and readers that an apply has removed since stay away, and secrets stay the present ones; each host's
    notes list them. To bring one back, change the inventory and apply.

    Example: provisioner -i DIR rollback relay-viettel-1
    """
    from provisioner.cli import apply_run  # noqa: PLC0415

    session = session_of(invocation)
    with stoppable() as stop:
        options = apply_run.run_options_of(chosen, invocation.env, stop)
        planned, applied = apply_run.roll_back_targets(invocation, session, targets, options, yes=yes)
    return apply_run.show_rolled_back(invocation, planned, applied)
