"""The state of paths and relays in a watch, look by look.

It follows the rules of `path_history`, and has no clock of its own:

- A path is down if two looks at least a minute apart saw it still, without a look between that saw it flow.
  Before, it is unknown. The same holds for a silent relay.
- A visit (`verify --level 4` of its whole site) finds the cause after two still looks. A path is not shown as down
  before that visit, so that one fault is one incident; this wait is bounded.
- A path without a look for a minute is unknown; a down one stays down until a look sees it flow.
- A path that its relay lacks is not the camera's failure: it is quarantined, or not applied yet.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from provisioner.base.errors import UnreadableError
from provisioner.hosts.answers import read, wire
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.verify import path_history, words
from provisioner.verify.incidents import incidents_of, paths_by_incident
from provisioner.verify.memory import NOTHING, PathMemory, after
from provisioner.verify.path_history import APART
from provisioner.verify.paths import PathToCheck
from provisioner.verify.result import NO_FINDING, Cause, Finding, Incident, Layer, PathVerdict, Scope, Verdict

SAMPLE_S: Final = 4.0  #: A path without growth for this time stands still: the slowest cameras send a picture a second.
LEVEL: Final = 4  #: The level of a watch: the relay receives.
VISIT_AGAIN: Final = timedelta(minutes=5)  #: The pause between two visits for the same fault.
_SILENT_PAUSE: Final = timedelta(seconds=20)
_VISITED_BY: Final = timedelta(seconds=75)
_LOOKS_BEFORE_VISIT: Final = 2
_SCOPE: Final = Scope(level=LEVEL)
_NOTHING_COMES: Final = "nothing comes from it; why was not asked yet"
_NOT_THERE: Final = "its relay has no such path: what was applied last is not the inventory as it is now"


@dataclass(frozen=True, slots=True)
class FlowLook:
    """A relay's answer about its paths, or an error."""

    host: str
    at: datetime  #: The time of the question.
    seconds: float  #: Its duration.
    outcome: CallOutcome  #: Of the call.
    error: str = ""  #: Why the paths are unknown; empty if known.
    stopped: str = ""  #: The state of the relay's service; empty if it runs.
    flowing: frozenset[str] = frozenset()  #: Paths with growing bytes.
    standing: frozenset[str] = frozenset()  #: Known paths without.

    @property
    def is_answered(self) -> bool:
        """Whether the flow of all paths is known."""
        return not self.error


@dataclass(frozen=True, slots=True)
class RelayView:
    """A relay's last answer, its duration, and the present error."""

    host: str
    carrier: str
    known: datetime | None
    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class WatchView:
    """The state of a watch."""

    at: datetime
    counts: Mapping[tuple[str, str, Verdict], int]  #: Paths by carrier, province and state; `up` means flowing.
    standing: tuple[PathVerdict, ...]  #: Verdicts on paths that do not flow, or that flow again recently.
    incidents: tuple[Incident, ...]  #: Confirmed ones.
    relays: tuple[RelayView, ...]

    @property
    def total(self) -> int:
        """The number of watched paths."""
        return sum(self.counts.values())

    def number(self, verdict: Verdict) -> int:
        """Return the number of paths with a verdict."""
        return sum(count for (_, _, state), count in self.counts.items() if state is verdict)


@dataclass(slots=True)
class _WatchedPath:
    """A path that recently did not flow."""

    verdict: PathVerdict
    memory: PathMemory = NOTHING
    quarantine: PathVerdict | None = None  #: The verdict of a visit that found it quarantined.
    flowed: datetime | None = None  #: Since when it flows again, if it does.


@dataclass(slots=True)
class _Relay:
    targets: Mapping[str, PathToCheck]
    counts: Counter[tuple[str, str]]
    paths: dict[str, _WatchedPath] = field(default_factory=dict)
    asked: datetime | None = None
    known: datetime | None = None  #: Its last answer.
    silent_since: datetime | None = None  #: The first of its present unanswered looks.
    error: str = ""
    cause: Cause = Cause.NONE
    seconds: float = 0.0
    visited: datetime | None = None  #: The last visit for a cause.

    @property
    def carrier(self) -> str:
        return next((target.carrier for target in self.targets.values()), "")


