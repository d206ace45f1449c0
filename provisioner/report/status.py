"""The status of facilities as text and document, and their proof. Pure.

Every report first tells the age of its proof. A facility is accepted if all agreed cameras were up at the centre, and
again at least a day and a night later (`lifecycle.evidence.ACCEPTANCE_HOURS`): a single proof may be luck.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from provisioner.base.document import Count, HeldRow, Moment, Positive, Printed, Row, Said, absent, of
from provisioner.base.errors import Problem
from provisioner.base.language import ENGLISH, Language, Translator, marked, translator
from provisioner.base.text import VIETNAM, Document, LongList, local_time, printable
from provisioner.inventory.deadlines import Timeliness
from provisioner.inventory.model.facility import Operating
from provisioner.record.lifecycle.evidence import ACCEPTANCE_HOURS, Evidence, Proof, Verification
from provisioner.record.lifecycle.reasons import Reason
from provisioner.record.lifecycle.state import (
    STALE_HOURS,
    ConnectionProgress,
    FacilityState,
    Freshness,
    Pictures,
    Since,
    freshness,
)
from provisioner.record.lifecycle.status import DrainProgress, FacilityStatus
from provisioner.report.facilities import (
    DutyRow,
    FacilityReader,
    FacilityRow,
    PackageRow,
    SinceText,
    Step,
    facility_values,
    since_text,
)
from provisioner.report.progress import BeforeRow
from provisioner.report.tables import text_table

if TYPE_CHECKING:
    from provisioner.record.availability.path_state import PathState

_HOUR = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)
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
class FacilityProof:
    """The proof of one facility's signed content, if any."""

    status: FacilityStatus
    proof: Proof | None

    @property
    def is_accepted(self) -> bool:
        """Return whether a record of acceptance can be signed."""
        return FacilityState.ACCEPTED in self.status.standing.steps

    @property
    def refusal(self) -> str:
        """Why there is no record, and the next step; or empty."""
        if self.is_accepted:
            return ""
        if self.status.facility.plan is None:
            return "it has no connection plan"
        if FacilityState.PLAN_AGREED not in self.status.standing.steps:
            return "its plan is not signed by all three parties as it is now"
        if self.proof is None:
            return "not all that its plan says was ever up at the centre in one verification"
        first = local_time(self.proof.first.at)
        return f"it was proved at {first}, and has to be proved again at least {ACCEPTANCE_HOURS} h later"


@dataclass(frozen=True)
class ProvedFacilities:
    """All facilities that are not closed, by id."""

    listed: tuple[FacilityProof, ...]

    @property
    def accepted(self) -> int:
        """The number with a record of acceptance."""
        return sum(entry.is_accepted for entry in self.listed)

    @property
    def proved_once(self) -> int:
        """The number proved once, but not again."""
        return sum(entry.proof is not None and not entry.is_accepted for entry in self.listed)


@dataclass(frozen=True)
class Explained:
    """A facility's status, explained."""

    status: FacilityStatus
    reasons: tuple[Reason, ...]
    problems: tuple[Problem, ...]
    #: Its paths that are not up by the last decided check.
    failing: "Mapping[str, PathState]" = field(default_factory=dict)


def short(moment: datetime) -> str:
    """Return a time to the minute by Vietnam's clock."""
    return f"{moment.astimezone(VIETNAM):%Y-%m-%d %H:%M}"


def since_words(since: datetime, times: int, say: Translator = ENGLISH) -> str:
    """Return a start and the number of consecutive verifications in words."""
    count = say.counted(times, "verification")
    return say("since {moment}, in {times} in a row", moment=local_time(since), times=count)


def freshness_line(fresh: Freshness, say: Translator = ENGLISH) -> str:
    """Return a report's first line: the age of the last verification."""
    if fresh.verified is None or fresh.age is None:
        return say("last verification: not recorded, so the present state of cameras is unknown")
    age = _age_text(fresh, fresh.age, say)
    line = say("last verification: {age}", age=age)
    if run := _run_text(fresh.verified, say):
        line = say("last verification: {age} ({run})", age=age, run=run)
    if fresh.is_stale:
        stale = say("stale, older than {hours} h, so which cameras are up now is not known", hours=STALE_HOURS)
        return f"{line}: {stale}"
    if fresh.unseen:
        carried = say("{facilities} that hosts carry", facilities=say.counted(fresh.carried, "facility"))
        sentence = say(
            "it is not known which cameras are up now of {unseen} of {carried}", unseen=fresh.unseen, carried=carried
        )
        return f"{line}; {sentence}"
    return line


