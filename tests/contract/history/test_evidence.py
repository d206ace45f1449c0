"""What the database counts is what a plain reading of all runs says."""

import itertools
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.record.entries import Operation
from provisioner.record.lifecycle.evidence import ProvedAt
from provisioner.record.state_folder import StateFolder
from provisioner.record.store import History, open_history
from tests import histories as make
from tests.pasts import Past, pasts, read
from tests.postgresql import PostgresServer

from .conftest import SQLITE

pytestmark = pytest.mark.contract

_NAMES = itertools.count(1)


@pytest.fixture(scope="module")
def somewhere(database: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> StateFolder:
    """A place for any number of histories."""
    if database == SQLITE:
        return StateFolder("test", tmp_path_factory.mktemp("histories") / "state.db")
    server: PostgresServer = request.getfixturevalue("server")
    return StateFolder("test", None, server.new_database())


@contextmanager
def new_history(somewhere: StateFolder) -> Iterator[History]:
    """An empty history beside all others."""
    with closing(open_history(replace(somewhere, inventory=f"test-{next(_NAMES)}"))) as history:
        yield history


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(recorded=pasts())
def test_the_evidence_is_what_a_plain_reading_of_all_runs_says(somewhere: StateFolder, recorded: list[Past]) -> None:
    with new_history(somewhere) as history:
        for past in recorded:
            if past.run.operation is Operation.APPLY:
                history.begin(past.run, past.hosts)
            if past.ending:
                history.end(past.run, past.ending)
        assert history.evidence() == read(recorded)
        assert history.verify_chain().whole


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(recorded=pasts(), hour=st.integers(-1, 49))
def test_the_evidence_of_a_moment_is_of_the_runs_until_then(
    somewhere: StateFolder, recorded: list[Past], hour: int
) -> None:
    moment = make.START + hour * make.HOUR + timedelta(minutes=30)
    with new_history(somewhere) as history:
        for past in recorded:
            if past.run.operation is Operation.APPLY:
                history.begin(past.run, past.hosts)
            if past.ending:
                history.end(past.run, past.ending)
        assert history.evidence(as_of=moment) == read([past for past in recorded if past.run.started <= moment])


@pytest.mark.parametrize(("later", "accepted"), [(0, False), (-1, False), (23, False), (24, True), (25, True)])
def test_who_is_up_again_a_day_later_is_accepted(somewhere: StateFolder, later: int, *, accepted: bool) -> None:
    first, again = (make.check(number=number) for number in (2, 2 + later))
    with new_history(somewhere) as history:
        history.end(make.run(1), make.ending(1, checks=(first,)))
        history.end(make.run(2), make.ending(2, checks=(again,)))
        (proof,) = history.evidence().proofs.values()
    assert (proof.first.at, proof.last.at) == (min(first.at, again.at), max(first.at, again.at))
    assert proof.again == (ProvedAt(again.at, "run-2") if accepted else None)


def test_a_verification_that_began_before_a_change_does_not_overrule_it(somewhere: StateFolder) -> None:
    apply, verify = make.run(2, Operation.APPLY), make.run(1)
    held = {"kcl-1": make.content()}
    with new_history(somewhere) as history:
        history.begin(apply, ["relay-1"])
        history.end(apply, make.ending(2, holdings=(make.holding(held=held, at=make.ending(2).finished),)))
        history.end(verify, make.ending(3, holdings=(make.holding(held={}, at=verify.started),)))
        assert history.evidence().words["relay-1"].held == held
