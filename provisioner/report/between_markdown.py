"""What is between two plans as one comment on a merge request. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.base.language import ENGLISH, Translator
from provisioner.plan.kept.between import BetweenPlans, ChangeTurn, MovedChange
from provisioner.report.between_words import beside_lines, head_of, impact_of, reason_of, verdict, viewers_of
from provisioner.report.comment import Comment, code

_REASON = 400
_BESIDE = 20
_VIEWERS = 20
_SIGNS = {ChangeTurn.APPEARS: "+", ChangeTurn.VANISHES: "−", ChangeTurn.DIFFERS: "~"}  # noqa: RUF001 (a hyphen would begin a list)


def between_comment(compared: BetweenPlans, say: Translator = ENGLISH) -> str:
    """Two plans side by side as Markdown of at most `MAX_BYTES` bytes."""
    page = Comment("provisioner plan diff", say)
    page.must(_head(compared, say))
    trust = [_item(moved, say) for moved in compared.changes if moved.is_of_trust]
    page.may(say("**Who and what is trusted:**"), trust, len(trust), "change")
    others = [_item(moved, say) for moved in compared.changes if not moved.is_of_trust]
    page.may(say("**What moved**, the worst first:"), others, len(others), "change")
    page.must(_viewers(compared, say))
    page.must(_beside(compared, say))
    return page.text()


def _head(compared: BetweenPlans, say: Translator) -> Iterator[str]:
    words = verdict(compared, say)
    yield f"### {words[:1].upper()}{words[1:]}"
    yield ""
    for title, plan in ((say("first"), compared.first), (say("second"), compared.second)):
        commit = say(", commit {commit}", commit=code(plan.commit)) if plan.commit else ""
        yield f"- {title}: {code(plan.basis.digest)}{commit}"
    yield ""


def _item(moved: MovedChange, say: Translator) -> str:
    reason = code(reason_of(moved, say), _REASON)
    return f"- {_SIGNS[moved.turn]} {code(head_of(moved, say), 300)}, {impact_of(moved, say)}: {reason}"


def _viewers(compared: BetweenPlans, say: Translator) -> Iterator[str]:
    if not compared.viewers:
        return
    before, after = viewers_of(compared)
    yield say("Viewers dropped: {before} → {after}", before=before, after=after)
    for one in compared.viewers[:_VIEWERS]:
        yield f"- {code(one.path)} {code(one.relay)}: {one.before} → {one.after}"
    if len(compared.viewers) > _VIEWERS:
        more = say.counted(len(compared.viewers) - _VIEWERS, "path")
        yield f"- {say('… and {number} more', number=more)}"
    yield ""


def _beside(compared: BetweenPlans, say: Translator) -> Iterator[str]:
    lines = list(beside_lines(compared, say))
    if lines:
        yield say("**Beside the changes:**")
        yield ""
    yield from (f"- {code(line, _REASON)}" for line in lines[:_BESIDE])
    if len(lines) > _BESIDE:
        yield f"- {say('… and {number} more', number=len(lines) - _BESIDE)}"
