"""The status of facilities as text and as a document. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from provisioner.base.clock import VIETNAM, local_iso, local_time
from provisioner.base.counted import counted
from provisioner.base.diagnostics import Problem
from provisioner.base.json_document import Document
from provisioner.inventory.deadlines import Duty, Timeliness
from provisioner.inventory.signed import Worth, proofs_of
from provisioner.lifecycle.evidence import Evidence
from provisioner.lifecycle.reasons import Reason
from provisioner.lifecycle.states import FacilityState, Since
from provisioner.lifecycle.status import FacilityStatus
from provisioner.report.tables import text_table

_TIMELINESS = {
    Timeliness.NOT_BOUND: "",
    Timeliness.DUE: "due",
    Timeliness.ON_TIME: "on time",
    Timeliness.LATE: "late",
    Timeliness.OVERDUE: "overdue",
}
_NAMES = ("facility", "state", "since", "deadline", "in time", "blocked")


@dataclass(frozen=True)
class Explained:
    """A facility's status with all that speaks for it.

    Attributes:
        reasons: why, in sentences.
        problems: what is wrong with its file.
    """

    status: FacilityStatus
    reasons: tuple[Reason, ...]
    problems: tuple[Problem, ...]


# --- text -----------------------------------------------------------------------------------------


def status_lines(statuses: Sequence[FacilityStatus], evidence: Evidence, now: datetime) -> Iterator[str]:
    """The table, and what it comes to."""
    yield f"as of: {local_time(now)}, by the evidence of {counted(evidence.runs, 'run')}"
    yield ""
    yield from text_table(_NAMES, [_row(status) for status in statuses], numbers=False)
    yield ""
    yield _sum_line(statuses)


def _row(status: FacilityStatus) -> tuple[str, ...]:
    blocked = status.facility.blocked
    return (
        status.facility.id,
        status.standing.state.words,
        _short(status.standing.since),
        f"before {status.duty.before}" if status.duty else "",
        _TIMELINESS[status.timeliness],
        blocked.reason.value if blocked and status.is_blocked else "",
    )


def _short(since: Since) -> str:
    """A day, or a moment to the minute as Vietnam's clock has it."""
    if isinstance(since, datetime):
        return f"{since.astimezone(VIETNAM):%Y-%m-%d %H:%M}"
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


def why_lines(explained: Explained) -> Iterator[str]:
    """One facility's reasons, each with its place, and what comes next."""
    standing = explained.status.standing
    since = f" since {_short(standing.since)}" if standing.since else ""
    yield f"{explained.status.facility.id}: {standing.state.words}{since}"
    for reason in explained.reasons:
        place = f" ({reason.file}:{reason.line})" if reason.file else ""
        yield f"  - {reason.text}{place}"
    for problem in explained.problems:
        yield f"  {problem.severity.value}: {problem.place}: {problem.message}"
    yield f"  next: {explained.status.next}"


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
        "facilities": [_facility(status, evidence, why.get(status.facility.id)) for status in statuses],
    }


def facility_document(status: FacilityStatus) -> Document:
    """What every document says of one facility."""
    standing, facility = status.standing, status.facility
    return {
        "facility": facility.id,
        "name": facility.name,
        "province": facility.province,
        "managing_body": facility.managing_body.value,
        "carrier": status.carrier,
        "operating": facility.operating.value,
        "state": standing.state.value,
        "since": _since_document(standing.since),
        "reached": standing.reached.value,
        "connected": standing.is_connected,
        "connected_at": _since_document(standing.connected_at),
        "deadline": _duty(status.duty) if status.duty else None,
        "timeliness": status.timeliness.value,
        "blocked": _blocked(status),
        "sign_offs": _sign_offs(status),
        "next": status.next,
    }


def _sign_offs(status: FacilityStatus) -> Document:
    """How many parties' agreement to the plan a key of theirs proves, and how many are claimed in the file."""
    facility = status.facility
    worths = Counter(proof.worth for proof in proofs_of(facility, facility.plan)) if facility.plan else Counter()
    return {"signed": worths[Worth.SIGNED], "claimed": worths[Worth.CLAIMED]}


def _since_document(since: Since) -> str | None:
    """A moment with Vietnam's zone, a day as a day, None where nothing is known."""
    if isinstance(since, datetime):
        return local_iso(since)
    return str(since) if since else None


def _facility(status: FacilityStatus, evidence: Evidence, why: Explained | None) -> Document:
    standing = status.standing
    document = facility_document(status) | {
        "rendered": status.facility.rendered,
        "left_on": list(standing.left_on),
        "steps": {state.value: _since_document(since) for state, since in standing.steps.items()},
        "orders": [_duty(duty) for duty in status.duties],
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
    return document | {"why": reasons, "problems": [f"{p.place}: {p.message}" for p in why.problems]}


def _duty(duty: Duty) -> Document:
    return {"order": duty.order.ref, "before": str(duty.before), "deadline": local_iso(duty.deadline)}


def _blocked(status: FacilityStatus) -> Document | None:
    blocked = status.facility.blocked
    if blocked is None or not status.is_blocked:
        return None
    return {
        "reason": blocked.reason.value,
        "owner": blocked.owner.value,
        "since": str(blocked.since),
        "next_action": blocked.next_action,
        "due": str(blocked.due),
    }
