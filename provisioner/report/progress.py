"""How far the connection has come: counts by province, carrier and managing body that add up. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from provisioner.inventory.deadlines import Timeliness
from provisioner.inventory.model import BlockReason, Operating
from provisioner.lifecycle.status import FacilityStatus


class CountedAs(StrEnum):
    """Where a facility that is not closed is counted; in exactly one of these."""

    CONNECTED = "connected"
    BLOCKED = "blocked"
    SUSPENDED = "suspended"
    UNDER_WAY = "under_way"


def counted_as(status: FacilityStatus) -> CountedAs:
    """Where a facility is counted: one that is connected is not blocked, one that is blocked is not on standby."""
    if status.standing.is_connected:
        return CountedAs.CONNECTED
    if status.is_blocked:
        return CountedAs.BLOCKED
    if status.facility.operating is Operating.STANDBY:
        return CountedAs.SUSPENDED
    return CountedAs.UNDER_WAY


@dataclass(frozen=True)
class Group:
    """The counts of one province, carrier or managing body; of all where `key` is empty.

    `facilities` is the sum of `connected`, all of `blocked`, `suspended` and `under_way`.

    Attributes:
        late: of those that are connected, those that were so too late.
        blocked: by reason, only reasons that there are.
        overdue: of those that were never connected, those whose deadline is over, blocked or not.
        cameras: the cameras in the facilities' files.
        cameras_connected: those of facilities that are connected.
    """

    key: str
    facilities: int
    connected: int
    late: int
    blocked: Mapping[BlockReason, int]
    suspended: int
    under_way: int
    overdue: int
    cameras: int
    cameras_connected: int

    @property
    def blocked_in_all(self) -> int:
        """How many are blocked, for whatever reason."""
        return sum(self.blocked.values())


@dataclass(frozen=True)
class ProgressReport:
    """The whole report.

    Attributes:
        listed: the facilities that are counted: all that are not closed, in the order of ids.
        closed: how many are closed, and counted nowhere else.
    """

    total: Group
    by_province: tuple[Group, ...]
    by_carrier: tuple[Group, ...]
    by_managing_body: tuple[Group, ...]
    listed: tuple[FacilityStatus, ...]
    closed: int


def progress(statuses: Sequence[FacilityStatus], province_of: Callable[[FacilityStatus], str]) -> ProgressReport:
    """Count facilities.

    Args:
        statuses: their status.
        province_of: the province under which one is counted.
    """
    listed = tuple(status for status in statuses if status.facility.operating is not Operating.CLOSED)
    return ProgressReport(
        total=_group("", listed),
        by_province=_grouped(listed, province_of),
        by_carrier=_grouped(listed, lambda status: status.carrier),
        by_managing_body=_grouped(listed, lambda status: status.facility.managing_body.value),
        listed=listed,
        closed=len(statuses) - len(listed),
    )


def _grouped(listed: Iterable[FacilityStatus], key: Callable[[FacilityStatus], str]) -> tuple[Group, ...]:
    groups: dict[str, list[FacilityStatus]] = defaultdict(list)
    for status in listed:
        groups[key(status)].append(status)
    return tuple(_group(name, group) for name, group in sorted(groups.items()))


def _group(key: str, group: Sequence[FacilityStatus]) -> Group:
    places: dict[CountedAs, list[FacilityStatus]] = defaultdict(list)
    for status in group:
        places[counted_as(status)].append(status)
    blocked: dict[BlockReason, int] = defaultdict(int)
    for status in places[CountedAs.BLOCKED]:
        if status.facility.blocked:
            blocked[status.facility.blocked.reason] += 1
    connected = places[CountedAs.CONNECTED]
    return Group(
        key=key,
        facilities=len(group),
        connected=len(connected),
        late=sum(status.timeliness is Timeliness.LATE for status in connected),
        blocked={reason: blocked[reason] for reason in BlockReason if blocked[reason]},
        suspended=len(places[CountedAs.SUSPENDED]),
        under_way=len(places[CountedAs.UNDER_WAY]),
        overdue=sum(status.timeliness is Timeliness.OVERDUE for status in group),
        cameras=sum(status.facility.camera_count for status in group),
        cameras_connected=sum(status.facility.camera_count for status in connected),
    )
