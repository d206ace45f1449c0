"""`provisioner verify` and `provisioner watch`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provisioner.base.document import Count, Moment, Printed, Row, of
from provisioner.base.errors import UsageError
from provisioner.base.processes import without_collector
from provisioner.base.text import counted, local_time, printable
from provisioner.cli.support.context import Invocation, today
from provisioner.cli.support.options import LEVELS, deadline_option, fail_on_option, limit_option, picture_option
from provisioner.cli.support.output import echo_lines, print_document, print_warning
from provisioner.cli.support.question import ended_by_signal
from provisioner.cli.support.session import session_of
from provisioner.cli.support.terminal import ValidPath
from provisioner.desired.limit import parse_limits
from provisioner.operations.pipeline.session import Session, expect_hosts
from provisioner.verify.picture_mode import Looks
from provisioner.verify.result import Verdict
from provisioner.verify.rotation import Share, share_of

if TYPE_CHECKING:
    from provisioner.integrations.alerting.metrics import Labels
    from provisioner.operations.watch.run import News, PathWatch, Watched
    from provisioner.verify.watch_states import WatchView

_SHORTEST_S, _LONGEST_S, _USUAL_S = 5, 3600, 10
_LONGEST_WATCH_S = 7 * 86_400


class Sampled(click.ParamType["Share"]):
    """A share or number of cameras."""

    name = "share"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Share:
        """Parse `10%`, `0.1` or `500`."""
        try:
            return share_of(str(value))
        except ValueError as error:
            self.fail(f"{printable(str(value), 80)!r}: {error}", param, ctx)


@click.command()
@limit_option
@click.option("--html", type=ValidPath(), metavar="FILE", help="Write the report as one HTML page too.")
@click.option("--junit", type=ValidPath(), metavar="FILE", help="Write the report as JUnit XML too, one case a path.")
@click.option("--markdown", type=ValidPath(), metavar="FILE", help="Write the report as a Markdown comment too.")
@click.option("--detail", is_flag=True, help="List every path, not only incidents.")
@fail_on_option("Exit with code 1 only if a path is this bad or worse.")
@click.option("--level", type=click.IntRange(1, LEVELS), metavar="N", help="The highest level to check; 7 is all.")
@click.option(
    "--sample", type=Sampled(), metavar="SHARE", help="Check a sample of the cameras: a share (10%) or a number (500)."
)
@deadline_option("The time limit; paths not reached are unknown.")
@picture_option(Looks.QUICK)
@click.option("--once", is_flag=True, help="Decide from one look: down at the first failure, no flapping.")
@click.option("--onvif-again", is_flag=True, help="Retry logins that devices refused by ONVIF.")
@click.option("--accept", is_flag=True, help="Make the present pictures references; needs --limit.")
@click.option("--renew", is_flag=True, help="With --accept: delete the former references.")
@click.pass_obj
def verify(
    invocation: Invocation,
    limits: tuple[str, ...],
    *,
    html: Path | None,
    junit: Path | None,
    markdown: Path | None,
    detail: bool,
    fail_on: str,
    level: int | None,
    sample: Share | None,
    deadline: int | None,
    picture: str,
    once: bool,
    onvif_again: bool,
    accept: bool,
    renew: bool,
) -> int:
    """Prove that every camera path is up.

    The command visits each relay and each monitoring centre once, in parallel. It checks tunnels, camera ports, the
    relay's input, and a decoded key frame of every stream: at the centre, or on the relay if no centre reads the
    stream. It checks the picture's content too. If a centre finds a problem, the relay reads as well, to locate the
    cause. Unchecked paths are unknown, never up.

    Exit code 0: every path is up; 1: a path is not. Paths in a maintenance window and paths outside --sample or --level
    do not count. A path that fails for the first time is checked again after a minute. The result is recorded and
    updates facilities (`provisioner status`); a warning says if it cannot be recorded.

    --accept makes the view of every chosen camera that is up its reference (measures, no picture). Later checks then
    detect a camera that was moved, covered, blurred or swapped. Run it by day and by night.

    Example: provisioner -i DIR verify --limit province=bac-giang --html report.html
    """
    invocation.refuse_tracked_links(html, junit, markdown)
    _refuse_blind(limits, accept=accept, renew=renew)
    session = session_of(invocation)
    expect_hosts(session, parse_limits(limits))
    # Only now: while what carries calls to hosts starts beside us, there is time for this import.
    with without_collector():
        from provisioner.cli.verify_run import VerificationRequest, verify_and_record  # noqa: PLC0415

    request = VerificationRequest(
        limits=limits,
        files=(html, junit, markdown),
        detail=detail,
        fail_on=fail_on,
        level=level,
        sample=sample,
        deadline_s=deadline,
        looks=Looks(picture),
        once=once,
        asks_again=onvif_again,
        accept=accept,
        renew=renew,
    )
    return verify_and_record(invocation, session, request)


def _refuse_blind(limits: tuple[str, ...], *, accept: bool, renew: bool) -> None:
    """Refuse acceptance that no person can give, or raise `UsageError`."""
    if renew and not accept:
        raise UsageError("--renew says how to accept", hint="write --accept --renew")
    if accept and not limits:
        hint = "choose the cameras whose pictures you have looked at: --limit facility=ID"
        raise UsageError("--accept without --limit would accept every picture there is", hint=hint)


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
@click.pass_obj
def watch(invocation: Invocation, limits: tuple[str, ...], listen: str | None, every: int, until_s: int | None) -> int:
    """Check every few seconds that every path flows from its camera to the relay.

    The command asks each relay over one open connection and changes nothing on it: it takes no lease, and apply can run
    at the same time. A path that stands still in two looks a minute apart is down; a visit of its site finds the cause.
    A flowing path has passed level 4; only verify checks its picture. The command prints each beginning and end of an
    outage, stores none, and serves metrics with --listen. A first SIGINT or SIGTERM ends it with 0, a second one at
    once with 130.

    Example: provisioner -i DIR watch --listen 9464
    """
    # Only now: `verify`, which stands here as well, calls hosts before it has time for imports.
    from provisioner.integrations.alerting.metrics import broken  # noqa: PLC0415
    from provisioner.operations.watch import endpoint as endpoints  # noqa: PLC0415
    from provisioner.operations.watch.run import Pace, PathWatch, watched  # noqa: PLC0415

    endpoint = endpoints.endpoint_of(listen) if listen is not None else None
    limit = parse_limits(limits)
    first = Session(invocation.inventory, invocation.env, today())
    inventory = watched(first, limit, first.runner)

    def as_it_is_now(previous: Watched) -> Watched | None:
        """Return the inventory if it changed, without the vault."""
        session = Session(invocation.inventory, invocation.env, today())
        if (session.digest, session.today) == (previous.digest, previous.session.today):
            return None
        return watched(session, limit, previous.runner)

    path_watch = PathWatch(inventory, Pace(timedelta(seconds=every)), as_it_is_now)

    def print_news(news: News) -> None:
        if not invocation.json:
            echo_lines(map(printable, _news_lines(news)))
        for warning in news.warnings:
            print_warning(warning, "provisioner validate lists what is wrong", color=invocation.color)

    with (
        ended_by_signal() as stop,
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
    summary: dict[str, Count]
    """`paths`, and how many of them have each verdict."""
    incidents: tuple[WatchIncident, ...]
    relays: tuple[WatchedRelay, ...]


def _show_watch(
    invocation: Invocation, path_watch: PathWatch, view: WatchView, incidents: Iterable[tuple[Labels, int]]
) -> None:
    if invocation.json:
        summary = {"paths": view.total, **{verdict.value: view.number(verdict) for verdict in Verdict}}
        rows = [{**dict(labels), "paths": size} for labels, size in incidents]
        more = {"finished_at": view.at, "summary": summary, "incidents": rows, "relays": view.relays}
        print_document(WatchDocument.made_of(path_watch, **more).plain)
        return
    counts = ", ".join(f"{view.number(v)} {v.value}" for v in Verdict if v is not Verdict.UP and view.number(v))
    sentence = f"{view.number(Verdict.UP)} of {counted(view.total, 'path')} flow" + (f": {counts}" if counts else "")
    click.echo(f"{sentence}; {counted(path_watch.looks, 'look')}")
