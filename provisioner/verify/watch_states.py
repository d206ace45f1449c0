"""The state of paths and relays in a watch, look after look.

It follows the rules of `path_history`, and has no clock of its own:

- A path is down when two looks at least a minute apart saw it stand still, and none between saw it flow; before it is
  unknown. So it is with a relay that does not answer.
- A visit (`verify --level 4` of its whole site) finds the cause, once the path stood still in two looks. A path is not
  shown as down before that visit, so that one fault is one incident; but it waits no longer than so.
- A path that was not looked at for a minute is unknown; one that was down stays down until a look sees it flow.
- A path that its relay has not got is no failure of the camera: quarantined, or not applied yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from provisioner.base.errors import UnreadableError
from provisioner.hosts.answers import read, wire
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.verify import words
from provisioner.verify.incidents import as_wholes, incidents_of
from provisioner.verify.memory import NOTHING, PathMemory, after
from provisioner.verify.path_history import (
    APART,
    FLAPPING_WINDOW,
    Window,
    in_window,
    look_of,
    moment_of,
    settled,
    window_over,
)
from provisioner.verify.paths import PathToCheck
from provisioner.verify.result import NO_FINDING, Cause, Finding, Incident, Layer, PathVerdict, Scope, Verdict

SAMPLE_S: Final = 4.0
"""A path that has not grown for so long stands still: the slowest cameras send a picture a second."""

LEVEL: Final = 4
"""The level that a watch looks at: the relay receives."""

VISIT_AGAIN: Final = timedelta(minutes=5)
"""So often a visit asks anew why something does not flow."""
_SILENT_PAUSE: Final = timedelta(seconds=20)
_VISITED_BY: Final = timedelta(seconds=75)
_LOOKS_BEFORE_VISIT: Final = 2
_SCOPE: Final = Scope(level=LEVEL)
_NOTHING_COMES: Final = "nothing comes from it; why was not asked yet"
_NOT_THERE: Final = "its relay has no such path: what was applied last is not the inventory as it is now"


@dataclass(frozen=True, slots=True)
class FlowLook:
    """What a relay told of its paths, or why it told nothing.

    Attributes:
        at: when it was asked.
        seconds: how long it took.
        outcome: how the call ended.
        error: why nothing is known of paths; empty where it is.
        stopped: the state of the relay's service where that is not running; empty where it is.
        flowing: the paths in which something came.
        standing: those that the relay has, and in which nothing came.
    """

    host: str
    at: datetime
    seconds: float
    outcome: CallOutcome
    error: str = ""
    stopped: str = ""
    flowing: frozenset[str] = frozenset()
    standing: frozenset[str] = frozenset()

    @property
    def is_known(self) -> bool:
        """Whether it is known of each path whether it flows."""
        return not self.error


@dataclass(frozen=True, slots=True)
class RelayView:
    """What is known of one relay: when it last told of its paths, how long that took, and why it tells nothing now."""

    host: str
    carrier: str
    known: datetime | None
    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class WatchView:
    """What a watch knows at one moment.

    Attributes:
        counts: paths by carrier, province and state; `up` stands for what flows.
        standing: what is said of every path that does not flow, or flows again of late.
        incidents: what is broken, confirmed.
    """

    at: datetime
    counts: Mapping[tuple[str, str, Verdict], int]
    standing: tuple[PathVerdict, ...]
    incidents: tuple[Incident, ...]
    relays: tuple[RelayView, ...]

    @property
    def total(self) -> int:
        """How many paths are watched."""
        return sum(self.counts.values())

    def number(self, verdict: Verdict) -> int:
        """How many paths have a verdict."""
        return sum(count for (_, _, word), count in self.counts.items() if word is verdict)


@dataclass(slots=True)
class _Standing:
    """A path that did not flow in some look of late.

    Attributes:
        said: what is said of it, whatever windows there are.
        quarantine: the verdict of a visit that saw it quarantined.
        flowed: since when it flows again; None while it does not.
    """

    said: PathVerdict
    memory: PathMemory = NOTHING
    quarantine: PathVerdict | None = None
    flowed: datetime | None = None


@dataclass(slots=True)
class _Relay:
    """A relay, its paths, and what was heard of it.

    Attributes:
        known: when it last told of its paths.
        silent_since: the first look that it did not answer, with none that it did since.
        visited: when it was last asked why something does not flow.
    """

    targets: Mapping[str, PathToCheck]
    counts: Counter[tuple[str, str]]
    paths: dict[str, _Standing] = field(default_factory=dict)
    asked: datetime | None = None
    known: datetime | None = None
    silent_since: datetime | None = None
    error: str = ""
    cause: Cause = Cause.NONE
    seconds: float = 0.0
    visited: datetime | None = None

    @property
    def carrier(self) -> str:
        """Whose it is."""
        return next((target.carrier for target in self.targets.values()), "")


def flow_call(targets: Mapping[str, PathToCheck]) -> HostCall:
    """The call that asks a relay about paths of its own, over the connection of the look before."""
    request: wire.FlowLookRequest = {"operation": "flow", "paths": sorted(targets), "sample_s": SAMPLE_S}
    return HostCall(next(iter(targets.values())).relay, request, shares=True)


def flow_in(answer: HostAnswer, paths: Collection[str], at: datetime, seconds: float) -> FlowLook:
    """A look, by a host's answer; one that cannot be read is no look."""
    if answer.outcome is not CallOutcome.ANSWERED:
        return FlowLook(answer.host, at, seconds, answer.outcome, answer.error or "there is no answer")
    try:
        return _look(answer.host, read(wire.FlowLookAnswer, answer.document), frozenset(paths), at, seconds)
    except UnreadableError as error:
        # The name of the field, never the document: it is another program's output.
        return FlowLook(answer.host, at, seconds, CallOutcome.FAILED, f"its answer cannot be read: {error}")


