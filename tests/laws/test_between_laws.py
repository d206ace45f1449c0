"""Laws of two plans side by side: what is done is told apart from whose commit it is, and every move is named."""

import copy
import json
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.errors import StalePlanError
from provisioner.plan.change import Action, Change, Impact, Resource, cut_by
from provisioner.plan.plan import planned_digest
from provisioner.plan.saved.comparison import ChangeTurn, compare_plans
from provisioner.plan.saved.file import PlanMaker, WrittenPlan, written_plan
from tests.plans import KEY, World, of

RELAY = "relay-viettel-1"


@cache
def text(sites: tuple[tuple[str, int], ...], *, password: str = "one") -> str:
    """The saved plan that brings hosts which have two facilities to others."""
    world = World()
    world.apply(of({"kcl-bg-001": 2, "kcl-bg-002": 1}), password="one")
    world.watch(RELAY, {"bac-giang/kcl-bg-002/cam-01/sub": 3})
    planned = world.plan(of(dict(sites)), password=password)
    return planned.text(KEY, PlanMaker(user="noc", machine="machine", approvers=("noc-1",)))


def plan(**sites: int) -> WrittenPlan:
    return written_plan(text(tuple((name.replace("_", "-"), n) for name, n in sites.items())).encode(), "plan.json")


def rows(changes: tuple[Change, ...]) -> list[tuple[object, ...]]:
    return sorted((c.host, c.resource.value, c.name, c.action.value, c.impact.value, c.reason) for c in changes)


SITES = st.dictionaries(st.sampled_from(["kcl-bg-001", "kcl-bg-002", "kcl-bg-003"]), st.integers(1, 3), min_size=1)


@settings(max_examples=40)
@given(one=SITES, other=SITES)
def test_what_moved_leads_from_the_first_plan_to_the_second(one: dict[str, int], other: dict[str, int]) -> None:
    first, second = (written_plan(text(tuple(sorted(s.items()))).encode(), "p") for s in (one, other))
    compared = compare_plans(first, second)
    kept = rows(first.changes)
    for moved in compared.changes:
        assert moved.before or moved.after
        if moved.before:
            kept.remove(rows((moved.before,))[0])
        if moved.after:
            kept.append(rows((moved.after,))[0])
    assert sorted(kept) == rows(second.changes)
    assert compared.is_same == (one == other)
    assert compared.is_same <= (not compared.changes)
    cut = {(relay, path): n for relay, paths in cut_by(first.changes).items() for path, n in paths.items()}
    for audience in compared.viewers:
        assert cut.pop((audience.relay, audience.path), 0) == audience.before
        if audience.after:
            cut[audience.relay, audience.path] = audience.after
    assert cut == {(relay, path): n for relay, paths in cut_by(second.changes).items() for path, n in paths.items()}


@settings(max_examples=40)
@given(one=SITES, other=SITES)
def test_the_way_back_is_the_same_the_other_way_round(one: dict[str, int], other: dict[str, int]) -> None:
    first, second = (written_plan(text(tuple(sorted(s.items()))).encode(), "p") for s in (one, other))
    there, back = compare_plans(first, second), compare_plans(second, first)
    turned = {
        ChangeTurn.APPEARS: ChangeTurn.VANISHES,
        ChangeTurn.VANISHES: ChangeTurn.APPEARS,
        ChangeTurn.DIFFERS: ChangeTurn.DIFFERS,
    }
    assert {turned[turn]: n for turn, n in there.turns.items()} == dict(back.turns)
    assert there.worst is back.worst
    assert (there.is_same, there.is_equal) == (back.is_same, back.is_equal)


def test_what_no_change_lists_is_another_plan_all_the_same() -> None:
    """A login that is replaced by another one than was approved has the same words, and is not the same."""
    first = written_plan(text((("kcl-bg-001", 2), ("kcl-bg-002", 1)), password="two").encode(), "p")
    second = written_plan(text((("kcl-bg-001", 2), ("kcl-bg-002", 1)), password="three").encode(), "p")
    compared = compare_plans(first, second)
    assert not compared.changes
    assert not compared.is_same
    assert [(one.what, one.of) for one in compared.beside] == [("to hold", RELAY)]


def with_host(plan: WrittenPlan, host: str) -> Any:
    basis = plan.basis
    none = planned_digest(())
    return replace(
        basis,
        live={**basis.live, host: "l"},
        desired={**basis.desired, host: "d"},
        planned={**basis.planned, host: none},
    )


