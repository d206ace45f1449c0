"""`provisioner sign-off`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from provisioner.base.errors import UsageError
from provisioner.cli.completion import facilities_like
from provisioner.cli.context import Invocation, today
from provisioner.cli.output import print_document
from provisioner.cli.word import ListedWord, Place
from provisioner.inventory.model import Party
from provisioner.inventory.operations.sign_off import Agreement, Signed, statement_of
from provisioner.inventory.operations.sign_off import sign_off as record_agreement
from provisioner.inventory.operations.ssh_keygen import made_signature
from provisioner.inventory.signed import NAMESPACE

_MAX_SIGNATURE = 64 * 1024


@click.command("sign-off")
@click.argument("facility", shell_complete=facilities_like)
@click.option("--by", "parties", type=ListedWord([p.value for p in Party]), multiple=True)
@click.option("--all-parties", is_flag=True, help="Of DIC, Health and the carrier: one document that all have signed.")
@click.option("--on", "day", type=click.DateTime(["%Y-%m-%d"]), help="The day of the agreement; today if left out.")
@click.option("--source", default="", metavar="TEXT", help="The minutes or letter that holds the agreement.")
@click.option("--successor", is_flag=True, help="Sign the plan of its successor instead of the present one.")
@click.option("--show", "reads", is_flag=True, help="Show what the parties sign, on one sheet, and write nothing.")
@click.option(
    "--out",
    type=Place(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="With --show: a page in both languages (.html), or minutes in Vietnamese to be signed (.docx).",
)
@click.option("--statement", "shown", is_flag=True, help="Print what the party has to sign, and write nothing.")
@click.option(
    "--signature",
    type=Place(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Record what the party signed elsewhere: the .sig file of `ssh-keygen -Y sign`.",
)
@click.option(
    "--key",
    type=Place(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Sign by the party's key here, through ssh-keygen; a .pub file for a key in an agent.",
)
@click.pass_obj
def sign_off(
    invocation: Invocation,
    facility: str,
    parties: tuple[str, ...],
    day: datetime | None,
    source: str,
    *,
    signature: Path | None,
    key: Path | None,
    successor: bool,
    shown: bool,
    all_parties: bool,
    reads: bool,
    out: Path | None,
) -> int:
    """Write into a facility's file that its plan was agreed as it stands there now.

    DIC, Health and the carrier each agree to the carrier, the relay, the access mode, the recorders and
    the cameras with their streams. The sign-off holds a hash of exactly that: a later edit shows. The
    rest of the file stays as it is. No name of a person belongs into --source.

    With --key or --signature the sign-off is the party's own, by a key of signers.yml; without, it is
    what you say of the party. With the last of the three the plan is agreed. A party without Git signs
    what --statement prints, anywhere: ssh-keygen -Y sign -n plan@provisioner -f KEY FILE.

    --show is for people: the plan as it stands, before anybody signs, as text, or with --out as a page or minutes.

    Example: provisioner -i DIR sign-off kcl-bg-001 --by dic --by health --by carrier --source "12/BB"
    """
    if reads or out:
        from provisioner.cli.plan_sheet import show_plan  # noqa: PLC0415 (documents take time)

        if any((parties, all_parties, source, shown, signature, key, day)) or not reads:
            raise UsageError("--show and --out take nothing else but --successor", hint="sign afterwards")
        return show_plan(invocation, facility, successor=successor, out=out)
    if not source:
        raise UsageError("a sign-off names its minutes or letter", hint='add --source "12/BB"')
    if sum(map(bool, (shown, signature, key))) > 1:
        raise UsageError("--statement, --signature and --key exclude each other", hint="name one of them")
    if bool(parties) == all_parties:
        raise UsageError("name either --by or --all-parties", hint="e.g. --by dic --by health")
    parties = tuple(party.value for party in Party) if all_parties else parties
    plan, signed_on = "successor" if successor else "plan", day.date() if day else today()
    agreement = Agreement(facility, plan, parties, signed_on, source)
    if shown:
        _show(invocation, agreement)
        return 0
    made = _made(invocation, agreement, signature, key)
    env = invocation.env
    signed = record_agreement(invocation.inventory, agreement, today=today(), signature=made, environment=env)
    _report(invocation, agreement, signed)
    return 0


def _made(invocation: Invocation, agreement: Agreement, signature: Path | None, key: Path | None) -> bytes | None:
    if key:
        message = statement_of(invocation.inventory, agreement, today=today(), environment=invocation.env)
        return made_signature(message, key, NAMESPACE, invocation.env)
    if signature is None:
        return None
    try:
        with signature.open("rb") as stream:
            return stream.read(_MAX_SIGNATURE)
    except OSError as error:
        raise UsageError(f"{signature} cannot be read: {error.strerror}", hint="name the .sig file") from error


def _show(invocation: Invocation, agreement: Agreement) -> None:
    text = statement_of(invocation.inventory, agreement, today=today(), environment=invocation.env).decode()
    if invocation.json:
        print_document({**_document(agreement), "statement": text, "namespace": NAMESPACE})
    else:
        click.echo(text, nl=False)


def _document(agreement: Agreement) -> dict[str, object]:
    return {
        "schema": "provisioner/sign-off",
        "version": 1,
        "facility": agreement.facility,
        "plan": agreement.plan,
        "by": list(agreement.parties),
        "signed_on": str(agreement.signed_on),
    }


def _report(invocation: Invocation, agreement: Agreement, signed: Signed) -> None:
    if invocation.json:
        of_file = {"file": str(signed.path), "content": signed.content, "key": signed.key or None}
        print_document({**_document(agreement), **of_file, "agreed": signed.agreed})
        return
    by = ", ".join(agreement.parties) + (f" with {signed.key}" if signed.key else "")
    click.echo(f"{signed.path}: {agreement.plan} signed by {by} on {agreement.signed_on}")
    if signed.agreed:
        click.echo(f"all three have signed: the {agreement.plan} of {agreement.facility} is agreed")
    if signed.missing:
        click.echo(f"still to sign what {agreement.facility} says now: {', '.join(signed.missing)}")
