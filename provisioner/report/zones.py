"""Where no camera looks: the zones of order 4403/CV-BCĐ in each facility. Pure.

Not every zone exists in every facility. The survey says which do and have no camera that will do (`gaps`); of a
facility that was not surveyed nobody knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from provisioner.inventory.model import Facility, Operating, Zone

LISTED_ZONES = tuple(zone for zone in Zone if zone is not Zone.KHAC)
"""The zones that the order names; `khac` is any other public area, and lacks in no facility."""


class Cover(StrEnum):
    """What is known of one zone of one facility."""

    COVERED = "covered"
    PLANNED = "planned"
    GAP = "gap"
    NO_CAMERA = "no_camera"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ZoneCover:
    """One zone of one facility.

    Attributes:
        cameras: how many cameras of the facility's file look at it.
    """

    facility: Facility
    zone: Zone
    cameras: int
    cover: Cover

    @property
    def lacks(self) -> bool:
        """Whether no camera looks at it, or nobody knows of one."""
        return self.cover not in {Cover.COVERED, Cover.PLANNED}


@dataclass(frozen=True)
class ZoneGroup:
    """One zone over all facilities; the counts of `covers` add up to `facilities`."""

    zone: Zone
    facilities: int
    covers: dict[Cover, int]


@dataclass(frozen=True)
class Zones:
    """The whole report: by zone, and every zone of every facility that is not closed."""

    by_zone: tuple[ZoneGroup, ...]
    listed: tuple[ZoneCover, ...]

    @property
    def lacking(self) -> tuple[ZoneCover, ...]:
        """The zones that no camera looks at, as far as anybody knows."""
        return tuple(one for one in self.listed if one.lacks)


def zones(facilities: Iterable[Facility]) -> Zones:
    """Judge each zone of each facility."""
    counted = [facility for facility in facilities if facility.operating is not Operating.CLOSED]
    listed = tuple(cover for facility in counted for cover in _covers(facility))
    return Zones(tuple(_group(zone, listed) for zone in LISTED_ZONES), listed)


def _covers(facility: Facility) -> Iterable[ZoneCover]:
    cameras = Counter(camera.zone for camera in facility.cameras)
    for zone in LISTED_ZONES:
        yield ZoneCover(facility, zone, cameras[zone], _cover(facility, zone, cameras[zone]))


def _cover(facility: Facility, zone: Zone, cameras: int) -> Cover:
    missed = facility.survey is not None and zone in facility.survey.gaps
    if cameras:
        return Cover.PLANNED if missed else Cover.COVERED
    if facility.survey is None:
        return Cover.UNKNOWN
    return Cover.GAP if missed else Cover.NO_CAMERA


def _group(zone: Zone, listed: Iterable[ZoneCover]) -> ZoneGroup:
    covers = Counter(one.cover for one in listed if one.zone is zone)
    return ZoneGroup(zone, covers.total(), {cover: covers[cover] for cover in Cover})
