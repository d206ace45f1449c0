"""`provisioner watch`."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta

import click

from provisioner.base.clock import local_iso, local_time
from provisioner.base.counted import counted
from provisioner.base.json_document import Document
from provisioner.base.printable import printable
from provisioner.cli.context import Invocation, today
from provisioner.cli.interrupt import ended_by_signal
from provisioner.cli.limit import limit_option
from provisioner.cli.output import print_document, print_warning
from provisioner.desired.limit import Limit, parse_limits
from provisioner.monitoring.night import Labels
from provisioner.monitoring.watch_view import WatchView
from provisioner.monitoring.watched import broken
from provisioner.pipeline.session import Session
from provisioner.runs.watch.endpoint import METRICS, endpoint_of, served
from provisioner.runs.watch.run import News, Pace, PathWatch
from provisioner.runs.watch.visits import Watched, watched
from provisioner.verify.result import Verdict

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
    help="How often each relay is looked at.",
)
@click.option(
    "--for",
    "until_s",
    type=click.IntRange(1, _LONGEST_WATCH_S),
    metavar="SECONDS",
    help="End after so long: with 0 if all flows then, else with 1.",
)
@click.pass_obj
def watch(invocation: Invocation, limits: tuple[str, ...], listen: str | None, every: int, until_s: int | None) -> int:
    """Look at every path again and again: does it flow from its camera into the relay?

    Asks each relay every few seconds, over one connection that stays open, and changes nothing there: no lease is
    taken, and apply goes on beside it. What stands still in two looks a minute apart is down; why, a visit of its
    site says. That it flows is level 4: that there is a picture, only verify says. Tells what begins and what ends,
    keeps nothing, and serves metrics with --listen. A first SIGINT or SIGTERM ends it with 0, a second at once with
    130.

    Example: provisioner -i DIR watch --listen 9464
    """
    endpoint = endpoint_of(listen) if listen is not None else None
    limit = parse_limits(limits)
    first = Session(invocation.inventory, invocation.env, today())
    inventory = watched(first, limit, first.runner)
    pace = Pace(timedelta(seconds=every))
    one = PathWatch(inventory, pace, lambda known: _as_it_is_now(invocation, limit, known))

    def tell(news: News) -> None:
        if not invocation.json:
            for line in _lines(news):
                click.echo(printable(line))
        for warning in news.warnings:
            print_warning(warning, "provisioner validate lists what is wrong", color=invocation.color)

    with (
        ended_by_signal() as stop,
        served(endpoint, one.families) if endpoint is not None else nullcontext(0) as port,
    ):
        paths, relays = len(inventory.targets), len({target.relay.id for target in inventory.targets})
        at = f", metrics at http://{endpoint[0]}:{port}{METRICS}" if endpoint is not None else ""
        click.echo(f"watching {counted(paths, 'path')} on {counted(relays, 'relay')}, every {every} s{at}", err=True)
        one.run(stop, tell, until_s=until_s)
        is_over = not stop.is_set()
    return _end(invocation, one, by_time=is_over)


def _as_it_is_now(invocation: Invocation, limit: Limit, known: Watched) -> Watched | None:
    """The inventory as it is now; None where it is the one that is known. No vault is opened to see that."""
    session = Session(invocation.inventory, invocation.env, today())
    if (session.digest, session.today) == (known.digest, known.session.today):
        return None
    return watched(session, limit, known.runner)


# --- what it tells --------------------------------------------------------------------------------


def _lines(news: News) -> list[str]:
    at = local_time(news.at)
    begun = [f"{at}  down   {_named(labels)}, {counted(size, 'path')}" for labels, size in news.begun]
    return begun + [f"{at}  mended {_named(labels)}" for labels in news.ended]


def _named(labels: Labels) -> str:
    names = dict(labels)
    return f"{names['layer']} {names['object']}: {names['cause']}"


def _end(invocation: Invocation, one: PathWatch, *, by_time: bool) -> int:
    view = one.view()
    flowing = view.number(Verdict.UP)
    if invocation.json:
        print_document(_document(one, view))
    else:
        counts = ", ".join(f"{view.number(v)} {v.value}" for v in Verdict if v is not Verdict.UP and view.number(v))
        said = f"{flowing} of {counted(view.total, 'path')} flow" + (f": {counts}" if counts else "")
        click.echo(f"{said}; {counted(one.looks, 'look')}")
    unexcused = view.total - flowing - view.number(Verdict.MAINTENANCE)
    return int(by_time and unexcused > 0)


def _document(one: PathWatch, view: WatchView) -> Document:
    return {
        "schema": "provisioner/watch",
        "version": 1,
        "started_at": local_iso(one.began),
        "finished_at": local_iso(view.at),
        "looks": one.looks,
        "summary": {"paths": view.total, **{verdict.value: view.number(verdict) for verdict in Verdict}},
        "incidents": [{**dict(labels), "paths": size} for labels, size in broken(view)],
        "relays": [
            {"host": relay.host, "known_at": local_iso(relay.known) if relay.known else None, "error": relay.error}
            for relay in view.relays
        ],
    }
