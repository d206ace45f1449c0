"""A verification: one visit to all hosts at once, then verdicts (docs/internals/verify.md)."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from provisioner.base.groups import gathered, grouped
from provisioner.base.service import Stage, at_stage
from provisioner.base.text import are, counted, msg
from provisioner.desired.spec import HostSpec, ReaderEncryption
from provisioner.hosts.facts import HostFacts, ending_certificate, engine_name, findings, other_firewalls
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, HostRunner, OpenRunner
from provisioner.plan.change import Change, pending
from provisioner.verify import path_history, requests, result
from provisioner.verify.devices import by_device, device_reports, with_account
from provisioner.verify.evidence import HostEvidence, parse_evidence
from provisioner.verify.incidents import incidents_of, of_devices, of_hosts, paths_by_incident
from provisioner.verify.judge import (
    HIGHEST,
    PICTURES,
    SeparateVerdicts,
    is_proved,
    judge_each,
    not_reached,
    put_together,
)
from provisioner.verify.memory import NOTHING
from provisioner.verify.path_history import APART
from provisioner.verify.paths import PathToCheck, with_logins_in_use
from provisioner.verify.picture_measures import Looks
from provisioner.verify.reference import references_by_site
from provisioner.verify.relay_health import foreign_access, relay_findings
from provisioner.verify.rotation import Chosen, by_need, sample_of

if TYPE_CHECKING:
    from provisioner_host import wire


Compare = Callable[[HostFacts], Iterable[Change]]  #: Returns a host's differences from the desired state.

# For the way there and back, and for the facts, which are read before the reads are counted.
_MARGIN_S = 120.0
_USUAL_LIMITS = requests.ProbeLimits()
# Of a deadline: what the way there and back and the facts may take, at most; the rest is the probe's.
_OVERHEAD_S = 20.0
_OVERHEAD_SHARE = 0.25
# A second look with less time than this is no evidence.
_SHORTEST_LOOK_S: Final = 10.0
# Below this level no path is read; at this level only paths on demand, since no picture is required.
_LOWEST_READ: Final = 4
# What hosts and devices say themselves is certain, though another visit looks at the paths again.
_SAID: Final = frozenset(
    {
        result.Cause.HOST_UNREACHABLE,
        result.Cause.RELAY_STOPPED,
        result.Cause.CAMERA_REFUSES,
        result.Cause.WRONG_PASSWORD,
    }
)
_FAILED: Final = frozenset({result.Verdict.DOWN, result.Verdict.QUARANTINED})
# So many incidents are told before the end, and counts alone so often.
_MOST_TOLD: Final = 20
_TOLD_EVERY_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The stored part of a host's answer."""

    evidence: HostEvidence  #: Without facts and paths.
    facts: HostFacts | None = None  #: Those about the machine, if known.
    drift: tuple[Change, ...] | None = None  #: Differences from the desired state; `None` if unknown.
    accounts: Mapping[str, result.DeviceAccount] = field(default_factory=dict)  #: Devices' accounts by name.
    findings: tuple[result.Finding, ...] = ()  #: Faults of its relay.
    read: frozenset[str] | None = None  #: The paths that it read as their relay; `None` without a relay's evidence.
    refused: frozenset[str] = frozenset()  #: Those of them that it could not read at all.


#: Judges the paths of one relay from its and its centres' evidence and drift, by host.
JudgesRelay = Callable[
    [Sequence[PathToCheck], Mapping[str, HostEvidence], Mapping[str, Sequence[Change]]], SeparateVerdicts
]


def stored_answer_of(evidence: HostEvidence, drift: tuple[Change, ...] | None, spec: HostSpec | None) -> StoredAnswer:
    """Return the stored part of a host's evidence; `spec` is a relay's."""
    facts, relay = evidence.facts, evidence.relay
    bare = replace(evidence, facts=None, relay=None, centre=None)
    host_answers = StoredAnswer(bare, facts and _without_paths(facts), drift)
    if relay is None:
        return host_answers
    refused = frozenset(name for name, read in relay.reads.items() if read.is_refused)
    faults = (*relay_findings(evidence.host, relay), *(foreign_access(spec, facts) if spec else ()))
    return replace(host_answers, accounts=relay.accounts, findings=faults, read=frozenset(relay.reads), refused=refused)


