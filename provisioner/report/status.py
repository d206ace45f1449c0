"""The status of facilities as text and as a document. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from provisioner.base.clock import local_iso, local_time
from provisioner.base.diagnostics import Problem
from provisioner.base.json_document import Document
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.base.printable import printable
from provisioner.inventory.deadlines import Timeliness
from provisioner.lifecycle.drains import DrainStanding
from provisioner.lifecycle.evidence import Evidence
from provisioner.lifecycle.pictures import Pictures, freshness
from provisioner.lifecycle.reasons import Reason
from provisioner.lifecycle.states import FacilityState, Since
from provisioner.lifecycle.status import FacilityStatus
from provisioner.report.facility_document import duty_document, facility_document, since_document
from provisioner.report.freshness import freshness_document, freshness_line, short, since_words
from provisioner.report.tables import text_table

if TYPE_CHECKING:
    from provisioner.availability.since import PathSince

_TIMELINESS = {
    Timeliness.NOT_BOUND: "",
    Timeliness.DUE: marked("due"),
    Timeliness.ON_TIME: marked("on time"),
    Timeliness.LATE: marked("late"),
    Timeliness.OVERDUE: marked("overdue"),
}
_NAMES = (
    *(marked("facility"), marked("state"), marked("since"), marked("connected"), marked("up now")),
    *(marked("last proved"), marked("down since"), marked("deadline"), marked("in time"), marked("blocked")),
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


def status_lines(
    statuses: Sequence[FacilityStatus], evidence: Evidence, now: datetime, say: Translator = ENGLISH
) -> Iterator[str]:
    """How old the proof is, the table, what it comes to, and what is to be seen to."""
    yield freshness_line(freshness(evidence, now, (status.pictures for status in statuses)), say)
    yield say("as of: {at}, by the evidence of {runs}", at=local_time(now), runs=say.counted(evidence.runs, "run"))
    yield ""
    yield from text_table([*map(say, _NAMES)], [_row(status, say) for status in statuses], numbers=False)
    yield ""
    yield _sum_line(statuses, say)
    yield _pictures_line(statuses, say)
    yield from warning_lines(statuses, say)


def drain_lines(drains: Iterable[DrainStanding], say: Translator = ENGLISH) -> Iterator[str]:
    """The relays that are being emptied, a line each, with the command that goes on."""
    for one in drains:
        values = {"relay": one.relay, "to": one.to, "command": one.command}
        if one.is_over:
            yield say("{relay} was emptied onto {to} and carries nothing; next: {command}", **values)
            continue
        sites = say.counted(len({*one.remaining, *one.held}), "site")
        both = f", {say('{count} of them over both', count=len(one.both))}" if one.both else ""
        begun = say("{relay} is being emptied onto {to}: {sites} still there", sites=sites, **values)
        yield f"{begun}{both}; {say('go on: {command}', command=values['command'])}"


def warning_lines(statuses: Iterable[FacilityStatus], say: Translator = ENGLISH) -> Iterator[str]:
    """The warnings of facilities, a line each."""
    for status in statuses:
        if status.opening:
            yield f"{say('warning')}: {status.facility.id}: {say.restated(status.opening.words)}"


def _row(status: FacilityStatus, say: Translator) -> tuple[str, ...]:
    blocked, late = status.facility.blocked, _TIMELINESS[status.timeliness]
    return (
        status.facility.id,
        state_word(status.standing.state, say),
        _short(status.standing.since),
        _connected(status, say),
        up_now(status.pictures, say),
        _last_proved(status.pictures, say),
        short(status.pictures.down_since.at) if status.pictures.down_since else "",
        say("before {day}", day=status.duty.before) if status.duty else "",
        say(late) if late else "",
        say.word(blocked.reason) if blocked and status.is_blocked else "",
    )


def state_word(state: FacilityState, say: Translator) -> str:
    """A state as people call it."""
    return say.word(state, state.words)


def _connected(status: FacilityStatus, say: Translator) -> str:
    """Since when it is proved to be connected, or said to be."""
    if status.standing.is_connected:
        return _short(status.standing.connected_at)
    return say("claimed {day}", day=status.claimed.connected_on) if status.claimed else ""


def up_now(pictures: Pictures, say: Translator = ENGLISH) -> str:
    """How many of a facility's cameras are up now; empty where no host pulls them."""
    if not pictures.carried:
        return ""
    if pictures.look is None:
        return say("unknown")
    unknown = f", {pictures.unknown} {say('unknown')}" if pictures.unknown else ""
    return f"{pictures.up}/{pictures.cameras}{unknown}"


