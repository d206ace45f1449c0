"""What the database counts is what a plain reading of all runs says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.history.place import Place
from provisioner.history.records import Ending, FacilityCheck, Holding, Operation, Run
from provisioner.history.store import History, open_history
from provisioner.lifecycle.evidence import ACCEPTANCE, Evidence, LastCheck, Proof, Shown, Word
from tests import histories as make

from .conftest import SQLITE, Server

pytestmark = pytest.mark.contract

_NAMES = itertools.count(1)
_FACILITIES = ("kcl-1", "kcl-2")
_HOSTS = ("relay-1", "relay-2")
_CONTENTS = st.integers(1, 2).map(make.content)


@dataclass(frozen=True)
class Past:
    """One run that was recorded: an ending of None is a run that was killed."""

    run: Run
    hosts: tuple[str, ...]
    ending: Ending | None


@st.composite
def _pasts(draw: st.DrawFn) -> list[Past]:
    pasts = []
    for number in range(draw(st.integers(0, 7))):
        hour = draw(st.integers(0, 60))
        run = make.run(hour, draw(st.sampled_from([Operation.APPLY, Operation.VERIFY])), id=f"run-{number}")
        hosts = tuple(draw(st.sets(st.sampled_from(_HOSTS)))) if run.operation is Operation.APPLY else ()
        killed = draw(st.booleans())
        if hosts and killed:
            pasts.append(Past(run, hosts, None))
            continue
        held = st.none() | st.dictionaries(st.sampled_from(_FACILITIES), _CONTENTS | st.just(""))
        holdings = draw(st.dictionaries(st.sampled_from(_HOSTS), st.tuples(held, st.booleans())))
        counted = st.tuples(_CONTENTS, st.integers(0, 2), st.integers(0, 2))
        checks = draw(st.dictionaries(st.sampled_from(_FACILITIES), counted))
        ending = make.ending(
            hour,
            holdings=tuple(
                make.holding(hour, host, kept, exact=exact and kept is not None)
                for host, (kept, exact) in holdings.items()
            ),
            checks=tuple(
                make.check(name, hour, content=content, pulled=pulled, checked=pulled, proved=min(pulled, proved))
                for name, (content, pulled, proved) in checks.items()
            ),
        )
        pasts.append(Past(run, hosts, ending))
    return pasts


def read(pasts: list[Past]) -> Evidence:
    """Read all runs, one after the other, as the words of `Evidence` have it."""
    ended = [past for past in pasts if past.ending]
    checks = [(c, p.run.id) for p in ended if p.ending for c in p.ending.checks]
    proofs = {}
    for key in {(c.facility, c.content) for c, _ in checks}:
        moments = [Shown(c.at, run) for c, run in checks if (c.facility, c.content) == key and _whole(c)]
        if moments:
            proofs[key] = _proof(moments)
    seen = sorted(_seen(ended), key=lambda one: one[0].at)
    words = {holding.host: Word(shown, holding.held, holding.exact) for shown, holding in seen}
    for past in pasts:
        for host in past.hosts if past.ending is None else ():
            if host not in words or words[host].shown.at <= past.run.started:
                words[host] = Word(Shown(past.run.started, past.run.id), None, exact=False)
    carried: dict[tuple[str, str], dict[str, Shown]] = {}
    holders: dict[str, frozenset[str]] = {}
    for shown, holding in seen:
        for facility, content in (holding.held or {}).items():
            if content:
                carried.setdefault((facility, content), {}).setdefault(holding.host, shown)
            holders[facility] = holders.get(facility, frozenset()) | {holding.host}
    connected: dict[str, Shown] = {}
    for (facility, _), proof in sorted(proofs.items()):
        connected[facility] = min(proof.first, connected.get(facility, proof.first))
    last = {(c.facility, c.relay): (c, run) for c, run in checks}
    return Evidence(
        runs=len(pasts),
        carried=carried,
        holders=holders,
        words=words,
        without=_without(seen, words, holders),
        proofs=proofs,
        connected=connected,
        checks={c.facility: (_last_check(c, run),) for c, run in last.values()},
    )


def _last_check(check: FacilityCheck, run: str) -> LastCheck:
    shown = Shown(check.at, run)
    return LastCheck(shown, check.relay, check.content, check.pulled, check.checked, check.proved)


def _whole(check: FacilityCheck) -> bool:
    return 0 < check.pulled == check.proved


def _proof(moments: list[Shown]) -> Proof:
    first, last = _earliest(moments), _earliest([m for m in moments if m.at == max(n.at for n in moments)])
    later = [m for m in moments if m.at >= first.at + ACCEPTANCE]
    return Proof(first, _earliest(later) if later else None, last)


def _earliest(moments: list[Shown]) -> Shown:
    """Give the earliest moment; of two the one that was recorded first."""
    return min(moments, key=lambda shown: shown.at)


def _seen(ended: list[Past]) -> Iterator[tuple[Shown, Holding]]:
    for past in ended:
        for holding in past.ending.holdings if past.ending else ():
            yield Shown(holding.at, past.run.id), holding


def _without(
    seen: list[tuple[Shown, Holding]], words: dict[str, Word], holders: dict[str, frozenset[str]]
) -> dict[tuple[str, str], Shown]:
    found = {}
    for facility, hosts in holders.items():
        for host in hosts:
            if words[host].may_hold(facility):
                continue
            sights = [(shown, h) for shown, h in seen if h.host == host]
            last_held = max(shown.at for shown, h in sights if h.held and facility in h.held)
            later = [shown for shown, h in sights if h.exact and shown.at > last_held]
            found[facility, host] = later[0]
    return found


@pytest.fixture(scope="module")
def somewhere(database: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Give a place for any number of histories."""
    if database == SQLITE:
        return Place("test", tmp_path_factory.mktemp("histories") / "state.db")
    server: Server = request.getfixturevalue("server")
    return Place("test", None, server.new_database())


