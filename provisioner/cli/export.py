"""`provisioner export`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click

from provisioner.availability.measured import Span
from provisioner.availability.shares import GroupedBy
from provisioner.base.clock import local_time
from provisioner.base.collector import without_collector
from provisioner.base.counted import counted
from provisioner.base.errors import StateError, UsageError
from provisioner.base.held import HeldFacility
from provisioner.base.stage import Stage, at_stage
from provisioner.cli.availability_options import from_option, span_of, until_option, warn_of_damage
from provisioner.cli.context import Invocation
from provisioner.cli.export_documents import DocumentOrder, document_order, write_documents
from provisioner.cli.files import write_report
from provisioner.cli.held_text import code_with_held, held_documents, print_held
from provisioner.cli.limit import limit_option
from provisioner.cli.output import print_document
from provisioner.cli.overview import overview_of
from provisioner.cli.word import ListedWord, Place
from provisioner.desired.limit import Limit, parse_limits
from provisioner.lifecycle.pictures import Freshness, freshness
from provisioner.lifecycle.status import FacilityStatus
from provisioner.report.documents import KEYS
from provisioner.report.exports import REPORTS, FacilityList, export_document
from provisioner.report.freshness import freshness_label, freshness_line
from provisioner.report.pages import Page
from provisioner.report.scorecard import CarrierIncidents, CarrierShares, incidents_of_document
from provisioner.runs.availability import AvailabilityAsked, availability_of
from provisioner.runs.overview import Overview, document_of


@click.command()
@click.argument("what", type=ListedWord(list(REPORTS)))
@click.option("--out", type=Place(path_type=Path), metavar="FILE.xlsx", help="Write it as a spreadsheet, too.")
@click.option("--docx", type=Place(path_type=Path), metavar="FILE", help="Write it as an official document, too.")
@click.option("--docx-dir", type=Place(path_type=Path), metavar="DIR", help="Of minutes: a file a facility.")
@click.option(
    "--fill", "filled", multiple=True, metavar="KEY=TEXT", help=f"Fill into the document's head: {', '.join(KEYS)}."
)
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
@from_option
@until_option
@limit_option
@click.pass_obj
def export(
    invocation: Invocation,
    what: str,
    *,
    out: Path | None,
    docx: Path | None,
    docx_dir: Path | None,
    filled: tuple[str, ...],
    limits: tuple[str, ...],
    force: bool,
    begin: datetime | None,
    until: datetime | None,
) -> int:
    """Count how far the work has come, for provinces and the ministry.

    progress: facilities connected once, up now, claimed, blocked by reason and overdue, by province, carrier and
    managing body; how old its proof is stands first. surveys: who was surveyed, and what was found. zones: where
    no camera looks. scorecard: what each carrier did in time, how it is now, what is broken, and for what share of a
    time (--from, --until) its pictures came, as `availability` says it. acceptance: who was proved twice.
    survey-minutes: what each survey found, with the devices. Prints the counts; with --out a spreadsheet in
    Vietnamese as well, with every facility; with --docx progress as a report, acceptance and survey-minutes as
    minutes to sign, in the layout of Decree 30/2020. Asks no host, and holds nothing of persons.

    Example: provisioner -i DIR export progress --out progress.xlsx --docx progress.docx
    """
    invocation.refuse_proposed(out, docx, docx_dir)
    if out is not None and out in {docx, docx_dir}:
        raise UsageError(f"{out} cannot be both a spreadsheet and a document", hint="name two files")
    if (begin or until) and not REPORTS[what].needs_shares:
        said = ", ".join(name for name, report in REPORTS.items() if report.needs_shares)
        raise UsageError(f"{what} is of no span of time", hint=f"leave out --from and --until; they are for {said}")
    order = document_order(what, docx, docx_dir, filled, force=force)
    with without_collector():
        return _export(invocation, what, out, order, limits=limits, force=force, time=(begin, until))


def _export(
    invocation: Invocation,
    what: str,
    out: Path | None,
    order: DocumentOrder | None,
    *,
    limits: tuple[str, ...],
    force: bool,
    time: tuple[datetime | None, datetime | None],
) -> int:
    whole = overview_of(invocation, in_brief=what != "zones")
    left_out, held = whole.part.held, whole.held_by((), parse_limits(limits))
    statuses = whole.statuses((), parse_limits(limits), without=left_out)
    report = REPORTS[what]
    listing = _listing(whole, statuses, with_incidents=report.needs_incidents)
    if report.needs_shares:
        shares = _shares(invocation, whole, span_of(*time, whole.now), parse_limits(limits))
        listing = replace(listing, shares=shares)
    proof = _proof(listing, whole) if report.rests_on_proof else None
    with at_stage(Stage.COUNT):
        counts = report.count(listing)
    wrote = write_documents(order, listing, whole, _proof(listing, whole), held) if order else []
    if out is not None:
        pages, more = report.pages(counts, listing), report.basis(counts)
        with at_stage(Stage.DOCUMENTS):
            book = _book(report.heading, pages, whole, proof=proof, held=held, more=more)
        write_report(out, book, force=force)
        wrote.append(f"wrote {out}")
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
    for number, line in enumerate(wrote):
        click.echo(line if number else f"\n{line}")
    print_held(held, color=invocation.color, what="not counted")
    return code_with_held(0, held)


def _listing(whole: Overview, statuses: tuple[FacilityStatus, ...], *, with_incidents: bool) -> FacilityList:
    return FacilityList(
        statuses,
        whole.inventory.province_today,
        evidence=whole.evidence,
        carriers={carrier.id: carrier.name for carrier in whole.inventory.carriers.values()},
        incidents=_last_incidents(whole) if with_incidents else None,
    )


def _last_incidents(whole: Overview) -> CarrierIncidents | None:
    """The incidents of the latest verification that looked at all; of the latest one where none ever did.

    Raises:
        StateError: what it left cannot be read.
    """
    verified = whole.evidence.looked_at_all or whole.evidence.verified
    document = document_of(whole, verified.shown.run) if verified else None
    if verified is None or not document:
        return None
    hosts = {relay: carrier.id for relay, (carrier, _) in whole.inventory.relays.items()}
    try:
        return incidents_of_document(document, verified, hosts)
    except ValueError as error:
        message = f"what run {verified.shown.run} left in {whole.place.shown} cannot be counted: {error}"
        hint = "verify again, the latest one counts; provisioner history verify checks the record"
        raise StateError(message, hint=hint, object=verified.shown.run) from None


def _shares(invocation: Invocation, whole: Overview, span: Span, limit: Limit) -> CarrierShares | None:
    """For what share of a time pictures came, by carrier; None where a host is chosen: the record does not name it.

    Raises:
        StateError: there is a history, and it cannot be read.
    """
    if "host" in limit.wanted:
        return None
    asked = AvailabilityAsked(span, whole.now, GroupedBy.CARRIER, limit, is_strict=False)
    report = availability_of(whole.root, invocation.env, asked)
    warn_of_damage(invocation, report.damaged)
    total = report.total if report.rows else None
    return CarrierShares(span, report.longest, {row.name: row for row in report.rows}, total, report.damaged)


def _proof(listing: FacilityList, whole: Overview) -> Freshness:
    return freshness(whole.evidence, whole.now, (status.pictures for status in listing.statuses))


def _book(
    heading: str,
    pages: Sequence[Page],
    whole: Overview,
    *,
    proof: Freshness | None,
    held: Sequence[HeldFacility],
    more: str,
) -> bytes:
    # The spreadsheet library is imported where there is a spreadsheet to write.
    from provisioner.report.workbook import workbook  # noqa: PLC0415

    basis = f"{whole.evidence.runs} lần chạy đã ghi nhận; dữ liệu {whole.inventory.settings.id}, {whole.loaded.digest}"
    if proof is not None:
        basis = f"{freshness_label(proof)}; {basis}"
    if more:
        basis += f"; {more}"
    if held:
        basis += f"; chưa tính, do tệp có lỗi: {', '.join(one.id for one in held)}"
    return workbook(heading, basis, whole.now, pages)
