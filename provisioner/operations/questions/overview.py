"""The basis of `status` and `export`: inventory, evidence, and time."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from provisioner.base.errors import FrozenFacility, InventoryError, Problem, Severity, UsageError
from provisioner.base.language import marked
from provisioner.base.service import Stage, at_stage
from provisioner.base.text import VIETNAM, did_you_mean, msg, printable
from provisioner.desired.limit import Limit
from provisioner.inventory.files.revision import revision_at
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.frozen import frozen_facilities
from provisioner.inventory.loader.load import Loaded, check, load
from provisioner.inventory.model.base import Model
from provisioner.inventory.model.facility import Facility, Survey, relays_of
from provisioner.inventory.model.free_texts import with_texts
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.outline import Outline, OutlinedInventory
from provisioner.inventory.rules.lock import LOCK_GAPS, is_sealed
from provisioner.inventory.rules.texts import PRIVATE_TEXTS, public_text
from provisioner.record import read_history
from provisioner.record.availability.path_state import UP
from provisioner.record.entries import Operation
from provisioner.record.lifecycle.evidence import NO_EVIDENCE, Evidence
from provisioner.record.lifecycle.status import FacilityStatus, statuses
from provisioner.record.state_folder import StateFolder, state_folder_of

if TYPE_CHECKING:
    from provisioner.record.availability.path_state import PathState
    from provisioner.record.store import History

M = TypeVar("M", bound=Model)

_NEWEST = 50

#: The next step in an inventory without facilities.
FIRST_FACILITY = marked("register one: provisioner facility add, or provisioner import FILE")


@dataclass(frozen=True)
class Overview:
    """An inventory with its evidence at a time."""

    root: Path
    loaded: Loaded
    inventory: OutlinedInventory  #: The readable part, without passwords or personal data.
    problems: tuple[Problem, ...]
    evidence: Evidence
    place: StateFolder
    now: datetime
    unended: tuple[str, ...] = ()  #: The newest changing runs without recorded end.
    is_past: bool = False  #: Whether it is of an earlier moment; errors of files then freeze no facility.

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Ids of facilities with invalid files."""
        owners = (owner.partition("/") for owner in self.loaded.broken)
        return tuple(sorted(name for kind, _, name in owners if kind == "facility"))

    @property
    def is_empty(self) -> bool:
        """Return whether no facility is registered."""
        return not self.inventory.facilities and not self.unreadable

    @property
    def unsealed(self) -> tuple[str, ...]:
        """Relays whose tunnel key has no box for new hardware."""
        lock, recovery = self.inventory.allocations.relays, self.inventory.settings.recovery
        relays = ((name, lock[name]) for name in sorted(self.inventory.relays) if name in lock)
        return tuple(name for name, entry in relays if entry.public_key and not is_sealed(entry, recovery))

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that prevent an apply."""
        return tuple(problem for problem in self.problems if problem.stops)

    @cached_property
    def in_error(self) -> Mapping[str, FrozenFacility]:
        """Facilities with errors of their own, except missing allocations and keys."""
        return {} if self.is_past else frozen_facilities(self.loaded, self.root, tolerate=LOCK_GAPS)

    @cached_property
    def frozen(self) -> tuple[FrozenFacility, ...]:
        """Frozen facilities; empty if other errors stop all."""
        if not self.errors:
            return ()
        try:
            return tuple(self.in_error.values())
        except InventoryError:
            return ()

    @cached_property
    def whole_inventory(self) -> Inventory:
        """As `inventory`, with complete facilities; a country's take seconds."""
        if self.loaded.partial is None:
            raise TypeError("an overview is of an inventory that can be read")
        return self._public(self.loaded.partial)

    def facility(self, name: str) -> Facility:
        """Read a facility from its file."""
        return self._public(self.loaded.facility(name))

    def name(self, facility: str) -> str:
        """Read a facility's name from its file."""
        name = self.loaded.name(facility)
        return public_text(name) if _has_private(self.problems) else name

    def survey(self, name: str) -> Survey | None:
        """Read a facility's survey from its file."""
        survey = self.loaded.survey(name)
        return self._public(survey) if survey else None

    def _public(self, model: M) -> M:
        return with_texts(model, public_text) if _has_private(self.problems) else model

    def _read(self, limit: Limit) -> Limit:
        """Resolve a limit's names, those of unreadable facilities included."""
        return limit.of(self.inventory, also={owner.rpartition("/")[2] for owner in self.loaded.broken})

    def frozen_by(self, names: Sequence[str], limit: Limit) -> tuple[FrozenFacility, ...]:
        """Return the frozen ones of the chosen facilities."""
        limit = self._read(limit)
        relays = self.inventory.relays
        return tuple(
            facility
            for facility in self.frozen
            if (not names or facility.id in names) and limit.takes_frozen(facility, relays)
        )

    def statuses(self, names: Sequence[str], limit: Limit, without: Collection[str] = ()) -> tuple[FacilityStatus, ...]:
        """Return chosen facilities' status, all without names or limit; or raise `UsageError`."""
        for name in names:
            self._refuse_unknown(name)
        named = [f for f in self.inventory.facilities.values() if not names or f.id in names]
        limit = self._read(limit)
        chosen = [facility for facility in named if facility.id not in without and self._is_in_limit(limit, facility)]
        if not chosen and limit.wanted:
            provinces = sorted({self.inventory.province_counted(f) for f in self.inventory.facilities.values()})
            hint = msg("provinces here are: {provinces}", ", ".join(provinces)) if provinces else FIRST_FACILITY
            raise UsageError("no facility is chosen", hint=hint)
        with at_stage(Stage.COUNT):
            return statuses(self.inventory, self.evidence, self.now, chosen)

    def known_statuses(
        self, names: Collection[str], limit: Limit, without: Collection[str] = ()
    ) -> tuple[FacilityStatus, ...]:
        """As `statuses`, without facilities that this moment lacks."""
        known = [name for name in names if name in self.inventory.facilities]
        try:
            return self.statuses(known, limit, without) if known or not names else ()
        except UsageError:
            return ()

    def failing(self, facilities: Collection[Outline]) -> "Mapping[str, Mapping[str, PathState]]":
        """Return facilities' paths that were not up at the last known look."""
        if self.place.file and not self.place.file.exists():
            return {}
        # The database's library takes time.
        from provisioner.record.verdicts import read_since  # noqa: PLC0415

        failing: dict[str, dict[str, PathState]] = {facility.id: {} for facility in facilities}
        for province in sorted({facility.province for facility in facilities}):
            for path, state in read_since(self.place, f"{province}/", self.now).items():
                facility = path.removeprefix(f"{province}/").partition("/")[0]
                if facility in failing and state.verdict != UP:
                    failing[facility][path] = state
        return failing

    def _refuse_unknown(self, name: str) -> None:
        if name in self.unreadable:
            problems = tuple(p for p in self.problems if p.object == f"facility/{name}")
            hint = "correct the places listed"
            raise InventoryError(f"facility {name} cannot be read", problems=problems, hint=hint, object=name)
        if name not in self.inventory.facilities:
            hint = did_you_mean(name, self.inventory.facilities, "name the id in its file")
            raise UsageError(f"there is no facility {printable(name, 80)}", hint=hint, object=name)

    def _is_in_limit(self, limit: Limit, facility: Outline) -> bool:
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
    """Return the overview of an inventory, as far as it is readable."""
    return _overview_of(root, load(root, today=now.date(), cache=cache_of(root, environment)), environment, now)


