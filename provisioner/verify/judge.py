"""Verdicts from one look's evidence; unchecked is `unknown`, never `up`. Pure.

The rules (docs/internals/verify.md):

- Each level is judged separately: passed, failed, or not checked. `level` is the highest passed one with all applicable
  lower ones passed.
- The cause is the relay's stopped service, else the lowest failed level: its layer is the highest and explains the
  others.
- Down: a level of link or picture failed. Degraded instead if the picture arrives all the same, well (a port map is
  gone while its old connection lives) or different.
- Unknown: no level failed, and some were not checked.
- Quarantined: the relay no longer pulls the camera, which refused the login; this comes before all others.
- Degraded (drift): all levels were checked and none failed, but a host of the path has drift.
- Unknown (not asked for): no requested level failed, and there are higher ones.

These rules are for a single look; `path_history` combines several looks and the memory.

A new level is a row in `LEVELS` with its check: no rule here names a level's number.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto
from itertools import takewhile
from operator import attrgetter
from typing import NamedTuple

from provisioner.base.groups import gathered
from provisioner.base.text import msg
from provisioner.desired.spec import HostSpec
from provisioner.hosts.runner import CallOutcome
from provisioner.plan.change import Change, Resource, pending
from provisioner.verify import result
from provisioner.verify.case import Case, Check
from provisioner.verify.evidence import HostEvidence, device_of, is_pulled_elsewhere, origins_of
from provisioner.verify.incidents import paths_by_incident
from provisioner.verify.memory import NOTHING, Memories
from provisioner.verify.network import host_check, port_check, tunnel_check
from provisioner.verify.paths import PathToCheck
from provisioner.verify.picture_check import State, picture_check, report_of
from provisioner.verify.reference import References, SiteReferences, references_of_neighbours
from provisioner.verify.relay_health import illness_of, with_illness
from provisioner.verify.sources import quarantine_check
from provisioner.verify.stream import centre_check, read_check, relay_check

_NO_EVIDENCE = "no evidence"
_NO_MEMORIES: Memories = {}
_NO_REFERENCES: Mapping[str, References] = {}
_NO_SITES: SiteReferences = {}


class Subject(Enum):
    """A level's subject, which decides the effect of its failure."""

    HOST = auto()  #: The host's state: a failure is drift, which interrupts no path by itself.
    LINK = auto()  #: The connection to the camera: a good picture overrules a failure.
    PICTURE = auto()  #: The picture; the first such level is its arrival.


@dataclass(frozen=True, slots=True)
class Level:
    """One level."""

    number: int  #: In documents; never changes its meaning.
    name: str  #: Its short statement, in documents and on pages.
    statement: str  #: The words of docs/daily/watching.md.
    check: Callable[[Case], Check]  #: Judges one path's evidence.
    subject: Subject  #: Of the level.
    at_the_gate: bool = False  #: Whether an apply's path gate uses it, from one look at the relay.


#: All levels by number. 6 applies if a look was due and could be judged; else 7 follows 5.
LEVELS: tuple[Level, ...] = (
    Level(
        number=1,
        name="host equals the desired state",
        statement="the host's files, services, rules and peers equal the desired state",
        check=host_check,
        subject=Subject.HOST,
    ),
    Level(
        number=2,
        name="tunnel",
        statement=(
            "the tunnel has a recent handshake, owns its allowed IPs, and a route exists; without one the site is heard"
        ),
        check=tunnel_check,
        subject=Subject.LINK,
    ),
    Level(
        number=3,
        name="camera port answers",
        statement="the camera's port answers from the relay, if that pulls it",
        check=port_check,
        subject=Subject.LINK,
    ),
    Level(
        number=4,
        name="relay receives",
        statement=(
            "MediaMTX says available and online, and inbound bytes grew between two samples, from the camera's own port"
        ),
        check=relay_check,
        subject=Subject.PICTURE,
        at_the_gate=True,
    ),
    Level(
        number=5,
        name="key frame of the relay decoded",
        statement=(
            "a key frame of the declared codec and size was decoded, on the relay or at a centre;"
            " no sound unless asked for"
        ),
        check=read_check,
        subject=Subject.PICTURE,
        at_the_gate=True,
    ),
    Level(
        number=6,
        name="picture of something",
        statement=(
            "if a look was due: no black, flat, repeated or damaged picture, no card, the agreed rate, a true clock"
        ),
        check=picture_check,
        subject=Subject.PICTURE,
    ),
    Level(
        number=7,
        name="key frame decoded at the centre",
        statement="the same as 5 from the monitoring centre, through the tunnel, and the stream arrives in full",
        check=centre_check,
        subject=Subject.PICTURE,
    ),
)

