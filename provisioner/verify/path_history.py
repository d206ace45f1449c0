"""The verdict on a path, from several looks and its memory. Pure.

A verdict of `judge` is one look by itself. Here it becomes the verdict on the path:

- The last look that showed anything counts. One that is not good is never overruled by an earlier good one, nor by a
  memory; only a look at all levels makes a path `up`.
- Down needs two failures at least a minute apart with nothing good between them: two looks of this run, or one of
  this run and one that is remembered and at most some hours old. A single failure is `unknown` with its cause: the path
  is not up, and no technician is sent out for a camera that was just starting.
- A cause stays while the failure lasts, until another is known better, the level that it stood for passes, or two
  looks in a row agree on another: a silence does not hide what a camera said an hour ago.
- Flapping: a path that is up now, and went down and came back again and again, is `degraded`.

With `--once` one look decides, and nothing from before counts. A path in a maintenance window is measured and shown,
and raises no alarm. Time, windows and memories are handed in with the orders of a run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Final, Protocol

from provisioner.base.text import local_time, msg
from provisioner.plan.change import HostCut
from provisioner.verify.judge import HIGHEST
from provisioner.verify.memory import REMEMBERED_FOR, Failing, Memories, PathMemory, after
from provisioner.verify.paths import PathToCheck
from provisioner.verify.picture_check import State
from provisioner.verify.picture_mode import Looks
from provisioner.verify.reference import TELLING, References, ViewDoubt, lasting
from provisioner.verify.result import (
    Cause,
    Finding,
    InMaintenance,
    LastProof,
    Layer,
    PathLook,
    PathVerdict,
    PictureReport,
    Scope,
    StandingFailure,
    SuspectSign,
    ToLookAt,
    Verdict,
)
from provisioner.verify.rotation import Share, content_of

APART: Final = timedelta(seconds=60)
"""Two failures at least so far apart are no moment's weakness."""
FLAPPING_CHANGES: Final = 4
FLAPPING_WINDOW: Final = timedelta(hours=48)
"""So many changes between up and down within so long are flapping: two nights with an outage each."""

_GOOD_OR_BAD = frozenset({Verdict.UP, Verdict.DOWN})


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which work was announced, and what it is about.

    Attributes:
        begin: its first moment.
        until: the first moment after it.
        everything: whether it is about all there is.
        cut: what a change of a host cuts, where it is one that is under way.
    """

    begin: datetime
    until: datetime
    reason: str
    facilities: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    carriers: frozenset[str] = frozenset()
    everything: bool = False
    cut: HostCut | None = None

    def holds(self, moment: datetime) -> bool:
        """Whether a moment is inside."""
        return self.begin <= moment < self.until

    def is_about(self, target: PathToCheck) -> bool:
        """Whether a path is in it: by its facility, by a host that it goes over, or by its carrier."""
        over = {target.relay.id, *(centre.id for centre in target.centres), *(centre.id for centre in target.shut)}
        named = target.path.facility in self.facilities or target.carrier in self.carriers
        if self.cut is not None and self.cut.host in over and _is_cut(self.cut, target):
            return True
        return self.everything or named or not over.isdisjoint(self.hosts)


def _is_cut(cut: HostCut, target: PathToCheck) -> bool:
    """Whether a host's change cuts a path: on its way to its relay, or from there to a centre."""
    if cut.host == target.relay.id:
        return cut.takes(target.path.facility, target.path.name)
    return cut.takes_reading(target.relay.id)


class Onlooker(Protocol):
    """Who is told what a verification waits for, while it waits."""

    def asked(self, paths: Mapping[str, int]) -> None:
        """All hosts were asked, each about so many paths."""

    def answered(self, host: str, outcome: str, seconds: float) -> None:
        """A host has answered, or is not waited for any more."""


class NoOnlooker:
    """Nobody is told."""

    def asked(self, paths: Mapping[str, int]) -> None:
        """Tell nobody."""

    def answered(self, host: str, outcome: str, seconds: float) -> None:
        """Tell nobody."""


_NOBODY = NoOnlooker()


