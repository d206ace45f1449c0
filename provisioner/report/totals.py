"""Totals of a verification by carrier, province and facility. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from provisioner.verify.result import PathVerdict, Verdict, summary_of

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
    """The counts of one carrier, province or facility."""

    name: str
    paths: int
    up: int
    degraded: int
    down: int
    unknown: int
    maintenance: int
    quarantined: int

    @property
    def all_up(self) -> bool:
        """Whether every path is up."""
        return self.up == self.paths


def total_of(name: str, paths: Iterable[PathVerdict]) -> Total:
    """Count some paths."""
    return Total(name=name, **summary_of(paths))


def totals_by(paths: Iterable[PathVerdict], key: Callable[[PathVerdict], str]) -> tuple[Total, ...]:
    """Count paths by what `key` gives, in the order of names."""
    groups: dict[str, list[PathVerdict]] = defaultdict(list)
    for path in paths:
        groups[key(path)].append(path)
    return tuple(total_of(name, group) for name, group in sorted(groups.items()))
