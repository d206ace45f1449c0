"""A path's memory (docs/internals/records.md), and verdicts stored for years. Pure.

To remember more of a path, add a field with a default here, its line in `memory_document` and `_memory_in`, and its
source in `PathLook` (`verify.result`) and `after`. An older document gets the default.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Final, NotRequired, TypedDict, TypeVar

from provisioner.base.errors import UnreadableError
from provisioner.base.text import Document
from provisioner.hosts.answers import read, wire
from provisioner.record.availability import path_state
from provisioner.record.availability.path_state import PathState, StoredVerdict, SweptPaths
from provisioner.verify.result import INFERRED, Cause, Finding, Layer, PathLook, PathVerdict, Verdict, VerifyResult

#: Of two looks at a path the later word wins: an unknown path may still deliver, unlike a failed one.
_WORTH: Final = ("quarantined", "down", "unknown", "degraded", "up")

VERSION: Final = 1
MOST_PAST: Final = 24  #: The most verdicts: some weeks of nights, or one unsteady day.
MOST_KEYS: Final = 32  #: The most hashes of key packets, newest last.
MOST_SUSPECTS: Final = 16
MOST_LEVELS: Final = 16

REMEMBERED_FOR: Final = timedelta(hours=6)  #: The age at which a failure no longer counts for the present.

_FAILED: Final = StoredVerdict(Verdict.DOWN.value)
_LONGEST_WORD = 200
_LONGEST_DETAIL = 300
_HIGHEST_LEVEL = 99
_LARGEST_NOISE = 255.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# An older time comes from a wrong clock or is invented.
_EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)

_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class PastVerdict:
    """The result of one earlier look by itself."""

    at: datetime
    verdict: Verdict  #: The look's own; never `maintenance`, never based on earlier looks.
    cause: Cause = Cause.NONE
    maintenance: bool = False  #: Whether the path was in a maintenance window, so that the look does not count.


@dataclass(frozen=True, slots=True)
class Failing:
    """A present failure."""

    state: PathState  #: Its start and looks, outside maintenance windows.
    finding: Finding  #: The best-known cause of all its looks.


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A suspect picture; a person should look if it lasts."""

    kind: str  #: One word of the check that found it.
    first: datetime  #: The first check that found it, without a good one since.
    last: datetime  #: The last check that found it.
    checks: int  #: Their number.


@dataclass(frozen=True, slots=True)
class PathMemory:
    """The memory of one path."""

    past: tuple[PastVerdict, ...] = ()  #: The last looks, newest last.
    failing: Failing | None = None  #: The present failure; `None` if the last informative look was good.
    finding: Finding | None = None  #: The last fault.
    #: The last proof of each level.
    proofs: Mapping[int, datetime] = field(default_factory=dict)
    content: str = ""  #: The hash of the desired path at the last proof of its highest level.
    full_look: datetime | None = None  #: The last full look without a fault.
    keys: tuple[str, ...] = ()  #: Hashes of the last key packets, newest last.
    suspects: tuple[Suspicion, ...] = ()  #: Suspicions by kind.
    #: The largest of the looks' smallest differences between key pictures: whether the camera can look still.
    noise: float | None = None

    @property
    def last(self) -> PastVerdict | None:
        """The last look."""
        return self.past[-1] if self.past else None

    def as_of(self, moment: datetime) -> "PathMemory":
        """Return the memory without later entries, which a wrong clock made."""
        failing = self.failing if self.failing and self.failing.state.last_look <= moment else None
        full_look = self.full_look if self.full_look and self.full_look <= moment else None
        return replace(
            self,
            past=tuple(entry for entry in self.past if entry.at <= moment),
            failing=failing,
            proofs={level: at for level, at in self.proofs.items() if at <= moment},
            full_look=full_look,
            suspects=tuple(entry for entry in self.suspects if entry.last <= moment),
        )


NOTHING: Final = PathMemory()  #: An empty memory.
Memories = Mapping[str, PathMemory]  #: Memories by path name.


def swept_paths(result: VerifyResult, *, whole: bool) -> SweptPaths:
    """Return a verification's verdicts for the history, without unreached paths."""
    looks = sorted((path for path in result.paths if _is_look(path)), key=_worth)
    # A path that two relays have is as good as the better of them: its readers have that one.
    verdicts = {path.path: _stored_verdict(path) for path in looks}
    return SweptPaths(verdicts, {path.path: path.carrier for path in result.paths}, whole)


def _is_look(path: PathVerdict) -> bool:
    """Return whether the run looked: unrequested paths keep their last look."""
    is_left_out = path.cause is Cause.NOT_CHECKED and path.checked_at is None
    return path.cause is not Cause.NOT_ASKED and not is_left_out


def _worth(path: PathVerdict) -> tuple[str, int, int]:
    return path.path, _WORTH.index(path.without_window.value), path.level


