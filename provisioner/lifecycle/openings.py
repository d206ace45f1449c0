"""What has to be said before a site opens: its cameras are to be connected before people come. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from provisioner.base.clock import VIETNAM, aware
from provisioner.base.counted import counted
from provisioner.inventory.model import Operating
from provisioner.lifecycle.pictures import Pictures
from provisioner.lifecycle.standing import Standing

LEAD_DAYS = 14
"""So many days before its opening a site that is not connected is a warning: survey, agreement, installing a gateway
and a day and a night of proof took provinces one to two weeks."""


class OpeningRisk(StrEnum):
    """What is wrong with an opening."""

    NOT_CONNECTED = "opens_not_connected"
    NOT_UP = "opens_not_up"
    PASSED = "opening_passed"


@dataclass(frozen=True, slots=True)
class OpeningWarning:
    """A site that is about to open, or should be open, and not as it should be by then.

    Attributes:
        opens_on: the day of its opening.
        days: how many days are left; negative once it has passed.
    """

    risk: OpeningRisk
    opens_on: date
    days: int
    connected: bool

    @property
    def words(self) -> str:
        """The warning as people read it."""
        if self.risk is OpeningRisk.PASSED:
            return f"should be open since {self.opens_on}" + ("" if self.connected else ", not connected")
        opens = f"opens in {counted(self.days, 'day')}" if self.days else "opens today"
        return f"{opens}, " + ("connected, not up now" if self.connected else "not connected")


def opening_warning(standing: Standing, pictures: Pictures, now: datetime) -> OpeningWarning | None:
    """The warning of a facility that is prepared for people."""
    facility = standing.facility
    if facility.operating is not Operating.PREPARING or facility.opens_on is None:
        return None
    days = (facility.opens_on - aware(now).astimezone(VIETNAM).date()).days
    risk = _risk(days, pictures, connected=standing.is_connected)
    return OpeningWarning(risk, facility.opens_on, days, standing.is_connected) if risk else None


def _risk(days: int, pictures: Pictures, *, connected: bool) -> OpeningRisk | None:
    if days < 0:
        return OpeningRisk.PASSED
    if days > LEAD_DAYS:
        return None
    if not connected:
        return OpeningRisk.NOT_CONNECTED
    return OpeningRisk.NOT_UP if pictures.is_up is False else None
