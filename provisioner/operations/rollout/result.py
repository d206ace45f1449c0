"""Outcomes of hosts, and last lines of a run, worst first. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

from provisioner.base.document import Row, Seconds, form
from provisioner.base.errors import FrozenFacility, worst_of
from provisioner.base.text import Sentence, counted, msg, named
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import HostFacts
from provisioner.plan.change import Change
from provisioner.plan.document import frozen_ending

_REMAINING = 5


class HostOutcome(StrEnum):
    """Outcome of a host."""

    APPLIED = "applied"
    ROLLED_BACK = "rolled-back"
    UNCHANGED = "unchanged"
    NOT_STARTED = "not-started"
    UNREACHABLE = "unreachable"
    ROLLBACK_FAILED = "rollback-failed"


class NotStartedBecause(StrEnum):
    """Reason why a host was not started."""

    STALE = "stale"
    LOCKED = "locked"
    LOCK_OUT = "lock-out"
    CHECK = "check"
    HOST = "host"
    HELD_BACK = "held-back"
    FOREIGN = "foreign"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class HostResult:
    """A host's outcome and cause."""

    host: str
    outcome: HostOutcome
    cause: str = ""
    receipt: str = ""
    seconds: float = 0.0  #: The transaction's time on the host, without waits.
    refusal: NotStartedBecause | None = None
    steps: Sequence[wire.StepAnswer] = ()
    facts: HostFacts | None = field(default=None, repr=False)  #: The host right after its confirmation.
    notes: tuple[str, ...] = ()  #: Remarks without effect: dark new paths, a lease taken over, readers who left.
    wave: str = ""
    not_up: tuple[str, ...] = ()  #: The plan's new or formerly dark paths without a picture.
    taken_back: bool = False  #: Whether it was rolled back, or not started, for others or by hand.

    @property
    def went_back_for_others(self) -> bool:
        """Whether it was rolled back without a fault of its own."""
        return self.taken_back and self.outcome is HostOutcome.ROLLED_BACK

    @property
    def is_failure(self) -> bool:
        """Whether it counts as a failed host."""
        for_others = self.refusal is NotStartedBecause.HELD_BACK or self.went_back_for_others
        return not self.is_as_desired and not for_others

    @property
    def is_as_desired(self) -> bool:
        """Whether the host has its desired state now."""
        return self.outcome in {HostOutcome.APPLIED, HostOutcome.UNCHANGED}


class EndClass(StrEnum):
    """Outcomes of hosts in the last lines, worst first."""

    BROKEN = "broken"
    RETURNED = "returned"
    REFUSED = "refused"
    LOCKED = "locked"
    STALE = "stale"
    LOCK_OUT = "lock-out"
    FOREIGN = "foreign"
    NODE = "node"
    UNKNOWN = "unknown"
    TAKEN_BACK = "taken-back"
    HELD_BACK = "held-back"
    APPLIED = "applied"
    UNCHANGED = "unchanged"


