"""Edits for a drain: one relay's sites move to another, or stay.

Both relays are of the same carrier. An edit is shown before it is written.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from provisioner.base.errors import UsageError
from provisioner.base.text import msg
from provisioner.inventory.loader.load import Loaded
from provisioner.inventory.model.facility import Access, ConnectionPlan, Facility, Operating, PlanState
from provisioner.inventory.model.hosts import Carrier
from provisioner.inventory.model.inventory import BaseInventory
from provisioner.inventory.signed import unsigned_by
from provisioner.operations.edit import file_edit
from provisioner.operations.edit.facilities import backup_beside
from provisioner.operations.edit.keys import refuse_changing
from provisioner.operations.edit.sign_off import claimed_by_all, refuse_claims

_FAULTY = "its file has errors: correct what provisioner validate lists"


@dataclass(frozen=True, slots=True)
class DrainRequest:
    """A requested drain of `relay` onto `to`, of the same carrier."""

    relay: str
    to: str
    source: str  #: The document in which all parties agreed; empty if they have yet to sign.
    signed_on: date


@dataclass(frozen=True, slots=True)
class DrainEdits:
    """Edits that begin a drain."""

    edits: tuple[file_edit.FileEdit, ...]
    stays: Mapping[str, str]
    faulty: frozenset[str] = frozenset()  #: Those of them whose own files are or would be invalid.


@dataclass(frozen=True, slots=True)
class DrainUndone:
    """Edits that cancel a drain."""

    relay: str
    to: str  #: The drain's target; empty without a drain.
    #: The changed files, facilities first: until the last one the drain can be resumed.
    edits: tuple[file_edit.FileEdit, ...]
    sites: tuple[str, ...]
    stays: Mapping[str, str]


def refuse_pair(base_inventory: BaseInventory, request: DrainRequest) -> Carrier:
    """Check a drain's relays; return their carrier.

    Raises `UsageError` if they are no pair of one carrier, or one is drained to another relay; `PolicyError` if one
    changes its own key.
    """
    relays = base_inventory.relays
    for name in (request.relay, request.to):
        file_edit.relay_named(base_inventory, name)
    for name in (request.relay, request.to):
        refuse_changing(base_inventory.allocations, name, "take part in a drain")
    (carrier, relay), (target_carrier, target) = relays[request.relay], relays[request.to]
    if request.relay == request.to:
        raise UsageError(
            msg("{relay} cannot be emptied onto itself", request.relay), hint="name another relay of its carrier"
        )
    if carrier.id != target_carrier.id:
        hint = "to another carrier go facilities, one by one: provisioner facility move FACILITY --to RELAY"
        raise UsageError(
            msg("{to} is of another carrier, {id}", request.to, target_carrier.id), hint=hint, object=request.relay
        )
    if target.drain_to:
        hint = msg("name one that goes on, or remove drain_to of {to} from carriers/{id}.yml", request.to, carrier.id)
        raise UsageError(
            msg("{to} is itself being emptied, onto {drain_to}", request.to, target.drain_to),
            hint=hint,
            object=request.to,
        )
    if relay.drain_to not in {None, request.to}:
        hint = msg(
            "go on with --to {drain_to}, or take that back first: provisioner relay keep {relay}",
            relay.drain_to,
            request.relay,
        )
        raise UsageError(
            msg("{relay} is being emptied onto {drain_to}", request.relay, relay.drain_to),
            hint=hint,
            object=request.relay,
        )
    return carrier


def drain_started(edits: file_edit.Edits, request: DrainRequest, frozen: Collection[str] = ()) -> DrainEdits:
    """Return the missing edits that let both relays carry the sites.

    Sites that hosts carry get a successor; others get the new relay at once. Frozen facilities (`held`) stay. Raises
    `UsageError` if the relays are no pair, or the agreement cannot be recorded.
    """
    loaded = edits.load()
    base_inventory = file_edit.frame_of(loaded)
    carrier = refuse_pair(base_inventory, request)
    if request.source:
        refuse_claims(base_inventory, request.source)
    stays = {name: _FAULTY for name in frozen if name not in loaded.outlines}
    changed: list[file_edit.FileEdit] = []
    for name, outline in loaded.outlines.items():
        if outline.successor is not None and outline.successor.relay == request.relay:
            stays[name] = msg(
                "it is just moving to {relay}: facility move {name} --to {to}", request.relay, name, request.to
            )
        elif outline.plan is not None and outline.plan.backup_relay == request.relay:
            stays[name] = msg("{relay} is its backup relay: name another one first, or remove it", request.relay)
        elif outline.plan is None or outline.plan.relay != request.relay:
            continue
        elif outline.successor is not None and outline.successor.relay != request.to:
            stays[name] = msg(
                "it is moving to {relay}: that ends with facility move {name} --finish", outline.successor.relay, name
            )
        elif name in frozen:
            stays[name] = _FAULTY
        else:
            changed.append(_moving(base_inventory, loaded.facility(name), edits.root, request))
    judged = _judged(edits, loaded, changed)
    faulty = frozenset({name for name, reason in stays.items() if reason == _FAULTY} | set(judged.refused))
    for name, problems in judged.refused.items():
        at_once = msg("with a cut: provisioner facility move {name} --to {to} --at-once", name, request.to)
        stays[name] = f"{problems[0].message.partition(': ')[2]}; {at_once}"
    files = (_mark_drain(edits.root, carrier, request), *judged.edits)
    return DrainEdits(tuple(edit for edit in files if edit.changed), dict(sorted(stays.items())), faulty)


def _moving(base_inventory: BaseInventory, site: Facility, root: Path, request: DrainRequest) -> file_edit.FileEdit:
    text = file_edit.text_of_file(file_edit.facility_file(root, site))
    after = (
        _with_successor(base_inventory, site, text, request)
        if site.carried_plans
        else _with_moved_plan(base_inventory, site, text, request)
    )
    return file_edit.FileEdit(site.id, text.path, text.data, after.data)


def _with_successor(
    base_inventory: BaseInventory, site: Facility, text: file_edit.FacilityText, request: DrainRequest
) -> file_edit.FacilityText:
    successor = site.successor or _moved_plan(site, request.to)
    if site.successor is not None and (not request.source or not unsigned_by(site, successor)):
        return text
    plan = {"state": PlanState.PROPOSED.value, "carrier": successor.carrier, "relay": successor.relay}
    if successor.backup_relay:
        plan["backup_relay"] = successor.backup_relay
    if successor.access is not Access.PULL_PORTMAP:
        plan["access"] = successor.access.value
    if not request.source:
        return text.with_values({("successor",): plan})
    signed = claimed_by_all(base_inventory, site, successor, request.signed_on, request.source)
    agreed = {**plan, "state": PlanState.AGREED.value, "sign_offs": signed}
    if site.successor is None:
        return text.with_values({("successor",): agreed})
    return text.with_values({("successor", key): agreed[key] for key in ("state", "sign_offs")})


def _with_moved_plan(
    base_inventory: BaseInventory, site: Facility, text: file_edit.FacilityText, request: DrainRequest
) -> file_edit.FacilityText:
    """Change a plan without hosts; its parties sign anew, unless closed."""
    changes: dict[tuple[str | int, ...], object] = {("plan", "relay"): request.to}
    if site.plan is not None and site.plan.agreed and site.operating is not Operating.CLOSED:
        if request.source:
            changes["plan", "sign_offs"] = claimed_by_all(
                base_inventory, site, _moved_plan(site, request.to), request.signed_on, request.source
            )
        else:
            changes["plan", "state"] = PlanState.PROPOSED.value
    return text.with_values(changes)


def _moved_plan(site: Facility, relay: str) -> ConnectionPlan:
    plan = site.plan
    if plan is None:  # who asks has seen that it has one
        raise UsageError(msg("facility {id} has no plan", site.id), object=site.id)
    fields = {"state": PlanState.AGREED, "carrier": plan.carrier, "relay": relay, "access": plan.access}
    return ConnectionPlan.model_validate(fields | backup_beside(plan, plan.carrier, relay))


def _mark_drain(root: Path, carrier: Carrier, request: DrainRequest) -> file_edit.FileEdit:
    """Set `drain_to` in the carrier's file, for `status` and `validate`."""
    text = file_edit.text_of_file(root / "carriers" / f"{carrier.id}.yml")
    index = next(index for index, relay in enumerate(carrier.relays) if relay.id == request.relay)
    after = text.with_values({("relays", index, "drain_to"): request.to})
    return file_edit.FileEdit(request.relay, text.path, text.data, after.data)


