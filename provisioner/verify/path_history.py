"""The verdict on a path, from several looks and its memory. Pure.

The rules of several looks are in docs/internals/verify.md. Flapping: a path that is up now, but went down and up
repeatedly for the same cause, is `degraded`. A change of a host or a maintenance window explains what happened
meanwhile, and causes of configuration end by somebody's hand. A path in a maintenance window is measured and shown,
without an alarm. The caller passes time, windows and memories in the run's orders.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, Protocol

from provisioner.base.groups import gathered
from provisioner.base.text import local_time, msg
from provisioner.plan.change import HostCut
from provisioner.verify import result
from provisioner.verify.judge import HIGHEST
from provisioner.verify.memory import REMEMBERED_FOR, Failing, Memories, PastVerdict, PathMemory, after
from provisioner.verify.paths import PathToCheck
from provisioner.verify.picture_check import State
from provisioner.verify.picture_measures import Looks
from provisioner.verify.reference import TELLING, References, ViewDoubt, lasting
from provisioner.verify.rotation import Share, content_of

APART: Final = timedelta(seconds=60)  #: The least time between two failures that confirm each other.
FLAPPING_CHANGES: Final = 4
#: The time for `FLAPPING_CHANGES` between up and down: two nights with an outage each.
FLAPPING_WINDOW: Final = timedelta(hours=48)

_OUTAGE: Final = 2  #: The changes of one outage: its begin and its end.

_GOOD_OR_BAD = frozenset({result.Verdict.UP, result.Verdict.DOWN})
# They last until somebody changes what is configured.
_OF_CONFIGURATION = frozenset(
    {
        *(
            result.Cause.WRONG_PASSWORD,
            result.Cause.NO_SUCH_STREAM,
            result.Cause.FIREWALL,
            result.Cause.FOREIGN_FIREWALL,
            result.Cause.DRIFT,
        ),
        *(
            result.Cause.NOT_FORWARDED,
            result.Cause.PORT_MAP_WRONG,
            result.Cause.PUBLISHER_REFUSED,
            result.Cause.ANOTHER_CERTIFICATE,
        ),
    }
)

#: Returns whether a host's change or a window explains a path's change.
Explains = Callable[[datetime, datetime], bool]


@dataclass(frozen=True, slots=True)
class Window:
    """A maintenance window."""

    begin: datetime  #: Its first moment.
    until: datetime  #: The first moment after it.
    reason: str
    names: frozenset[tuple[str, str]] = frozenset()  #: Its objects, each with the kind as in its file.
    everything: bool = False  #: Whether it covers all paths.
    cut: HostCut | None = None  #: The cut of a host's present change, if any.

    def holds(self, moment: datetime) -> bool:
        """Return whether a time is inside."""
        return self.begin <= moment < self.until

    def is_about(self, target: PathToCheck) -> bool:
        """Return whether it covers a path's facility, hosts or carrier."""
        hosts = {target.relay.id, *(one.id for one in target.centres), *(one.id for one in target.closed_centres)}
        if self.cut is not None and self.cut.host in hosts and _is_cut(self.cut, target):
            return True
        named = {
            ("facilities", target.path.facility),
            ("carriers", target.carrier),
            *(("hosts", host) for host in hosts),
        }
        return self.everything or not named.isdisjoint(self.names)


def _is_cut(cut: HostCut, target: PathToCheck) -> bool:
    """Return whether a host's change cuts a path or its reading."""
    if cut.host == target.relay.id:
        return cut.cuts_path(target.path.facility, target.path.name)
    return cut.everything or target.relay.id in cut.relays


class Onlooker(Protocol):
    """Receives the progress of a verification."""

    def hosts_called(self, paths: Mapping[str, int]) -> None:
        """Report that all hosts were asked, with paths by host."""

    def answered(self, host: str, outcome: str, seconds: float) -> None:
        """Report that a host answered or timed out."""

    def so_far(self, seconds: float, up: int, of_paths: int, incidents: Sequence[result.Incident]) -> None:
        """Report what is certain by now; each incident once."""


