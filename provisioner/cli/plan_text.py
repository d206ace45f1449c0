"""A plan for people: totals, cuts, and on demand every change."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import click

from provisioner.base.language import ENGLISH, Language, Translator, marked
from provisioner.base.text import msg, named, printable
from provisioner.cli.support.terminal import Terminal
from provisioner.cli.support.texts import frozen_lines, quarantine_lines
from provisioner.plan.change import Action, Change, Impact, distinct_trust, worst_first
from provisioner.plan.document import no_change, packages_by_cause, plan_ending
from provisioner.plan.guards.approvals import need_lines
from provisioner.plan.guards.policy import PlanRefusal
from provisioner.plan.plan import Plan, Totals, TotalsRow, totals_of

_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-", Action.NOOP: "="}
_COLOURS = {Action.CREATE: "green", Action.UPDATE: "yellow", Action.DELETE: "red", Action.NOOP: "white"}
_IMPACTS = {
    Impact.NONE: marked("no running service is touched"),
    Impact.HOT: marked("no effect on viewers"),
    Impact.PATH: marked("this path's readers reconnect"),
    Impact.ALL: marked("EVERY path of the relay reconnects"),
}
_KIND_WIDTH = {Language.EN: 4, Language.VI: 10}
_CUTTING = 20
_FACILITIES = 20
_NAMED = 8


def plan_lines(
    plan: Plan, terminal: Terminal, *, details: bool = False, everything: bool = False, say: Translator = ENGLISH
) -> Iterator[str]:
    """Yield a plan's lines: cuts, `details` or `everything`."""
    changing = plan.pending
    totals = totals_of(changing, plan.carriers)
    frozen = [site.facility for site in plan.frozen_in_limit]
    yield from _trust_lines(plan, changing, terminal, say)
    yield from frozen_lines(frozen, say=say)
    yield from _summary_lines(plan, changing, totals, say)
    if changing:
        yield ""
        yield from _totals_table(say("carrier"), totals.carriers, terminal, say, viewers=plan.against is None)
        yield from _facility_lines(totals, terminal, say, is_full=details, viewers=plan.against is None)
    yield from _refusal_lines(plan.refused, terminal, say)
    if details or everything:
        yield from _lines_by_host(plan.changes if everything else changing, terminal, say)
    elif changing:
        yield from _reconnection_lines(changing, terminal, say)
    yield from _site_packages(plan, terminal, say)
    yield from quarantine_lines(plan.quarantined, terminal, most=_CUTTING, say=say)
    yield from _approval_lines(plan, terminal, say)
    yield from _left_out_lines(plan, terminal, say)
    if plan.against is None:
        yield ""
        yield say("plan {digest}", digest=plan.basis.digest)


def plan_ending_lines(
    plan: Plan, terminal: Terminal, *, judged: bool = True, say: Translator = ENGLISH
) -> Iterator[str]:
    """Yield the last lines of an incomplete or refused plan, worst first."""
    if not (plan.unreadable or plan.refused or plan.frozen_in_limit or plan.lacking):
        return
    yield ""
    for number, sentence in enumerate(plan_ending(plan, judged=judged)):
        head, _, rest = say.restated(sentence).partition(": ")
        yield from terminal.below(click.style(head, fg="red", bold=True) if not number else head, rest, 2)


def _trust_lines(plan: Plan, changing: Sequence[Change], terminal: Terminal, say: Translator) -> Iterator[str]:
    trusted = distinct_trust(changing)
    for host in plan.unproved:
        line = say("{host} has not proved that it was managed before: it got no request", host=host)
        yield click.style(line, fg="red", bold=True)
    if trusted:
        line = say("TRUST: {changes} of trust", changes=say.counted(len(trusted), "change"))
        yield click.style(line, fg="red", bold=True)
    for hosts, change in trusted:
        sign = click.style(_SIGNS[change.action], fg="red", bold=True)
        name, names = say.restated(change.name), say.restated(named(hosts))
        head = f"  {sign} {say('{what} on {host}', what=printable(name), host=names)}"
        yield from terminal.below(head, printable(say.restated(change.reason)), 6)
    if trusted or plan.unproved:
        yield ""


