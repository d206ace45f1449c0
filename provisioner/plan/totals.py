"""Totals of a plan: as a whole, by carrier, by province, by facility. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from provisioner.plan.changes import Action, Change, Impact, cut_by
from provisioner.plan.diff.comparison import owner_of_path

K = TypeVar("K", bound=Hashable)
Cut = Mapping[str, Mapping[str, int]]

CENTRES = "centres"
"""The row of monitoring centres, which belong to no single carrier; no carrier has this id."""


@dataclass
class TotalsRow:
    """What is done with the resources of one carrier, province or facility, and whom it cuts."""

    hosts: set[str] = field(default_factory=set)
    actions: Counter[Action] = field(default_factory=Counter)
    impact: Impact = Impact.NONE
    viewers: int = 0

    def add(self, change: Change) -> None:
        """Count a change."""
        self.hosts.add(change.host)
        self.actions[change.action] += 1
        self.impact = max(self.impact, change.impact, key=lambda impact: impact.rank)

    def document(self) -> dict[str, object]:
        """The row as it stands in a plan's document."""
        counts = {action.value: self.actions[action] for action in Action if action is not Action.NOOP}
        return {**counts, "hosts": len(self.hosts), "impact": self.impact.value, "viewers": self.viewers}


@dataclass(frozen=True)
class Totals:
    """A plan's totals; a viewer is counted once, however many changes cut the path.

    Attributes:
        cut: live readers that are cut, by relay and path.
        worst: the worst impact of all.
    """

    carriers: Mapping[str, TotalsRow]
    provinces: Mapping[str, TotalsRow]
    facilities: Mapping[tuple[str, str], TotalsRow]
    cut: Cut
    worst: Impact

    @property
    def viewers(self) -> int:
        """How many live readers are cut."""
        return sum(sum(paths.values()) for paths in self.cut.values())


def totals_of(changes: Iterable[Change], carriers: Mapping[str, str]) -> Totals:
    """Count a plan's pending changes.

    Args:
        changes: the pending ones.
        carriers: the carrier of each relay; a host that is not in it is a centre.
    """
    changes = list(changes)
    cut = cut_by(changes)
    by_carrier = _rows(changes, lambda change: carriers.get(change.host) or CENTRES)
    by_province = _rows((c for c in changes if c.province), lambda change: change.province)
    by_facility = _rows((c for c in changes if c.facility), lambda change: (change.province, change.facility))
    for relay, paths in cut.items():
        for path, viewers in paths.items():
            province, facility = owner_of_path(path)
            by_carrier.setdefault(carriers.get(relay) or CENTRES, TotalsRow()).viewers += viewers
            if facility:
                by_province.setdefault(province, TotalsRow()).viewers += viewers
                by_facility.setdefault((province, facility), TotalsRow()).viewers += viewers
    worst = max((c.impact for c in changes), key=lambda impact: impact.rank, default=Impact.NONE)
    return Totals(_ordered(by_carrier), _ordered(by_province), _ordered(by_facility), cut, worst)


def _rows(changes: Iterable[Change], key: Callable[[Change], K]) -> dict[K, TotalsRow]:
    rows: dict[K, TotalsRow] = {}
    for change in changes:
        rows.setdefault(key(change), TotalsRow()).add(change)
    return rows


def _ordered(rows: Mapping[K, TotalsRow]) -> dict[K, TotalsRow]:
    return dict(sorted(rows.items()))
