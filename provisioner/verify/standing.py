"""What looks at a path come to, one after the other and by what is remembered of it. Pure.

A verdict of `judge` is one look by itself. Here it becomes what is said of the path:

- The last look that showed anything counts. One that is not good is never overruled by an earlier good one, nor by a
  memory; nothing but a look at all levels makes a path `up`.
- Down needs two failures at least a minute apart with nothing good between them: two looks of this run, or one of
  this run and one that is remembered, which is not older than some hours. A single failure is `unknown` with its cause:
  the path is not up, and nobody is sent out for a camera that was just starting.
- A cause stays while the failure stands, until another is known better, the level that it stood for passes, or two
  looks in a row agree on another: a silence does not hide what a camera said an hour ago.
- Flapping: what is up now, and went down and came back again and again, is `degraded`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from provisioner.base.clock import local_time
from provisioner.verify.levels import LEVELS
from provisioner.verify.memory import Failing, PastVerdict, PathMemory, after
from provisioner.verify.result import (
    INFERRED,
    Cause,
    Layer,
    Look,
    PathVerdict,
    Proof,
    Scope,
    Standing,
    Trouble,
    Verdict,
)
from provisioner.verify.rotation import content_of
from provisioner.verify.wanted import PathToCheck

APART: Final = timedelta(seconds=60)
"""Two failures at least so far apart are no moment's weakness."""
REMEMBERED_FOR: Final = timedelta(hours=6)
"""A failure of longer ago confirms nothing about now."""
FLAPPING_CHANGES: Final = 4
FLAPPING_WINDOW: Final = timedelta(hours=48)
"""So many changes between up and down within so long are flapping: two nights with an outage each."""

_GOOD_OR_BAD = frozenset({Verdict.UP, Verdict.DOWN})


def look_of(verdict: PathVerdict, target: PathToCheck, *, maintenance: bool) -> Look | None:
    """A verdict of `judge` as it is remembered; None where nobody looked."""
    if verdict.checked_at is None:
        return None
    trouble = None
    if verdict.cause not in {Cause.NONE, Cause.NOT_ASKED}:
        trouble = Trouble(verdict.cause, verdict.layer, verdict.object, verdict.detail, verdict.failed_level)
    return Look(
        path=verdict.path,
        at=verdict.checked_at,
        verdict=verdict.verdict,
        trouble=trouble,
        proved=verdict.passed,
        content=content_of(target),
        complete=verdict.verdict is Verdict.UP and verdict.level == LEVELS[-1].number,
        maintenance=maintenance,
    )


def needs_second_look(verdict: PathVerdict, memory: PathMemory) -> bool:
    """Whether a look that failed is the first that did, so that it has to be seen again before it is `down`."""
    if verdict.verdict is not Verdict.DOWN or verdict.checked_at is None:
        return False
    return not _confirms(_standing_before(memory, verdict.checked_at), verdict.checked_at)


def settled(looks: Sequence[PathVerdict], memory: PathMemory, scope: Scope) -> PathVerdict:
    """What is said of a path.

    Args:
        looks: the verdicts of this run's looks, in their order, at least one.
        memory: what earlier runs left.
        scope: whether one failure is enough.
    """
    last = next((look for look in reversed(looks) if _shows(look)), looks[-1])
    at = last.checked_at
    if at is None:
        return _with_proof(last, memory)
    known = memory.known_at(at)
    if last.verdict is Verdict.DOWN:
        return _with_proof(_failing(last, looks, known, scope), known)
    if last.verdict is Verdict.UP and (changes := _changes(looks, known, at)) >= FLAPPING_CHANGES:
        return _with_proof(_flapping(last, known, changes), known)
    return last if last.verdict is Verdict.UP else _with_proof(last, known)


def _shows(look: PathVerdict) -> bool:
    """Whether a look came to know anything about how the path is."""
    return look.checked_at is not None and look.verdict is not Verdict.UNKNOWN


def _with_proof(verdict: PathVerdict, memory: PathMemory) -> PathVerdict:
    return replace(verdict, last_proof=last_proof(memory))


def last_proof(memory: PathMemory) -> Proof | None:
    """What was last proved of a path at its highest level; None where nothing ever was."""
    if not memory.proofs:
        return None
    level = max(memory.proofs)
    return Proof(level, memory.proofs[level])


# --- failures -------------------------------------------------------------------------------------


def _standing_before(memory: PathMemory, at: datetime) -> Failing | None:
    """The failure that stands from earlier runs, where it is not too old to say anything about now."""
    failing = memory.known_at(at).failing
    return failing if failing is not None and at - failing.last <= REMEMBERED_FOR else None


def _confirms(failing: Failing | None, at: datetime) -> bool:
    return failing is not None and at - failing.first >= APART