def _without_paths(facts: HostFacts) -> HostFacts:
    """Return the facts without those that grow with the paths."""
    less: wire.RuntimeAnswer | None = facts.runtime and {**facts.runtime, "viewers": {}, "readers": None}
    least = HostFacts(facts.host)
    return replace(
        facts, runtime=less, tunnel=None, relay=None, firewall=least.firewall, held=least.held, quarantine={}
    )


class VisitAnswers:
    """The answers of one visit.

    `asked` has by relay the centres for its paths. `before` is earlier evidence of hosts that are not asked again.
    """

    def __init__(
        self,
        targets: Iterable[PathToCheck],
        centres: Mapping[str, frozenset[str]],
        compare: Compare,
        judge: JudgesRelay,
        before: Mapping[str, HostEvidence],
    ) -> None:
        self._targets = grouped(targets, lambda target: target.relay.id)
        self._specs = {relay: of_relay[0].relay for relay, of_relay in self._targets.items()}
        self._missing = {relay: {relay, *centres.get(relay, ())} for relay in self._targets}
        self._waiting: dict[str, set[str]] = defaultdict(set)
        for relay, hosts in self._missing.items():
            for host in hosts:
                self._waiting[host].add(relay)
        self._compare, self._judge, self._before = compare, judge, before
        self._evidence: dict[str, HostEvidence] = {}
        self._drift: dict[str, tuple[Change, ...]] = {}
        self.host_answers: dict[str, StoredAnswer] = {}  #: The stored part of each answer, by host.
        self.judged: list[SeparateVerdicts] = []  #: The verdicts so far, by relay.

    @property
    def hosts_in_memory(self) -> frozenset[str]:
        """Hosts whose whole evidence a relay still needs."""
        return frozenset(self._evidence)

    def take(self, answer: HostAnswer) -> None:
        """Take an answer, and judge relays that now have all answers."""
        host = answer.host
        if host in self.host_answers:
            return
        evidence = parse_evidence(answer)
        drift = None if evidence.facts is None else pending(self._compare(evidence.facts))
        self.host_answers[host] = stored_answer_of(evidence, drift, self._specs.get(host))
        self._evidence[host] = evidence
        if drift is not None:
            self._drift[host] = drift
        for relay in sorted(self._waiting.get(host, ())):
            self._missing[relay].discard(host)
            if not self._missing[relay]:
                self._judge_relay(relay)

    def _judge_relay(self, relay: str) -> None:
        """Judge a relay's paths, and drop evidence that no relay needs."""
        targets = self._targets.pop(relay)
        hosts = {relay, *(centre.id for target in targets for centre in target.centres)}
        evidence = {host: answer for host in hosts if (answer := self._evidence.get(host) or self._before.get(host))}
        drift = {host: self._drift[host] for host in hosts if host in self._drift}
        self.judged.append(self._judge(targets, evidence, drift))
        for host in hosts:
            self._waiting[host].discard(relay)
            if not self._waiting[host]:
                self._evidence.pop(host, None)


def verify(
    targets: Sequence[PathToCheck],
    runner: HostRunner,
    *,
    observe: Mapping[str, requests.ObserveCall],
    compare: Compare,
    watch: path_history.Timepiece,
    limits: requests.ProbeLimits = _USUAL_LIMITS,
    options: path_history.VerifyOptions = path_history.EVERYTHING,
) -> result.VerifyResult:
    """Check paths (at least one) on their relays and from their centres."""
    started = watch.now()
    chosen = sample_of(targets, options.sample, started) if options.sample else None
    measured = chosen.targets if chosen else tuple(targets)
    so_far = _SoFar(options.onlooker, watch, started, len(measured))
    end = _end_of(started, options)
    visits = _HostVisits(
        runner, observe, compare, watch, limits, options, started, end, so_far, options.changes(started)
    )
    first = visits.first_look(measured)
    second = replace(visits, changes=options.changes(started)).second_look(measured, first)
    rounds = [first, *([second] if second else [])]
    # Only paths that changed often need the earlier ones.
    earlier = cache(partial(options.changes, started - path_history.FLAPPING_WINDOW))
    windows = _Windows(options.windows, options.changes(started), earlier)
    hosts_of = (spec for one in measured for spec in (one.relay, *one.centres))
    tls = {spec.id: spec.media.certificate for spec in hosts_of if spec.media}
    hosts = tuple(_report(one, (started, first.at), tls.get(host)) for host, one in first.host_answers.items())
    devices = device_reports(measured, [one.accounts for one in rounds], _with_wrong_clocks(hosts))
    reports = by_device(devices)
    verdicts = list(
        path_history.with_camera_suspicions(
            [_settled_verdict(target, rounds, options, windows, reports) for target in measured]
        )
    )
    measured_keys = {(target.path.name, target.relay.id) for target in measured}
    verdicts += [
        _outside_sample(target, options)
        for target in targets
        if (target.path.name, target.relay.id) not in measured_keys
    ]
    verdicts.sort(key=lambda verdict: (verdict.path, verdict.relay))
    incidents = incidents_of(verdicts)
    return result.VerifyResult(
        engine=engine_name([one.facts.version for one in hosts if one.facts]),
        started_at=started,
        finished_at=rounds[-1].at,
        paths=tuple(verdicts),
        incidents=(
            *incidents,
            *of_hosts(hosts, incidents),
            *of_devices(_outside_windows(devices, measured, windows, first)),
        ),
        hosts=hosts,
        scope=result.Scope(options.level, _sample(options, chosen), options.deadline_s, options.once),
        forgot=options.forgot,
        looks=tuple(_path_looks(measured, rounds, windows)),
        waits=result.together(one.waits for one in rounds),
        devices=devices if visits.asks else (),
    )


