"""Shares of time of cameras, facilities, carriers and provinces, held against what is agreed. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Final

from provisioner.availability.looks import LookTable
from provisioner.availability.measured import LONGEST_STANDING, NOTHING_MEASURED, Measured, Span, summed, total_of

_CAMERA: Final = 3


class GroupedBy(StrEnum):
    """What a row is about."""

    CAMERA = "camera"
    FACILITY = "facility"
    CARRIER = "carrier"
    PROVINCE = "province"
    ALL = "all"


class Kept(StrEnum):
    """Whether what is agreed was kept.

    Attributes:
        NOT_AGREED: nothing is agreed.
        MET: it was.
        MISSED: it was not.
        UNMEASURED: nobody knows: no time outside of maintenance was measured.
    """

    NOT_AGREED = "not agreed"
    MET = "met"
    MISSED = "missed"
    UNMEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class AgreedLevels:
    """The agreed levels in percent: a facility's own, else its carrier's, else the general one."""

    percent: float | None = None
    carriers: Mapping[str, float] = field(default_factory=dict)
    facilities: Mapping[str, float] = field(default_factory=dict)

    def of(self, by: GroupedBy, facility: str, carriers: Collection[str]) -> float | None:
        """The level of a row: of what has several levels only the general one holds.

        Args:
            by: what the row is about.
            facility: the one that it is about, or whose camera it is about.
            carriers: those of its paths.
        """
        if by in {GroupedBy.CAMERA, GroupedBy.FACILITY} and facility in self.facilities:
            return self.facilities[facility]
        if by is not GroupedBy.PROVINCE and by is not GroupedBy.ALL and len(carriers) == 1:
            return self.carriers.get(next(iter(carriers)), self.percent)
        return self.percent


NOTHING_AGREED: Final = AgreedLevels()


@dataclass(frozen=True, slots=True)
class ShareRow:
    """How long the paths of something were what.

    Attributes:
        name: a camera's path without its stream, or the id of what it is about.
        paths: how many there are.
        agreed: the agreed level in percent; None where there is none.
        before: the same of the span before; None where nobody asked.
    """

    name: str
    paths: int
    measured: Measured
    agreed: float | None = None
    before: Measured | None = None

    @property
    def kept(self) -> Kept:
        """Whether what is agreed was kept."""
        if self.agreed is None:
            return Kept.NOT_AGREED
        one = self.measured
        counted = one.up + one.degraded + one.down
        if not counted:
            return Kept.UNMEASURED
        share = Fraction(one.up + one.degraded, counted) * 100
        return Kept.MET if share >= Fraction(str(self.agreed)) else Kept.MISSED

    @property
    def change(self) -> float | None:
        """By how much the available share rose since the span before; None where one of both is not known."""
        now, before = self.measured.available, self.before.available if self.before else None
        return None if now is None or before is None else now - before


@dataclass(frozen=True, slots=True)
class GroupTimes:
    """How long the paths of a group were what together.

    Attributes:
        paths: how many there are.
        carriers: the carriers that they had last.
    """

    paths: int = 0
    measured: Measured = NOTHING_MEASURED
    carriers: frozenset[str] = frozenset()


NO_PATHS: Final = GroupTimes()


def together(groups: Collection[GroupTimes]) -> GroupTimes:
    """What several groups come to, none of whose paths is in two of them."""
    return GroupTimes(
        sum(group.paths for group in groups),
        total_of(group.measured for group in groups),
        frozenset().union(*(group.carriers for group in groups)),
    )


def group_times(
    by: GroupedBy,
    tables: Iterable[LookTable],
    span: Span,
    longest: timedelta = LONGEST_STANDING,
    takes: Callable[[str, str], bool] | None = None,
) -> dict[str, GroupTimes]:
    """How long groups of paths were what, by their names; those of which no path counts are left out.

    Args:
        by: what a group is about.
        tables: the looks at the paths of each province, as `measured` takes them.
        span: of which time.
        longest: how long a look stands for at most.
        takes: whether a path counts, by its name and its carrier; None takes all.
    """
    groups: dict[str, GroupTimes] = {}
    for table in tables:
        for name, group in _of_table(by, table, span, longest, takes):
            groups[name] = together((groups[name], group)) if name in groups else group
    return groups


def _of_table(
    by: GroupedBy, table: LookTable, span: Span, longest: timedelta, takes: Callable[[str, str], bool] | None
) -> Iterator[tuple[str, GroupTimes]]:
    names, carriers = _names(by, table), table.carriers
    places: Sequence[int] = range(len(names))
    if takes is not None:
        places = [place for place in places if takes(table.paths[place], carriers[place])]
    index: dict[str, int] = {}
    groups = [index.setdefault(names[place], len(index)) for place in places]
    paths, of_carriers = Counter(groups), defaultdict(set)
    for group, carrier in {(group, carriers[place]) for group, place in zip(groups, places, strict=True)}:
        of_carriers[group].add(carrier)
    times = summed(table, span, longest, places, groups)
    for name, group in index.items():
        yield name, GroupTimes(paths[group], times[group], frozenset(of_carriers[group]))


def _names(by: GroupedBy, table: LookTable) -> Sequence[str]:
    """The name of each path's group."""
    paths = table.paths
    match by:
        case GroupedBy.CAMERA:
            return ["/".join(path.split("/")[:_CAMERA]) for path in paths]
        case GroupedBy.FACILITY:
            return [facility_of(path) for path in paths]
        case GroupedBy.CARRIER:
            return table.carriers
        case GroupedBy.PROVINCE:
            return [path.partition("/")[0] for path in paths]
        case GroupedBy.ALL:
            return [GroupedBy.ALL.value] * len(paths)


def facility_of(path: str) -> str:
    """The facility of a path, or of a camera; empty where its name has none."""
    return path.partition("/")[2].partition("/")[0]


def share_rows(
    by: GroupedBy,
    groups: Mapping[str, GroupTimes],
    agreed: AgreedLevels = NOTHING_AGREED,
    before: Mapping[str, GroupTimes] | None = None,
) -> tuple[ShareRow, ...]:
    """The rows, the worst first: what misses most of what is agreed, then what came least, then what nobody measured.

    Args:
        by: what a row is about.
        groups: how long the paths of each were what.
        agreed: the agreed levels.
        before: likewise of the span before.
    """
    rows = (
        ShareRow(
            name,
            group.paths,
            group.measured,
            agreed.of(by, name if by is GroupedBy.FACILITY else facility_of(name), group.carriers),
            None if before is None else before.get(name, NO_PATHS).measured,
        )
        for name, group in groups.items()
    )
    return tuple(sorted(rows, key=_worst))


_ORDER: Final = {Kept.MISSED: 0, Kept.UNMEASURED: 1, Kept.MET: 2, Kept.NOT_AGREED: 2}


def _worst(row: ShareRow) -> tuple[int, float, float, str]:
    share = row.measured.available
    below = (share - row.agreed / 100) if row.kept is Kept.MISSED and share is not None and row.agreed else 0.0
    return _ORDER[row.kept], below, 2.0 if share is None else share, row.name


def missed(rows: Iterable[ShareRow]) -> Sequence[ShareRow]:
    """The rows that did not keep what is agreed, or of which nobody knows."""
    return [row for row in rows if row.kept in {Kept.MISSED, Kept.UNMEASURED}]
