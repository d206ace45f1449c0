"""What an agent does next, out of all that it knows: one step at a time. Pure.

A commit has one of four states. Reached: the hosts are as it says. Refused: it is not to be applied, and will not be
whatever comes, but for another configuration of the agent. Waiting: somebody or something is waited for. Failed: its
apply went wrong, and nobody tries it again by himself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from provisioner.plan.change import Impact


class Line(StrEnum):
    """Where a branch's tip is, seen from the commit that was reached last."""

    FIRST = "first"
    """None was reached."""
    SAME = "same"
    AHEAD = "ahead"
    BEHIND = "behind"
    """It is an ancestor of what was reached."""
    APART = "apart"
    """Neither is an ancestor of the other: the branch was written anew."""


class CommitState(StrEnum):
    """What became of a commit."""

    REACHED = "reached"
    REFUSED = "refused"
    WAITING = "waiting"
    FAILED = "failed"


class CommitCause(StrEnum):
    """Why a commit is not reached, or an agent does nothing."""

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
    """What is done next."""

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


FINAL: Final = frozenset({Act.STAND_BY, Act.REFUSE, Act.WAIT, Act.FAIL, Act.REPORT, Act.REST})
"""What ends a round."""


class UnfinishedRun(StrEnum):
    """Whose run is unfinished."""

    NONE = "none"
    OURS = "ours"
    OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Tip:
    """The newest commit of the branch.

    Attributes:
        commit: its id.
        line: where it is, seen from what was reached.
        objection: why its signature, or that of one before it, does not count; empty where all do.
    """

    commit: str
    line: Line
    objection: str = ""


@dataclass(frozen=True, slots=True)
class KnownCommit:
    """What was recorded of a commit.

    Attributes:
        cause: why it is not reached.
        reason: the same in a sentence.
        rules: the digest of the agent's configuration by which it was refused.
    """

    commit: str
    state: CommitState
    cause: CommitCause | None = None
    reason: str = ""
    rules: str = ""


@dataclass(frozen=True, slots=True)
class HostDrift:
    """How a host differs.

    Attributes:
        impacts: of its changes.
        trusts: whether who or what is trusted is among them.
    """

    impacts: frozenset[Impact]
    trusts: bool = False


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a plan is held back.

    Attributes:
        policy: by which rule.
        message: one sentence.
        allow: the allowance that would settle it; empty where none does.
    """

    policy: str
    message: str
    allow: str = ""


@dataclass(frozen=True, slots=True)
class HostsLook:
    """What a look at all hosts came to.

    Attributes:
        invalid: why no plan can be made of the commit: its fault; empty where one can.
        closed: why none can be made now, which is not its fault.
        changes: how each host differs that does.
        objections: what holds the plan back.
        lacking: whose approval is still needed, in words.
        unread: hosts that could not be read.
    """

    invalid: str = ""
    closed: str = ""
    changes: Mapping[str, HostDrift] = field(default_factory=lambda: MappingProxyType({}))
    objections: tuple[Objection, ...] = ()
    lacking: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether every host was read, and is as the commit says."""
        return not (self.invalid or self.closed or self.changes or self.unread)


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a step depends on.

    Attributes:
        leads: whether this agent has the lease.
        tip: the branch's newest commit; None where the remote has no such branch, or was not reached.
        reached: the commit that was reached last; empty where none was.
        known: what was recorded of the tip.
        rules: the digest of the agent's configuration.
        goes_back: whether the configuration lets a branch lead behind, or apart from, what was reached.
        corrects: the impacts of drift that is corrected without anybody.
        run: whose run is unfinished.
        is_due: whether hosts have to be looked at.
        again: whether somebody asks that a failed commit is tried again.
        look: what hosts came to in this round; None where they were not looked at.
        applied: whether the tip was applied in this round.
        failure: what went wrong in that; empty where nothing did.
        postponed: why it did not come to its end, which passes; empty where it did.
        corrected: whether drift was corrected in this round.
        stuck: hosts whose drift was to be corrected, and that went back: they are left to people.
        doubt: why the signature of what was reached does not count any more; empty if it does.
    """

    leads: bool
    tip: Tip | None = None
    reached: str = ""
    known: KnownCommit | None = None
    rules: str = ""
    goes_back: bool = False
    corrects: frozenset[Impact] = frozenset({Impact.NONE, Impact.HOT})
    run: UnfinishedRun = UnfinishedRun.NONE
    is_due: bool = True
    again: bool = False
    look: HostsLook | None = None
    applied: bool = False
    failure: str = ""
    postponed: str = ""
    corrected: bool = False
    stuck: frozenset[str] = frozenset()
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class AgentStep:
    """What is done next.

    Attributes:
        commit: of which commit; empty where of none.
        cause: why nothing is applied.
        reason: the same in a sentence.
        hosts: which hosts' drift is corrected, or told.
    """

    act: Act
    commit: str = ""
    cause: CommitCause | None = None
    reason: str = ""
    hosts: tuple[str, ...] = ()


def decide(now: Situation) -> AgentStep:
    """The next step."""
    if not now.leads:
        return AgentStep(Act.STAND_BY)
    if now.run is UnfinishedRun.OTHERS:
        reason = "a run of somebody else is unfinished: provisioner apply --resume, or --abort"
        return AgentStep(Act.WAIT, now.tip.commit if now.tip else "", CommitCause.RUN, reason)
    if now.run is UnfinishedRun.OURS:
        return AgentStep(Act.FINISH)
    return _towards(now, now.tip) if now.tip is not None else _drift(now, now.reached)


def _towards(now: Situation, tip: Tip) -> AgentStep:
    """The step towards the newest commit, or back to what was reached where that one is not to be applied."""
    known = now.known
    if known is not None and known.state is CommitState.REACHED and tip.line is Line.SAME:
        return _drift(now, tip.commit)
    if refusal := _refusal(now, tip):
        return refusal
    if _is_refused_for_good(now):
        return _drift(now, now.reached)
    if known is not None and known.state is CommitState.FAILED and not now.again:
        return _after_failure(now, tip)
    return _unless_cut_off(now, tip)


def _unless_cut_off(now: Situation, tip: Tip) -> AgentStep:
    """The step towards a commit that may be applied, unless this round's apply of it did not end well."""
    if now.failure:
        return AgentStep(Act.FAIL, tip.commit, CommitCause.APPLY, now.failure)
    if now.postponed:
        return AgentStep(Act.WAIT, tip.commit, CommitCause.HOSTS, now.postponed)
    if now.look is None:
        return AgentStep(Act.LOOK, tip.commit) if now.is_due or now.again else AgentStep(Act.REST, tip.commit)
    return _reach(now, tip, now.look)


