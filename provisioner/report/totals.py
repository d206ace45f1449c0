"""Totals of a verification by carrier, province and facility. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from provisioner.verify.result import COUNTED, PathVerdict, Verdict

# The worst first, as people read a list of problems.
SEVERITY = (
    Verdict.DOWN,
    Verdict.UNKNOWN,
    Verdict.DEGRADED,
    Verdict.QUARANTINED,
    Verdict.MAINTENANCE,
    Verdict.UP,
)


@dataclass(frozen=True, slots=True)
class Total:
    """The counts of one carrier, province or facility.

    Attributes:
        counts: paths by verdict; verdicts that no path has may be missing.
    """

    name: str
    counts: Mapping[Verdict, int]

    @property
    def paths(self) -> int:
        """How many paths there are."""
        return sum(self.counts.values())

    @property
    def up(self) -> int:
        """How many of them are up."""
        return self.counts.get(Verdict.UP, 0)

    def verdicts(self, *always: Verdict) -> tuple[Verdict, ...]:
        """The verdicts that have a count to show, and those that are shown always, in the order of documents."""
        return tuple(verdict for verdict in COUNTED if verdict in always or self.counts.get(verdict))


def total_of(name: str, paths: Iterable[PathVerdict]) -> Total:
    """Count some paths."""
    return Total(name, Counter(path.verdict for path in paths))


def totals_by(paths: Iterable[PathVerdict], key: Callable[[PathVerdict], str]) -> tuple[Total, ...]:
    """Count paths by their key, in the order of keys."""
    groups: dict[str, list[PathVerdict]] = defaultdict(list)
    for path in paths:
        groups[key(path)].append(path)
    return tuple(total_of(name, group) for name, group in sorted(groups.items()))