class NoOnlooker:
    """Ignores the progress."""

    def hosts_called(self, paths: Mapping[str, int]) -> None:
        """Do nothing."""

    def answered(self, host: str, outcome: str, seconds: float) -> None:
        """Do nothing."""

    def so_far(self, seconds: float, up: int, of_paths: int, incidents: Sequence[result.Incident]) -> None:
        """Do nothing."""


_NOBODY = NoOnlooker()


@dataclass(frozen=True, slots=True)
class Timepiece:
    """The present time, and a pause."""

    now: Callable[[], datetime]
    pause: Callable[[float], None]


def _say_nothing(_sentence: str) -> None:
    """Ignore the text."""


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The extent of a verification, and the past for it."""

    level: int | None = None  #: The highest level; `None` for all.
    sample: Share | None = None  #: The share of cameras; `None` for all.
    deadline_s: float | None = None  #: The longest duration; `None` for no limit.
    looks: Looks = Looks.QUICK  #: The kind of picture looks.
    asks_again: bool = False  #: Whether devices get a login again that they refused.
    once: bool = False  #: Whether one look decides, without the past.
    confirms: bool = True  #: Whether new failures are looked at again, a minute later.
    memories: Memories = field(default_factory=dict)  #: By path name.
    forgot: str = ""  #: Why there are no memories; empty if readable.
    windows: tuple[Window, ...] = ()  #: The inventory's maintenance windows.
    #: Returns windows for the cuts of hosts' changes since a time.
    changes: Callable[[datetime], Sequence[Window]] = lambda _since: ()
    #: Accepted views of whole facilities, by path name.
    references: Mapping[str, References] = field(default_factory=dict)
    say: Callable[[str], None] = _say_nothing  #: Shows a person what the run waits for.
    onlooker: Onlooker = _NOBODY  #: Receives progress by host.
    #: Takes proved looks of each judged relay out of the result, early; `None` keeps all in it.
    keep: Callable[[Sequence[result.PathLook]], None] | None = None


EVERYTHING = VerifyOptions()  #: All levels of all paths, without a limit or memory.


def window_over(target: PathToCheck, windows: Sequence[Window], moment: datetime) -> Window | None:
    """Return the last-ending window of a path at a time."""
    around = (window for window in windows if window.holds(moment) and window.is_about(target))
    return max(around, key=lambda window: window.until, default=None)


def window_meanwhile(
    target: PathToCheck, windows: Sequence[Window], started: datetime, until: datetime
) -> Window | None:
    """Return the last-ending window of a path during a time."""
    around = (
        candidate
        for candidate in windows
        if candidate.begin <= until and started < candidate.until and candidate.is_about(target)
    )
    return max(around, key=lambda window: window.until, default=None)


def in_window(verdict: result.PathVerdict, window: Window | None) -> result.PathVerdict:
    """Return the verdict in a window, with the original one; else unchanged."""
    if window is None:
        return verdict
    maintenance = result.InMaintenance(window.begin, window.until, window.reason, verdict.verdict)
    return replace(verdict, verdict=result.Verdict.MAINTENANCE, maintenance=maintenance)


def look_of(
    verdict: result.PathVerdict, target: PathToCheck, *, maintenance: bool, since: datetime | None = None
) -> result.PathLook | None:
    """Return a verdict of `judge` for the memory; `None` without a look."""
    if verdict.checked_at is None:
        return None
    look = _look(verdict, content_of(target), maintenance=maintenance)
    return replace(look, path=target.remembered_as, since=since)


def _look(verdict: result.PathVerdict, content: str, *, maintenance: bool) -> result.PathLook:
    picture = verdict.picture or result.PictureReport("")
    return result.PathLook(
        path=verdict.path,
        at=moment_of(verdict),
        verdict=verdict.verdict,
        finding=None if verdict.cause in {result.Cause.NONE, result.Cause.NOT_ASKED} else verdict.finding,
        proved=verdict.passed,
        content=content,
        complete=verdict.verdict is result.Verdict.UP and verdict.level == HIGHEST.number,
        full=picture.full and verdict.verdict is result.Verdict.UP,
        keys=picture.keys,
        suspects=_suspicions_of(picture),
        noise=picture.noise,
        maintenance=maintenance,
    )


def _suspicions_of(picture: result.PictureReport) -> frozenset[str] | None:
    """Return a look's suspicions; `None` if it could not be judged."""
    if not picture.seconds or (picture.state != State.GOOD.value and not picture.seen):
        return None
    return frozenset(sign.kind for sign in picture.seen)


