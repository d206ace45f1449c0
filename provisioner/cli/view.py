"""`provisioner view`: several controllers' reports as pages, counts and documents."""

from collections.abc import Callable, Iterator
from functools import partial, wraps
from itertools import groupby
from pathlib import Path
from typing import Unpack

import click

from provisioner.base.document import Count, Moment, Printed, Row, Said
from provisioner.base.errors import os_errors
from provisioner.base.text import counted, local_time
from provisioner.cli.serve import PageOptions, page_options, serve_pages
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.context import Invocation, echo_lines, ended_by_signal, log, now, said, show, state_dir
from provisioner.cli.support.session import refuse_unread_metrics, write_report
from provisioner.cli.support.terminal import ValidPath
from provisioner.integrations.alerting.metric_catalogue import exposition
from provisioner.ministry.country import Country
from provisioner.ministry.receive import Receiver, receiving_server, take_from_broker
from provisioner.ministry.transports import ReportFolder
from provisioner.ministry.trust import Doubt, ReportState
from provisioner.ministry.view import CountrySource, View, country_metrics
from provisioner.nodes.jetstream import Broker
from provisioner.operations.questions.metrics import write_metrics
from provisioner.report.documents import REPORT_LETTERS
from provisioner.report.documents.minutes import DocumentBasis
from provisioner.report.documents.official import Letterhead
from provisioner.report.exports import REPORTS
from provisioner.report.status import freshness_label, freshness_line
from provisioner.web import server
from provisioner.web.static import write_pages

_PORT = 8310
_NAME = "ministry"
_MOST_FINDINGS = 20  #: Of one kind about one controller.


@click.group(cls=NamedGroup)
def view() -> None:
    """Show several controllers' signed reports as one country.

    Each carrier's controller signs reports (`report publish`). The view reads them from a folder and calls no
    controller. A controller without a report in its agreed time is unknown.
    """


