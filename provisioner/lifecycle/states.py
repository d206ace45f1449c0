"""The states of a facility, and the words for them."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

Since = datetime | date | None
"""A moment that was observed, a day that a file names, or nothing that anybody wrote down."""


class FacilityState(StrEnum):
    """Where a facility stands, from registration to closing (docs/lifecycle.md)."""

    REGISTERED = "registered"
    CONTACT_CONFIRMED = "contact_confirmed"
    SURVEYED = "surveyed"
    PLAN_PROPOSED = "plan_proposed"
    PLAN_AGREED = "plan_agreed"
    PROVISIONED = "provisioned"
    CONNECTED = "connected"
    ACCEPTED = "accepted"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DECOMMISSIONING = "decommissioning"
    CLOSED = "closed"

    @property
    def words(self) -> str:
        """Its name as it is read."""
        return self.value.replace("_", " ")


STEPS = (
    FacilityState.REGISTERED,
    FacilityState.CONTACT_CONFIRMED,
    FacilityState.SURVEYED,
    FacilityState.PLAN_PROPOSED,
    FacilityState.PLAN_AGREED,
    FacilityState.PROVISIONED,
    FacilityState.CONNECTED,
    FacilityState.ACCEPTED,
)
"""The steps of the way to a connection, in order: a facility stands at the furthest one that it has reached."""