#: The level of a picture's measurements.
PICTURES = next(level.number for level in LEVELS if level.check is picture_check)

HIGHEST = LEVELS[-1]  #: The level of a path that is up to its end.

#: Levels of the path gate, highest first: closest to a viewer's experience.
GATE_LEVELS = tuple(level for level in reversed(LEVELS) if level.at_the_gate)


class _CheckedLevel(NamedTuple):
    level: Level
    check: Check


class SeparateVerdicts(NamedTuple):
    """Separate verdicts on paths, before they are combined by object."""

    verdicts: tuple[result.PathVerdict, ...]  #: Of every path.
    quarantined: tuple[result.PathVerdict, ...]  #: Replace the verdicts of the same paths.


def judge(
    targets: Sequence[PathToCheck],
    evidence: Mapping[str, HostEvidence],
    drift: Mapping[str, Sequence[Change]],
    checked_at: datetime,
    *,
    max_level: int | None = None,
) -> tuple[result.PathVerdict, ...]:
    """Return the verdicts of one look by host ids, sorted by name."""
    return put_together([judge_each(targets, evidence, drift, checked_at, max_level=max_level)], targets)


def judge_each(
    targets: Sequence[PathToCheck],
    evidence: Mapping[str, HostEvidence],
    drift: Mapping[str, Sequence[Change]],
    checked_at: datetime,
    *,
    max_level: int | None = None,
    memories: Memories = _NO_MEMORIES,
    references: Mapping[str, References] = _NO_REFERENCES,
    sites: SiteReferences = _NO_SITES,
    once: Collection[str] = (),
) -> SeparateVerdicts:
    """Return separate verdicts, before `judge` combines them by object.

    Pass all requested paths of a relay, with the centres that read them: other relays are no evidence. A host without
    drift was not compared. `sites` are all references by site. Only centres read the paths in `once`.
    """
    levels = tuple(level for level in LEVELS if max_level is None or level.number <= max_level)
    siblings = gathered(((target.relay.id, target.path.facility), device_of(target.path)) for target in targets)
    by_site = {site: frozenset(devices) for site, devices in siblings.items()}
    specs = {target.relay.id: target.relay for target in targets}
    relays = {
        host: host_evidence.relay
        for host, host_evidence in evidence.items()
        if host in specs and host_evidence.relay is not None
    }
    frozen = {host: facts.held for host in relays if (facts := evidence[host].facts) is not None}
    lines = {host: _drifted_lines(drift.get(host, ())) for host in relays}
    origins = {
        host: origins_of(specs[host], relay, frozen.get(host), _elsewhere(specs[host], evidence[host], lines[host]))
        for host, relay in relays.items()
    }
    illnesses = {host: illness_of(relay) for host, relay in relays.items()}
    found: dict[str, dict[Hashable, object]] = {host: {} for host in relays}
    verdicts, quarantined = [], []
    for target in targets:
        host = evidence.get(target.relay.id)
        if host is None or host.relay is None:
            verdicts.append(_without_evidence(target, host))
            continue
        case = Case(
            target=target,
            relay=host.relay,
            hosts=evidence,
            drift=drift,
            siblings=by_site[target.relay.id, target.path.facility],
            origins=origins[target.relay.id],
            once=target.path.name in once,
            at=checked_at,
            memory=memories.get(target.remembered_as, NOTHING),
            references=references.get(target.path.name, ()),
            others=references_of_neighbours(target.path.name, target.path.facility, sites),
            illness=illnesses[target.relay.id],
            line_drift=lines[target.relay.id].get(target.path.name),
            found=found[target.relay.id],
        )
        # A quarantined path is judged alone: it does not count for shared causes.
        verdicts.append(_verdict_of_case(case, levels, checked_at))
        if (quarantine := quarantine_check(case)) is not None:
            quarantined.append(_verdict_of_case(case, levels, checked_at, quarantine))
    return SeparateVerdicts(tuple(verdicts), tuple(quarantined))


