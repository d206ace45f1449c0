"""A change: one resource of one host that differs from the desired state. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

Audience = Mapping[str, Mapping[str, int]]
"""Live readers by relay and by path."""

NOBODY: Audience = MappingProxyType({})


class Resource(StrEnum):
    """What can change; trust is who and what is trusted, which nobody may miss."""

    TRUST = "trust"
    PATH = "path"
    PEER = "peer"
    RULE = "rule"
    FILE = "file"
    UNIT = "unit"


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


def pending(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The changes that are no no-ops."""
    return tuple(change for change in changes if change.action is not Action.NOOP)


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
