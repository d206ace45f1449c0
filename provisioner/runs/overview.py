"""What `status` and `export` look at: the inventory, all that was shown, and the moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from provisioner.base.diagnostics import Problem, Severity
from provisioner.base.errors import InventoryError, UsageError
from provisioner.base.held import HeldFacility
from provisioner.desired.limit import Limit
from provisioner.history.place import StatePlace, state_place_of
from provisioner.history.store import find_history
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.held import ValidPart, valid_part
from provisioner.inventory.loader.load import Loaded, check, load
from provisioner.inventory.model import Facility, Inventory
from provisioner.inventory.model.free_texts import with_texts
from provisioner.inventory.rules import ALLOCATION_MISSING, GATEWAY_KEY_MISSING, HOST_KEYS_MISSING
from provisioner.inventory.rules.texts import PRIVATE_TEXTS, shown
from provisioner.lifecycle.evidence import NO_EVIDENCE, Evidence
from provisioner.lifecycle.status import FacilityStatus, statuses

# What hosts still lack is no reason to report nothing.
_TOLERATED = frozenset({ALLOCATION_MISSING, GATEWAY_KEY_MISSING, HOST_KEYS_MISSING})


@dataclass(frozen=True)
class Overview:
    """One look at the whole.

    Attributes:
        root: the inventory's folder.
        loaded: the inventory's files, and what is wrong with them.
        inventory: what could be read of them.
        problems: every problem, sorted by place.
        evidence: all that was shown.
        place: where the history is.
        now: the moment, in Vietnam's time.
    """

    root: Path
    loaded: Loaded
    inventory: Inventory
    problems: tuple[Problem, ...]
    evidence: Evidence
    place: StatePlace
    now: datetime

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The ids of facilities whose files cannot be understood."""
        owners = (owner.partition("/") for owner in self.loaded.broken)
        return tuple(sorted(name for kind, _, name in owners if kind == "facility"))

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that keep the inventory from being applied."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)

    @cached_property
    def part(self) -> ValidPart:
        """The inventory without the facilities that have errors of their own; what hosts still lack is none here.

        Raises:
            InventoryError: with every problem: some concern all.
        """
        return valid_part(self.loaded, self.root, tolerate=_TOLERATED)

    @cached_property
    def held(self) -> tuple[HeldFacility, ...]:
        """The facilities with errors of their own; none where other errors stop all."""
        if not self.errors:
            return ()
        try:
            return tuple(self.part.held.values())
        except InventoryError:
            return ()

    def held_by(self, names: Sequence[str], limit: Limit) -> tuple[HeldFacility, ...]:
        """What is held of the chosen facilities."""
        limit = limit.by(self.inventory.settings.province_scheme)
        relays = self.inventory.relays
        return tuple(one for one in self.held if (not names or one.id in names) and limit.takes_held(one, relays))

    def statuses(self, names: Sequence[str], limit: Limit, without: Collection[str] = ()) -> tuple[FacilityStatus, ...]:
        """The status of the chosen facilities.

        Args:
            names: ids; none takes all.
            limit: what else chooses.
            without: ids that are left out.

        Raises:
            UsageError: there is no such facility, or nothing is chosen.
            InventoryError: a facility that was named cannot be read.
        """
        for name in names:
            self._refuse_unknown(name)
        named = [f for f in self.inventory.facilities.values() if not names or f.id in names]
        limit = limit.by(self.inventory.settings.province_scheme)
        chosen = [one for one in named if one.id not in without and self._takes(limit, one)]
        if not chosen:
            provinces = sorted({self.inventory.province_counted(f) for f in self.inventory.facilities.values()})
            raise UsageError("no facility is chosen", hint=f"provinces here are: {', '.join(provinces) or 'none'}")
        return statuses(self.inventory, self.evidence, self.now, chosen)

    def _refuse_unknown(self, name: str) -> None:
        if name in self.unreadable:
            problems = tuple(p for p in self.problems if p.object == f"facility/{name}")
            hint = "correct the places listed"
            raise InventoryError(f"facility {name} cannot be read", problems=problems, hint=hint, object=name)
        if name not in self.inventory.facilities:
            raise UsageError(f"there is no facility {name}", hint="name the id in its file", object=name)

    def _takes(self, limit: Limit, facility: Facility) -> bool:
        plans = [plan for plan in (facility.plan, facility.successor) if plan]
        return limit.takes(
            {
                "carrier": {plan.carrier for plan in plans},
                "province": {facility.province},
                "facility": {facility.id},
                "host": {plan.relay for plan in plans},
            }
        )


def overview(root: Path, environment: Mapping[str, str], now: datetime) -> Overview:
    """Look at the whole; an inventory with errors is looked at as far as it can be read.

    Raises:
        InventoryError: nothing can be read of it.
        StateError: there is a history, and it cannot be read.
    """
    loaded = load(root, today=now.date(), cache=cache_of(root, environment))
    problems = check(loaded)
    if loaded.partial is None:
        errors = tuple(problem for problem in problems if problem.severity is Severity.ERROR)
        raise InventoryError(
            f"the inventory {root} cannot be understood", problems=errors, hint="correct the places listed"
        )
    place = state_place_of(environment, loaded.partial.settings.id)
    evidence = _evidence(place)
    return Overview(root, loaded, _public(loaded.partial, problems), problems, evidence, place, now)


def _public(inventory: Inventory, problems: Sequence[Problem]) -> Inventory:
    """What could be read, without the texts that hold passwords or people's data: pages are made of it."""
    if not any(problem.code in PRIVATE_TEXTS for problem in problems):
        return inventory
    return with_texts(inventory, shown)


def _evidence(place: StatePlace) -> Evidence:
    history = find_history(place)
    if history is None:
        return NO_EVIDENCE
    with closing(history):
        return history.evidence()
