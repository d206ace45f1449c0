"""`provisioner contacts check`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import click

from provisioner.base.counted import counted
from provisioner.base.diagnostics import Problem, Severity
from provisioner.base.errors import InventoryError
from provisioner.cli.completion import provinces_like
from provisioner.cli.contacts.access import contacts_document, folder_option, open_access, requester_option
from provisioner.cli.context import Invocation
from provisioner.cli.output import print_document, problem_document, problem_lines
from provisioner.contacts.checks import ContactsView, check_contacts
from provisioner.contacts.store import provinces_in, read_contacts


@click.command()
@click.option(
    "--province", metavar="SLUG", shell_complete=provinces_like, help="Only this one; all provinces otherwise."
)
@click.option("--purpose", default="check", show_default=True, metavar="TEXT", help="It goes into the access log.")
@requester_option
@folder_option
@click.pass_obj
def check(
    invocation: Invocation, *, province: str | None, purpose: str, requester: str | None, chosen: Path | None
) -> int:
    """Check that every open facility has a representative who can be reached.

    Judges every field of every contact, and shows none of them. Needs the passwords of all provinces
    that it checks. Ends with 3 if there is an error, with 0 if there are warnings only.

    Example: provisioner -i DIR contacts check --province bac-giang
    """
    access = open_access(invocation, chosen, purpose, requester)
    if province is not None:
        access.province_name(province)
    facilities = access.inventory.facilities
    every = {facility.province for facility in facilities.values()} | set(provinces_in(access.folder))
    judged = frozenset(every if province is None else [province])
    loaded = read_contacts(access.folder, access.passwords, None if province is None else judged)
    count = sum(len(file.contacts) for file in loaded.files.values())
    access.record("check", judged, count)
    at = loaded.places, loaded.broken, access.today, access.folder
    view = ContactsView(loaded.files, facilities, judged, *at, unread=access.unread)
    return _show(invocation, sorted([*loaded.problems, *check_contacts(view)]), judged, count)


def _show(invocation: Invocation, problems: Collection[Problem], judged: Collection[str], count: int) -> int:
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    code = InventoryError.exit_code if errors else 0
    if invocation.json:
        fields = {"ok": not errors, "provinces": sorted(judged), "contacts": count}
        print_document(contacts_document("check", **fields, problems=[problem_document(p) for p in problems]))
        return code
    for line in problem_lines(problems):
        click.echo(line, color=invocation.color)
    click.echo(
        _summary(errors, len(problems) - errors, f"{counted(count, 'contact')} in {counted(len(judged), 'province')}")
    )
    return code


def _summary(errors: int, warnings: int, extent: str) -> str:
    if errors:
        return f"invalid: {counted(errors, 'error')}, {counted(warnings, 'warning')} ({extent})"
    return f"valid: {extent}" + (f" ({counted(warnings, 'warning')})" if warnings else "")
