"""Hours of a day, as an inventory writes them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time


@dataclass(frozen=True, slots=True)
class Hours:
    """From one time of day to another; over midnight where the end is before the beginning."""

    begin: time
    end: time

    def hold(self, moment: time) -> bool:
        """Whether a time of day is in them; the end is not."""
        if self.begin <= self.end:
            return self.begin <= moment < self.end
        return moment >= self.begin or moment < self.end


def hours_of(text: str) -> Hours:
    """Hours from `22:00-05:00`.

    Raises:
        ValueError: they are none.
    """
    begin, _, end = text.partition("-")
    return Hours(time.fromisoformat(begin), time.fromisoformat(end))
