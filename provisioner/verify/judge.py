"""Evidence to verdicts. Pure: what was not checked is `unknown`, never `up`.

The rules (docs/design.md, part 7):

- Every level is judged by itself: passed, failed, or not checked. `level` is the highest one passed with
  all applicable lower ones passed.
- The cause is that of the relay's own failure if its service is stopped, else of the lowest level that
  failed: what is broken lower in the numbers is higher in the layers, and explains the rest.
- Down: something from level 2 on failed. Degraded instead, where the picture is good at the end of the
  way all the same (a port map that is gone while its old connection lives), or is there but differs.
- Unknown: nothing failed, and something was not checked.
- Degraded (drift): nothing failed and all was checked, but a host under the path is not as desired.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from provisioner.hosts.runner import CallOutcome
from provisioner.plan.changes import Change
from provisioner.verify.case import Case, Check, Shortfall
from provisioner.verify.evidence import Device, HostEvidence
from provisioner.verify.network import host_check, port_check, tunnel_check
from provisioner.verify.result import IMPERFECT, Cause, Layer, PathVerdict, Verdict
from provisioner.verify.stream import centre_check, read_check, relay_check
from provisioner.verify.wanted import PathToCheck

_CHECKS = (host_check, tunnel_check, port_check, relay_check, read_check, centre_check)
_UNSEEN = "no evidence"


def judge(
    wanted: Sequence[PathToCheck],
    evidence: Mapping[str, HostEvidence],
    drift: Mapping[str, Sequence[Change]],
    checked_at: datetime,
) -> tuple[PathVerdict, ...]:
    """The verdict on every path, in the order of names.

    Args:
        wanted: the paths that had to be checked.
        evidence: by host id, what it told.
        drift: by host id, what differs from the desired state; a host that is missing was not compared.
        checked_at: when the evidence was gathered.
    """
    siblings: dict[tuple[str, str], set[Device]] = defaultdict(set)
    for one in wanted:
        path = one.path
        siblings[one.relay.id, path.facility].add((str(path.source.address), path.source.port))
    verdicts = []
    for one in sorted(wanted, key=lambda w: (w.path.name, w.relay.id)):
        told = evidence.get(one.relay.id)
        if told is None or told.relay is None:
            verdicts.append(_unseen(one, told))
            continue
        case = Case(
            wanted=one,
            relay=told.relay,
            hosts=evidence,
            drift=drift,
            siblings=frozenset(siblings[one.relay.id, one.path.facility]),
        )
        verdicts.append(_judged(case, checked_at))
    return tuple(verdicts)


def _unseen(wanted: PathToCheck, told: HostEvidence | None) -> PathVerdict:
    unreachable = told is not None and told.outcome is CallOutcome.UNREACHABLE
    cause = Cause.HOST_UNREACHABLE if unreachable else Cause.NOT_CHECKED
    detail = (told.error if told else "") or _UNSEEN
    return _verdict(wanted, Verdict.UNKNOWN, (), Shortfall(Layer.HOST, wanted.relay.id, cause, detail), None)


def _judged(case: Case, checked_at: datetime) -> PathVerdict:
    checks = tuple(check(case) for check in _CHECKS)
    verdict, finding = _conclusion(checks)
    return _verdict(case.wanted, verdict, checks, finding, checked_at)


def _conclusion(checks: Sequence[Check]) -> tuple[Verdict, Shortfall | None]:
    host, others = checks[0], checks[1:]
    failures = [c.finding for c in others if c.passed is False and c.finding]
    unseen = next((c.finding for c in checks if c.passed is None), None)
    if failures:
        verdict = _severity(others)
        return verdict, unseen if verdict is Verdict.UNKNOWN else _root(failures)
    if unseen is not None:
        return Verdict.UNKNOWN, unseen
    if host.passed is False:
        return Verdict.DEGRADED, host.finding
    return Verdict.UP, None


def _root(failures: Sequence[Shortfall]) -> Shortfall:
    stopped = (f for f in failures if f.cause is Cause.RELAY_STOPPED)
    broken = (f for f in failures if f.cause not in IMPERFECT)
    return next(stopped, None) or next(broken, failures[0])


def _severity(others: Sequence[Check]) -> Verdict:
    """Judge a path of which something from level 2 on failed, by what came of the picture (levels 4, 5, 7)."""
    picture = [c for c in others if c.level >= 4]  # noqa: PLR2004 (the level's number)
    if any(c.passed is False and c.finding and c.finding.cause not in IMPERFECT for c in picture):
        return Verdict.DOWN
    if all(c.passed is not None for c in picture):
        return Verdict.DEGRADED
    # It flows into the relay, so it is not down; how far it comes was not seen.
    return Verdict.UNKNOWN if picture[0].passed else Verdict.DOWN


def _verdict(
    wanted: PathToCheck,
    verdict: Verdict,
    checks: Sequence[Check],
    finding: Shortfall | None,
    checked_at: datetime | None,
) -> PathVerdict:
    level = 0
    for check in checks:
        if not check.passed:
            break
        level = check.level
    path = wanted.path
    return PathVerdict(
        path=path.name,
        carrier=wanted.carrier,
        province=path.province,
        facility=path.facility,
        camera=path.camera,
        relay=wanted.relay.id,
        verdict=verdict,
        level=level,
        cause=finding.cause if finding else Cause.NONE,
        checked_at=checked_at,
        passed=tuple(c.level for c in checks if c.passed),
        layer=finding.layer if finding else None,
        object=finding.object if finding else "",
        detail=finding.detail if finding else "",
    )