@contextmanager
def overview_at(root: Path, environment: Mapping[str, str], moment: datetime) -> Iterator[Overview]:
    """Return an earlier moment's overview, by its commit and records.

    Raises `UsageError` without such a commit. Facilities' files can be read until the context ends.
    """
    with revision_at(root, moment) as old:
        loaded = load(old.root, today=moment.astimezone(VIETNAM).date(), cache=cache_of(root, environment))
        whole = _overview_of(old.root, loaded, environment, moment, is_past=True)
        yield replace(whole, problems=old.relocated(whole.problems))


def _overview_of(
    root: Path, loaded: Loaded, environment: Mapping[str, str], now: datetime, *, is_past: bool = False
) -> Overview:
    problems = check(loaded)
    inventory = loaded.outlined
    if inventory is None:
        errors = tuple(problem for problem in problems if problem.severity is Severity.ERROR)
        hint = msg("name another moment") if is_past else "correct the places listed"
        raise InventoryError(f"the inventory {root} cannot be understood", problems=errors, hint=hint)
    folder = state_folder_of(environment, inventory.settings.id)
    with at_stage(Stage.RECORD):
        read = partial(_evidence_and_unended, now if is_past else None)
        evidence, unended = read_history(folder, read, (NO_EVIDENCE, ()))
    inventory = _public(inventory) if _has_private(problems) else inventory
    return Overview(root, loaded, inventory, problems, evidence, folder, now, unended, is_past)


def document_of(whole: Overview, run: str) -> Mapping[str, object] | None:
    """Return a run's JSON document, if any."""
    return read_history(whole.place, lambda history: history.document(run), None)


def _has_private(problems: Sequence[Problem]) -> bool:
    return any(problem.code in PRIVATE_TEXTS for problem in problems)


def _public(inventory: OutlinedInventory) -> OutlinedInventory:
    """Remove passwords and personal data: pages are made from the result."""
    facilities = {name: _public_outline(outline) for name, outline in inventory.facilities.items()}
    return with_texts(inventory, public_text).model_copy(update={"facilities": facilities})


def _public_outline(outline: Outline) -> Outline:
    remarks = (
        with_texts(outline.read_remarks, public_text).model_dump_json(exclude_none=True) if outline.remarks else ""
    )
    return outline._replace(remarks=remarks)


def _evidence_and_unended(as_of: datetime | None, history: "History") -> tuple[Evidence, tuple[str, ...]]:
    if as_of is not None:
        return history.evidence(as_of=as_of), ()
    newest = history.past(_NEWEST).runs
    unended = (r.run.id for r in newest if r.finished is None and r.run.operation is not Operation.VERIFY)
    return history.evidence(), tuple(unended)