def _look(host: str, answer: wire.FlowLookAnswer, asked: frozenset[str], at: datetime, seconds: float) -> FlowLook:
    unit, silent = answer["unit"], answer["api_error"]
    stopped = "" if unit in {"active", "unknown"} else unit
    if silent and not stopped:
        return FlowLook(host, at, seconds, CallOutcome.ANSWERED, words.of_own(silent))
    # Of what nobody asked it about it may say what it likes.
    flows = {name: does for name, does in answer["flows"].items() if name in asked}
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
    """The verdict of one look at whether a path flows."""
    level, passed = (LEVEL, (LEVEL,)) if verdict is Verdict.UP else (0, ())
    return PathVerdict(*target.names, verdict, level, finding, at, passed)


def counted(
    totals: Mapping[tuple[str, str], int], shown: Iterable[PathVerdict], *, fresh: bool
) -> Counter[tuple[str, str, Verdict]]:
    """The paths of a relay by carrier, province and state.

    Args:
        totals: how many there are, by carrier and province.
        shown: what is said of those that do not flow, or flow again of late; the others flow.
        fresh: whether the relay told of them within the last minute: else what flowed is unknown.
    """
    rest = Counter(totals)
    counts: Counter[tuple[str, str, Verdict]] = Counter()
    for one in shown:
        rest[one.carrier, one.province] -= 1
        verdict = one.verdict if fresh or one.verdict is not Verdict.UP else Verdict.UNKNOWN
        counts[one.carrier, one.province, verdict] += 1
    for (carrier, province), count in rest.items():
        counts[carrier, province, Verdict.UP if fresh else Verdict.UNKNOWN] += count
    return counts


