"""An agent's decision: the next step, from all it knows. Pure.

A commit is reached (hosts match it), refused (for good, under this configuration), waiting (for a person or an event),
or failed (its apply failed, and the agent does not retry).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from provisioner.plan.change import Impact


class Line(StrEnum):
    """Relation of a branch's tip to the last reached commit."""

    FIRST = "first"  #: No commit was reached yet.
    SAME = "same"
    AHEAD = "ahead"
    BEHIND = "behind"  #: An ancestor of the reached commit.
    APART = "apart"  #: Unrelated: the branch was rewritten.


class CommitState(StrEnum):
    """State of a commit."""

    REACHED = "reached"
    REFUSED = "refused"
    WAITING = "waiting"
    FAILED = "failed"


class CommitCause(StrEnum):
    """Reason why a commit is not reached, or no step is taken."""

    SIGNATURE = "signature"
    LINE = "line"
    INVENTORY = "inventory"
    APPLY = "apply"
    APPROVALS = "approvals"
    FREEZE = "freeze"
    ALLOWANCE = "allowance"
    POLICY = "policy"
    HOSTS = "hosts"
    RUN = "run"


class Act(StrEnum):
    """The agent's next step."""

    STAND_BY = "stand-by"
    FINISH = "finish"
    REFUSE = "refuse"
    LOOK = "look"
    WAIT = "wait"
    APPLY = "apply"
    PROVE = "prove"
    FAIL = "fail"
    CORRECT = "correct"
    REPORT = "report"
    REST = "rest"


#: Steps that end a round.
FINAL: Final = frozenset({Act.STAND_BY, Act.REFUSE, Act.WAIT, Act.FAIL, Act.REPORT, Act.REST})


class UnfinishedRun(StrEnum):
    """Owner of an unfinished run."""

    NONE = "none"
    OURS = "ours"
    OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Tip:
    """The newest commit of the branch."""

    commit: str
    line: Line
    objection: str = ""  #: Why a required signature is invalid, or empty.


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """The record of a commit."""

    commit: str
    state: CommitState
    cause: CommitCause | None = None
    reason: str = ""
    rules: str = ""  #: The digest of the configuration that refused it.


@dataclass(frozen=True, slots=True)
class HostDrift:
    """Drift of a host: its changes' impacts, and whether trust changes."""

    impacts: frozenset[Impact]
    trusts: bool = False


@dataclass(frozen=True, slots=True)
class Objection:
    """A rule against a plan, its sentence, and a permitting allowance."""

    policy: str
    message: str
    allow: str = ""


@dataclass(frozen=True, slots=True)
class HostsLook:
    """Result of planning all hosts."""

    invalid: str = ""  #: Why the commit's content permits no plan, or empty.
    closed: str = ""  #: Why no plan is possible now, for other reasons, or empty.
    changes: Mapping[str, HostDrift] = field(default_factory=dict)
    objections: tuple[Objection, ...] = ()
    lacking: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether all hosts were read and match the commit."""
        return not (self.invalid or self.closed or self.changes or self.unread)


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that a decision depends on."""

    leads: bool
    tip: Tip | None = None  #: The branch's newest commit; `None` if missing, or the remote was not reached.
    reached: str = ""
    known: CommitRecord | None = None
    rules: str = ""
    goes_back: bool = False  #: Whether the tip may be behind the reached commit, or unrelated.
    corrects: frozenset[Impact] = frozenset({Impact.NONE, Impact.HOT})  #: Impacts of drift that the agent corrects.
    run: UnfinishedRun = UnfinishedRun.NONE
    is_due: bool = True
    again: bool = False
    look: HostsLook | None = None
    #: Whether the tip was applied in this round, with its `failure` or passing obstacle (`postponed`).
    applied: bool = False
    failure: str = ""
    postponed: str = ""
    corrected: bool = False
    stuck: frozenset[str] = frozenset()  #: Hosts whose correction was rolled back; people decide.
    doubt: str = ""  #: Why the reached commit's signature is invalid now, or empty.


@dataclass(frozen=True, slots=True)
class AgentStep:
    """The next step."""

    act: Act
    commit: str = ""
    cause: CommitCause | None = None
    reason: str = ""
    hosts: tuple[str, ...] = ()


def decide(now: Situation) -> AgentStep:
    """Return the next step."""
    if not now.leads:
        return AgentStep(Act.STAND_BY)
    if now.run is UnfinishedRun.OTHERS:
        reason = "a run of somebody else is unfinished: provisioner apply --resume, or --abort"
        return AgentStep(Act.WAIT, now.tip.commit if now.tip else "", CommitCause.RUN, reason)
    if now.run is UnfinishedRun.OURS:
        return AgentStep(Act.FINISH)
    return _step_to_tip(now, now.tip) if now.tip is not None else _step_on_drift(now, now.reached)


def _step_to_tip(now: Situation, tip: Tip) -> AgentStep:
    record = now.known
    if record is not None and record.state is CommitState.REACHED and tip.line is Line.SAME:
        return _step_on_drift(now, tip.commit)
    if refusal := _refusal(now, tip):
        return refusal
    if _is_refused_for_good(now):
        return _step_on_drift(now, now.reached)
    if record is not None and record.state is CommitState.FAILED and not now.again:
        return _after_failure(now, tip)
    return _unless_cut_off(now, tip)


