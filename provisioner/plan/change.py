"""A change of one host's resource, and the paths it cuts. Pure.

A plan says it change by change (`Impact`); `HostCut` says it once a host, as narrowly as its changes name it. A path
that only loses a reader's session is not cut: it goes on flowing into its relay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from provisioner.desired.spec import LEFT, NEXT, SITE, HostKind, HostSpec

Audience = Mapping[str, Mapping[str, int]]
"""Live readers by relay and by path."""

NOBODY: Audience = MappingProxyType({})

HOST = "host"
"""The change of trust of a host that has not proved that it was managed before."""

OWNER = "owner"
"""The change of trust of a host that is taken over: from another inventory, or from one that has let go of it."""

FIRST = "first apply"
"""The change of trust of a host that has proved itself by the key that it was left, and was never applied."""

_OF_POLICY = ("limit ", "freeze ", "signing: ", "approval: ", "protected ", "Rego rules ")
"""What would hold plans back less than before."""
_SHARED = ("program", *_OF_POLICY)
"""What is of the whole inventory: the same change on several hosts is one."""
_DANGER = (
    OWNER,
    HOST,
    "address",
    "host key",
    "SSH user",
    "SSH port",
    "jump host",
    "key of ",
    "program",
    "signing: ",
    "approval: ",
    "Rego rules ",
    FIRST,
)

_FORMER = "former/"
_RELAY = "relay/"


class Resource(StrEnum):
    """What can change; trust is who and what is trusted, which nobody may miss."""

    TRUST = "trust"
    PATH = "path"
    PEER = "peer"
    RULE = "rule"
    FILE = "file"
    UNIT = "unit"


class Action(StrEnum):
    """What a plan does with a resource."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    NOOP = "noop"


class Impact(StrEnum):
    """Who notices: nobody and nothing running, nobody, one path's viewers, all viewers of the relay."""

    NONE = "none"
    HOT = "hot"
    PATH = "path"
    ALL = "all"

    @property
    def rank(self) -> int:
        """Its place in the order of severity."""
        return _RANKS[self]


_RANKS = {impact: rank for rank, impact in enumerate(Impact)}


class Change(NamedTuple):
    """One item of a plan: what is done with which resource, why, and whom it cuts.

    A country's plan has two hundred thousand of them, no-ops mostly: a tuple is made in a quarter of the time.

    Attributes:
        name: the path's, peer's, rule's, file's or unit's name.
        cut: live readers that the change drops, by relay and path. Usually of the host itself; what a
            centre changes in its own tunnel cuts readers at its relays.
        province: the province of the facility that it is about, empty where it is about no single one.
        facility: that facility.
    """

    host: str
    resource: Resource
    name: str
    action: Action
    impact: Impact
    reason: str
    cut: Audience = NOBODY
    province: str = ""
    facility: str = ""

    @property
    def viewers(self) -> int:
        """How many live readers it drops."""
        return sum(sum(paths.values()) for paths in self.cut.values())

    @property
    def pending(self) -> bool:
        """Whether there is something to do."""
        return self.action is not Action.NOOP


@dataclass(frozen=True, slots=True)
class HostCut:
    """What a change of one host cuts.

    Attributes:
        host: a relay, or a centre that reads paths of relays.
        everything: whether it may cut every path of a relay, or all that a centre reads.
        facilities: those all of whose paths at the relay it cuts.
        paths: names of further paths of the relay.
        relays: of a centre, the relays whose paths it reads no more for a while.
    """

    host: str
    everything: bool = False
    facilities: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    relays: frozenset[str] = frozenset()

    def takes(self, facility: str, path: str) -> bool:
        """Whether it cuts a path of this relay."""
        return self.everything or facility in self.facilities or path in self.paths

    def takes_reading(self, relay: str) -> bool:
        """Whether it cuts what this centre reads of a relay."""
        return self.everything or relay in self.relays

    def plain(self) -> dict[str, object]:
        """The cut as plain values for the journal."""
        return {
            "everything": self.everything,
            "facilities": sorted(self.facilities),
            "paths": sorted(self.paths),
            "relays": sorted(self.relays),
        }


def pending(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The changes that are no no-ops."""
    return tuple(change for change in changes if change.action is not Action.NOOP)


def worst_first(change: Change) -> tuple[int, int, str, str]:
    """Order changes by what they cut, the most first."""
    return -change.impact.rank, -change.viewers, change.host, change.name


def cut_by(changes: Iterable[Change]) -> dict[str, dict[str, int]]:
    """Who is cut by relay and path, nobody twice: a path that several changes cut is cut once."""
    readers: dict[str, dict[str, int]] = {}
    for change in changes:
        for relay, paths in change.cut.items():
            of_relay = readers.setdefault(relay, {})
            for path, viewers in paths.items():
                of_relay[path] = max(of_relay.get(path, 0), viewers)
    return {relay: dict(sorted(paths.items())) for relay, paths in sorted(readers.items()) if paths}


def distinct_trust(changes: Iterable[Change]) -> list[tuple[tuple[str, ...], Change]]:
    """Changes of trust, those of the whole inventory once: the hosts, and the change; the most dangerous first."""
    hosts: dict[tuple[str, str, str], list[str]] = {}
    first: dict[tuple[str, str, str], Change] = {}
    for change in changes:
        if change.resource is Resource.TRUST and change.pending:
            key = ("" if change.name.startswith(_SHARED) else change.host, change.name, change.reason)
            hosts.setdefault(key, []).append(change.host)
            first.setdefault(key, change)
    return sorted(((tuple(hosts[key]), change) for key, change in first.items()), key=_most_dangerous_first)


def is_dangerous(change: Change) -> bool:
    """Whether a change of trust is one of who is trusted, which no other one may hide."""
    return change.name.startswith(_DANGER)


def is_of_policy(change: Change) -> bool:
    """Whether a change of trust is one of what holds plans back."""
    return change.resource is Resource.TRUST and change.name.startswith(_OF_POLICY)


def _most_dangerous_first(item: tuple[tuple[str, ...], Change]) -> tuple[int, str, str]:
    _, change = item
    rank = next((n for n, kind in enumerate(_DANGER) if change.name.startswith(kind)), len(_DANGER))
    return rank, change.host, change.name


def cut_from(host: str, plain: Mapping[str, object]) -> HostCut:
    """A cut as the journal has it.

    Raises:
        TypeError: it is none.
    """
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
    """The cut of a change of which nobody knows what it cuts: a return to a state that the host alone knows."""
    return HostCut(host, everything=True)


def cut_of(spec: HostSpec, changes: Iterable[Change]) -> HostCut | None:
    """What a host's changes cut; None where they cut nothing."""
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
            # A file that says `path` ends sessions of readers: nothing stops on its way from a camera.
            everything = everything or change.impact is Impact.ALL
    cut = HostCut(spec.id, everything, frozenset(facilities), frozenset(paths), frozenset(relays))
    return cut if everything or facilities or paths or relays else None


def site_of_peer(name: str) -> str:
    """The facility of a peer as a plan names it: by its key, that which follows, a former one, or as one left."""
    rest = next((name.removeprefix(kind) for kind in (SITE, NEXT, LEFT, _FORMER) if name.startswith(kind)), "")
    return rest.partition("/")[0]


def _relay_of(spec: HostSpec, change: Change) -> str:
    is_read = spec.kind is HostKind.CENTRE and change.name.startswith(_RELAY)
    return change.name.removeprefix(_RELAY) if is_read else ""
