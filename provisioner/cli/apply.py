"""`provisioner apply`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from provisioner.apply import Outcome, exit_code
from provisioner.cli.context import Invocation, today
from provisioner.cli.interrupt import stoppable
from provisioner.cli.output import counted, print_document
from provisioner.cli.plan_text import plan_lines
from provisioner.cli.results import code_of, ended_lines, host_line, note_lines, rollout_options, way_of
from provisioner.enacting import Applied, abort, enact, resume
from provisioner.errors import ApplyError, StalePlanError, UsageError
from provisioner.pipeline import Planned, Session, make_plan
from provisioner.plan import Basis, read_saved, refuse_other
from provisioner.selection import parse_limits


@click.command()
@click.argument("saved", required=False, type=click.Path(path_type=Path), metavar="[PLAN]")
@click.option("--limit", "limits", multiple=True, metavar="KIND=NAME", help="Only these hosts: carrier, host, …")
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
    *,
    yes: bool,
    resumed: bool,
    aborted: bool,
    **chosen: Any,
) -> int:
    """Bring hosts to what the inventory says.

    With a saved PLAN exactly that plan is enacted, or refused if the inventory or a host has moved
    since. Without one it plans, shows the plan and asks. Hosts change in waves. Each checks everything
    aside, switches in one transaction, is looked at over new connections, and returns to its last-good
    state unless its paths are as good as before.

    Example: provisioner -i inventories/example apply plan.json
    """
    session = Session(invocation.inventory, invocation.env, today())
    if (resumed or aborted) and (saved or limits or (resumed and aborted)):
        raise UsageError("--resume and --abort stand alone", hint="the run knows its plan and its hosts")
    if aborted:
        applied = abort(session)
    else:
        with stoppable() as stop:
            way = way_of(chosen, invocation.env, stop)
            if resumed:
                applied = resume(session, way)
            else:
                planned, basis = _planned(invocation, session, saved, limits, yes=yes)
                applied = enact(session, planned, expected=basis.live if basis else None, way=way)
    _show(invocation, applied)
    code = exit_code(applied.results) or (ApplyError.exit_code if applied.remaining or applied.notes else 0)
    return code_of(applied, code)


def _planned(
    invocation: Invocation, session: Session, saved: Path | None, limits: tuple[str, ...], *, yes: bool
) -> tuple[Planned, Basis | None]:
    basis = _saved_basis(saved) if saved else None
    if basis is not None:
        refuse_other(basis, session.basis(basis.live), str(saved))
    planned = make_plan(session, parse_limits(limits))
    if basis is None:
        _ask(invocation, planned, yes=yes)
    return planned, basis


def _saved_basis(saved: Path) -> Basis:
    try:
        return read_saved(saved.read_text(encoding="utf-8"), str(saved))
    except (OSError, UnicodeDecodeError):
        raise StalePlanError(f"{saved} cannot be read", hint="make one: provisioner plan --out FILE") from None


def _ask(invocation: Invocation, planned: Planned, *, yes: bool) -> None:
    if not invocation.json:
        for line in plan_lines(planned.plan):
            click.echo(line, color=invocation.color, err=True)
    if planned.plan.is_empty or yes:
        return
    if invocation.json or not sys.stdin.isatty():
        raise UsageError("nobody is here to answer whether to apply this plan", hint="add --yes, or name a saved plan")
    if not click.confirm("Apply this plan?", err=True):
        raise click.Abort


def _show(invocation: Invocation, applied: Applied) -> None:
    if invocation.json:
        print_document(applied.document)
        return
    for result in applied.results:
        for line in (host_line(result), *note_lines(result)):
            click.echo(line, color=invocation.color)
    for line in ended_lines(applied):
        click.echo(line, color=invocation.color)
    done = sum(result.outcome is Outcome.APPLIED for result in applied.results)
    if done:
        click.echo(f"{counted(done, 'host')} applied, run {applied.run}; a fresh plan {_fresh(applied)}")
    elif all(result.outcome is Outcome.UNCHANGED for result in applied.results):
        click.echo("nothing to do")


def _fresh(applied: Applied) -> str:
    if not applied.remaining:
        return "is empty"
    names = ", ".join(f"{c.resource.value} {c.name} on {c.host} ({c.reason})" for c in applied.remaining[:5])
    return f"still finds {counted(len(applied.remaining), 'change')}: {names}"
