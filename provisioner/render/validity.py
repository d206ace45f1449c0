"""How long a site package may be installed: the days that its programs compare with the clock of the gateway. Pure."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final, NamedTuple

from provisioner.base.clock import start_of

USUAL_DAYS: Final = 30
"""How long a package may be installed where nobody says otherwise: a month of appointments at a site."""
MOST_DAYS: Final = 365


class Validity(NamedTuple):
    """The days of a package, by Vietnam's clock: the one on which it was made, and the last one.

    It is no lock: whoever has the files has their secrets, and a clock can be set. It keeps what lay in a drawer from
    being installed when relays, ports and keys are others by then.
    """

    made_on: date
    until: date

    @property
    def made_s(self) -> int:
        """The first second of the day on which it was made; a clock that says less is wrong."""
        return int(start_of(self.made_on).timestamp())

    @property
    def ends_s(self) -> int:
        """The first second in which it is not valid any more."""
        return int(start_of(self.until + timedelta(days=1)).timestamp())

    @property
    def made_number(self) -> int:
        """The day on which it was made, as the number YYYYMMDD."""
        return _number(self.made_on)

    @property
    def until_number(self) -> int:
        """The last day, as the number YYYYMMDD."""
        return _number(self.until)


def valid_for(made_on: date, days: int) -> Validity:
    """The validity of a package that is made on a day, for so many days after it."""
    return Validity(made_on, made_on + timedelta(days=days))


def _number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day
