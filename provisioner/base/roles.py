"""Readers' roles and the paths that a reader may read. Pure.

The ministry's letter gives only the purpose; the role table is this project's reading of it. A matter without a cell is
hidden from everybody. A test compares pages and notices with the table, cell by cell.

A reading prefix is a province or a facility in it: `bac-giang` covers `bac-giang/kcl-bg-001/cam-01/sub`, but not
`bac-giang-2`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class ReaderRole(StrEnum):
    """The role of a reader of pages and notices."""

    MINISTRY = "ministry"
    STEERING = "steering"
    DIC = "dic"
    HEALTH = "health"
    CARRIER = "carrier"
    FACILITY = "facility"


class Matter(StrEnum):
    """Kinds of information."""

    CONTACTS = "contacts"  #: Persons to call; personal data.
    PLANS = "plans"  #: Surveys and connection plans.
    SITE_NETWORK = "site-network"  #: Addresses, ports, makes and logins of a site's devices; evidence that names them.
    LIVE = "live"  #: Pictures of paths. Pages and notices show none, and link to none without access.
    STATUS = "status"  #: Verdicts, incidents and their start, availability, progress.
    OPERATIONS = "operations"  #: Runs, hosts and their state, keys that fall due, plans that lack approvals.


class Reach(StrEnum):
    """The extent of a matter that a role sees."""

    NOTHING = "nothing"  #: No part of it.
    COUNTS = "counts"  #: Numbers over provinces, without facility names.
    PRESENCE = "presence"  #: Whether there is something of one's own, without its content.
    OWN = "own"  #: All of one's own.
    ESCALATION = "escalation"  #: Name, title and phone number of anybody to call.
    ALL = "all"  #: Everything of everybody.


Row = Mapping[Matter, Reach]


def _row(*reaches: Reach) -> Row:
    return dict(zip(Matter, reaches, strict=True))


_NO, _OWN, _ALL = Reach.NOTHING, Reach.OWN, Reach.ALL

#: Reach of each role. A carrier's own are the paths that it serves, and its relays; it browses no pictures.
MATRIX: Final[Mapping[ReaderRole, Row]] = {
    ReaderRole.MINISTRY: _row(Reach.ESCALATION, Reach.COUNTS, _NO, _ALL, _ALL, _NO),
    ReaderRole.STEERING: _row(_NO, _NO, _NO, _ALL, Reach.COUNTS, _NO),
    ReaderRole.DIC: _row(_OWN, _OWN, Reach.PRESENCE, _OWN, _OWN, _NO),
    ReaderRole.HEALTH: _row(_OWN, _OWN, _NO, _OWN, _OWN, _NO),
    ReaderRole.CARRIER: _row(_OWN, _OWN, _OWN, _NO, _OWN, _OWN),
    ReaderRole.FACILITY: _row(_OWN, _OWN, _OWN, _OWN, _OWN, _NO),
}

#: Kind of object that a role belongs to; roles not listed cover the whole country.
BOUND_TO: Final[Mapping[ReaderRole, str]] = {
    ReaderRole.DIC: "province",
    ReaderRole.HEALTH: "province",
    ReaderRole.CARRIER: "carrier",
    ReaderRole.FACILITY: "facility",
}


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The basis of a decision who may see a path or facility."""

    province: str = ""  #: The province under which it is counted today.
    facility: str = ""  #: Empty for something of a whole province or host.
    carriers: frozenset[str] = field(default_factory=frozenset)  #: Both carriers during a change of carrier.


@dataclass(frozen=True, slots=True)
class ReaderScope:
    """A reader's role, with the slug of its province, carrier or facility."""

    role: ReaderRole
    of: str = ""  #: Empty for a role of the whole country.

    def __post_init__(self) -> None:
        """Raise `ValueError` if `of` does not fit the role."""
        if bool(self.of) != (self.role in BOUND_TO):
            raise ValueError(f"{self.role} is of {BOUND_TO.get(self.role, 'the whole country')}")

    def reach(self, matter: Matter) -> Reach:
        """Return how much of a matter this reader sees."""
        return MATRIX[self.role][matter]

    def is_own(self, whereabouts: Whereabouts) -> bool:
        """Return whether an object belongs to this reader's province, carrier or facility."""
        match BOUND_TO.get(self.role):
            case "province":
                return self.of == whereabouts.province
            case "carrier":
                return self.of in whereabouts.carriers
            case "facility":
                return self.of == whereabouts.facility
        return False

    def sees(self, matter: Matter, whereabouts: Whereabouts) -> bool:
        """Return whether the reader may see all of an object's matter."""
        reach = self.reach(matter)
        return reach is Reach.ALL or (reach is Reach.OWN and self.is_own(whereabouts))

    def may_call(self, whereabouts: Whereabouts) -> bool:
        """Return whether the reader may see a contact's name, title and number."""
        return self.reach(Matter.CONTACTS) is Reach.ESCALATION or self.sees(Matter.CONTACTS, whereabouts)

    def counts(self, matter: Matter, whereabouts: Whereabouts) -> bool:
        """Return whether a number shown to the reader may include the object."""
        return self.reach(matter) is Reach.COUNTS or self.sees(matter, whereabouts)


def is_read(path: str, prefixes: Iterable[str]) -> bool:
    """Return whether a path, or its beginning, is under a prefix."""
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)


def may_read(path: str, prefixes: Collection[str]) -> bool:
    """Return whether a path is under the prefixes; no prefixes allow all."""
    return not prefixes or is_read(path, prefixes)


def words_of_reading(reader: str, prefixes: Iterable[str]) -> tuple[str, ...]:
    """Return rights as texts: `centre-hn` for all, else `centre-hn of bac-giang`."""
    return tuple(f"{reader} of {prefix}" for prefix in prefixes) or (reader,)


def had_right(right: str, before: Iterable[str]) -> bool:
    """Return whether a reader's earlier rights cover the right `right`."""
    reader, _, prefix = right.partition(" of ")
    readings = [entry.partition(" of ") for entry in before]
    wide = [wider for name, _, wider in readings if name == reader]
    return "" in wide or (prefix != "" and is_read(prefix, wide))
