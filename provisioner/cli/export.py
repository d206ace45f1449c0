"""`provisioner export`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from provisioner.base.clock import local_time
from provisioner.base.collector import without_collector
from provisioner.base.counted import counted
from provisioner.base.held import HeldFacility
from provisioner.cli.context import Invocation
from provisioner.cli.files import write_report
from provisioner.cli.held_text import code_with_held, held_documents, print_held
from provisioner.cli.limit import limit_option
from provisioner.cli.output import print_document
from provisioner.cli.overview import overview_of
from provisioner.cli.word import ListedWord, Place
from provisioner.desired.limit import parse_limits
from provisioner.lifecycle.pictures import Freshness, freshness
from provisioner.report.exports import REPORTS, FacilityList, export_document
from provisioner.report.freshness import freshness_label, freshness_line
from provisioner.report.pages import Page
from provisioner.runs.overview import Overview


@click.command()
@click.argument("what", type=ListedWord(list(REPORTS)))
@click.option("--out", type=Place(path_type=Path), metavar="FILE.xlsx", help="Write it as a spreadsheet, too.")
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@limit_option
@click.pass_obj
def export(invocation: Invocation, what: str, out: Path | None, limits: tuple[str, ...], *, force: bool) -> int:
    """Count how far the work has come, for provinces and the ministry.

    progress: facilities connected once, up now, claimed, blocked by reason and overdue, by province, carrier and
    managing body; how old its proof is stands first. surveys: who was surveyed, and what was found. zones: where
    no camera looks. Prints the counts; with --out a spreadsheet in Vietnamese as well, with every facility. Asks
    no host, and holds nothing of persons.

    Example: provisioner -i DIR export progress --out progress.xlsx
    """
    invocation.refuse_proposed(out)
    with without_collector():
        return _export(invocation, what, out, limits, force=force)


def _export(invocation: Invocation, what: str, out: Path | None, limits: tuple[str, ...], *, force: bool) -> int:
    whole = overview_of(invocation, in_brief=what != "zones")
    left_out, held = whole.part.held, whole.held_by((), parse_limits(limits))
    statuses = whole.statuses((), parse_limits(limits), without=left_out)
    listing = FacilityList(statuses, whole.inventory.province_today)
    report = REPORTS[what]
    proof = _proof(listing, whole) if report.rests_on_proof else None
    counts = report.count(listing)
    if out is not None:
        book = _book(report.heading, report.pages(counts, listing), whole, proof, held)
        write_report(out, book, force=force)
    if invocation.json:
        inventory = {"id": whole.inventory.settings.id, "digest": whole.loaded.digest}
        document = export_document(what, counts, whole.now, whole.evidence.runs, proof=proof)
        print_document(document | {"inventory": inventory, "held": held_documents(held)})
        return code_with_held(0, held)
    if proof is not None:
        click.echo(freshness_line(proof))
    click.echo(f"as of: {local_time(whole.now)}, by the evidence of {counted(whole.evidence.runs, 'run')}\n")
    for line in report.lines(counts):
        click.echo(line)
    if out is not None:
        click.echo(f"\nwrote {out}")
    print_held(held, color=invocation.color, what="not counted")
    return code_with_held(0, held)


def _proof(listing: FacilityList, whole: Overview) -> Freshness:
    return freshness(whole.evidence, whole.now, (status.pictures for status in listing.statuses))


def _book(
    heading: str, pages: Sequence[Page], whole: Overview, proof: Freshness | None, held: Sequence[HeldFacility]
) -> bytes:
    # The spreadsheet library is imported where there is a spreadsheet to write.
    from provisioner.report.workbook import workbook  # noqa: PLC0415

    basis = f"{whole.evidence.runs} lần chạy đã ghi nhận; dữ liệu {whole.inventory.settings.id}, {whole.loaded.digest}"
    if proof is not None:
        basis = f"{freshness_label(proof)}; {basis}"
    if held:
        basis += f"; chưa tính, do tệp có lỗi: {', '.join(one.id for one in held)}"
    return workbook(heading, basis, whole.now, pages)
