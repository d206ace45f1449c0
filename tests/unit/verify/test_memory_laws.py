"""Laws of memories: bounded, read again as written; what is none is nothing; the order of looks does not matter."""

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.record.availability.path_state import PathState, StoredVerdict
from provisioner.record.availability.path_state import after as after_check
from provisioner.verify.memory import (
    MOST_KEYS,
    MOST_PAST,
    MOST_SUSPECTS,
    NOTHING,
    Failing,
    PastVerdict,
    PathMemory,
    Suspicion,
    after,
    memory_document,
    memory_from,
)
from provisioner.verify.result import Cause, Finding, Layer, PathLook, Verdict

START = datetime(2021, 5, 11, 17, 0, tzinfo=UTC)
NAME = "bac-giang/kcl-001/cam-01/sub"
LOOKED = [Verdict.UP, Verdict.DEGRADED, Verdict.UNKNOWN, Verdict.DOWN]

moments = st.integers(0, 10**6).map(lambda s: START + timedelta(seconds=s))
texts = st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=20)
findings = st.builds(
    Finding,
    cause=st.sampled_from(sorted(Cause)),
    layer=st.none() | st.sampled_from(list(Layer)),
    object=texts,
    detail=texts,
    level=st.integers(0, 7),
)
pasts = st.builds(PastVerdict, at=moments, verdict=st.sampled_from(LOOKED), cause=st.sampled_from(sorted(Cause)))


@st.composite
def failings(draw: st.DrawFn) -> Failing:
    first, last = sorted([draw(moments), draw(moments)])
    return Failing(PathState("down", "", 0, first, draw(st.integers(1, 99)), last), draw(findings))


memories = st.builds(
    PathMemory,
    past=st.lists(pasts, max_size=MOST_PAST, unique_by=lambda p: p.at).map(
        lambda p: tuple(sorted(p, key=lambda o: o.at))
    ),
    failing=st.none() | failings(),
    finding=st.none() | findings,
    proofs=st.dictionaries(st.integers(1, 7), moments),
    content=texts,
    full_look=st.none() | moments,
    keys=st.lists(texts, max_size=MOST_KEYS).map(tuple),
    suspects=st.lists(
        st.builds(Suspicion, kind=texts, first=moments, last=moments, checks=st.integers(1, 9)), max_size=MOST_SUSPECTS
    ).map(tuple),
)
looks = st.builds(
    PathLook,
    path=st.just(NAME),
    at=moments,
    verdict=st.sampled_from(LOOKED),
    finding=st.none() | findings,
    proved=st.lists(st.integers(1, 7), max_size=7).map(tuple),
    content=texts,
    complete=st.booleans(),
    full=st.booleans(),
    keys=st.lists(texts, max_size=8).map(tuple),
    suspects=st.none() | st.frozensets(texts, max_size=20),
    maintenance=st.booleans(),
)


@given(memories)
def test_what_is_written_is_read_again(memory: PathMemory) -> None:
    assert memory_from(json.loads(json.dumps(memory_document(memory)))) == memory


def plain_values() -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
    return st.recursive(
        leaves, lambda below: st.lists(below) | st.dictionaries(st.text(max_size=8), below), max_leaves=20
    )


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A memory's document with anything in one place."""
    document = memory_document(draw(memories))
    place: Any = document
    for _ in range(draw(st.integers(0, 2))):
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not (isinstance(place[key], dict | list) and place[key]):
            break
        place = place[key]
    key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
    place[key] = draw(plain_values())
    return document


@given(damaged() | plain_values())
@settings(max_examples=300)
def test_any_document_is_a_bounded_memory_or_none(document: Any) -> None:
    memory = memory_from(document)
    if memory is not None:
        assert len(memory.past) <= MOST_PAST
        assert len(memory.keys) <= MOST_KEYS
        assert len(memory.suspects) <= MOST_SUSPECTS
        assert len(json.dumps(memory_document(memory))) < 32 * 1024
        assert memory_from(json.loads(json.dumps(memory_document(memory)))) == memory


