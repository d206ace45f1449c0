"""Options and warnings of commands that say for what share of a time pictures came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import click

from provisioner.availability.measured import Span
from provisioner.base.counted import counted
from provisioner.base.errors import UsageError
from provisioner.cli.context import Invocation
from provisioner.cli.moment import MomentWord
from provisioner.cli.output import print_warning

_WEEK = timedelta(days=7)
_NAMED = 5

from_option = click.option(
    "--from", "begin", type=MomentWord(), metavar="DAY", help="From when on; a week before the end."
)
until_option = click.option(
    "--until", type=MomentWord(), metavar="DAY", help="The first moment that is not in it; now."
)


def span_of(begin: datetime | None, until: datetime | None, as_of: datetime) -> Span:
    """The span that is asked for: what comes after a moment, nobody knew at it.

    Raises:
        UsageError: it ends before it begins.
    """
    end = min(until or as_of, as_of)
    first = begin or end - _WEEK
    if first >= end:
        raise UsageError("that time ends before it begins", hint="--from is earlier than --until, and than --as-of")
    return Span(first, end)


def warn_of_damage(invocation: Invocation, damaged: Sequence[str]) -> None:
    """Name the records that could not be read."""
    if damaged:
        named = ", ".join(damaged[:_NAMED])
        message = f"{counted(len(damaged), 'record')} cannot be read, and counts as not measured: {named}"
        print_warning(message, "see all that is wrong: provisioner history verify", color=invocation.color)
