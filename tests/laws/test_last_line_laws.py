"""Laws of last lines and codes: the worst comes first and wins, and nothing is said of a host that nobody read."""

import re
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.errors import INTERRUPTED, FrozenFacility, HostError, worst_of
from provisioner.cli.keys import keys_ending
from provisioner.hosts.facts import HostFacts
from provisioner.operations.pipeline.stages import KeysMade
from provisioner.operations.rollout.result import (
    HostOutcome,
    HostResult,
    NotStartedBecause,
    RunEnd,
    exit_code,
    run_ending,
)
from provisioner.plan.change import Action, Change, Impact, Resource
from provisioner.plan.document import no_change, plan_ending
from provisioner.plan.guards.policy import PlanRefusal
from provisioner.plan.plan import Basis, Plan
from provisioner.report.plan_markdown import plan_comment
from provisioner.report.verify_text import SEVERITY, verify_ending
from provisioner.verify.result import NO_FINDING, HostReport, PathVerdict, Verdict, VerifyResult

NOW = datetime(2021, 5, 12, tzinfo=UTC)
MANY = settings(max_examples=150, deadline=None)
HOSTS = ("relay-1", "relay-2", "relay-3", "relay-4", "centre-1")
_UNQUALIFIED = re.compile(r"no change(?! on \d+ of \d+ hosts)|\bempty\b|nothing to do(?! on \d+ of \d+ hosts)")
_STATES = ("same", "changes", "unreadable", "unproved", "left out")


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    states = {host: draw(st.sampled_from(_STATES)) for host in HOSTS}
    unread = {h: f"{h} (192.0.2.1:22) could not be reached: no route" for h, s in states.items() if s == "unreadable"}
    unproved = tuple(h for h, s in states.items() if s == "unproved")
    changes = [
        Change(h, Resource.UNIT, "u", Action.UPDATE if s == "changes" else Action.NOOP, Impact.HOT, "why")
        for h, s in states.items()
        if s in {"same", "changes"}
    ]
    refused = draw(st.lists(st.sampled_from(["hosts", "trust"]), max_size=2))
    return Plan(
        Basis("i", "t", {h: "d" for h, s in states.items() if s in {"same", "changes"}}),
        tuple(changes),
        left_out=tuple(h for h, s in states.items() if s == "left out"),
        refused=tuple(PlanRefusal(name, message="message", hint="hint") for name in refused),
        unreadable=unread | dict.fromkeys(unproved, "it has not proved itself"),
        unproved=unproved,
        lacking=tuple(draw(st.lists(st.just("MediaMTX cannot be had here"), max_size=1))),
    )


def _worst_of_plan(plan: Plan, *, judged: bool) -> str:
    if judged and plan.refused:
        return "refused, for"
    if plan.unproved:
        return "did not prove"
    if plan.unreadable:
        return "not read"
    if plan.lacking:
        return "cannot be had here"
    return "to update" if plan.pending else "no change" if plan.basis.live else "unknown"


@MANY
@given(plan=plans(), judged=st.booleans())
def test_a_plan_ends_with_its_worst_first(plan: Plan, *, judged: bool) -> None:
    ending = plan_ending(plan, judged=judged)
    assert _worst_of_plan(plan, judged=judged) in ending[0]
    text = "\n".join(ending)
    assert all(host in text for host in plan.unreadable)
    assert ("refused, for" in text) == bool(plan.refused)


@MANY
@given(plan=plans())
def test_no_change_is_said_of_hosts_that_were_read_and_of_no_others(plan: Plan) -> None:
    comment = plan_comment(plan).split("<details>")[0]
    for text in (*plan_ending(plan), no_change(plan), comment):
        if plan.unreadable or plan.left_out:
            assert not _UNQUALIFIED.search(text), text
        if not plan.basis.live:
            assert "no change" not in text


