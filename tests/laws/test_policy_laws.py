"""Laws of the policy: a raised limit never refuses more, and what is protected stays whatever is deleted."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.errors import UsageError
from provisioner.base.text import VIETNAM
from provisioner.inventory.model.policy import Limits, Policy
from provisioner.plan.change import Action, Change, Impact, Resource
from provisioner.plan.guards.policy import LIMITS, MEASURES, PlanInQuestion, lost_paths, parse_allowances, refusals_of

NOW = datetime(2021, 5, 23, 12, 0, tzinfo=VIETNAM)
FREEZE = {"from": "2021-05-22T00:00", "until": "2021-05-24T06:00", "reason": "elections"}


def policy(**changes: Any) -> Policy:
    return Policy.model_validate(changes, strict=False)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    host = draw(st.sampled_from(["relay-a", "relay-b", "centre"]))
    facility = draw(st.sampled_from(["kcl-001", "kcl-002"]))
    name = f"bac-giang/{facility}/cam-{draw(st.integers(1, 6)):02}/sub"
    impact = draw(st.sampled_from(Impact))
    cut = {host: {name: draw(st.integers(1, 30))}} if impact.rank >= Impact.PATH.rank else {}
    action = draw(st.sampled_from(Action))
    return Change(host, Resource.PATH, name, action, impact, "invented", cut, "bac-giang", facility)


subjects = st.builds(
    PlanInQuestion,
    changes=st.lists(changes(), max_size=12),
    served=st.frozensets(st.builds("bac-giang/kcl-00{}/cam-0{}/sub".format, st.integers(1, 2), st.integers(1, 6))),
    uncounted=st.frozensets(st.sampled_from(["relay-a", "relay-b"])),
    protected=st.frozensets(st.sampled_from(["kcl-001", "kcl-002"])),
)
limits = st.fixed_dictionaries({name: st.integers(0, 100) for name in LIMITS})
allowances = st.dictionaries(st.sampled_from(LIMITS), st.integers(0, 200))


def test_every_limit_of_the_inventory_has_one_measure_and_every_measure_a_limit() -> None:
    assert sorted(measure.name for measure in MEASURES) == sorted(Limits.model_fields)


@given(subject=subjects, low=limits, raised=st.dictionaries(st.sampled_from(LIMITS), st.integers(0, 100)))
def test_a_higher_limit_refuses_no_more(subject: PlanInQuestion, low: dict[str, int], raised: dict[str, int]) -> None:
    high = {name: max(number, raised.get(name, 0)) for name, number in low.items()}
    before = refusals_of(policy(limits=low, freeze=[FREEZE]), subject, NOW, {})
    after = refusals_of(policy(limits=high, freeze=[FREEZE]), subject, NOW, {})
    assert {refusal.policy for refusal in after} <= {refusal.policy for refusal in before}


@given(subject=subjects, low=limits, allowed=allowances, more=allowances)
def test_a_larger_allowance_never_refuses_more(
    subject: PlanInQuestion, low: dict[str, int], allowed: dict[str, int], more: dict[str, int]
) -> None:
    larger = allowed | {name: max(number, allowed.get(name, 0)) for name, number in more.items()}
    before = {r.policy for r in refusals_of(policy(limits=low, freeze=[FREEZE]), subject, NOW, allowed)}
    after = {r.policy for r in refusals_of(policy(limits=low, freeze=[FREEZE]), subject, NOW, larger)}
    assert after <= before


@given(subject=subjects, low=limits)
def test_what_a_refusal_asks_for_is_enough(subject: PlanInQuestion, low: dict[str, int]) -> None:
    strict = policy(limits=low, freeze=[FREEZE])
    refused = refusals_of(strict, subject, NOW, {})
    asked = {r.policy: r.value for r in refused if r.policy in LIMITS}
    assert all(
        f"--allow {name}={value}" in r.hint for r in refused for name, value in [(r.policy, r.value)] if name in LIMITS
    )
    still = refusals_of(strict, subject, NOW, {name: value or 0 for name, value in asked.items()})
    assert not {r.policy for r in still} & set(LIMITS)


@given(subject=subjects, low=limits, allowed=allowances)
def test_the_protected_is_never_allowed(subject: PlanInQuestion, low: dict[str, int], allowed: dict[str, int]) -> None:
    refused = refusals_of(policy(limits=low), subject, NOW, allowed)
    lost = lost_paths(subject)
    owners = {c.facility for c in subject.changes if c.name in lost} & subject.protected
    assert len([r for r in refused if r.policy == "protected"]) == len(owners)


@given(subject=subjects)
def test_an_empty_plan_is_never_refused(subject: PlanInQuestion) -> None:
    noops = [Change(c.host, c.resource, c.name, Action.NOOP, Impact.NONE, "as it is") for c in subject.changes]
    strictest = dict.fromkeys(LIMITS, 0)
    empty = PlanInQuestion(noops, subject.served, subject.uncounted, subject.protected)
    assert refusals_of(policy(limits=strictest, freeze=[FREEZE]), empty, NOW, {}) == ()


@given(minutes=st.integers(-5000, 5000))
def test_a_freeze_holds_from_its_first_minute_to_before_its_last(minutes: int) -> None:
    start, end = datetime(2021, 5, 22, tzinfo=VIETNAM), datetime(2021, 5, 24, 6, tzinfo=VIETNAM)
    change = Change("relay-a", Resource.FILE, "/etc/x", Action.UPDATE, Impact.NONE, "differs")
    now = NOW + timedelta(minutes=minutes)
    refused = refusals_of(policy(freeze=[FREEZE]), PlanInQuestion([change], frozenset()), now, {})
    assert [r.policy for r in refused] == (["freeze"] if start <= now < end else [])
    assert all("elections" in r.message and "2021-05-24 06:00" in r.message for r in refused)


def test_the_default_limits_let_small_edits_through_and_hold_large_ones() -> None:
    def deleting(number: int, of: int) -> list[str]:
        names = [f"bac-giang/kcl-001/cam-{n}/sub" for n in range(of)]
        gone = [Change("relay-a", Resource.PATH, n, Action.DELETE, Impact.PATH, "gone") for n in names[:number]]
        return [r.policy for r in refusals_of(Policy(), PlanInQuestion(gone, frozenset(names[number:])), NOW, {})]

    assert deleting(1, 10) == []
    assert deleting(3, 10) == []
    assert deleting(4, 10) == ["deletion_percent"]
    assert deleting(10, 10) == ["deletion_percent"]
    assert deleting(100, 10_000) == []
    assert deleting(101, 10_000) == ["deletions"]


@pytest.mark.parametrize(
    "text", ["hosts", "hosts=", "hosts=-1", "hosts=1.5", "hosts=many", "nonsense=3", "=3", "hosts=٣"]
)
def test_an_allowance_that_is_not_understood_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="is not understood"):
        parse_allowances([text])


def test_allowances_are_numbers_by_name() -> None:
    assert parse_allowances(["viewers=12", "hosts=3"]) == {"hosts": 3, "viewers": 12}
    assert set(LIMITS) == set(Limits.model_fields)