def _sample(options: path_history.VerifyOptions, chosen: Chosen | None) -> result.CameraSample | None:
    if options.sample is None or chosen is None:
        return None
    return result.CameraSample(options.sample.text, chosen.week, chosen.cameras, chosen.of_cameras)


# --- looking --------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Round:
    started: datetime
    at: datetime
    host_answers: Mapping[str, StoredAnswer]
    verdicts: Mapping[tuple[str, str], result.PathVerdict]
    waits: result.Waits
    read_once: frozenset[str] = frozenset()  #: The paths that only their centres read.
    tried: frozenset[str] = frozenset()  #: Paths by which each relay tried whether it can read at all.
    kept: frozenset[tuple[str, str]] = frozenset()  #: The paths, with relays, whose looks are stored already.

    @property
    def accounts(self) -> Mapping[str, Mapping[str, result.DeviceAccount]]:
        return {host: answer.accounts for host, answer in self.host_answers.items() if answer.read is not None}

    def of(self, target: PathToCheck) -> result.PathVerdict | None:
        return self.verdicts.get((target.path.name, target.relay.id))

    def needs_relay_read(self, target: PathToCheck) -> bool:
        """Return whether the relay's own read would add evidence."""
        verdict, host = self.of(target), self.host_answers.get(target.relay.id)
        if verdict is None or host is None or host.read is None:
            return False
        is_read = target.path.name in host.read and target.path.name not in self.tried
        cannot_read = bool(self.tried & host.refused)
        return not is_read and (cannot_read or not is_proved(verdict))

    def with_second(self, second: _Round) -> _Round:
        verdicts, stored = {**self.verdicts, **second.verdicts}, self.kept - second.verdicts.keys() | second.kept
        return replace(
            self, at=second.at, verdicts=verdicts, waits=result.together((self.waits, second.waits)), kept=stored
        )


@dataclass(frozen=True, slots=True)
class _Windows:
    """Maintenance windows: declared, of hosts' changes, and of the last days."""

    declared: Sequence[path_history.Window] = ()
    changes: Sequence[path_history.Window] = ()
    earlier: Callable[[], Sequence[path_history.Window]] = tuple

    def over(self, target: PathToCheck, visit: _Round, at: datetime | None = None) -> path_history.Window | None:
        """Return a path's window at any moment of a visit."""
        declared = path_history.window_over(target, self.declared, at or visit.at)
        return declared or path_history.window_meanwhile(target, self.changes, visit.started, visit.at)

    def meanwhile(self, target: PathToCheck, started: datetime, until: datetime) -> bool:
        """Return whether a path was in a window between two times."""
        return path_history.window_meanwhile(target, (*self.declared, *self.changes), started, until) is not None

    def explain(self, target: PathToCheck, before: datetime, at: datetime) -> bool:
        """Return whether a path's change between two earlier times has a reason."""
        return path_history.window_meanwhile(target, (*self.declared, *self.earlier()), before, at) is not None


