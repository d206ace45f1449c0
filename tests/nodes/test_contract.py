"""The contract of whoever carries calls: from here, by a node, over a real broker and over a faulty one."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from provisioner.hosts.runner import CallOutcome, OpenRunner
from provisioner.nodes.controller import NodeRunner
from tests.nodes.broker import broker_of
from tests.nodes.carrying import PROGRAM, QUICK, CountingHosts, apply_of, both_ends, call_of, host_of
from tests.nodes.mailboxes import FaultyPost, Post

Carried = tuple[OpenRunner, CountingHosts]
AT_ONCE: Final = 16
# A message that is lost is said again by a clock: a loaded machine needs more rounds than a quick one.
PATIENT: Final = replace(QUICK, begin=15.0)
RATES: Final = {"lost": 0.1, "doubled": 0.1, "delayed": 0.1, "cut": 0.05, "changed": 0.05}


@pytest.fixture(params=["local", "node", "faulty", "jetstream"])
def carried(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Carried]:
    hosts = CountingHosts()
    match request.param:
        case "local":
            yield hosts, hosts
        case "node":
            with both_ends(Post(), tmp_path, hosts=hosts) as (runner, _):
                yield runner, hosts
        case "faulty":
            with both_ends(FaultyPost(7, RATES), tmp_path, hosts=hosts, pace=PATIENT) as (runner, _):
                yield runner, hosts
        case _:
            with broker_of(tmp_path) as broker, broker.both_ends(hosts=hosts) as (runner, _):
                yield runner, hosts


def test_every_call_has_one_answer_and_that_is_its_own(carried: Carried) -> None:
    runner, hosts = carried
    for number in range(4):
        calls = [call_of(host_of(host), number) for host in range(5)]
        answers = list(runner.stream(calls, timeout_s=20))
        assert sorted(answer.host for answer in answers) == [f"relay-{host}" for host in range(5)]
        assert {str(answer.outcome): answer.document for answer in answers} == {"answered": {"number": number}}
    assert set(hosts.done.values()) == {1}


def test_one_that_is_silent_hides_no_other(carried: Carried) -> None:
    runner, hosts = carried
    hosts.silent = frozenset({"relay-1"})
    answers = runner.call([call_of(host_of(host)) for host in range(3)], timeout_s=20)
    assert answers["relay-1"].outcome is CallOutcome.UNREACHABLE
    assert "no answer within 20 s" in answers["relay-1"].error
    assert {answers[host].outcome for host in ("relay-0", "relay-2")} == {CallOutcome.ANSWERED}


def test_a_host_gets_all_that_belongs_to_its_call_and_nothing_else(carried: Carried, tmp_path: Path) -> None:
    runner, hosts = carried
    artefact = tmp_path / "mediamtx"
    artefact.write_bytes(PROGRAM)
    host = host_of(3)
    call = call_of(host, 3)
    call = apply_of(host, artefact, 3)
    call = replace(call, files={"nft": b"\0\xff", "identity": b""}, shares=True, unproved=True, since="run-1")
    (answer,) = runner.stream([call], timeout_s=20)
    assert answer.outcome is CallOutcome.ANSWERED
    (came,) = hosts.calls
    assert (came.request, came.files, came.shares, came.unproved, came.since) == (
        call.request,
        call.files,
        True,
        True,
        "run-1",
    )
    assert came.spec == host
    assert hosts.artefacts == [artefact.read_bytes()]
    assert came.script is None


def _messages(folder: Path, seed: int, most: int, *, hosts: CountingHosts) -> FaultyPost:
    """Send units over a faulty way until it has had so many parts; answers are held against the hosts."""
    post, numbers = FaultyPost(seed, RATES), count()

    def send(runner: NodeRunner) -> int:
        answered = 0
        while sum(post.done.values()) < most:
            number = next(numbers)
            answers = runner.call([call_of(host_of(host), number) for host in range(4)], timeout_s=2)
            assert set(answers) == {f"relay-{host}" for host in range(4)}
            for name, answer in answers.items():
                assert answer.outcome in {CallOutcome.ANSWERED, CallOutcome.UNREACHABLE}
                if answer.outcome is CallOutcome.ANSWERED:
                    assert (answer.document, hosts.done[name, number]) == ({"number": number}, 1)
                    answered += 1
        return answered

    with both_ends(post, folder, hosts=hosts) as (runner, _), ThreadPoolExecutor(AT_ONCE) as senders:
        answered = [sending.result() for sending in [senders.submit(send, runner) for _ in range(AT_ONCE)]]
    assert sum(answered) > 0
    assert max(hosts.done.values()) == 1, "a call was carried twice"
    return post


@pytest.mark.parametrize("seed", [1, 2])
def test_over_a_faulty_way_no_call_is_carried_twice_and_every_answer_is_true(tmp_path: Path, seed: int) -> None:
    post = _messages(tmp_path, seed, 300, hosts=CountingHosts())
    assert all(post.done.values()), post.done


@pytest.mark.soak
def test_the_contract_holds_over_a_hundred_thousand_messages(tmp_path: Path) -> None:
    hosts = CountingHosts()
    post = _messages(tmp_path, 20261128, 100_000, hosts=hosts)
    sys.stderr.write(f"faulty way, seed 20261128: {post.done}, {sum(hosts.done.values())} calls carried, none twice\n")