def flow_call(targets: Mapping[str, PathToCheck]) -> HostCall:
    """Return the call for some paths' flow, over a shared connection."""
    request: wire.FlowLookRequest = {"operation": "flow", "paths": sorted(targets), "sample_s": SAMPLE_S}
    return HostCall(next(iter(targets.values())).relay, request, shares=True)


def flow_in(answer: HostAnswer, paths: Collection[str], at: datetime, seconds: float) -> FlowLook:
    """Parse a look; an unreadable answer is a failed call."""
    if answer.outcome is not CallOutcome.ANSWERED:
        return FlowLook(answer.host, at, seconds, answer.outcome, answer.error or "there is no answer")
    try:
        return _flow_look(answer.host, read(wire.FlowLookAnswer, answer.document), frozenset(paths), at, seconds)
    except UnreadableError as error:
        # The name of the field, never the document: it is another program's output.
        return FlowLook(answer.host, at, seconds, CallOutcome.FAILED, f"its answer cannot be read: {error}")


def _flow_look(
    host: str, answer: wire.FlowLookAnswer, path_names: frozenset[str], at: datetime, seconds: float
) -> FlowLook:
    unit, silent = answer["unit"], answer["api_error"]
    stopped = "" if unit in {"active", "unknown"} else unit
    if silent and not stopped:
        return FlowLook(host, at, seconds, CallOutcome.ANSWERED, words.of_probe(silent))
    # Answers about paths outside the request do not count.
    flows = {name: does for name, does in answer["flows"].items() if name in path_names}
    return FlowLook(
        host,
        at,
        seconds,
        CallOutcome.ANSWERED,
        stopped=stopped,
        flowing=frozenset(name for name, does in flows.items() if does and not stopped),
        standing=frozenset(name for name, does in flows.items() if not does or stopped),
    )


def verdict_on(target: PathToCheck, verdict: Verdict, at: datetime, finding: Finding) -> PathVerdict:
    """Return the verdict of one look at a path's flow."""
    level, passed = (LEVEL, (LEVEL,)) if verdict is Verdict.UP else (0, ())
    return PathVerdict(*target.names, verdict, level, finding, at, passed)


def counted(
    totals: Mapping[tuple[str, str], int], verdicts: Iterable[PathVerdict], *, fresh: bool
) -> Counter[tuple[str, str, Verdict]]:
    """Count a relay's paths by carrier, province and state.

    Paths without a verdict flow; unless `fresh` (answered within a minute) they are unknown.
    """
    rest = Counter(totals)
    counts: Counter[tuple[str, str, Verdict]] = Counter()
    for path in verdicts:
        rest[path.carrier, path.province] -= 1
        verdict = path.verdict if fresh or path.verdict is not Verdict.UP else Verdict.UNKNOWN
        counts[path.carrier, path.province, verdict] += 1
    for (carrier, province), count in rest.items():
        counts[carrier, province, Verdict.UP if fresh else Verdict.UNKNOWN] += count
    return counts


