"""Moments and days on the command line, by Vietnam's clock."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Final

import click

from provisioner.base.clock import VIETNAM
from provisioner.base.printable import printable

_FORMS: Final = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M%z")
_FIRST_YEAR, _LAST_YEAR = 2000, 2200
_SHOWN = 80


class MomentWord(click.ParamType[datetime]):
    """A day, which means its first moment, or a day and a time; Vietnam's unless a zone is written."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Take `2021-05-22` or `2021-05-22T06:00`."""
        if isinstance(value, datetime):
            return value
        moment = _moment(str(value))
        if moment is None:
            said = printable(str(value), _SHOWN)
            self.fail(f"{said!r} is no moment: write YYYY-MM-DD or YYYY-MM-DDTHH:MM", param, ctx)
        return moment


def _moment(text: str) -> datetime | None:
    for form in _FORMS:
        with suppress(ValueError):
            moment = datetime.strptime(text, form)  # noqa: DTZ007 (the zone follows)
            if _FIRST_YEAR <= moment.year < _LAST_YEAR:
                return moment if moment.tzinfo else moment.replace(tzinfo=VIETNAM)
    return None
