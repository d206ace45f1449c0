"""One host on its way through a change: which call comes next, given each answer. No effects of its own."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import ceil

from provisioner.base.errors import HostError
from provisioner.desired.spec import MediaPath
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.operations.rollout.affected_paths import Touched, touched_names
from provisioner.operations.rollout.answers import (
    ChangeReport,
    ChangeState,
    CheckRefusal,
    PathsSeen,
    StepTime,
    Watch,
    parse_report,
    paths_in,
)
from provisioner.operations.rollout.dispatcher import JournalStep, StartedHost
from provisioner.operations.rollout.gate import Decision, GateVerdict, decide
from provisioner.operations.rollout.job import (
    RETURN_S,
    TRANSACTION_TIMEOUT_S,
    Job,
    LookOrder,
    RolloutOptions,
    abort_call,
    confirm_call,
    first_call,
    look_call,
    look_seconds,
    status_call,
)
from provisioner.operations.rollout.result import HostOutcome, HostResult, NotStartedBecause
from provisioner.plan.plan import moved_items, seen_of

_RETRY_S = 5.0
_CALL_TIMEOUT_S = 60.0
# What is to be confirmed later than this after the first look is confirmed over another new connection.
_ANEW_S = 10.0
_GATE = "path gate: "
# A look is sent so long before it is to begin: what takes it to the host and starts there goes on meanwhile.
_EARLY_S = 0.3
# Paths whose picture the last look asks for are read so long before its moment: a camera sends a key frame a second,
# and to see which paths flow and to start what reads takes the rest. At the moment their streams have to flow still.
_READ_EARLY_S = 1.7
# What two sums of the same seconds may differ by.
_TICK_S = 0.001
# A host that keeps answering what cannot be understood is not asked for ever.
_UNCLEAR_ANSWERS = 3
# From the arming a host waits so long at most, however often the switch is renewed (`dead_man.py`): then it has
# returned. One that says later that it still waits is waited for no longer.
_ARMED_S = 900.0
_LONGEST_S = TRANSACTION_TIMEOUT_S + _ARMED_S + RETURN_S

# What ends a host's way, and as what. `armed` ends none: the host waits.
_ENDS: Mapping[ChangeState, tuple[HostOutcome, NotStartedBecause | None]] = {
    ChangeState.STALE: (HostOutcome.NOT_STARTED, NotStartedBecause.STALE),
    ChangeState.LOCKED: (HostOutcome.NOT_STARTED, NotStartedBecause.LOCKED),
    ChangeState.BUSY: (HostOutcome.NOT_STARTED, NotStartedBecause.LOCKED),
    ChangeState.REFUSED: (HostOutcome.NOT_STARTED, NotStartedBecause.CHECK),
    ChangeState.NOT_STARTED: (HostOutcome.NOT_STARTED, NotStartedBecause.HOST),
    ChangeState.APPLIED: (HostOutcome.APPLIED, None),
    ChangeState.ROLLED_BACK: (HostOutcome.ROLLED_BACK, None),
    ChangeState.ROLLBACK_FAILED: (HostOutcome.ROLLBACK_FAILED, None),
}
# What only the first call can bring, and what it cannot: an answer that does not fit its call proves nothing.
_FIRST_ONLY = frozenset({ChangeState.STALE, ChangeState.LOCKED})
_NEVER_FIRST = frozenset({ChangeState.BUSY, ChangeState.NOT_STARTED, ChangeState.APPLIED})
# What a host that has waited was: changed. That it was never touched is not true of it any more.
_UNTOUCHED = frozenset({ChangeState.REFUSED, ChangeState.NOT_STARTED})


class Phase(StrEnum):
    """Where a host is on its way; the journal's names of the steps."""

    STATUS = "status"
    START = "start"
    LOOK = "gate"
    CONFIRM = "confirm"
    ABORT = "abort"
    END = "end"


