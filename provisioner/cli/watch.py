"""`provisioner watch`."""

from collections.abc import Iterable
from contextlib import nullcontext
from datetime import timedelta

import click

from provisioner.base.document import Count, Moment, Printed, Row, of
from provisioner.base.text import counted, local_time, printable
from provisioner.cli.support import context
from provisioner.cli.support.options import limit_option
from provisioner.desired.limit import parse_limits
from provisioner.integrations.alerting.metrics import Labels, broken
from provisioner.operations.pipeline.session import Session
from provisioner.operations.watch import endpoint as endpoints
from provisioner.operations.watch.run import News, Pace, PathWatch, Watched, watched
from provisioner.verify.result import Verdict
from provisioner.verify.watch_states import WatchView

_SHORTEST_S, _LONGEST_S, _USUAL_S = 5, 3600, 10
_LONGEST_WATCH_S = 7 * 86_400


@click.command()
@limit_option
@click.option("--listen", metavar="[ADDRESS:]PORT", help="Serve metrics over HTTP on loopback.")
@click.option(
    "--every",
    type=click.IntRange(_SHORTEST_S, _LONGEST_S),
    default=_USUAL_S,
    show_default=True,
    metavar="SECONDS",
    help="The interval of calls to each relay.",
)
@click.option(
    "--for",
    "until_s",
    type=click.IntRange(1, _LONGEST_WATCH_S),
    metavar="SECONDS",
    help="End after this time: exit code 0 if all paths flow then, else 1.",
)
def watch(
    invocation: context.Invocation, limits: tuple[str, ...], listen: str | None, every: int, until_s: int | None
) -> int:
    """Check every few seconds that every path flows from its camera to the relay.

    The command asks each relay over one open connection and changes nothing on it: it takes no lease, and apply can run
    at the same time. A path that stands still in two looks a minute apart is down; a visit of its site finds the cause.
    A flowing path has passed level 4; only verify checks its picture. The command prints each beginning and end of an
    outage, reports its present state to the pages of serve, and serves metrics with --listen. A first SIGINT, SIGTERM
    or SIGHUP ends it with 0, a second one at once with 130.

    Example: provisioner -i DIR watch --listen 9464
    """
    endpoint = endpoints.endpoint_of(listen) if listen is not None else None
    limit = parse_limits(limits)
    first = Session(invocation.inventory, invocation.env, context.today())
    inventory = watched(first, limit, first.runner)

    def as_it_is_now(previous: Watched) -> Watched | None:
        """Return the inventory if it changed, without the vault."""
        session = Session(invocation.inventory, invocation.env, context.today())
        if (session.digest, session.today) == (previous.digest, previous.session.today):
            return None
        return watched(session, limit, previous.runner)

    path_watch = PathWatch(inventory, Pace(timedelta(seconds=every)), as_it_is_now)

    def print_news(news: News) -> None:
        if not invocation.json:
            context.echo_lines(map(printable, _news_lines(news)))
        for message, hint in news.warnings:
            context.print_warning(message, hint)

    with (
        context.ended_by_signal() as stop,
        endpoints.served(endpoint, path_watch.families) if endpoint is not None else nullcontext(0) as port,
    ):
        paths, relays = len(inventory.targets), len({target.relay.id for target in inventory.targets})
        at = f", metrics at http://{endpoint[0]}:{port}{endpoints.METRICS}" if endpoint is not None else ""
        click.echo(f"watching {counted(paths, 'path')} on {counted(relays, 'relay')}, every {every} s{at}", err=True)
        path_watch.run(stop, print_news, until_s=until_s)
        is_over = not stop.is_set()
    view = path_watch.view()
    _show_watch(invocation, path_watch, view, broken(view))
    unexcused = view.total - view.number(Verdict.UP) - view.number(Verdict.MAINTENANCE)
    return int(is_over and unexcused > 0)


def _news_lines(news: News) -> list[str]:
    at = local_time(news.at)
    started = [f"{at}  down   {_label_words(labels)}, {counted(size, 'path')}" for labels, size in news.begun]
    return started + [f"{at}  mended {_label_words(labels)}" for labels in news.ended]


def _label_words(labels: Labels) -> str:
    names = dict(labels)
    return f"{names['layer']} {names['object']}: {names['cause']}"


class WatchIncident(Row):
    """A fault with the number of its paths."""

    layer: str
    object: str
    cause: str
    paths: Count


class WatchedRelay(Row):
    """A relay, the time of its last report of paths, and the reason that it does not report now."""

    host: str
    as_of: Moment | None = of("known")
    error: str


class WatchDocument(Printed, name="watch", title="A watch"):
    """Output of `provisioner watch --output json`."""

    started_at: Moment = of("began")
    finished_at: Moment
    looks: Count
    summary: dict[str, Count]  #: `paths`, and how many of them have each verdict.
    incidents: tuple[WatchIncident, ...]
    relays: tuple[WatchedRelay, ...]


def _show_watch(
    invocation: context.Invocation, path_watch: PathWatch, view: WatchView, incidents: Iterable[tuple[Labels, int]]
) -> None:
    if invocation.json:
        summary = {"paths": view.total, **{verdict.value: view.number(verdict) for verdict in Verdict}}
        rows = [{**dict(labels), "paths": size} for labels, size in incidents]
        more = {"finished_at": view.at, "summary": summary, "incidents": rows, "relays": view.relays}
        context.print_document(WatchDocument.made_of(path_watch, **more).plain)
        return
    counts = ", ".join(f"{view.number(v)} {v.value}" for v in Verdict if v is not Verdict.UP and view.number(v))
    sentence = f"{view.number(Verdict.UP)} of {counted(view.total, 'path')} flow" + (f": {counts}" if counts else "")
    click.echo(f"{sentence}; {counted(path_watch.looks, 'look')}")