@dataclass(frozen=True, slots=True)
class Timepiece:
    """The time: which it is, and how to let some of it pass."""

    now: Callable[[], datetime]
    pause: Callable[[float], None]


def _say_nothing(_sentence: str) -> None:
    """Say nothing."""


def _no_changes(_since: datetime) -> tuple[Window, ...]:
    """Know of no change of a host."""
    return ()


@dataclass(frozen=True, slots=True)
class Orders:
    """How far a verification goes, and what it knows from before.

    Attributes:
        level: up to which level; None is all of them.
        sample: which share of the cameras; None is all of them.
        deadline_s: how long it may take at most; None: as long as it takes.
        looks: how pictures are looked at.
        asks_again: whether devices are asked about themselves with a login, too, that they refused before.
        once: whether paths are judged by one look alone: one failure is enough for `down`, nothing of before counts.
        memories: what earlier verifications left, by the path's name.
        forgot: why there is nothing of that; empty where it could be read.
        windows: the maintenance windows of the inventory.
        changes: tells what was cut since a moment by changes of hosts: a window for each.
        references: what people accepted of pictures, by the path's name, of whole facilities.
        say: tells a person what is waited for.
        onlooker: is told of each host when it is asked, and when it has answered.
        keep: takes what looks proved, once a relay is judged and while others are still asked: what it took is not in
            the result. None leaves all in the result.
    """

    level: int | None = None
    sample: Share | None = None
    deadline_s: float | None = None
    looks: Looks = Looks.QUICK
    asks_again: bool = False
    once: bool = False
    memories: Memories = field(default_factory=lambda: MappingProxyType({}))
    forgot: str = ""
    windows: tuple[Window, ...] = ()
    changes: Callable[[datetime], Sequence[Window]] = _no_changes
    references: Mapping[str, References] = field(default_factory=lambda: MappingProxyType({}))
    say: Callable[[str], None] = _say_nothing
    onlooker: Onlooker = _NOBODY
    keep: Callable[[Sequence[PathLook]], None] | None = None


EVERYTHING = Orders()
"""All levels of all paths, however long it takes, without a memory."""


def window_over(target: PathToCheck, windows: Sequence[Window], moment: datetime) -> Window | None:
    """The window that a path is in at a moment, the one that ends last where there are several."""
    around = (window for window in windows if window.holds(moment) and window.is_about(target))
    return max(around, key=lambda window: window.until, default=None)


def window_meanwhile(target: PathToCheck, windows: Sequence[Window], begun: datetime, until: datetime) -> Window | None:
    """The window that a path was in at some moment of a time, the one that ends last where there are several."""
    around = (one for one in windows if one.begin <= until and begun < one.until and one.is_about(target))
    return max(around, key=lambda window: window.until, default=None)


def in_window(verdict: PathVerdict, window: Window | None) -> PathVerdict:
    """A verdict on a path that is in a window, with what it would be; without one, the verdict itself."""
    if window is None:
        return verdict
    shown = InMaintenance(window.begin, window.until, window.reason, verdict.verdict)
    return replace(verdict, verdict=Verdict.MAINTENANCE, maintenance=shown)


def look_of(verdict: PathVerdict, target: PathToCheck, *, maintenance: bool) -> PathLook | None:
    """A verdict of `judge` as it is remembered; None where nobody looked."""
    if verdict.checked_at is None:
        return None
    look = _look(verdict, content_of(target), maintenance=maintenance)
    return replace(look, path=target.remembered_as)


def _look(verdict: PathVerdict, content: str, *, maintenance: bool) -> PathLook:
    picture = verdict.picture or PictureReport("")
    return PathLook(
        path=verdict.path,
        at=moment_of(verdict),
        verdict=verdict.verdict,
        finding=None if verdict.cause in {Cause.NONE, Cause.NOT_ASKED} else verdict.finding,
        proved=verdict.passed,
        content=content,
        complete=verdict.verdict is Verdict.UP and verdict.level == HIGHEST.number,
        full=picture.full and verdict.verdict is Verdict.UP,
        keys=picture.keys,
        suspects=_suspects(picture),
        noise=picture.noise,
        maintenance=maintenance,
    )


