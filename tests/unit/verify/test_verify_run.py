"""What hosts are asked, what a limit selects, and the result as a document."""

import json
from datetime import datetime
from typing import Any

import pytest

from provisioner.base.errors import UsageError
from provisioner.desired.limit import parse_limits
from provisioner.desired.spec import DesiredState
from provisioner.hosts.runner import CallOutcome, HostAnswer
from provisioner.plan.change import Action, Change, Impact, Resource
from provisioner.verify.document import verify_document
from provisioner.verify.path_history import Timepiece
from provisioner.verify.paths import select
from provisioner.verify.requests import ProbeLimits, probe_calls
from provisioner.verify.result import Verdict, VerifyResult, exit_code
from provisioner.verify.run import verify

from .world import (
    CANARY,
    CENTRE,
    FINISHED,
    PATHS,
    RELAY,
    STARTED,
    RecordingRunner,
    answers,
    change,
    judged,
    observe_requests,
    state,
)


def _verify(runner: RecordingRunner, *changes: Change) -> VerifyResult:
    times: list[datetime] = [*[FINISHED] * 9, STARTED]
    return verify(
        select(state()),
        runner,
        observe=observe_requests(),
        compare=lambda facts: [c for c in changes if c.host == facts.host],
        watch=Timepiece(times.pop, lambda _seconds: None),
    )


def test_relay_and_centre_are_asked_in_one_round() -> None:
    runner = RecordingRunner(answers())
    result = _verify(runner)
    assert [c.spec.id for c in runner.calls] == [RELAY, CENTRE]
    assert result.all_up
    assert exit_code(result) == 0
    assert result.engine == "mediamtx 1.20.1"
    assert (result.started_at, result.finished_at) == (STARTED, FINISHED)
    assert runner.timeout_s > runner.calls[0].request["deadline_s"]


def test_the_relay_gets_where_to_connect_and_which_peer_owns_it() -> None:
    call, _ = probe_calls(select(state()), observe_requests(), ProbeLimits())
    paths = call.request["relay"]["paths"]
    assert call.request["relay"]["address"] == "100.64.0.1"
    assert paths[0] == {
        "name": "bac-giang/kcl-001/cam-01/main",
        "on_demand": True,
        "address": "100.64.0.4",
        "port": 10554,
        "peer": "key of site/kcl-001",
    }
    assert call.files == {"nft": b"x"}
    assert CANARY not in json.dumps(dict(call.request))


def test_the_centre_gets_its_reader_of_each_relay() -> None:
    _, call = probe_calls(select(state()), observe_requests(), ProbeLimits())
    assert call.request["centre"]["relays"] == [
        {
            "relay": RELAY,
            "address": "100.64.0.1",
            "user": "centre-ioc-hn",
            "secret": CANARY,
            "paths": [p.name for p in PATHS],
        }
    ]
    assert CANARY not in repr(call)


def test_drift_that_changes_nothing_is_no_drift() -> None:
    noop = Change(RELAY, Resource.FILE, "x", Action.NOOP, Impact.NONE, "")
    assert _verify(RecordingRunner(answers()), noop).all_up
    assert not _verify(RecordingRunner(answers()), change()).all_up


def test_a_host_that_the_runner_lost_is_not_checked() -> None:
    result = _verify(RecordingRunner({RELAY: answers()[RELAY]}))
    assert {p.verdict.value for p in result.paths} == {"unknown"}
    assert exit_code(result) == 1
    assert exit_code(result, Verdict.DOWN) == 0


def test_the_stand_in_is_never_called_mediamtx() -> None:
    answer: dict[str, Any] = dict(answers()[RELAY].document)
    answer["facts"]["runtime"]["version"] = "v1.20.1+standin"
    result = _verify(RecordingRunner(answers({RELAY: answer})))
    assert result.engine == "stand-in 1.20.1 (not MediaMTX)"


@pytest.mark.parametrize(
    ("texts", "count"),
    [
        ([], 5),
        (["carrier=viettel"], 5),
        (["province=bac-giang", "facility=kcl-002"], 1),
        (["facility=kcl-001", "facility=kcl-002"], 5),
        (["host=edge-1"], 5),
        (["host=ioc-hn", "facility=kcl-001"], 4),
    ],
)
def test_a_limit_selects_paths(texts: list[str], count: int) -> None:
    assert len(select(state(), parse_limits(texts))) == count


@pytest.mark.parametrize("texts", [["facility=kcl-999"], ["carrier=vnpt", "facility=kcl-001"]])
def test_a_limit_that_selects_nothing_is_wrong_usage(texts: list[str]) -> None:
    with pytest.raises(UsageError, match="selects no path"):
        select(state(), parse_limits(texts))


def test_an_inventory_without_paths_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="no path to check"):
        select(DesiredState({}))


def test_the_document_is_that_of_the_design() -> None:
    unreachable = HostAnswer(CENTRE, CallOutcome.UNREACHABLE, error="ssh: no route")
    document = verify_document(judged(answers() | {CENTRE: unreachable}, {RELAY: [change()]})).plain
    assert document["schema"] == "provisioner/verify"
    assert document["version"] == 1
    assert document["started_at"] == "2021-05-11T17:00:00Z"
    assert set(document["summary"]) == {"paths", "up", "degraded", "down", "unknown", "maintenance", "quarantined"}
    path = document["paths"][0]
    known = ["path", "carrier", "province", "facility", "camera", "relay", "verdict", "level", "cause", "checked_at"]
    assert list(path)[: len(known)] == known
    assert (path["path"], path["cause"]) == ("bac-giang/kcl-001/cam-01/main", "host unreachable")
    assert document["incidents"][0] | {"paths": 0} == {
        "layer": "host",
        "object": CENTRE,
        "cause": "host unreachable",
        "paths": 0,
        "detail": "ioc-hn could not be reached",
        "since": None,
        "in_a_row": None,
    }
    hosts = {h["host"]: h for h in document["hosts"]}
    assert hosts[RELAY]["drift"] == [{"resource": "file", "name": "/etc/provisioner/mediamtx.yml", "action": "update"}]
    assert hosts[CENTRE]["drift"] is None