def _stored_verdict(path: PathVerdict) -> StoredVerdict:
    return StoredVerdict(path.without_window.value, path.cause.value, path.level, path.maintenance is not None)


# --- one look more --------------------------------------------------------------------------------
def after(memory: PathMemory, look: PathLook) -> PathMemory:
    """Add a look; parallel commands may add looks in any order."""
    cause = look.finding.cause if look.finding else Cause.NONE
    newest = PastVerdict(look.at, look.verdict, cause, look.maintenance)
    past = tuple(sorted({*memory.past, newest}, key=_in_order))[-MOST_PAST:]
    if memory.last is not None and memory.last.at > look.at:  # a later look is remembered already: it knows better
        return replace(memory, past=past, proofs=_later(memory.proofs, look))
    return PathMemory(
        past=past,
        failing=_updated_failure(memory, look),
        finding=look.finding if look.finding is not None and look.verdict is Verdict.DOWN else memory.finding,
        proofs=_later(memory.proofs, look),
        content=look.content if look.complete and look.verdict is Verdict.UP else memory.content,
        full_look=look.at if look.full else memory.full_look,
        keys=(*memory.keys, *look.keys)[-MOST_KEYS:],
        suspects=memory.suspects if look.suspects is None else _updated_suspicions(memory.suspects, look),
        noise=max((noise for noise in (memory.noise, look.noise) if noise is not None), default=None),
    )


def _in_order(past: PastVerdict) -> tuple[datetime, str, str, bool]:
    return past.at, past.verdict, past.cause, past.maintenance


def _later(proofs: Mapping[int, datetime], look: PathLook) -> Mapping[int, datetime]:
    return dict(proofs) | {level: max(look.at, proofs.get(level, look.at)) for level in look.proved}


def _updated_failure(memory: PathMemory, look: PathLook) -> Failing | None:
    present = memory.failing
    if look.maintenance or look.verdict is Verdict.UNKNOWN:
        return present
    if look.verdict is not Verdict.DOWN or look.finding is None:
        return None
    state = path_state.after(present.state if present else None, _FAILED, look.at)
    stays = present is not None and not _replaces_cause(look, look.finding, memory, present)
    return Failing(state, present.finding if present and stays else look.finding)


def _replaces_cause(look: PathLook, finding: Finding, memory: PathMemory, present: Failing) -> bool:
    """Return whether a look's cause replaces the present one (docs/internals/verify.md)."""
    before = next((p.cause for p in reversed(memory.past) if p.verdict is Verdict.DOWN and not p.maintenance), None)
    same = finding.cause in {present.finding.cause, before}
    better = quality(finding.cause) > quality(present.finding.cause)
    return same or better or present.finding.level in look.proved or look.at - present.state.last_look > REMEMBERED_FOR


def quality(cause: Cause) -> int:
    """Rate a cause: 0 unknown, 1 inferred from silence, 2 reported."""
    if cause in {Cause.UNKNOWN, Cause.NOT_CHECKED, Cause.NONE}:
        return 0
    return 1 if cause in INFERRED else 2


def _updated_suspicions(previous: Iterable[Suspicion], look: PathLook) -> tuple[Suspicion, ...]:
    at, since = look.at, look.since or look.at
    before = {suspicion.kind: suspicion for suspicion in previous}
    now = [
        replace(before[kind], last=at, checks=before[kind].checks + (before[kind].last < since))
        if kind in before
        else Suspicion(kind, at, at, 1)
        for kind in sorted(look.suspects or ())
    ]
    return tuple(now[:MOST_SUSPECTS])


# --- its document ---------------------------------------------------------------------------------
def memory_document(memory: PathMemory) -> Document:
    """Return a memory in plain values, with seconds since 1970."""
    failing = memory.failing
    return {
        "version": VERSION,
        "past": [[_seconds(p.at), p.verdict.value, p.cause.value, p.maintenance] for p in memory.past],
        "failing": None
        if failing is None
        else {
            "first": _seconds(failing.state.since),
            "last": _seconds(failing.state.last_look),
            "count": failing.state.looks,
            "trouble": _finding_document(failing.finding),
        },
        "trouble": None if memory.finding is None else _finding_document(memory.finding),
        "proofs": {str(level): _seconds(at) for level, at in sorted(memory.proofs.items())},
        "content": memory.content,
        "full_look": None if memory.full_look is None else _seconds(memory.full_look),
        "keys": list(memory.keys),
        "noise": memory.noise,
        "suspects": [[s.kind, _seconds(s.first), _seconds(s.last), s.checks] for s in memory.suspects],
    }


def _finding_document(finding: Finding) -> Document:
    return {
        "cause": finding.cause.value,
        "layer": finding.layer.value if finding.layer else None,
        "object": finding.object[:_LONGEST_WORD],
        "detail": finding.detail[:_LONGEST_DETAIL],
        "level": finding.level,
    }


