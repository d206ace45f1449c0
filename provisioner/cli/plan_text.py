"""A plan as people read it: totals first, then what cuts somebody, and every change with its reason on demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import click

from provisioner.base.counted import counted
from provisioner.base.printable import printable
from provisioner.cli.held_text import held_lines
from provisioner.cli.quarantine_text import quarantine_lines
from provisioner.cli.terminal import Terminal
from provisioner.plan import Plan, Totals, no_change, packages_by_cause, plan_ending, totals_of
from provisioner.plan.changes import Action, Change, Impact, distinct_trust
from provisioner.plan.guards.measures import named
from provisioner.plan.guards.policy import PlanRefusal
from provisioner.plan.totals import TotalsRow

_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-", Action.NOOP: "="}
_COLOURS = {Action.CREATE: "green", Action.UPDATE: "yellow", Action.DELETE: "red", Action.NOOP: "white"}
_IMPACTS = {
    Impact.NONE: "nothing that runs is touched",
    Impact.HOT: "nobody notices",
    Impact.PATH: "this path's readers reconnect",
    Impact.ALL: "EVERY path of the relay reconnects",
}
_CUTTING = 20
_FACILITIES = 20
_NAMED = 8


def plan_lines(plan: Plan, terminal: Terminal, *, details: bool = False, everything: bool = False) -> Iterator[str]:
    """A plan's lines.

    Args:
        plan: the plan.
        terminal: what the lines are laid out for.
        details: list every change by host, instead of those that cut somebody.
        everything: list no-ops as well; implies `details`.
    """
    changing = plan.pending
    totals = totals_of(changing, plan.carriers)
    held = [one.facility for one in plan.held_back]
    yield from _trust(plan, changing, terminal)
    yield from held_lines(held)
    yield from _head(plan, changing, totals)
    if changing:
        yield ""
        yield from _rows("carrier", totals.carriers, terminal, viewers=plan.against is None)
        yield from _facilities(totals, terminal, whole=details, viewers=plan.against is None)
    yield from _refused(plan.refused, terminal)
    if details or everything:
        yield from _by_host(plan.changes if everything else changing, terminal)
    elif changing:
        yield from _cutting(changing, terminal)
    yield from _site_packages(plan, terminal)
    yield from quarantine_lines(plan.quarantined, terminal, most=_CUTTING)
    yield from _left_out(plan, terminal)
    if plan.against is None:
        yield ""
        yield f"plan {plan.basis.digest}"


def ending_lines(plan: Plan, terminal: Terminal, *, judged: bool = True) -> Iterator[str]:
    """The last lines of a plan that is not whole or not to be applied: the worst first, with what to do next."""
    if not (plan.unreadable or plan.refused or plan.held_back):
        return
    yield ""
    for number, sentence in enumerate(plan_ending(plan, judged=judged)):
        head, _, rest = sentence.partition(": ")
        yield from terminal.below(click.style(head, fg="red", bold=True) if not number else head, rest, 2)


def _trust(plan: Plan, changing: Sequence[Change], terminal: Terminal) -> Iterator[str]:
    """Who and what is trusted anew: the first lines of a plan, and never folded away."""
    trusted = distinct_trust(changing)
    for host in plan.unproved:
        yield click.style(f"{host} has not proved that it was managed before: it was sent nothing", fg="red", bold=True)
    if trusted:
        yield click.style(f"TRUST: {counted(len(trusted), 'change')} of who and what is trusted", fg="red", bold=True)
    for hosts, change in trusted:
        sign = click.style(_SIGNS[change.action], fg="red", bold=True)
        yield from terminal.below(f"  {sign} {printable(change.name)} on {named(hosts)}", printable(change.reason), 6)
    if trusted or plan.unproved:
        yield ""


def _head(plan: Plan, changing: Sequence[Change], totals: Totals) -> Iterator[str]:
    if not changing:
        yield no_change(plan, f" since {plan.against.name}" if plan.against else "")
        return
    actions = Counter(change.action for change in changing)
    words = ", ".join(f"{actions[a]} to {a.value}" for a in Action if actions[a])
    as_desired = plan.resources - len(changing)
    yield click.style(f"{words} on {counted(len(plan.hosts), 'host')}", bold=True) + f" ({as_desired} as desired)"
    worst = f"worst impact: {totals.worst.value} ({_IMPACTS[totals.worst]})"
    dropped = str(totals.viewers)
    if plan.uncounted:
        dropped += f", and those of {', '.join(plan.uncounted)}, which are not known"
    yield worst if plan.against else f"viewers dropped: {dropped}; {worst}"
    if plan.basis.allow:
        yield "allowed for this plan: " + ", ".join(f"{name}={number}" for name, number in plan.basis.allow.items())


def _facilities(totals: Totals, terminal: Terminal, *, whole: bool, viewers: bool) -> Iterator[str]:
    """Provinces with their facilities below them; the worst ones where there are many."""
    if not totals.provinces:
        return
    names = sorted(totals.facilities, key=lambda key: _severity(totals.facilities[key]), reverse=True)
    names = names if whole else names[:_FACILITIES]
    rows: dict[str, TotalsRow] = {}
    for province, row in totals.provinces.items():
        rows[province] = row
        below = sorted(key for key in names if key[0] == province)
        rows |= {f"  {facility}": totals.facilities[province, facility] for _, facility in below}
    yield ""
    yield from _rows("province", rows, terminal, viewers=viewers)
    if len(names) < len(totals.facilities):
        yield f"  … and {counted(len(totals.facilities) - len(names), 'facility')} more: --details lists them"


def _severity(row: TotalsRow) -> tuple[int, int, int]:
    return row.impact.rank, row.viewers, sum(row.actions.values())


def _rows(noun: str, rows: Mapping[str, TotalsRow], terminal: Terminal, *, viewers: bool) -> list[str]:
    actions = (Action.CREATE, Action.UPDATE, Action.DELETE)
    names = [noun, "hosts", *(action.value for action in actions), *(["viewers dropped"] * viewers), "impact"]
    cells = [
        [
            printable(name),
            str(len(row.hosts)),
            *(str(row.actions[action]) for action in actions),
            *([str(row.viewers)] * viewers),
            row.impact.value,
        ]
        for name, row in rows.items()
    ]
    return terminal.table(names, cells)


def _refused(refused: Sequence[PlanRefusal], terminal: Terminal) -> Iterator[str]:
    if not refused:
        return
    yield ""
    yield click.style(f"refused, for {counted(len(refused), 'reason')}:", fg="red", bold=True)
    for refusal in refused:
        yield from terminal.below(f"  {click.style(refusal.policy, fg='red')}", printable(refusal.message), 4)
        yield from terminal.below("    hint", refusal.hint, 6)


def _cutting(changing: Sequence[Change], terminal: Terminal) -> Iterator[str]:
    cutting = sorted((c for c in changing if c.impact.rank >= Impact.PATH.rank), key=_worst_first)
    if cutting:
        yield ""
        yield click.style("who reconnects:", bold=True)
        for change in cutting[:_CUTTING]:
            yield from _change_lines(change, terminal, f" on {change.host}")
    hidden = Counter(
        c.resource for c in [*cutting[_CUTTING:], *(c for c in changing if c.impact.rank < Impact.PATH.rank)]
    )
    if hidden:
        named = ", ".join(counted(number, resource.value) for resource, number in sorted(hidden.items()))
        yield ""
        yield f"{'also' if cutting else 'nobody reconnects'}: {named}; --details lists every change"


def _worst_first(change: Change) -> tuple[int, int, str, str]:
    return -change.impact.rank, -change.viewers, change.host, change.name


def _by_host(changes: Iterable[Change], terminal: Terminal) -> Iterator[str]:
    listed = list(changes)
    for host in sorted({change.host for change in listed}):
        yield ""
        yield click.style(f"{host}:", bold=True)
        for change in listed:
            if change.host == host:
                yield from _change_lines(change, terminal)


def _change_lines(change: Change, terminal: Terminal, where: str = "") -> list[str]:
    sign = click.style(_SIGNS[change.action], fg=_COLOURS[change.action], bold=True)
    viewers = f", drops {counted(change.viewers, 'viewer')}" if change.viewers else ""
    impact = f" [{change.impact.value}{viewers}]" if change.pending else ""
    head = f"  {sign} {change.resource.value:<4} {printable(change.name)}{where}{impact}"
    return terminal.below(head, printable(change.reason), 6)


def _site_packages(plan: Plan, terminal: Terminal) -> Iterator[str]:
    """Who has to be sent to which gateways: no apply gets there."""
    if not plan.site_packages:
        return
    sites = counted(len({need.facility for need in plan.site_packages}), "site")
    yield ""
    yield click.style(f"new site packages, which no apply installs: {sites}", bold=True)
    for (relay, reason), names in packages_by_cause(plan.site_packages).items():
        listed = ", ".join(names[:_FACILITIES])
        more = f" and {len(names) - _FACILITIES} more" if len(names) > _FACILITIES else ""
        yield from terminal.below(f"  {relay}: {printable(reason)}: {counted(len(names), 'site')}", listed + more, 4)
    yield "  make them: provisioner site-package FACILITY… --out DIR"


def _left_out(plan: Plan, terminal: Terminal) -> Iterator[str]:
    if plan.left_out or plan.outside or plan.notes:
        yield ""
    if plan.left_out:
        named = ", ".join(plan.left_out[:_NAMED])
        more = f" and {len(plan.left_out) - _NAMED} more" if len(plan.left_out) > _NAMED else ""
        text = f"{counted(len(plan.left_out), 'host')}, not read: {named}{more}"
        yield from terminal.below("left out by --limit", text, 2)
    if plan.outside:
        yield f"outside --limit on chosen hosts: {counted(len(plan.outside), 'pending change')}"
    for note in plan.notes:
        yield from terminal.below("note", note, 2)
