"""One round of a leading agent: read everything, then step until done.

A round reads remote, history and hosts at its beginning and trusts no intention of an earlier round. So a killed round
is simply repeated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from provisioner.base.errors import NoticeError, ProvisionerError, UsageError
from provisioner.base.git import without_programs_of
from provisioner.base.text import VIETNAM
from provisioner.operations.agent import actions, decision
from provisioner.operations.agent.branch import Believed, FollowedBranch, believed
from provisioner.operations.agent.settings import AgentSettings
from provisioner.operations.apply.run import Unfinished
from provisioner.operations.apply.saved_plan import REFERENCES
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned
from provisioner.plan.change import Impact
from provisioner.plan.saved.file import Saved
from provisioner.record.sent import CommitRow, keep_commit_states, reached_last, read_commit_states
from provisioner.record.state_folder import state_folder, state_folder_of

_MOST_WITHIN: Final = 100  #: Limit of commits recorded as contained in a newer one.
_NEXT: Final = timedelta(microseconds=1)
_MOST_STEPS: Final = 12  #: Upper bound of steps; the decision's rules end each round earlier.


@dataclass(frozen=True, slots=True)
class RoundEnd:
    """Result of a round: last step, tip with its record, reached commit."""

    step: decision.AgentStep
    tip: str = ""
    row: CommitRow | None = None
    reached: str = ""
    #: Impacts of drift by host, the worst last.
    drifted: Mapping[str, tuple[Impact, ...]] = field(default_factory=dict)
    proof: actions.PathsProof | None = None
    problems: tuple[str, ...] = ()
    looked: bool = False


@dataclass
class _Work:
    rows: dict[str, CommitRow]
    believed: Believed
    rules: str
    unfinished: Unfinished | None = None
    looked: actions.PlannedLook | None = None
    session: Session | None = None
    runs: list[actions.RunEnded] = field(default_factory=list)
    proof: actions.PathsProof | None = None
    problems: list[str] = field(default_factory=list)


class AgentRounds:
    """The rounds of a leading agent."""

    def __init__(
        self,
        settings: AgentSettings,
        environment: Mapping[str, str],
        *,
        tell: Callable[[str], None],
        stop: Callable[[], bool],
        still_leads: Callable[[], bool] = lambda: True,
        clock: Callable[[], datetime] = actions.moment,
    ) -> None:
        self.settings = settings
        self.environment = environment
        self.place = state_folder_of(environment, settings.inventory)
        self.branch = FollowedBranch(settings, state_folder(environment) / settings.inventory / "agent", clock)
        self._tell = tell
        self._stop = stop
        self._still_leads = still_leads
        self._clock = clock
        self._plans: bytes | None = None  #: The remote's plans at the last round of a commit that waits.

    def round(self, *, due: bool, again: bool = False) -> RoundEnd:
        """Do a round (`due` reads hosts), or raise `UsageError`.

        A commit that waits is looked at as well if somebody pushed a plan since the round before.
        """
        trusted = believed(self.settings)
        rows = {row.commit: row for row in read_commit_states(self.place)}
        work = _Work(rows, trusted, self.settings.rules(trusted.text))
        run, work.unfinished = actions.unfinished_run(self.place, self._clock())
        commit = self._fetch_tip(work)
        reached = self._reached_commit(work)
        tip = self._judge_tip(commit, reached, work) if commit else None
        now = decision.Situation(
            leads=True,
            tip=tip,
            reached=reached,
            known=_commit_record(work.rows.get(tip.commit)) if tip else None,
            rules=work.rules,
            goes_back=self.settings.goes_back,
            run=run,
            is_due=due or tip is None or tip.commit not in work.rows or self._is_plan_new(work.rows[tip.commit]),
            again=again,
            stuck=frozenset(work.rows[reached].stuck) if reached in work.rows else frozenset(),
            doubt=self.branch.present_objection(reached, trusted.signers, work.rows[reached].at)
            if reached in work.rows
            else "",
        )
        return self._take_steps(now, work)

    def _is_plan_new(self, row: CommitRow) -> bool:
        if row.state != decision.CommitState.WAITING:
            return False
        try:
            plans = self.branch.listed(REFERENCES)
        except NoticeError:
            return False  # the next fetch of the branch says why
        before, self._plans = self._plans, plans
        return plans != before

    def _take_steps(self, now: decision.Situation, work: _Work) -> RoundEnd:
        drifted: dict[str, tuple[Impact, ...]] = {}
        step = decision.AgentStep(decision.Act.REST)
        try:
            for _ in range(_MOST_STEPS):
                step = decision.decide(now)
                if not self._still_leads():
                    step = decision.AgentStep(decision.Act.STAND_BY)
                elif self._stop():
                    step = decision.AgentStep(decision.Act.REST)
                if step.act is decision.Act.REPORT and now.look is not None:
                    drifted = {
                        host: tuple(sorted(drift.impacts, key=lambda i: i.rank))
                        for host, drift in now.look.changes.items()
                    }
                if step.act in decision.FINAL:
                    self._record(now, step, work)
                    break
                now = self._take_step(now, step, work)
        finally:
            self._close(work)
        tip = now.tip.commit if now.tip else ""
        self.branch.keep_only({tip, now.reached})
        return RoundEnd(
            step,
            tip,
            work.rows.get(tip),
            now.reached,
            drifted,
            work.proof,
            tuple(work.problems),
            looked=now.look is not None,
        )

    # --- known commits ----------------------------------------------------------------------------
    def _reached_commit(self, work: _Work) -> str:
        """Return the last reached commit; mend history or own memory, either lost."""
        row = reached_last(work.rows.values())
        recorded, remembered = row.commit if row else "", self.branch.remembered()
        reached = self._newer_commit(recorded, remembered)
        if reached and reached != remembered:
            self.branch.remember(reached)
        if reached and reached != recorded:
            reached_row = self._commit_row(
                reached, work, decision.CommitState.REACHED, proof="as this machine remembers it"
            )
            self._keep(work, replace(reached_row, due=()))
        return reached

    def _newer_commit(self, recorded: str, remembered: str) -> str:
        if not recorded or not remembered or self.settings.goes_back:
            return recorded or remembered
        if not self.branch.has(recorded):
            return recorded
        # The fetched branch lacks the remembered commit: the history may have been reset with it.
        return self.branch.newer(remembered, recorded) if self.branch.has(remembered) else remembered

    def _fetch_tip(self, work: _Work) -> str:
        try:
            commit = self.branch.fetch()
        except NoticeError as error:
            work.problems.append(error.message)
            return ""
        if not commit:
            work.problems.append(f"{self.settings.remote} has no branch {self.settings.branch}")
        return commit

    def _judge_tip(self, commit: str, reached: str, work: _Work) -> decision.Tip:
        tip = self.branch.tip(commit, reached, work.believed.signers)
        if tip.objection or tip.line is decision.Line.SAME:
            return tip
        failed = [row.commit for row in work.rows.values() if row.state == decision.CommitState.FAILED]
        if not (twin := self.branch.twin(commit, failed)):
            return tip
        return replace(
            tip, objection=f"commit {commit[:12]} is {twin[:12]}, which failed, with its signature rewritten"
        )

    # --- steps ------------------------------------------------------------------------------------
    def _take_step(self, now: decision.Situation, step: decision.AgentStep, work: _Work) -> decision.Situation:
        match step.act:
            case decision.Act.FINISH:
                return self._finish_run(now, work)
            case decision.Act.LOOK:
                looked = self._plan_commit(step.commit, work)
                return replace(now, look=looked.look, corrects=_correctable_impacts(looked))
            case decision.Act.APPLY:
                return self._apply_commit(now, step, work)
            case decision.Act.CORRECT:
                return self._correct_drift(now, step, work)
            case decision.Act.PROVE:
                return self._prove(now, step, work)
            case _:
                raise ValueError(f"{step.act} ends a round")

    def _plan_commit(self, commit: str, work: _Work) -> actions.PlannedLook:
        self._close(work)
        try:
            work.session = self._session(commit)
        except ProvisionerError as error:
            work.looked = actions.PlannedLook(_not_laid_out(error))
            return work.looked
        looked = actions.with_allowances(self.branch, actions.look_at_hosts(work.session, self.settings.inventory))
        work.problems += looked.notes
        work.looked = looked
        return looked

    def _finish_run(self, now: decision.Situation, work: _Work) -> decision.Situation:
        """Finish a run that was cut off; return the new situation."""
        last = work.unfinished
        if last is None:
            raise ValueError("no run is unfinished")
        commit, run = last.run.commit, last.run.id
        if not self.branch.has(commit):
            work.problems.append(f"run {run} is of a commit that the remote has no more: provisioner apply --abort")
            return replace(now, run=decision.UnfinishedRun.OTHERS)
        if doubt := self.branch.present_objection(commit, work.believed.signers, last.run.started):
            work.problems.append(f"run {run} is not finished: {doubt}: provisioner apply --abort")
            return replace(now, run=decision.UnfinishedRun.OTHERS)
        self._tell(f"finishing run {run} of commit {commit[:12]}, which was cut off")
        with actions.open_session(self._session(commit)) as session:
            done = actions.finish_run(session, self._stop)
        self._note_run(done, work)
        is_of_tip = now.tip is not None and now.tip.commit == commit and not actions.corrects_drift(last)
        stuck = now.stuck | set(done.worst) if actions.corrects_drift(last) else now.stuck
        if actions.corrects_drift(last) and done.worst and commit in work.rows:
            self._keep(work, replace(work.rows[commit], stuck=tuple(sorted(stuck))))
        return replace(
            now,
            run=decision.UnfinishedRun.NONE,
            is_due=True,
            stuck=stuck,
            failure=done.failure if is_of_tip else "",
            postponed=done.postponed,
        )

    def _apply_commit(self, now: decision.Situation, step: decision.AgentStep, work: _Work) -> decision.Situation:
        session, planned, saved = _plan_parts(work)
        self._tell(f"applying commit {step.commit[:12]} to {', '.join(step.hosts)}")
        done = actions.apply_commit(session, planned, saved, self._stop)
        self._note_run(done, work)
        return replace(now, look=None, is_due=True, applied=True, failure=done.failure, postponed=done.postponed)

    def _correct_drift(self, now: decision.Situation, step: decision.AgentStep, work: _Work) -> decision.Situation:
        session, planned, _ = _plan_parts(work)
        self._tell(f"correcting drift from commit {step.commit[:12]} on {', '.join(step.hosts)}")
        done = actions.correct_drift(session, planned, step.hosts, self._stop)
        self._note_run(done, work)
        stuck = now.stuck | set(done.worst)
        if done.worst and step.commit in work.rows:
            self._keep(work, replace(work.rows[step.commit], stuck=tuple(sorted(stuck))))
        return replace(now, look=None, is_due=True, corrected=True, stuck=stuck)

    def _note_run(self, done: actions.RunEnded, work: _Work) -> None:
        work.runs.append(done)
        outcome = done.failure or done.postponed or f"changed {', '.join(done.changed) or 'no host'}"
        self._tell(f"run {done.run}: {outcome}" if done.run else outcome)
        if done.postponed:
            work.problems.append(done.postponed)

    def _prove(self, now: decision.Situation, step: decision.AgentStep, work: _Work) -> decision.Situation:
        """Verify a commit; record it and the ones it contains as reached."""
        session, planned, _ = _plan_parts(work)
        run = actions.run_of(self.place, step.commit)
        if run:
            work.proof = actions.prove(session, self.settings.proof_deadline, self._tell)
        frozen = tuple(entry.facility.id for entry in planned.plan.frozen_in_limit)
        summary = (work.proof.words if work.proof else "no host had to change") + (
            f"; held: {', '.join(frozen)}" if frozen else ""
        )
        row = replace(
            self._commit_row(step.commit, work, decision.CommitState.REACHED, run=run, proof=summary), held=frozen
        )
        between = self.branch.between(now.reached, step.commit)[:_MOST_WITHIN]
        unsettled = [commit for commit in between if not _is_settled(work.rows.get(commit))]
        within = [
            replace(row, commit=c, within=step.commit, run="", proof="", signer=self.branch.signer(c))
            for c in unsettled
        ]
        self.branch.remember(step.commit)
        self._keep(work, row, *within)
        self._tell(f"reached commit {step.commit[:12]}: {summary}")
        tip = replace(now.tip, line=decision.Line.SAME) if now.tip else None
        record = decision.CommitRecord(step.commit, decision.CommitState.REACHED)
        return replace(now, doubt="", reached=step.commit, known=record, tip=tip, is_due=False, stuck=frozenset())

    # --- records ----------------------------------------------------------------------------------
    def _record(self, now: decision.Situation, step: decision.AgentStep, work: _Work) -> None:
        states = {
            decision.Act.REFUSE: decision.CommitState.REFUSED,
            decision.Act.WAIT: decision.CommitState.WAITING,
            decision.Act.FAIL: decision.CommitState.FAILED,
        }
        state = states.get(step.act)
        if now.tip is None or state is None or step.commit != now.tip.commit:
            return
        row = self._commit_row(step.commit, work, state, cause=step.cause, reason=step.reason)
        if (
            step.cause is decision.CommitCause.APPROVALS
            and work.looked is not None
            and (failure := actions.offer_plan(self.branch, work.looked))
        ):
            work.problems.append(failure)
        before = work.rows.get(step.commit)
        if before is not None and (before.state, before.reason, before.rules) == (row.state, row.reason, row.rules):
            return
        self._keep(work, row)
        self._tell(f"{state.value} commit {step.commit[:12]}: {step.reason}")

    def _commit_row(
        self,
        commit: str,
        work: _Work,
        state: decision.CommitState,
        *,
        cause: decision.CommitCause | None = None,
        reason: str = "",
        run: str = "",
        proof: str = "",
    ) -> CommitRow:
        receivers = (("notes",) if self.settings.notes else ()) + (("forge",) if self.settings.forge else ())
        at, last = self._clock(), reached_last(work.rows.values())
        if state is decision.CommitState.REACHED and last is not None:
            # A clock that was set back makes no older commit the one that was reached last.
            at = max(at, last.at + _NEXT)
        return CommitRow(
            commit=commit,
            state=state.value,
            at=at,
            cause=cause.value if cause else "",
            reason=reason,
            rules=work.rules,
            signer=self.branch.signer(commit),
            run=run or next((ended.run for ended in work.runs if ended.run), ""),
            proof=proof,
            due=receivers,
        )

    def _keep(self, work: _Work, *rows: CommitRow) -> None:
        keep_commit_states(self.place, rows)
        work.rows |= {row.commit: row for row in rows}

    # --- sessions ---------------------------------------------------------------------------------
    def _session(self, commit: str) -> Session:
        root: Path = self.branch.laid_out(commit)
        environment = without_programs_of(self.environment, self.branch.folder.resolve())
        return Session(root, environment, self._clock().astimezone(VIETNAM).date())

    @staticmethod
    def _close(work: _Work) -> None:
        if work.session is not None:
            actions.close_session(work.session)
            work.session = None


def _correctable_impacts(looked: actions.PlannedLook) -> frozenset[Impact]:
    if looked.planned is None or looked.session is None:
        return frozenset()
    return frozenset(Impact(impact.value) for impact in looked.session.inventory.settings.policy.drift.correct)


def _commit_record(row: CommitRow | None) -> decision.CommitRecord | None:
    if row is None or row.state not in set(decision.CommitState):
        return None
    cause = decision.CommitCause(row.cause) if row.cause in set(decision.CommitCause) else None
    return decision.CommitRecord(row.commit, decision.CommitState(row.state), cause, row.reason, row.rules)


def _is_settled(row: CommitRow | None) -> bool:
    return row is not None and row.state in {decision.CommitState.REACHED, decision.CommitState.REFUSED}


def _plan_parts(work: _Work) -> tuple[Session, Planned, Saved]:
    looked = work.looked
    if looked is None or looked.session is None or looked.planned is None or looked.saved is None:
        raise ValueError("there is no plan")
    return looked.session, looked.planned, looked.saved


def _not_laid_out(error: ProvisionerError) -> decision.HostsLook:
    is_its_own = isinstance(error, UsageError)
    return decision.HostsLook(invalid=error.message) if is_its_own else decision.HostsLook(closed=error.message)
