"""Ids of what is new: the number after the highest one in use. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

DEVICE_DIGITS: Final = 2
"""Digits that cameras and recorders are numbered with, at least."""
_FACILITY_DIGITS: Final = 3


def facility_prefix(province: str) -> str:
    """`kcl`, and the first letters of a province's slug."""
    return "kcl-" + "".join(word[0] for word in province.split("-"))


def next_facility(province: str, used: Iterable[str]) -> str:
    """The id of a province's next facility.

    Args:
        province: its slug.
        used: the ids that are or were in use.
    """
    return next_free(facility_prefix(province), _FACILITY_DIGITS, used)


def next_free(prefix: str, digits: int, used: Iterable[str]) -> str:
    """`prefix-NNN` with the number after the highest one in use: a gap may be an id that was retired."""
    pattern = re.compile(rf"{re.escape(prefix)}-([0-9]{{1,9}})")
    numbers = [int(match[1]) for name in used if (match := pattern.fullmatch(name))]
    return f"{prefix}-{max(numbers, default=0) + 1:0{digits}}"
