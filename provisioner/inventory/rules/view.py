"""What a rule sees: the inventory, where its objects stand, the day, and what could not be read."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from provisioner.diagnostics import Problem, Severity
from provisioner.inventory.model import ConnectionPlan, Designation, Facility, Inventory, ProvinceScheme
from provisioner.inventory.places import Places


@dataclass(frozen=True)
class View:
    """The arguments of every rule.

    Attributes:
        inventory: what could be read.
        places: where its objects stand.
        today: the day on which designations have to hold.
        broken: owners whose files could not be understood: a reference to them is not an error.
    """

    inventory: Inventory
    places: Places
    today: date
    broken: Collection[str] = frozenset()

    def problem(
        self,
        owner: str,
        path: tuple[str | int, ...],
        code: str,
        message: str,
        hint: str,
        *,
        severity: Severity = Severity.ERROR,
    ) -> Problem:
        """Give a problem of one object, with its place and its name in front."""
        place = self.places.at(owner, *path)
        text = f"{owner.replace('/', ' ', 1)}: {message}"
        return Problem(place.file, place.line, place.column, code, text, hint, owner, severity)

    def where(self, owner: str, *path: str | int) -> str:
        """Give another object's place for use inside a message."""
        place = self.places.at(owner, *path)
        return f"{place.file}:{place.line}" if place.file else owner

    def facilities(self) -> Iterator[tuple[str, Facility]]:
        """Give each facility with its owner name, in the order of ids."""
        for name, facility in self.inventory.facilities.items():
            yield f"facility/{name}", facility

    def plans(self) -> Iterator[tuple[str, str, Facility, ConnectionPlan]]:
        """Give each plan and successor: owner, key in the file, facility, plan."""
        for owner, facility in self.facilities():
            if facility.plan:
                yield owner, "plan", facility, facility.plan
            if facility.successor:
                yield owner, "successor", facility, facility.successor

    def designations_of(self, facility: Facility) -> tuple[Designation, ...]:
        """Give the designations of the province that a facility is in, whichever list each of the two names."""
        return self._designations[facility.province, facility.province_scheme]

    @cached_property
    def _designations(self) -> dict[tuple[str, ProvinceScheme | None], tuple[Designation, ...]]:
        known = {(f.province, f.province_scheme): f for f in self.inventory.facilities.values()}
        return {
            key: tuple(
                d for d in self.inventory.designations if self.inventory.is_in(facility, d.province, d.province_scheme)
            )
            for key, facility in known.items()
        }

    def knows(self, owner: str) -> bool:
        """Tell whether an object exists, or might exist in a file that could not be read."""
        kind, _, name = owner.partition("/")
        listing = self.inventory.carriers if kind == "carrier" else self.inventory.centres
        return name in listing or owner in self.broken