@dataclass(frozen=True, slots=True)
class _HostVisits:
    """Visits to hosts from `since` until `end`, with windows of changes."""

    runner: HostRunner
    observe: Mapping[str, requests.ObserveCall]
    compare: Compare
    watch: path_history.Timepiece
    limits: requests.ProbeLimits
    options: path_history.VerifyOptions
    since: datetime
    end: datetime | None
    so_far: _SoFar
    changes: Sequence[path_history.Window] = ()

    def first_look(self, targets: Sequence[PathToCheck]) -> _Round:
        """Visit all hosts of some paths once, or twice to locate faults."""
        first = self.visit(targets, self._paths_of_healthy_sites(targets))
        unproved = [
            target for target in targets if target.path.name in first.read_once and first.needs_relay_read(target)
        ]
        left_s = self._left_s()
        if not unproved or (left_s is not None and left_s < _SHORTEST_LOOK_S):
            return first
        self.so_far.tell()
        siblings = _with_their_sites(unproved, targets)
        paths = msg("{paths} {are} of sites with doubtful pictures", counted(len(siblings), "path"), are(len(siblings)))
        self.options.say(msg("{paths}; reading on relays, too", paths))
        # Devices were asked about themselves, and a host that could not be reached is not waited for once more.
        return first.with_second(self.visit(siblings, before=first))

    def _left_s(self) -> float | None:
        return (self.end - self.watch.now()).total_seconds() if self.end else None

    def _paths_of_healthy_sites(self, targets: Sequence[PathToCheck]) -> frozenset[str]:
        failing = [t for t in targets if self.options.memories.get(t.remembered_as, NOTHING).failing is not None]
        troubled = {target.path.name for target in _with_their_sites(failing, targets)}
        return frozenset(target.path.name for target in targets) - troubled

    def visit(
        self, targets: Sequence[PathToCheck], read_once: frozenset[str] = frozenset(), before: _Round | None = None
    ) -> _Round:
        """Visit all hosts of some paths once.

        Relays do not read the paths in `read_once` if a centre looks at them. Hosts without an answer in `before` are
        skipped.
        """
        started, left_s = self.watch.now(), self._left_s()
        ordered = by_need(targets, self.options.memories) if left_s is not None else requests.taking_turns(targets)
        requested = [_with_answering_centres(self._with_requested_centres(target), before) for target in ordered]
        limits = self._probe_limits(left_s, ordered)
        limits = replace(limits, once=read_once, asks=limits.asks and before is None)
        limits = replace(
            limits, tried=requests.first_of_each_relay(target for target in requested if limits.is_once(target))
        )
        calls = requests.probe_calls(requested, self.observe, limits, read=self._reads)
        longest = max((float(c.request["deadline_s"]) for c in calls), default=0.0)
        timeout_s = longest + _MARGIN_S if left_s is None else max(1.0, left_s)
        self.options.onlooker.hosts_called(requests.paths_by_host(requested))
        read_once = frozenset(target.path.name for target in requested if self._reads and limits.is_once(target))
        timed = _TimedAnswers(self.runner, self.options.onlooker, self.watch)
        stored = set[tuple[str, str]]()
        judging = self._relay_judge(
            read_once, lambda: timed.at or started, partial(self._store_verdicts, started, stored, read_once)
        )
        gathered = VisitAnswers(targets, _requested_centres(requested), self.compare, judging, _of_before(before))
        for number, answer in enumerate(timed.of(calls, timeout_s), 1):
            gathered.take(answer)
            if answer.outcome is CallOutcome.UNREACHABLE:
                finding = result.Finding(result.Cause.HOST_UNREACHABLE, result.Layer.HOST, answer.host, answer.error)
                names = (target.path.name for target in targets if target.relay.id == answer.host)
                self.so_far.note(result.Incident(finding, tuple(names)))
            if number < len(calls):
                self.so_far.tell(every_s=_TOLD_EVERY_S)
        # A runner that lost a host has not heard of it: that is no evidence either.
        for call in calls:
            gathered.take(HostAnswer(call.spec.id, CallOutcome.FAILED, error="there is no answer"))
        verdicts = {(verdict.path, verdict.relay): verdict for verdict in put_together(gathered.judged, targets)}
        host_answers = {**(before.host_answers if before else {}), **gathered.host_answers}
        host_answers = dict(sorted(host_answers.items()))
        return _Round(
            started,
            timed.at or started,
            host_answers,
            verdicts,
            timed.waits,
            read_once,
            limits.tried,
            frozenset(stored),
        )

    def _store_verdicts(
        self,
        started: datetime,
        stored: set[tuple[str, str]],
        later: frozenset[str],
        targets: Sequence[PathToCheck],
        judged: SeparateVerdicts,
    ) -> None:
        """Store proved looks; note certain failures, except on paths in `later`."""
        by_path = {(target.path.name, target.relay.id): target for target in targets}
        looks, windows = dict[tuple[str, str], result.PathLook](), _Windows(self.options.windows, self.changes)

        def is_excused(verdict: result.PathVerdict) -> bool:
            return windows.meanwhile(by_path[verdict.path, verdict.relay], started, self.watch.now())

        self.so_far.take(judged, targets, later, is_excused)
        if self.options.keep is None:
            return
        for verdict in judged.verdicts:
            target = by_path[verdict.path, verdict.relay]
            is_up = verdict.verdict is result.Verdict.UP
            look = path_history.look_of(verdict, target, maintenance=False, since=self.since) if is_up else None
            # The verdict on a path in a window depends on the window's end.
            if look and not windows.meanwhile(target, started, look.at):
                looks[verdict.path, verdict.relay] = look
        if looks:
            self.options.keep(tuple(looks.values()))
            stored |= looks.keys()

    def _relay_judge(
        self,
        read_once: frozenset[str],
        now: Callable[[], datetime],
        keep: Callable[[Sequence[PathToCheck], SeparateVerdicts], None],
    ) -> JudgesRelay:
        references = self.options.references
        sites = references_by_site(references)

        def judge_relay(
            targets: Sequence[PathToCheck], evidence: Mapping[str, HostEvidence], drift: Mapping[str, Sequence[Change]]
        ) -> SeparateVerdicts:
            facts = {host: answer.facts for host, answer in evidence.items() if answer.facts is not None}
            judged = judge_each(
                with_logins_in_use(targets, facts),
                evidence,
                drift,
                now(),
                max_level=self.options.level,
                memories=self.options.memories,
                references=references,
                sites=sites,
                once=read_once,
            )
            keep(targets, judged)
            return judged

        return judge_relay

    def second_look(self, targets: Sequence[PathToCheck], first: _Round) -> _Round | None:
        """Look again, a minute later, at sites with first failures, if any."""
        confirms = self.options.confirms and not self.options.once
        failing = [target for target in targets if confirms and self._failed_once(target, first)]
        # Of a host that took longer nothing is looked at again.
        failed_at = max(
            (path_history.moment_of(first.verdicts[t.path.name, t.relay.id]) for t in failing), default=first.at
        )
        wait_s = (failed_at + APART - self.watch.now()).total_seconds()
        if not failing or (self.end and self.watch.now() + timedelta(seconds=wait_s + _SHORTEST_LOOK_S) > self.end):
            return None
        self.so_far.tell()
        siblings = _with_their_sites(failing, targets)
        paths = msg("{paths} {are} not up", counted(len(failing), "path"), are(len(failing)))
        self.options.say(msg("{paths}; looking again in {max} s", paths, max(0, round(wait_s))))
        with at_stage(Stage.WAIT):
            self.watch.pause(max(0.0, wait_s))
        # A login that devices refused before was tried in the first visit.
        return replace(self, options=replace(self.options, asks_again=False)).visit(siblings)

    def _failed_once(self, target: PathToCheck, first: _Round) -> bool:
        verdict = first.of(target)
        if verdict is None or _Windows(self.options.windows, self.changes).over(target, first):
            return False
        return path_history.needs_second_look(verdict, self.options.memories.get(target.remembered_as, NOTHING))

    @property
    def _reads(self) -> bool:
        return self.options.level is None or self.options.level >= _LOWEST_READ

    @property
    def asks(self) -> bool:
        """Whether devices are asked about themselves: only with the picture level."""
        return self.options.level is None or self.options.level >= PICTURES

    def _with_requested_centres(self, target: PathToCheck) -> PathToCheck:
        """Return a path with its centres only if their level is requested."""
        to_its_end = self.options.level is None or self.options.level >= HIGHEST.number
        return target if to_its_end else replace(target, centres=())

    def _probe_limits(self, left_s: float | None, targets: Sequence[PathToCheck]) -> requests.ProbeLimits:
        again = self.options.asks_again
        early = self.options.looks is Looks.QUICK
        limits = replace(self.limits, looks=self._looks_to_take(targets), early=early, asks=self.asks, asks_again=again)
        limits = replace(limits, samples_suffice=self.options.level == _LOWEST_READ)
        if left_s is None:
            return limits
        probe_s = max(1.0, left_s - min(_OVERHEAD_S, left_s * _OVERHEAD_SHARE))
        usual = self.limits.deadline_s
        return replace(limits, deadline_s=min(probe_s, usual) if usual else probe_s)

    def _looks_to_take(self, targets: Sequence[PathToCheck]) -> Mapping[str, wire.LookToTake]:
        if self.options.level is not None and self.options.level < PICTURES:
            return {}
        return requests.looks_at(targets, self.options.looks, self.watch.now(), self.options.memories)