def with_lasting(
    verdict: result.PathVerdict, memory: PathMemory, looks: Sequence[result.PathVerdict]
) -> result.PathVerdict:
    """Add lasting suspicions: found in several checks, spread in time."""
    if not memory.suspects and not any(look.picture and look.picture.seen for look in looks):
        return verdict
    checked = [_look(look, "", maintenance=False) for look in looks if look.checked_at is not None]
    checked = [replace(look, since=checked[0].at) for look in checked]
    signs = {suspect.kind: suspect for look in looks if look.picture for suspect in look.picture.seen}
    lasts = (suspect for suspect in remembered(memory, checked).suspects if lasting(suspect))
    lasted = [(suspect, signs.get(suspect.kind, result.SuspectSign(suspect.kind, suspect.kind))) for suspect in lasts]
    return replace(
        verdict,
        to_look_at=tuple(result.ToLookAt(s.word, suspect.first, suspect.checks, s.detail) for suspect, s in lasted),
    )


def with_camera_suspicions(verdicts: Sequence[result.PathVerdict]) -> tuple[result.PathVerdict, ...]:
    """Give a camera's streams the most specific suspicion of its view."""
    views = gathered(
        (_camera(verdict), (TELLING.index(ViewDoubt(doubt.word)), verdict.path, doubt))
        for verdict in verdicts
        for doubt in verdict.to_look_at
        if doubt.word in TELLING
    )
    telling = {camera: min(ranked, key=lambda view: view[:2]) for camera, ranked in views.items()}
    return tuple(
        _with_sibling_doubt(verdict, *telling[_camera(verdict)]) if _camera(verdict) in telling else verdict
        for verdict in verdicts
    )


def _camera(verdict: result.PathVerdict) -> tuple[str, str]:
    return verdict.facility, verdict.camera


def _with_sibling_doubt(
    verdict: result.PathVerdict, rank: int, path: str, telling: result.ToLookAt
) -> result.PathVerdict:
    detail = msg("{detail}, by its stream {path}", telling.detail, path.rpartition("/")[2])
    return replace(
        verdict,
        to_look_at=tuple(
            replace(doubt, word=telling.word, detail=detail) if doubt.word in TELLING[rank + 1 :] else doubt
            for doubt in verdict.to_look_at
        ),
    )


def needs_second_look(verdict: result.PathVerdict, memory: PathMemory) -> bool:
    """Return whether a failure is new and needs a second look."""
    at = verdict.checked_at
    if verdict.verdict is not result.Verdict.DOWN or at is None:
        return False
    return not _confirms(_before(memory.as_of(at), at).failing, at)


def settled(
    looks: Sequence[result.PathVerdict], memory: PathMemory, scope: result.Scope, explains: Explains = lambda *_: False
) -> result.PathVerdict:
    """Return the verdict on a path from ordered looks and memory."""
    last = next((look for look in reversed(looks) if _shows(look)), looks[-1])
    at = last.checked_at
    if at is None:
        return _with_proof(last, memory)
    past = memory.as_of(at)
    if scope.once:
        return _verdict_of_look(last, past)
    if last.verdict is result.Verdict.DOWN:
        return _with_proof(_failed_verdict(last, looks, past), past)
    if last.verdict is result.Verdict.UP and (changes := _count_changes(looks, past, at, explains)) >= FLAPPING_CHANGES:
        return _with_proof(_flapping_verdict(last, past, changes), past)
    return last if last.verdict is result.Verdict.UP else _with_proof(last, past)


def _verdict_of_look(look: result.PathVerdict, memory: PathMemory) -> result.PathVerdict:
    failure = result.LastingFailure(moment_of(look), 1, confirmed=True) if look.verdict is result.Verdict.DOWN else None
    verdict = replace(look, standing=failure)
    return verdict if look.verdict is result.Verdict.UP else _with_proof(verdict, memory)


def _shows(look: result.PathVerdict) -> bool:
    return look.checked_at is not None and look.verdict is not result.Verdict.UNKNOWN


