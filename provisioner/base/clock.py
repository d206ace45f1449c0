"""Vietnam's clock: the one in which orders, days and reports are read. Fixed at +07:00, it has no summer time. Pure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone

VIETNAM = timezone(timedelta(hours=7), "ICT")
"""The zone of every day in an inventory and of every time that people read, wherever the program runs."""


def start_of(day: date) -> datetime:
    """Give the first moment of a day in Vietnam."""
    return datetime.combine(day, time(), VIETNAM)


def day_of(moment: datetime) -> date:
    """Give the day on which a moment lies in Vietnam.

    Raises:
        ValueError: the moment has no zone, so that nobody can tell.
    """
    return aware(moment).astimezone(VIETNAM).date()


def aware(moment: datetime) -> datetime:
    """Give a moment back if it has a zone.

    Raises:
        ValueError: it has none.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no zone")
    return moment


def local_time(moment: datetime) -> str:
    """Give a moment as people in Vietnam read it, with its zone."""
    return aware(moment).astimezone(VIETNAM).strftime("%Y-%m-%d %H:%M:%S +07:00")


def local_iso(moment: datetime) -> str:
    """Give a moment as documents have it: in Vietnam's time, with its zone."""
    return aware(moment).astimezone(VIETNAM).isoformat(timespec="seconds")