def with_change(plan: WrittenPlan) -> WrittenPlan:
    more = Change(RELAY, Resource.PATH, "bac-giang/x/y/sub", Action.UPDATE, Impact.PATH, "another source")
    changes = (*plan.changes, more)
    planned = {**plan.basis.planned, RELAY: planned_digest(c for c in changes if c.host == RELAY)}
    return replace(plan, changes=changes, basis=replace(plan.basis, planned=planned))


EDITS: dict[str, Any] = {
    "commit": lambda plan: replace(plan, commit="f" * 40),
    "inventory": lambda plan: replace(plan, basis=replace(plan.basis, inventory="sha256:" + "1" * 64)),
    "host as desired": lambda plan: replace(plan, basis=with_host(plan, "elsewhere")),
    "viewers": lambda plan: replace(plan, changes=tuple(c._replace(cut={"r": {"p": 99}}) for c in plan.changes)),
    "maker": lambda plan: replace(plan, maker=PlanMaker(user="other")),
    "live": lambda plan: replace(plan, basis=replace(plan.basis, live=dict.fromkeys(plan.basis.live, "another"))),
}
CHANGING: dict[str, Any] = {
    "allow": lambda plan: replace(plan, basis=replace(plan.basis, allow={"viewers": 99})),
    "held": lambda plan: replace(plan, basis=replace(plan.basis, held=("kcl-bg-009",))),
    "templates": lambda plan: replace(plan, basis=replace(plan.basis, templates="sha256:" + "1" * 64)),
    "version": lambda plan: replace(plan, basis=replace(plan.basis, version="0.0.0")),
    "held bytes": lambda plan: replace(plan, basis=replace(plan.basis, desired={**plan.basis.desired, RELAY: "other"})),
    "change": with_change,
}


@settings(max_examples=60)
@given(harmless=st.sets(st.sampled_from(sorted(EDITS))), harmful=st.sets(st.sampled_from(sorted(CHANGING)), max_size=2))
def test_the_meaning_is_what_is_done_and_nothing_else(harmless: set[str], harmful: set[str]) -> None:
    first = plan(kcl_bg_001=3)
    second = first
    for name in sorted(harmless):
        second = EDITS[name](second)
    for name in sorted(harmful):
        second = CHANGING[name](second)
    compared = compare_plans(first, second)
    assert compared.is_same == (not harmful)
    if harmless & {"commit", "inventory", "host as desired"} or harmful - {"change"}:
        assert compared.beside
    if not harmful and not harmless & {"inventory", "host as desired", "live"}:
        assert compared.is_equal


# --- what a file says -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    "path",
    [
        ("changes", 0, "reason"),
        ("changes", 0, "impact"),
        ("changes", 0, "action"),
        ("changes", 0, "name"),
        ("changes", 0, "host"),
        ("desired", RELAY),
        ("planned", RELAY),
        ("live", RELAY),
        ("allow", "viewers"),
        ("templates",),
        ("tool",),
        ("meaning",),
        ("digest",),
        ("inventory", "digest"),
    ],
)
def test_what_a_plan_does_cannot_be_edited_without_its_digest(path: tuple[str | int, ...]) -> None:
    whole = json.loads(text((("kcl-bg-001", 3),)))
    holder = whole
    for key in path[:-1]:
        holder = holder[key]
    before = holder[path[-1]]
    others = {"impact": "none" if before != "none" else "all", "action": "delete" if before != "delete" else "create"}
    holder[path[-1]] = others.get(str(path[-1]), 5 if isinstance(before, int) else f"{before[:-1]}x")
    with pytest.raises(StalePlanError, match=r"was changed after it was made|is not a saved plan"):
        written_plan(json.dumps(whole).encode(), "plan.json")


def test_a_change_that_is_taken_out_is_missed() -> None:
    whole = json.loads(text((("kcl-bg-001", 3),)))
    for place in range(len(whole["changes"])):
        edited = copy.deepcopy(whole)
        del edited["changes"][place]
        with pytest.raises(StalePlanError, match="its changes are not those of its digest"):
            written_plan(json.dumps(edited).encode(), "plan.json")


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe", b"[]", b"null", b"{}", b"[" * 100_000, b'{"schema": "provisioner/plan"}', b'{"a": 1, "a": 1}'],
)
def test_what_is_no_plan_is_told_so(data: bytes) -> None:
    with pytest.raises(StalePlanError, match="is not a saved plan"):
        written_plan(data, "plan.json")
