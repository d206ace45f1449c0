"""A change of one host's resource, and the paths it cuts. Pure.

A plan lists each change with its `Impact`. `HostCut` summarizes a host's changes, as narrowly as possible. A path that
only loses a reader's session is not cut: it continues to reach its relay.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from provisioner.desired.spec import LEFT, NEXT, SITE, HostKind, HostSpec

Audience = Mapping[str, Mapping[str, int]]  #: Live readers by relay and path.

NOBODY: Audience = {}

HOST = "host"  #: Trust change of a host that has not proved that it was managed before.
OWNER = "owner"  #: Trust change of a host that is taken over from another inventory, or after its release.
FIRST = "first apply"  #: Trust change of a host that proved itself with its identity key, before its first apply.

#: Changes that loosen the policy.
_OF_POLICY = ("limit ", "freeze ", "signing: ", "approval: ", "protected ", "Rego rules ")
_SHARED = ("program", *_OF_POLICY)  #: Changes of the whole inventory, counted once for all hosts.
_DANGER = (
    *(OWNER, HOST, "address", "host key", "SSH user", "SSH port", "jump host", "key of "),
    *("program", "signing: ", "approval: ", "Rego rules ", FIRST),
)

_FORMER = "former/"
_RELAY = "relay/"


class Resource(StrEnum):
    """Kind of a changed resource; trust changes must never be overlooked."""

    TRUST = "trust"
    PATH = "path"
    PEER = "peer"
    RULE = "rule"
    FILE = "file"
    UNIT = "unit"


class Action(StrEnum):
    """Action of a plan on a resource."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    NOOP = "noop"


class Impact(StrEnum):
    """Impact of a change on readers.

    `none` touches no running part, `hot` cuts no reader, `path` cuts one path's readers, `all` those of the relay.
    """

    NONE = "none"
    HOT = "hot"
    PATH = "path"
    ALL = "all"

    @property
    def rank(self) -> int:
        """Its position in the order of severity."""
        return _RANKS[self]


_RANKS = {impact: rank for rank, impact in enumerate(Impact)}


class Change(NamedTuple):
    """A change: resource, action, reason, cut readers; a tuple, to be fast."""

    host: str
    resource: Resource
    name: str
    action: Action
    impact: Impact
    reason: str
    #: Live readers that the change cuts, by relay and path. A change of a centre's tunnel cuts readers at relays.
    cut: Audience = NOBODY
    province: str = ""  #: The facility's province; empty without a single facility, as `facility`.
    facility: str = ""
    of_strangers: bool = False  #: Whether it only takes away access that the inventory does not give.

    @property
    def viewers(self) -> int:
        """Number of live readers that it cuts."""
        return sum(sum(paths.values()) for paths in self.cut.values())

    @property
    def pending(self) -> bool:
        """Whether it changes anything."""
        return self.action is not Action.NOOP


@dataclass(frozen=True, slots=True)
class HostCut:
    """Paths that a relay's or reading centre's changes cut."""

    host: str
    everything: bool = False  #: Whether it may cut every path of a relay, or all reading of a centre.
    facilities: frozenset[str] = frozenset()  #: Facilities with all their paths at the relay.
    paths: frozenset[str] = frozenset()
    relays: frozenset[str] = frozenset()  #: Of a centre, relays that it temporarily cannot read from.

    def cuts_path(self, facility: str, path: str) -> bool:
        """Return whether it cuts a path of this relay."""
        return self.everything or facility in self.facilities or path in self.paths

    def plain(self) -> dict[str, object]:
        """Return the cut as plain values for the journal."""
        return {
            "everything": self.everything,
            "facilities": sorted(self.facilities),
            "paths": sorted(self.paths),
            "relays": sorted(self.relays),
        }