def _unless_cut_off(now: Situation, tip: Tip) -> AgentStep:
    """Return the step towards a tip, unless this round's apply failed."""
    if now.failure:
        return AgentStep(Act.FAIL, tip.commit, CommitCause.APPLY, now.failure)
    if now.postponed:
        return AgentStep(Act.WAIT, tip.commit, CommitCause.HOSTS, now.postponed)
    if now.look is None:
        return AgentStep(Act.LOOK, tip.commit) if now.is_due or now.again else AgentStep(Act.REST, tip.commit)
    return _step_by_facts(now, tip, now.look)


def _refusal(now: Situation, tip: Tip) -> AgentStep | None:
    cause, reason = None, ""
    if tip.objection:
        cause, reason = CommitCause.SIGNATURE, tip.objection
    elif tip.line in {Line.BEHIND, Line.APART} and not now.goes_back:
        relation = "goes back behind" if tip.line is Line.BEHIND else "leads apart from"
        cause, reason = CommitCause.LINE, f"the branch {relation} {now.reached[:12]}, which was reached"
    if cause is None:
        return None
    record = now.known
    if record is not None and (record.state, record.cause, record.reason) == (CommitState.REFUSED, cause, reason):
        return _step_on_drift(now, now.reached)
    return AgentStep(Act.REFUSE, tip.commit, cause, reason)


def _is_refused_for_good(now: Situation) -> bool:
    record = now.known
    if record is None or record.state is not CommitState.REFUSED or record.rules != now.rules:
        return False
    # Its kind was judged above; only its content is left.
    return record.cause is CommitCause.INVENTORY and not now.again


def _step_by_facts(now: Situation, tip: Tip, look: HostsLook) -> AgentStep:
    if look.invalid:
        return AgentStep(Act.REFUSE, tip.commit, CommitCause.INVENTORY, look.invalid)
    if look.is_clean:
        return AgentStep(Act.PROVE, tip.commit)
    if wait := _wait_step(look, tip.commit):
        return wait
    if look.closed or not look.changes:
        return AgentStep(Act.WAIT, tip.commit, CommitCause.HOSTS, _unread(look), look.unread)
    hosts = tuple(sorted(look.changes))
    if now.applied:
        return AgentStep(
            Act.FAIL, tip.commit, CommitCause.APPLY, f"applied, and these differ all the same: {', '.join(hosts)}"
        )
    return AgentStep(Act.APPLY, tip.commit, hosts=hosts)


def _wait_step(look: HostsLook, commit: str) -> AgentStep | None:
    """Return the wait for a freeze, a person or approvals, if any."""
    if frozen := [objection for objection in look.objections if objection.policy == "freeze"]:
        return AgentStep(Act.WAIT, commit, CommitCause.FREEZE, frozen[0].message)
    if without := [objection for objection in look.objections if not objection.allow]:
        return AgentStep(Act.WAIT, commit, CommitCause.POLICY, without[0].message)
    if look.objections:
        allowances = " ".join(f"--allow {objection.allow}" for objection in look.objections)
        reason = f"{look.objections[0].message}; if that is meant: provisioner plan {allowances} --out plan.json"
        return AgentStep(Act.WAIT, commit, CommitCause.ALLOWANCE, f"{reason}, then provisioner plan push plan.json")
    if look.lacking:
        return AgentStep(Act.WAIT, commit, CommitCause.APPROVALS, f"waiting for approvals: {'; '.join(look.lacking)}")
    return None


def _unread(look: HostsLook) -> str:
    return look.closed or f"not read: {', '.join(look.unread)}; all others are as the commit says"


def _after_failure(now: Situation, tip: Tip) -> AgentStep:
    """Return the step after a failure: only people can reach the commit."""
    if now.look is None:
        return AgentStep(Act.LOOK if now.is_due else Act.REST, tip.commit)
    return AgentStep(Act.PROVE if now.look.is_clean else Act.REST, tip.commit)


def _step_on_drift(now: Situation, commit: str) -> AgentStep:
    if not commit or now.doubt:
        return AgentStep(Act.REPORT, commit, CommitCause.SIGNATURE, now.doubt) if commit else AgentStep(Act.REST)
    look = now.look
    if look is None:
        return AgentStep(Act.LOOK if now.is_due else Act.REST, commit)
    if unknown := look.invalid or look.closed:
        return AgentStep(Act.REPORT, commit, CommitCause.HOSTS, unknown)
    if not look.changes:
        return AgentStep(Act.REPORT, commit, *((CommitCause.HOSTS, _unread(look)) if look.unread else ()))
    may = tuple(sorted(host for host, entry in look.changes.items() if _may_correct(now, host, entry)))
    is_frozen = any(entry.policy == "freeze" for entry in look.objections)
    if may and not is_frozen and not now.corrected:
        return AgentStep(Act.CORRECT, commit, hosts=may)
    return AgentStep(Act.REPORT, commit, hosts=tuple(sorted(look.changes)))


def _may_correct(now: Situation, host: str, drift: HostDrift) -> bool:
    return drift.impacts <= now.corrects and not drift.trusts and (host not in now.stuck or now.again)
