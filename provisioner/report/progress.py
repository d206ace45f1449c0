"""How far the connection has come: counts by province, carrier and managing body that add up. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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

    `facilities` is the sum of `connected`, all of `blocked`, `suspended` and `under_way`; and, by another question, of
    `connected`, `claimed` and `without_connection`. Of those that are connected, `up`, `not_up` and `unknown` say how
    they are now.

    Attributes:
        connected: those that were proved once, whatever their pictures do now.
        claimed: of those that are not connected, those of which somebody reports a connection.
        up: of those that are connected, those all of whose cameras are up now; `not_up` are those of which not all that
            was looked at is up, `unknown` those of which nobody knows.
        last_proved: when one of those that are connected was last proved.
        down_since: since when not all is up of the one of which that is so the longest.
        late: of those that are connected, those that were so too late.
        blocked: by reason, only reasons that there are.
        overdue: of those that were never connected, those whose deadline is over, blocked or not.
        cameras: the cameras in the facilities' files; `recorders` are the recorders there.
        cameras_connected: those of facilities that are connected.
        cameras_up: the cameras that are up now; `cameras_down` were looked at and are not, `cameras_unknown` nobody
            looked at. No host pulls the others.
        surveyed: how many facilities were surveyed; the counts that follow are those of their surveys.
        registered: the cameras in the files of those that were surveyed, to be held against `present`.
        present: cameras that were there; `fit` will do, `missing` are to be added.
    """

    key: str
    facilities: int
    connected: int
    claimed: int
    up: int
    not_up: int
    unknown: int
    last_proved: datetime | None
    down_since: datetime | None
    late: int
    blocked: Mapping[BlockReason, int]
    suspended: int
    under_way: int
    overdue: int
    cameras: int
    cameras_connected: int
    cameras_up: int
    cameras_down: int
    cameras_unknown: int
    recorders: int
    surveyed: int
    registered: int
    present: int
    fit: int
    missing: int

    @property
    def without_connection(self) -> int:
        """How many are not connected, and nobody says that they are."""
        return self.facilities - self.connected - self.claimed

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
    now = Counter(status.pictures.is_up for status in connected)
    proved = [status.pictures.last_proved.at for status in connected if status.pictures.last_proved]
    down = [status.pictures.down_since.at for status in connected if status.pictures.down_since]
    surveyed = [status.facility for status in group if status.facility.survey]
    surveys = [facility.survey.cameras for facility in surveyed if facility.survey]
    return Group(
        key=key,
        facilities=len(group),
        connected=len(connected),
        claimed=sum(status.claimed is not None for status in group),
        up=now[True],
        not_up=now[False],
        unknown=now[None],
        last_proved=max(proved, default=None),
        down_since=min(down, default=None),
        late=sum(status.timeliness is Timeliness.LATE for status in connected),
        blocked={reason: blocked[reason] for reason in BlockReason if blocked[reason]},
        suspended=len(places[CountedAs.SUSPENDED]),
        under_way=len(places[CountedAs.UNDER_WAY]),
        overdue=sum(status.timeliness is Timeliness.OVERDUE for status in group),
        cameras=sum(status.facility.camera_count for status in group),
        cameras_connected=sum(status.facility.camera_count for status in connected),
        cameras_up=sum(status.pictures.up for status in group),
        cameras_down=sum(status.pictures.down for status in group),
        cameras_unknown=sum(status.pictures.unknown for status in group),
        recorders=sum(status.facility.recorder_count for status in group),
        surveyed=len(surveys),
        registered=sum(facility.camera_count for facility in surveyed),
        present=sum(counts.present for counts in surveys),
        fit=sum(counts.fit for counts in surveys),
        missing=sum(counts.missing for counts in surveys),
    )