def pending(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return the changes without no-ops."""
    return tuple(change for change in changes if change.action is not Action.NOOP)


def worst_first(change: Change) -> tuple[int, int, str, str]:
    """Return a sort key: the worst impact first, then the most readers."""
    return -change.impact.rank, -change.viewers, change.host, change.name


def cut_by(changes: Iterable[Change]) -> dict[str, dict[str, int]]:
    """Return cut readers by relay and path, each path counted once."""
    readers: dict[str, dict[str, int]] = {}
    for change in changes:
        for relay, paths in change.cut.items():
            of_relay = readers.setdefault(relay, {})
            for path, viewers in paths.items():
                of_relay[path] = max(of_relay.get(path, 0), viewers)
    return {relay: dict(sorted(paths.items())) for relay, paths in sorted(readers.items()) if paths}


def distinct_trust(changes: Iterable[Change]) -> list[tuple[tuple[str, ...], Change]]:
    """Return distinct trust changes with their hosts, most dangerous first."""
    hosts: dict[tuple[str, str, str], list[str]] = {}
    first: dict[tuple[str, str, str], Change] = {}
    for change in changes:
        if change.resource is Resource.TRUST and change.pending:
            key = ("" if change.name.startswith(_SHARED) else change.host, change.name, change.reason)
            hosts.setdefault(key, []).append(change.host)
            first.setdefault(key, change)
    return sorted(((tuple(hosts[key]), change) for key, change in first.items()), key=_most_dangerous_first)


def is_dangerous(change: Change) -> bool:
    """Return whether a trust change must never be hidden by others."""
    return change.name.startswith(_DANGER)


def is_of_policy(change: Change) -> bool:
    """Return whether a trust change loosens the policy."""
    return change.resource is Resource.TRUST and change.name.startswith(_OF_POLICY)


def _most_dangerous_first(item: tuple[tuple[str, ...], Change]) -> tuple[int, str, str]:
    _, change = item
    rank = next((n for n, kind in enumerate(_DANGER) if change.name.startswith(kind)), len(_DANGER))
    return rank, change.host, change.name


def cut_from(host: str, plain: Mapping[str, object]) -> HostCut:
    """Parse a cut from the journal, or raise `TypeError`."""
    everything = plain.get("everything")
    if not isinstance(everything, bool):
        raise TypeError("a cut says whether it is of everything")
    return HostCut(
        host, everything, _names(plain.get("facilities")), _names(plain.get("paths")), _names(plain.get("relays"))
    )


def _names(value: object) -> frozenset[str]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(name, str) for name in value):
        raise TypeError("a cut names paths, facilities and relays")
    return frozenset(value)


def cut_whole(host: str) -> HostCut:
    """Return the cut of an unknown change, e.g. a return to last-good."""
    return HostCut(host, everything=True)


def cut_of(spec: HostSpec, changes: Iterable[Change]) -> HostCut | None:
    """Return the cut of a host's changes, or `None`."""
    paths, facilities, relays = set[str](), set[str](), set[str]()
    everything = False
    for change in pending(changes):
        if change.host != spec.id or change.impact.rank < Impact.PATH.rank:
            continue
        if change.resource is Resource.PATH:
            paths.add(change.name)
        elif change.resource is Resource.PEER and (relay := _relay_of(spec, change)):
            relays.add(relay)
        elif change.resource is Resource.PEER and change.impact is Impact.PATH:
            site = site_of_peer(change.name) or change.facility
            facilities |= {site} - {""}
            everything = everything or not site
        else:
            # A file with the impact `path` ends sessions of readers: streams from cameras go on.
            everything = everything or change.impact is Impact.ALL
    cut = HostCut(spec.id, everything, frozenset(facilities), frozenset(paths), frozenset(relays))
    return cut if everything or facilities or paths or relays else None


def site_of_peer(name: str) -> str:
    """Return the facility in a peer's name in plans, or empty."""
    rest = next((name.removeprefix(kind) for kind in (SITE, NEXT, LEFT, _FORMER) if name.startswith(kind)), "")
    return rest.partition("/")[0]


def _relay_of(spec: HostSpec, change: Change) -> str:
    is_read = spec.kind is HostKind.CENTRE and change.name.startswith(_RELAY)
    return change.name.removeprefix(_RELAY) if is_read else ""
