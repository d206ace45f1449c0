"""A plan as people read it: totals first, then hosts, then each change with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import click

from provisioner.changes import Action, Change, Impact, Resource
from provisioner.cli.output import counted
from provisioner.plan import Plan, summary

_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-", Action.NOOP: "="}
_COLOURS = {Action.CREATE: "green", Action.UPDATE: "yellow", Action.DELETE: "red", Action.NOOP: "white"}
_IMPACTS = {
    Impact.NONE: "nothing that runs is touched",
    Impact.HOT: "nobody notices",
    Impact.PATH: "this path's readers reconnect",
    Impact.ALL: "EVERY path of the relay reconnects",
}


def plan_lines(plan: Plan, *, everything: bool = False) -> Iterator[str]:
    """Give a plan's lines; with `everything` the no-ops as well."""
    counts = summary(plan.changes)
    shown = plan.changes if everything else plan.pending
    yield from _totals(plan, counts)
    for host in sorted({change.host for change in shown}):
        yield ""
        yield click.style(f"{host}:", bold=True)
        yield from _host_lines(c for c in shown if c.host == host)
    if plan.left_out:
        yield ""
        yield f"left out by --limit: {', '.join(plan.left_out)}"
    yield ""
    yield f"plan {plan.basis.digest}"


def _totals(plan: Plan, counts: dict[str, object]) -> Iterator[str]:
    if plan.is_empty:
        yield f"no change: {counted(len(plan.changes), 'resource')} as desired"
        return
    words = ", ".join(f"{counts[a.value]} to {a.value}" for a in Action if a is not Action.NOOP and counts[a.value])
    yield click.style(f"{words} on {counted(len(plan.hosts), 'host')}", bold=True) + f" ({counts['noop']} as desired)"
    dropped = counts["viewers_dropped"]
    worst = max((c.impact for c in plan.pending), key=lambda impact: impact.rank)
    yield f"viewers dropped: {dropped}; worst impact: {worst.value} ({_IMPACTS[worst]})"
    yield from _by_facility(plan.pending)


def _by_facility(pending: Iterable[Change]) -> Iterator[str]:
    paths = Counter(tuple(c.name.split("/")[:2]) for c in pending if c.resource is Resource.PATH)
    for province in sorted({name[0] for name in paths}):
        listed = [f"{name[1]} {counted(n, 'path')}" for name, n in sorted(paths.items()) if name[0] == province]
        yield f"  {province}: {', '.join(listed)}"


def _host_lines(changes: Iterable[Change]) -> Iterator[str]:
    for change in changes:
        sign = click.style(_SIGNS[change.action], fg=_COLOURS[change.action], bold=True)
        viewers = f", drops {counted(change.viewers, 'viewer')}" if change.viewers else ""
        impact = f" [{change.impact.value}{viewers}]" if change.action is not Action.NOOP else ""
        yield f"  {sign} {change.resource.value:<4} {change.name}{impact}: {change.reason}"
