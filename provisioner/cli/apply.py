"""`provisioner apply`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from provisioner.apply import HostResult, Outcome, document, exit_code
from provisioner.cli.context import Invocation, today
from provisioner.cli.output import counted, print_document
from provisioner.cli.plan_text import plan_lines
from provisioner.errors import ApplyError, StalePlanError, UsageError
from provisioner.pipeline import Applied, Planned, Session, enact, make_plan
from provisioner.plan import Basis, read_saved, refuse_other
from provisioner.selection import parse_limits

_COLOURS = {Outcome.APPLIED: "green", Outcome.UNCHANGED: "white"}


@click.command()
@click.argument("saved", required=False, type=click.Path(path_type=Path), metavar="[PLAN]")
@click.option("--limit", "limits", multiple=True, metavar="KIND=NAME", help="Only these hosts: carrier, host, …")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def apply(invocation: Invocation, saved: Path | None, limits: tuple[str, ...], *, yes: bool) -> int:
    """Bring hosts to what the inventory says.

    With a saved PLAN exactly that plan is enacted, or refused if the inventory or a host has moved
    since. Without one it plans, shows the plan and asks. Each host checks everything aside, switches in
    one transaction, and returns to its last-good state by itself unless the controller confirms over a
    new connection.

    Example: provisioner -i inventories/example apply plan.json
    """
    session = Session(invocation.inventory, invocation.env, today())
    basis = _saved_basis(saved) if saved else None
    if basis is not None:
        refuse_other(basis, session.basis(basis.live), str(saved))
    planned = make_plan(session, parse_limits(limits))
    if basis is None:
        _ask(invocation, planned, yes=yes)
    applied = enact(session, planned, expected=basis.live if basis else None)
    _show(invocation, planned, applied)
    code = exit_code(applied.results)
    return code or (ApplyError.exit_code if applied.remaining else 0)


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


def _show(invocation: Invocation, planned: Planned, applied: Applied) -> None:
    if invocation.json:
        shown = document(planned.plan.basis.digest, applied.results)
        shown["run"] = applied.run
        shown["remaining"] = [{"host": c.host, "name": c.name, "reason": c.reason} for c in applied.remaining]
        print_document(shown)
        return
    for result in applied.results:
        click.echo(_line(result), color=invocation.color)
    done = sum(result.outcome is Outcome.APPLIED for result in applied.results)
    if done:
        click.echo(f"{counted(done, 'host')} applied, run {applied.run}; a fresh plan {_fresh(applied)}")
    elif all(result.outcome is Outcome.UNCHANGED for result in applied.results):
        click.echo("nothing to do")


def _line(result: HostResult) -> str:
    outcome = click.style(result.outcome.value, fg=_COLOURS.get(result.outcome, "red"), bold=True)
    took = f" in {result.seconds:.2f} s" if result.seconds else ""
    cause = f": {result.cause}" if result.cause else ""
    return f"{result.host}: {outcome}{took}{cause}"


def _fresh(applied: Applied) -> str:
    if not applied.remaining:
        return "is empty"
    names = ", ".join(f"{c.resource.value} {c.name} on {c.host} ({c.reason})" for c in applied.remaining[:5])
    return f"still finds {counted(len(applied.remaining), 'change')}: {names}"
