"""What ails a relay itself, and who has access to it that the inventory does not give."""

from dataclasses import replace
from typing import Any

import pytest

from provisioner.desired.render.host import user_settings
from provisioner.desired.spec import HostSpec, User
from provisioner.hosts.answers import read, wire
from provisioner.hosts.runner import CallOutcome, HostAnswer
from provisioner.verify import judge as judge_module
from provisioner.verify.document import verify_document
from provisioner.verify.evidence import RelayEvidence, parse_evidence
from provisioner.verify.path_history import Timepiece
from provisioner.verify.paths import select
from provisioner.verify.relay_health import foreign_access, illness_of
from provisioner.verify.result import Cause, Verdict, exit_code
from provisioner.verify.run import verify
from tests.hostile import RELAY

from .world import FINISHED, SERVICE, STARTED, RecordingRunner, answers, documents, observe_requests, relay_spec, state
from .world import RELAY as EDGE

_CENTRE = User("centre", "sha256:x", ("100.127.0.2",), "read")
_GUEST = {
    "user": "guest",
    "pass": "d",
    "ips": [],
    "permissions": [{"action": "read"}, {"action": "publish", "path": "x"}],
}


def _spec() -> HostSpec:
    spec = relay_spec()
    assert spec.relay is not None
    return replace(spec, relay=replace(spec.relay, users=(_CENTRE,)))


def _document(*users: object, added: dict[str, Any] | None = None, **service: object) -> dict[str, Any]:
    document = documents()[EDGE]
    settings = {"authInternalUsers": [user_settings(_CENTRE), *users]}
    document["facts"]["relay"] = {"settings": settings, "paths": {}, "sentinel": None, "foreign": 0}
    if added is not None:
        document["facts"]["runtime"]["added"] = {"paths": [], "users": []} | added
    document["relay"]["service"] = SERVICE | service
    return document


def _told(document: dict[str, Any], spec: HostSpec | None = None) -> str:
    facts = parse_evidence(HostAnswer(EDGE, CallOutcome.ANSWERED, document)).facts
    return "".join(finding.detail for finding in foreign_access(spec or _spec(), facts))


def test_users_of_the_inventory_are_no_strangers_however_the_relay_writes_their_networks() -> None:
    running = {"user": "centre", "rights": ["read ~^"], "ips": ["100.127.0.2/32"]}
    assert _told(_document()) == ""
    rights = sorted(f"{p['action']} {p.get('path', '')}".rstrip() for p in user_settings(_CENTRE)["permissions"])  # type: ignore[attr-defined]
    assert _told(_document(added={"users": [running | {"rights": rights}]})) == ""


@pytest.mark.parametrize(
    ("user", "words"),
    [
        (_GUEST, "user guest may publish x, read, from anywhere, in its file and not in the inventory"),
        (_GUEST | {"user": "any"}, "anybody without a login may publish x, read, from anywhere, in its file"),
        (user_settings(replace(_CENTRE, addresses=())), "user centre may read"),
        (user_settings(replace(_CENTRE, action="publish", publishes="x")), "user centre may publish x, in its file"),
    ],
    ids=["stranger", "anybody", "from anywhere", "more rights"],
)
def test_a_user_that_the_inventory_does_not_have_is_named_with_its_rights(user: dict[str, Any], words: str) -> None:
    told = _told(_document(user))
    assert told.startswith(words)
    assert "pass" not in told


def test_paths_and_users_that_came_through_the_control_api_are_named() -> None:
    guest = {"user": "guest", "rights": ["publish zz"], "ips": ["192.0.2.0/24"]}
    assert _told(_document(added={"paths": ["zz"], "users": [guest]})) == (
        "user guest may publish zz, added through the Control API; path zz, added through the Control API"
    )


@RELAY
def test_names_of_strangers_are_one_bounded_line() -> None:
    name = "x\x1b[2J\n" * 200
    told = _told(_document(_GUEST | {"user": name}, added={"paths": [name] * 500, "users": []}))
    assert told.isprintable()
    assert len(told) < 600
    assert "and 18 more" in told


