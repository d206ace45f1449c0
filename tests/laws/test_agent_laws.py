"""What holds of an agent's next step, whatever it knows."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.operations.agent.decision import (
    FINAL,
    Act,
    AgentStep,
    CommitCause,
    CommitRecord,
    CommitState,
    HostDrift,
    HostsLook,
    Line,
    Objection,
    Situation,
    Tip,
    UnfinishedRun,
    decide,
)
from provisioner.plan.change import Impact

TIP, OLD = "t" * 40, "o" * 40
HOSTS = ("relay-a", "relay-b", "centre")

objections = st.sampled_from(
    [
        Objection("freeze", "a freeze is on", "freeze=3"),
        Objection("viewers", "21 viewers would be cut", "viewers=21"),
        Objection("trust", "2 changes of trust", "trust=2"),
        Objection("protected", "a protected facility would go"),
        Objection("lock_out", "SSH would be shut out"),
    ]
)
drifts = st.builds(HostDrift, st.frozensets(st.sampled_from(Impact), min_size=1), st.booleans())
looks = st.builds(
    HostsLook,
    invalid=st.sampled_from(["", "", "", "an error"]),
    closed=st.sampled_from(["", "", "", "the vault is shut"]),
    changes=st.dictionaries(st.sampled_from(HOSTS), drifts, max_size=3),
    objections=st.lists(objections, max_size=2).map(tuple),
    lacking=st.sampled_from([(), (), ("1 approver as noc",)]),
    unread=st.sampled_from([(), (), ("relay-b",)]),
)
knowns = st.builds(
    CommitRecord,
    st.just(TIP),
    st.sampled_from(CommitState),
    st.sampled_from([*CommitCause]),
    st.sampled_from(["", "is not signed", "an error"]),
    st.sampled_from(["old", "new"]),
)
tips = st.builds(Tip, st.just(TIP), st.sampled_from(Line), st.sampled_from(["", "", "is not signed"]))
situations = st.builds(
    Situation,
    leads=st.sampled_from([True, True, True, False]),
    tip=st.none() | tips,
    reached=st.just(OLD),
    known=st.none() | knowns,
    rules=st.just("new"),
    goes_back=st.booleans(),
    corrects=st.frozensets(st.sampled_from([Impact.NONE, Impact.HOT])),
    run=st.sampled_from([UnfinishedRun.NONE] * 4 + [UnfinishedRun.OURS, UnfinishedRun.OTHERS]),
    is_due=st.booleans(),
    again=st.booleans(),
    look=st.none() | looks,
    failure=st.sampled_from(["", "", "relay-a went back"]),
    corrected=st.booleans(),
    stuck=st.frozensets(st.sampled_from(HOSTS), max_size=1),
)


def consistent_one(now: Situation) -> Situation:
    """Without what cannot be: a first tip with something reached, a tip that is what was reached and is not."""
    match now.tip and now.tip.line:
        case None:
            return replace(now, known=None)
        case Line.FIRST:
            return replace(now, reached="")
        case Line.SAME:
            return replace(now, reached=TIP, known=CommitRecord(TIP, CommitState.REACHED))
        case _:
            return now


every = situations.map(consistent_one)


@given(every)
@settings(max_examples=150)
def test_nothing_is_applied_that_is_not_signed_held_back_or_still_to_be_approved(now: Situation) -> None:
    step = decide(now)
    if step.act is not Act.APPLY:
        return
    assert now.leads
    assert now.run is UnfinishedRun.NONE
    assert now.tip is not None
    assert now.tip.objection == ""
    assert now.look is not None
    assert (now.look.invalid, now.look.closed, now.look.objections, now.look.lacking) == ("", "", (), ())
    assert now.look.changes
    assert not now.failure
    assert now.goes_back or now.tip.line in {Line.FIRST, Line.SAME, Line.AHEAD}
    assert step.commit == now.tip.commit


@given(every)
@settings(max_examples=150)
def test_what_was_reached_is_not_applied_once_more(now: Situation) -> None:
    if now.tip is not None and now.tip.line is Line.SAME:
        assert decide(now).act not in {Act.APPLY, Act.PROVE, Act.REFUSE, Act.FAIL}


@given(every)
@settings(max_examples=150)
def test_who_has_no_lease_does_nothing(now: Situation) -> None:
    assert decide(replace(now, leads=False)) == AgentStep(Act.STAND_BY)


@given(every)
@settings(max_examples=150)
def test_a_refused_commit_is_refused_once_and_never_applied(now: Situation) -> None:
    step = decide(now)
    if step.act is not Act.REFUSE:
        return
    known = CommitRecord(step.commit, CommitState.REFUSED, step.cause, step.reason, now.rules)
    after = decide(replace(now, known=known, again=False))
    assert after.act not in {Act.REFUSE, Act.APPLY}
    assert after.commit in {"", now.reached}


@given(every)
@settings(max_examples=150)
def test_a_failed_commit_is_not_tried_again_by_itself(now: Situation) -> None:
    if now.tip is None or now.tip.line is Line.SAME:
        return
    failed = CommitRecord(TIP, CommitState.FAILED, CommitCause.APPLY, "relay-a went back", "new")
    assert decide(replace(now, known=failed, again=False)).act is not Act.APPLY


@given(every)
@settings(max_examples=150)
def test_drift_is_corrected_of_named_kinds_alone_and_once_a_round(now: Situation) -> None:
    step = decide(now)
    if step.act is not Act.CORRECT:
        return
    assert now.look is not None
    assert step.hosts
    assert not now.corrected
    for host in step.hosts:
        assert now.look.changes[host].impacts <= now.corrects
        assert not now.look.changes[host].trusts
    assert step.commit == now.reached
    assert "freeze" not in {one.policy for one in now.look.objections}


@given(every)
@settings(max_examples=150)
def test_every_round_ends(now: Situation) -> None:
    """Each step changes what is known so that the next one is another, and after a few nothing is left to do."""
    for _ in range(8):
        step = decide(now)
        if step.act in FINAL:
            return
        now = after(now, step)
    raise AssertionError(step)


@given(every, looks)
@settings(max_examples=150)
def test_what_says_why_says_it_in_words(now: Situation, look: HostsLook) -> None:
    step = decide(replace(now, look=look))
    if step.act in {Act.REFUSE, Act.WAIT, Act.FAIL}:
        assert step.reason
        assert step.cause is not None
        assert step.commit or now.tip is None


def after(now: Situation, step: AgentStep) -> Situation:
    """What is known once a step was done, at its best."""
    match step.act:
        case Act.FINISH:
            return replace(now, run=UnfinishedRun.NONE)
        case Act.LOOK:
            return replace(now, look=HostsLook(changes={"relay-a": HostDrift(frozenset({Impact.HOT}))}))
        case Act.APPLY:
            return replace(now, look=HostsLook())
        case Act.CORRECT:
            return replace(now, look=HostsLook(), corrected=True)
        case Act.PROVE:
            known = CommitRecord(step.commit, CommitState.REACHED)
            tip = replace(now.tip, line=Line.SAME) if now.tip else None
            return replace(now, reached=step.commit, known=known, tip=tip, look=HostsLook(), is_due=False)
        case _:
            raise AssertionError(step)


def test_each_refusal_and_each_wait_has_its_cause() -> None:
    """The table of docs/operate/agent.md, by example."""
    one = {"relay-a": HostDrift(frozenset({Impact.PATH}))}
    free = Objection("freeze", "until Monday", "freeze=1")
    raised = Objection("viewers", "21 viewers would be cut", "viewers=21")
    shut = Objection("protected", "it is protected")
    table = [
        (Tip(TIP, Line.AHEAD, "is not signed"), HostsLook(), Act.REFUSE, CommitCause.SIGNATURE),
        (Tip(TIP, Line.BEHIND), HostsLook(), Act.REFUSE, CommitCause.LINE),
        (Tip(TIP, Line.APART), HostsLook(), Act.REFUSE, CommitCause.LINE),
        (Tip(TIP, Line.AHEAD), HostsLook(invalid="an error"), Act.REFUSE, CommitCause.INVENTORY),
        (Tip(TIP, Line.AHEAD), HostsLook(closed="no vault"), Act.WAIT, CommitCause.HOSTS),
        (Tip(TIP, Line.AHEAD), HostsLook(unread=("relay-a",)), Act.WAIT, CommitCause.HOSTS),
        (Tip(TIP, Line.AHEAD), HostsLook(changes=one, objections=(raised, free)), Act.WAIT, CommitCause.FREEZE),
        (Tip(TIP, Line.AHEAD), HostsLook(changes=one, objections=(raised, shut)), Act.WAIT, CommitCause.POLICY),
        (Tip(TIP, Line.AHEAD), HostsLook(changes=one, objections=(raised,)), Act.WAIT, CommitCause.ALLOWANCE),
        (Tip(TIP, Line.AHEAD), HostsLook(changes=one, lacking=("1 approver",)), Act.WAIT, CommitCause.APPROVALS),
        (Tip(TIP, Line.AHEAD), HostsLook(changes=one), Act.APPLY, None),
        (Tip(TIP, Line.AHEAD), HostsLook(), Act.PROVE, None),
    ]
    for tip, look, act, cause in table:
        step = decide(Situation(leads=True, tip=tip, reached=OLD, look=look))
        assert (step.act, step.cause) == (act, cause), (tip, look)