def drain_finished(edits: file_edit.Edits, facilities: Collection[str]) -> file_edit.EditsOfMany:
    """Return edits that make the facilities' successors their plans."""
    loaded = edits.load()
    changed = []
    for name in sorted(facilities):
        text = file_edit.text_of_file(file_edit.facility_file(edits.root, loaded.facility(name)))
        after = text.without(("plan",)).with_key(("successor",), "plan")
        changed.append(file_edit.FileEdit(name, text.path, text.data, after.data))
    return _judged(edits, loaded, changed)


def _judged(edits: file_edit.Edits, loaded: Loaded, changed: Collection[file_edit.FileEdit]) -> file_edit.EditsOfMany:
    return file_edit.all_checked_against_rules(
        loaded, edits.root, [edit for edit in changed if edit.changed], edits.today
    )


def drain_taken_back(edits: file_edit.Edits, relay: str) -> DrainUndone:
    """Return edits that keep a relay's remaining sites."""
    loaded = edits.load()
    carrier, at = file_edit.relay_named(file_edit.frame_of(loaded), relay)
    drained = carrier.relays[at]
    if drained.drain_to is None:
        return DrainUndone(relay, "", (), (), {})
    changed = []
    for name, outline in sorted(loaded.outlines.items()):
        successor = outline.successor
        if outline.plan and outline.plan.relay == relay and successor and successor.relay == drained.drain_to:
            text = file_edit.text_of_file(file_edit.facility_file(edits.root, loaded.facility(name)))
            changed.append(file_edit.FileEdit(name, text.path, text.data, text.without(("successor",)).data))
    judged = file_edit.all_checked_against_rules(loaded, edits.root, changed, edits.today)
    stays = dict.fromkeys(_faulty_facilities(edits, loaded, drained.drain_to), _FAULTY)
    stays |= {name: problems[0].message.partition(": ")[2] for name, problems in judged.refused.items()}
    file = file_edit.text_of_file(edits.root / "carriers" / f"{carrier.id}.yml")
    mark = file_edit.FileEdit(relay, file.path, file.data, file.without(("relays", at, "drain_to")).data)
    sites = tuple(edit.facility for edit in judged.edits)
    # While a site stays behind, the word does too: the same command goes on.
    return DrainUndone(relay, drained.drain_to, (*judged.edits, *(() if stays else (mark,))), sites, stays)


def _faulty_facilities(edits: file_edit.Edits, loaded: Loaded, relay: str) -> Iterator[str]:
    """Yield facilities with invalid files that mention the other relay."""
    names = sorted(owner.removeprefix("facility/") for owner in loaded.broken if owner.startswith("facility/"))
    for name in names:
        files = (edits.root / "facilities").glob(f"*/{name}.yml")
        if any(relay.encode() in file_edit.text_of_file(file).data for file in files):
            yield name