def _drifted_lines(drift: Iterable[Change]) -> dict[str, Change]:
    return {change.name: change for change in pending(drift) if change.resource is Resource.PATH}


def _elsewhere(spec: HostSpec, evidence: HostEvidence, drifted: Collection[str]) -> frozenset[str]:
    paths = (path for path in spec.paths if path.name in drifted) if drifted else ()
    return frozenset(path.name for path in paths if is_pulled_elsewhere(path, evidence.facts))


def put_together(judged: Iterable[SeparateVerdicts], targets: Sequence[PathToCheck]) -> tuple[result.PathVerdict, ...]:
    """Combine all verdicts of a look by object, sorted by name."""
    parts = list(judged)
    verdicts, quarantined = (
        sorted((verdict for part in parts for verdict in part[kind]), key=attrgetter("path", "relay"))
        for kind in (0, 1)
    )
    quarantines = {(verdict.path, verdict.relay): verdict for verdict in paths_by_incident(quarantined, targets)}
    return tuple(
        quarantines.get((verdict.path, verdict.relay), verdict) for verdict in paths_by_incident(verdicts, targets)
    )


def is_proved(verdict: result.PathVerdict) -> bool:
    """Return whether a path is up, apart from drift."""
    # A picture without light is judged by no level of its own.
    is_dark = verdict.picture is not None and verdict.picture.state == State.DARK.value
    needed = {level.number for level in LEVELS if level.subject is not Subject.HOST}
    passed = needed - ({PICTURES} if is_dark else set()) <= set(verdict.passed)
    return passed or verdict.verdict is result.Verdict.UP


def not_reached(target: PathToCheck, detail: str) -> result.PathVerdict:
    """Return the verdict on a path that this run left out."""
    return _not_requested(_verdict(target, result.Verdict.UNKNOWN, (), None, None), detail)


def _not_requested(verdict: result.PathVerdict, detail: str) -> result.PathVerdict:
    finding = replace(verdict.finding, cause=result.Cause.NOT_ASKED, detail=detail)
    return replace(verdict, verdict=result.Verdict.UNKNOWN, finding=finding)


def _without_evidence(target: PathToCheck, host: HostEvidence | None) -> result.PathVerdict:
    unreachable = host is not None and host.outcome is CallOutcome.UNREACHABLE
    cause = (
        result.Cause.HOST_UNREACHABLE
        if unreachable
        else result.Cause.CANNOT_CHECK
        if host
        else result.Cause.NOT_CHECKED
    )
    detail = (host.error if host else "") or _NO_EVIDENCE
    return _verdict(
        target, result.Verdict.UNKNOWN, (), result.Finding(cause, result.Layer.HOST, target.relay.id, detail), None
    )


def _verdict_of_case(
    case: Case, levels: Sequence[Level], checked_at: datetime, quarantine: Check | None = None
) -> result.PathVerdict:
    checks = tuple(_CheckedLevel(level, _checked(level, case, quarantine)) for level in levels)
    checks = tuple(checked for checked in checks if checked.check.applies)
    verdict, finding = _verdict_and_finding(checks)
    if quarantine is not None:
        verdict, finding = result.Verdict.QUARANTINED, quarantine.finding
    judged = _verdict(case.target, verdict, checks, finding, checked_at)
    judged = replace(judged, picture=report_of(case), settings=tuple(_settings_in_use(case)))
    judged = with_illness(judged, case.illness, case.reply)
    if verdict is result.Verdict.UP and len(levels) < len(LEVELS):
        return _not_requested(
            judged, msg("good up to level {number}; the levels above were not asked for", levels[-1].number)
        )
    return judged