@contextmanager
def new_history(somewhere: Place) -> Iterator[History]:
    """Give an empty history beside all others."""
    with closing(open_history(replace(somewhere, inventory=f"test-{next(_NAMES)}"))) as history:
        yield history


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(pasts=_pasts())
def test_the_evidence_is_what_a_plain_reading_of_all_runs_says(somewhere: Place, pasts: list[Past]) -> None:
    with new_history(somewhere) as history:
        for past in pasts:
            if past.run.operation is Operation.APPLY:
                history.begin(past.run, past.hosts)
            if past.ending:
                history.end(past.run, past.ending)
        assert history.evidence() == read(pasts)
        assert history.verify_chain().whole


@pytest.mark.parametrize(("later", "accepted"), [(0, False), (-1, False), (23, False), (24, True), (25, True)])
def test_who_is_up_again_a_day_later_is_accepted(somewhere: Place, later: int, *, accepted: bool) -> None:
    first, again = (make.check(number=number) for number in (2, 2 + later))
    with new_history(somewhere) as history:
        history.end(make.run(1), make.ending(1, checks=(first,)))
        history.end(make.run(2), make.ending(2, checks=(again,)))
        (proof,) = history.evidence().proofs.values()
    assert (proof.first.at, proof.last.at) == (min(first.at, again.at), max(first.at, again.at))
    assert proof.again == (Shown(again.at, "run-2") if accepted else None)


def test_a_verification_that_began_before_a_change_does_not_overrule_it(somewhere: Place) -> None:
    apply, verify = make.run(2, Operation.APPLY), make.run(1)
    held = {"kcl-1": make.content()}
    with new_history(somewhere) as history:
        history.begin(apply, ["relay-1"])
        history.end(apply, make.ending(2, holdings=(make.holding(held=held, at=make.ending(2).finished),)))
        history.end(verify, make.ending(3, holdings=(make.holding(held={}, at=verify.started),)))
        assert history.evidence().words["relay-1"].held == held