def _summary_lines(plan: Plan, changing: Sequence[Change], totals: Totals, say: Translator) -> Iterator[str]:
    if not changing:
        yield say.restated(no_change(plan, (" " + msg("since {name}", plan.against.name)) if plan.against else ""))
        return
    actions = Counter(change.action for change in changing)
    summary = ", ".join(say.restated(f"{actions[action]} to {action.value}") for action in Action if actions[action])
    as_desired = say("({resources} as desired)", resources=plan.resources - len(changing))
    yield (
        click.style(say("{words} on {hosts}", words=summary, hosts=say.counted(len(plan.hosts), "host")), bold=True)
        + f" {as_desired}"
    )
    impact = say(_IMPACTS[totals.worst])
    worst = say("worst impact: {worst} ({impact})", worst=say.word(totals.worst), impact=impact)
    dropped = str(totals.viewers)
    if plan.uncounted:
        dropped += say(", and those of {relays}, which are not known", relays=", ".join(plan.uncounted))
    yield worst if plan.against else say("viewers dropped: {dropped}; {worst}", dropped=dropped, worst=worst)
    if plan.basis.allow:
        allowed = ", ".join(f"{name}={number}" for name, number in plan.basis.allow.items())
        yield say("allowed for this plan: {allowed}", allowed=allowed)


def _facility_lines(
    totals: Totals, terminal: Terminal, say: Translator, *, is_full: bool, viewers: bool
) -> Iterator[str]:
    if not totals.provinces:
        return
    names = sorted(totals.facilities, key=lambda key: totals.facilities[key].severity, reverse=True)
    names = names if is_full else names[:_FACILITIES]
    rows: dict[str, TotalsRow] = {}
    for province, row in totals.provinces.items():
        rows[province] = row
        below = sorted(key for key in names if key[0] == province)
        rows |= {f"  {facility}": totals.facilities[province, facility] for _, facility in below}
    yield ""
    yield from _totals_table(say("province"), rows, terminal, say, viewers=viewers)
    if len(names) < len(totals.facilities):
        more = say.counted(len(totals.facilities) - len(names), "facility")
        yield "  " + say("… and {facilities} more: --details lists them", facilities=more)


def _totals_table(
    noun: str, rows: Mapping[str, TotalsRow], terminal: Terminal, say: Translator, *, viewers: bool
) -> list[str]:
    actions = (Action.CREATE, Action.UPDATE, Action.DELETE)
    counts = [say("hosts"), *map(say.word, actions), *([say("viewers dropped")] * viewers)]
    names = [noun, *counts, say("impact")]
    cells = [
        [
            printable(name),
            str(len(row.hosts)),
            *(str(row.actions[action]) for action in actions),
            *([str(row.viewers)] * viewers),
            say.word(row.impact),
        ]
        for name, row in rows.items()
    ]
    return terminal.table(names, cells)


def _refusal_lines(refused: Sequence[PlanRefusal], terminal: Terminal, say: Translator) -> Iterator[str]:
    if not refused:
        return
    yield ""
    yield click.style(say("refused, for {reasons}:", reasons=say.counted(len(refused), "reason")), fg="red", bold=True)
    for refusal in refused:
        message = printable(say.restated(refusal.message))
        yield from terminal.below(f"  {click.style(refusal.policy, fg='red')}", message, 4)
        yield from terminal.below(f"    {say('hint')}", say.restated(refusal.hint), 6)


