"""`provisioner sign-off`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from provisioner.base.atomic_file import write_atomic
from provisioner.base.errors import InventoryError, UsageError
from provisioner.cli.context import Invocation, today
from provisioner.cli.output import print_document
from provisioner.inventory.files.edit import EditError, Flow, edited
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.loader.load import load
from provisioner.inventory.model import ConnectionPlan, Facility, Party
from provisioner.inventory.signed import signed_content


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
    loaded = load(invocation.inventory, today=today())
    found = loaded.partial.facilities.get(facility) if loaded.partial else None
    if found is None:
        raise _unknown(facility, {p.object for p in loaded.problems})
    key = "successor" if successor else "plan"
    plan = found.successor if successor else found.plan
    if plan is None:
        raise UsageError(f"facility {facility} has no {key} to sign", hint=f"write {key} first", object=facility)
    signed_on = day.date() if day else today()
    if signed_on > today():
        raise UsageError(f"--on {signed_on} is a day to come", hint="name the day on which it was agreed")
    content = signed_content(found, plan)
    path = invocation.inventory / "facilities" / found.province / f"{facility}.yml"
    before = path.read_bytes()
    try:
        after = edited(
            before,
            _changes(
                key, plan, [Flow(by=p, signed_on=str(signed_on), content=content, source=source) for p in parties]
            ),
        )
    except EditError as error:
        raise InventoryError(f"{path} cannot be edited: {error}", hint="write the sign-off by hand") from error
    if after != before:
        write_atomic(path, after.decode())
    if invocation.json:
        signed = {
            "facility": facility,
            "plan": key,
            "by": list(parties),
            "signed_on": str(signed_on),
            "content": content,
        }
        print_document({"schema": "provisioner/sign-off", "version": 1, "file": str(path), **signed})
        return 0
    click.echo(f"{path}: {key} signed by {', '.join(parties)} on {signed_on}")
    _say_who_is_missing(found, plan, parties, content)
    return 0


def _unknown(facility: str, broken: set[str]) -> InventoryError | UsageError:
    if f"facility/{facility}" in broken or "inventory" in broken:
        return InventoryError(
            f"facility {facility} cannot be read", hint="run `provisioner validate` and correct what it lists"
        )
    return UsageError(f"there is no facility {facility}", hint="name the id in its file", object=facility)


def _changes(key: str, plan: ConnectionPlan, signed: list[Flow]) -> dict[KeyPath, Any]:
    """Where each sign-off goes: the place of the party's older one, or the end of the list."""
    if not plan.sign_offs:
        return {(key, "sign_offs"): signed}
    places = {sign_off.by.value: index for index, sign_off in enumerate(plan.sign_offs)}
    for sign_off in signed:
        places.setdefault(sign_off["by"], len(places))
    return {(key, "sign_offs", places[sign_off["by"]]): sign_off for sign_off in signed}


def _say_who_is_missing(facility: Facility, plan: ConnectionPlan, parties: tuple[str, ...], content: str) -> None:
    valid = {s.by.value for s in plan.sign_offs if s.content == content} | set(parties)
    missing = [party.value for party in Party if party.value not in valid]
    if missing:
        click.echo(f"still to sign what {facility.id} says now: {', '.join(missing)}")