class PathStates:
    """The pulled paths of some relays; on-demand paths flow only for readers."""

    def __init__(self, targets: Sequence[PathToCheck], windows: Sequence[path_history.Window]) -> None:
        self._relays: dict[str, _Relay] = {}
        self.replace_targets(targets, windows)

    def replace_targets(self, targets: Sequence[PathToCheck], windows: Sequence[path_history.Window]) -> None:
        """Use another inventory; remaining paths keep their state."""
        by_host: dict[str, dict[str, PathToCheck]] = {}
        for target in targets:
            by_host.setdefault(target.relay.id, {})[target.path.name] = target
        before, self._relays, self._windows = self._relays, {}, windows
        for host, of_host in sorted(by_host.items()):
            counts = Counter((target.carrier, target.path.province) for target in of_host.values())
            relay = _Relay(of_host, counts)
            if (old := before.get(host)) is not None:
                remaining = {name: state for name, state in old.paths.items() if name in of_host}
                relay = replace(old, targets=of_host, counts=counts, paths=remaining)
            self._relays[host] = relay

    def replace_windows(self, windows: Sequence[path_history.Window]) -> None:
        """Use other maintenance windows."""
        self._windows = windows

    @property
    def hosts(self) -> tuple[str, ...]:
        """The relays."""
        return tuple(self._relays)

    def targets(self, host: str) -> Mapping[str, PathToCheck]:
        """Return a relay's paths by name."""
        return self._relays[host].targets

    # --- looks ------------------------------------------------------------------------------------
    def look(self, look: FlowLook) -> None:
        """Record a look at a relay."""
        relay = self._relays.get(look.host)
        if relay is None:  # it is of an inventory of before
            return
        relay.asked, relay.seconds, relay.error = look.at, look.seconds, look.error
        if not look.is_answered:
            unreachable = look.outcome is CallOutcome.UNREACHABLE
            relay.cause = Cause.HOST_UNREACHABLE if unreachable else Cause.CANNOT_CHECK
            relay.silent_since = relay.silent_since or look.at
            return
        relay.known, relay.silent_since, relay.cause = look.at, None, Cause.NONE
        for name, target in relay.targets.items():
            if name in look.flowing:
                if name in relay.paths:
                    self._record_flow(relay, target, look.at)
            elif name in look.standing or look.stopped:
                self._record_still(relay, target, look)
            else:
                _mark_absent(relay, target, look.at)

    def _record_still(self, relay: _Relay, target: PathToCheck, look: FlowLook) -> None:
        previous = relay.paths.get(target.path.name)
        failing = previous.memory.failing if previous else None
        finding = failing.finding if failing else Finding(Cause.UNKNOWN, Layer.STREAM, target.path.name, _NOTHING_COMES)
        if look.stopped:
            why = f"the relay's service is {look.stopped}"
            finding = Finding(Cause.RELAY_STOPPED, Layer.RELAY, target.relay.id, why, LEVEL)
        self._failed(relay, target, verdict_on(target, Verdict.DOWN, look.at, finding))

    def _failed(self, relay: _Relay, target: PathToCheck, verdict: PathVerdict) -> None:
        previous = relay.paths.get(target.path.name) or _WatchedPath(verdict)
        final = path_history.settled([verdict], previous.memory, _SCOPE)
        relay.paths[target.path.name] = _WatchedPath(final, self._memory_after(previous.memory, verdict, target))

    def _record_flow(self, relay: _Relay, target: PathToCheck, at: datetime) -> None:
        """Record that a path flows; forget it once it is steady."""
        previous = relay.paths[target.path.name]
        verdict = verdict_on(target, Verdict.UP, at, NO_FINDING)
        final = path_history.settled([verdict], previous.memory, _SCOPE)
        last = previous.memory.last
        if last is not None and last.verdict is Verdict.UP:
            if at - last.at > path_history.FLAPPING_WINDOW:
                del relay.paths[target.path.name]
            else:
                relay.paths[target.path.name] = replace(previous, verdict=final)
            return
        relay.paths[target.path.name] = _WatchedPath(
            final, self._memory_after(previous.memory, verdict, target), flowed=at
        )

    def _memory_after(self, memory: PathMemory, verdict: PathVerdict, target: PathToCheck) -> PathMemory:
        at = verdict.checked_at
        maintenance = at is not None and path_history.window_over(target, self._windows, at) is not None
        look = path_history.look_of(verdict, target, maintenance=maintenance)
        return memory if look is None else _without_middle_look(after(memory, look))

    # --- visits -----------------------------------------------------------------------------------
    def to_visit(self, host: str, now: datetime) -> tuple[PathToCheck, ...]:
        """Return a relay's paths whose sites, visited whole, are due."""
        relay = self._relays.get(host)
        if relay is None or relay.silent_since is not None:
            return ()
        again = relay.visited is not None and now - relay.visited >= VISIT_AGAIN
        sites = {
            relay.targets[name].path.facility
            for name, state in relay.paths.items()
            if state.flowed is None and (again or _is_new(state, relay.visited))
        }
        return tuple(target for target in relay.targets.values() if target.path.facility in sites)

    def visit(self, host: str, verdicts: Iterable[PathVerdict], at: datetime) -> None:
        """Record a visit's causes for paths that stand still."""
        relay = self._relays.get(host)
        if relay is None:
            return
        relay.visited = at
        for verdict in verdicts:
            previous, target = relay.paths.get(verdict.path), relay.targets.get(verdict.path)
            if previous is None or target is None or previous.flowed is not None:
                continue
            if verdict.verdict is Verdict.QUARANTINED:
                relay.paths[verdict.path] = replace(previous, verdict=verdict, quarantine=verdict)
            elif verdict.verdict is Verdict.DOWN and previous.memory.failing is not None:
                self._failed(relay, target, verdict)

    def next_look_at(self, host: str, every: timedelta) -> datetime | None:
        """Return when a relay is due (a minute after faults); `None`: now."""
        relay = self._relays[host]
        if relay.asked is None:
            return None
        firsts = (state.memory.failing.state.since for state in relay.paths.values() if state.memory.failing)
        moments = [first + APART for first in (*firsts, *([relay.silent_since] if relay.silent_since else []))]
        pause = max(every, _SILENT_PAUSE) if relay.silent_since else every
        return min([relay.asked + pause, *(moment for moment in moments if moment > relay.asked)])

    # --- results ----------------------------------------------------------------------------------
    def view(self, now: datetime) -> WatchView:
        """Return the present state."""
        counts: Counter[tuple[str, str, Verdict]] = Counter()
        verdicts: list[PathVerdict] = []
        incidents: list[Incident] = []
        relays = []
        for host, relay in self._relays.items():
            relay_verdicts = [
                self._present_verdict(relay, name, state, now) for name, state in sorted(relay.paths.items())
            ]
            verdicts += relay_verdicts
            fresh = relay.known is not None and now - relay.known <= APART
            counts.update(counted(relay.counts, relay_verdicts, fresh=fresh))
            broken = [state for state in relay_verdicts if state.verdict in {Verdict.DOWN, Verdict.QUARANTINED}]
            incidents += incidents_of(paths_by_incident(broken, relay.targets.values())) if broken else ()
            incidents += self._silence_incident(host, relay, now)
            relays.append(RelayView(host, relay.carrier, relay.known, relay.seconds, relay.error))
        return WatchView(now, counts, tuple(verdicts), tuple(incidents), tuple(relays))

    def _present_verdict(self, relay: _Relay, name: str, state: _WatchedPath, now: datetime) -> PathVerdict:
        verdict, failing = state.verdict, state.memory.failing
        is_early = failing is not None and now - failing.state.since < _VISITED_BY
        if (
            verdict.verdict is Verdict.DOWN
            and verdict.cause is Cause.UNKNOWN
            and is_early
            and _is_new(state, relay.visited)
        ):
            verdict = replace(verdict, verdict=Verdict.UNKNOWN)
        window = None if state.flowed else path_history.window_over(relay.targets[name], self._windows, now)
        return path_history.in_window(verdict, window)

    def _silence_incident(self, host: str, relay: _Relay, now: datetime) -> Iterator[Incident]:
        """Yield the incident of a relay that is silent for a minute."""
        if relay.silent_since is None or relay.asked is None or relay.asked - relay.silent_since < APART:
            return
        if all(path_history.window_over(target, self._windows, now) for target in relay.targets.values()):
            return
        yield Incident(Finding(relay.cause, Layer.HOST, host, relay.error), tuple(sorted(relay.targets)))


