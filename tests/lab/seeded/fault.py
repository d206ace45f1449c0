"""What a seeded fault is: what is broken, where, how, and what has to be said of it."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tests.lab.topology import PLACES, StreamKind

from .steps import Step

PATHS = tuple(sorted(found.path(kind) for found in PLACES for kind in StreamKind))  #: All paths of the lab.


@dataclass(frozen=True, slots=True)
class Expected:
    """What has to be said of every path that a fault touches."""

    verdicts: tuple[str, ...]  #: Those that are right.
    causes: tuple[str, ...] = ("",)  #: Those that are right; the first is the best.
    layers: tuple[str, ...] = ()  #: The layers that are right for the place.
    object: str = ""  #: What the object's name has to be, or to have as a part.
    incidents: int = 1  #: How many incidents there have to be.

    def __str__(self) -> str:
        """As the table has it."""
        cause = f", {self.causes[0]}, {self.layers[0]}" if self.causes[0] else ""
        return self.verdicts[0] + cause


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, or with `up` expected a healthy state that looks like one."""

    name: str  #: What is broken, in words.
    where: str  #: On which object.
    paths: tuple[str, ...]  #: Patterns of the paths that it touches.
    how: tuple[Step, ...]  #: What is done to the lab.
    expected: Expected
    #: What it needs for itself: nothing (all of the lab), or a relay, its site, a device there. Faults of which one
    #: claims what the other is a part of are not seeded at the same time.
    claim: tuple[str, ...]
    real_only: bool = False  #: The stand-in cannot show it.
    settle_s: float = 18.0  #: How long it takes until the relay notices.
    #: What is shown while a person accepts the pictures of its facility, before the fault; it is then looked at over
    #: more than an hour, as a suspicion has to last. None where nobody accepts anything.
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
