"""`provisioner contacts list`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from provisioner.base.counted import counted
from provisioner.base.private_file import refuse_existing, write_private
from provisioner.cli.completion import provinces_like
from provisioner.cli.contacts.access import (
    contacts_document,
    folder_option,
    force_option,
    open_access,
    purpose_option,
    requester_option,
)
from provisioner.cli.context import Invocation
from provisioner.cli.output import print_document
from provisioner.cli.word import Place
from provisioner.contacts.checks import lacks_representative
from provisioner.contacts.consolidated_list import ListRequest, consolidated_list
from provisioner.contacts.store import in_order, valid_contacts
from provisioner.inventory.model import Facility, Operating


@click.command("list")
@click.option("--province", required=True, metavar="SLUG", shell_complete=provinces_like, help="Whose list.")
@click.option("--out", type=Place(path_type=Path), required=True, metavar="FILE.xlsx", help="Where it goes.")
@force_option
@purpose_option
@requester_option
@folder_option
@click.pass_obj
def list_(
    invocation: Invocation,
    *,
    province: str,
    out: Path,
    force: bool,
    purpose: str,
    requester: str | None,
    chosen: Path | None,
) -> int:
    """Write a province's consolidated list for the ministry, in Vietnamese, as a spreadsheet.

    Everybody who has a duty today at a facility that is not closed, and below them those that are open or
    prepared for people and have no complete representative. The file has mode 0600.

    Example: provisioner -i DIR contacts list --province bac-giang --out list.xlsx --purpose "letter 1407"
    """
    access = open_access(invocation, chosen, purpose, requester)
    invocation.refuse_proposed(out)
    refuse_existing(out, force=force)
    name = access.province_name(province)
    file = valid_contacts(access.folder, access.passwords, [province]).files.get(province)
    known = file.contacts if file else ()
    facilities = {f.id: f for f in access.inventory.facilities.values() if f.province == province}
    served = _with_operating(facilities.values(), Operating.OPEN, Operating.PREPARING, Operating.STANDBY)
    listed = [c for c in in_order(known) if c.is_current(access.today) and c.facility in served]
    opened = _with_operating(facilities.values(), Operating.OPEN, Operating.PREPARING)
    without = [f for f in sorted(opened) if lacks_representative(known, f, access.today)]
    content = consolidated_list(
        ListRequest(name, access.now, access.requester, purpose),
        listed,
        {f.id: f.name for f in facilities.values()},
        without,
    )
    access.record("list", [province], len(listed))
    write_private(out, content, force=force)
    if invocation.json:
        fields = {"file": str(out), "province": province, "contacts": len(listed), "without_representative": without}
        print_document(contacts_document("list", **fields))
        return 0
    click.echo(f"wrote {out}: {counted(len(listed), 'contact')} of {province}; it holds personal data")
    if without:
        click.echo(f"without a complete representative: {', '.join(without)}")
    return 0


def _with_operating(facilities: Iterable[Facility], *states: Operating) -> set[str]:
    return {facility.id for facility in facilities if facility.operating in states}
