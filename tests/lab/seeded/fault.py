"""What a seeded fault is: what is broken, where, how, and what has to be said of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tests.lab.topology import PLACES, StreamKind

from .steps import Step

PATHS = tuple(sorted(found.path(kind) for found in PLACES for kind in StreamKind))
"""All paths of the lab."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What has to be said of every path that a fault touches.

    Attributes:
        verdicts: those that are right.
        causes: those that are right; the first is the best.
        layers: the layers that are right for the place.
        object: what the object's name has to be, or to have as a part.
        incidents: how many incidents there have to be.
    """

    verdicts: tuple[str, ...]
    causes: tuple[str, ...] = ("",)
    layers: tuple[str, ...] = ()
    object: str = ""
    incidents: int = 1

    def __str__(self) -> str:
        """As the table has it."""
        cause = f", {self.causes[0]}, {self.layers[0]}" if self.causes[0] else ""
        return self.verdicts[0] + cause


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, or with `up` expected a healthy state that looks like one.

    Attributes:
        name: what is broken, in words.
        where: on which object.
        paths: patterns of the paths that it touches.
        how: what is done to the lab.
        real_only: the stand-in cannot show it.
        claim: what it needs for itself: nothing (all of the lab), or a relay, its site, a device there. Faults of which
            one claims what the other is a part of are not seeded at the same time.
        settle_s: how long it takes until the relay notices.
        accepted: what is shown while a person accepts the pictures of its facility, before the fault; it is then looked
            at over more than an hour, as a suspicion has to last. None where nobody accepts anything.
    """

    name: str
    where: str
    paths: tuple[str, ...]
    how: tuple[Step, ...]
    expected: Expected
    claim: tuple[str, ...]
    real_only: bool = False
    settle_s: float = 18.0
    accepted: tuple[Step, ...] | None = None
    touched: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        """Find its paths."""
        found = tuple(path for path in PATHS if any(fnmatchcase(path, pattern) for pattern in self.paths))
        if not found:
            raise ValueError(f"{self.name}: touches no path of the lab")
        object.__setattr__(self, "touched", found)

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is wrong."""
        return self.expected.verdicts[0] == "up" and set(self.expected.verdicts) <= {"up", "suspect"}