def _suspects(picture: PictureReport) -> frozenset[str] | None:
    """The kinds that a look saw; None where it was no picture that could be judged."""
    if not picture.seconds or (picture.state != State.GOOD.value and not picture.seen):
        return None
    return frozenset(one.kind for one in picture.seen)


def with_lasting(verdict: PathVerdict, memory: PathMemory, looks: Sequence[PathVerdict]) -> PathVerdict:
    """A verdict with what a person should look at: what was suspect in several checks, spread in time.

    Args:
        verdict: what is said of the path.
        memory: what earlier runs left.
        looks: the verdicts of this run's looks.
    """
    if not memory.suspects and not any(look.picture and look.picture.seen for look in looks):
        return verdict
    checked = [_look(look, "", maintenance=False) for look in looks if look.checked_at is not None]
    seen = {one.kind: one for look in looks if look.picture for one in look.picture.seen}
    lasts = (one for one in remembered(memory, checked).suspects if lasting(one))
    lasted = [(one, seen.get(one.kind, SuspectSign(one.kind, one.kind))) for one in lasts]
    return replace(verdict, to_look_at=tuple(ToLookAt(s.word, one.first, one.checks, s.detail) for one, s in lasted))


def of_one_camera(verdicts: Sequence[PathVerdict]) -> tuple[PathVerdict, ...]:
    """Verdicts whose streams of one camera say the same of its view: what the most telling of them does.

    A lens is covered or it is not, and a small stream of little light may show only that its view is another one.
    """
    views: dict[tuple[str, str], list[tuple[int, str, ToLookAt]]] = defaultdict(list)
    for verdict in verdicts:
        for one in verdict.to_look_at:
            if one.word in TELLING:
                views[_camera(verdict)].append((TELLING.index(ViewDoubt(one.word)), verdict.path, one))
    telling = {camera: min(seen, key=lambda view: view[:2]) for camera, seen in views.items()}
    return tuple(_alike(one, *telling[_camera(one)]) if _camera(one) in telling else one for one in verdicts)


def _camera(verdict: PathVerdict) -> tuple[str, str]:
    return verdict.facility, verdict.camera


def _alike(verdict: PathVerdict, rank: int, path: str, telling: ToLookAt) -> PathVerdict:
    """A verdict that says of its camera's view what a more telling stream does."""
    detail = msg("{detail}, by its stream {path}", telling.detail, path.rpartition("/")[2])
    return replace(
        verdict,
        to_look_at=tuple(
            replace(one, word=telling.word, detail=detail) if one.word in TELLING[rank + 1 :] else one
            for one in verdict.to_look_at
        ),
    )


def needs_second_look(verdict: PathVerdict, memory: PathMemory) -> bool:
    """Whether a look that failed is the first that did, so that it has to be seen again before it is `down`."""
    at = verdict.checked_at
    if verdict.verdict is not Verdict.DOWN or at is None:
        return False
    return not _confirms(_before(memory.known_at(at), at).failing, at)


def settled(looks: Sequence[PathVerdict], memory: PathMemory, scope: Scope) -> PathVerdict:
    """What is said of a path.

    Args:
        looks: the verdicts of this run's looks, in their order, at least one.
        memory: what earlier runs left.
        scope: whether the path is to be judged by one look alone.
    """
    last = next((look for look in reversed(looks) if _shows(look)), looks[-1])
    at = last.checked_at
    if at is None:
        return _with_proof(last, memory)
    known = memory.known_at(at)
    if scope.once:
        return _by_itself(last, known)
    if last.verdict is Verdict.DOWN:
        return _with_proof(_failing(last, looks, known), known)
    if last.verdict is Verdict.UP and (changes := _changes(looks, known, at)) >= FLAPPING_CHANGES:
        return _with_proof(_flapping(last, known, changes), known)
    return last if last.verdict is Verdict.UP else _with_proof(last, known)


