"""What pages ask the history of verdicts: how each path was, night after night. Pure.

Pages know it by this contract alone: tests have a past of their own, and a place without one shows that there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

from provisioner.availability.measured import Measured, Span

NIGHTS = 30


@dataclass(frozen=True, slots=True)
class NightSquare:
    """One day of one path: the worst that was seen; an empty verdict where nobody looked."""

    day: date
    verdict: str = ""


class Past(Protocol):
    """How paths were."""

    def nights(self, prefix: str, last: date, number: int) -> Mapping[str, Sequence[NightSquare]]:
        """The last days of each path whose name begins so, the earliest first; empty where no history is kept."""
        ...

    def measured(self, prefix: str, span: Span) -> Mapping[str, Measured]:
        """For how long each path whose name begins so was what; empty where no history is kept."""
        ...


class NoPast:
    """A place where no history of verdicts is kept."""

    def nights(self, prefix: str, last: date, number: int) -> Mapping[str, Sequence[NightSquare]]:
        """Nothing."""
        del prefix, last, number
        return {}

    def measured(self, prefix: str, span: Span) -> Mapping[str, Measured]:
        """Nothing."""
        del prefix, span
        return {}


def days_until(last: date, number: int) -> tuple[date, ...]:
    """So many days, the earliest first."""
    return tuple(last - timedelta(days=back) for back in reversed(range(number)))