#: Class in the last lines and exit code, by refusal, else by outcome.
_CLASSES: Final[Mapping[NotStartedBecause | HostOutcome, tuple[EndClass, int]]] = {
    NotStartedBecause.CHECK: (EndClass.REFUSED, 7),
    NotStartedBecause.LOCKED: (EndClass.LOCKED, 9),
    NotStartedBecause.STALE: (EndClass.STALE, 8),
    NotStartedBecause.LOCK_OUT: (EndClass.LOCK_OUT, 6),
    NotStartedBecause.HOST: (EndClass.UNKNOWN, 5),
    NotStartedBecause.FOREIGN: (EndClass.FOREIGN, 6),
    NotStartedBecause.NODE: (EndClass.NODE, 6),
    NotStartedBecause.HELD_BACK: (EndClass.HELD_BACK, 0),
    HostOutcome.ROLLBACK_FAILED: (EndClass.BROKEN, 11),
    HostOutcome.ROLLED_BACK: (EndClass.RETURNED, 7),
    HostOutcome.NOT_STARTED: (EndClass.REFUSED, 7),
    HostOutcome.UNREACHABLE: (EndClass.UNKNOWN, 5),
    HostOutcome.APPLIED: (EndClass.APPLIED, 0),
    HostOutcome.UNCHANGED: (EndClass.UNCHANGED, 0),
}
_AN_APPLY: Mapping[EndClass, str] = {
    EndClass.BROKEN: (
        "a person is needed now: {hosts} could not return to last-good: {names}; the switch there keeps trying"
    ),
    EndClass.RETURNED: (
        "{hosts} failed and returned to last-good: {names}; repair what their lines name, then plan and apply again"
    ),
    EndClass.REFUSED: ("{hosts} refused the change, untouched: {names}; repair what their lines name, then plan again"),
    EndClass.LOCKED: (
        "{hosts} held by another run: {names}; if its controller is gone, provisioner apply --resume takes it up; else "
        "wait until it has ended, then apply again"
    ),
    EndClass.STALE: (
        "{hosts} moved since the plan was made, or taken over by another run: {names}; make a "
        "new plan: provisioner plan --out FILE"
    ),
    EndClass.LOCK_OUT: (
        "{hosts} would shut SSH out by its new rules: {names}; repair management_networks, then plan again"
    ),
    EndClass.FOREIGN: (
        "{hosts} of another inventory, not called: {names}; ask its owner, then provisioner hosts adopt"
    ),
    EndClass.NODE: (
        "{hosts} not carried by the node of its carrier, untouched: {names}; do what its line says, or ask its people"
    ),
    EndClass.UNKNOWN: (
        "{hosts} not reached, or what became of it is not known: {names}; once it answers, plan and apply again"
    ),
    EndClass.TAKEN_BACK: (
        "{hosts} returned to last-good, as others failed before: {names}; plan and apply again once those are repaired"
    ),
    EndClass.HELD_BACK: "{hosts} not started: {names}",
}
_AN_ABORT = {
    **_AN_APPLY,
    EndClass.TAKEN_BACK: "{hosts} returned to last-good, as the run was ended: {names}; to go on, plan and apply again",
}
_A_ROLLBACK = {
    **_AN_APPLY,
    EndClass.RETURNED: (
        "a person is needed now: {hosts} did not go back, and stayed as it was: {names}; see the lines above"
    ),
    EndClass.REFUSED: (
        "a person is needed now: {hosts} refused to go back and stayed as they were: {names}; see the lines above"
    ),
    EndClass.LOCK_OUT: ("a person is needed now: {hosts} would shut SSH out with its older rules, and stayed: {names}"),
    EndClass.STALE: "{hosts} moved meanwhile: {names}; call provisioner rollback again",
}


@dataclass(frozen=True, slots=True)
class RunEnd:
    """Content of a run's last lines."""

    run: str
    results: tuple[HostResult, ...]
    ended: str = "done"  #: `done`, `stopped`, `aborted`, `paused` or `interrupted`; the last two can be resumed.
    cause: str = ""
    remaining: tuple[Change, ...] = ()  #: Changes that a new plan still has.
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    held: tuple[FrozenFacility, ...] = ()  #: Frozen facilities among the chosen; hosts keep them unchanged.


def outcome_of(results: Sequence[HostResult]) -> str:
    """Return `applied`, `rolled-back`, `partial` or `nothing-to-do`.

    `rolled-back` requires that every host is known to be as before.
    """
    done = {result.outcome for result in results} - {HostOutcome.UNCHANGED}
    if not done:
        return "nothing-to-do"
    if done == {HostOutcome.APPLIED}:
        return "applied"
    return "rolled-back" if done <= {HostOutcome.ROLLED_BACK, HostOutcome.NOT_STARTED} else "partial"


def exit_code(results: Sequence[HostResult], *further_codes: int) -> int:
    """Return the exit code of the worst cause (docs/reference/commands.md).

    Hosts held or rolled back for another one's failure add no code.
    """
    return worst_of(0, *further_codes, *(_class_and_code(result)[1] for result in results))


def _class_and_code(result: HostResult) -> tuple[EndClass, int]:
    if result.went_back_for_others:
        return EndClass.TAKEN_BACK, 0
    return _CLASSES[result.refusal or result.outcome]


class StepRow(Row):
    """A step of a host's change, with its seconds."""

    name: str
    seconds: Seconds


class HostRow(Row):
    """The result of a host."""

    host: str
    outcome: Annotated[str, form(enum=[*HostOutcome])]
    receipt: str  #: The receipt's path on the host, empty without a receipt.
    seconds: Seconds
    cause: str  #: The reason; empty if all went well.
    steps: tuple[StepRow, ...]
    wave: str  #: The wave in which the host changed; empty if it did not.
    notes: tuple[str, ...]
    not_up: tuple[str, ...]  #: Paths of the plan without a picture: new paths, and paths without a picture before.


