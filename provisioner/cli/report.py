"""`provisioner report`: pages as files, and signed reports to the ministry."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.base.document import Count, Moment, Printed, Row, Said
from provisioner.base.errors import NoticeError
from provisioner.base.text import counted, local_time
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.context import Invocation, now, print_warning, said, show
from provisioner.cli.support.terminal import PageAddress, ValidPath
from provisioner.operations.questions.overview import overview

if TYPE_CHECKING:
    from provisioner.ministry.publish import Publication


@click.group(cls=NamedGroup)
def report() -> None:
    """Write web pages; sign and send the report to the ministry."""


@report.command()
@click.argument("folder", type=ValidPath(), metavar="DIR")
@click.option(
    "--dashboard-url", "dashboard", type=PageAddress(), help="The address of Grafana's dashboard, to link it."
)
def html(invocation: Invocation, folder: Path, dashboard: str | None) -> None:
    """Write the pages of `serve` as files, in both languages.

    There is one page a province and one a facility, with the content of the engineer's role: DIR and its files are
    readable by their owner only. The pages have no personal data. DIR is new, empty, or a folder that this command
    wrote; then it is updated.

    Example: provisioner -i DIR report html pages
    """
    invocation.refuse_tracked_links(folder)
    invocation.refuse_inside(folder)
    # Only pages need these libraries.
    from provisioner.operations.questions.work import read_changes, read_work  # noqa: PLC0415
    from provisioner.web import source, static  # noqa: PLC0415

    recorded = source.RecordedSource(
        lambda: overview(invocation.inventory, invocation.env, now()), now, read_work, read_changes
    )
    board = source.as_of(recorded.load(), now())
    number = static.write_pages(folder, board, recorded.past, now(), dashboard or "")
    click.echo(said(f"wrote {counted(number, 'file')}: open {folder / 'index.html'}"))


class SentRow(Row):
    """What became of a report on one way."""

    way: Said
    sent: Count  #: The number of reports sent now, with earlier ones that the way lacked.
    message: str  #: Why it is not complete, or empty.
    hint: str


class PublishedDocument(Printed, name="report-publish", title="A published report"):
    """Output of `provisioner report publish --output json`."""

    inventory: Said
    sequence: Count
    kind: Said  #: `whole`, or `changes`.
    at: Moment
    facilities: Count  #: The number of facilities in the report.
    bytes: Count
    ways: tuple[SentRow, ...]


def published_document(published: "Publication") -> PublishedDocument:
    """Return the document of a publication."""
    one = published.report
    return PublishedDocument(
        inventory=one.inventory,
        sequence=one.sequence,
        kind=one.kind,
        at=one.at,
        facilities=len(one.facilities),
        bytes=published.size,
        ways=[SentRow.model_validate(result) for result in published.ways],
    )


@report.command()
@click.argument("file", type=ValidPath(dir_okay=False), metavar="FILE")
@click.option("--changes", is_flag=True, help="Report only facilities that differ from the last report.")
@click.option(
    "--after",
    type=click.IntRange(0, 2**40 - 1),
    metavar="NUMBER",
    help="Begin anew after this number, if the memory of the last report was lost.",
)
def publish(invocation: Invocation, file: Path, *, changes: bool, after: int | None) -> int:
    """Sign a report of all facilities for the ministry, and send it.

    FILE (TOML) has key = "FILE" with an Ed25519 key, and the ways: folder = "DIR", or url = "https://…" with ca,
    certificate and certificate_key. The report has states, deadlines, counts of cameras and paths, and availability. It
    has no person, no address, no login and no host. A way that fails gets the report with the next one.

    Exit code 14: a way did not get the report.

    Example: provisioner -i DIR report publish /etc/provisioner/report.toml
    """
    invocation.refuse_tracked_links(file)
    # Only reports need these libraries.
    from provisioner.ministry.publish import publish as publish_report  # noqa: PLC0415
    from provisioner.ministry.transports import read_publish_settings  # noqa: PLC0415

    settings = read_publish_settings(file)
    published = publish_report(invocation.inventory, invocation.env, settings, now(), changes=changes, after=after)
    show(invocation, published_document(published), publication_lines(published))
    for result in published.ways:
        if result.message:
            print_warning(result.message, result.hint)
    return NoticeError.exit_code if any(result.message for result in published.ways) else 0


def publication_lines(published: "Publication") -> Iterator[str]:
    """Yield a line on the report, and one a way."""
    one = published.report
    facilities = counted(len(one.facilities), "facility")
    yield f"report {one.sequence} of {local_time(one.at)}: {facilities}, {published.size} bytes"
    for result in published.ways:
        if not result.message:
            yield f"sent: {counted(result.sent, 'report')} to {result.way}"