# --- runs -----------------------------------------------------------------------------------------
_WORDS = {
    "broken": "could not return to last-good",
    "returned": "failed and returned",
    "refused": "refused the change",
    "remaining": "still finds",
    "locked": "held by another run",
    "stale": "moved since",
    "lock-out": "shut SSH out",
    "unknown": "not reached",
    "taken-back": "as others failed before",
    "held-back": "not started",
    "dark": "no picture of 1 path of the plan: p/f/c/main; provisioner verify says why",
    "applied": "applied, run",
    "unchanged": "nothing to do",
}
_CODES = {"broken": 11, "returned": 7, "refused": 7, "remaining": 7, "locked": 9, "stale": 8, "lock-out": 6}
_CODES |= {"unknown": 5}
_RESULTS: dict[str, tuple[HostOutcome, NotStartedBecause | None]] = {
    "broken": (HostOutcome.ROLLBACK_FAILED, None),
    "returned": (HostOutcome.ROLLED_BACK, None),
    "refused": (HostOutcome.NOT_STARTED, NotStartedBecause.CHECK),
    "locked": (HostOutcome.NOT_STARTED, NotStartedBecause.LOCKED),
    "stale": (HostOutcome.NOT_STARTED, NotStartedBecause.STALE),
    "lock-out": (HostOutcome.NOT_STARTED, NotStartedBecause.LOCK_OUT),
    "unknown": (HostOutcome.UNREACHABLE, None),
    "taken-back": (HostOutcome.ROLLED_BACK, None),
    "held-back": (HostOutcome.NOT_STARTED, NotStartedBecause.HELD_BACK),
    "applied": (HostOutcome.APPLIED, None),
    "unchanged": (HostOutcome.UNCHANGED, None),
}
_LEFT = Change("relay-1", Resource.UNIT, "u", Action.UPDATE, Impact.HOT, "why")


@MANY
@given(
    kinds=st.lists(st.sampled_from(sorted(_RESULTS)), min_size=1, max_size=6),
    remaining=st.booleans(),
    left_out=st.booleans(),
    facts=st.booleans(),
    dark=st.integers(0, 5),
)
def test_the_worst_ends_a_run(kinds: list[str], dark: int, *, remaining: bool, left_out: bool, facts: bool) -> None:
    read = cast("HostFacts", object()) if facts else None
    # What became of a path on a host that went back says nothing of what the host has now.
    results = [
        HostResult(
            f"host-{n}",
            _RESULTS[kind][0],
            refusal=_RESULTS[kind][1],
            facts=read,
            not_up=("p/f/c/main",) if n == dark else (),
            taken_back=kind == "taken-back",
        )
        for n, kind in enumerate(kinds)
    ]
    dark_stays = dark < len(kinds) and kinds[dark] == "applied"
    remaining = remaining and "applied" in kinds
    left = ("centre-9",) if left_out else ()
    ending = run_ending(RunEnd("run-1", tuple(results), remaining=(_LEFT,) if remaining else (), left_out=left))
    said = {*kinds, *(["remaining"] if remaining else ()), *(["dark"] if dark_stays else ())}
    present = [kind for kind in _WORDS if kind in said]
    assert _WORDS[present[0]] in ending[0]
    assert exit_code(results, 7 if remaining else 0) == _CODES.get(present[0], 0)
    text = "\n".join(ending)
    assert ("no picture" in text) == dark_stays
    assert all(f"host-{n}" in text for n, kind in enumerate(kinds[:5]) if kind not in {"applied", "unchanged"})
    whole = set(kinds) <= {"applied", "unchanged"} and not left_out
    assert ("a fresh plan is empty" in text) == (whole and "applied" in kinds and not remaining and facts)
    assert whole or not _UNQUALIFIED.search(text), text