def _with_proof(verdict: result.PathVerdict, memory: PathMemory) -> result.PathVerdict:
    return replace(verdict, last_proof=last_proof(memory))


def last_proof(memory: PathMemory) -> result.LastProof | None:
    """Return the last proof of the highest proved level, if any."""
    if not memory.proofs:
        return None
    level = max(memory.proofs)
    return result.LastProof(level, memory.proofs[level])


# --- failures -------------------------------------------------------------------------------------
def _before(memory: PathMemory, at: datetime) -> PathMemory:
    """Return the memory without a failure that is too old to count."""
    failing = memory.failing
    recent = failing is not None and at - failing.state.last_look <= REMEMBERED_FOR
    return memory if recent else replace(memory, failing=None)


def _confirms(failing: Failing | None, at: datetime) -> bool:
    return failing is not None and at - failing.state.since >= APART


def _failed_verdict(
    last: result.PathVerdict, looks: Sequence[result.PathVerdict], memory: PathMemory
) -> result.PathVerdict:
    at = moment_of(last)
    path_looks = (_look(look, "", maintenance=False) for look in looks[: looks.index(last) + 1] if _shows(look))
    failing = remembered(_before(memory, at), path_looks).failing
    if failing is None:
        raise TypeError("a look that failed is a failure")
    finding, confirmed = failing.finding, _confirms(failing, at)
    return replace(
        last,
        verdict=result.Verdict.DOWN if confirmed else result.Verdict.UNKNOWN,
        finding=finding if confirmed else replace(finding, detail=_unconfirmed(finding, at)),
        standing=result.LastingFailure(failing.state.since, failing.state.looks, confirmed),
    )


def _unconfirmed(finding: result.Finding, at: datetime) -> str:
    once = msg("failed once at {at}, not yet confirmed", local_time(at))
    return msg("{detail} ({once})", finding.detail, once) if finding.detail else once


def moment_of(verdict: result.PathVerdict) -> datetime:
    """Return the time of a verdict's look."""
    if verdict.checked_at is None:
        raise TypeError("a look has a moment")
    return verdict.checked_at


# --- flapping -------------------------------------------------------------------------------------
def _count_changes(looks: Sequence[result.PathVerdict], memory: PathMemory, at: datetime, explains: Explains) -> int:
    """Count recent unexplained changes between up and down."""
    recent = [past for past in memory.past if at - past.at <= FLAPPING_WINDOW and not past.maintenance]
    present = [PastVerdict(look.checked_at, look.verdict, look.cause) for look in looks if look.checked_at]
    shown = [past for past in (*recent, *present) if past.verdict in _GOOD_OR_BAD]
    changes = [pair for pair in pairwise(shown) if pair[0].verdict is not pair[1].verdict]
    if len(changes) < FLAPPING_CHANGES:
        return 0
    causes = Counter(_cause_of_change(pair) for pair in changes if not explains(pair[0].at, pair[1].at))
    return sum(count for cause, count in causes.items() if count > _OUTAGE and cause not in _OF_CONFIGURATION)


def _cause_of_change(pair: tuple[PastVerdict, PastVerdict]) -> result.Cause:
    cause = next(past.cause for past in pair if past.verdict is result.Verdict.DOWN)
    return result.Cause.UNKNOWN if cause in result.INFERRED else cause


def _flapping_verdict(verdict: result.PathVerdict, memory: PathMemory, changes: int) -> result.PathVerdict:
    last = memory.finding
    last_cause = "; " + msg("the last time it was down: {value}", last.cause.value) if last and last.cause.value else ""
    base = last if last and last.layer else result.Finding(result.Cause.FLAPPING, result.Layer.STREAM, verdict.path)
    detail = msg(
        "it is up now, and changed {changes} times between up and down in {flapping_window} h{was}",
        changes,
        int(FLAPPING_WINDOW.total_seconds() // 3600),
        last_cause,
    )
    finding = replace(base, cause=result.Cause.FLAPPING, detail=detail, level=0)
    return replace(verdict, verdict=result.Verdict.DEGRADED, finding=finding)


def remembered(memory: PathMemory, looks: Iterable[result.PathLook]) -> PathMemory:
    """Add a run's looks to the memory."""
    for look in looks:
        memory = after(memory, look)
    return memory
