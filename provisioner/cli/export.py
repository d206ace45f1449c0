"""`provisioner export`: counts and official documents."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import click

from provisioner.base.errors import FrozenFacility, StateError, UnreadableError, UsageError
from provisioner.base.language import marked
from provisioner.base.processes import without_collector
from provisioner.base.service import Stage, at_stage
from provisioner.base.text import counted, local_time, msg
from provisioner.cli.support import options
from provisioner.cli.support.context import Invocation, echo_lines, print_document
from provisioner.cli.support.session import overview_of, week_before, write_report, write_tree
from provisioner.cli.support.terminal import ListedWord, ValidPath
from provisioner.cli.support.texts import code_with_frozen, print_frozen
from provisioner.desired.limit import Limit, parse_limits
from provisioner.desired.render.host import RenderedFile
from provisioner.operations.questions.overview import FIRST_FACILITY, Overview, document_of
from provisioner.record.availability.measured import GroupedBy, Span
from provisioner.record.lifecycle.state import Freshness, freshness
from provisioner.record.lifecycle.status import FacilityStatus
from provisioner.report import documents as letters
from provisioner.report.documents import official
from provisioner.report.documents.minutes import DocumentBasis
from provisioner.report.exports import REPORTS, FacilityList, InventoryRow, export_document
from provisioner.report.progress import CarrierIncidents, CarrierShares, incidents_of_document
from provisioner.report.status import freshness_label, freshness_line
from provisioner.report.tables import Page


@dataclass(frozen=True, slots=True)
class DocumentRequest:
    """A requested document, in one file or a file a facility."""

    what: str
    file: Path | None
    folder: Path | None
    letterhead: official.Letterhead
    force: bool


def document_request(
    name: str, file: Path | None, folder: Path | None, filled: Sequence[str], *, force: bool
) -> DocumentRequest | None:
    """Return the requested document, if any, or raise `UsageError`."""
    if file is None and folder is None:
        if filled:
            raise UsageError("--fill fills in a document, and none is asked for", hint="add --docx FILE")
        return None
    if name not in letters.REPORT_LETTERS and name not in letters.MINUTES:
        names = ", ".join([*letters.REPORT_LETTERS, *letters.MINUTES])
        hint = f"these have one: {names}; --out FILE.xlsx is for every report"
        raise UsageError(f"{name} has no official document", hint=hint)
    if folder is not None and (file is not None or name in letters.REPORT_LETTERS):
        hint = "write --docx FILE; --docx-dir DIR is for many minutes, a file a facility"
        raise UsageError(f"{name} goes into one file" if file is None else "--docx and --docx-dir exclude", hint=hint)
    return DocumentRequest(name, file, folder, official.letterhead_of(filled), force)


def write_documents(
    request: DocumentRequest, listing: FacilityList, view: Overview, proof: Freshness, frozen: Sequence[FrozenFacility]
) -> list[str]:
    """Write the requested documents; return a line a result; or raise `UsageError`."""
    source = f"{view.inventory.settings.id}, {official.short_digest(view.loaded.digest)}"
    left_out = tuple(site.id for site in frozen)
    basis = DocumentBasis(view.now, proof, view.evidence.runs, source, request.letterhead, left_out)
    letter = letters.REPORT_LETTERS.get(request.what)
    if letter and request.file:
        write_report(request.file, _docx_bytes(letter(listing, basis), basis), force=request.force)
        return [f"wrote {request.file}"]
    form = letters.MINUTES[request.what]
    refused = {site.facility.id: reason for site in listing.statuses if (reason := form.refusal(site, listing))}
    if request.file:
        status = _only_status(form, listing.statuses)
        name = status.facility.id
        if name in refused:
            hint = f"provisioner status {name} --why says what is left to do"
            raise UsageError(f"there is no {form.words} of {name}: {refused[name]}", hint=hint, object=name)
        write_report(request.file, _docx_bytes(form.make(status, listing, basis), basis), force=request.force)
        return [f"wrote {request.file}"]
    if request.folder is None:
        raise TypeError("a document goes somewhere")
    chosen = [site for site in listing.statuses if site.facility.id not in refused]
    if not refused and not chosen:
        raise UsageError(marked("no facility is chosen"), hint=FIRST_FACILITY)
    if not chosen:
        name, reason = next(iter(refused.items()))
        message = f"there is no {form.words} of any of {counted(len(refused), 'facility')}; of {name}: {reason}"
        raise UsageError(message, hint=f"provisioner export {request.what} says why of each")
    with at_stage(Stage.DOCUMENTS, len(chosen)) as advanced:
        count = len(write_tree(request.folder, _files(chosen, form, listing, basis, advanced)))
    lines = [f"wrote {counted(count, 'file')} into {request.folder}"]
    return [*lines, *(f"no {form.words} of {name}: {reason}" for name, reason in refused.items())]


def _only_status(form: letters.MinutesForm, statuses: Sequence[FacilityStatus]) -> FacilityStatus:
    if len(statuses) != 1:
        hint = "choose one: --limit facility=ID; or --docx-dir DIR for a file a facility"
        raise UsageError(f"{form.rule}, and {len(statuses)} are chosen", hint=hint)
    return statuses[0]


def _files(
    chosen: Sequence[FacilityStatus],
    form: letters.MinutesForm,
    listing: FacilityList,
    basis: DocumentBasis,
    advanced: Callable[[int], None],
) -> Iterator[RenderedFile]:
    """Yield each facility's file when it is written, to save memory."""
    for status in chosen:
        document = form.make(status, listing, basis)
        yield RenderedFile(f"{status.facility.id}.docx", _docx_bytes(document, basis), mode=0o600)
        advanced(1)


