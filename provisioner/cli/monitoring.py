"""`provisioner monitoring` and `provisioner metrics`."""

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import click

from provisioner.base.document import Count, Printed
from provisioner.base.errors import ReportError, UsageError, os_errors
from provisioner.base.files import replace_file
from provisioner.base.text import did_you_mean, msg, printable
from provisioner.cli.support.context import Invocation, ended_by_signal, now, print_document, print_warning, show
from provisioner.cli.support.session import refuse_unread_metrics
from provisioner.cli.support.terminal import PageAddress, ValidPath
from provisioner.integrations.alerting.kit import EVERYTHING, ScrapePlaces, kit
from provisioner.integrations.alerting.metric_catalogue import VERIFIED_AT, MetricSheet, exposition
from provisioner.operations.questions.metrics import RecordedMetrics, carriers_of, recorded_metrics, write_metrics
from provisioner.operations.watch.endpoint import METRICS, endpoint_of, served

_USUAL = ScrapePlaces()


@click.command()
@click.argument("folder", type=ValidPath(), metavar="DIR")
@click.option(
    "--webhook", "webhooks", multiple=True, metavar="[CARRIER=]URL", help="A webhook for alerts. May be repeated."
)
@click.option(
    "--watch",
    default=_USUAL.watch,
    show_default=True,
    metavar="ADDRESS:PORT",
    help="The address of the watch's metrics.",
)
@click.option(
    "--node", default=_USUAL.node, show_default=True, metavar="ADDRESS:PORT", help="The address of the node exporter."
)
@click.option(
    "--alertmanager",
    default=_USUAL.alertmanager,
    show_default=True,
    metavar="ADDRESS:PORT",
    help="The address of the Alertmanager.",
)
@click.option(
    "--agent",
    "agents",
    multiple=True,
    metavar="ADDRESS:PORT",
    help="The address of an agent's metrics. May be repeated.",
)
@click.option("--pages-url", "pages", type=PageAddress(), help="The address of serve, for a link on the dashboard.")
@click.option("--force", is_flag=True, help="Write beside other files, and overwrite existing ones.")
def monitoring(
    invocation: Invocation,
    /,
    folder: Path,
    *,
    webhooks: tuple[str, ...],
    pages: str | None,
    force: bool,
    agents: tuple[str, ...],
    **places: str,
) -> None:
    """Write the files with which Prometheus, Alertmanager and Grafana watch paths.

    prometheus.yml: the scrape targets. provisioner-rules.yml: recording and alert rules. alertmanager.yml: receivers,
    and inhibition (one broken tunnel is one alert). grafana-dashboard.json. A webhook with a carrier gets the alerts of
    that carrier, a webhook without a carrier all alerts. The command calls no host and writes no secret.

    Example: provisioner -i DIR monitoring out/monitoring --webhook http://127.0.0.1:8080/alerts
    """
    invocation.refuse_tracked_links(folder)
    invocation.refuse_inside(folder)
    addresses = _addresses(webhooks, carriers_of(invocation.inventory, invocation.env, now()))
    endpoints = {name: _checked_endpoint(place) for name, place in places.items()}
    files = kit(ScrapePlaces(**endpoints, agents=tuple(map(_checked_endpoint, agents))), addresses, pages or "")
    _write_kit(folder, files, force=force)
    paths = [folder / name for name in files]
    show(invocation, MonitoringDocument(files=paths), (f"wrote {path}" for path in paths))
    if not addresses:
        hint = msg("name who hears of them: --webhook URL, or put receivers into alertmanager.yml")
        print_warning(msg("no alert goes anywhere"), hint)


def _addresses(webhooks: Iterable[str], carriers: tuple[str, ...]) -> dict[str, str]:
    """Return the alerts' receivers by carrier, or raise `UsageError`."""
    addresses: dict[str, str] = {}
    for text in webhooks:
        carrier, equals, url = text.partition("=")
        if not equals or "/" in carrier:
            carrier, url = EVERYTHING, text
        elif carrier not in carriers:
            hint = did_you_mean(carrier, carriers, f"carriers here are: {', '.join(carriers)}")
            raise UsageError(f"--webhook: there is no carrier {printable(carrier, 80)}", hint=hint)
        if carrier in addresses:
            raise UsageError(f"--webhook: {carrier or 'everything'} has two addresses", hint="name one")
        addresses[carrier] = _checked_webhook(url)
    return addresses


