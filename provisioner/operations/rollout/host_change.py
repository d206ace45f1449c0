"""One host's change: the next call after each answer, without effects."""

from collections.abc import Mapping

from provisioner.base.errors import HostError
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.operations.rollout import job as calls
from provisioner.operations.rollout.answers import ChangeReport, ChangeState, CheckRefusal, parse_report
from provisioner.operations.rollout.dispatcher import StartedHost
from provisioner.operations.rollout.gate import GateVerdict
from provisioner.operations.rollout.looks import Looks
from provisioner.operations.rollout.result import HostOutcome, HostResult, NotStartedBecause
from provisioner.operations.rollout.states import BACK, TABLE, Event, State, next_state
from provisioner.plan.plan import items_of, moved_items
from provisioner.record.entries import JournalStep

_RETRY_S = 5.0
_CALL_TIMEOUT_S = 60.0
_GATE = "path gate: "
# A host that keeps answering what cannot be understood is not asked for ever.
_UNCLEAR_ANSWERS = 3
# From the arming a host waits so long at most, however often the switch is renewed (`dead_man.py`): then it has
# returned. One that says later that it still waits is waited for no longer.
_ARMED_S = 900.0
_LONGEST_S = calls.TRANSACTION_TIMEOUT_S + _ARMED_S + calls.RETURN_S

# States that end a host's change, with its outcome. `armed` is not one: the host waits.
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
# A host that has waited was changed, so these states are not true of it.
_UNTOUCHED = frozenset({ChangeState.REFUSED, ChangeState.NOT_STARTED})
# Outcomes that end a host's change before any call.
_UNSENT = {CallOutcome.UNPROVED: NotStartedBecause.HOST, CallOutcome.REFUSED: NotStartedBecause.NODE}