class _SoFar:
    """The certain part of the result, told while the run goes on."""

    def __init__(
        self, onlooker: path_history.Onlooker, watch: path_history.Timepiece, since: datetime, of_paths: int
    ) -> None:
        self._onlooker, self._watch, self._since, self._of_paths = onlooker, watch, since, of_paths
        self._up, self._told_up, self._told_s = defaultdict[str, set[str]](set), 0, 0.0
        self._known, self._new = set[tuple[result.Layer | None, str, result.Cause]](), list[result.Incident]()

    def take(
        self,
        judged: SeparateVerdicts,
        targets: Sequence[PathToCheck],
        later: frozenset[str],
        is_excused: Callable[[result.PathVerdict], bool],
    ) -> None:
        for verdict in judged.verdicts:
            if verdict.verdict is result.Verdict.UP:
                self._up[verdict.relay].add(verdict.path)
        other = {(verdict.path, verdict.relay): verdict for verdict in judged.quarantined}
        every = (other.get((verdict.path, verdict.relay), verdict) for verdict in judged.verdicts)
        certain = [
            verdict
            for verdict in every
            if (verdict.cause in _SAID or (verdict.verdict in _FAILED and verdict.path not in later))
            and not is_excused(verdict)
        ]
        for incident in incidents_of(paths_by_incident(certain, targets)) if certain else ():
            self.note(incident)

    def note(self, incident: result.Incident) -> None:
        key = incident.layer, incident.object, incident.cause
        if key not in self._known and len(self._known) < _MOST_TOLD:
            self._known.add(key)
            self._new.append(incident)

    def tell(self, every_s: float = 0.0) -> None:
        """Tell what is new; a count alone only after so many seconds."""
        count = sum(map(len, self._up.values()))
        if not self._new and count == self._told_up:
            return
        seconds = (self._watch.now() - self._since).total_seconds()
        if self._new or seconds >= self._told_s + every_s:
            self._onlooker.so_far(seconds, count, self._of_paths, self._new)
            self._new, self._told_up, self._told_s = [], count, seconds


