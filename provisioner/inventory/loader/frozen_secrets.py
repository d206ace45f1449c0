"""Facilities frozen by errors of secrets; `frozen` must not import the vault."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from provisioner.base.errors import FrozenFacility, InventoryError, Problem
from provisioner.base.text import counted
from provisioner.base.vault import VaultPasswords
from provisioner.inventory.loader.frozen import Errors, ValidPart, errors_of, partition
from provisioner.inventory.loader.secrets import carried, check, read_secrets
from provisioner.inventory.model.secrets import Secrets
from provisioner.inventory.renamed_ids import old_facilities


def valid_secrets(
    root: Path, passwords: VaultPasswords, part: ValidPart, *, tolerate: Collection[str] = ()
) -> tuple[ValidPart, Secrets]:
    """Freeze facilities with incomplete secrets, or raise `SecretsError` or `InventoryError`."""
    read = read_secrets(root, passwords)
    while True:
        unread = {f"facility/{name}" for name in part.held}
        problems = tuple(_problems_of_frozen(errors_of(check(root, read, part.inventory, unread), tolerate), part.held))
        accused, stopping = partition(problems, part.held)
        if stopping:
            message = f"the secrets of {root} are invalid: {counted(len(problems), 'problem')}"
            raise InventoryError(message, problems=problems, hint="correct the places listed")
        if not accused:
            return part, carried(read, part.inventory).secrets
        part = _with_frozen_facilities(part, accused)


def _problems_of_frozen(problems: Iterable[Problem], frozen: Mapping[str, FrozenFacility]) -> Iterator[Problem]:
    for problem in problems:
        is_logins = problem.object.startswith("secrets/cameras/") and not problem.facilities
        province = problem.object.rpartition("/")[2] if is_logins else ""
        names = tuple(name for name, facility in frozen.items() if province and facility.province == province)
        yield replace(problem, concerns=names) if names else problem


def _with_frozen_facilities(part: ValidPart, errors: Errors) -> ValidPart:
    inventory = part.inventory
    frozen = dict(part.held)
    for name, problems in errors.items():
        previous = frozen.get(name)
        if previous is not None:
            frozen[name] = replace(previous, problems=tuple(sorted({*previous.problems, *problems})))
            continue
        facility = inventory.facilities.get(name)
        plans = [plan.carrier for plan in (facility.plan, facility.successor) if plan] if facility else []
        old_ids = [
            old_id for old_id in old_facilities(inventory.settings.moved, name) if old_id not in inventory.facilities
        ]
        province = facility.province if facility else ""
        frozen[name] = FrozenFacility(name, problems, province, tuple(sorted(set(plans))), (name, *old_ids))
    facilities = {name: valid for name, valid in inventory.facilities.items() if name not in frozen}
    return ValidPart(inventory.model_copy(update={"facilities": facilities}), dict(sorted(frozen.items())))