@RELAY
@pytest.mark.parametrize(
    "wrong", [{"files": -1}, {"restarts": 1e400}, {"stolen": 2}, {"age_s": "long"}, {"listens": 1}, {"ended": None}]
)
def test_a_state_out_of_its_bounds_is_no_evidence(wrong: dict[str, Any]) -> None:
    evidence = parse_evidence(HostAnswer(EDGE, CallOutcome.ANSWERED, _document(**wrong)))
    assert evidence.outcome is CallOutcome.FAILED


@pytest.mark.parametrize(
    ("service", "cause"),
    [
        ({}, None),
        ({"files": 62_000}, None),
        ({"files": 63_000}, Cause.RELAY_STRAINED),
        ({"files": 63_000, "most_files": 0}, None),
        ({"restarts": 1, "age_s": 3}, None),
        ({"restarts": 2, "age_s": 3}, Cause.RELAY_RESTARTS),
        ({"restarts": 2, "age_s": 300}, None),
        ({"waited_s": 5.5}, Cause.RELAY_STRAINED),
        ({"waited_s": 5.5, "ran_s": 2}, None),
        ({"waited_s": 5.5, "seconds": 0}, None),
    ],
)
def test_a_relay_is_ill_by_what_the_kernel_and_systemd_count(service: dict[str, Any], cause: Cause | None) -> None:
    relay = parse_evidence(HostAnswer(EDGE, CallOutcome.ANSWERED, _document(**service))).relay
    assert relay is not None
    illness = illness_of(relay)
    assert (illness and illness[0]) is cause


def test_a_relay_that_restarts_and_has_a_stranger_is_told_once_and_degrades_no_path() -> None:
    document = _document(_GUEST, restarts=5, age_s=700, ended="killed, 9/KILL")
    times = [*[FINISHED] * 4, STARTED]
    result = verify(
        select(state()),
        RecordingRunner(answers({EDGE: document})),
        observe=observe_requests(),
        compare=lambda _: (),
        watch=Timepiece(times.pop, lambda _seconds: None),
    )
    assert {path.verdict for path in result.paths} == {Verdict.UP}
    assert exit_code(result) == 0
    assert [(i.layer, i.object, i.cause.value) for i in result.incidents] == [
        ("relay", EDGE, "relay restarts"),
        ("relay", EDGE, "foreign access"),
    ]
    [told] = [host for host in verify_document(result).plain["hosts"] if host["host"] == EDGE]
    assert [one["cause"] for one in told["findings"]] == ["relay restarts", "foreign access"]
    assert "5 times within an hour, the last time 700 s ago (killed, 9/KILL)" in told["findings"][0]["detail"]


def test_an_incident_with_paths_stands_for_the_same_fault_of_the_host() -> None:
    document = _document(restarts=5, age_s=7)
    for path in document["relay"]["paths"].values():
        path["samples"] = [None, None]
    times = [*[FINISHED] * 9, STARTED]
    result = verify(
        select(state()),
        RecordingRunner(answers({EDGE: document})),
        observe=observe_requests(),
        compare=lambda _: (),
        watch=Timepiece(lambda: times.pop() if len(times) > 1 else FINISHED, lambda _seconds: None),
    )
    assert [(i.object, i.cause.value, len(i.paths)) for i in result.incidents if i.cause is Cause.RELAY_RESTARTS] == [
        (EDGE, "relay restarts", 5)
    ]


def test_what_ails_a_relay_is_looked_for_once_however_many_paths_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    document = _document(restarts=5, age_s=7)
    for path in document["relay"]["paths"].values():
        path["samples"] = [None, None]
    looked_for: list[RelayEvidence] = []

    def counted(relay: RelayEvidence) -> tuple[Cause, str] | None:
        looked_for.append(relay)
        return illness_of(relay)

    monkeypatch.setattr(judge_module, "illness_of", counted)
    evidence = {EDGE: parse_evidence(HostAnswer(EDGE, CallOutcome.ANSWERED, document))}
    targets = [target for target in select(state()) if target.relay.id == EDGE]
    verdicts = judge_module.judge(targets, evidence, {}, FINISHED)
    assert [v.cause for v in verdicts].count(Cause.RELAY_RESTARTS) > 1
    assert len(looked_for) == 1


def test_a_state_of_the_service_is_read() -> None:
    answer = read(wire.ProbeAnswer, _document(restarts=3))
    assert answer["relay"]["service"]["restarts"] == 3
