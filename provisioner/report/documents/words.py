"""Vietnamese words that official documents share. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from provisioner.base.clock import VIETNAM
from provisioner.inventory.model import Facility

_NO_ZERO_FROM = 3


def day_in_words(day: date | None) -> str:
    """A day as documents have it: days below ten and the months one and two have a zero before them.

    That is Decree 30/2020/NĐ-CP, Appendix I, part II, item 4; without a day there is room for one.
    """
    if day is None:
        return "ngày …… tháng …… năm ……"
    month = f"{day.month:02}" if day.month < _NO_ZERO_FROM else str(day.month)
    return f"ngày {day.day:02} tháng {month} năm {day.year}"


def moment_in_words(moment: datetime) -> str:
    """A moment as documents have it, by Vietnam's clock."""
    local = moment.astimezone(VIETNAM)
    return f"{local:%H} giờ {local:%M} phút, {day_in_words(local.date())}"


def place_in_words(facility: Facility, province: str) -> str:
    """Where a facility is: its own address, as far as its file has it, and the province."""
    location = facility.location
    parts: Iterable[str | None] = (location.street, location.ward, location.district) if location else ()
    return ", ".join([*(part for part in parts if part), province])


def short_digest(digest: str) -> str:
    """A digest as people compare it: its first sixteen digits."""
    kind, colon, digits = digest.partition(":")
    return f"{kind}:{digits[:16]}…" if colon and len(digits) > 16 else digest  # noqa: PLR2004 (as said)