def _failing(last: PathVerdict, looks: Sequence[PathVerdict], memory: PathMemory, scope: Scope) -> PathVerdict:
    at = _moment(last)
    failing = _standing_before(memory, at)
    before = failing
    earlier = [look for look in looks[: looks.index(last)] if _shows(look)]
    for look in earlier:
        failing = _seen(failing, look)
    confirmed = scope.once or _confirms(failing, at)
    trouble = _cause(last, before, memory.past, earlier)
    verdict = replace(
        last,
        verdict=Verdict.DOWN if confirmed else Verdict.UNKNOWN,
        cause=trouble.cause,
        layer=trouble.layer,
        object=trouble.object,
        detail=trouble.detail,
        failed_level=trouble.level,
        standing=Standing(failing.first if failing else at, failing.count + 1 if failing else 1, confirmed),
    )
    return verdict if confirmed else replace(verdict, detail=_unconfirmed(trouble, at))


def _unconfirmed(trouble: Trouble, at: datetime) -> str:
    said = f": {trouble.detail}" if trouble.detail else ""
    return f"failing, not yet confirmed: it failed once, at {local_time(at)}{said}"


def _moment(verdict: PathVerdict) -> datetime:
    if verdict.checked_at is None:
        raise TypeError("a look has a moment")
    return verdict.checked_at


def _seen(failing: Failing | None, look: PathVerdict) -> Failing | None:
    """The failure that stands after one look more."""
    if look.verdict is not Verdict.DOWN:
        return None
    at = _moment(look)
    return Failing(
        failing.first if failing else at,
        at,
        failing.count + 1 if failing else 1,
        failing.trouble if failing else _trouble(look),
    )


def _trouble(look: PathVerdict) -> Trouble:
    return Trouble(look.cause, look.layer, look.object, look.detail, look.failed_level)


def _cause(
    last: PathVerdict, before: Failing | None, past: Sequence[PastVerdict], earlier: Sequence[PathVerdict]
) -> Trouble:
    """What is broken: by the last look, unless what was known before is known better.

    Args:
        last: the look that counts.
        before: the failure that stands from earlier runs.
        past: the looks of earlier runs.
        earlier: the looks of this run before that one.
    """
    standing = before.trouble if before else None
    causes = [one.cause for one in past if one.verdict is Verdict.DOWN and not one.maintenance][-1:]
    for look in [*earlier, last]:
        if look.verdict is not Verdict.DOWN:
            standing, causes = None, []
            continue
        new = _trouble(look)
        agreed = bool(causes) and causes[-1] is new.cause
        if standing is None or agreed or _replaces(new, standing, look.passed):
            standing = new
        causes.append(new.cause)
    return standing or _trouble(last)


def _replaces(new: Trouble, standing: Trouble, passed: Iterable[int]) -> bool:
    """Whether a cause is known better than one of before, or what that one stood for is good again."""
    return standing.level in passed or standing.cause is new.cause or quality(new.cause) > quality(standing.cause)


def quality(cause: Cause) -> int:
    """How well a cause is known: not at all, concluded from a silence, or said."""
    if cause in {Cause.UNKNOWN, Cause.NOT_CHECKED, Cause.NONE}:
        return 0
    return 1 if cause in INFERRED else 2


# --- flapping -------------------------------------------------------------------------------------


def _changes(looks: Sequence[PathVerdict], memory: PathMemory, at: datetime) -> int:
    """How often a path changed between up and down lately; what was in a maintenance window does not count."""
    lately = [past.verdict for past in memory.past if at - past.at <= FLAPPING_WINDOW and not past.maintenance]
    told = [verdict for verdict in (*lately, *(look.verdict for look in looks)) if verdict in _GOOD_OR_BAD]
    return sum(one is not other for one, other in pairwise(told))


def _flapping(verdict: PathVerdict, memory: PathMemory, changes: int) -> PathVerdict:
    trouble = memory.trouble
    was = f"; the last time it was down: {trouble.cause.value}" if trouble and trouble.cause.value else ""
    known = trouble is not None and trouble.layer is not None
    return replace(
        verdict,
        verdict=Verdict.DEGRADED,
        cause=Cause.FLAPPING,
        layer=trouble.layer if trouble and known else Layer.STREAM,
        object=trouble.object if trouble and known else verdict.path,
        detail=f"it is up now, and changed {changes} times between up and down in {_hours(FLAPPING_WINDOW)} h{was}",
    )


def _hours(time: timedelta) -> int:
    return int(time.total_seconds() // 3600)


def remembered(memory: PathMemory, looks: Iterable[Look]) -> PathMemory:
    """The memory after a run's looks."""
    for look in looks:
        memory = after(memory, look)
    return memory
