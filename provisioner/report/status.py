"""The status of facilities as text and as a document. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from provisioner.availability.since import PathSince
from provisioner.base.clock import local_iso, local_time
from provisioner.base.counted import counted
from provisioner.base.diagnostics import Problem
from provisioner.base.json_document import Document
from provisioner.base.printable import printable
from provisioner.inventory.deadlines import Timeliness
from provisioner.lifecycle.evidence import Evidence
from provisioner.lifecycle.pictures import Pictures, freshness
from provisioner.lifecycle.reasons import Reason
from provisioner.lifecycle.states import FacilityState, Since
from provisioner.lifecycle.status import FacilityStatus
from provisioner.report.facility_document import duty_document, facility_document, since_document
from provisioner.report.freshness import freshness_document, freshness_line, short
from provisioner.report.tables import text_table

_TIMELINESS = {
    Timeliness.NOT_BOUND: "",
    Timeliness.DUE: "due",
    Timeliness.ON_TIME: "on time",
    Timeliness.LATE: "late",
    Timeliness.OVERDUE: "overdue",
}
_NAMES = (
    *("facility", "state", "since", "connected", "up now", "last proved", "down since"),
    *("deadline", "in time", "blocked"),
)


@dataclass(frozen=True)
class Explained:
    """A facility's status with all that speaks for it.

    Attributes:
        reasons: why, in sentences.
        problems: what is wrong with its file.
        failing: its paths that are not up by the last look that could tell, and since when.
    """

    status: FacilityStatus
    reasons: tuple[Reason, ...]
    problems: tuple[Problem, ...]
    failing: Mapping[str, PathSince] = field(default_factory=dict)


# --- text -----------------------------------------------------------------------------------------


def status_lines(statuses: Sequence[FacilityStatus], evidence: Evidence, now: datetime) -> Iterator[str]:
    """How old the proof is, the table, what it comes to, and what is to be seen to."""
    yield freshness_line(freshness(evidence, now, (status.pictures for status in statuses)))
    yield f"as of: {local_time(now)}, by the evidence of {counted(evidence.runs, 'run')}"
    yield ""
    yield from text_table(_NAMES, [_row(status) for status in statuses], numbers=False)
    yield ""
    yield _sum_line(statuses)
    yield _pictures_line(statuses)
    yield from warning_lines(statuses)


def warning_lines(statuses: Iterable[FacilityStatus]) -> Iterator[str]:
    """The warnings of facilities, a line each."""
    for status in statuses:
        if status.opening:
            yield f"warning: {status.facility.id}: {status.opening.words}"


def _row(status: FacilityStatus) -> tuple[str, ...]:
    blocked = status.facility.blocked
    return (
        status.facility.id,
        status.standing.state.words,
        _short(status.standing.since),
        _connected(status),
        up_now(status.pictures),
        _last_proved(status.pictures),
        short(status.pictures.down_since.at) if status.pictures.down_since else "",
        f"before {status.duty.before}" if status.duty else "",
        _TIMELINESS[status.timeliness],
        blocked.reason.value if blocked and status.is_blocked else "",
    )


def _connected(status: FacilityStatus) -> str:
    """Since when it is proved to be connected, or said to be."""
    if status.standing.is_connected:
        return _short(status.standing.connected_at)
    return f"claimed {status.claimed.connected_on}" if status.claimed else ""


def up_now(pictures: Pictures) -> str:
    """How many of a facility's cameras are up now; empty where no host pulls them."""
    if not pictures.carried:
        return ""
    if pictures.look is None:
        return "unknown"
    unknown = f", {pictures.unknown} unknown" if pictures.unknown else ""
    return f"{pictures.up}/{pictures.cameras}{unknown}"


def _last_proved(pictures: Pictures) -> str:
    if pictures.last_proved:
        return short(pictures.last_proved.at)
    return "never" if pictures.carried else ""


def _short(since: Since) -> str:
    """A day, or a moment to the minute as Vietnam's clock has it."""
    if isinstance(since, datetime):
        return short(since)
    return str(since) if since else ""