def _checked_webhook(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        parts, is_address = urlsplit(""), False
    if not is_address or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError("--webhook: that is no address of HTTP", hint="write it as https://host:port/path")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        hint = "put the token into a file of its own, and name that in alertmanager.yml (http_config, credentials_file)"
        raise UsageError("--webhook: an address with a login or a query may hold a secret", hint=hint)
    return url


def _checked_endpoint(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not text.isprintable() or any(c in text for c in " /@'\""):
        raise UsageError(f"{printable(text, 80)} is no address with a port", hint="write it as 127.0.0.1:9464")
    return text


def _write_kit(folder: Path, files: dict[str, str], *, force: bool) -> None:
    """Write all files; any other file in the folder raises `UsageError` first."""
    with os_errors(f"{folder} cannot be written", "make room, or name a folder that you can write to"):
        folder.mkdir(parents=True, exist_ok=True)
        found = sorted(path.name for path in folder.iterdir())
        conflicts = [name for name in found if name not in files or not _holds(folder / name, files[name])]
        if conflicts and not force:
            hint = msg("name another folder, or overwrite with --force")
            raise UsageError(f"{folder / conflicts[0]} is there already, and is another one", hint=hint)
        for name, text in files.items():
            replace_file(folder / name, text.encode(), mode=0o644)


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False


@click.command()
@click.option("--out", type=ValidPath(), metavar="FILE.prom", help="Write the metrics into FILE, atomically.")
@click.option("--listen", metavar="[ADDRESS:]PORT", help="Serve the metrics over HTTP on loopback until a signal.")
def metrics(invocation: Invocation, out: Path | None, listen: str | None) -> int:
    """Write Prometheus metrics of the last recorded verification.

    Each path has one state series. All other counts are by carrier, province, facility and host. There are no names of
    facilities, no personal data and no secrets. --out writes a text file for a node exporter, at the end of each night.
    --listen serves the metrics over HTTP, and renews them after each recorded verification. The command calls no host.
    `provisioner monitoring` writes the rules.

    Example: provisioner -i DIR metrics --out /var/lib/prometheus/node-exporter/provisioner.prom
    """
    invocation.refuse_tracked_links(out)
    refuse_unread_metrics(out)
    if out is not None and listen is not None:
        raise UsageError("--out writes once, and --listen goes on", hint="leave one of them out")
    recorded = recorded_metrics(invocation.inventory, invocation.env, now())
    if listen is not None:
        return _serve_metrics(endpoint_of(listen), recorded)
    sheet = recorded.sheet(now())
    text = exposition(sheet.families())
    if out is not None:
        _write_metrics(out, text)
    _print_metrics(invocation, sheet, text, out)
    if not sheet.count_of(VERIFIED_AT):
        message = msg("{place} has no record of a verification", recorded.place.text)
        hint = msg("provisioner verify records one; PROVISIONER_STATE names the place of another machine's")
        print_warning(message, hint)
    return 0


def _serve_metrics(endpoint: tuple[str, int], recorded: RecordedMetrics) -> int:
    recorded.sheet(now())  # what cannot be read is told now, and not to whoever asks
    with ended_by_signal() as stop, served(endpoint, lambda: recorded.sheet(now()).families()) as port:
        click.echo(f"serving http://{endpoint[0]}:{port}{METRICS}", err=True)
        stop.wait()
    return 0


def _write_metrics(path: Path, text: bytes) -> None:
    try:
        write_metrics(path, text)
    except ReportError as error:
        raise UsageError(error.message, hint=error.hint) from None


class MonitoringDocument(Printed, name="monitoring", title="Files for monitoring"):
    """Output of `provisioner monitoring --output json`."""

    files: tuple[Path, ...]


class MetricsDocument(Printed, name="metrics", title="Metrics"):
    """Output of `provisioner metrics --output json`."""

    file: Path | None
    series: Count
    metrics: dict[str, Count]  #: The number of series of each metric.


def _print_metrics(invocation: Invocation, sheet: MetricSheet, text: bytes, out: Path | None) -> None:
    if invocation.json:
        counts = {metric.name: sheet.count_of(metric) for metric in sheet.metrics}
        print_document(MetricsDocument(file=out, series=sheet.count, metrics=counts).plain)
    elif out is not None:
        click.echo(f"wrote {out}: {sheet.count} series")
    else:
        click.echo(text.decode(), nl=False)
