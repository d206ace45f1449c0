"""Vietnam's clock: the one in which orders, days and reports are read. Fixed at +07:00, it has no summer time. Pure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache

VIETNAM = timezone(timedelta(hours=7), "ICT")
"""The zone of every day in an inventory and of every time that people read, wherever the program runs."""


@lru_cache(maxsize=4096)
def start_of(day: date) -> datetime:
    """The first moment of a day in Vietnam."""
    return datetime.combine(day, time(), VIETNAM)


def is_between(day: date, first: date, last: date | None) -> bool:
    """Whether a day is one of those from the first to the last, both counted; without a last one there is no end."""
    return first <= day and (last is None or day <= last)


def aware(moment: datetime) -> datetime:
    """The same moment, which has to have a zone.

    Raises:
        ValueError: it has none.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no zone")
    return moment


def local_time(moment: datetime) -> str:
    """A moment as people in Vietnam read it, with its zone."""
    return aware(moment).astimezone(VIETNAM).strftime("%Y-%m-%d %H:%M:%S +07:00")


def local_iso(moment: datetime) -> str:
    """A moment as documents have it: in Vietnam's time, with its zone."""
    return aware(moment).astimezone(VIETNAM).isoformat(timespec="seconds")
