"""`provisioner export`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from provisioner.base.clock import local_time
from provisioner.cli.context import Invocation
from provisioner.cli.files import write_report
from provisioner.cli.output import counted, print_document
from provisioner.cli.overview import overview_of
from provisioner.desired.limit import parse_limits
from provisioner.inventory.loader.load import valid_inventory
from provisioner.inventory.model import Facility
from provisioner.inventory.rules import ALLOCATION_MISSING, GATEWAY_KEY_MISSING, HOST_KEYS_MISSING
from provisioner.lifecycle.status import FacilityStatus
from provisioner.report.exports import export_document, export_lines
from provisioner.report.progress import ProgressReport, progress
from provisioner.report.surveys import Surveys, surveys
from provisioner.report.zones import Zones, zones
from provisioner.runs.overview import Overview

# What hosts still lack is no reason to report nothing.
_TOLERATED = frozenset({ALLOCATION_MISSING, GATEWAY_KEY_MISSING, HOST_KEYS_MISSING})
_REPORTS = ("progress", "surveys", "zones")


@click.command()
@click.argument("what", type=click.Choice(_REPORTS))
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.xlsx", help="Write it as a spreadsheet, too.")
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="KIND=NAME",
    help="Only these: carrier, province, facility or host. May be repeated.",
)
@click.pass_obj
def export(invocation: Invocation, what: str, out: Path | None, limits: tuple[str, ...], *, force: bool) -> int:
    """Count how far the work has come, for provinces and the ministry.

    progress: facilities connected, blocked by reason and overdue, by province, carrier and managing body.
    surveys: who was surveyed, and what was found. zones: where no camera looks. Prints the counts; with --out
    a spreadsheet in Vietnamese as well, with every facility. Asks no host, and holds nothing of persons.

    Example: provisioner -i inventories/example export progress --out progress.xlsx
    """
    seen = overview_of(invocation)
    valid_inventory(seen.loaded, invocation.inventory, tolerate=_TOLERATED)
    chosen = seen.statuses((), parse_limits(limits))
    report = _report(what, seen, chosen)
    if out is not None:
        write_report(out, _book(what, seen, report), force=force)
    if invocation.json:
        inventory = {"id": seen.inventory.settings.id, "digest": seen.loaded.digest}
        print_document(export_document(report, seen.now, seen.evidence.runs) | {"inventory": inventory})
        return 0
    click.echo(f"as of: {local_time(seen.now)}, by the evidence of {counted(seen.evidence.runs, 'run')}\n")
    for line in export_lines(report):
        click.echo(line)
    if out is not None:
        click.echo(f"\nwrote {out}")
    return 0


def _province_of(seen: Overview) -> Callable[[Facility], str]:
    """The province in which a facility is today, by the inventory's list."""
    return lambda facility: seen.inventory.province_today(facility).slug


def _report(what: str, seen: Overview, chosen: tuple[FacilityStatus, ...]) -> ProgressReport | Surveys | Zones:
    facilities = [status.facility for status in chosen]
    province_of = _province_of(seen)
    if what == "progress":
        return progress(chosen, lambda status: province_of(status.facility))
    return surveys(facilities, province_of) if what == "surveys" else zones(facilities)


def _book(what: str, seen: Overview, report: ProgressReport | Surveys | Zones) -> bytes:
    # The spreadsheet library is imported where there is a spreadsheet to write.
    from provisioner.report import books  # noqa: PLC0415
    from provisioner.report.pages import workbook  # noqa: PLC0415

    names = {p.slug: p.name for p in map(seen.inventory.province_today, seen.inventory.facilities.values())}
    province_of = _province_of(seen)
    if isinstance(report, ProgressReport):
        pages = books.progress_pages(report, names, province_of)
    elif isinstance(report, Surveys):
        pages = books.survey_pages(report, names, province_of)
    else:
        pages = books.zone_pages(report, names, province_of)
    basis = f"{seen.evidence.runs} lần chạy đã ghi nhận; dữ liệu {seen.inventory.settings.id}, {seen.loaded.digest}"
    return workbook(books.HEADINGS[what], basis, seen.now, pages)
