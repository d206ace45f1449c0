"""`provisioner sign-off --show`: a plan for the parties to read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from provisioner.base.document import Digest, Printed
from provisioner.base.errors import UsageError
from provisioner.base.language import Language, translator
from provisioner.cli.support.context import Invocation, now, today
from provisioner.cli.support.output import print_document
from provisioner.cli.support.session import write_report
from provisioner.inventory.signed import signed_content
from provisioner.operations.edit.sign_off import PlanToSign, plan_to_sign
from provisioner.report.documents.minutes import plan_minutes
from provisioner.report.documents.official import Letterhead
from provisioner.report.documents.plan_sheet import PlanNames, plan_sheet, sheet_page, sheet_text


class PlanSheetDocument(Printed, name="plan-sheet", title="A plan sheet"):
    """Output of `provisioner sign-off --show --output json`."""

    facility: str
    plan: Literal["plan", "successor"]
    content: Digest
    file: Path | None


def show_plan(invocation: Invocation, facility: str, *, successor: bool, out: Path | None) -> int:
    """Print a facility's plan, or write it as a page or minutes.

    Raises:
        UsageError: there is no such plan, the file's kind is unknown, or it cannot be written.
        InventoryError: the facility cannot be read.
    """
    invocation.refuse_tracked_links(out)
    wanted = plan_to_sign(
        invocation.inventory, facility, successor=successor, today=today(), environment=invocation.env
    )
    names = PlanNames(wanted.province, wanted.carrier)
    if out is not None:
        write_report(out, _sheet_content(wanted, names, out), force=False)
    if invocation.json:
        content = signed_content(wanted.facility, wanted.plan)
        plan = "successor" if successor else "plan"
        print_document(PlanSheetDocument(facility=facility, plan=plan, content=content, file=out).plain)
    elif out is not None:
        click.echo(f"wrote {out}")
    else:
        for line in sheet_text(plan_sheet(wanted.facility, wanted.plan, names, invocation.say)):
            click.echo(line)
    return 0


def _sheet_content(wanted: PlanToSign, names: PlanNames, out: Path) -> bytes:
    if out.suffix == ".html":
        return sheet_page(wanted.facility, wanted.plan, names).encode()
    if out.suffix != ".docx":
        raise UsageError(f"{out} is neither .html nor .docx", hint="name the file by what it is to be")
    from provisioner.report.documents.docx import official_docx  # noqa: PLC0415 (its library takes time)

    sheet = plan_sheet(wanted.facility, wanted.plan, names, translator(Language.VI))
    return official_docx(plan_minutes(wanted.facility, wanted.plan, names, sheet, Letterhead()), now())
