"""What is kept of a look at a path, for years: two bytes. Pure.

The first byte, the mark, has the verdict in its three lowest bits, whether a maintenance window was open in the fourth,
and the level in the upper four; the second is the place of the cause in a list of words that is kept beside them, so
that a cause that is renamed later does not change the past. A path that nobody looked at has the mark `ABSENT`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

VERDICTS: Final = ("up", "degraded", "down", "quarantined", "unknown")
"""The words of verdicts; the place of each is what its mark says, for ever. Maintenance is a flag, not a verdict."""
ABSENT: Final = 0xFF
HIGHEST_LEVEL: Final = 15

_MAINTENANCE: Final = 0b1000
_PLACES: Final = {verdict: place for place, verdict in enumerate(VERDICTS)}
MARKS: Final = frozenset(
    place | flag | level << 4
    for place in range(len(VERDICTS))
    for flag in (0, _MAINTENANCE)
    for level in range(HIGHEST_LEVEL + 1)
)
"""Every mark that a look can have."""


@dataclass(frozen=True, slots=True)
class KeptVerdict:
    """What is kept of one look at a path.

    Attributes:
        verdict: one of `VERDICTS`: what was said of it, or would have been without a maintenance window.
        cause: why it was not up, in the words of that day.
        level: the highest level that it reached.
        maintenance: whether a maintenance window was open.
    """

    verdict: str
    cause: str = ""
    level: int = 0
    maintenance: bool = False


@dataclass(frozen=True, slots=True)
class SweptPaths:
    """What one run saw of paths, to be kept.

    Attributes:
        verdicts: by the name of each path that it looked at.
        carriers: the carriers of all paths that it knew, those that it did not look at among them.
        whole: whether those are all paths of each province that it names; a limit leaves some out.
    """

    verdicts: Mapping[str, KeptVerdict]
    carriers: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True


UNREAD: Final = KeptVerdict("unknown", "record damaged")
"""What stands for a look whose record is damaged: nobody knows what it saw."""


def mark_of(kept: KeptVerdict) -> int:
    """The mark of a look.

    Raises:
        ValueError: its verdict or its level is none.
    """
    if kept.verdict not in _PLACES or not 0 <= kept.level <= HIGHEST_LEVEL:
        raise ValueError("a look has a verdict and a level")
    return _PLACES[kept.verdict] | (_MAINTENANCE if kept.maintenance else 0) | kept.level << 4


def kept_of(mark: int, cause: str) -> KeptVerdict:
    """The look of a mark.

    Raises:
        ValueError: no look has that mark.
    """
    if mark not in MARKS:
        raise ValueError("no look has this mark")
    return KeptVerdict(VERDICTS[mark & 0b111], cause, mark >> 4, bool(mark & _MAINTENANCE))
