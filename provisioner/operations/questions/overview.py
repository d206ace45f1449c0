"""What `status` and `export` look at: the inventory, all that was shown, and the moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from provisioner.base.errors import InventoryError, Problem, Severity, UsageError
from provisioner.base.frozen import HeldFacility
from provisioner.base.service import Stage, at_stage
from provisioner.base.text import did_you_mean, printable
from provisioner.desired.limit import Limit
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.frozen import held_facilities
from provisioner.inventory.loader.load import Loaded, check, load
from provisioner.inventory.model import Facility, Inventory, Model, Survey, relays_of
from provisioner.inventory.model.free_texts import with_texts
from provisioner.inventory.outline import Outline, OutlinedInventory
from provisioner.inventory.rules import ALLOCATION_MISSING, GATEWAY_KEY_MISSING, HOST_KEYS_MISSING
from provisioner.inventory.rules.lock import is_sealed
from provisioner.inventory.rules.texts import PRIVATE_TEXTS, shown
from provisioner.record import history_at
from provisioner.record.availability.verdict_table import UP
from provisioner.record.entries import Operation
from provisioner.record.lifecycle.evidence import NO_EVIDENCE, Evidence
from provisioner.record.lifecycle.status import FacilityStatus, statuses
from provisioner.record.place import StatePlace, state_place_of

if TYPE_CHECKING:
    from provisioner.record.availability.path_state import PathState

M = TypeVar("M", bound=Model)

# What hosts still lack is no reason to report nothing.
_TOLERATED = frozenset({ALLOCATION_MISSING, GATEWAY_KEY_MISSING, HOST_KEYS_MISSING})
_NEWEST = 50


@dataclass(frozen=True)
class Overview:
    """One look at the whole.

    Attributes:
        root: the inventory's folder.
        loaded: the inventory's files, and what is wrong with them.
        inventory: what could be read of them, without the texts that hold passwords or people's data.
        problems: every problem, sorted by place.
        evidence: all that was shown.
        place: where the history is.
        now: the moment, in Vietnam's time.
        unended: the newest runs that changed hosts and of which no end is recorded.
    """

    root: Path
    loaded: Loaded
    inventory: OutlinedInventory
    problems: tuple[Problem, ...]
    evidence: Evidence
    place: StatePlace
    now: datetime
    unended: tuple[str, ...] = ()

    @property
    def unreadable(self) -> tuple[str, ...]:
        """The ids of facilities whose files cannot be understood."""
        owners = (owner.partition("/") for owner in self.loaded.broken)
        return tuple(sorted(name for kind, _, name in owners if kind == "facility"))

    @property
    def unsealed(self) -> tuple[str, ...]:
        """The relays in use whose tunnel's key is on their disk alone: nothing opens it for new hardware."""
        lock, recovery = self.inventory.allocations.relays, self.inventory.settings.recovery
        relays = ((name, lock[name]) for name in sorted(self.inventory.relays) if name in lock)
        return tuple(name for name, of in relays if of.public_key and not is_sealed(of, recovery))

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that keep the inventory from being applied."""
        return tuple(problem for problem in self.problems if problem.stops)

    @cached_property
    def in_error(self) -> Mapping[str, HeldFacility]:
        """The facilities that have errors of their own, by id; what hosts still lack is none here.

        Raises:
            InventoryError: with every problem: some concern all.
        """
        return held_facilities(self.loaded, self.root, tolerate=_TOLERATED)

    @cached_property
    def held(self) -> tuple[HeldFacility, ...]:
        """The facilities with errors of their own; none where other errors stop all."""
        if not self.errors:
            return ()
        try:
            return tuple(self.in_error.values())
        except InventoryError:
            return ()

    @cached_property
    def whole_inventory(self) -> Inventory:
        """As `inventory`, with whole facilities: a country's take seconds."""
        if self.loaded.partial is None:
            raise TypeError("an overview is of an inventory that can be read")
        return self._public(self.loaded.partial)

    def facility(self, name: str) -> Facility:
        """One facility of the inventory, read from its file."""
        return self._public(self.loaded.facility(name))

    def name(self, facility: str) -> str:
        """What a facility of the inventory is called, read from its file."""
        name = self.loaded.name(facility)
        return shown(name) if _has_private(self.problems) else name

    def survey(self, name: str) -> Survey | None:
        """The survey of one facility of the inventory, read from its file."""
        survey = self.loaded.survey(name)
        return self._public(survey) if survey else None

    def _public(self, model: M) -> M:
        return with_texts(model, shown) if _has_private(self.problems) else model

    def _read(self, limit: Limit) -> Limit:
        """A limit, read by the inventory; what cannot be understood has its names too."""
        return limit.of(self.inventory, also={owner.rpartition("/")[2] for owner in self.loaded.broken})

    def held_by(self, names: Sequence[str], limit: Limit) -> tuple[HeldFacility, ...]:
        """What is held of the chosen facilities."""
        limit = self._read(limit)
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
        limit = self._read(limit)
        chosen = [one for one in named if one.id not in without and self._takes(limit, one)]
        if not chosen:
            provinces = sorted({self.inventory.province_counted(f) for f in self.inventory.facilities.values()})
            raise UsageError("no facility is chosen", hint=f"provinces here are: {', '.join(provinces) or 'none'}")
        with at_stage(Stage.COUNT):
            return statuses(self.inventory, self.evidence, self.now, chosen)

    def failing(self, facilities: Collection[Outline]) -> Mapping[str, Mapping[str, PathState]]:
        """Of some facilities, the paths that the last look which could tell did not see up, and since when.

        Raises:
            StateError: there is a history, and it cannot be read.
        """
        if self.place.file and not self.place.file.exists():
            return {}
        # The database's library takes time.
        from provisioner.record.verdicts import read_since  # noqa: PLC0415

        failing: dict[str, dict[str, PathState]] = {facility.id: {} for facility in facilities}
        for province in sorted({facility.province for facility in facilities}):
            for path, one in read_since(self.place, f"{province}/", self.now).items():
                facility = path.removeprefix(f"{province}/").partition("/")[0]
                if facility in failing and one.verdict != UP:
                    failing[facility][path] = one
        return failing

    def _refuse_unknown(self, name: str) -> None:
        if name in self.unreadable:
            problems = tuple(p for p in self.problems if p.object == f"facility/{name}")
            hint = "correct the places listed"
            raise InventoryError(f"facility {name} cannot be read", problems=problems, hint=hint, object=name)
        if name not in self.inventory.facilities:
            hint = did_you_mean(name, self.inventory.facilities, "name the id in its file")
            raise UsageError(f"there is no facility {printable(name, 80)}", hint=hint, object=name)

    def _takes(self, limit: Limit, facility: Outline) -> bool:
        if not limit.wanted:
            return True
        plans = [plan for plan in (facility.plan, facility.successor) if plan]
        return limit.takes(
            {
                "carrier": {plan.carrier for plan in plans},
                "province": {facility.province},
                "facility": {facility.id},
                "host": {relay for _, relay in relays_of(plans)},
            }
        )