def _by_itself(look: PathVerdict, memory: PathMemory) -> PathVerdict:
    """What one look says, whatever was before it."""
    standing = StandingFailure(moment_of(look), 1, confirmed=True) if look.verdict is Verdict.DOWN else None
    said = replace(look, standing=standing)
    return said if look.verdict is Verdict.UP else _with_proof(said, memory)


def _shows(look: PathVerdict) -> bool:
    """Whether a look came to know anything about how the path is."""
    return look.checked_at is not None and look.verdict is not Verdict.UNKNOWN


def _with_proof(verdict: PathVerdict, memory: PathMemory) -> PathVerdict:
    return replace(verdict, last_proof=last_proof(memory))


def last_proof(memory: PathMemory) -> LastProof | None:
    """What was last proved of a path at its highest level; None where nothing ever was."""
    if not memory.proofs:
        return None
    level = max(memory.proofs)
    return LastProof(level, memory.proofs[level])


# --- failures -------------------------------------------------------------------------------------


def _before(memory: PathMemory, at: datetime) -> PathMemory:
    """What is remembered, without a failure that is too old to say anything about now."""
    failing = memory.failing
    recent = failing is not None and at - failing.state.last_look <= REMEMBERED_FOR
    return memory if recent else replace(memory, failing=None)


def _confirms(failing: Failing | None, at: datetime) -> bool:
    return failing is not None and at - failing.state.since >= APART


def _failing(last: PathVerdict, looks: Sequence[PathVerdict], memory: PathMemory) -> PathVerdict:
    """A path of which the last look that showed anything failed: down, or not yet."""
    at = moment_of(last)
    shown = (_look(look, "", maintenance=False) for look in looks[: looks.index(last) + 1] if _shows(look))
    failing = remembered(_before(memory, at), shown).failing
    if failing is None:
        raise TypeError("a look that failed is a failure")
    finding, confirmed = failing.finding, _confirms(failing, at)
    return replace(
        last,
        verdict=Verdict.DOWN if confirmed else Verdict.UNKNOWN,
        finding=finding if confirmed else replace(finding, detail=_unconfirmed(finding, at)),
        standing=StandingFailure(failing.state.since, failing.state.looks, confirmed),
    )


def _unconfirmed(finding: Finding, at: datetime) -> str:
    said = f": {finding.detail}" if finding.detail else ""
    return msg("failing, not yet confirmed: it failed once, at {at}{said}", local_time(at), said)


def moment_of(verdict: PathVerdict) -> datetime:
    """When the look was that a verdict is of."""
    if verdict.checked_at is None:
        raise TypeError("a look has a moment")
    return verdict.checked_at


# --- flapping -------------------------------------------------------------------------------------


def _changes(looks: Sequence[PathVerdict], memory: PathMemory, at: datetime) -> int:
    """How often a path changed between up and down lately; what was in a maintenance window does not count."""
    lately = [past.verdict for past in memory.past if at - past.at <= FLAPPING_WINDOW and not past.maintenance]
    known = [verdict for verdict in (*lately, *(look.verdict for look in looks)) if verdict in _GOOD_OR_BAD]
    return sum(one is not other for one, other in pairwise(known))


def _flapping(verdict: PathVerdict, memory: PathMemory, changes: int) -> PathVerdict:
    last = memory.finding
    was = "; " + msg("the last time it was down: {value}", last.cause.value) if last and last.cause.value else ""
    known = last if last and last.layer else Finding(Cause.FLAPPING, Layer.STREAM, verdict.path)
    detail = msg(
        "it is up now, and changed {changes} times between up and down in {flapping_window} h{was}",
        changes,
        _hours(FLAPPING_WINDOW),
        was,
    )
    finding = replace(known, cause=Cause.FLAPPING, detail=detail, level=0)
    return replace(verdict, verdict=Verdict.DEGRADED, finding=finding)


def _hours(time: timedelta) -> int:
    return int(time.total_seconds() // 3600)


def remembered(memory: PathMemory, looks: Iterable[PathLook]) -> PathMemory:
    """The memory after a run's looks."""
    for look in looks:
        memory = after(memory, look)
    return memory
