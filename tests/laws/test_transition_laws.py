"""Laws of one host's change: no event is forgotten in any state, and each state can be reached and left."""

from collections.abc import Mapping
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.hosts.runner import CallOutcome, HostAnswer
from provisioner.operations.rollout.answers import ChangeState
from provisioner.operations.rollout.dispatcher import StartedHost
from provisioner.operations.rollout.gate import GateRules
from provisioner.operations.rollout.host_change import HostChange
from provisioner.operations.rollout.states import BACK, RULES, TABLE, Event, State, next_state
from provisioner.record.entries import JournalStep
from tests.hostile import RELAY
from tests.unit.operations.rollout.world import Controller, state

MOST = 40
words: st.SearchStrategy[Mapping[str, object]] = st.fixed_dictionaries(
    {"state": st.sampled_from([*ChangeState, "nonsense"]), "holder": st.sampled_from(["run-1", "another"])}
)
answers = st.one_of(
    st.none(),  # as a host of ours would answer
    st.sampled_from([outcome for outcome in CallOutcome if outcome is not CallOutcome.ANSWERED]),
    words,
)
starts = st.builds(
    StartedHost, armed=st.booleans(), gate_failed=st.sampled_from(["", "no picture"]), confirming=st.booleans()
)


def test_each_event_in_each_state_leads_somewhere_or_is_refused_by_one_rule() -> None:
    for one, event in product(State, Event):
        refused = [name for name, (events, states) in RULES.items() if event in events and one in states]
        assert (event in TABLE[one]) + len(refused) == 1, (one, event, refused)
        if refused:
            with pytest.raises(ValueError, match=refused[0]):
                next_state(one, event)


def test_each_state_is_reached_from_a_start_and_led_to_the_end() -> None:
    after = {one: {one, *TABLE[one].values()} for one in State}
    for _ in State:
        after = {one: set[State]().union(*(after[two] for two in after[one])) for one in State}
    first = (State.START, State.STATUS, State.START_BACK, State.STATUS_BACK)
    assert set[State]().union(*(after[one] for one in first)) == set(State)
    assert all(State.END in after[one] for one in State)
    # Whoever was told to return is never confirmed.
    assert set[State]().union(*(after[one] for one in BACK)) == BACK


def test_each_rule_refuses_something() -> None:
    assert all(events and states for events, states in RULES.values())


@RELAY
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_comes_in_whatever_order_a_change_ends_by_its_table(data: st.DataObject) -> None:
    """Draw answers, words of other hosts and time: no event comes to a state that has no place for it."""
    controller = Controller()
    (job,) = (job for job in controller.jobs(state({"kcl-bg-001": 1})) if job.spec.relay is not None)
    options = controller.options(gate=data.draw(st.sampled_from([GateRules(), None])))
    before, abort = data.draw(st.none() | starts), data.draw(st.sampled_from(["", "ended by hand"]))
    change = HostChange(job, "run-1", options, before=before, abort=abort)
    change.holds = data.draw(st.booleans())
    for _ in range(MOST):
        then, written = change.state, list[JournalStep]()
        if change.waits_for_waves and data.draw(st.booleans()):
            change.holds = False
            change.go_on()
        elif not change.goes_back and data.draw(st.integers(0, 9)) == 0:
            written = change.take_back("1 failed", is_free=change.waits_for_waves)
        elif change.waits_for_waves:
            assert then in {State.WAITING, State.HELD}
            continue
        else:
            call, _ = change.next_call()
            answer = data.draw(answers)
            controller.clock.now += data.draw(st.sampled_from([0.0, 5.0, 100.0]))
            if answer is None:
                (come,) = controller.hosts.call([call], timeout_s=60).values()
            elif isinstance(answer, CallOutcome):
                come = HostAnswer(change.host, answer, error="why")
            else:
                come = HostAnswer(change.host, CallOutcome.ANSWERED, answer)
            written, wait_s = change.take(come)
            controller.clock.now += wait_s
        assert (change.result is not None) == (change.state is State.END)
        assert all(step.host == change.host for step in written)
        assert change.state in BACK or then not in BACK
        if change.result is not None:
            return
    # Whoever says nothing any more comes to an end all the same.
    controller.clock.now += 10_000
    if not change.waits_for_waves:
        change.next_call()
        change.take(HostAnswer(change.host, CallOutcome.UNREACHABLE, error="why"))
        assert change.result is not None
