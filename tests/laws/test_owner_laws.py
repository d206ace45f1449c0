"""Laws of marks: what a host says of its owner ends in words that can be shown, and both who judge it judge alike."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from provisioner.desired.owner import NOTHING, UNMARKED, Owner, owner_in
from provisioner.desired.spec import HostSpec
from provisioner.hosts.identity import claims_of, may_be_declared_new, with_owner
from provisioner.hosts.runner import UNPROVED, CallOutcome, ForeignHostError, HostAnswer, UnprovedHostError, unanswered
from tests.lab import direct
from tests.unit.operations.rollout.world import state

SPEC = state({}).hosts["centre"]

KEYS = ["0" * 32, "1" * 32]
INVENTORIES = ["example", "other"]
MOMENTS = ["2021-05-20T01:30:00Z", "2021-05-21T01:30:00Z"]
WORDS = st.sampled_from([*INVENTORIES, *KEYS, *MOMENTS, "", "UPPER", "x" * 99, "\x1b[2J", "-a"]) | st.text(max_size=40)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS, lambda x: st.lists(x, max_size=3) | st.dictionaries(WORDS, x)
)
MARKS = st.fixed_dictionaries(
    {"inventory": st.sampled_from(INVENTORIES), "key": st.sampled_from(KEYS), "at": st.sampled_from(MOMENTS)},
    optional={"host": WORDS, "run": WORDS, "who": WORDS, "released": st.booleans()},
)
ODD = st.dictionaries(st.sampled_from(["inventory", "key", "at", "released", "who", "run", "host"]), ANYTHING)
SAID = st.sampled_from([NOTHING, "unmarked", "[" * 4000, "{", "null"]) | st.text() | (MARKS | ODD).map(json.dumps)
OWNERS = st.builds(Owner, st.sampled_from(INVENTORIES), st.sampled_from(KEYS), at=st.sampled_from(MOMENTS))


@st.composite
def specs(draw: st.DrawFn) -> HostSpec:
    """A host as two inventories with two keys each may know it, adopted or not."""
    adopted = draw(st.none() | st.just(UNMARKED) | OWNERS)
    return replace(SPEC, owner=draw(OWNERS), adopted=adopted)


@given(SAID)
def test_whatever_a_host_says_of_its_owner_is_a_few_words_that_can_be_shown(said: str) -> None:
    owner = owner_in(said)
    assert (owner is None) == (said == NOTHING)
    if owner is not None:
        assert owner.words.isprintable()
        assert len(owner.words) < 500


@given(specs(), SAID)
def test_who_sends_and_who_decides_judge_an_owner_alike(spec: HostSpec, said: str) -> None:
    assert direct.may_be_declared_new(said, claims_of(spec)) == may_be_declared_new(spec, owner_in(said))


@given(specs(), MARKS)
def test_another_ones_mark_is_open_only_where_it_was_released_or_is_the_one_that_was_adopted(
    spec: HostSpec, mark: dict[str, Any]
) -> None:
    own, adopted = spec.owner, spec.adopted
    assert own is not None
    ours = (mark["inventory"], mark["key"]) == (own.inventory, own.key)
    named = adopted is not None and (mark["inventory"], mark["key"], mark["at"]) == (
        adopted.inventory,
        adopted.key,
        adopted.at,
    )
    assert may_be_declared_new(spec, owner_in(json.dumps(mark))) == (mark.get("released", False) or ours or named)


@given(specs(), SAID)
def test_a_host_is_either_refused_with_its_owner_or_may_be_taken_for_new(spec: HostSpec, said: str) -> None:
    owner = owner_in(said)
    error = unanswered(spec, with_owner(spec, HostAnswer(spec.id, CallOutcome.UNPROVED, error=UNPROVED, owner=owner)))
    if may_be_declared_new(spec, owner):
        assert isinstance(error, UnprovedHostError)
        assert error.owner == owner
    else:
        assert isinstance(error, ForeignHostError)
        assert error.owner.words in error.message
        assert f"provisioner hosts adopt {spec.id}" in error.message
