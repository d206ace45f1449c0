"""`provisioner metrics`."""

from __future__ import annotations

from pathlib import Path

import click

from provisioner.base.errors import ReportError, UsageError
from provisioner.cli.context import Invocation, now
from provisioner.cli.files import refuse_unread_metrics
from provisioner.cli.interrupt import ended_by_signal
from provisioner.cli.output import print_document, print_warning
from provisioner.cli.word import Place
from provisioner.monitoring.catalogue import VERIFIED_AT
from provisioner.monitoring.sheet import MetricSheet, exposition
from provisioner.runs.recorded_metrics import RecordedMetrics, recorded_metrics, write_metrics
from provisioner.runs.watch.endpoint import METRICS, endpoint_of, served


@click.command()
@click.option("--out", type=Place(path_type=Path), metavar="FILE.prom", help="Write them there, all or nothing.")
@click.option("--listen", metavar="[ADDRESS:]PORT", help="Serve them over HTTP on loopback until a signal comes.")
@click.pass_obj
def metrics(invocation: Invocation, out: Path | None, listen: str | None) -> int:
    """Tell Prometheus what the last recorded verification found.

    One state series a path, all else counted by carrier, province, facility and host; no names of facilities, no
    person, no secret. With --out into the folder of a node exporter's text files, at the end of each night; with
    --listen over HTTP, made anew once a verification was recorded. Asks no host. `provisioner monitoring` writes the
    rules for it.

    Example: provisioner -i DIR metrics --out /var/lib/prometheus/node-exporter/provisioner.prom
    """
    invocation.refuse_proposed(out)
    refuse_unread_metrics(out)
    if out is not None and listen is not None:
        raise UsageError("--out writes once, and --listen goes on", hint="leave one of them out")
    recorded = recorded_metrics(invocation.inventory, invocation.env, now())
    if listen is not None:
        return _listen(endpoint_of(listen), recorded)
    sheet = recorded.sheet(now())
    text = exposition(sheet.families())
    if out is not None:
        _write(out, text)
    _print(invocation, sheet, text, out)
    if not sheet.count_of(VERIFIED_AT):
        message = f"no verification is recorded in {recorded.place.shown}: there is nothing to tell but that"
        hint = "provisioner verify records one; PROVISIONER_STATE names the place of another machine's"
        print_warning(message, hint, color=invocation.color)
    return 0


def _write(path: Path, text: bytes) -> None:
    """Replace the file.

    Raises:
        UsageError: it cannot be written; the old one stays.
    """
    try:
        write_metrics(path, text)
    except ReportError as error:
        raise UsageError(error.message, hint=error.hint) from None


def _print(invocation: Invocation, sheet: MetricSheet, text: bytes, out: Path | None) -> None:
    if invocation.json:
        counts = {metric.name: sheet.count_of(metric) for metric in sheet.metrics}
        head = {"schema": "provisioner/metrics", "version": 1, "file": str(out) if out else None}
        print_document({**head, "series": sheet.count, "metrics": counts})
    elif out is not None:
        click.echo(f"wrote {out}: {sheet.count} series")
    else:
        click.echo(text.decode(), nl=False)


def _listen(endpoint: tuple[str, int], recorded: RecordedMetrics) -> int:
    recorded.sheet(now())  # what cannot be read is told now, and not to whoever asks
    with ended_by_signal() as stop, served(endpoint, lambda: recorded.sheet(now()).families()) as port:
        click.echo(f"serving http://{endpoint[0]}:{port}{METRICS}", err=True)
        stop.wait()
    return 0
