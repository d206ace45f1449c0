"""What a watch knows at one moment, and how its paths are counted. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from provisioner.verify.result import Incident, PathVerdict, Trouble, Verdict
from provisioner.verify.wanted import PathToCheck

LEVEL: Final = 4
"""The level that a watch looks at: the relay receives."""


@dataclass(frozen=True, slots=True)
class RelayView:
    """What is known of one relay: when it last told of its paths, how long that took, and why it tells nothing now."""

    host: str
    carrier: str
    known: datetime | None
    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class WatchView:
    """What a watch knows at one moment.

    Attributes:
        counts: paths by carrier, province and state; `up` stands for what flows.
        standing: what is said of every path that does not flow, or flows again of late.
        incidents: what is broken, confirmed.
    """

    at: datetime
    counts: Mapping[tuple[str, str, Verdict], int]
    standing: tuple[PathVerdict, ...]
    incidents: tuple[Incident, ...]
    relays: tuple[RelayView, ...]

    @property
    def total(self) -> int:
        """How many paths are watched."""
        return sum(self.counts.values())

    def number(self, verdict: Verdict) -> int:
        """How many paths have a verdict."""
        return sum(count for (_, _, word), count in self.counts.items() if word is verdict)


def verdict_on(target: PathToCheck, verdict: Verdict, at: datetime, trouble: Trouble) -> PathVerdict:
    """The verdict of one look at whether a path flows."""
    path = target.path
    return PathVerdict(
        path=path.name,
        carrier=target.carrier,
        province=path.province,
        facility=path.facility,
        camera=path.camera,
        relay=target.relay.id,
        verdict=verdict,
        level=LEVEL if verdict is Verdict.UP else 0,
        cause=trouble.cause,
        checked_at=at,
        passed=(LEVEL,) if verdict is Verdict.UP else (),
        layer=trouble.layer,
        object=trouble.object,
        detail=trouble.detail,
        failed_level=trouble.level,
    )


def counted(
    totals: Mapping[tuple[str, str], int], shown: Iterable[PathVerdict], *, fresh: bool
) -> Counter[tuple[str, str, Verdict]]:
    """The paths of a relay by carrier, province and state.

    Args:
        totals: how many there are, by carrier and province.
        shown: what is said of those that do not flow, or flow again of late; the others flow.
        fresh: whether the relay told of them within the last minute: else what flowed is unknown.
    """
    rest = Counter(totals)
    counts: Counter[tuple[str, str, Verdict]] = Counter()
    for one in shown:
        rest[one.carrier, one.province] -= 1
        verdict = one.verdict if fresh or one.verdict is not Verdict.UP else Verdict.UNKNOWN
        counts[one.carrier, one.province, verdict] += 1
    for (carrier, province), count in rest.items():
        counts[carrier, province, Verdict.UP if fresh else Verdict.UNKNOWN] += count
    return counts