def _seconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(seconds=1)


class _FindingRow(TypedDict):
    cause: str
    layer: NotRequired[str | None]
    object: str
    detail: str
    level: wire.Count


class _FailingRow(TypedDict):
    first: int
    last: int
    count: wire.Count
    trouble: _FindingRow


class _MemoryRow(TypedDict):
    version: int
    past: list[list[object]]
    failing: NotRequired[_FailingRow | None]
    trouble: NotRequired[_FindingRow | None]
    proofs: dict[str, int]
    content: str
    full_look: NotRequired[int | None]
    noise: NotRequired[Annotated[float, wire.Bounds(0, _LARGEST_NOISE)] | None]
    keys: list[str]
    suspects: list[list[object]]


def memory_from(document: object) -> PathMemory | None:
    """Parse a stored memory, also of later versions; `None` if invalid."""
    try:
        return _memory_in(read(_MemoryRow, document))
    except (UnreadableError, ValueError, OverflowError):
        return None


def _memory_in(row: _MemoryRow) -> PathMemory:
    if row["version"] != VERSION:
        raise UnreadableError("it is of another version")
    failing, finding, full_look = row.get("failing"), row.get("trouble"), row.get("full_look")
    return PathMemory(
        past=tuple(sorted((_past_verdict(verdict) for verdict in row["past"][-MOST_PAST:]), key=_in_order)),
        failing=_failing_in(failing) if failing is not None else None,
        finding=_finding(finding) if finding is not None else None,
        proofs=_proofs(row["proofs"]),
        content=row["content"][:_LONGEST_WORD],
        full_look=_moment(full_look) if full_look is not None else None,
        noise=row.get("noise"),
        keys=tuple(key[:_LONGEST_WORD] for key in row["keys"][-MOST_KEYS:]),
        suspects=tuple(map(_suspicion_in, row["suspects"][:MOST_SUSPECTS])),
    )


def _past_verdict(row: object) -> PastVerdict:
    if not (isinstance(row, list) and len(row) == len(("at", "verdict", "cause", "maintenance"))):
        raise UnreadableError("a verdict has four parts")
    at, verdict, cause, maintenance = row
    if not isinstance(maintenance, bool):
        raise UnreadableError("a window is one or none")
    return PastVerdict(_moment(at), Verdict(verdict), _choice_or_default(Cause, cause, Cause.UNKNOWN), maintenance)


def _failing_in(row: _FailingRow) -> Failing:
    first, last = _moment(row["first"]), _moment(row["last"])
    if last < first:
        raise UnreadableError("it ends before it begins")
    state = PathState(_FAILED.verdict, "", 0, first, max(1, row["count"]), last)
    return Failing(state, _finding(row["trouble"]))


def _finding(row: _FindingRow) -> Finding:
    layer = row.get("layer")
    return Finding(
        cause=_choice_or_default(Cause, row["cause"], Cause.UNKNOWN),
        layer=_choice_or_default(Layer, layer, Layer.STREAM) if layer is not None else None,
        object=row["object"][:_LONGEST_WORD],
        detail=row["detail"][:_LONGEST_DETAIL],
        level=min(row["level"], _HIGHEST_LEVEL),
    )


def _proofs(row: Mapping[str, int]) -> dict[int, datetime]:
    names = [name for name in row if name.isascii() and name.isdecimal() and int(name) <= _HIGHEST_LEVEL]
    return {int(name): _moment(row[name]) for name in sorted(names, key=int)[:MOST_LEVELS]}


def _suspicion_in(row: object) -> Suspicion:
    if not (isinstance(row, list) and len(row) == len(("kind", "first", "last", "checks"))):
        raise UnreadableError("a suspicion has four parts")
    kind, first, last, checks = row
    counted = isinstance(checks, int) and not isinstance(checks, bool) and checks > 0
    if not (isinstance(kind, str) and kind.isprintable() and len(kind) <= _LONGEST_WORD and counted):
        raise UnreadableError("a suspicion has a kind, and checks that saw it")
    return Suspicion(kind, _moment(first), _moment(last), checks)


def _choice_or_default(choices: type[_Word], text: object, default: _Word) -> _Word:
    try:
        return choices(str(text))
    except ValueError:
        return default


def _moment(seconds: object) -> datetime:
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise UnreadableError("a moment is a whole number of seconds")
    return _moment_of(seconds)


@lru_cache(maxsize=65_536)  # a country's paths were looked at in the same few nights
def _moment_of(seconds: int) -> datetime:
    moment = _EPOCH + timedelta(seconds=seconds)
    if moment < _EARLIEST:
        raise UnreadableError("nobody looked then")
    return moment
