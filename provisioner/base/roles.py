"""Readers' roles and the paths that a reader may read. Pure.

The ministry's letter gives no more than the purpose; the table of roles is this project's reading of it. A matter
without a cell is nobody's. A test holds pages and notices to the table, cell by cell.

A reading prefix is a province, or a facility of one: `bac-giang` covers `bac-giang/kcl-bg-001/cam-01/sub`, and nothing
of `bac-giang-2`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class ReaderRole(StrEnum):
    """In whose name somebody reads."""

    MINISTRY = "ministry"
    STEERING = "steering"
    DIC = "dic"
    HEALTH = "health"
    CARRIER = "carrier"
    FACILITY = "facility"


class Matter(StrEnum):
    """What there is to be seen.

    Attributes:
        CONTACTS: who is to be called: personal data.
        PLANS: surveys and connection plans.
        SITE_NETWORK: addresses and ports of a site's devices, their makes and logins; evidence that names them.
        LIVE: the pictures of paths; a page or a notice shows none, and may link to none for who has nothing here.
        STATUS: verdicts, incidents, since when, availability, progress.
    """

    CONTACTS = "contacts"
    PLANS = "plans"
    SITE_NETWORK = "site-network"
    LIVE = "live"
    STATUS = "status"


class Reach(StrEnum):
    """How much of a matter somebody sees.

    Attributes:
        NOTHING: none of it.
        COUNTS: numbers over provinces, nothing that names a facility.
        PRESENCE: of what is one's own, whether there is something, and never what.
        OWN: all of what is one's own.
        ESCALATION: of everybody, as much as it takes to call somebody: name, title and phone number.
        ALL: all of everybody's.
    """

    NOTHING = "nothing"
    COUNTS = "counts"
    PRESENCE = "presence"
    OWN = "own"
    ESCALATION = "escalation"
    ALL = "all"


Row = Mapping[Matter, Reach]


def _row(contacts: Reach, plans: Reach, site_network: Reach, live: Reach, status: Reach) -> Row:
    reaches = (contacts, plans, site_network, live, status)
    return MappingProxyType(dict(zip(Matter, reaches, strict=True)))


_NO, _OWN, _ALL = Reach.NOTHING, Reach.OWN, Reach.ALL

MATRIX: Final[Mapping[ReaderRole, Row]] = MappingProxyType(
    {
        ReaderRole.MINISTRY: _row(Reach.ESCALATION, Reach.COUNTS, _NO, _ALL, _ALL),
        ReaderRole.STEERING: _row(_NO, _NO, _NO, _ALL, Reach.COUNTS),
        ReaderRole.DIC: _row(_OWN, _OWN, Reach.PRESENCE, _OWN, _OWN),
        ReaderRole.HEALTH: _row(_OWN, _OWN, _NO, _OWN, _OWN),
        ReaderRole.CARRIER: _row(_OWN, _OWN, _OWN, _NO, _OWN),
        ReaderRole.FACILITY: _row(_OWN, _OWN, _OWN, _OWN, _OWN),
    }
)
"""How far each role sees; a carrier's own are the paths that it serves, and it browses no pictures."""

BOUND_TO: Final[Mapping[ReaderRole, str]] = MappingProxyType(
    {
        ReaderRole.DIC: "province",
        ReaderRole.HEALTH: "province",
        ReaderRole.CARRIER: "carrier",
        ReaderRole.FACILITY: "facility",
    }
)
"""What a role is of; one that is not here is of the whole country."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What a path or a facility is of, as far as that decides who may see it.

    Attributes:
        province: the province under which it is counted today.
        facility: its facility; empty for what is of a whole province or host.
        carriers: the carriers that serve it; while one takes over from another, both.
    """

    province: str = ""
    facility: str = ""
    carriers: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class ReaderScope:
    """One reader: a role, and the province, carrier or facility that it is of.

    Attributes:
        role: in whose name.
        of: the slug of its province, carrier or facility; empty for a role of the whole country.
    """

    role: ReaderRole
    of: str = ""

    def __post_init__(self) -> None:
        """Refuse a reader of nothing, or of more than the role has.

        Raises:
            ValueError: `of` is missing, or too much.
        """
        if bool(self.of) != (self.role in BOUND_TO):
            raise ValueError(f"{self.role} is of {BOUND_TO.get(self.role, 'the whole country')}")

    def reach(self, matter: Matter) -> Reach:
        """How far this reader sees a matter."""
        return MATRIX[self.role][matter]

    def is_own(self, place: Whereabouts) -> bool:
        """Tell whether something is of this reader's province, carrier or facility; a whole country has none."""
        match BOUND_TO.get(self.role):
            case "province":
                return self.of == place.province
            case "carrier":
                return self.of in place.carriers
            case "facility":
                return self.of == place.facility
        return False

    def sees(self, matter: Matter, place: Whereabouts) -> bool:
        """Tell whether all that a matter has of one thing may be shown."""
        reach = self.reach(matter)
        return reach is Reach.ALL or (reach is Reach.OWN and self.is_own(place))

    def may_call(self, place: Whereabouts) -> bool:
        """Tell whether name, title and phone number of who is to be called may be shown."""
        return self.reach(Matter.CONTACTS) is Reach.ESCALATION or self.sees(Matter.CONTACTS, place)

    def counts(self, matter: Matter, place: Whereabouts) -> bool:
        """Tell whether one thing may be counted in a number that is shown: who sees it counts it as well."""
        return self.reach(matter) is Reach.COUNTS or self.sees(matter, place)

    def knows_of(self, matter: Matter, place: Whereabouts) -> bool:
        """Tell whether it may be said that there is something, and not what."""
        is_present = self.reach(matter) is Reach.PRESENCE and self.is_own(place)
        return is_present or self.sees(matter, place)


def is_read(path: str, prefixes: Iterable[str]) -> bool:
    """Whether a path, or a longer beginning of one, lies under one of the prefixes."""
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)


def may_read(path: str, prefixes: Collection[str]) -> bool:
    """Whether a path may be read by who is given these prefixes; who is given none may read all."""
    return not prefixes or is_read(path, prefixes)


def words_of_reading(reader: str, prefixes: Iterable[str]) -> tuple[str, ...]:
    """What a reader may read, a text each: `centre-hn` of one who may read all, else `centre-hn of bac-giang`."""
    return tuple(f"{reader} of {prefix}" for prefix in prefixes) or (reader,)


def was_read(words: str, before: Iterable[str]) -> bool:
    """Whether what one such text says was said before, by the same one or a wider one of the same reader."""
    reader, _, prefix = words.partition(" of ")
    readings = [one.partition(" of ") for one in before]
    wide = [wider for name, _, wider in readings if name == reader]
    return "" in wide or (prefix != "" and is_read(prefix, wide))
