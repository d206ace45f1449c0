"""`provisioner availability`."""

from __future__ import annotations

from datetime import datetime

import click

from provisioner.availability.shares import GroupedBy, missed
from provisioner.base.collector import without_collector
from provisioner.cli.availability_options import from_option, span_of, until_option, warn_of_damage
from provisioner.cli.context import Invocation, now
from provisioner.cli.limit import limit_option
from provisioner.cli.moment import MomentWord
from provisioner.cli.output import print_document, print_warning
from provisioner.cli.word import ListedWord
from provisioner.desired.limit import parse_limits
from provisioner.report.availability import availability_document, availability_lines
from provisioner.runs.availability import AvailabilityAsked, AvailabilityReport, availability_of

_ROWS = 40
_MISSED = 1


@click.command()
@click.option(
    "--by",
    type=ListedWord([by.value for by in GroupedBy]),
    default=GroupedBy.FACILITY.value,
    show_default=True,
    help="What a row is about.",
)
@from_option
@until_option
@click.option("--as-of", type=MomentWord(), metavar="MOMENT", help="By what was known at that moment; now.")
@click.option("--against-before", is_flag=True, help="Beside the span of the same length just before.")
@click.option("--rows", type=click.IntRange(min=1), default=_ROWS, show_default=True, help="Show so many, worst first.")
@limit_option
@click.pass_obj
def availability(
    invocation: Invocation,
    /,
    limits: tuple[str, ...],
    *,
    by: str,
    rows: int,
    begin: datetime | None,
    until: datetime | None,
    as_of: datetime | None,
    against_before: bool,
) -> int:
    """Show for what share of a time pictures came, against the agreed level.

    By what verifications recorded: a look stands until the next one, and no longer than is agreed; the rest
    is not measured, and shown so. Maintenance stands apart, degraded counts as up. Asks no host. Ends with 1
    where an agreed level (policy.availability in inventory.yml) was missed, or nobody measured.

    Example: provisioner -i DIR availability --by province --from 2021-05-03 --until 2021-05-10 --against-before
    """
    moment = as_of or now()
    asked = AvailabilityAsked(
        span_of(begin, until, moment), moment, GroupedBy(by), parse_limits(limits), before=against_before
    )
    with without_collector():
        report = availability_of(invocation.inventory, invocation.env, asked)
    _warn(invocation, report)
    if invocation.json:
        span, rest = asked.span, {"damaged": list(report.damaged)}
        document = availability_document(by, report.rows, report.total, span=span, as_of=moment, longest=report.longest)
        print_document(document | rest)
    else:
        lines = availability_lines(
            by,
            report.rows,
            report.total,
            shown=rows,
            before=against_before,
            span=asked.span,
            longest=report.longest,
        )
        click.echo("\n".join(lines))
    return _MISSED if missed(report.rows) or missed([report.total]) else 0


def _warn(invocation: Invocation, report: AvailabilityReport) -> None:
    if not report.rows:
        message = f"no verdict of that time is kept in {report.place.shown}"
        hint = "verify records what it saw; PROVISIONER_STATE names the place of those of another machine"
        print_warning(message, hint, color=invocation.color)
    warn_of_damage(invocation, report.damaged)
    for name in report.unknown:
        message = f"policy.availability names {name}, of which no verdict of that time is kept"
        print_warning(message, "see that it is written as in its file", color=invocation.color)