@given(memories, st.lists(looks, max_size=60))
def test_a_memory_stays_small_however_many_looks_there_are(memory: PathMemory, many: list[PathLook]) -> None:
    for look in many:
        memory = after(memory, look)
    assert len(memory.past) <= MOST_PAST
    assert len(memory.keys) <= MOST_KEYS
    assert len(memory.suspects) <= MOST_SUSPECTS
    assert list(memory.past) == sorted(memory.past, key=lambda one: one.at)


@given(st.lists(looks, min_size=2, max_size=3, unique_by=lambda look: look.at))
def test_the_last_looks_are_remembered_in_whatever_order_they_are_told(some: list[PathLook]) -> None:
    told = []
    for order in permutations(some):
        memory = NOTHING
        for look in order:
            memory = after(memory, look)
        told.append((memory.past, dict(memory.proofs)))
    assert all(one == told[0] for one in told)


@given(memories, looks)
def test_a_good_look_ends_a_failure_and_an_unknown_one_leaves_it(memory: PathMemory, look: PathLook) -> None:
    if memory.last is not None and memory.last.at > look.at:
        return
    known = after(memory, look)
    if look.maintenance or look.verdict is Verdict.UNKNOWN:
        assert known.failing == memory.failing
    elif look.verdict is not Verdict.DOWN:
        assert known.failing is None
    elif look.finding is not None:
        assert known.failing is not None
        assert known.failing.state.last_look == look.at
        if memory.failing is not None:
            assert known.failing.state.since == memory.failing.state.since
            assert known.failing.state.looks == memory.failing.state.looks + 1


@given(
    st.lists(looks.filter(lambda look: look.finding or look.verdict is not Verdict.DOWN), unique_by=lambda one: one.at)
)
def test_a_failure_is_the_state_of_the_path_by_its_looks_outside_windows(some: list[PathLook]) -> None:
    memory, state = NOTHING, None
    for look in sorted(some, key=lambda one: one.at):
        memory = after(memory, look)
        if not look.maintenance:
            state = after_check(state, StoredVerdict(look.verdict.value), look.at)
    failing, down = memory.failing, state if state and state.verdict == Verdict.DOWN else None
    assert (failing is None) == (down is None)
    if failing and down:
        same = "since", "last_look", "looks"
        assert [getattr(failing.state, name) for name in same] == [getattr(down, name) for name in same]


@given(memories, moments)
def test_nothing_is_known_of_later(memory: PathMemory, moment: datetime) -> None:
    known = memory.as_of(moment)
    times = [one.at for one in known.past] + list(known.proofs.values()) + [one.last for one in known.suspects]
    assert all(at <= moment for at in [*times, known.full_look or moment])
    assert known.failing is None or known.failing.state.last_look <= moment


def test_suspicions_last_as_long_as_they_are_seen() -> None:
    memory = NOTHING
    for number, seen in enumerate(({"moved"}, {"moved", "blurred"}, None, {"moved"})):
        at = START + timedelta(days=number)
        kinds = None if seen is None else frozenset(seen)
        memory = after(memory, PathLook(NAME, at, Verdict.UP, suspects=kinds))
    assert memory.suspects == (Suspicion("moved", START, START + timedelta(days=3), 3),)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=5))
def test_a_run_is_one_check_of_a_suspicion_however_often_it_looks(runs: list[int]) -> None:
    memory = NOTHING
    for number, of_run in enumerate(runs):
        began = START + timedelta(days=number)
        for turn in range(of_run):
            at = began + timedelta(seconds=9 + 70 * turn)
            memory = after(memory, PathLook(NAME, at, Verdict.UP, suspects=frozenset({"moved"}), since=began))
    assert [suspicion.checks for suspicion in memory.suspects] == [len(runs)]