def _mark_absent(relay: _Relay, target: PathToCheck, at: datetime) -> None:
    previous = relay.paths.get(target.path.name)
    finding = Finding(Cause.UNKNOWN, None, "", _NOT_THERE)
    verdict = verdict_on(target, Verdict.UNKNOWN, at, finding)
    if previous is None:
        relay.paths[target.path.name] = _WatchedPath(verdict)
    else:
        relay.paths[target.path.name] = replace(previous, verdict=previous.quarantine or verdict, flowed=None)


def _is_new(state: _WatchedPath, visited: datetime | None) -> bool:
    """Return whether a fault still needs a visit."""
    failing = state.memory.failing
    if failing is None:
        return state.quarantine is None and (
            visited is None or path_history.moment_of(state.verdict) - visited > VISIT_AGAIN
        )
    return failing.state.looks >= _LOOKS_BEFORE_VISIT and (visited is None or visited < failing.state.since)


def _without_middle_look(memory: PathMemory) -> PathMemory:
    """Drop the middle one of three equal looks in a row."""
    past = memory.past
    if len(past) > 2 and len({verdict.verdict for verdict in past[-3:]}) == 1:  # noqa: PLR2004 (three in a row)
        return replace(memory, past=(*past[:-2], past[-1]))
    return memory