def _sum_line(statuses: Iterable[FacilityStatus]) -> str:
    """Say how many facilities there are, in which states, and how many are overdue or blocked."""
    listed = list(statuses)
    states = Counter(status.standing.state for status in listed)
    by_state = ", ".join(f"{states[state]} {state.words}" for state in FacilityState if states[state])
    noun = "facility" if len(listed) == 1 else "facilities"
    overdue = sum(status.timeliness is Timeliness.OVERDUE for status in listed)
    blocked = sum(status.is_blocked for status in listed)
    return f"{len(listed)} {noun}: {by_state}; {overdue} overdue, {blocked} blocked"


def _pictures_line(statuses: Iterable[FacilityStatus]) -> str:
    """Say how many are connected and how those are now, and how many are only said to be."""
    listed = list(statuses)
    now = Counter(status.pictures.is_up for status in listed if status.standing.is_connected)
    claimed = sum(status.claimed is not None for status in listed)
    beside = f", {claimed} more claimed" if claimed else ""
    states = f"{now[True]} up now, {now[False]} not up, {now[None]} unknown"
    up, cameras, unknown = (
        sum(getattr(status.pictures, count) for status in listed) for count in ("up", "cameras", "unknown")
    )
    cameras_now = f"{up} of {cameras} cameras are up now" + (f", {unknown} unknown" if unknown else "")
    return f"{now.total()} connected{beside}: {states}; {cameras_now}"


def why_lines(explained: Explained) -> Iterator[str]:
    """One facility's reasons, each with its place, and what comes next."""
    standing = explained.status.standing
    since = f" since {_short(standing.since)}" if standing.since else ""
    yield f"{explained.status.facility.id}: {standing.state.words}{since}"
    for reason in explained.reasons:
        place = f" ({reason.file}:{reason.line})" if reason.file else ""
        yield f"  - {reason.text}{place}"
    yield from map(printable, failing_lines(explained.failing))
    for problem in explained.problems:
        yield f"  {problem.severity.value}: {problem.place}: {problem.message}"
    yield f"  next: {explained.status.next}"


def failing_lines(failing: Mapping[str, PathSince]) -> Iterator[str]:
    """Each path that is not up, the one that has been so for longest first, with why, since when and how often."""
    for path, one in sorted(failing.items(), key=lambda item: (item[1].since, item[0])):
        cause = f": {one.cause}" if one.cause else ""
        last = f"last up {local_time(one.last_up)}" if one.last_up else "never seen up"
        seen = f"in {counted(one.looks, 'verification')} in a row"
        yield f"  - {path} {one.verdict}{cause}; since {local_time(one.since)}, {seen}, {last}"


# --- document -------------------------------------------------------------------------------------


def status_document(
    statuses: Sequence[FacilityStatus], evidence: Evidence, now: datetime, why: Mapping[str, Explained]
) -> Document:
    """The `status` document; `why` holds the reasons of those facilities of which they are wanted."""
    return {
        "schema": "provisioner/status",
        "version": 1,
        "as_of": local_iso(now),
        "runs": evidence.runs,
        "proof": freshness_document(freshness(evidence, now, (status.pictures for status in statuses))),
        "facilities": [_facility(status, evidence, why.get(status.facility.id)) for status in statuses],
    }


def _facility(status: FacilityStatus, evidence: Evidence, why: Explained | None) -> Document:
    standing = status.standing
    document = facility_document(status) | {
        "rendered": status.facility.rendered,
        "left_on": list(standing.left_on),
        "steps": {state.value: since_document(since) for state, since in standing.steps.items()},
        "orders": [duty_document(duty) for duty in status.duties],
        "last_checks": [
            {
                "relay": check.relay,
                "at": local_iso(check.shown.at),
                "run": check.shown.run,
                "pulled": check.pulled,
                "checked": check.checked,
                "proved": check.proved,
            }
            for check in evidence.checks.get(status.facility.id, ())
        ],
    }
    if why is None:
        return document
    reasons = [{"text": reason.text, "file": reason.file, "line": reason.line} for reason in why.reasons]
    failing = [_failing(path, one) for path, one in sorted(why.failing.items())]
    return document | {
        "failing": failing,
        "why": reasons,
        "problems": [f"{p.place}: {p.message}" for p in why.problems],
    }


def _failing(path: str, one: PathSince) -> Document:
    return {
        "path": path,
        "verdict": one.verdict,
        "cause": one.cause,
        "since": local_iso(one.since),
        "in_a_row": one.looks,
        "last_look": local_iso(one.last_look),
        "last_up": local_iso(one.last_up) if one.last_up else None,
    }
