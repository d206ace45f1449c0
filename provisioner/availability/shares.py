"""Shares of time of cameras, facilities, carriers and provinces, held against what is agreed. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Final

from provisioner.availability.looks import ByPath
from provisioner.availability.measured import Measured, total_of

_FACILITY, _CAMERA = 2, 3


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

    def of(self, by: GroupedBy, facilities: Collection[str], carriers: Collection[str]) -> float | None:
        """The level of a row: of what has several levels only the general one holds."""
        if by in {GroupedBy.CAMERA, GroupedBy.FACILITY} and len(facilities) == 1:
            own = self.facilities.get(next(iter(facilities)))
            if own is not None:
                return own
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


def share_rows(
    by: GroupedBy,
    times: ByPath[Measured],
    agreed: AgreedLevels = NOTHING_AGREED,
    before: ByPath[Measured] | None = None,
) -> tuple[ShareRow, ...]:
    """The rows, the worst first: what misses most of what is agreed, then what came least, then what nobody measured.

    Args:
        by: what a row is about.
        times: how long each path was what.
        agreed: the agreed levels.
        before: likewise of the span before.
    """
    name_of = _names(by, times.carriers)
    groups: dict[str, list[str]] = defaultdict(list)
    for path in times:
        groups[name_of(path)].append(path)
    earlier: dict[str, list[Measured]] = defaultdict(list)
    if before is not None:
        of_before = _names(by, before.carriers)
        for path, one in before.items():
            earlier[of_before(path)].append(one)
    rows = (
        ShareRow(
            name,
            len(paths),
            total_of(times[path] for path in paths),
            agreed.of(by, {_part(path, 1) for path in paths}, {times.carriers.get(path, "") for path in paths}),
            None if before is None else total_of(earlier.get(name, ())),
        )
        for name, paths in groups.items()
    )
    return tuple(sorted(rows, key=_worst))


def _names(by: GroupedBy, carriers: Mapping[str, str]) -> Callable[[str], str]:
    names: dict[GroupedBy, Callable[[str], str]] = {
        GroupedBy.CAMERA: lambda path: "/".join(path.split("/")[:_CAMERA]),
        GroupedBy.FACILITY: lambda path: _part(path, 1),
        GroupedBy.CARRIER: lambda path: carriers.get(path, ""),
        GroupedBy.PROVINCE: lambda path: _part(path, 0),
        GroupedBy.ALL: lambda _: GroupedBy.ALL.value,
    }
    return names[by]


def _part(path: str, place: int) -> str:
    parts = path.split("/")
    return parts[place] if place < len(parts) else ""


_ORDER: Final = {Kept.MISSED: 0, Kept.UNMEASURED: 1, Kept.MET: 2, Kept.NOT_AGREED: 2}


def _worst(row: ShareRow) -> tuple[int, float, float, str]:
    share = row.measured.available
    below = (share - row.agreed / 100) if row.kept is Kept.MISSED and share is not None and row.agreed else 0.0
    return _ORDER[row.kept], below, 2.0 if share is None else share, row.name


def missed(rows: Iterable[ShareRow]) -> Sequence[ShareRow]:
    """The rows that did not keep what is agreed, or of which nobody knows."""
    return [row for row in rows if row.kept in {Kept.MISSED, Kept.UNMEASURED}]
