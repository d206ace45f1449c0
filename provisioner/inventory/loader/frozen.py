"""Facilities frozen by errors in their files, and a valid rest.

An error about one facility freezes this facility: hosts keep its configuration byte for byte, and all others continue.
An error about no facility in particular stops everything. If two facilities claim the same thing, both are frozen.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.base.errors import FrozenFacility, Problem
from provisioner.inventory import rules
from provisioner.inventory.loader.load import Loaded, invalid, refuse_invalid, valid_inventory
from provisioner.inventory.loader.load import check as check_inventory
from provisioner.inventory.model.inventory import BaseInventory, Inventory
from provisioner.inventory.renamed_ids import old_facilities

Errors = Mapping[str, tuple[Problem, ...]]  #: Errors by the facility that they freeze.


@dataclass(frozen=True)
class ValidPart:
    """A valid inventory, and the frozen facilities (by id) outside it."""

    inventory: Inventory
    held: Mapping[str, FrozenFacility] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """Current and former ids of the frozen facilities."""
        return frozenset(name for facility in self.held.values() for name in facility.names)


def partition(problems: Iterable[Problem], frozen: Collection[str] = ()) -> tuple[Errors, tuple[Problem, ...]]:
    """Split errors into facilities' own and general ones, without `frozen` facilities'."""
    by_facility: dict[str, list[Problem]] = defaultdict(list)
    shared: list[Problem] = []
    for problem in problems:
        named = problem.facilities
        if not named:
            shared.append(problem)
        elif not set(named) <= set(frozen):
            for name in named:
                by_facility[name].append(problem)
    return {name: tuple(sorted(listed)) for name, listed in sorted(by_facility.items())}, tuple(sorted(shared))


def valid_part(loaded: Loaded, root: Path, *, tolerate: Collection[str] = ()) -> ValidPart:
    """Leave out facilities with own errors; general errors raise `InventoryError`."""
    frozen = frozen_facilities(loaded, root, tolerate=tolerate)
    if not frozen or loaded.partial is None:
        return ValidPart(valid_inventory(loaded, root, tolerate=tolerate))
    facilities = {name: facility for name, facility in loaded.partial.facilities.items() if name not in frozen}
    return ValidPart(loaded.partial.model_copy(update={"facilities": facilities}), frozen)


def frozen_facilities(loaded: Loaded, root: Path, *, tolerate: Collection[str] = ()) -> Mapping[str, FrozenFacility]:
    """Return frozen facilities by id without building the inventory; errors as `valid_part`."""
    base_inventory = loaded.frame
    if base_inventory is None or not any(errors_of(check_inventory(loaded), tolerate)):
        refuse_invalid(loaded, root, tolerate=tolerate)
        return {}
    accused, of_files = partition(errors_of((*loaded.problems, *loaded.rule_problems), tolerate))
    errors = dict[str, tuple[Problem, ...]]()
    while True:
        errors = _joined(errors, {**accused, **_under_other_names(loaded, accused)})
        # Errors that only a frozen facility causes in others do not count: a wrong load, a key without an owner.
        accused, across = partition(
            errors_of(rules.check_across(_without(loaded, base_inventory, errors)), tolerate), errors
        )
        if not accused:
            break
    if of_files or across:
        valid_inventory(loaded, root, tolerate=tolerate)
        raise invalid(root, (*of_files, *across))
    return {name: _frozen_facility(name, listed, loaded, base_inventory) for name, listed in sorted(errors.items())}


def errors_of(problems: Iterable[Problem], tolerate: Collection[str]) -> Iterator[Problem]:
    """Return the problems that stop, without those that the calling command solves."""
    return (p for p in problems if p.stops and p.code not in tolerate)


def _joined(first: Errors, second: Errors) -> dict[str, tuple[Problem, ...]]:
    return {name: tuple(sorted({*first.get(name, ()), *second.get(name, ())})) for name in sorted({*first, *second})}


def _under_other_names(loaded: Loaded, errors: Errors) -> Errors:
    claimed = (name for name in loaded.outlines if f"facility/{name}" not in loaded.places.sources)
    listed = tuple(problem for problems in errors.values() for problem in problems)
    mine = {name: tuple(p for p in listed if p.code == "facility-file-misplaced") for name in claimed}
    return {name: problems for name, problems in mine.items() if problems}


def _without(loaded: Loaded, base_inventory: BaseInventory, errors: Errors) -> rules.View:
    outlines = {name: outline for name, outline in loaded.outlines.items() if name not in errors}
    broken = loaded.broken | {f"facility/{name}" for name in errors}
    return rules.View(base_inventory, outlines, loaded.places, loaded.today, broken)


def _frozen_facility(
    name: str, problems: tuple[Problem, ...], loaded: Loaded, base_inventory: BaseInventory
) -> FrozenFacility:
    names = (name, *(old for old in old_facilities(base_inventory.settings.moved, name) if old not in loaded.outlines))
    outline = loaded.outlines.get(name)
    plans = [plan.carrier for plan in (outline.plan, outline.successor) if plan] if outline else []
    sites = [base_inventory.allocations.sites[n] for n in names if n in base_inventory.allocations.sites]
    later = [site.successor.carrier for site in sites if site.successor]
    carriers = {*plans, *(site.carrier for site in sites), *later}
    source = loaded.places.sources.get(f"facility/{name}")
    files = [source.display_path] if source else [p.file for p in problems if p.object == f"facility/{name}"]
    folder = next(filter(None, map(_province_folder, files)), "")
    return FrozenFacility(name, problems, outline.province if outline else folder, tuple(sorted(carriers)), names)


def _province_folder(file: str) -> str:
    below = file.rpartition("facilities/")[2].split("/")
    return below[0] if "facilities/" in file and len(below) > 1 else ""