def _of_reports(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Add the options that name the reports, and pass on a view."""

    @click.option(
        "--reports", type=ValidPath(file_okay=False), required=True, metavar="DIR", help="The reports' folder."
    )
    @click.option(
        "--keys",
        "trusted_keys",
        type=ValidPath(dir_okay=False),
        required=True,
        metavar="FILE",
        help="The trusted keys.",
    )
    @click.option(
        "--memory",
        type=ValidPath(dir_okay=False),
        metavar="FILE",
        help="The file with the newest report shown of each.",
    )
    @wraps(command)
    def run(
        invocation: Invocation, /, reports: Path, trusted_keys: Path, memory: Path | None, **options: object
    ) -> int | None:
        shown = View(ReportFolder(reports), trusted_keys, memory or state_dir(invocation.env) / "view.json")
        return command(invocation, shown, **options)

    return run


class ControllerRow(Row):
    """A controller of a view."""

    inventory: Said
    standing: ReportState
    sequence: Count | None  #: The number of its last report; null without one.
    at: Moment | None  #: The time of its last report.
    facilities: Count


class FindingRow(Row):
    """A finding about reports."""

    kind: Doubt
    controller: str  #: Empty if unknown.
    subject: str  #: A facility or a file; empty if it is about the controller.
    text: str
    others: tuple[str, ...]  #: The controllers of the other side.


class ViewDocument(Printed, name="view-status", title="Reports of controllers"):
    """Output of `provisioner view status --output json`."""

    as_of: Moment
    controllers: tuple[ControllerRow, ...]
    current: Count  #: The number of controllers whose words count now.
    facilities: Count  #: Each counted once.
    paths: dict[str, Count]  #: By verdict.
    findings: tuple[FindingRow, ...]


def _document(country: Country) -> ViewDocument:
    return ViewDocument(
        as_of=country.now,
        controllers=[
            ControllerRow(
                inventory=one.controller.inventory,
                standing=one.standing,
                sequence=one.last.report.sequence if one.last else None,
                at=one.last.report.at if one.last else None,
                facilities=len(one.content.rows),
            )
            for one in country.standings
        ],
        current=country.current,
        facilities=len(country.facilities),
        paths=dict(country.path_counts),
        findings=[
            FindingRow(kind=one.doubt, controller=one.controller, subject=one.subject, text=one.text, others=one.others)
            for one in country.findings
        ],
    )


def _status_lines(country: Country) -> Iterator[str]:
    for one in country.standings:
        last = f"report {one.last.report.sequence} of {local_time(one.last.report.at)}" if one.last else "no report"
        yield f"{one.controller.inventory}: {one.standing}, {last}, {counted(len(one.content.rows), 'facility')}"
    paths = ", ".join(f"{number} {verdict}" for verdict, number in country.path_counts.items())
    yield f"{counted(len(country.facilities), 'facility')}; paths: {paths or 'none'}"
    yield f"{country.current} of {counted(len(country.standings), 'controller')} current"
    # Those of one controller displace none of another.
    for (doubt, controller), group in groupby(country.findings, lambda one: (one.doubt, one.controller)):
        findings = list(group)
        for finding in findings[:_MOST_FINDINGS]:
            sides = " and ".join(filter(None, (controller, *finding.others)))
            about = f" {finding.subject}" if finding.subject else ""
            yield f"finding: {doubt}: {sides}{about}: {finding.text}"
        if len(findings) > _MOST_FINDINGS:
            yield f"finding: {doubt}: {controller}: {counted(len(findings) - _MOST_FINDINGS, 'finding')} more"


@view.command("status")
@_of_reports
@click.option("--metrics", type=ValidPath(), metavar="FILE.prom", help="Write metrics for a node exporter too.")
def view_status(invocation: Invocation, shown: View, *, metrics: Path | None) -> int:
    """Print each controller's state and age, the totals and the findings.

    Run it from a timer: exit code 1 says that a controller is not current, or that there is a finding. An alarm on the
    metrics says it, too.

    Example: provisioner view status --reports /srv/reports --keys keys.toml
    """
    refuse_unread_metrics(metrics)
    country = shown.country(now())
    if metrics is not None:
        write_metrics(metrics, exposition(country_metrics(country)))
    show(invocation, _document(country), _status_lines(country))
    return 1 if country.findings or country.current < len(country.standings) else 0


@view.command("export")
@_of_reports
@click.option("--out", type=ValidPath(), metavar="FILE.xlsx", help="Write a spreadsheet too.")
@click.option("--docx", type=ValidPath(), metavar="FILE", help="Write an official document too.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def view_export(_invocation: Invocation, shown: View, *, out: Path | None, docx: Path | None, force: bool) -> None:
    """Count the progress over all controllers, as `export progress` does for one.

    Cameras and paths of a controller that is not current are unknown. Free texts of files are not in reports, and are
    missing in the list of facilities.

    Example: provisioner view export --reports /srv/reports --keys keys.toml --out progress.xlsx
    """
    country, report = shown.country(now()), REPORTS["progress"]
    listing, proof = country.listing, country.freshness
    counts = report.count(listing)
    of = f"{country.current}/{len(country.standings)}"
    source = ", ".join(
        f"{one.controller.inventory} {one.head.sequence if one.head else '-'}" for one in country.standings
    )
    late = ", ".join(one.controller.inventory for one in country.standings if not one.is_current)
    reports, unknown = f"theo báo cáo của {of} đơn vị", f"chưa rõ: {late}" if late else ""
    echo_lines([freshness_line(proof), said(f"{of} controllers current"), "", *report.lines(counts)])
    if out is not None:
        # Only spreadsheets need this library.
        from provisioner.report.sheets import workbook  # noqa: PLC0415

        # A printed footer has one line: the longest comes last.
        basis = "; ".join(filter(None, (reports, freshness_label(proof), unknown)))
        book = workbook(report.heading, basis, country.now, report.pages(counts, listing), source)
        write_report(out, book, force=force)
        click.echo(said(f"wrote {out}"))
    if docx is not None:
        from provisioner.report.documents.docx import official_docx  # noqa: PLC0415

        document = DocumentBasis(
            country.now,
            proof,
            sum(one.last.report.runs for one in country.standings if one.last),
            source,
            Letterhead(),
            reports=", ".join(filter(None, (reports, unknown))),
        )
        content = official_docx(REPORT_LETTERS["progress"](listing, document), country.now)
        write_report(docx, content, force=force)
        click.echo(said(f"wrote {docx}"))


@view.command("serve")
@_of_reports
@page_options
def view_serve(invocation: Invocation, shown: View, **options: Unpack[PageOptions]) -> None:
    """Serve the web pages over all controllers, read-only.

    The pages, roles and languages are those of `serve`. A facility's page has counts and causes, without single paths.

    Example: provisioner view serve --reports /srv/reports --keys keys.toml
    """
    serve_pages(invocation, CountrySource(shown, now, _NAME), None, **options)


@view.command("html")
@_of_reports
@click.argument("folder", type=ValidPath(), metavar="DIR")
def view_html(invocation: Invocation, shown: View, folder: Path) -> None:
    """Write the pages of `view serve` as files, in both languages.

    DIR is new, empty, or a folder that this command wrote; then it is updated. Its files are readable by their owner
    only.

    Example: provisioner view html --reports /srv/reports --keys keys.toml pages
    """
    invocation.refuse_tracked_links(folder)
    source = CountrySource(shown, now, _NAME)
    number = write_pages(folder, source.load(), source.past, now(), "")
    click.echo(said(f"wrote {counted(number, 'file')}: open {folder / 'index.html'}"))


@view.command("prune")
@_of_reports
@click.option("--dry-run", "is_dry", is_flag=True, help="Count the files, without removing them.")
def view_prune(_invocation: Invocation, shown: View, *, is_dry: bool) -> None:
    """Remove reports that no page needs any more.

    The last two whole reports of each controller and all later ones stay. Of a controller that is not current all stay:
    they are evidence.

    Example: provisioner view prune --reports /srv/reports --keys keys.toml
    """
    old = shown.superseded(now())
    for one in () if is_dry else old:
        with os_errors(f"{one.file} cannot be removed", "give yourself its folder"):
            one.file.unlink(missing_ok=True)
    size = f"{counted(len(old), 'report')}, {sum(one.size for one in old) // 1024} KiB"
    click.echo(said(f"would remove {size}" if is_dry else f"removed {size}"))


@view.command("take")
@_of_reports
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=_PORT, show_default=True, help="The port to listen on.")
@click.option(
    "--certificate", type=ValidPath(), required=True, metavar="FILE", help="The TLS certificate with its chain."
)
@click.option("--key", type=ValidPath(), required=True, metavar="FILE", help="The certificate's private key.")
@click.option(
    "--clients", type=ValidPath(), required=True, metavar="FILE", help="The authority of client certificates."
)
def view_take(
    _invocation: Invocation, shown: View, *, host: str, port: int, certificate: Path, key: Path, clients: Path
) -> None:
    """Take reports over HTTPS (PUT) into the folder.

    Controllers need a client certificate. Reports of unknown keys are refused. The command runs until you interrupt it.

    Example: provisioner view take --reports DIR --keys FILE --certificate C --key K --clients CA
    """
    address = server.ServerAddress(host, port, certificate, key)
    server.refuse_certificate(address)
    receiver = Receiver(shown.folder.folder, lambda: shown.trust)
    receiver.trust()
    listener = server.listen(address)
    at = server.address_of(address, listener.getsockname()[1])
    ready = partial(click.echo, said(f"taking reports at {at}reports/ (end it with Ctrl-C)"))
    receiving_server(receiver, address, clients, listener, ready).run(sockets=[listener])


@view.command("take-broker")
@_of_reports
@click.option("--broker", "url", required=True, metavar="URL", help="The broker: tls://HOST:PORT.")
@click.option("--ca", type=ValidPath(), required=True, metavar="FILE", help="The authority of the broker.")
@click.option("--certificate", type=ValidPath(), required=True, metavar="FILE", help="The view's certificate.")
@click.option("--key", type=ValidPath(), required=True, metavar="FILE", help="The certificate's private key.")
def view_take_broker(_invocation: Invocation, shown: View, *, url: str, ca: Path, certificate: Path, key: Path) -> None:
    """Take reports from a broker into the folder, until a signal.

    The broker keeps the last reports of each carrier (`node broker --reports`).

    Example: provisioner view take-broker --reports DIR --keys FILE --broker URL --ca CA --certificate C --key K
    """
    receiver = Receiver(shown.folder.folder, lambda: shown.trust)
    receiver.trust()
    with ended_by_signal() as stop:
        take_from_broker(receiver, Broker(url, ca, certificate, key), log, stop)