def run_ending(end: RunEnd, *, going_back: bool = False) -> tuple[str, ...]:
    """Return the last sentences of a run or rollback, worst first."""
    by_class: dict[EndClass, list[str]] = {kind: [] for kind in EndClass}
    for result in end.results:
        by_class[_class_and_code(result)[0]].append(result.host)
    sentences = _A_ROLLBACK if going_back else _AN_ABORT if end.ended == "aborted" else _AN_APPLY
    order = sorted(sentences, key=_rollback_rank if going_back else list(EndClass).index)
    failed = [
        Sentence(sentences[kind], {"hosts": counted(len(list(by_class[kind])), "host"), "names": named(by_class[kind])})
        for kind in order
        if by_class[kind]
    ]
    return (*_first_of(failed, end, by_class), *_good_lines(end, by_class, going_back=going_back))


def _rollback_rank(kind: EndClass) -> int:
    """Rank hosts first that should have been rolled back and were not."""
    needs_a_person = (EndClass.BROKEN, EndClass.RETURNED, EndClass.REFUSED, EndClass.LOCK_OUT)
    ranks = list(EndClass)
    return needs_a_person.index(kind) if kind in needs_a_person else len(ranks) + ranks.index(kind)


def _first_of(failed: Sequence[str], end: RunEnd, by_class: Mapping[EndClass, Sequence[str]]) -> Iterator[str]:
    """Yield failures, remaining changes among them, and an early end's cause."""
    worse = sum(1 for kind in (EndClass.BROKEN, EndClass.RETURNED, EndClass.REFUSED) if by_class[kind])
    yield from failed[:worse]
    yield from _remaining_lines(end)
    yield from (msg("the record of the run is not whole: {note}", note) for note in end.notes)
    yield from failed[worse:]
    yield from _dark_lines(end)
    if end.ended in {"paused", "interrupted"}:
        event = msg("run {run} pauses", end.run) if end.ended == "paused" else msg("run {run} was interrupted", end.run)
        yield msg("{what}: provisioner apply --resume goes on, provisioner apply --abort ends it", event)
    if end.ended == "stopped":
        yield msg("the rollout was stopped: {cause}", end.cause)
    if end.held:
        yield frozen_ending([facility.id for facility in end.held])


def _remaining_lines(end: RunEnd) -> Iterator[str]:
    if end.remaining:
        listed = [f"{c.resource.value} {c.name} on {c.host} ({c.reason})" for c in end.remaining[:_REMAINING]]
        more = len(end.remaining) - _REMAINING
        changes = msg("{listed} and {more} more", ", ".join(listed), more) if more > 0 else ", ".join(listed)
        yield (
            msg(
                "a fresh plan still finds {changes} on the applied hosts: {changes_2}; see provisioner"
                " plan --details, and apply again",
                counted(len(end.remaining), "change"),
                changes,
            )
        )


def _dark_lines(end: RunEnd) -> Iterator[str]:
    paths = sorted(p for result in end.results if result.outcome is HostOutcome.APPLIED for p in result.not_up)
    if paths:
        yield msg(
            "no picture of {paths} of the plan: {paths_2}; provisioner verify says why",
            counted(len(paths), "path"),
            named(paths),
        )


def _good_lines(end: RunEnd, by_class: Mapping[EndClass, Sequence[str]], *, going_back: bool) -> Iterator[str]:
    applied, unchanged = by_class[EndClass.APPLIED], by_class[EndClass.UNCHANGED]
    hosts = len(end.results) + len(end.left_out)
    if applied and going_back:
        yield msg(
            "{hosts} returned, run {run}; the inventory still has the undone changes",
            counted(len(applied), "host"),
            end.run,
        )
    elif applied:
        fresh = _fresh_lines(end, len(applied) + len(unchanged), hosts)
        yield msg("{hosts} applied, run {run}{fresh}", counted(len(applied), "host"), end.run, fresh)
    elif unchanged and len(unchanged) == hosts:
        yield "nothing to do for all others" if end.held else "nothing to do"
    elif unchanged:
        yield msg("nothing to do on {unchanged} of {hosts}", len(unchanged), counted(hosts, "host"))


def _fresh_lines(end: RunEnd, good: int, hosts: int) -> str:
    """Return a new plan's result; empty means that all hosts were read."""
    if end.remaining:
        return ""
    unread = [r.host for r in end.results if r.outcome is HostOutcome.APPLIED and r.facts is None]
    if unread:
        return "; " + msg("what a fresh plan finds on {unread} is not known: provisioner plan tells it", named(unread))
    if good < hosts:
        return "; " + msg("a fresh plan finds no change on {good} of {hosts}", good, counted(hosts, "host"))
    return "; a fresh plan is empty except for held changes" if end.held else "; a fresh plan is empty"
