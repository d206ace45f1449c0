"""A plan, and two plans compared, as merge request comments. Pure.

A comment fits every forge: items beyond the limit are counted as left out. Names and reasons may come from a host, so
they are in code spans, which render no markup and no mention by `@`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.base.text import named, printable
from provisioner.plan.change import Action, Change, Impact, cut_by, distinct_trust, is_dangerous, worst_first
from provisioner.plan.document import no_change, packages_by_cause, plan_ending
from provisioner.plan.guards.approvals import need_lines
from provisioner.plan.plan import Plan, Totals, TotalsRow, totals_of
from provisioner.plan.saved.comparison import BetweenPlans, ChangeTurn, MovedBeside, MovedChange

#: GitHub takes 65,536 characters and GitLab more. Bytes are counted, so that letters of any kind fit.
MAX_BYTES: Final = 60_000

_NAME: Final = 160

_TAIL: Final = 600  #: Reserved for the sentences about left-out items.

_BESIDE: Final[Mapping[str, str]] = {
    "tool": marked("this program's version: {before} → {after}"),
    "templates": marked("templates and the hosts' program: {before} → {after}"),
    "inventory": marked("the inventory's content: {before} → {after}"),
    "commit": marked("commit, which no digest is over: {before} → {after}"),
    "allowance": marked("allowed, {of}: {before} → {after}"),
    "held": marked("held, {of}: {before} → {after}"),
    "refused": marked("refused, {of}: {before} → {after}"),
    "not read": marked("not read, {of}: {before} → {after}"),
    "in the plan": marked("in the plan, {of}: {before} → {after}"),
    "to hold": marked("the desired state of {of}: {before} → {after}"),
}
_YES: Final = "yes"
_MOST_BESIDE = 20
_VIEWERS = 20
_SIGNS = {ChangeTurn.APPEARS: "+", ChangeTurn.VANISHES: "−", ChangeTurn.DIFFERS: "~"}  # noqa: RUF001 (a hyphen would begin a list)
_REASON = 400
_REFUSALS = 12
_ROWS = 80
_CUTTING = 50
_HOSTS = 20
_TRUSTED = 20
_DANGEROUS = 30
_COUNTED = (Action.CREATE, Action.UPDATE, Action.DELETE)


class Comment:
    """A text that grows to its limit."""

    def __init__(self, command: str, say: Translator = ENGLISH) -> None:
        self._lines: list[str] = []
        self._left = MAX_BYTES
        self._command = command
        self._say = say

    def must(self, lines: Iterable[str]) -> None:
        """Add lines whose length is already limited."""
        for line in lines:
            self._add(line)

    def may(self, title: str, items: Sequence[str], total: int, noun: str) -> None:
        """Add a list up to the limit; count the rest."""
        if not items:
            return
        self._add(title)
        self._add("")
        fitting = self._add_until_full(items, _TAIL * 3)
        if fitting < total:
            self._add(f"- {self._say('… and {number} more', number=self._say.counted(total - fitting, noun))}")
        self._add("")

    def fold(self, title: str, heading: Sequence[str], items: Sequence[str], noun: str) -> None:
        """Add a folded list up to the limit; count the rest."""
        if not items:
            return
        if self._left < _TAIL * 2:
            self._add(self._say("{title}: left out of this comment for its length.", title=title))
            self._add("")
            return
        self.must([f"<details><summary>{title} ({len(items)})</summary>", "", *heading])
        fitting = self._add_until_full(items, _TAIL)
        self._add("")
        if fitting < len(items):
            rest = self._say.counted(len(items) - fitting, noun)
            self._add(self._say("{left} left out of this comment: `{command}`.", left=rest, command=self._command))
            self._add("")
        self.must(["</details>", ""])

    def text(self) -> str:
        """Return the whole text."""
        return "\n".join(self._lines).rstrip("\n") + "\n"

    def _add_until_full(self, items: Sequence[str], reserve: int) -> int:
        for number, item in enumerate(items):
            if self._left - len(item.encode()) - 1 < reserve:
                return number
            self._add(item)
        return len(items)

    def _add(self, line: str) -> None:
        self._lines.append(line)
        self._left -= len(line.encode()) + 1


def code(text: str, limit: int = _NAME) -> str:
    """Return at most `limit` bytes of a foreign text as code span."""
    line = printable(text)
    if len(line.encode()) > limit:
        line = line.encode()[:limit].decode(errors="ignore") + "…"
    fence = "`"
    while fence in line:
        fence += "`"
    pad = " " if line.startswith("`") or line.endswith("`") or not line.strip() else ""
    return f"{fence}{pad}{line or '-'}{pad}{fence}"


def cell(text: str, limit: int = _NAME) -> str:
    """Return a code span for a table, with escaped bars."""
    return code(text, limit).replace("|", "\\|")


def verdict(compared: BetweenPlans, say: Translator = ENGLISH) -> str:
    """Return the result of a comparison in one line."""
    if compared.is_equal:
        return say("the same plan: {digest}", digest=compared.second.basis.digest)
    if compared.is_same:
        return say("the same is done: what approved the first plan approves the second")
    return say("another plan: {moved}", moved=_moved_summary(compared, say))


def _moved_summary(compared: BetweenPlans, say: Translator) -> str:
    turns = compared.turns
    if not compared.changes:
        return say("the changes are the same, their basis differs")
    counts = [
        (say.plural("{n} change appears", "{n} changes appear", turns[ChangeTurn.APPEARS]), turns[ChangeTurn.APPEARS]),
        (say.plural("{n} vanishes", "{n} vanish", turns[ChangeTurn.VANISHES]), turns[ChangeTurn.VANISHES]),
        (say.plural("{n} differs", "{n} differ", turns[ChangeTurn.DIFFERS]), turns[ChangeTurn.DIFFERS]),
    ]
    summary = ", ".join(text for text, number in counts if number)
    hosts = say.counted(len(compared.hosts), "host")
    return say(
        "{changes}, on {hosts}; worst impact: {worst}", changes=summary, hosts=hosts, worst=say.word(compared.worst)
    )


def head_of(moved: MovedChange, say: Translator = ENGLISH) -> str:
    """Return the change and its host, unquoted."""
    either = moved.either
    subject = f"{say.word(either.action)} {say.word(either.resource)} {say.restated(either.name)}"
    return say("{what} on {host}", what=subject, host=either.host)


def impact_of(moved: MovedChange, say: Translator = ENGLISH) -> str:
    """Return the impact, or both if they differ."""
    impacts = [say.word(change.impact) for change in (moved.before, moved.after) if change]
    return " → ".join(dict.fromkeys(impacts))


def reason_of(moved: MovedChange, say: Translator = ENGLISH) -> str:
    """Return the reason, or both if they differ."""
    before, after = moved.before, moved.after
    if before is None or after is None:
        return say.restated(moved.either.reason)
    reasons = [_as_it_is(change, say, with_action=before.action is not after.action) for change in (before, after)]
    return (
        say("was {before}, is {after}", before=reasons[0], after=reasons[1]) if reasons[0] != reasons[1] else reasons[0]
    )


def _as_it_is(change: Change, say: Translator, *, with_action: bool) -> str:
    reason = say.restated(change.reason)
    return f"{say.word(change.action)} ({reason})" if with_action else f"({reason})"


def viewers_of(compared: BetweenPlans) -> tuple[int, int]:
    """Return how many live readers each plan cuts."""
    first, second = (
        sum(sum(paths.values()) for paths in cut_by(plan.changes).values())
        for plan in (compared.first, compared.second)
    )
    return first, second


def basis_lines(compared: BetweenPlans, say: Translator = ENGLISH) -> Iterator[str]:
    """Yield a sentence for each difference beside the changes."""
    yield from (_basis_line(moved, say) for moved in compared.beside)


def _basis_line(moved: MovedBeside, say: Translator) -> str:
    before, after = (_side_text(text, say) for text in (moved.before, moved.after))
    return say(_BESIDE[moved.what], of=moved.of, before=before, after=after)


def _side_text(text: str, say: Translator) -> str:
    if text == _YES:
        return say("yes")
    return say.restated(text) if text else say("no")


def between_comment(compared: BetweenPlans, say: Translator = ENGLISH) -> str:
    """Return a comparison as Markdown of at most `MAX_BYTES` bytes."""
    page = Comment("provisioner plan diff", say)
    page.must(_comparison_head(compared, say))
    trust = [_moved_item(moved, say) for moved in compared.changes if moved.is_of_trust]
    page.may(say("**Trust:**"), trust, len(trust), "change")
    other_changes = [_moved_item(moved, say) for moved in compared.changes if not moved.is_of_trust]
    page.may(say("**What moved**, the worst first:"), other_changes, len(other_changes), "change")
    page.must(_viewer_lines(compared, say))
    page.must(_basis_difference(compared, say))
    return page.text()


def _comparison_head(compared: BetweenPlans, say: Translator) -> Iterator[str]:
    sentence = verdict(compared, say)
    yield f"### {sentence[:1].upper()}{sentence[1:]}"
    yield ""
    for title, plan in ((say("first"), compared.first), (say("second"), compared.second)):
        commit = say(", commit {commit}", commit=code(plan.commit)) if plan.commit else ""
        yield f"- {title}: {code(plan.basis.digest)}{commit}"
    yield ""


def _moved_item(moved: MovedChange, say: Translator) -> str:
    reason = code(reason_of(moved, say), _REASON)
    return f"- {_SIGNS[moved.turn]} {code(head_of(moved, say), 300)}, {impact_of(moved, say)}: {reason}"


def _viewer_lines(compared: BetweenPlans, say: Translator) -> Iterator[str]:
    if not compared.viewers:
        return
    before, after = viewers_of(compared)
    yield say("Viewers dropped: {before} → {after}", before=before, after=after)
    for row in compared.viewers[:_VIEWERS]:
        yield f"- {code(row.path)} {code(row.relay)}: {row.before} → {row.after}"
    if len(compared.viewers) > _VIEWERS:
        more = say.counted(len(compared.viewers) - _VIEWERS, "path")
        yield f"- {say('… and {number} more', number=more)}"
    yield ""


def _basis_difference(compared: BetweenPlans, say: Translator) -> Iterator[str]:
    lines = list(basis_lines(compared, say))
    if lines:
        yield say("**Beside the changes:**")
        yield ""
    yield from (f"- {code(line, _REASON)}" for line in lines[:_MOST_BESIDE])
    if len(lines) > _MOST_BESIDE:
        yield f"- {say('… and {number} more', number=len(lines) - _MOST_BESIDE)}"


def plan_comment(plan: Plan, say: Translator = ENGLISH) -> str:
    """Return a plan as Markdown of at most `MAX_BYTES` bytes."""
    changing = plan.pending
    totals = totals_of(changing, plan.carriers)
    viewers = plan.against is None
    page = Comment("provisioner plan --details", say)
    page.must(_plan_head(plan, changing, totals, say))
    page.must(_trust_lines(plan, changing, say))
    page.must(_frozen_lines(plan, say))
    page.must(_refusal_lines(plan, say))
    page.must(_approval_lines(plan, say))
    if changing:
        page.must(_totals_table(say("carrier"), list(totals.carriers.items()), say, viewers=viewers))
        page.must(_totals_table(say("province"), list(totals.provinces.items()), say, viewers=viewers))
    page.must(_site_package_lines(plan, say))
    page.must(_quarantine_lines(plan, say))
    page.must(_left_out_lines(plan, say))
    cutting = sorted((c for c in changing if c.impact.rank >= Impact.PATH.rank), key=worst_first)
    items = [_change_item(c, say) for c in cutting[:_CUTTING]]
    page.may(say("**Who reconnects**, the worst first:"), items, len(cutting), "change")
    facilities = sorted(totals.facilities.items(), key=lambda item: item[1].severity, reverse=True)
    rows = [_cells(f"{province}/{facility}", row, say, viewers=viewers) for (province, facility), row in facilities]
    page.fold(say("By facility"), _heading(say("facility"), say, viewers=viewers), rows, "facility")
    page.fold(say("Every change"), [], [_change_item(c, say) for c in sorted(changing, key=worst_first)], "change")
    return page.text()


def _plan_head(plan: Plan, changing: Sequence[Change], totals: Totals, say: Translator) -> Iterator[str]:
    if not changing:
        what = say.restated(no_change(plan))
    else:
        actions = Counter(change.action for change in changing)
        summary = ", ".join(say.restated(f"{actions[a]} to {a.value}") for a in Action if actions[a])
        what = say("{words} on {hosts}", words=summary, hosts=say.counted(len(plan.hosts), "host"))
    yield f"### {say('Plan: {what}', what=what)}"
    yield ""
    verdict = _verdict_text(plan, totals, say)
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
        # A reader of the first lines learns about missing hosts before "no change" on the others.
        yield from (f"- {code(say.restated(sentence), _REASON)}" for sentence in plan_ending(plan))
        yield ""


def _verdict_text(plan: Plan, totals: Totals, say: Translator) -> str:
    verdict = say("worst impact **{impact}**", impact=say.word(totals.worst))
    if not plan.against:
        verdict = say("{viewers} dropped, {worst}", viewers=say.counted(totals.viewers, "viewer"), worst=verdict)
    if plan.uncounted:
        verdict += say("; viewers not known on {hosts}", hosts=_hosts(plan.uncounted, say))
    return verdict


def _trust_lines(plan: Plan, changing: Sequence[Change], say: Translator) -> Iterator[str]:
    """Yield changes of trust: first of all, and never folded."""
    for host in plan.unproved[:_HOSTS]:
        line = say("{host} has not proved that it was managed before: it got no request", host=code(host))
        yield f"- **{line}**"
    trusted = distinct_trust(changing)
    if trusted:
        line = say("TRUST: {changes} of trust", changes=say.counted(len(trusted), "change"))
        yield f"- **{line}**"
    listed = [*(item for item in trusted if is_dangerous(item[1]))][:_DANGEROUS]
    listed += [item for item in trusted if not is_dangerous(item[1])][: max(0, _TRUSTED - len(listed))]
    for hosts, change in listed:
        subject = f"{say.word(change.action)} {code(say.restated(change.name))}"
        where = say("{what} on {host}", what=subject, host=code(say.restated(named(hosts))))
        yield f"  - {where}: {code(say.restated(change.reason), 300)}"
    if len(trusted) > len(listed):
        more = len(trusted) - len(listed)
        yield "  - " + say("… and **{number} more**: `provisioner plan` lists them all", number=more)
    if trusted or plan.unproved:
        yield ""


def _frozen_lines(plan: Plan, say: Translator) -> Iterator[str]:
    """Yield frozen facilities, which are not in the plan; never folded."""
    frozen = plan.frozen_in_limit
    if frozen:
        facilities = say.counted(len(frozen), "facility")
        yield "- " + say("**HELD: {facilities} with errors**: hosts keep their state", facilities=facilities)
    places = (f" ({code(entry.facility.position)})" if entry.facility.position else "" for entry in frozen)
    lines = [
        f"  - {code(entry.facility.id)}: {code(say.restated(entry.facility.reason), _REASON)}{place}"
        for entry, place in zip(frozen, places, strict=True)
    ]
    more = say.counted(len(frozen) - _REFUSALS, "facility")
    yield from _limited(
        lines, "  - " + say("… and {facilities} more: `provisioner validate` lists them", facilities=more)
    )


def _limited(lines: Sequence[str], more: str) -> Iterator[str]:
    """Yield the first lines, `more` for others, and an empty line."""
    yield from lines[:_REFUSALS]
    if len(lines) > _REFUSALS:
        yield more
    if lines:
        yield ""


def _refusal_lines(plan: Plan, say: Translator) -> Iterator[str]:
    texts = [(code(say.restated(one.message), _REASON), code(say.restated(one.hint), _REASON)) for one in plan.refused]
    lines = [f"- **{one.policy}**: {'; '.join(text)}" for one, text in zip(plan.refused, texts, strict=True)]
    more = say.counted(len(lines) - _REFUSALS, "reason")
    yield from _limited(lines, "- " + say("… and {number} more", number=more))


def _approval_lines(plan: Plan, say: Translator) -> Iterator[str]:
    lines = [f"  - {code(say.restated(line), _REASON)}" for line in need_lines(plan.approvals)]
    if lines:
        yield "- " + say("**To be approved** before it is applied, by:")
    yield from _limited(lines, "  - " + say("… and {number} more", number=len(lines) - _REFUSALS))


def _totals_table(noun: str, rows: Sequence[tuple[str, TotalsRow]], say: Translator, *, viewers: bool) -> Iterator[str]:
    if not rows:
        return
    ranked = sorted(rows, key=lambda item: item[1].severity, reverse=True)
    listed = dict(ranked[:_ROWS])
    yield from _heading(noun, say, viewers=viewers)
    yield from (_cells(name, row, say, viewers=viewers) for name, row in rows if name in listed)
    yield ""
    if len(rows) > _ROWS:
        yield say("{rows} left out.", rows=say.counted(len(rows) - _ROWS, "more row"))
        yield ""


def _heading(noun: str, say: Translator, *, viewers: bool) -> list[str]:
    names = [noun, say("hosts"), *map(say.word, _COUNTED), *([say("viewers dropped")] * viewers), say("impact")]
    return [f"| {' | '.join(names)} |", f"|---|--:|--:|--:|--:|{'--:|' if viewers else ''}---|"]


def _cells(name: str, row: TotalsRow, say: Translator, *, viewers: bool) -> str:
    counts = " | ".join(str(row.actions[action]) for action in _COUNTED)
    more = f" {row.viewers} |" if viewers else ""
    return f"| {cell(name, 80)} | {len(row.hosts)} | {counts} |{more} {say.word(row.impact)} |"


def _site_package_lines(plan: Plan, say: Translator) -> Iterator[str]:
    lines = []
    for (relay, reason), names in packages_by_cause(plan.site_packages).items():
        sites, where = say.counted(len(names), "site"), code(relay, 70)
        head = say("**{sites} of {relay}: a new site package**", sites=sites, relay=where)
        lines.append(f"- {head}: {code(say.restated(reason), _REASON)}: {_hosts(names, say)}")
    more = say.counted(len(lines) - _REFUSALS, "cause")
    yield from _limited(lines, "- " + say("… and {causes} more of new site packages", causes=more))


def _quarantine_lines(plan: Plan, say: Translator) -> Iterator[str]:
    paths = plan.quarantined
    if paths:
        line = say("QUARANTINED: {paths} with a refused password", paths=say.counted(len(paths), "path"))
        yield f"- **{line}**"
    places = (say("{what} on {host}", what=code(entry.path), host=code(entry.host)) for entry in paths)
    lines = [
        f"  - {place}: {code(say.restated(entry.why), _REASON)}" for entry, place in zip(paths, places, strict=True)
    ]
    more = say.counted(len(paths) - _REFUSALS, "path")
    yield from _limited(lines, "  - " + say("… and {paths} more: `provisioner quarantine list` lists them", paths=more))


def _left_out_lines(plan: Plan, say: Translator) -> Iterator[str]:
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
    warnings = (
        f"{say.restated(warning.message)}; {say.restated(warning.hint)} ({warning.position})"
        for warning in plan.warnings
    )
    sentences += [code(text, _REASON) for text in islice(warnings, _REFUSALS)]
    for line in sentences:
        yield f"{line}."
        yield ""


def _hosts(names: Sequence[str], say: Translator) -> str:
    listed, more = ", ".join(code(name, 70) for name in names[:_HOSTS]), len(names) - _HOSTS
    return say("{listed} and {more} more", listed=listed, more=more) if more > 0 else listed


def _change_item(change: Change, say: Translator) -> str:
    viewers = say(", drops {viewers}", viewers=say.counted(change.viewers, "viewer")) if change.viewers else ""
    subject = f"{say.word(change.action)} {say.word(change.resource)} {code(say.restated(change.name))}"
    head = say("{what} on {host}", what=subject, host=code(change.host))
    return f"- {head}, {say.word(change.impact)}{viewers}: {code(say.restated(change.reason), _REASON)}"
