"""What is between two plans, in words that texts and comments share. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.plan.changes import Change, cut_by
from provisioner.plan.kept.between import BetweenPlans, ChangeTurn, MovedBeside, MovedChange

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
    "to hold": marked("what {of} is to hold: {before} → {after}"),
}
_YES: Final = "yes"


def verdict(compared: BetweenPlans, say: Translator = ENGLISH) -> str:
    """What comes of it, in one line."""
    if compared.is_equal:
        return say("the same plan: {digest}", digest=compared.second.basis.digest)
    if compared.is_same:
        return say("the same is done: what approved the first plan approves the second")
    return say("another plan: {moved}", moved=_moved(compared, say))


def _moved(compared: BetweenPlans, say: Translator) -> str:
    turns = compared.turns
    if not compared.changes:
        return say("no change moved, and what they rest on did")
    counts = [
        (say.plural("{n} change appears", "{n} changes appear", turns[ChangeTurn.APPEARS]), turns[ChangeTurn.APPEARS]),
        (say.plural("{n} vanishes", "{n} vanish", turns[ChangeTurn.VANISHES]), turns[ChangeTurn.VANISHES]),
        (say.plural("{n} differs", "{n} differ", turns[ChangeTurn.DIFFERS]), turns[ChangeTurn.DIFFERS]),
    ]
    words = ", ".join(text for text, number in counts if number)
    hosts = say.counted(len(compared.hosts), "host")
    return say(
        "{changes}, on {hosts}; worst impact: {worst}", changes=words, hosts=hosts, worst=say.word(compared.worst)
    )


def head_of(moved: MovedChange, say: Translator = ENGLISH) -> str:
    """Which change it is and where; nothing in it is quoted."""
    either = moved.either
    what = f"{say.word(either.action)} {say.word(either.resource)} {say.restated(either.name)}"
    return say("{what} on {host}", what=what, host=either.host)


def impact_of(moved: MovedChange, say: Translator = ENGLISH) -> str:
    """Its impact; both where it is another one."""
    impacts = [say.word(change.impact) for change in (moved.before, moved.after) if change]
    return " → ".join(dict.fromkeys(impacts))


def reason_of(moved: MovedChange, say: Translator = ENGLISH) -> str:
    """Why; both reasons where they differ."""
    before, after = moved.before, moved.after
    if before is None or after is None:
        return say.restated(moved.either.reason)
    words = [_as_it_is(change, say, with_action=before.action is not after.action) for change in (before, after)]
    return say("was {before}, is {after}", before=words[0], after=words[1]) if words[0] != words[1] else words[0]


def _as_it_is(change: Change, say: Translator, *, with_action: bool) -> str:
    reason = say.restated(change.reason)
    return f"{say.word(change.action)} ({reason})" if with_action else f"({reason})"


def viewers_of(compared: BetweenPlans) -> tuple[int, int]:
    """How many live readers the first and the second plan cut."""
    first, second = (
        sum(sum(paths.values()) for paths in cut_by(plan.changes).values())
        for plan in (compared.first, compared.second)
    )
    return first, second


def beside_lines(compared: BetweenPlans, say: Translator = ENGLISH) -> Iterator[str]:
    """A sentence for each thing that moved beside the changes."""
    yield from (_beside(one, say) for one in compared.beside)


def _beside(one: MovedBeside, say: Translator) -> str:
    before, after = (_shown(text, say) for text in (one.before, one.after))
    return say(_BESIDE[one.what], of=one.of, before=before, after=after)


def _shown(text: str, say: Translator) -> str:
    if text == _YES:
        return say("yes")
    return say.restated(text) if text else say("no")