def _last_proved(pictures: Pictures, say: Translator) -> str:
    if pictures.last_proved:
        return short(pictures.last_proved.at)
    return say("never") if pictures.carried else ""


def _short(since: Since) -> str:
    """A day, or a moment to the minute as Vietnam's clock has it."""
    if isinstance(since, datetime):
        return short(since)
    return str(since) if since else ""


def _sum_line(statuses: Iterable[FacilityStatus], say: Translator) -> str:
    """Say how many facilities there are, in which states, and how many are overdue or blocked."""
    listed = list(statuses)
    states = Counter(status.standing.state for status in listed)
    by_state = ", ".join(f"{states[state]} {state_word(state, say)}" for state in FacilityState if states[state])
    values = {
        "facilities": say.counted(len(listed), "facility"),
        "by_state": by_state,
        "overdue": sum(status.timeliness is Timeliness.OVERDUE for status in listed),
        "blocked": sum(status.is_blocked for status in listed),
    }
    return say("{facilities}: {by_state}; {overdue} overdue, {blocked} blocked", **values)


def _pictures_line(statuses: Iterable[FacilityStatus], say: Translator) -> str:
    """Say how many are connected and how those are now, and how many are only said to be."""
    listed = list(statuses)
    now = Counter(status.pictures.is_up for status in listed if status.standing.is_connected)
    claimed = sum(status.claimed is not None for status in listed)
    connected = say("{count} connected", count=now.total())
    connected += f", {say('{count} more claimed', count=claimed)}" if claimed else ""
    states = say("{up} up now, {down} not up, {unknown} unknown", up=now[True], down=now[False], unknown=now[None])
    up, cameras, unknown = (
        sum(getattr(status.pictures, count) for status in listed) for count in ("up", "cameras", "unknown")
    )
    cameras_now = say("{up} of {cameras} cameras are up now", up=up, cameras=cameras)
    cameras_now += f", {unknown} {say('unknown')}" if unknown else ""
    return f"{connected}: {states}; {cameras_now}"


def why_lines(explained: Explained, say: Translator = ENGLISH) -> Iterator[str]:
    """One facility's reasons, each with its place, and what comes next."""
    standing = explained.status.standing
    facility, state, since = explained.status.facility.id, state_word(standing.state, say), _short(standing.since)
    yield (
        say("{facility}: {state} since {since}", facility=facility, state=state, since=since)
        if since
        else (f"{facility}: {state}")
    )
    for reason in explained.reasons:
        place = f" ({reason.file}:{reason.line})" if reason.file else ""
        yield f"  - {say.restated(reason.text)}{place}"
    yield from map(printable, failing_lines(explained.failing, say))
    for problem in explained.problems:
        yield f"  {say.word(problem.severity)}: {problem.place}: {say.restated(problem.message)}"
    yield f"  {say('next')}: {say.restated(explained.status.next)}"


def failing_lines(failing: Mapping[str, PathSince], say: Translator = ENGLISH) -> Iterator[str]:
    """Each path that is not up, the one that has been so for longest first, with why, since when and how often."""
    for path, one in sorted(failing.items(), key=lambda item: (item[1].since, item[0])):
        cause = f": {say.restated(one.cause)}" if one.cause else ""
        last = say("last up {moment}", moment=local_time(one.last_up)) if one.last_up else say("never seen up")
        since = since_words(one.since, one.looks, say)
        yield f"  - {path} {say.restated(one.verdict)}{cause}; {since}, {last}"


# --- document -------------------------------------------------------------------------------------


def status_document(
    statuses: Sequence[FacilityStatus],
    evidence: Evidence,
    now: datetime,
    why: Mapping[str, Explained],
    drains: Iterable[DrainStanding] = (),
) -> Document:
    """The `status` document; `why` holds the reasons of those facilities of which they are wanted."""
    return {
        "schema": "provisioner/status",
        "version": 1,
        "as_of": local_iso(now),
        "runs": evidence.runs,
        "proof": freshness_document(freshness(evidence, now, (status.pictures for status in statuses))),
        "facilities": [_facility(status, evidence, why.get(status.facility.id)) for status in statuses],
        "drains": [
            {
                "relay": one.relay,
                "to": one.to,
                "remaining": list(one.remaining),
                "both": list(one.both),
                "held": list(one.held),
                "over": one.is_over,
            }
            for one in drains
        ],
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