class HostChange:
    """One host's change in progress.

    Args:
        job: the host and what it should hold.
        run_id: the run.
        options: how the rollout runs.
        before: what the journal of the run that goes on has of the host, if it was started: it is asked first what
            became of the run there.
        abort: why a host that waits returns at once; empty lets it go on.
    """

    def __init__(
        self, job: Job, run_id: str, options: RolloutOptions, *, before: StartedHost | None = None, abort: str = ""
    ) -> None:
        self.job, self.run_id, self.options = job, run_id, options
        self.phase = Phase.START if before is None else Phase.STATUS
        self.result: HostResult | None = None
        self.wave = ""
        # Whether hosts of an earlier wave are not confirmed yet: until they are this one is not either.
        self.holds = False
        # Whether it waits for them, and no call of it is on its way.
        self.is_held = False
        # Whether the last look was good, whatever is still watched; and whether somebody waits for a good one.
        self.looks_well = False
        self.is_waited_for = True
        self._taken_back = False
        self._touched: Touched = job.touched
        # The paths that no look has been asked to read yet.
        self._unread: frozenset[str] = frozenset()
        self._next: Decision | None = None
        self._watch = Watch()
        self._looking_since: float | None = None
        # Since when looks are asked for that nobody answered.
        self._unseen_since: float | None = None
        # When the last look was asked for, and how long the host was to wait with it; when the next one is to begin,
        # how long its call is held back until it is sent, and how long before that moment.
        self._asked = self._wait_s = 0.0
        self._look_at = self._held_s = 0.0
        self._early_s = _EARLY_S
        # The moment of the switch by the host's own clock, None where it says none; how long after it the host looks.
        self._switched: float | None = None
        self._after_s = 0.0
        self._heard = options.clock()
        # A gate that has failed stays so: whoever looks again may see another picture.
        gate_failed = f"{_GATE}{before.gate_failed}" if before is not None and before.gate_failed else ""
        self._cause = gate_failed or abort
        self._abort = bool(self._cause)
        self._lost = ""
        self._notes: tuple[str, ...] = ()
        self._not_up: tuple[str, ...] = ()
        self._steps: tuple[StepTime, ...] = ()
        self._sent = False
        self._has_waited = before is not None and before.armed
        # Where a run goes on, the controller before may have confirmed; not where its gate had failed before it could.
        self._may_be_confirmed = before is not None and (before.confirming or not before.gate_failed)
        self._unseen = ""
        self._unclear = 0
        self._busy_since: float | None = None
        self._called_since: float | None = None

    @property
    def host(self) -> str:
        """The host's id."""
        return self.job.spec.id

    def go_on(self) -> None:
        """Go on from where it waited for others: nobody waits before it any more."""
        self.is_held = False
        if self.phase is not Phase.START:
            self.phase = Phase.CONFIRM

    def look_again(self) -> None:
        """Renew the switch of a host that waits for others, and look on."""
        self.is_held, self._look_at, self._held_s = False, 0.0, 0.0

    @property
    def host_waits(self) -> bool:
        """Whether the host waits with the call that is next before it does what it is asked."""
        return self.phase is Phase.LOOK and self._wait_s > 0

    @property
    def goes_back(self) -> bool:
        """Whether it is through, or was to return to last-good before."""
        return self._abort or self.result is not None

    def take_back(self, cause: str, *, is_free: bool) -> list[JournalStep]:
        """Return to last-good, or do not start: hosts of an earlier wave have failed.

        Args:
            cause: who.
            is_free: whether no call of it is on its way.
        """
        self._cause, self._abort, self._taken_back, self.is_held = cause, True, True, False
        if self.phase is Phase.START and is_free:
            return self._end(HostOutcome.NOT_STARTED, cause, refusal=NotStartedBecause.HELD_BACK)
        if self.phase in {Phase.LOOK, Phase.CONFIRM}:
            self.phase = Phase.ABORT
        return [JournalStep(self.host, "abort", "due", {"cause": cause})]

    def next_call(self) -> tuple[HostCall, float]:
        """The call of this phase, and how long it may take."""
        job, run, options = self.job, self.run_id, self.options
        if self._called_since is None:
            self._called_since = options.clock()
        match self.phase:
            case Phase.STATUS:
                return status_call(job, run, options), _CALL_TIMEOUT_S
            case Phase.START:
                self._sent = True
                return first_call(job, run, options), TRANSACTION_TIMEOUT_S
            case Phase.LOOK:
                self._asked, self._held_s = options.clock() + self._held_s, 0.0
                left_s = self._look_at - self._asked
                self._wait_s = ceil(left_s * 1000) / 1000 + _TICK_S if left_s > 0 else 0.0
                self._looking_since = self._asked if self._looking_since is None else self._looking_since
                self._unseen_since = self._asked if self._unseen_since is None else self._unseen_since
                return look_call(job, run, options, self._look_next()), look_seconds(options)
            case Phase.ABORT:
                return abort_call(job, run, options, self._cause), _CALL_TIMEOUT_S
            case _:
                self._may_be_confirmed = True
                return confirm_call(job, run, options, anew=self._looked_long()), _CALL_TIMEOUT_S

    def _read(self) -> tuple[MediaPath, ...]:
        """The paths that the next look reads: all at first, then those of which it matters.

        At first none, where those that are read have to be read at the end of the watch, nobody waits before it, and
        that look is none at its end.
        """
        asked = self._touched.read
        if self._next is not None:
            asked = tuple(p for p in asked if p.name in self._next.read)
        elif self._unread and not self._wait_s:
            asked = ()
        self._unread -= {path.name for path in asked}
        return asked

    def _look_next(self) -> LookOrder:
        """The next look: its moment is by the host's own clock where it told the moment of its switch."""
        order = LookOrder(self._read(), self._away())
        early_s, self._after_s = min(self._wait_s, _READ_EARLY_S), 0.0
        if not self._wait_s or self._switched is None or self._looking_since is None:
            return order._replace(wait_s=self._wait_s, early_s=early_s)
        self._after_s = round(self._asked + self._wait_s - self._looking_since, 3)
        at_once = self._next is None
        return order._replace(wait_s=self._after_s, early_s=early_s, since=self._switched, at_once=at_once)

    def _away(self) -> tuple[MediaPath, ...]:
        paths = self._touched.served.paths
        return () if self._next is None else tuple(paths[name] for name in self._next.away)

    def take(self, answer: HostAnswer) -> tuple[list[JournalStep], float]:
        """Take an answer: what is written down, and how long the next call waits.

        `result` is set when the host is at the end of its way.
        """
        steps, wait_s = self._taken(answer)
        if self.result is None and self._overdue():
            return [*steps, *self._end_unknown(f"{self.host} says no end of it for {_LONGEST_S / 60:.0f} minutes")], 0.0
        return steps, wait_s

    def _taken(self, answer: HostAnswer) -> tuple[list[JournalStep], float]:
        if answer.outcome is CallOutcome.UNPROVED and self.phase is Phase.START:
            # Nothing was sent to it: there is nothing to ask for afterwards.
            return self._end(HostOutcome.NOT_STARTED, answer.error, refusal=NotStartedBecause.HOST), 0.0
        if answer.outcome is CallOutcome.REFUSED and self.phase is Phase.START:
            return self._end(HostOutcome.NOT_STARTED, answer.error, refusal=NotStartedBecause.NODE), 0.0
        if answer.outcome is not CallOutcome.ANSWERED:
            return self._unanswered(answer.error)
        try:
            report = parse_report(self.host, answer.document)
        except HostError as error:
            return self._not_understood(error.message)
        if not self._fits(report.state):
            return self._not_understood(f"{self.host} answered “{report.state.value}” to {self.phase.value}")
        self._heard = self.options.clock()
        self._steps += report.steps
        self._notes += report.notes
        return self._understood(report)

    def _fits(self, state: ChangeState) -> bool:
        """Whether an answer is one to the call that was made."""
        if (self._has_waited and state in _UNTOUCHED) or (state is ChangeState.APPLIED and not self._may_be_confirmed):
            return False
        match self.phase:
            case Phase.START:
                return state not in _NEVER_FIRST
            case Phase.STATUS:
                return state not in _FIRST_ONLY
            case Phase.LOOK:
                return state not in _FIRST_ONLY | {ChangeState.BUSY}
            case _:
                return state not in _FIRST_ONLY | {ChangeState.BUSY, ChangeState.ARMED}

    def _understood(self, report: ChangeReport) -> tuple[list[JournalStep], float]:
        match self.phase, report.state:
            case Phase.LOOK, ChangeState.ARMED:
                return self._looked(report)
            case _, ChangeState.ARMED:
                return self._armed(report)
            case Phase.STATUS, ChangeState.NOT_STARTED if not self._sent and not self._abort:
                self.phase, self.is_held = Phase.START, self.holds
                return [JournalStep(self.host, "status", report.state.value)], 0.0
            case Phase.START, ChangeState.LOCKED if report.holder == self.run_id:
                # The first call is there already: another controller of this run sent it, or it came twice.
                self.phase = Phase.STATUS
                return [JournalStep(self.host, "start", "begun already")], _RETRY_S
            case Phase.STATUS, ChangeState.BUSY if not self._too_long_busy():
                return [], _RETRY_S
            case _:
                return self._ended(report), 0.0

    def _overdue(self) -> bool:
        """Whether the change has taken longer than one can, whatever the host says."""
        return self._called_since is not None and self.options.clock() - self._called_since > _LONGEST_S

    def _looked_long(self) -> bool:
        """Whether the looks took so long that their connection does not show that another can still be made."""
        return self._looking_since is not None and self.options.clock() - self._looking_since > _ANEW_S

    def _looked_in_vain(self) -> bool:
        """Whether looks were asked for, and got no answer, for longer than the gate has patience."""
        if self._unseen_since is None or self.options.gate is None or self._abort:
            return False
        return self.options.clock() - self._unseen_since > max(self.options.gate.patience_s, RETURN_S)

    def _too_long_busy(self) -> bool:
        """Whether an operation that outlived its connection has held the host for longer than one may take."""
        now = self.options.clock()
        self._busy_since = now if self._busy_since is None else self._busy_since
        return now - self._busy_since > TRANSACTION_TIMEOUT_S

    # --- answers that lead on -----------------------------------------------------------------------

    def _armed(self, report: ChangeReport) -> tuple[list[JournalStep], float]:
        self._has_waited = True
        if self.job.rollback is not None:
            self._touched = touched_names(self.job.spec, report.affected, report.removed)
        before = paths_in(self.job.spec, self._touched.read, report.before)
        self._watch = Watch.since(before, self._touched.served)
        reads_late = self._touched.live and not self.is_waited_for and self._next is None and self._watch_s > 0
        self._unread = frozenset(path.name for path in self._touched.read) if reads_late else frozenset()
        gated = self.options.gate is not None and self.job.spec.relay is not None
        self.phase = Phase.ABORT if self._abort else Phase.LOOK if gated else Phase.CONFIRM
        if self.phase is Phase.CONFIRM:
            self._wait_for_others()
        if report.switched is not None and gated:
            self._switched, self._looking_since = report.switched, self._heard
            # Where nobody waits for the first look both go in one call, at once: it is over a new connection.
            self._look_at = self._heard + self._watch_s if reads_late else 0.0
        steps = [JournalStep(self.host, "armed", "done", {"up_before": len(self._watch.before.up)})]
        if self._looked_in_vain():
            steps.append(self._go_back(f"the host could not be looked at: {self._unseen}"))
        return steps, 0.0

    @property
    def _watch_s(self) -> float:
        return self.options.gate.watch_s if self.options.gate is not None else 0.0

    def _wait_for_others(self) -> None:
        """See that nothing is confirmed before all of the earlier waves is."""
        if self.holds:
            self.phase, self.is_held = Phase.LOOK, True

    def _looked(self, report: ChangeReport) -> tuple[list[JournalStep], float]:
        self._unseen_since = None
        if self._abort:
            self.phase = Phase.ABORT
            return [], 0.0
        if self.options.gate is None or self.job.spec.relay is None:
            # It was only asked for so that its switch does not go off.
            self.phase = Phase.CONFIRM
            self._wait_for_others()
            return [], 0.0
        begun = self._looking_since if self._looking_since is not None else self._heard
        if report.after.first is not None:
            # What came and went within the watch is seen by this one alone: a peer's session that was reset, say.
            self._watch = self._watch.after(PathsSeen(sessions=report.after.first), 0.0)
            unread = {path.name for path in self._touched.read}
            decision = decide(self._touched, self._watch, 0.0, self.options.gate, unread=unread)
            if decision.verdict is GateVerdict.FAIL:
                return self._decided(decision)
        seen = paths_in(self.job.spec, self._touched.read, report.after)
        if self._was_waited(report.after.waited_s):
            self._asked += self._wait_s
        else:
            # Its program, a node's own perhaps, looks as soon as it is asked.
            self._early_s = 0.0
        self._watch = self._watch.after(seen, self._asked - begun)
        decision = decide(self._touched, self._watch, self._heard - begun, self.options.gate, unread=self._unread)
        self._notes += decision.notes
        self._not_up = decision.not_up
        return self._decided(decision)

    def _was_waited(self, waited_s: float) -> bool:
        """Whether a look was as late as it was to be; where the host counts from its switch, by its own clock.

        Half of it has to have passed here as well: the rest may be the way there and back, but not all of it.
        """
        if self._after_s and self._looking_since is not None:
            here_s = self._heard - self._looking_since
            return waited_s >= self._after_s - _TICK_S and here_s >= self._after_s / 2
        return waited_s >= self._wait_s and self._heard >= self._asked + self._wait_s

    def _decided(self, decision: Decision) -> tuple[list[JournalStep], float]:
        self.looks_well = decision.is_good and not self._unread
        match decision.verdict:
            case GateVerdict.WAIT:
                self._next = decision
                self._look_at = self._heard + decision.again_s
                reads_early = decision.is_good and decision.read and self._early_s
                early_s = self._early_s + (_READ_EARLY_S if reads_early else 0.0)
                self._held_s = max(0.0, decision.again_s - early_s)
                return [], self._held_s
            case GateVerdict.FAIL:
                return [self._go_back(decision.cause)], 0.0
            case _:
                self.phase, self._next = Phase.CONFIRM, decision
                self._wait_for_others()
                detail = {"up": len(self._watch.up), "not_up": list(decision.not_up)}
                return [JournalStep(self.host, "gate", "passed", detail)], 0.0

    def _go_back(self, cause: str) -> JournalStep:
        """End the looking: whatever a later answer says, the host is told to go back, by whoever goes on too."""
        self.phase, self._cause, self._abort = Phase.ABORT, f"{_GATE}{cause}", True
        self.looks_well = False
        return JournalStep(self.host, "gate", "failed", {"cause": cause})

    # --- answers that end it, and none ---------------------------------------------------------------

    def _ended(self, report: ChangeReport) -> list[JournalStep]:
        outcome, refusal = _ENDS[report.state]
        cause = report.cause
        if self._taken_back and self.phase is Phase.STATUS and report.state is ChangeState.NOT_STARTED:
            cause, refusal = self._cause, NotStartedBecause.HELD_BACK
        elif self.phase is not Phase.ABORT and cause != self._cause:
            # It ended by itself, whatever it was to be told next.
            self._taken_back = False
        if refusal is NotStartedBecause.STALE:
            cause = self._stale(report)
        if report.state is ChangeState.REFUSED and report.refusal is CheckRefusal.LOCK_OUT:
            refusal = NotStartedBecause.LOCK_OUT
        if outcome is not HostOutcome.APPLIED and self._lost and self._lost not in cause:
            cause = f"{cause} ({self._lost})" if cause else self._lost
        facts = report.facts if outcome is HostOutcome.APPLIED else None
        return self._end(outcome, cause, refusal=refusal, receipt=report.receipt, facts=facts)

    def _stale(self, report: ChangeReport) -> str:
        """Why a plan does not fit a host any more; one that another run has taken over says nothing of itself."""
        if report.facts is None and report.cause:
            return f"another run has taken the host over: {report.cause}"
        names = ", ".join(moved_facts(self.job.facts, report.facts)) or report.cause or "something the plan rests on"
        return f"the host has moved since the plan was made: {names}"

    def _unanswered(self, error: str) -> tuple[list[JournalStep], float]:
        """No answer: the host may have switched. It is asked until it must have returned by itself."""
        now = self.options.clock()
        asked, self.phase = self.phase, Phase.STATUS
        if asked is Phase.START:
            # It may have been armed as late as now.
            self._lost, self._heard = error, now
        window = self.options.confirm_s + RETURN_S
        if now - self._heard > window:
            cause = f"no new connection after the change; the host returns to last-good by itself: {error}"
            return self._end(HostOutcome.UNREACHABLE, cause), 0.0
        self._unseen = error
        return [JournalStep(self.host, asked.value, "no answer", {"error": error})], _RETRY_S

    def _not_understood(self, problem: str) -> tuple[list[JournalStep], float]:
        """An answer that says nothing: the host may have switched, or have confirmed. Its receipt is asked for.

        Where that says nothing either, what became of the change is not known, and nothing more is claimed.
        """
        self._unclear += 1
        asked, self.phase = self.phase, Phase.STATUS
        if asked is Phase.START:
            self._lost, self._heard = problem, self.options.clock()
        steps = [JournalStep(self.host, asked.value, "not understood", {"error": problem})]
        if asked is Phase.LOOK and self._unclear > 1:
            # It waits, and cannot be looked at: it goes back.
            steps.append(self._go_back(f"the host could not be looked at: {problem}"))
        elif self._unclear > (1 if asked is Phase.STATUS else _UNCLEAR_ANSWERS):
            return self._end_unknown(problem), 0.0
        return steps, _RETRY_S

    def _end_unknown(self, problem: str) -> list[JournalStep]:
        where = f"{self.job.spec.names.receipts}/{self.run_id}.json"
        cause = f"what became of the change is not known: {problem}; look on it at {where}, and plan anew"
        return self._end(HostOutcome.UNREACHABLE, cause)

    def _end(
        self,
        outcome: HostOutcome,
        cause: str,
        *,
        refusal: NotStartedBecause | None = None,
        receipt: str = "",
        facts: HostFacts | None = None,
    ) -> list[JournalStep]:
        self.phase = Phase.END
        seconds = round(sum(step.seconds for step in self._steps), 3)
        self.result = HostResult(
            self.host,
            outcome,
            cause,
            receipt=receipt,
            seconds=seconds,
            refusal=refusal,
            steps=self._steps,
            facts=facts,
            notes=tuple(dict.fromkeys(self._notes)),
            wave=self.wave,
            not_up=self._not_up,
            taken_back=self._taken_back,
        )
        detail = {"cause": cause, "seconds": seconds, "wave": self.wave, "refusal": refusal.value if refusal else ""}
        if self._taken_back:
            detail["taken_back"] = True
        return [JournalStep(self.host, "end", outcome.value, detail)]


def moved_facts(then: HostFacts | None, now: HostFacts | None) -> list[str]:
    """What moved on a host, with what the plan had and what is there now; nothing where one of the two is not known."""
    return moved_items(seen_of(then), seen_of(now)) if then and now else []
