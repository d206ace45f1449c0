"""A plan as one comment on a merge request. Pure.

It is always short enough for every forge, whatever the plan: what does not fit is counted and named as left
out. Names and reasons may come from a host, where anybody may have written them: they stand in code spans,
which render no markup, and call nobody by `@`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from provisioner.base.counted import counted
from provisioner.plan import Plan, Totals, no_change, packages_by_cause, plan_ending, totals_of
from provisioner.plan.changes import Action, Change, Impact, distinct_trust, is_dangerous
from provisioner.plan.guards.measures import named
from provisioner.plan.totals import TotalsRow
from provisioner.report.comment import MAX_BYTES, Comment, cell, code

__all__ = ["MAX_BYTES", "plan_comment"]

_REASON = 400
_REFUSALS = 12
_ROWS = 80
_CUTTING = 50
_HOSTS = 20
_TRUSTED = 20
_DANGEROUS = 30


def plan_comment(plan: Plan) -> str:
    """A plan as Markdown of at most `MAX_BYTES` bytes."""
    changing = plan.pending
    totals = totals_of(changing, plan.carriers)
    viewers = plan.against is None
    page = Comment("provisioner plan --details")
    page.must(_head(plan, changing, totals))
    page.must(_trust(plan, changing))
    page.must(_held(plan))
    page.must(_refused(plan))
    if changing:
        page.must(_table("carrier", list(totals.carriers.items()), viewers=viewers))
        page.must(_table("province", list(totals.provinces.items()), viewers=viewers))
    page.must(_site_packages(plan))
    page.must(_quarantined(plan))
    page.must(_left_out(plan))
    cutting = sorted((c for c in changing if c.impact.rank >= Impact.PATH.rank), key=_worst_first)
    page.may("**Who reconnects**, the worst first:", [_item(c) for c in cutting[:_CUTTING]], len(cutting), "change")
    facilities = sorted(totals.facilities.items(), key=lambda item: _severity(item[1]), reverse=True)
    rows = [_cells(f"{province}/{facility}", row, viewers=viewers) for (province, facility), row in facilities]
    page.fold("By facility", _heading("facility", viewers=viewers), rows, "facility")
    page.fold("Every change", [], [_item(c) for c in sorted(changing, key=_worst_first)], "change")
    return page.text()


def _head(plan: Plan, changing: Sequence[Change], totals: Totals) -> Iterator[str]:
    if not changing:
        yield f"### Plan: {no_change(plan)}"
    else:
        actions = Counter(change.action for change in changing)
        words = ", ".join(f"{actions[a]} to {a.value}" for a in Action if actions[a])
        yield f"### Plan: {words} on {counted(len(plan.hosts), 'host')}"
    yield ""
    worst = f"worst impact **{totals.worst.value}**"
    verdict = worst if plan.against else f"{counted(totals.viewers, 'viewer')} dropped, {worst}"
    if plan.uncounted:
        verdict += f"; viewers not known on {_hosts(plan.uncounted)}"
    yield f"{'**Refused.** ' if plan.refused else ''}{verdict[:1].upper()}{verdict[1:]}."
    yield ""
    commit = f", commit {code(plan.commit)}" if plan.commit else ""
    if plan.against:
        yield f"Compared with {code(plan.against.name)}, commit {code(plan.against.commit)}; no host was asked."
    else:
        yield f"Digest {code(plan.basis.digest)}{commit}"
    if plan.basis.allow:
        allowed = ", ".join(f"{name}={number}" for name, number in plan.basis.allow.items())
        yield f"Allowed for this plan: {code(allowed, 400)}"
    yield ""
    if plan.unreadable:
        # Who reads no further has read what is missing here, before that nothing changes on the others.
        yield from (f"- {code(sentence, _REASON)}" for sentence in plan_ending(plan))
        yield ""


def _trust(plan: Plan, changing: Sequence[Change]) -> Iterator[str]:
    """Who and what is trusted anew: before all else, and never folded."""
    for host in plan.unproved[:_HOSTS]:
        yield f"- **{code(host)} has not proved that it was managed before: it was sent nothing**"
    trusted = distinct_trust(changing)
    if trusted:
        yield f"- **TRUST: {counted(len(trusted), 'change')} of who and what is trusted**"
    shown = [*(item for item in trusted if is_dangerous(item[1]))][:_DANGEROUS]
    shown += [item for item in trusted if not is_dangerous(item[1])][: max(0, _TRUSTED - len(shown))]
    for hosts, change in shown:
        yield f"  - {change.action.value} {code(change.name)} on {code(named(hosts))}: {code(change.reason, 300)}"
    if len(trusted) > len(shown):
        yield f"  - … and **{len(trusted) - len(shown)} more**: `provisioner plan` lists them all"
    if trusted or plan.unproved:
        yield ""


def _held(plan: Plan) -> Iterator[str]:
    """Who is held: no part of the plan, and never folded."""
    held = plan.held_back
    if held:
        yield f"- **HELD: {counted(len(held), 'facility')} with errors**: hosts keep what they have"
    for one in held[:_REFUSALS]:
        place = f" ({code(one.facility.place)})" if one.facility.place else ""
        yield f"  - {code(one.facility.id)}: {code(one.facility.reason, _REASON)}{place}"
    if len(held) > _REFUSALS:
        yield f"  - … and {counted(len(held) - _REFUSALS, 'facility')} more: `provisioner validate` lists them"
    if held:
        yield ""


def _quarantined(plan: Plan) -> Iterator[str]:
    """What relays do not pull, since it refuses its password."""
    paths = plan.quarantined
    if paths:
        yield f"- **QUARANTINED: {counted(len(paths), 'path')} with a refused password**"
    for one in paths[:_REFUSALS]:
        yield f"  - {code(one.path)} on {code(one.host)}: {code(one.why, _REASON)}"
    if len(paths) > _REFUSALS:
        yield f"  - … and {counted(len(paths) - _REFUSALS, 'path')} more: `provisioner quarantine list` lists them"
    if paths:
        yield ""


def _refused(plan: Plan) -> Iterator[str]:
    for refusal in plan.refused[:_REFUSALS]:
        yield f"- **{refusal.policy}**: {code(refusal.message, _REASON)}; {code(refusal.hint, _REASON)}"
    if len(plan.refused) > _REFUSALS:
        yield f"- … and {counted(len(plan.refused) - _REFUSALS, 'reason')} more"
    if plan.refused:
        yield ""


def _heading(noun: str, *, viewers: bool) -> list[str]:
    more = " viewers dropped |" if viewers else ""
    return [
        f"| {noun} | hosts | create | update | delete |{more} impact |",
        f"|---|--:|--:|--:|--:|{'--:|' if viewers else ''}---|",
    ]


def _table(noun: str, rows: Sequence[tuple[str, TotalsRow]], *, viewers: bool) -> Iterator[str]:
    if not rows:
        return
    ranked = sorted(rows, key=lambda item: _severity(item[1]), reverse=True)
    listed = dict(ranked[:_ROWS])
    yield from _heading(noun, viewers=viewers)
    yield from (_cells(name, row, viewers=viewers) for name, row in rows if name in listed)
    yield ""
    if len(rows) > _ROWS:
        yield f"{counted(len(rows) - _ROWS, 'more row')} left out."
        yield ""


def _cells(name: str, row: TotalsRow, *, viewers: bool) -> str:
    counts = " | ".join(str(row.actions[action]) for action in (Action.CREATE, Action.UPDATE, Action.DELETE))
    more = f" {row.viewers} |" if viewers else ""
    return f"| {cell(name, 80)} | {len(row.hosts)} | {counts} |{more} {row.impact.value} |"


def _severity(row: TotalsRow) -> tuple[int, int, int]:
    return row.impact.rank, row.viewers, sum(row.actions.values())


def _worst_first(change: Change) -> tuple[int, int, str, str]:
    return -change.impact.rank, -change.viewers, change.host, change.name


def _item(change: Change) -> str:
    viewers = f", drops {counted(change.viewers, 'viewer')}" if change.viewers else ""
    head = f"- {change.action.value} {change.resource.value} {code(change.name)} on {code(change.host)}"
    return f"{head}, {change.impact.value}{viewers}: {code(change.reason, _REASON)}"


def _site_packages(plan: Plan) -> Iterator[str]:
    causes = packages_by_cause(plan.site_packages)
    for (relay, reason), names in list(causes.items())[:_REFUSALS]:
        sites = counted(len(names), "site")
        yield f"- **{sites} of {code(relay, 70)}: a new site package**: {code(reason, _REASON)}: {_hosts(names)}"
    if len(causes) > _REFUSALS:
        yield f"- … and {counted(len(causes) - _REFUSALS, 'cause')} more of new site packages"
    if causes:
        yield ""


def _left_out(plan: Plan) -> Iterator[str]:
    sentences = []
    if plan.left_out:
        sentences.append(f"Left out by `--limit`, not read: {_hosts(plan.left_out)}")
    if plan.outside:
        sentences.append(f"{counted(len(plan.outside), 'pending change')} of chosen hosts outside `--limit`")
    if plan.unreadable:
        sentences.append(f"**Not read**, their changes are not in the plan: {_hosts(sorted(plan.unreadable))}")
    sentences += [code(note, _REASON) for note in plan.notes[:_REFUSALS]]
    for line in sentences:
        yield f"{line}."
        yield ""


def _hosts(names: Sequence[str]) -> str:
    more = f" and {len(names) - _HOSTS} more" if len(names) > _HOSTS else ""
    return ", ".join(code(name, 70) for name in names[:_HOSTS]) + more
