"""How far a verification goes, what it knows from before, and the time that it has. Pure: all of it is handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from provisioner.verify.maintenance import Window
from provisioner.verify.memory import Memories
from provisioner.verify.picture.looks import Looks
from provisioner.verify.reference import References
from provisioner.verify.result import PathLook
from provisioner.verify.rotation import Share


def _say_nothing(_sentence: str) -> None:
    """Say nothing."""


def _no_changes(_since: datetime) -> tuple[Window, ...]:
    """Know of no change of a host."""
    return ()


class Onlooker(Protocol):
    """Who is told what a verification waits for, while it waits."""

    def asked(self, paths: Mapping[str, int]) -> None:
        """All hosts were asked, each about so many paths."""

    def answered(self, host: str, outcome: str, seconds: float) -> None:
        """A host has answered, or is not waited for any more."""


class NoOnlooker:
    """Nobody is told."""

    def asked(self, paths: Mapping[str, int]) -> None:
        """Tell nobody."""

    def answered(self, host: str, outcome: str, seconds: float) -> None:
        """Tell nobody."""


_NOBODY = NoOnlooker()


@dataclass(frozen=True, slots=True)
class Timepiece:
    """The time: which it is, and how to let some of it pass."""

    now: Callable[[], datetime]
    pause: Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Orders:
    """How far a verification goes, and what it knows from before.

    Attributes:
        level: up to which level; None is all of them.
        sample: which share of the cameras; None is all of them.
        deadline_s: how long it may take at most; None: as long as it takes.
        looks: how pictures are looked at.
        asks_again: whether devices are asked about themselves with a login, too, that they refused before.
        once: whether paths are judged by one look alone: one failure is enough for `down`, nothing of before counts.
        memories: what earlier verifications left, by the path's name.
        forgot: why there is nothing of that; empty where it could be read.
        windows: the maintenance windows of the inventory.
        changes: tells what was cut since a moment by changes of hosts: a window for each.
        references: what people accepted of pictures, by the path's name, of whole facilities.
        say: tells a person what is waited for.
        onlooker: is told of each host when it is asked, and when it has answered.
        keep: takes what looks proved, once a relay is judged and while others are still asked: what it took is not in
            the result. None leaves all in the result.
    """

    level: int | None = None
    sample: Share | None = None
    deadline_s: float | None = None
    looks: Looks = Looks.QUICK
    asks_again: bool = False
    once: bool = False
    memories: Memories = field(default_factory=lambda: MappingProxyType({}))
    forgot: str = ""
    windows: tuple[Window, ...] = ()
    changes: Callable[[datetime], Sequence[Window]] = _no_changes
    references: Mapping[str, References] = field(default_factory=lambda: MappingProxyType({}))
    say: Callable[[str], None] = _say_nothing
    onlooker: Onlooker = _NOBODY
    keep: Callable[[Sequence[PathLook]], None] | None = None


EVERYTHING = Orders()
"""All levels of all paths, however long it takes, without a memory."""