@MANY
@given(kinds=st.lists(st.sampled_from(sorted(_RESULTS)), min_size=1, max_size=6))
def test_a_rollback_names_who_did_not_go_back_first(kinds: list[str]) -> None:
    results = [
        HostResult(f"host-{n}", _RESULTS[k][0], refusal=_RESULTS[k][1], taken_back=k == "taken-back")
        for n, k in enumerate(kinds)
    ]
    ending = run_ending(RunEnd("run-1", tuple(results)), going_back=True)
    needs_a_person = {"broken", "returned", "refused", "lock-out"} & set(kinds)
    assert ending[0].startswith("a person is needed now") == bool(needs_a_person)


# --- keys and verifications -----------------------------------------------------------------------
@MANY
@given(silent=st.sets(st.sampled_from(HOSTS)), written=st.booleans(), shut=st.booleans(), held=st.booleans())
def test_keys_init_says_first_whose_keys_lack(silent: set[str], *, written: bool, shut: bool, held: bool) -> None:
    asked = tuple(host for host in HOSTS if host not in silent)
    errors = {host: HostError("no route", object=host) for host in silent}
    files = {"carriers/x": "secrets-x"} if shut else {}
    kept = (FrozenFacility("kcl-9", ()),) if held else ()
    made = KeysMade((Path("lock"),) if written else (), asked, errors, files, held=kept)
    ending = keys_ending(made)
    assert ("not asked for keys" in ending[0]) == bool(silent)
    assert ("stayed shut" in ending[0]) == (shut and not silent)
    assert ("nothing to make" in " ".join(ending)) == (not (silent or written or shut))
    assert ("nothing to make:" in " ".join(ending)) == (not (silent or written or shut or held))
    assert any("kcl-9" in line for line in ending) == held


@MANY
@given(
    verdicts=st.lists(st.sampled_from([Verdict.UP, Verdict.DEGRADED, Verdict.DOWN, Verdict.UNKNOWN]), max_size=5),
    outcome=st.sampled_from(["answered", "unreachable"]),
)
def test_a_verification_ends_with_its_worst_first(verdicts: list[Verdict], outcome: str) -> None:
    paths = tuple(
        PathVerdict(f"p/f/c/{n}", "c", "p", "f", "c", "relay-1", verdict, 0, NO_FINDING, None)
        for n, verdict in enumerate(verdicts)
    )
    hosts = (HostReport("relay-1", outcome, "", ()),)
    ending = verify_ending(VerifyResult("e", NOW, NOW, paths, (), hosts))
    worst = next((v for v in SEVERITY if v in verdicts and v is not Verdict.UP), None)
    if worst is not None:
        assert f" {worst.value} on relay-1" in ending[0]
    assert any("not read, state unknown: relay-1" in sentence for sentence in ending) == (outcome != "answered")
    assert bool(ending) == (worst is not None or outcome != "answered")


CODES = st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, INTERRUPTED])


@given(st.lists(CODES, min_size=1))
def test_the_worst_is_one_of_them_in_whatever_order_they_come(codes: list[int]) -> None:
    assert worst_of(*codes) in codes
    assert worst_of(*codes) == worst_of(*reversed(codes)) or len({2, 4, 12, 13} & {*codes}) > 1
    assert (worst_of(*codes) == 0) == (set(codes) == {0})


@given(st.lists(CODES), st.lists(CODES))
def test_of_parts_is_of_the_whole(some: list[int], others: list[int]) -> None:
    assert worst_of(worst_of(*some), worst_of(*others)) == worst_of(*some, *others)


@pytest.mark.parametrize(
    ("codes", "worst"),
    [
        ((7, 11), 11),  # a host that could not go back is worse than one that did
        ((3, 5), 5),  # hosts that were not read before facilities that are held
        ((3, 10), 3),  # held before drift
        ((3, 1), 3),
        ((INTERRUPTED, 1), INTERRUPTED),
        ((INTERRUPTED, 7), 7),
        ((4, 11), 4),  # without secrets nothing was done at all
        ((), 0),
    ],
)
def test_worse_is_what_needs_somebody_sooner(codes: tuple[int, ...], worst: int) -> None:
    assert {worst_of(*order) for order in permutations(codes)} == {worst}