def _with_their_sites(chosen: Iterable[PathToCheck], targets: Iterable[PathToCheck]) -> list[PathToCheck]:
    """Add other paths of their sites, which a device's silence depends on."""
    sites = {(target.relay.id, target.path.facility) for target in chosen}
    return [target for target in targets if (target.relay.id, target.path.facility) in sites]


def _with_answering_centres(target: PathToCheck, before: _Round | None) -> PathToCheck:
    """Return a path with only the centres that answered before."""
    if before is None:
        return target
    answered = {host for host, answer in before.host_answers.items() if answer.evidence.outcome is CallOutcome.ANSWERED}
    return replace(target, centres=tuple(centre for centre in target.centres if centre.id in answered))


def _requested_centres(targets: Iterable[PathToCheck]) -> Mapping[str, frozenset[str]]:
    """Return the centres asked for each relay's paths."""
    centres = gathered((target.relay.id, centre.id) for target in targets for centre in target.centres)
    return {relay: frozenset(of_relay) for relay, of_relay in centres.items()}


def _of_before(before: _Round | None) -> Mapping[str, HostEvidence]:
    """Return earlier evidence of hosts that did not answer."""
    host_answers = before.host_answers if before is not None else {}
    return {
        host: answer.evidence
        for host, answer in host_answers.items()
        if answer.evidence.outcome is not CallOutcome.ANSWERED
    }