def _reconnection_lines(changing: Sequence[Change], terminal: Terminal, say: Translator) -> Iterator[str]:
    cutting = sorted((c for c in changing if c.impact.rank >= Impact.PATH.rank), key=worst_first)
    if cutting:
        yield ""
        yield click.style(say("who reconnects:"), bold=True)
        for change in cutting[:_CUTTING]:
            yield from _change_lines(change, terminal, say, where=True)
    hidden = Counter(
        c.resource for c in [*cutting[_CUTTING:], *(c for c in changing if c.impact.rank < Impact.PATH.rank)]
    )
    if hidden:
        kinds = ", ".join(say.counted(number, resource.value) for resource, number in sorted(hidden.items()))
        lead = say("also") if cutting else say("no viewer reconnects")
        yield ""
        yield say("{who}: {kinds}; --details lists every change", who=lead, kinds=kinds)


def _lines_by_host(changes: Iterable[Change], terminal: Terminal, say: Translator) -> Iterator[str]:
    listed = list(changes)
    for host in sorted({change.host for change in listed}):
        yield ""
        yield click.style(f"{host}:", bold=True)
        for change in listed:
            if change.host == host:
                yield from _change_lines(change, terminal, say)


def _change_lines(change: Change, terminal: Terminal, say: Translator, *, where: bool = False) -> list[str]:
    sign = click.style(_SIGNS[change.action], fg=_COLOURS[change.action], bold=True)
    viewers = say(", drops {viewers}", viewers=say.counted(change.viewers, "viewer")) if change.viewers else ""
    impact = f" [{say.word(change.impact)}{viewers}]" if change.pending else ""
    subject = f"{say.word(change.resource).ljust(_KIND_WIDTH[say.language])} {printable(say.restated(change.name))}"
    subject = say("{what} on {host}", what=subject, host=change.host) if where else subject
    return terminal.below(f"  {sign} {subject}{impact}", printable(say.restated(change.reason)), 6)


def _site_packages(plan: Plan, terminal: Terminal, say: Translator) -> Iterator[str]:
    """Yield gateways that need a visit, since no apply reaches them."""
    if not plan.site_packages:
        return
    sites = say.counted(len({need.facility for need in plan.site_packages}), "site")
    yield ""
    yield click.style(say("new site packages, which no apply installs: {sites}", sites=sites), bold=True)
    for (relay, reason), names in packages_by_cause(plan.site_packages).items():
        head = f"  {relay}: {printable(say.restated(reason))}: {say.counted(len(names), 'site')}"
        yield from terminal.below(head, _some(names, _FACILITIES, say), 4)
    yield "  " + say("make them: provisioner site-package FACILITY… --out DIR")


def _approval_lines(plan: Plan, terminal: Terminal, say: Translator) -> Iterator[str]:
    lines = need_lines(plan.approvals)
    if not lines:
        return
    yield ""
    yield click.style(say("to be approved before it is applied, by:"), bold=True)
    for line in lines[:_FACILITIES]:
        yield from terminal.below(f"  {printable(say.restated(line))}", "", 4)
    if len(lines) > _FACILITIES:
        yield "  " + say("… and {number} more", number=len(lines) - _FACILITIES)


def _some(names: Sequence[str], most: int, say: Translator) -> str:
    listed, more = ", ".join(names[:most]), len(names) - most
    return say("{listed} and {more} more", listed=listed, more=more) if more > 0 else listed


def _left_out_lines(plan: Plan, terminal: Terminal, say: Translator) -> Iterator[str]:
    if plan.left_out or plan.outside or plan.notes or plan.warnings:
        yield ""
    if plan.left_out:
        hosts, names = say.counted(len(plan.left_out), "host"), _some(plan.left_out, _NAMED, say)
        yield from terminal.below(
            say("left out by --limit"), say("{hosts}, not read: {names}", hosts=hosts, names=names), 2
        )
    if plan.outside:
        changes = say.counted(len(plan.outside), "pending change")
        yield say("outside --limit on chosen hosts: {changes}", changes=changes)
    for note in plan.notes:
        yield from terminal.below(say("note"), say.restated(note), 2)
    for warning in plan.warnings:
        text = f"{say.restated(warning.message)}; {say.restated(warning.hint)} ({warning.position})"
        yield from terminal.below(say("note"), text, 2)
