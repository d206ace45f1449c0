"""A plan's sign-off, written into the facility's file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from provisioner.base.atomic_file import write_atomic
from provisioner.base.errors import InventoryError, UsageError
from provisioner.base.private_text import holds_personal_data, states_login
from provisioner.inventory.files.edit import EditError, Flow, edited
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.loader.load import Loaded, load
from provisioner.inventory.model import ConnectionPlan, Facility, Party
from provisioner.inventory.signed import signed_content


@dataclass(frozen=True, slots=True)
class Agreement:
    """Who agreed to which of a facility's plans, when, and where that is written.

    Attributes:
        facility: the facility's id.
        plan: `plan`, or `successor` for the next carrier's.
        parties: who agreed, as the file has them.
        signed_on: the day of the agreement.
        source: the minutes or letter that holds it.
    """

    facility: str
    plan: str
    parties: tuple[str, ...]
    signed_on: date
    source: str


@dataclass(frozen=True, slots=True)
class Signed:
    """What was written.

    Attributes:
        path: the facility's file.
        content: the hash of what was agreed.
        missing: the parties that have still to sign what the file says now.
    """

    path: Path
    content: str
    missing: tuple[str, ...]


def sign_off(root: Path, agreement: Agreement, *, today: date) -> Signed:
    """Write an agreement into the facility's file, with a hash of the plan as it stands there.

    Args:
        root: the inventory's folder.
        agreement: what was agreed.
        today: this day; nothing is agreed later.

    Raises:
        InventoryError: the facility cannot be read, or its file cannot be edited.
        UsageError: there is no such facility or plan, the day is one to come, or the source names what is private.
    """
    facility = _facility(load(root, today=today), agreement.facility)
    plan = facility.successor if agreement.plan == "successor" else facility.plan
    if plan is None:
        hint = f"write {agreement.plan} first"
        raise UsageError(f"facility {facility.id} has no {agreement.plan} to sign", hint=hint, object=facility.id)
    if agreement.signed_on > today:
        raise UsageError(f"--on {agreement.signed_on} is a day to come", hint="name the day on which it was agreed")
    if states_login(agreement.source) or holds_personal_data(agreement.source):
        hint = "name the minutes or letter; people stand in contacts/ alone, and logins in secrets/"
        raise UsageError("--source holds a phone number, an e-mail address or a login (not repeated here)", hint=hint)
    content = signed_content(facility, plan)
    path = root / "facilities" / facility.province / f"{facility.id}.yml"
    _edit(root, path, _changes(agreement, plan, content))
    signers = {s.by.value for s in plan.sign_offs if s.content == content} | set(agreement.parties)
    return Signed(path, content, tuple(party.value for party in Party if party.value not in signers))


def _facility(loaded: Loaded, name: str) -> Facility:
    facility = loaded.partial.facilities.get(name) if loaded.partial else None
    if facility is not None:
        return facility
    if {f"facility/{name}", "inventory"} & {problem.object for problem in loaded.problems}:
        hint = "run `provisioner validate` and correct what it lists"
        raise InventoryError(f"facility {name} cannot be read", hint=hint)
    raise UsageError(f"there is no facility {name}", hint="name the id in its file", object=name)


def _changes(agreement: Agreement, plan: ConnectionPlan, content: str) -> dict[KeyPath, Flow | Sequence[Flow]]:
    """Where each sign-off goes: the place of the party's older one, or the end of the list."""
    day = str(agreement.signed_on)
    signed = [Flow(by=p, signed_on=day, content=content, source=agreement.source) for p in agreement.parties]
    if not plan.sign_offs:
        return {(agreement.plan, "sign_offs"): signed}
    places = {sign_off.by.value: index for index, sign_off in enumerate(plan.sign_offs)}
    for party in agreement.parties:
        places.setdefault(party, len(places))
    of_party = zip(agreement.parties, signed, strict=True)
    return {(agreement.plan, "sign_offs", places[party]): sign_off for party, sign_off in of_party}


def _edit(root: Path, path: Path, changes: dict[KeyPath, Flow | Sequence[Flow]]) -> None:
    before = path.read_bytes()
    try:
        after = edited(before, changes)
    except EditError as error:
        raise InventoryError(f"{path} cannot be edited: {error}", hint="write the sign-off by hand") from error
    if after != before:
        write_atomic(path, after.decode(), within=root)
