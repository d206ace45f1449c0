"""A change: one resource of one host that differs from the desired state. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Resource(StrEnum):
    """What can change."""

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
        return list(Impact).index(self)


@dataclass(frozen=True, slots=True)
class Change:
    """One item of a plan: what is done with which resource, why, and whom it cuts.

    Attributes:
        name: the path's, peer's, rule's, file's or unit's name.
        viewers: live readers that the change drops.
    """

    host: str
    resource: Resource
    name: str
    action: Action
    impact: Impact
    reason: str
    viewers: int = 0
