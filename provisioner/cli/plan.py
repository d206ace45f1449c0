"""`provisioner plan` and `provisioner drift`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from provisioner.cli.context import Invocation, today
from provisioner.cli.output import print_document
from provisioner.cli.plan_text import plan_lines
from provisioner.errors import HostError
from provisioner.inventory.atomic import write_atomic
from provisioner.pipeline import Planned, Session, make_plan
from provisioner.plan import DRIFT_SCHEMA, SCHEMA, document
from provisioner.selection import parse_limits

_CHANGES = 10
_limit = click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="KIND=NAME",
    help="Only these: carrier, province, facility or host. May be repeated.",
)
_all = click.option("--all", "everything", is_flag=True, help="List what is as desired, too.")


@click.command()
@_limit
@_all
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Save the plan, for apply FILE.")
@click.option("--exit-code", "tell", is_flag=True, help="End with 10 if there are changes.")
@click.pass_obj
def plan(invocation: Invocation, limits: tuple[str, ...], out: Path | None, *, everything: bool, tell: bool) -> int:
    """Show what apply would change, on which host, and whom it would cut.

    Reads every chosen host and changes nothing. Ends with 5 if a host could not be read: its changes
    are not in the plan.

    Example: provisioner -i inventories/example plan --out plan.json
    """
    planned = make_plan(Session(invocation.inventory, invocation.env, today()), parse_limits(limits))
    if out is not None:
        write_atomic(
            out,
            json.dumps(document(planned.plan, everything=True), ensure_ascii=False, indent=1, sort_keys=True) + "\n",
        )
    _show(invocation, planned, SCHEMA, everything=everything)
    if planned.unreadable:
        return HostError.exit_code
    return _CHANGES if tell and not planned.plan.is_empty else 0


@click.command()
@_limit
@_all
@click.pass_obj
def drift(invocation: Invocation, limits: tuple[str, ...], *, everything: bool) -> int:
    """Tell whether hosts are as the inventory says: 0 if they are, 10 if not.

    Example: provisioner -i inventories/example drift --limit carrier=viettel
    """
    planned = make_plan(Session(invocation.inventory, invocation.env, today()), parse_limits(limits))
    _show(invocation, planned, DRIFT_SCHEMA, everything=everything)
    if planned.unreadable:
        return HostError.exit_code
    return 0 if planned.plan.is_empty else _CHANGES


def _show(invocation: Invocation, planned: Planned, schema: str, *, everything: bool) -> None:
    if invocation.json:
        shown = document(planned.plan, everything=everything, schema=schema)
        shown["unreadable"] = {host: error.message for host, error in sorted(planned.unreadable.items())}
        print_document(shown)
        return
    for line in plan_lines(planned.plan, everything=everything):
        click.echo(line, color=invocation.color)
    for _, error in sorted(planned.unreadable.items()):
        click.echo(click.style("error:", fg="red", bold=True) + f" {error.message}", err=True, color=invocation.color)
        click.echo(f"  hint: {error.hint}", err=True)
