"""`provisioner sign-off`."""

from __future__ import annotations

from datetime import datetime

import click

from provisioner.cli.context import Invocation, today
from provisioner.cli.output import print_document
from provisioner.inventory.model import Party
from provisioner.inventory.operations.sign_off import Agreement
from provisioner.inventory.operations.sign_off import sign_off as record_agreement


@click.command("sign-off")
@click.argument("facility")
@click.option("--by", "parties", type=click.Choice([p.value for p in Party]), multiple=True, required=True)
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="The day of the agreement; today if left out.")
@click.option("--source", required=True, metavar="TEXT", help="The minutes or letter that holds the agreement.")
@click.option("--successor", is_flag=True, help="Sign the next carrier's plan instead of the present one.")
@click.pass_obj
def sign_off(
    invocation: Invocation,
    facility: str,
    parties: tuple[str, ...],
    day: datetime | None,
    source: str,
    *,
    successor: bool,
) -> int:
    """Write into a facility's file that its plan was agreed as it stands there now.

    DIC, Health and the carrier each agree to the carrier, the relay, the access mode, the recorders and
    the cameras with their streams. The sign-off holds a hash of exactly that: a later edit shows. The
    rest of the file stays as it is. No name of a person belongs into --source.

    Example: provisioner -i inventories/example sign-off kcl-bg-001 --by dic --by health --by carrier --source "12/BB"
    """
    key, signed_on = "successor" if successor else "plan", day.date() if day else today()
    agreement = Agreement(facility, key, parties, signed_on, source)
    signed = record_agreement(invocation.inventory, agreement, today=today())
    if invocation.json:
        document = {
            "schema": "provisioner/sign-off",
            "version": 1,
            "file": str(signed.path),
            "facility": facility,
            "plan": key,
            "by": list(parties),
            "signed_on": str(signed_on),
            "content": signed.content,
        }
        print_document(document)
        return 0
    click.echo(f"{signed.path}: {key} signed by {', '.join(parties)} on {signed_on}")
    if signed.missing:
        click.echo(f"still to sign what {facility} says now: {', '.join(signed.missing)}")
    return 0
