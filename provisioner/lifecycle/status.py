"""Every facility: where it stands, and how it stands against the order that governs it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from provisioner.base.counted import counted
from provisioner.inventory.deadlines import Duty, StandingOrders, Timeliness, governing_duty, timeliness
from provisioner.inventory.model import ClaimedConnection, Facility, Inventory, Operating
from provisioner.lifecycle.evidence import Evidence
from provisioner.lifecycle.next_step import next_step
from provisioner.lifecycle.openings import OpeningWarning, opening_warning
from provisioner.lifecycle.pictures import Pictures, pictures_of
from provisioner.lifecycle.standing import Standing, standing_of


@dataclass(frozen=True)
class FacilityStatus:
    """One facility's status.

    Attributes:
        pictures: whether its pictures come now.
        duties: the orders that bind it; none where nobody is in it, nor is to come, and it was never connected.
        duty: the one with the earliest deadline.
        opening: what is wrong with its opening.
        evidence: all that was shown.
    """

    standing: Standing
    pictures: Pictures
    duties: tuple[Duty, ...]
    duty: Duty | None
    timeliness: Timeliness
    opening: OpeningWarning | None
    evidence: Evidence = field(repr=False, compare=False)

    @cached_property
    def next(self) -> str:
        """What has to happen."""
        return _next(self.standing, self.pictures, self.evidence)

    @property
    def facility(self) -> Facility:
        """Whose status."""
        return self.standing.facility

    @property
    def carrier(self) -> str:
        """The carrier of its plan, empty where it has none."""
        return self.facility.plan.carrier if self.facility.plan else ""

    @property
    def claimed(self) -> ClaimedConnection | None:
        """The connection that somebody reports and no run has proved: one that is proved is no claim any more."""
        claimed = self.facility.claimed_connection
        if claimed is None or self.facility.operating is Operating.CLOSED or self.standing.is_connected:
            return None
        return claimed

    @property
    def is_blocked(self) -> bool:
        """Whether something that is written down keeps it from being connected."""
        if self.facility.blocked is None or self.facility.operating is Operating.CLOSED:
            return False
        return not self.standing.is_connected


def statuses(
    inventory: Inventory, evidence: Evidence, now: datetime, facilities: Iterable[Facility] | None = None
) -> tuple[FacilityStatus, ...]:
    """The status of facilities, in the order of ids.

    Args:
        inventory: what the files say.
        evidence: what was shown.
        now: the moment of the report, with its zone.
        facilities: those that are asked for; all of them otherwise.
    """
    chosen = inventory.facilities.values() if facilities is None else facilities
    orders = StandingOrders(inventory)
    return tuple(_status(orders, evidence, now, f) for f in sorted(chosen, key=lambda f: f.id))


def _status(orders: StandingOrders, evidence: Evidence, now: datetime, facility: Facility) -> FacilityStatus:
    standing = standing_of(facility, evidence)
    pictures = pictures_of(facility, evidence, now)
    held = facility.operating.is_carried or standing.connected_at is not None
    duties = orders.duties_of(facility) if held else ()
    duty = governing_duty(duties)
    return FacilityStatus(
        standing=standing,
        pictures=pictures,
        duties=duties,
        duty=duty,
        timeliness=timeliness(duty, standing.connected_at, now),
        opening=opening_warning(standing, pictures, now),
        evidence=evidence,
    )


def _next(standing: Standing, pictures: Pictures, evidence: Evidence) -> str:
    """What has to happen: pictures that came once and do not come now are seen to before all else."""
    if standing.is_connected and pictures.is_up is False:
        noun = counted(pictures.cameras, "camera")
        return (
            f"{pictures.down} of {noun} {'is' if pictures.down == 1 else 'are'} not up: see provisioner verify --detail"
        )
    return next_step(standing, evidence)
