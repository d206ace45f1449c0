"""`provisioner status` and `provisioner availability`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from provisioner.base.errors import InventoryError, UsageError
from provisioner.base.language import marked
from provisioner.base.processes import without_collector
from provisioner.base.text import counted, msg, named
from provisioner.cli.support import options
from provisioner.cli.support.completion import facilities_like
from provisioner.cli.support.context import Invocation, now, print_document, print_warning, show, today
from provisioner.cli.support.session import overview_of, week_before
from provisioner.cli.support.terminal import ListedWord
from provisioner.cli.support.texts import HOSTS_KEEP, code_with_frozen, print_frozen
from provisioner.desired.limit import Limit, parse_limits
from provisioner.operations.questions.overview import Overview
from provisioner.operations.questions.packages import package_statuses, read_packages
from provisioner.record.availability.measured import GroupedBy, missed
from provisioner.record.lifecycle.reasons import Grounds, reasons
from provisioner.record.lifecycle.status import FacilityStatus, drains_in_progress
from provisioner.report.availability import AvailabilityDocument, availability_lines, availability_row
from provisioner.report.facilities import change_lines, package_lines, package_row
from provisioner.report.progress import comparison_lines, progress
from provisioner.report.status import Explained, drain_lines, status_document, status_lines, why_lines

if TYPE_CHECKING:
    from provisioner.operations.questions.availability import AvailabilityReport
    from provisioner.record.availability.path_state import PathState

_USUAL_ROWS = 40
_MISSED = 1


@click.command()
@click.argument("facilities", nargs=-1, metavar="[FACILITY]…", shell_complete=facilities_like)
@click.option("--why", is_flag=True, help="Explain each facility's state and its next step.")
@options.limit_option
@options.past_options
def status(
    invocation: Invocation,
    facilities: tuple[str, ...],
    limits: tuple[str, ...],
    *,
    why: bool,
    as_of: datetime | None,
    against_before: bool,
) -> int:
    """Show the state of facilities and their deadlines.

    States come from the facility's file up to the agreed plan, then from recorded runs of apply and verify. The command
    calls no host. It shows an inventory with errors as far as it can be read. Exit code 3: a facility cannot be read.

    Example: provisioner -i DIR status --why kcl-bg-001
    """
    if why and (as_of or against_before):
        hint = marked("leave it out with --as-of and --against-before")
        raise UsageError(marked("--why explains the present state, with lines of the present files"), hint=hint)
    with without_collector():
        return _show_status(invocation, facilities, parse_limits(limits), as_of, why=why, compares=against_before)


def _show_status(
    invocation: Invocation,
    facilities: tuple[str, ...],
    limit: Limit,
    as_of: datetime | None,
    *,
    why: bool,
    compares: bool,
) -> int:
    overview = overview_of(invocation, as_of)
    chosen, frozen = overview.statuses(facilities, limit), overview.frozen_by(facilities, limit)
    compared = None
    if compares:
        earlier = week_before(invocation, overview, facilities, limit)
        compared = progress(chosen, lambda one: overview.inventory.province_counted(one.facility), earlier)
    _warn_of_inventory(overview)
    if not invocation.json:
        print_frozen(frozen, consequence=HOSTS_KEEP)
    explained = _all_explained(overview, chosen) if why else {}
    drains = drains_in_progress(overview.inventory, overview.evidence)
    sites = [status.facility for status in chosen]
    changing = {site.id: site.next_key for site in sites if site.next_key is not None}
    # The record of packages is of now.
    records, listed = ({}, []) if overview.is_past else (read_packages(overview.place), sites)
    packages = package_statuses(overview.inventory, records, overview.evidence, listed, today=today())
    if invocation.json:
        document = status_document(
            chosen,
            overview.evidence,
            overview.now,
            explained,
            files=overview,
            drains=drains,
            packages=[*map(package_row, packages)],
            key_changes={name: bool(key) for name, key in changing.items()},
            unreadable=overview.unreadable,
            unsealed_relays=overview.unsealed,
            held=frozen,
            before=compared and compared.before,
        )
        print_document(document)
    elif why:
        _print("\n\n".join("\n".join(why_lines(status, invocation.say)) for status in explained.values()).split("\n"))
    else:
        lines = status_lines(chosen, overview.evidence, overview.now, invocation.say)
        in_progress = (*drain_lines(drains, invocation.say), *change_lines(list(changing), invocation.say))
        _print([*lines, *in_progress, *package_lines(packages, invocation.say)])
        if compared:
            _print(["", *comparison_lines(compared, invocation.say)])
    return code_with_frozen(InventoryError.exit_code if overview.unreadable else 0, frozen)


def _warn_of_inventory(overview: Overview) -> None:
    if overview.errors and not overview.frozen and not overview.is_past:
        errors = counted(len(overview.errors), "error")
        message = msg("the inventory has {errors}: hosts stay as they are until it has no error", errors)
        print_warning(message, marked("see them: provisioner validate"))
    if overview.unsealed and not overview.is_past:
        relays = named(overview.unsealed)
        message = msg("the tunnel's key of {relays} is on its disk alone: a dead disk costs each site a visit", relays)
        hint = marked("have it sealed: provisioner keys init")
        if overview.inventory.settings.recovery is None:
            hint = marked("make a recovery key, to which relays seal theirs: provisioner keys recovery, then keys init")
        print_warning(message, hint)
    for run in overview.unended:
        hint = marked("what its hosts hold is not known until it has: provisioner history")
        print_warning(msg("run {run} has not ended", run), hint)
    for name in overview.unreadable:
        print_warning(msg("facility {name} cannot be read, and is not shown", name), "")


def _all_explained(overview: Overview, chosen: Sequence[FacilityStatus]) -> dict[str, Explained]:
    failing = overview.failing([status.facility for status in chosen])
    return {
        status.facility.id: _explained_status(overview, status, failing.get(status.facility.id, {}))
        for status in chosen
    }


def _explained_status(overview: Overview, status: FacilityStatus, failing: "Mapping[str, PathState]") -> Explained:
    facility = overview.facility(status.facility.id)
    grounds = Grounds(
        facility,
        status.standing,
        overview.evidence,
        status.duties,
        overview.inventory.instructions,
        overview.loaded.places,
    )
    problems = tuple(problem for problem in overview.problems if problem.object == f"facility/{status.facility.id}")
    return Explained(status, reasons(grounds), problems, failing)


def _print(lines: Iterable[str]) -> None:
    click.echo("\n".join(lines))


@click.command()
@click.option(
    "--by",
    type=ListedWord([by.value for by in GroupedBy]),
    default=GroupedBy.FACILITY.value,
    show_default=True,
    help="The subject of a row.",
)
@options.from_option
@options.until_option
@click.option(
    "--as-of", type=options.MomentWord(), metavar="MOMENT", help="Use the records up to this moment. Default: now."
)
@click.option("--against-before", is_flag=True, help="Compare with the span of the same length before.")
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=_USUAL_ROWS,
    show_default=True,
    help="The number of rows, worst first.",
)
@options.limit_option
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
    """Show the share of time in which paths were up, against the agreed level.

    The figures come from recorded verifications: a verdict counts until the next one, and no longer than agreed. The
    rest is shown as not measured. Maintenance is a column of its own; degraded counts as up. The command calls no host.
    Exit code 1: an agreed level (policy.availability in inventory.yml) was missed, or no time was measured.

    Example: provisioner -i DIR availability --by province --from 2021-05-03 --until 2021-05-10 --against-before
    """
    # `status` in this module needs no database before the first record.
    from provisioner.operations.questions.availability import AvailabilityRequest, availability_of  # noqa: PLC0415

    moment = as_of or now()
    request = AvailabilityRequest(
        options.span_of(begin, until, moment), moment, GroupedBy(by), parse_limits(limits), before=against_before
    )
    with without_collector():
        report = availability_of(invocation.inventory, invocation.env, request)
    _warn_of_verdicts(report)
    document = AvailabilityDocument(
        from_=request.span.begin,
        until=request.span.until,
        as_of=moment,
        by=by,
        longest_s=round(report.longest.total_seconds()),
        rows=[availability_row(row) for row in report.rows],
        total=availability_row(report.total),
        damaged=report.damaged,
    )
    lines = availability_lines(
        by, report.rows, report.total, row_limit=rows, before=against_before, span=request.span, longest=report.longest
    )
    show(invocation, document, lines)
    return _MISSED if missed([*report.rows, report.total]) or report.unknown else 0


def _warn_of_verdicts(report: "AvailabilityReport") -> None:
    if not report.rows:
        message = msg("no verdict of that time is recorded in {place}", report.place.text)
        hint = msg("verify records verdicts; PROVISIONER_STATE names another machine's history")
        print_warning(message, hint)
    options.warn_of_damage(report.damaged)
    for name in report.unknown:
        message = msg("policy.availability names {name}: no verdict of it is recorded for that time", name)
        print_warning(message, msg("see that it is written as in its file"))
