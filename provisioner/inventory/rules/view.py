"""Argument of rules across files, and removal of consequential problems.

A consequence of another problem is not listed. Only an error hides others, so an inventory does not become valid by it.
Remaining problems are reported after the correction.
"""

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import count
from typing import Final, NamedTuple, TypeVar

from provisioner.base.errors import Problem, Severity
from provisioner.base.text import AnyNetwork, nearest, which_was_meant
from provisioner.inventory.files.positions import KeyPath, Places
from provisioner.inventory.geography import Province, ProvinceError, by_slug, is_inside, is_slug
from provisioner.inventory.model.hosts import Carrier, Centre, JumpHost, Relay
from provisioner.inventory.model.inventory import BaseInventory, InProvince
from provisioner.inventory.model.orders import Designation
from provisioner.inventory.model.policy import ProvinceScheme
from provisioner.inventory.outline import Outline, PlanOutline

_Root = TypeVar("_Root")
_MOST_HINTS: Final = 100  #: Searches for similar words: each compares a word with all facilities.
_OF_A_PLAN: Final = frozenset({"allocation-missing", "carrier-not-designated", "sign-off-stale"})

#: Codes that an error hides in the same file.
IN_ONE_FILE: Final[Mapping[str, frozenset[str]]] = {
    "province-unknown": _OF_A_PLAN | {"facility-file-misplaced"},
    "facility-file-misplaced": _OF_A_PLAN,
    "centre-file-misplaced": frozenset({"allocation-missing"}),
    "carrier-file-misplaced": frozenset({"allocation-missing"}),
    "carrier-unknown": _OF_A_PLAN | {"relay-of-other-carrier", "backup-relay-unfit"},
    "relay-unknown": frozenset({"sign-off-stale"}),
    "relay-of-other-carrier": frozenset({"sign-off-stale"}),
    "backup-relay-unfit": frozenset({"sign-off-stale"}),
    "recorder-unknown": frozenset({"allocation-missing", "sign-off-stale"}),
}

#: Codes that an error of such an object hides in other files, which refer to the correct value.
ANYWHERE: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("carrier", "carrier-file-misplaced"): frozenset({"relay-of-other-carrier", "carrier-unknown", "pool-missing"}),
    ("centre", "centre-file-misplaced"): frozenset({"centre-unknown"}),
    ("designations", "province-unknown"): frozenset({"carrier-not-designated"}),
    ("designations", "carrier-unknown"): frozenset({"carrier-not-designated"}),
}
OwnerPath = tuple[str, KeyPath]  #: An owner and a path in its file.

_Key = tuple[str, ProvinceScheme | None]


class JumpRoute(NamedTuple):
    """A jump host with the hosts behind it."""

    owner: str  #: Its file; `path` is its path there.
    path: KeyPath
    of: str  #: The carrier or host that names it.
    jump: JumpHost
    hosts: Sequence[Relay | Centre]
    networks: tuple[AnyNetwork, ...]