class HostChange:
    """One host's change in progress.

    `before` is a resumed run's journal of a started host, which is asked for its outcome first. `abort` is why a
    waiting host is rolled back; empty to go on.
    """

    def __init__(
        self,
        job: calls.Job,
        run_id: str,
        options: calls.RolloutOptions,
        *,
        before: StartedHost | None = None,
        abort: str = "",
    ) -> None:
        self.job, self.run_id, self.options = job, run_id, options
        self.result: HostResult | None = None
        self.wave = ""
        self.holds = False  #: Whether hosts of an earlier wave are not confirmed yet, so it waits.
        self.is_waited_for = True  #: Whether the next wave waits for a good look.
        # A gate that has failed stays so: whoever looks again may see another picture.
        gate_failed = f"{_GATE}{before.gate_failed}" if before is not None and before.gate_failed else ""
        # Why it returns, and whether without a fault of its own.
        self._cause, self._is_by_hand = gate_failed or abort, bool(abort and not gate_failed)
        self._taken_back = self._is_by_hand
        #: What it waits for; `TABLE` has the transitions.
        self.state = State.START if before is None else State.STATUS
        if self._cause:
            self.state = State.START_BACK if before is None else State.STATUS_BACK
        self._looks = Looks(job, options)
        # Calls of this run that reached the host, or may have. In a resumed run the former controller may have
        # confirmed, unless its gate had failed before.
        self._is_sent, self._has_waited = False, before is not None and before.armed
        self._may_be_confirmed = before is not None and (before.confirming or not before.gate_failed)
        self._notes: tuple[str, ...] = ()
        self._steps: list[wire.StepAnswer] = []
        # Errors of the first and the last call, and the number of invalid answers.
        self._lost = self._unseen = ""
        self._unclear = 0
        self._heard = options.clock()
        self._called_since: float | None = None
        # The state in which its last call was made.
        self._called = self.state
        self._busy_since: float | None = None

    @property
    def host(self) -> str:
        """The host's id."""
        return self.job.spec.id

    @property
    def waits_for_waves(self) -> bool:
        """Whether it waits for earlier waves, without a call in progress."""
        return self.state in {State.WAITING, State.HELD}

    @property
    def looks_well(self) -> bool:
        """Whether the last look was good."""
        return self._looks.is_good

    @property
    def host_waits(self) -> bool:
        """Whether the host itself delays the next call."""
        return self.state is State.LOOK and self._looks.wait_s > 0

    @property
    def goes_back(self) -> bool:
        """Whether it is finished or rolling back."""
        return self.state in BACK

    def go_on(self) -> None:
        """Continue after waiting for earlier waves."""
        self._on(Event.FREE)

    def look_again(self) -> None:
        """Renew the switch of a waiting host, and look again."""
        self._on(Event.RENEW)
        self._looks.renew()

    def take_back(self, cause: str, *, is_free: bool) -> list[JournalStep]:
        """Roll back or do not start, after failures in an earlier wave."""
        self._cause, self._taken_back = cause, True
        if is_free and self.state in {State.START, State.WAITING}:
            self._on(Event.WITHDRAWN)
            return self._set_result(HostOutcome.NOT_STARTED, cause, refusal=NotStartedBecause.HELD_BACK)
        self._on(Event.TAKEN_BACK)
        return [JournalStep(self.host, "abort", "due", {"cause": cause})]

    def next_call(self) -> tuple[HostCall, float]:
        """Return the call of this state, and its timeout."""
        job, run, options = self.job, self.run_id, self.options
        if self._called_since is None:
            self._called_since = options.clock()
        self._called = self.state
        match self.state:
            case State.STATUS | State.STATUS_BACK:
                return calls.status_call(job, run, options), _CALL_TIMEOUT_S
            case State.START | State.START_BACK:
                self._is_sent = True
                return calls.first_call(job, run, options), calls.TRANSACTION_TIMEOUT_S
            case State.LOOK:
                return calls.look_call(job, run, options, self._looks.order()), calls.look_seconds(options)
            case State.ABORT:
                return calls.abort_call(job, run, options, self._cause), _CALL_TIMEOUT_S
            case _:
                self._may_be_confirmed = True
                return calls.confirm_call(job, run, options, anew=self._looks.took_long), _CALL_TIMEOUT_S

    def take(self, answer: HostAnswer) -> tuple[list[JournalStep], float]:
        """Take an answer; return journal steps and the next call's delay."""
        steps, wait_s = self._process_answer(answer)
        if self.result is None and self._overdue():
            return [*steps, *self._end_unknown(f"{self.host} says no end of it for {_LONGEST_S / 60:.0f} minutes")], 0.0
        return steps, wait_s

    def _on(self, event: Event) -> None:
        self.state = next_state(self.state, event)

    def _process_answer(self, answer: HostAnswer) -> tuple[list[JournalStep], float]:
        if answer.outcome in _UNSENT and Event.UNSENT in TABLE[self.state]:
            # The host got no call, so there is no result to ask for.
            self._on(Event.UNSENT)
            return self._set_result(HostOutcome.NOT_STARTED, answer.error, refusal=_UNSENT[answer.outcome]), 0.0
        if answer.outcome is not CallOutcome.ANSWERED:
            return self._ask_again(answer.error)
        try:
            report = parse_report(self.host, answer.document)
        except HostError as error:
            return self._not_understood(error.message)
        event = self._event_of(report)
        if (self._called, self.state, event) == (State.LOOK, State.ABORT, Event.ARMED):
            # It was told to return while it looked.
            self._heard = self.options.clock()
            return [], 0.0
        if event is None or event not in TABLE[self.state]:
            return self._not_understood(f"{self.host} answered “{report.state.value}” to {self.state.step}")
        self._heard = self.options.clock()
        self._steps += report.steps
        self._notes += report.notes
        return self._process_report(event, report)

    def _event_of(self, report: ChangeReport) -> Event | None:
        """Return an answer's event; `None` if it contradicts the calls sent."""
        has_waited = self._has_waited and report.state in _UNTOUCHED
        if has_waited or (report.state is ChangeState.APPLIED and not self._may_be_confirmed):
            return None
        match self.state, report.state:
            case _, ChangeState.LOCKED if report.holder == self.run_id:
                return Event.OURS
            case State.STATUS, ChangeState.NOT_STARTED if not self._is_sent:
                return Event.ABSENT
            case State.STATUS | State.STATUS_BACK, ChangeState.BUSY if self._too_long_busy():
                return Event.HUNG
            case _:
                return Event(report.state.value)

    def _process_report(self, event: Event, report: ChangeReport) -> tuple[list[JournalStep], float]:
        was_looked_at, call_state = self.state is State.LOOK, self.state
        self._on(event)
        match event:
            case Event.ARMED if was_looked_at:
                return self._after_look(report)
            case Event.ARMED:
                return self._after_arming(report), 0.0
            case Event.ABSENT:
                self._wait_for_others()
                return [JournalStep(self.host, "status", report.state.value)], 0.0
            case Event.OURS:
                # The first call is there already: another controller of this run sent it, or it came twice.
                return [JournalStep(self.host, "start", "begun already")], _RETRY_S
            case Event.BUSY:
                return [], _RETRY_S
            case _:
                return self._end_by_report(call_state, report), 0.0

    def _overdue(self) -> bool:
        return self._called_since is not None and self.options.clock() - self._called_since > _LONGEST_S

    def _too_long_busy(self) -> bool:
        now = self.options.clock()
        self._busy_since = now if self._busy_since is None else self._busy_since
        return now - self._busy_since > calls.TRANSACTION_TIMEOUT_S

    # --- answers that lead on -----------------------------------------------------------------------
    def _after_arming(self, report: ChangeReport) -> list[JournalStep]:
        self._has_waited = True
        self._looks.begin(report, self._heard, is_waited_for=self.is_waited_for)
        steps = [JournalStep(self.host, "armed", "done", {"up_before": len(self._looks.watch.before.up)})]
        if self.state is not State.LOOK:
            return steps
        if self._looks.are_in_vain:
            steps.append(self._go_back(f"the host could not be looked at: {self._unseen}"))
        elif not self._looks.are_gated:
            self._pass()
        return steps

    def _after_look(self, report: ChangeReport) -> tuple[list[JournalStep], float]:
        decision = self._looks.take(report.after, self._heard)
        if decision is None:
            # It was only asked for so that its switch does not go off.
            self._pass()
            return [], 0.0
        self._notes += decision.notes
        match decision.verdict:
            case GateVerdict.WAIT:
                return [], self._looks.held_s
            case GateVerdict.FAIL:
                return [self._go_back(decision.cause)], 0.0
            case _:
                self._pass()
                detail = {"up": len(self._looks.watch.up), "not_up": list(decision.not_up)}
                return [JournalStep(self.host, "gate", "passed", detail)], 0.0

    def _pass(self) -> None:
        self._on(Event.PASSED)
        self._wait_for_others()

    def _wait_for_others(self) -> None:
        if self.holds:
            self._on(Event.HOLD)

    def _go_back(self, cause: str) -> JournalStep:
        """End the looks and roll back, whatever later answers say."""
        self._on(Event.FAILED)
        self._cause, self._looks.is_good = f"{_GATE}{cause}", False
        return JournalStep(self.host, "gate", "failed", {"cause": cause})

    # --- final answers, and missing ones -------------------------------------------------------------
    def _end_by_report(self, call_state: State, report: ChangeReport) -> list[JournalStep]:
        """Set the result by the report that ended the change."""
        outcome, refusal = _ENDS[report.state]
        cause = report.cause
        if self._taken_back and call_state is State.STATUS_BACK and report.state is ChangeState.NOT_STARTED:
            cause, refusal = self._cause, NotStartedBecause.HELD_BACK
        elif outcome is HostOutcome.APPLIED or (call_state is not State.ABORT and cause != self._cause):
            # It ended by itself; a pending call does not matter.
            self._taken_back = False
        if refusal is NotStartedBecause.STALE:
            cause = self._stale_cause(report)
        if report.state is ChangeState.REFUSED and report.refusal is CheckRefusal.LOCK_OUT:
            refusal = NotStartedBecause.LOCK_OUT
        if outcome is not HostOutcome.APPLIED and self._lost and self._lost not in cause:
            cause = f"{cause} ({self._lost})" if cause else self._lost
        facts = report.facts if outcome is HostOutcome.APPLIED else None
        return self._set_result(outcome, cause, refusal=refusal, receipt=report.receipt, facts=facts)

    def _stale_cause(self, report: ChangeReport) -> str:
        """Return why a plan does not fit the host any more."""
        if report.facts is None and report.cause:
            return f"another run has taken the host over: {report.cause}"
        then, now = self.job.facts, report.facts
        moved = moved_items(items_of(then), items_of(now)) if then and now else []
        names = ", ".join(moved) or report.cause or "something the plan rests on"
        return f"the host has moved since the plan was made: {names}"

    def _ask_again(self, error: str) -> tuple[list[JournalStep], float]:
        """Ask again until the host must have rolled back by itself."""
        now, step = self.options.clock(), self.state.step
        if step == State.START:
            # It may have been armed as late as now.
            self._lost, self._heard = error, now
        if now - self._heard > self.options.confirm_s + calls.RETURN_S:
            self._on(Event.UNKNOWN)
            cause = f"no new connection after the change; the host returns to last-good by itself: {error}"
            return self._set_result(HostOutcome.UNREACHABLE, cause), 0.0
        self._on(Event.SILENT)
        self._unseen = error
        return [JournalStep(self.host, step, "no answer", {"error": error})], _RETRY_S

    def _not_understood(self, problem: str) -> tuple[list[JournalStep], float]:
        """Ask for the receipt; a second unclear answer is an unknown outcome."""
        self._unclear += 1
        step = self.state.step
        if step == State.START:
            self._lost, self._heard = problem, self.options.clock()
        steps = [JournalStep(self.host, step, "not understood", {"error": problem})]
        if self.state is State.LOOK and self._unclear > 1:
            # It waits, and cannot be looked at: it goes back.
            return [*steps, self._go_back(f"the host could not be looked at: {problem}")], _RETRY_S
        if self._unclear > (1 if step == State.STATUS else _UNCLEAR_ANSWERS):
            return self._end_unknown(problem), 0.0
        self._on(Event.ODD)
        return steps, _RETRY_S

    def _end_unknown(self, problem: str) -> list[JournalStep]:
        self._on(Event.UNKNOWN)
        where = f"{self.job.spec.names.receipts}/{self.run_id}.json"
        cause = f"what became of the change is not known: {problem}; look on it at {where}, and plan anew"
        return self._set_result(HostOutcome.UNREACHABLE, cause)

    def _set_result(
        self,
        outcome: HostOutcome,
        cause: str,
        *,
        refusal: NotStartedBecause | None = None,
        receipt: str = "",
        facts: HostFacts | None = None,
    ) -> list[JournalStep]:
        seconds = round(sum(step["seconds"] for step in self._steps), 3)
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
            not_up=self._looks.not_up,
            taken_back=self._taken_back,
        )
        detail = {"cause": cause, "seconds": seconds, "wave": self.wave, "refusal": refusal.value if refusal else ""}
        if self._taken_back and not self._is_by_hand:  # a resumed run takes a return by hand for a failure
            detail["taken_back"] = True
        return [JournalStep(self.host, "end", outcome.value, detail)]