def _age_text(fresh: Freshness, age: timedelta, say: Translator) -> str:
    if age >= timedelta():
        return say("{age} ago", age=_age_parts(age, say))
    at = local_time(fresh.verified.observed.at) if fresh.verified else ""
    if fresh.is_ahead:
        return say("at {at}, later than this report, so a clock is wrong", at=at)
    return say("at {at}, later than this report", at=at)


def _run_text(verification: Verification, say: Translator) -> str:
    if verification.limit:
        return say("run {run}, limited to {limit}", run=verification.observed.run, limit=" ".join(verification.limit))
    return say("run {run}", run=verification.observed.run) if verification.observed.run else ""


def freshness_label(fresh: Freshness) -> str:
    """Return the age in Vietnamese, for official text: without a run's id."""
    if fresh.verified is None or fresh.age is None:
        return "chưa có lần kiểm tra nào, không rõ hiện camera nào có hình"
    at = f"{fresh.verified.observed.at.astimezone(VIETNAM):%H:%M ngày %d/%m/%Y}"
    age = f"{_age_parts(max(fresh.age, timedelta()), translator(Language.VI))} trước"
    if fresh.is_ahead:
        age = "sau thời điểm báo cáo, đồng hồ máy sai"
    limit = ", chỉ kiểm tra một phần" if fresh.verified.limit else ""
    line = f"lần kiểm tra gần nhất: {age} (lúc {at}{limit})"
    if fresh.is_stale:
        return f"{line}, đã quá {STALE_HOURS} giờ, không rõ hiện camera nào có hình"
    return f"{line}; {fresh.unseen}/{fresh.carried} cơ sở chưa rõ hiện trạng" if fresh.unseen else line