@dataclass(frozen=True)
class View:
    """Argument of the rules across files."""

    inventory: BaseInventory  #: The content without facilities.
    outlines: Mapping[str, Outline]  #: The facilities' outlines, sorted by id.
    places: Places
    today: date
    broken: Collection[str] = frozenset()  #: Owners of invalid files; a reference to them is not an error.

    def problem(
        self,
        owner: str,
        path: KeyPath,
        code: str,
        message: str,
        hint: str,
        *,
        severity: Severity = Severity.ERROR,
        concerns: tuple[str, ...] = (),
    ) -> Problem:
        """Return a problem of an object, with its position and name."""
        position = self.places.at(owner, *path)
        return Problem(*position, code, f"{owner.replace('/', ' ', 1)}: {message}", hint, owner, severity, concerns)

    def warning(self, owner: str, path: KeyPath, code: str, message: str, hint: str) -> Problem:
        """Return a problem that does not make the inventory invalid."""
        return self.problem(owner, path, code, message, hint, severity=Severity.WARNING)

    def where(self, owner: str, *path: str | int) -> str:
        """Return another object's position, for messages."""
        position = self.places.at(owner, *path)
        return f"{position.file}:{position.line}" if position.file else owner

    def relays(self) -> Iterator[tuple[str, KeyPath, Carrier, Relay]]:
        """Yield each relay with its file, its path there, and its carrier."""
        for carrier in self.inventory.carriers.values():
            for index, relay in enumerate(carrier.relays):
                yield f"carrier/{carrier.id}", ("relays", index), carrier, relay

    def centres(self) -> Iterator[tuple[str, Centre]]:
        """Yield each centre with its file."""
        for centre in self.inventory.centres.values():
            yield f"centre/{centre.id}", centre

    def hosts(self) -> Iterator[tuple[str, KeyPath, Relay | Centre]]:
        """Yield each relay and centre with its file and its path there."""
        yield from ((owner, path, relay) for owner, path, _, relay in self.relays())
        yield from ((owner, (), centre) for owner, centre in self.centres())

    def jump_routes(self) -> Iterator[JumpRoute]:
        """Yield each jump host with the hosts behind it."""
        for carrier in self.inventory.carriers.values():
            if carrier.jump is not None:
                jump, behind = carrier.jump.with_host_ca(carrier.host_ca), [r for r in carrier.relays if r.jump is None]
                yield JumpRoute(
                    f"carrier/{carrier.id}", ("jump",), carrier.id, jump, behind, carrier.management_networks
                )
        for owner, path, carrier, relay in self.relays():
            if relay.jump is not None:
                jump = relay.jump.with_host_ca(carrier.host_ca)
                yield JumpRoute(owner, (*path, "jump"), relay.id, jump, [relay], carrier.management_networks)
        for owner, centre in self.centres():
            if centre.jump is not None:
                networks = self.inventory.ssh_sources(centre.id)
                yield JumpRoute(owner, ("jump",), centre.id, centre.jump, [centre], networks)

    def facilities(self) -> Iterator[tuple[str, Outline]]:
        """Yield each facility with its owner, sorted by id."""
        for name, facility in self.outlines.items():
            yield f"facility/{name}", facility

    def plans(self) -> Iterator[tuple[str, str, Outline, PlanOutline]]:
        """Yield each plan and successor: owner, key, facility, plan."""
        for owner, facility in self.facilities():
            if facility.plan:
                yield owner, "plan", facility, facility.plan
            if facility.successor:
                yield owner, "successor", facility, facility.successor

    def designations_of(self, facility: InProvince) -> tuple[Designation, ...]:
        """Return the designations of a facility's province, across lists of provinces."""
        key = facility.province, facility.province_scheme
        if key not in self._designations:
            self._designations[key] = tuple(self._designations_for(key))
        return self._designations[key]

    @cached_property
    def _designations(self) -> dict[_Key, tuple[Designation, ...]]:
        """Cache: a country has a few dozen provinces and thousands of facilities."""
        return {}

    def _designations_for(self, key: _Key) -> Iterator[Designation]:
        province = self._province_or_none(key)
        for designation in self.inventory.designations if province else ():
            designated = self._province_or_none((designation.province, designation.province_scheme))
            if province and designated and is_inside(province, designated):
                yield designation

    def _province_or_none(self, key: _Key) -> Province | None:
        if key not in self._provinces:
            scheme = self.inventory.scheme_of(key[1])
            self._provinces[key] = by_slug(key[0], scheme) if is_slug(key[0], scheme) else None
        return self._provinces[key]

    @cached_property
    def _provinces(self) -> dict[_Key, Province | None]:
        return {}

    def province_today(self, facility: InProvince) -> Province | ProvinceError:
        """Return a facility's province today, or the error."""
        key = facility.province, facility.province_scheme
        if key not in self._today:
            try:
                self._today[key] = self.inventory.province_today(facility)
            except ProvinceError as error:
                self._today[key] = error
        return self._today[key]

    @cached_property
    def _today(self) -> dict[_Key, Province | ProvinceError]:
        return {}

    def did_you_mean(self, word: str, choices: Iterable[str], otherwise: str, *, most: int = 3) -> str:
        """Return a hint with similar words, for the first unknown words."""
        close = nearest(word, sorted(choices), most=most) if next(self._hints) < _MOST_HINTS else ()
        return which_was_meant(close) or otherwise

    @cached_property
    def _hints(self) -> Iterator[int]:
        return count()

    @cached_property
    def relays_by_id(self) -> dict[str, tuple[Carrier, Relay]]:
        """`inventory.relays`, which makes a dict at each access, for loops."""
        return self.inventory.relays

    @cached_property
    def relay_places(self) -> dict[str, OwnerPath]:
        """File and position of each relay."""
        carriers = self.inventory.carriers.values()
        return {r.id: (f"carrier/{c.id}", ("relays", index)) for c in carriers for index, r in enumerate(c.relays)}

    def once_here(self, facility: str) -> bool:
        """Return whether a facility exists or existed, i.e. is no typo."""
        lock = self.inventory.allocations
        removed = any(tombstone.object == f"site/{facility}" for tombstone in lock.tombstones)
        return facility in self.outlines or facility in lock.sites or removed

    def is_hub(self, centre: str) -> bool:
        """Return whether a centre is a hub."""
        entry = self.inventory.centres.get(centre)
        return entry is not None and entry.hub is not None

    def knows(self, owner: str) -> bool:
        """Return whether an object exists, perhaps in an unreadable file."""
        kind, _, name = owner.partition("/")
        listing = self.inventory.carriers if kind == "carrier" else self.inventory.centres
        return name in listing or owner in self.broken


def overlapping_pairs(spans: Iterable[tuple[Hashable, float, float, int]]) -> list[tuple[int, int]]:
    """Return numbers of one key's entries with overlapping spans, lower first.

    A span has key, begin, first value after the end, number. Each entry is paired with the one before it that ends
    last: all pairs of a hostile file would be too many.
    """
    pairs, last = set(), dict[Hashable, tuple[float, int]]()
    for key, begin, end, number in sorted(spans, key=lambda span: (*span[1:3], span[3])):
        last_end, last_number = last.get(key, (begin, number))
        if begin < last_end:
            pairs.add((min(number, last_number), max(number, last_number)))
        if end > last_end or key not in last:
            last[key] = end, number
    return sorted(pairs)


def without_consequences(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return problems without the consequences of others."""
    listed = tuple(problems)
    errors = [problem for problem in listed if problem.severity is Severity.ERROR]
    codes: dict[str, set[str]] = {}
    for problem in errors:
        # An object in a file with another name has no place, so its problems have no file.
        for file in {problem.file, ""} if problem.code.endswith("-file-misplaced") else {problem.file}:
            codes.setdefault(file, set()).add(problem.code)
    everywhere = _hidden(ANYWHERE, {(problem.object.partition("/")[0], problem.code) for problem in errors})
    hidden = {file: _hidden(IN_ONE_FILE, roots) for file, roots in codes.items()}
    return tuple(p for p in listed if p.code not in everywhere and p.code not in hidden.get(p.file, ()))


def _hidden(table: Mapping[_Root, frozenset[str]], roots: Collection[_Root]) -> frozenset[str]:
    return frozenset().union(*(table[root] for root in roots if root in table))
