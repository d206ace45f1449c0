"""`provisioner status`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.base.collector import without_collector
from provisioner.base.counted import counted
from provisioner.base.errors import InventoryError, UsageError
from provisioner.base.language import marked
from provisioner.cli.completion import facilities_like
from provisioner.cli.context import Invocation, today
from provisioner.cli.held_text import HOSTS_KEEP, code_with_held, held_documents, print_held
from provisioner.cli.limit import limit_option
from provisioner.cli.output import print_document, print_warning
from provisioner.cli.overview import overview_of
from provisioner.cli.word import Place
from provisioner.desired.limit import parse_limits
from provisioner.lifecycle.drains import drain_standings
from provisioner.lifecycle.reasons import Grounds, reasons
from provisioner.lifecycle.status import FacilityStatus
from provisioner.plan.guards.measures import named
from provisioner.report.facility_document import facility_document
from provisioner.report.key_ages import change_lines
from provisioner.report.packages import package_lines, packages_document
from provisioner.report.status import Explained, drain_lines, status_document, status_lines, why_lines
from provisioner.runs.overview import Overview
from provisioner.runs.packages import package_standings, read_packages

if TYPE_CHECKING:
    from provisioner.availability.since import PathSince
    from provisioner.importing.dcim.client import DcimClient

_path = Place(path_type=Path)


@click.command()
@click.argument("facilities", nargs=-1, metavar="[FACILITY]…", shell_complete=facilities_like)
@click.option("--why", is_flag=True, help="Tell in sentences why each stands there, and what comes next.")
@limit_option
@click.option(
    "--to", "mapping", type=_path, metavar="MAPPING.yml", help="Tell the NetBox or Nautobot that a mapping names."
)
@click.option("--token-file", type=_path, metavar="FILE", help="With --to: the file with the server's token.")
@click.pass_obj
def status(
    invocation: Invocation,
    facilities: tuple[str, ...],
    limits: tuple[str, ...],
    *,
    why: bool,
    mapping: Path | None,
    token_file: Path | None,
) -> int:
    """Show where facilities stand, and how they stand against their deadlines.

    States are derived: from the facility's file up to the agreed plan, then from what apply and verify
    recorded. Asks no host. An inventory with errors is shown as far as it can be read; it ends with 3 if
    a facility cannot be. With --to it is written into custom fields of a NetBox's sites as well, and ends with
    14 where that server was not told.

    Example: provisioner -i DIR status --why kcl-bg-001
    """
    if (mapping is None) != (token_file is None):
        raise UsageError("--to and --token-file go together", hint="put the token alone into a file of your own")
    invocation.refuse_proposed(mapping, token_file)
    client = None if mapping is None else _client(invocation, mapping, token_file)
    with without_collector():
        return _status(invocation, facilities, limits, client, why=why)


def _client(invocation: Invocation, mapping: Path, token_file: Path | None) -> DcimClient:
    from provisioner.cli.dcim import dcim_client  # noqa: PLC0415 (it brings an HTTP library)

    return dcim_client(invocation, mapping, token_file)


def _status(
    invocation: Invocation,
    facilities: tuple[str, ...],
    limits: tuple[str, ...],
    client: DcimClient | None,
    *,
    why: bool,
) -> int:
    # `--why` looks at cameras; where facilities are named those are few.
    whole = overview_of(invocation, in_brief=bool(facilities) or not why)
    chosen, held = whole.statuses(facilities, parse_limits(limits)), whole.held_by(facilities, parse_limits(limits))
    _warn(invocation, whole)
    if not invocation.json:
        print_held(held, color=invocation.color, what=HOSTS_KEEP, say=invocation.say)
    explained = _all_explained(whole, chosen) if why else {}
    drains = drain_standings(whole.inventory, whole.evidence)
    sites = [one.facility for one in chosen]
    outlines = ((site.id, whole.loaded.outlines.get(site.id)) for site in sites)
    changing = {name: outline.next_key for name, outline in outlines if outline and outline.next_key is not None}
    records = read_packages(whole.place)
    packages = package_standings(whole.inventory, records, whole.evidence, sites, today=today())
    if invocation.json:
        document = status_document(chosen, whole.evidence, whole.now, explained, drains)
        document["packages"] = packages_document(packages)
        document["key_changes"] = {name: bool(key) for name, key in changing.items()}
        of_all = {"unreadable": list(whole.unreadable), "unsealed_relays": list(whole.unsealed)}
        print_document(document | of_all | {"held": held_documents(held)})
    elif why:
        _print("\n\n".join("\n".join(why_lines(one, invocation.say)) for one in explained.values()).split("\n"))
    else:
        lines = status_lines(chosen, whole.evidence, whole.now, invocation.say)
        seen_to = (*drain_lines(drains, invocation.say), *change_lines(list(changing), invocation.say))
        _print([*lines, *seen_to, *package_lines(packages, invocation.say)])
    if client is not None:
        from provisioner.cli.dcim import tell_status  # noqa: PLC0415 (it brings an HTTP library)

        tell_status(invocation, client, [facility_document(one) for one in chosen])
    return code_with_held(InventoryError.exit_code if whole.unreadable else 0, held)


def _all_explained(whole: Overview, chosen: Sequence[FacilityStatus]) -> dict[str, Explained]:
    failing = whole.failing([one.facility for one in chosen])
    return {one.facility.id: _explained(whole, one, failing.get(one.facility.id, {})) for one in chosen}


def _explained(whole: Overview, status: FacilityStatus, failing: Mapping[str, PathSince]) -> Explained:
    grounds = Grounds(status.standing, whole.evidence, status.duties, whole.inventory.instructions, whole.loaded.places)
    problems = tuple(problem for problem in whole.problems if problem.object == f"facility/{status.facility.id}")
    return Explained(status, reasons(grounds), problems, failing)


def _warn(invocation: Invocation, whole: Overview) -> None:
    if whole.errors and not whole.held:
        errors = counted(len(whole.errors), "error")
        message = marked(f"the inventory has {errors}: hosts stay as they are until it has none")
        print_warning(message, marked("see them: provisioner validate"), color=invocation.color, say=invocation.say)
    if whole.unsealed:
        relays = named(whole.unsealed)
        message = marked(f"the tunnel's key of {relays} is on its disk alone: a dead disk costs each site a visit")
        hint = marked("have it sealed: provisioner keys init")
        if whole.inventory.settings.recovery is None:
            hint = marked("make a recovery key, to which relays seal theirs: provisioner keys recovery, then keys init")
        print_warning(message, hint, color=invocation.color, say=invocation.say)
    for run in whole.unended:
        hint = marked("what its hosts hold is not known until it has: provisioner history")
        print_warning(marked(f"run {run} has not ended"), hint, color=invocation.color, say=invocation.say)
    for name in whole.unreadable:
        message = marked(f"facility {name} cannot be read, and is not shown")
        print_warning(message, "", color=invocation.color, say=invocation.say)


def _print(lines: Iterable[str]) -> None:
    click.echo("\n".join(lines))