def _docx_bytes(document: official.OfficialDocument, basis: DocumentBasis) -> bytes:
    # Only documents need this library.
    from provisioner.report.documents.docx import official_docx  # noqa: PLC0415

    return official_docx(document, basis.as_of)


@click.command()
@click.argument("what", metavar="KIND", type=ListedWord(list(REPORTS)))
@click.option("--out", type=ValidPath(), metavar="FILE.xlsx", help="Write a spreadsheet too.")
@click.option("--docx", type=ValidPath(), metavar="FILE", help="Write an official document too.")
@click.option(
    "--docx-dir", type=ValidPath(), metavar="DIR", help="Write minutes, one file a facility, into this folder."
)
@click.option(
    "--fill",
    "filled",
    multiple=True,
    metavar="KEY=TEXT",
    help=f"Fill in a field of the document's head: {', '.join(official.KEYS)}.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@options.from_option
@options.until_option
@options.past_options
@options.limit_option
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
    as_of: datetime | None,
    against_before: bool,
) -> int:
    """Count the progress of the work, for provinces and the ministry.

    KIND progress: facilities ever connected, up now, claimed, blocked by reason and overdue, by province, carrier and
    managing body, with the age of the verification first.

    KIND surveys: surveyed facilities and the results.

    KIND zones: zones without a camera.

    KIND scorecard: each carrier's work in time, current state, broken paths, and the share of time (--from, --until) as
    in `availability`.

    KIND acceptance: facilities proved twice.

    KIND survey-minutes: the results of each survey, with the devices.

    The command prints the counts. --out writes a Vietnamese spreadsheet with every facility. --docx writes progress as
    a report, acceptance and survey-minutes as minutes to sign, in the layout of Decree 30/2020. The command calls no
    host. The output has no personal data.

    Example: provisioner -i DIR export progress --out progress.xlsx --docx progress.docx
    """
    invocation.refuse_tracked_links(out, docx, docx_dir)
    for place in (out, docx, docx_dir):
        invocation.refuse_inside(place)
    if out is not None and out in {docx, docx_dir}:
        raise UsageError(f"{out} cannot be both a spreadsheet and a document", hint="name two files")
    if (begin or until) and not REPORTS[what].needs_shares:
        names = ", ".join(name for name, report in REPORTS.items() if report.needs_shares)
        raise UsageError(f"{what} is of no span of time", hint=f"leave out --from and --until; they are for {names}")
    if against_before and not REPORTS[what].compares:
        hint = marked("leave it out: status and export progress have it")
        raise UsageError(msg("{what} has no --against-before", what), hint=hint)
    request = document_request(what, docx, docx_dir, filled, force=force)
    with without_collector():
        view, limit = overview_of(invocation, as_of), parse_limits(limits)
        statuses = view.statuses((), limit, without=view.in_error)
        listing = _listing(view, statuses, with_incidents=REPORTS[what].needs_incidents)
        if against_before:
            listing = replace(listing, earlier=week_before(invocation, view, (), limit, view.in_error))
        if REPORTS[what].needs_shares:
            shares = _shares(invocation, view, options.span_of(begin, until, view.now), limit)
            listing = replace(listing, shares=shares)
        frozen = view.frozen_by((), limit)
        return _run_export(invocation, what, view, listing, out=out, request=request, frozen=frozen, force=force)