def _settings_in_use(case: Case) -> Iterator[result.AcceptedSetting]:
    """Yield the settings under change, with the one that a picture confirms."""
    path, frame = case.target.path, case.frame
    if (change := path.login_change) is not None:
        has_picture = bool(frame or case.flowed)
        by_login: result.InUse = result.NEW if change.done else result.OLD
        yield result.AcceptedSetting(
            "login", f"{path.facility}/{path.device}", change.until, by_login if has_picture else None
        )
    if (former := path.former) is not None:
        is_new, is_old = frame == (path.codec, path.width, path.height), frame == former.frame
        in_use: result.InUse = None if is_new == is_old else result.NEW if is_new else result.OLD
        yield result.AcceptedSetting("picture", f"{path.facility}/{path.camera}", former.until, in_use)


def _checked(level: Level, case: Case, quarantine: Check | None) -> Check:
    """Check a level; a quarantined path has no picture to judge."""
    return quarantine if quarantine is not None and level.subject is Subject.PICTURE else level.check(case)


def _verdict_and_finding(checks: Sequence[_CheckedLevel]) -> tuple[result.Verdict, result.Finding | None]:
    failures = [(level.subject, c.finding) for level, c in checks if c.passed is False and c.finding]
    broken = [finding for subject, finding in failures if subject is not Subject.HOST]
    not_checked = next((c.finding for _, c in checks if c.passed is None), None)
    if broken:
        verdict = _verdict_of_failure([c for level, c in checks if level.subject is Subject.PICTURE])
        return verdict, not_checked if verdict is result.Verdict.UNKNOWN else _root(broken)
    if not_checked is not None:
        return result.Verdict.UNKNOWN, not_checked
    if failures:
        return result.Verdict.DEGRADED, failures[0][1]
    return result.Verdict.UP, None


def _root(broken: Sequence[result.Finding]) -> result.Finding:
    stopped = (s for s in broken if s.cause is result.Cause.RELAY_STOPPED)
    worse = (s for s in broken if not _has_picture(s))
    return next(stopped, None) or next(worse, broken[0])


def _has_picture(finding: result.Finding) -> bool:
    return finding.cause in result.IMPERFECT and finding.has_frame


def _verdict_of_failure(picture: Sequence[Check]) -> result.Verdict:
    if not picture or (picture[0].passed is False and not any(c.passed for c in picture)):
        return result.Verdict.DOWN
    broken = [c for c in picture if c.passed is False]
    if any(c.finding and not _has_picture(c.finding) for c in broken):
        return result.Verdict.DOWN
    if all(c.passed is not None for c in picture):
        return result.Verdict.DEGRADED
    # It flows into the relay, or was seen, so it is not down; how far it comes was not checked.
    return result.Verdict.UNKNOWN if picture[0].passed or broken else result.Verdict.DOWN


def _verdict(
    target: PathToCheck,
    verdict: result.Verdict,
    checks: Sequence[_CheckedLevel],
    finding: result.Finding | None,
    checked_at: datetime | None,
) -> result.PathVerdict:
    of_level = (replace(finding, level=level.number) for level, c in checks if finding and c.finding is finding)
    unbroken = list(takewhile(lambda checked: checked.check.passed, checks))
    return result.PathVerdict(
        *target.names,
        verdict=verdict,
        level=unbroken[-1].level.number if unbroken else 0,
        finding=next(of_level, finding or result.NO_FINDING),
        checked_at=checked_at,
        passed=tuple(level.number for level, c in checks if c.passed),
    )