def _age_parts(age: timedelta, say: Translator) -> str:
    """Return an age's two largest parts, e.g. `3 days 4 h`."""
    hours, rest = divmod(age % timedelta(days=1), _HOUR)
    if age.days:
        return f"{say.counted(age.days, 'day')} {say('{hours} h', hours=hours)}"
    minutes = say("{minutes} min", minutes=rest // _MINUTE)
    return f"{say('{hours} h', hours=hours)} {minutes}" if hours else minutes


class VerificationRow(Row):
    """The latest verification."""

    run: Said = of("observed", "run")
    at: Moment = of("observed", "at")  #: The time of its end, with Vietnam's zone.
    age_s: int  #: Seconds until the report's moment.
    limit: tuple[str, ...]  #: Its limits; empty if it covered everything.


class ProofRow(Row):
    """The age of the proof."""

    last_verification: VerificationRow | None
    #: Whether it ended more than 24 hours ago or is missing, so that the present state of cameras is unknown.
    stale: bool = of("is_stale")
    carried: Count  #: The number of the report's facilities that hosts carry.
    unseen: Count  #: The number of those whose present state is unknown.


def proof_row(fresh: Freshness) -> ProofRow:
    """Make the row about the age of a report's proof."""
    last = fresh.verified and VerificationRow.made_of(
        fresh.verified, age_s=int((fresh.now - fresh.verified.observed.at).total_seconds())
    )
    return ProofRow.made_of(fresh, last_verification=last)


def proof_of_facility(status: FacilityStatus, evidence: Evidence) -> FacilityProof:
    """Return the proof of a facility."""
    plan = status.facility.plan
    return FacilityProof(status, ConnectionProgress(status.facility, plan, evidence).proof if plan else None)


def proved_facilities(statuses: Iterable[FacilityStatus], evidence: Evidence) -> ProvedFacilities:
    """Return the proof of each facility."""
    counted = (status for status in statuses if status.facility.operating is not Operating.CLOSED)
    return ProvedFacilities(tuple(proof_of_facility(status, evidence) for status in counted))


def status_lines(
    statuses: Sequence[FacilityStatus], evidence: Evidence, now: datetime, say: Translator = ENGLISH
) -> Iterator[str]:
    """Yield the age of the proof, the table, totals, and warnings."""
    yield freshness_line(freshness(evidence, now, (status.pictures for status in statuses)), say)
    yield say("as of: {at}, by the evidence of {runs}", at=local_time(now), runs=say.counted(evidence.runs, "run"))
    yield ""
    yield from text_table([*map(say, _NAMES)], [_row(status, say) for status in statuses], numbers=False)
    yield ""
    yield _sum_line(statuses, say)
    yield _pictures_line(statuses, say)
    yield from warning_lines(statuses, say)


def _row(status: FacilityStatus, say: Translator) -> tuple[str, ...]:
    blocked, late = status.blocked, _TIMELINESS[status.timeliness]
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


def _connected(status: FacilityStatus, say: Translator) -> str:
    if status.standing.is_connected:
        return _short(status.standing.connected_at)
    return say("claimed {day}", day=status.claimed.connected_on) if status.claimed else ""


def _last_proved(pictures: Pictures, say: Translator) -> str:
    if pictures.last_proved:
        return short(pictures.last_proved.at)
    return say("never") if pictures.carried else ""


def _sum_line(statuses: Iterable[FacilityStatus], say: Translator) -> str:
    listed = list(statuses)
    if not listed:
        return say.counted(0, "facility")
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
    listed = list(statuses)
    now = Counter(status.pictures.is_up for status in listed if status.standing.is_connected)
    claimed = sum(status.claimed is not None for status in listed)
    connected = say("{count} connected", count=now.total())
    cameras = say.counted(sum(status.cameras_claimed for status in listed), "camera")
    connected += f", {say('{count} more claimed with {cameras}', count=claimed, cameras=cameras)}" if claimed else ""
    states = say("{up} up now, {down} not up, {unknown} unknown", up=now[True], down=now[False], unknown=now[None])
    up, cameras, unknown = (
        sum(getattr(status.pictures, count) for status in listed) for count in ("up", "cameras", "unknown")
    )
    cameras_now = say("{up} of {cameras} cameras are up now", up=up, cameras=cameras)
    cameras_now += f", {unknown} {say('unknown')}" if unknown else ""
    return f"{connected}: {states}; {cameras_now}"


def drain_lines(drains: Iterable[DrainProgress], say: Translator = ENGLISH) -> Iterator[str]:
    """Yield a line for each relay being emptied, with the next command."""
    for drain in drains:
        values = {"relay": drain.relay, "to": drain.to, "command": drain.command}
        if drain.over:
            yield say("{relay} was emptied onto {to} and has no sites; next: {command}", **values)
            continue
        sites = say.counted(len({*drain.remaining, *drain.held}), "site")
        both = f", {say('{count} of them over both', count=len(drain.both))}" if drain.both else ""
        progress = say("{relay} is being emptied onto {to}: {sites} still there", sites=sites, **values)
        yield f"{progress}{both}; {say('go on: {command}', command=values['command'])}"


def warning_lines(statuses: Iterable[FacilityStatus], say: Translator = ENGLISH) -> Iterator[str]:
    """Yield the warnings of facilities, a line each."""
    for status in statuses:
        if status.opening:
            yield f"{say('warning')}: {status.facility.id}: {say.restated(status.opening.words)}"


def state_word(state: FacilityState, say: Translator) -> str:
    """Return a state for people."""
    return say.word(state, state.words)


def up_now(pictures: Pictures, say: Translator = ENGLISH) -> str:
    """Return how many cameras are up; empty if no host pulls them."""
    if not pictures.carried:
        return ""
    if pictures.look is None:
        return say("unknown")
    unknown = f", {pictures.unknown} {say('unknown')}" if pictures.unknown else ""
    return f"{pictures.up}/{pictures.cameras}{unknown}"


def why_lines(explained: Explained, say: Translator = ENGLISH) -> Iterator[str]:
    """Yield one facility's reasons with positions, and the next step."""
    lifecycle = explained.status.standing
    facility, state, since = explained.status.facility.id, state_word(lifecycle.state, say), _short(lifecycle.since)
    yield (
        say("{facility}: {state} since {since}", facility=facility, state=state, since=since)
        if since
        else (f"{facility}: {state}")
    )
    for reason in explained.reasons:
        place = f" ({reason.file}:{reason.line})" if reason.file else ""
        yield f"  - {say.restated(reason.text)}{place}"
    yield from map(printable, failing_lines(explained.failing, say))
    remarks = explained.status.remarks
    devices = {f"{facility}/{device}": fields for device, fields in (remarks.devices or {}).items()}
    for owner, fields in {facility: remarks.fields, **devices}.items():
        if fields:
            yield printable(f"  - {owner}: {', '.join(f'{name} {value}' for name, value in fields.items())}")
    for problem in explained.problems:
        yield f"  {say.word(problem.severity)}: {problem.position}: {say.restated(problem.message)}"
    yield f"  {say('next')}: {say.restated(explained.status.next)}"


def _short(since: Since) -> str:
    if isinstance(since, datetime):
        return short(since)
    return str(since) if since else ""


def failing_lines(failing: "Mapping[str, PathState]", say: Translator = ENGLISH) -> Iterator[str]:
    """Yield each failing path with its cause and start, longest outage first."""
    for path, state in sorted(failing.items(), key=lambda item: (item[1].since, item[0])):
        cause = f": {say.restated(state.cause)}" if state.cause else ""
        last = say("last up {moment}", moment=local_time(state.last_up)) if state.last_up else say("never seen up")
        since = since_words(state.since, state.looks, say)
        yield f"  - {path} {say.restated(state.verdict)}{cause}; {since}, {last}"


class LastCheckRow(Row):
    """The latest verification on a relay, with numbers of paths: pulled, checked, and up at level 7."""

    relay: Said
    at: Moment  #: A time with Vietnam's zone.
    run: Said
    pulled: Count
    checked: Count
    proved: Count


class FailingRow(Row):
    """A path that was not up in its last conclusive verification."""

    path: str
    verdict: Literal["degraded", "down", "quarantined", "unknown"]
    cause: str
    since: Moment  #: The first verification of this sequence.
    in_a_row: Positive = of("looks")  #: The number of consecutive verifications with this result.
    last_look: Moment  #: A time with Vietnam's zone.
    last_up: Moment | None  #: The last verification with pictures; null without one.


class StatusRow(FacilityRow):
    """A facility in full."""

    rendered: bool = of("facility", "rendered")  #: Whether hosts should carry it.
    #: For a closed facility: hosts that have parts of it, or that may have some.
    left_on: tuple[Said, ...] = of("standing", "left_on")
    steps: dict[Step, SinceText | None]
    orders: tuple[DutyRow, ...] = of("duties")
    last_checks: tuple[LastCheckRow, ...]
    failing: tuple[FailingRow, ...] | None = absent()  #: Only with --why.
    why: tuple[Reason, ...] | None = absent()  #: Only with --why.
    problems: tuple[str, ...] | None = absent()  #: Only with --why.


class StatusDocument(Printed, name="status", title="States of facilities"):
    """Output of `provisioner status --output json`."""

    as_of: Moment  #: A time with Vietnam's zone.
    runs: Count  #: The number of runs with evidence.
    proof: ProofRow
    facilities: tuple[StatusRow, ...]
    drains: tuple[DrainProgress, ...]
    packages: tuple[PackageRow, ...] = ()  #: The known state of each site's package.
    #: By facility with a key change of its gateway, whether its next key is reported.
    key_changes: dict[str, bool] = Field(default_factory=dict)
    unreadable: tuple[Said, ...] = ()  #: Facilities with unreadable files; no count includes them.
    unsealed_relays: tuple[Said, ...] = ()  #: Relays without a sealed tunnel key: new hardware cannot get their key.
    before: BeforeRow | None = absent()  #: Only with --against-before.
    held: tuple[HeldRow, ...] = ()


def status_document(
    statuses: Sequence[FacilityStatus],
    evidence: Evidence,
    now: datetime,
    why: Mapping[str, Explained],
    *,
    files: FacilityReader,
    drains: Iterable[DrainProgress] = (),
    **more: object,
) -> Document:
    """Return the `status` document; `why` has the requested reasons."""

    def one(status: FacilityStatus) -> StatusRow:
        name = status.facility.id
        return _facility(status, files.name(name), evidence, why.get(name))

    document = StatusDocument(
        as_of=now,
        runs=evidence.runs,
        proof=proof_row(freshness(evidence, now, (status.pictures for status in statuses))),
        facilities=(),
        drains=list(drains),
        **more,
    )
    return document.plain | {"facilities": LongList(lambda: (one(status).plain for status in statuses))}


def _facility(status: FacilityStatus, name: str, evidence: Evidence, why: Explained | None) -> StatusRow:
    lifecycle = status.standing
    reasons = (
        {
            "failing": [FailingRow.made_of(state, path=path) for path, state in sorted(why.failing.items())],
            "why": why.reasons,
            "problems": [f"{p.position}: {p.message}" for p in why.problems],
        }
        if why
        else {}
    )
    return StatusRow.made_of(
        status,
        **facility_values(status, name),
        steps={state: since_text(since) for state, since in lifecycle.steps.items()},
        last_checks=evidence.checks.get(status.facility.id, ()),
        **reasons,
    )