def _run_export(
    invocation: Invocation,
    name: str,
    view: Overview,
    listing: FacilityList,
    *,
    out: Path | None,
    request: DocumentRequest | None,
    frozen: Sequence[FrozenFacility],
    force: bool,
) -> int:
    report = REPORTS[name]
    proof = _proof(listing, view) if report.rests_on_proof else None
    with at_stage(Stage.COUNT):
        counts = report.count(listing)
    wrote = write_documents(request, listing, view, _proof(listing, view), frozen) if request else []
    if out is not None:
        pages, more = report.pages(counts, listing), report.basis(counts)
        with at_stage(Stage.DOCUMENTS):
            book = _workbook(report.heading, pages, view, proof=proof, frozen=frozen, more=more)
        write_report(out, book, force=force)
        wrote.append(f"wrote {out}")
    if invocation.json:
        inventory = InventoryRow(id=view.inventory.settings.id, digest=view.loaded.digest)
        document = export_document(
            name, counts, listing, view.now, view.evidence.runs, inventory=inventory, proof=proof, frozen=frozen
        )
        print_document(document)
        return code_with_frozen(0, frozen)
    if proof is not None:
        click.echo(freshness_line(proof))
    click.echo(f"as of: {local_time(view.now)}, by the evidence of {counted(view.evidence.runs, 'run')}\n")
    echo_lines(report.lines(counts))
    for number, line in enumerate(wrote):
        click.echo(line if number else f"\n{line}")
    print_frozen(frozen, consequence="not counted")
    return code_with_frozen(0, frozen)


def _listing(view: Overview, statuses: tuple[FacilityStatus, ...], *, with_incidents: bool) -> FacilityList:
    return FacilityList(
        statuses,
        view.inventory.province_today,
        view,
        evidence=view.evidence,
        carriers={carrier.id: carrier.name for carrier in view.inventory.carriers.values()},
        incidents=_last_incidents(view) if with_incidents else None,
    )


def _last_incidents(view: Overview) -> CarrierIncidents | None:
    """Return the incidents of the latest full verification, else of the latest."""
    # The models of documents are imported where one is read.
    from provisioner.verify.document import recorded_verification  # noqa: PLC0415

    verified = view.evidence.looked_at_all or view.evidence.verified
    document = document_of(view, verified.observed.run) if verified else None
    if verified is None or not document:
        return None
    hosts = {relay: carrier.id for relay, (carrier, _) in view.inventory.relays.items()}
    try:
        return incidents_of_document(recorded_verification(document), verified, hosts)
    except UnreadableError:
        source = f"what run {verified.observed.run} left in {view.place.text}"
        message = f"{source} cannot be counted: it is no document of a verification"
        hint = "verify again, the latest one counts; provisioner history verify checks the record"
        raise StateError(message, hint=hint, object=verified.observed.run) from None


def _shares(invocation: Invocation, view: Overview, span: Span, limit: Limit) -> CarrierShares | None:
    """Return availability by carrier; `None` with a host limit, which records lack."""
    if "host" in limit.wanted:
        return None
    # The database's library takes long to import.
    from provisioner.operations.questions.availability import AvailabilityRequest, availability_of  # noqa: PLC0415

    request = AvailabilityRequest(span, view.now, GroupedBy.CARRIER, limit, is_strict=False)
    report = availability_of(view.root, invocation.env, request)
    options.warn_of_damage(report.damaged)
    total = report.total if report.rows else None
    return CarrierShares(span, report.longest, {row.name: row for row in report.rows}, total, report.damaged)


def _proof(listing: FacilityList, view: Overview) -> Freshness:
    return freshness(view.evidence, view.now, (status.pictures for status in listing.statuses))


def _workbook(
    heading: str,
    pages: Sequence[Page],
    view: Overview,
    *,
    proof: Freshness | None,
    frozen: Sequence[FrozenFacility],
    more: str,
) -> bytes:
    # Only spreadsheets need this library.
    from provisioner.report.sheets import workbook  # noqa: PLC0415

    left_out = ", ".join(facility.id for facility in frozen)
    parts = (
        freshness_label(proof) if proof else "dữ liệu đã đăng ký đến thời điểm trên",
        more,
        f"chưa tính các cơ sở có dữ liệu đang được rà soát: {left_out}" if left_out else "",
    )
    source = f"{view.inventory.settings.id}, {view.loaded.digest}; runs: {view.evidence.runs}"
    return workbook(heading, "; ".join(filter(None, parts)), view.now, pages, source)
