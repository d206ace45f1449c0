"""A plan as one comment on a merge request. Pure.

It is always short enough for every forge, whatever the plan: what does not fit is counted and named as left
out. Names and reasons may come from a host, where anybody may have written them: they stand in code spans,
which render no markup, and call nobody by `@`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from provisioner.base.language import ENGLISH, Translator
from provisioner.plan import Plan, Totals, no_change, packages_by_cause, plan_ending, totals_of
from provisioner.plan.changes import Action, Change, Impact, distinct_trust, is_dangerous
from provisioner.plan.guards.approvals import need_lines
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
_COUNTED = (Action.CREATE, Action.UPDATE, Action.DELETE)


def plan_comment(plan: Plan, say: Translator = ENGLISH) -> str:
    """A plan as Markdown of at most `MAX_BYTES` bytes."""
    changing = plan.pending
    totals = totals_of(changing, plan.carriers)
    viewers = plan.against is None
    page = Comment("provisioner plan --details", say)
    page.must(_head(plan, changing, totals, say))
    page.must(_trust(plan, changing, say))
    page.must(_held(plan, say))
    page.must(_refused(plan, say))
    page.must(_approvals(plan, say))
    if changing:
        page.must(_table(say("carrier"), list(totals.carriers.items()), say, viewers=viewers))
        page.must(_table(say("province"), list(totals.provinces.items()), say, viewers=viewers))
    page.must(_site_packages(plan, say))
    page.must(_quarantined(plan, say))
    page.must(_left_out(plan, say))
    cutting = sorted((c for c in changing if c.impact.rank >= Impact.PATH.rank), key=_worst_first)
    shown = [_item(c, say) for c in cutting[:_CUTTING]]
    page.may(say("**Who reconnects**, the worst first:"), shown, len(cutting), "change")
    facilities = sorted(totals.facilities.items(), key=lambda item: _severity(item[1]), reverse=True)
    rows = [_cells(f"{province}/{facility}", row, say, viewers=viewers) for (province, facility), row in facilities]
    page.fold(say("By facility"), _heading(say("facility"), say, viewers=viewers), rows, "facility")
    page.fold(say("Every change"), [], [_item(c, say) for c in sorted(changing, key=_worst_first)], "change")
    return page.text()


def _head(plan: Plan, changing: Sequence[Change], totals: Totals, say: Translator) -> Iterator[str]:
    if not changing:
        what = say.restated(no_change(plan))
    else:
        actions = Counter(change.action for change in changing)
        words = ", ".join(say.restated(f"{actions[a]} to {a.value}") for a in Action if actions[a])
        what = say("{words} on {hosts}", words=words, hosts=say.counted(len(plan.hosts), "host"))
    yield f"### {say('Plan: {what}', what=what)}"
    yield ""
    verdict = _verdict(plan, totals, say)
    yield f"{say('**Refused.** ') if plan.refused else ''}{verdict[:1].upper()}{verdict[1:]}."
    yield ""
    commit = say(", commit {commit}", commit=code(plan.commit)) if plan.commit else ""
    if plan.against:
        names = {"name": code(plan.against.name), "commit": code(plan.against.commit)}
        yield say("Compared with {name}, commit {commit}; no host was asked.", **names)
    else:
        yield say("Digest {digest}", digest=code(plan.basis.digest)) + commit
    if plan.basis.allow:
        allowed = ", ".join(f"{name}={number}" for name, number in plan.basis.allow.items())
        yield say("Allowed for this plan: {allowed}", allowed=code(allowed, 400))
    yield ""
    if plan.unreadable:
        # Who reads no further has read what is missing here, before that nothing changes on the others.
        yield from (f"- {code(say.restated(sentence), _REASON)}" for sentence in plan_ending(plan))
        yield ""


def _verdict(plan: Plan, totals: Totals, say: Translator) -> str:
    """Whom it cuts, in one line."""
    verdict = say("worst impact **{impact}**", impact=say.word(totals.worst))
    if not plan.against:
        verdict = say("{viewers} dropped, {worst}", viewers=say.counted(totals.viewers, "viewer"), worst=verdict)
    if plan.uncounted:
        verdict += say("; viewers not known on {hosts}", hosts=_hosts(plan.uncounted, say))
    return verdict


def _trust(plan: Plan, changing: Sequence[Change], say: Translator) -> Iterator[str]:
    """Who and what is trusted anew: before all else, and never folded."""
    for host in plan.unproved[:_HOSTS]:
        line = say("{host} has not proved that it was managed before: it was sent nothing", host=code(host))
        yield f"- **{line}**"
    trusted = distinct_trust(changing)
    if trusted:
        line = say("TRUST: {changes} of who and what is trusted", changes=say.counted(len(trusted), "change"))
        yield f"- **{line}**"
    shown = [*(item for item in trusted if is_dangerous(item[1]))][:_DANGEROUS]
    shown += [item for item in trusted if not is_dangerous(item[1])][: max(0, _TRUSTED - len(shown))]
    for hosts, change in shown:
        what = f"{say.word(change.action)} {code(say.restated(change.name))}"
        where = say("{what} on {host}", what=what, host=code(say.restated(named(hosts))))
        yield f"  - {where}: {code(say.restated(change.reason), 300)}"
    if len(trusted) > len(shown):
        more = len(trusted) - len(shown)
        yield "  - " + say("… and **{number} more**: `provisioner plan` lists them all", number=more)
    if trusted or plan.unproved:
        yield ""


def _held(plan: Plan, say: Translator) -> Iterator[str]:
    """Who is held: no part of the plan, and never folded."""
    held = plan.held_back
    if held:
        facilities = say.counted(len(held), "facility")
        yield "- " + say("**HELD: {facilities} with errors**: hosts keep what they have", facilities=facilities)
    for one in held[:_REFUSALS]:
        place = f" ({code(one.facility.place)})" if one.facility.place else ""
        yield f"  - {code(one.facility.id)}: {code(say.restated(one.facility.reason), _REASON)}{place}"
    if len(held) > _REFUSALS:
        more = say.counted(len(held) - _REFUSALS, "facility")
        yield "  - " + say("… and {facilities} more: `provisioner validate` lists them", facilities=more)
    if held:
        yield ""


def _quarantined(plan: Plan, say: Translator) -> Iterator[str]:
    """What relays do not pull, since it refuses its password."""
    paths = plan.quarantined
    if paths:
        line = say("QUARANTINED: {paths} with a refused password", paths=say.counted(len(paths), "path"))
        yield f"- **{line}**"
    for one in paths[:_REFUSALS]:
        where = say("{what} on {host}", what=code(one.path), host=code(one.host))
        yield f"  - {where}: {code(say.restated(one.why), _REASON)}"
    if len(paths) > _REFUSALS:
        more = say.counted(len(paths) - _REFUSALS, "path")
        yield "  - " + say("… and {paths} more: `provisioner quarantine list` lists them", paths=more)
    if paths:
        yield ""


def _refused(plan: Plan, say: Translator) -> Iterator[str]:
    for refusal in plan.refused[:_REFUSALS]:
        message, hint = say.restated(refusal.message), say.restated(refusal.hint)
        yield f"- **{refusal.policy}**: {code(message, _REASON)}; {code(hint, _REASON)}"
    if len(plan.refused) > _REFUSALS:
        more = say.counted(len(plan.refused) - _REFUSALS, "reason")
        yield "- " + say("… and {number} more", number=more)
    if plan.refused:
        yield ""


def _approvals(plan: Plan, say: Translator) -> Iterator[str]:
    """Who has to approve it before it is applied."""
    lines = need_lines(plan.approvals)
    if lines:
        yield "- " + say("**To be approved** before it is applied, by:")
    yield from (f"  - {code(say.restated(line), _REASON)}" for line in lines[:_REFUSALS])
    if len(lines) > _REFUSALS:
        yield "  - " + say("… and {number} more", number=len(lines) - _REFUSALS)
    if lines:
        yield ""


def _heading(noun: str, say: Translator, *, viewers: bool) -> list[str]:
    names = [noun, say("hosts"), *map(say.word, _COUNTED), *([say("viewers dropped")] * viewers), say("impact")]
    return [f"| {' | '.join(names)} |", f"|---|--:|--:|--:|--:|{'--:|' if viewers else ''}---|"]


def _table(noun: str, rows: Sequence[tuple[str, TotalsRow]], say: Translator, *, viewers: bool) -> Iterator[str]:
    if not rows:
        return
    ranked = sorted(rows, key=lambda item: _severity(item[1]), reverse=True)
    listed = dict(ranked[:_ROWS])
    yield from _heading(noun, say, viewers=viewers)
    yield from (_cells(name, row, say, viewers=viewers) for name, row in rows if name in listed)
    yield ""
    if len(rows) > _ROWS:
        yield say("{rows} left out.", rows=say.counted(len(rows) - _ROWS, "more row"))
        yield ""


def _cells(name: str, row: TotalsRow, say: Translator, *, viewers: bool) -> str:
    counts = " | ".join(str(row.actions[action]) for action in _COUNTED)
    more = f" {row.viewers} |" if viewers else ""
    return f"| {cell(name, 80)} | {len(row.hosts)} | {counts} |{more} {say.word(row.impact)} |"


def _severity(row: TotalsRow) -> tuple[int, int, int]:
    return row.impact.rank, row.viewers, sum(row.actions.values())


def _worst_first(change: Change) -> tuple[int, int, str, str]:
    return -change.impact.rank, -change.viewers, change.host, change.name


def _item(change: Change, say: Translator) -> str:
    viewers = say(", drops {viewers}", viewers=say.counted(change.viewers, "viewer")) if change.viewers else ""
    what = f"{say.word(change.action)} {say.word(change.resource)} {code(say.restated(change.name))}"
    head = say("{what} on {host}", what=what, host=code(change.host))
    return f"- {head}, {say.word(change.impact)}{viewers}: {code(say.restated(change.reason), _REASON)}"


def _site_packages(plan: Plan, say: Translator) -> Iterator[str]:
    causes = packages_by_cause(plan.site_packages)
    for (relay, reason), names in list(causes.items())[:_REFUSALS]:
        head = say(
            "**{sites} of {relay}: a new site package**", sites=say.counted(len(names), "site"), relay=code(relay, 70)
        )
        yield f"- {head}: {code(say.restated(reason), _REASON)}: {_hosts(names, say)}"
    if len(causes) > _REFUSALS:
        more = say.counted(len(causes) - _REFUSALS, "cause")
        yield "- " + say("… and {causes} more of new site packages", causes=more)
    if causes:
        yield ""


def _left_out(plan: Plan, say: Translator) -> Iterator[str]:
    sentences = []
    if plan.left_out:
        sentences.append(say("Left out by `--limit`, not read: {hosts}", hosts=_hosts(plan.left_out, say)))
    if plan.outside:
        changes = say.counted(len(plan.outside), "pending change")
        sentences.append(say("{changes} of chosen hosts outside `--limit`", changes=changes))
    if plan.unreadable:
        hosts = _hosts(sorted(plan.unreadable), say)
        sentences.append(say("**Not read**, their changes are not in the plan: {hosts}", hosts=hosts))
    sentences += [code(say.restated(note), _REASON) for note in (*plan.lacking, *plan.notes)[:_REFUSALS]]
    seen = (f"{say.restated(one.message)}; {say.restated(one.hint)} ({one.place})" for one in plan.warnings)
    sentences += [code(text, _REASON) for text in islice(seen, _REFUSALS)]
    for line in sentences:
        yield f"{line}."
        yield ""


def _hosts(names: Sequence[str], say: Translator) -> str:
    listed, more = ", ".join(code(name, 70) for name in names[:_HOSTS]), len(names) - _HOSTS
    return say("{listed} and {more} more", listed=listed, more=more) if more > 0 else listed