def overview(root: Path, environment: Mapping[str, str], now: datetime) -> Overview:
    """Look at the whole; an inventory with errors is looked at as far as it can be read.

    Args:
        root: the inventory's folder.
        environment: the caller's environment (where cache and history are).
        now: the moment.

    Raises:
        InventoryError: nothing can be read of it.
        StateError: there is a history, and it cannot be read.
    """
    loaded = load(root, today=now.date(), cache=cache_of(root, environment))
    problems = check(loaded)
    inventory = loaded.outlined
    if inventory is None:
        errors = tuple(problem for problem in problems if problem.severity is Severity.ERROR)
        raise InventoryError(
            f"the inventory {root} cannot be understood", problems=errors, hint="correct the places listed"
        )
    place = state_place_of(environment, inventory.settings.id)
    with at_stage(Stage.RECORD):
        evidence, unended = _evidence(place)
    inventory = _public(inventory) if _has_private(problems) else inventory
    return Overview(root, loaded, inventory, problems, evidence, place, now, unended)


def document_of(whole: Overview, run: str) -> Mapping[str, object] | None:
    """The JSON document that a run left; None where there is none.

    Raises:
        StateError: the history cannot be read.
    """
    history = history_at(whole.place)
    if history is None:
        return None
    with closing(history):
        return history.document(run)


def _has_private(problems: Sequence[Problem]) -> bool:
    return any(problem.code in PRIVATE_TEXTS for problem in problems)


def _public(inventory: OutlinedInventory) -> OutlinedInventory:
    """What could be read, without the texts that hold passwords or people's data: pages are made of it."""
    facilities = {name: _public_outline(one) for name, one in inventory.facilities.items()}
    return with_texts(inventory, shown).model_copy(update={"facilities": facilities})


def _public_outline(outline: Outline) -> Outline:
    remarks = with_texts(outline.read_remarks, shown).model_dump_json(exclude_none=True) if outline.remarks else ""
    return outline._replace(remarks=remarks)


def _evidence(place: StatePlace) -> tuple[Evidence, tuple[str, ...]]:
    """All that was shown, and the newest runs that have not ended."""
    history = history_at(place)
    if history is None:
        return NO_EVIDENCE, ()
    with closing(history):
        newest = history.past(_NEWEST).runs
        unended = (r.run.id for r in newest if r.finished is None and r.run.operation is not Operation.VERIFY)
        return history.evidence(), tuple(unended)