def _refusal(now: Situation, tip: Tip) -> AgentStep | None:
    """The refusal of a tip by what it is; None where there is none, or it is recorded."""
    cause, reason = None, ""
    if tip.objection:
        cause, reason = CommitCause.SIGNATURE, tip.objection
    elif tip.line in {Line.BEHIND, Line.APART} and not now.goes_back:
        place = "goes back behind" if tip.line is Line.BEHIND else "leads apart from"
        cause, reason = CommitCause.LINE, f"the branch {place} {now.reached[:12]}, which was reached"
    if cause is None:
        return None
    known = now.known
    if known is not None and (known.state, known.cause, known.reason) == (CommitState.REFUSED, cause, reason):
        return _drift(now, now.reached)
    return AgentStep(Act.REFUSE, tip.commit, cause, reason)


def _is_refused_for_good(now: Situation) -> bool:
    known = now.known
    if known is None or known.state is not CommitState.REFUSED or known.rules != now.rules:
        return False
    # What it is was judged above: only what is in it is left.
    return known.cause is CommitCause.INVENTORY and not now.again


def _reach(now: Situation, tip: Tip, look: HostsLook) -> AgentStep:
    """The step towards a commit that may be applied, by what hosts say."""
    if look.invalid:
        return AgentStep(Act.REFUSE, tip.commit, CommitCause.INVENTORY, look.invalid)
    if look.is_clean:
        return AgentStep(Act.PROVE, tip.commit)
    if held := _held(look, tip.commit):
        return held
    if look.closed or not look.changes:
        return AgentStep(Act.WAIT, tip.commit, CommitCause.HOSTS, _unread(look), look.unread)
    hosts = tuple(sorted(look.changes))
    if now.applied:
        return AgentStep(
            Act.FAIL, tip.commit, CommitCause.APPLY, f"applied, and these differ all the same: {', '.join(hosts)}"
        )
    return AgentStep(Act.APPLY, tip.commit, hosts=hosts)


def _held(look: HostsLook, commit: str) -> AgentStep | None:
    """What a plan waits for: the end of a freeze, a person's word, approvals."""
    if frozen := [one for one in look.objections if one.policy == "freeze"]:
        return AgentStep(Act.WAIT, commit, CommitCause.FREEZE, frozen[0].message)
    if without := [one for one in look.objections if not one.allow]:
        return AgentStep(Act.WAIT, commit, CommitCause.POLICY, without[0].message)
    if look.objections:
        words = " ".join(f"--allow {one.allow}" for one in look.objections)
        reason = f"{look.objections[0].message}; if that is meant: provisioner plan {words} --out plan.json"
        return AgentStep(Act.WAIT, commit, CommitCause.ALLOWANCE, f"{reason}, then provisioner plan push plan.json")
    if look.lacking:
        return AgentStep(Act.WAIT, commit, CommitCause.APPROVALS, f"waiting for approvals: {'; '.join(look.lacking)}")
    return None


def _unread(look: HostsLook) -> str:
    return look.closed or f"not read: {', '.join(look.unread)}; all others are as the commit says"


def _after_failure(now: Situation, tip: Tip) -> AgentStep:
    """Of a commit that failed: somebody may have brought the hosts there by hand, and else nothing is done."""
    if now.look is None:
        return AgentStep(Act.LOOK if now.is_due else Act.REST, tip.commit)
    return AgentStep(Act.PROVE if now.look.is_clean else Act.REST, tip.commit)


def _drift(now: Situation, commit: str) -> AgentStep:
    """The step where hosts have to be as a commit says that was reached."""
    if not commit or now.doubt:
        return AgentStep(Act.REPORT, commit, CommitCause.SIGNATURE, now.doubt) if commit else AgentStep(Act.REST)
    look = now.look
    if look is None:
        return AgentStep(Act.LOOK if now.is_due else Act.REST, commit)
    if unknown := look.invalid or look.closed:
        return AgentStep(Act.REPORT, commit, CommitCause.HOSTS, unknown)
    if not look.changes:
        return AgentStep(Act.REPORT, commit, *((CommitCause.HOSTS, _unread(look)) if look.unread else ()))
    may = tuple(sorted(host for host, one in look.changes.items() if _may_correct(now, host, one)))
    is_frozen = any(one.policy == "freeze" for one in look.objections)
    if may and not is_frozen and not now.corrected:
        return AgentStep(Act.CORRECT, commit, hosts=may)
    return AgentStep(Act.REPORT, commit, hosts=tuple(sorted(look.changes)))


def _may_correct(now: Situation, host: str, drift: HostDrift) -> bool:
    return drift.impacts <= now.corrects and not drift.trusts and (host not in now.stuck or now.again)