class PathStates:
    """The paths of some relays.

    Args:
        targets: pulled paths; what is on demand flows for its readers only.
        windows: the maintenance windows.
    """

    def __init__(self, targets: Sequence[PathToCheck], windows: Sequence[Window]) -> None:
        self._relays: dict[str, _Relay] = {}
        self.replace_targets(targets, windows)

    def replace_targets(self, targets: Sequence[PathToCheck], windows: Sequence[Window]) -> None:
        """Go by another inventory; what is known of paths that stay is kept."""
        by_host: dict[str, dict[str, PathToCheck]] = {}
        for target in targets:
            by_host.setdefault(target.relay.id, {})[target.path.name] = target
        before, self._relays, self._windows = self._relays, {}, windows
        for host, of in sorted(by_host.items()):
            counts = Counter((target.carrier, target.path.province) for target in of.values())
            relay = _Relay(of, counts)
            if (old := before.get(host)) is not None:
                kept = {name: one for name, one in old.paths.items() if name in of}
                relay = replace(old, targets=of, counts=counts, paths=kept)
            self._relays[host] = relay

    def replace_windows(self, windows: Sequence[Window]) -> None:
        """Go by other maintenance windows."""
        self._windows = windows

    @property
    def hosts(self) -> tuple[str, ...]:
        """The relays."""
        return tuple(self._relays)

    def targets(self, host: str) -> Mapping[str, PathToCheck]:
        """The paths of a relay, by name."""
        return self._relays[host].targets

    # --- looks ------------------------------------------------------------------------------------

    def look(self, look: FlowLook) -> None:
        """Take a look at a relay."""
        relay = self._relays.get(look.host)
        if relay is None:  # it is of an inventory of before
            return
        relay.asked, relay.seconds, relay.error = look.at, look.seconds, look.error
        if not look.is_known:
            unreachable = look.outcome is CallOutcome.UNREACHABLE
            relay.cause = Cause.HOST_UNREACHABLE if unreachable else Cause.CANNOT_CHECK
            relay.silent_since = relay.silent_since or look.at
            return
        relay.known, relay.silent_since, relay.cause = look.at, None, Cause.NONE
        for name, target in relay.targets.items():
            if name in look.flowing:
                if name in relay.paths:
                    self._flows(relay, target, look.at)
            elif name in look.standing or look.stopped:
                self._stands(relay, target, look)
            else:
                _is_absent(relay, target, look.at)

    def _stands(self, relay: _Relay, target: PathToCheck, look: FlowLook) -> None:
        known = relay.paths.get(target.path.name)
        failing = known.memory.failing if known else None
        finding = failing.finding if failing else Finding(Cause.UNKNOWN, Layer.STREAM, target.path.name, _NOTHING_COMES)
        if look.stopped:
            why = f"the relay's service is {look.stopped}"
            finding = Finding(Cause.RELAY_STOPPED, Layer.RELAY, target.relay.id, why, LEVEL)
        self._failed(relay, target, verdict_on(target, Verdict.DOWN, look.at, finding))

    def _failed(self, relay: _Relay, target: PathToCheck, verdict: PathVerdict) -> None:
        known = relay.paths.get(target.path.name) or _Standing(verdict)
        said = settled([verdict], known.memory, _SCOPE)
        relay.paths[target.path.name] = _Standing(said, self._remembered(known.memory, verdict, target))

    def _flows(self, relay: _Relay, target: PathToCheck, at: datetime) -> None:
        known = relay.paths[target.path.name]
        verdict = verdict_on(target, Verdict.UP, at, NO_FINDING)
        said = settled([verdict], known.memory, _SCOPE)
        last = known.memory.last
        if last is not None and last.verdict is Verdict.UP:
            if at - last.at > FLAPPING_WINDOW:
                del relay.paths[target.path.name]
            else:
                relay.paths[target.path.name] = replace(known, said=said)
            return
        relay.paths[target.path.name] = _Standing(said, self._remembered(known.memory, verdict, target), flowed=at)

    def _remembered(self, memory: PathMemory, verdict: PathVerdict, target: PathToCheck) -> PathMemory:
        at = verdict.checked_at
        maintenance = at is not None and window_over(target, self._windows, at) is not None
        look = look_of(verdict, target, maintenance=maintenance)
        return memory if look is None else _thinned(after(memory, look))

    # --- visits -----------------------------------------------------------------------------------

    def to_visit(self, host: str, now: datetime) -> tuple[PathToCheck, ...]:
        """The paths of all sites of a relay where it is time to ask why something does not flow; none where it is not.

        Sites are visited whole: what a device's silence means hangs on its neighbours.
        """
        relay = self._relays.get(host)
        if relay is None or relay.silent_since is not None:
            return ()
        again = relay.visited is not None and now - relay.visited >= VISIT_AGAIN
        sites = {
            relay.targets[name].path.facility
            for name, one in relay.paths.items()
            if one.flowed is None and (again or _is_new(one, relay.visited))
        }
        return tuple(target for target in relay.targets.values() if target.path.facility in sites)

    def visit(self, host: str, verdicts: Iterable[PathVerdict], at: datetime) -> None:
        """Take what a visit made of paths: of those that stand still, why."""
        relay = self._relays.get(host)
        if relay is None:
            return
        relay.visited = at
        for verdict in verdicts:
            known, target = relay.paths.get(verdict.path), relay.targets.get(verdict.path)
            if known is None or target is None or known.flowed is not None:
                continue
            if verdict.verdict is Verdict.QUARANTINED:
                relay.paths[verdict.path] = replace(known, said=verdict, quarantine=verdict)
            elif verdict.verdict is Verdict.DOWN and known.memory.failing is not None:
                self._failed(relay, target, verdict)

    def due(self, host: str, every: timedelta) -> datetime | None:
        """When a relay is looked at next; None where it never was: at once.

        A path that stands still is looked at again a minute after it was first seen to; so it is with a silent relay.
        """
        relay = self._relays[host]
        if relay.asked is None:
            return None
        firsts = (one.memory.failing.state.since for one in relay.paths.values() if one.memory.failing)
        moments = [first + APART for first in (*firsts, *([relay.silent_since] if relay.silent_since else []))]
        pause = max(every, _SILENT_PAUSE) if relay.silent_since else every
        return min([relay.asked + pause, *(moment for moment in moments if moment > relay.asked)])

    # --- what it comes to -------------------------------------------------------------------------

    def view(self, now: datetime) -> WatchView:
        """What is known now."""
        counts: Counter[tuple[str, str, Verdict]] = Counter()
        standing: list[PathVerdict] = []
        incidents: list[Incident] = []
        relays = []
        for host, relay in self._relays.items():
            shown = [self._shown(relay, name, one, now) for name, one in sorted(relay.paths.items())]
            standing += shown
            fresh = relay.known is not None and now - relay.known <= APART
            counts.update(counted(relay.counts, shown, fresh=fresh))
            broken = [one for one in shown if one.verdict in {Verdict.DOWN, Verdict.QUARANTINED}]
            incidents += incidents_of(as_wholes(broken, relay.targets.values())) if broken else ()
            incidents += self._silent(host, relay, now)
            relays.append(RelayView(host, relay.carrier, relay.known, relay.seconds, relay.error))
        return WatchView(now, counts, tuple(standing), tuple(incidents), tuple(relays))

    def _shown(self, relay: _Relay, name: str, one: _Standing, now: datetime) -> PathVerdict:
        said, failing = one.said, one.memory.failing
        is_early = failing is not None and now - failing.state.since < _VISITED_BY
        if said.verdict is Verdict.DOWN and said.cause is Cause.UNKNOWN and is_early and _is_new(one, relay.visited):
            said = replace(said, verdict=Verdict.UNKNOWN)
        window = None if one.flowed else window_over(relay.targets[name], self._windows, now)
        return in_window(said, window)

    def _silent(self, host: str, relay: _Relay, now: datetime) -> Iterator[Incident]:
        """The incident of a relay that has not answered for a minute, in two looks at least."""
        if relay.silent_since is None or relay.asked is None or relay.asked - relay.silent_since < APART:
            return
        if all(window_over(target, self._windows, now) for target in relay.targets.values()):
            return
        yield Incident(Finding(relay.cause, Layer.HOST, host, relay.error), tuple(sorted(relay.targets)))


def _is_absent(relay: _Relay, target: PathToCheck, at: datetime) -> None:
    known = relay.paths.get(target.path.name)
    finding = Finding(Cause.UNKNOWN, None, "", _NOT_THERE)
    said = verdict_on(target, Verdict.UNKNOWN, at, finding)
    if known is None:
        relay.paths[target.path.name] = _Standing(said)
    else:
        relay.paths[target.path.name] = replace(known, said=known.quarantine or said, flowed=None)


def _is_new(one: _Standing, visited: datetime | None) -> bool:
    """Whether nobody has asked yet why a path does not flow, though it stood still in two looks, or is gone."""
    failing = one.memory.failing
    if failing is None:
        return one.quarantine is None and (visited is None or moment_of(one.said) - visited > VISIT_AGAIN)
    return failing.state.looks >= _LOOKS_BEFORE_VISIT and (visited is None or visited < failing.state.since)


def _thinned(memory: PathMemory) -> PathMemory:
    """A memory of changes: of three looks in a row that saw the same the middle one is forgotten."""
    past = memory.past
    if len(past) > 2 and len({one.verdict for one in past[-3:]}) == 1:  # noqa: PLR2004 (three in a row)
        return replace(memory, past=(*past[:-2], past[-1]))
    return memory