class _TimedAnswers:
    def __init__(self, runner: HostRunner, onlooker: path_history.Onlooker, watch: path_history.Timepiece) -> None:
        self._runner, self._onlooker, self._watch = runner, onlooker, watch
        self.waits = result.Waits()
        self.at: datetime | None = None

    def of(self, calls: Sequence[HostCall], timeout_s: float) -> Iterator[HostAnswer]:
        started, waits = time.monotonic(), dict[str, result.HostWait]()
        for answer in self._timed_answers(calls, timeout_s):
            seconds = time.monotonic() - started
            has_answered = answer.outcome is CallOutcome.ANSWERED
            waits[answer.host] = result.host_wait(answer.host, answer.document, seconds if has_answered else None)
            self._onlooker.answered(answer.host, answer.outcome.value, seconds)
            yield answer
        self.waits = result.Waits(asked_s=time.monotonic() - started, hosts=waits)

    def _timed_answers(self, calls: Sequence[HostCall], timeout_s: float) -> Iterator[HostAnswer]:
        if not isinstance(self._runner, OpenRunner):
            answers = self._runner.call(calls, timeout_s=timeout_s)
            self.at = self._watch.now()
            yield from answers.values()
            return
        for answer in self._runner.stream(calls, timeout_s=timeout_s):
            self.at = self._watch.now()
            yield answer
        self.at = self._watch.now()


def _end_of(started: datetime, options: path_history.VerifyOptions) -> datetime | None:
    return started + timedelta(seconds=options.deadline_s) if options.deadline_s is not None else None


# --- results --------------------------------------------------------------------------------------
def _with_wrong_clocks(hosts: Iterable[result.HostReport]) -> frozenset[str]:
    return frozenset(host.host for host in hosts if any(f.cause is result.Cause.CLOCK_OFF for f in host.findings))


def _outside_windows(
    devices: Iterable[result.DeviceReport], targets: Iterable[PathToCheck], windows: _Windows, visit: _Round
) -> Iterable[result.DeviceReport]:
    inside = {f"{target.path.facility}/{target.path.device}" for target in targets if windows.over(target, visit)}
    return (report for report in devices if report.name not in inside)


def _settled_verdict(
    target: PathToCheck,
    rounds: Sequence[_Round],
    options: path_history.VerifyOptions,
    windows: _Windows,
    reports: Mapping[tuple[str, str], result.DeviceReport],
) -> result.PathVerdict:
    visits = [(visit, verdict) for visit in rounds if (verdict := visit.of(target)) is not None]
    looks = [verdict for _, verdict in visits]
    last, newest = visits[-1]
    window = windows.over(target, last, newest.checked_at or rounds[-1].at)
    # Inside a window each path is checked once, and that check decides.
    scope = result.Scope(once=options.once or window is not None)
    memory = options.memories.get(target.remembered_as, NOTHING)
    final = path_history.with_lasting(
        path_history.settled(looks, memory, scope, partial(windows.explain, target)), memory, looks
    )
    return path_history.in_window(with_account(final, target, reports), window)


def _outside_sample(target: PathToCheck, options: path_history.VerifyOptions) -> result.PathVerdict:
    """Return an unrequested path as unknown, even in a maintenance window."""
    memory = options.memories.get(target.remembered_as, NOTHING)
    return path_history.settled([not_reached(target, "it is not in this week's sample")], memory, result.Scope())


def _path_looks(
    targets: Sequence[PathToCheck], rounds: Sequence[_Round], windows: _Windows
) -> Iterable[result.PathLook]:
    for visit in rounds:
        for target in targets:
            verdict = visit.of(target)
            if (target.path.name, target.relay.id) in visit.kept:
                continue
            since, in_maintenance = rounds[0].started, windows.over(target, visit) is not None
            if verdict and (look := path_history.look_of(verdict, target, maintenance=in_maintenance, since=since)):
                yield look


def _report(
    host_answers: StoredAnswer, times: tuple[datetime, datetime], tls: ReaderEncryption | None
) -> result.HostReport:
    evidence, facts = host_answers.evidence, host_answers.facts
    faults = (
        *findings(evidence.disks, evidence.clock, *times),
        *other_firewalls(facts.firewalls if facts else ()),
        *ending_certificate(evidence.host, tls, times[1]),
    )
    return result.HostReport(
        host=evidence.host,
        outcome=evidence.outcome.value,
        error=evidence.error,
        drift=host_answers.drift,
        findings=(
            *host_answers.findings,
            *(
                result.Finding(result.Cause(fault.condition), result.Layer.HOST, evidence.host, fault.detail)
                for fault in faults
            ),
        ),
        facts=facts,
    )
