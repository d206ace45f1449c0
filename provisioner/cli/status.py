"""`provisioner status`."""

from __future__ import annotations

from collections.abc import Iterable

import click

from provisioner.base.errors import InventoryError
from provisioner.cli.context import Invocation
from provisioner.cli.output import counted, print_document, print_warning
from provisioner.cli.overview import overview_of
from provisioner.desired.limit import parse_limits
from provisioner.lifecycle.reasons import Grounds, reasons
from provisioner.lifecycle.status import FacilityStatus
from provisioner.report.status import Explained, status_document, status_lines, why_lines
from provisioner.runs.overview import Overview


@click.command()
@click.argument("facilities", nargs=-1, metavar="[FACILITY]…")
@click.option("--why", is_flag=True, help="Tell in sentences why each stands there, and what comes next.")
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="KIND=NAME",
    help="Only these: carrier, province, facility or host. May be repeated.",
)
@click.pass_obj
def status(invocation: Invocation, facilities: tuple[str, ...], limits: tuple[str, ...], *, why: bool) -> int:
    """Show where facilities stand, and how they stand against their deadlines.

    States are derived: from the facility's file up to the agreed plan, then from what apply and verify
    recorded. Asks no host. An inventory with errors is shown as far as it can be read; it ends with 3 if
    a facility cannot be.

    Example: provisioner -i inventories/example status --why kcl-bg-001
    """
    seen = overview_of(invocation)
    chosen = seen.statuses(facilities, parse_limits(limits))
    _warn(invocation, seen)
    explained = {one.facility.id: _explained(seen, one) for one in chosen} if why else {}
    if invocation.json:
        told = status_document(chosen, seen.evidence, seen.now, explained)
        print_document(told | {"unreadable": list(seen.unreadable)})
    elif why:
        _print("\n\n".join("\n".join(why_lines(one)) for one in explained.values()).split("\n"))
    else:
        _print(status_lines(chosen, seen.evidence, seen.now))
    return InventoryError.exit_code if seen.unreadable else 0


def _explained(seen: Overview, status: FacilityStatus) -> Explained:
    grounds = Grounds(status.standing, seen.evidence, status.duties, seen.inventory.instructions, seen.loaded.places)
    problems = tuple(problem for problem in seen.problems if problem.object == f"facility/{status.facility.id}")
    return Explained(status, reasons(grounds), problems)


def _warn(invocation: Invocation, seen: Overview) -> None:
    if seen.errors:
        message = f"the inventory has {counted(len(seen.errors), 'error')}: hosts stay as they are until it has none"
        print_warning(message, "see them: provisioner validate", color=invocation.color)
    for name in seen.unreadable:
        print_warning(f"facility {name} cannot be read, and is not shown", "", color=invocation.color)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
