"""What a host says of itself and of its paths that cannot be so: it is that host's error, or counts for nothing."""

import copy
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from provisioner.hosts.keys import make_host_keys
from provisioner.hosts.observe import observe
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.verify.evidence import parse_evidence
from provisioner.verify.judge import judge
from provisioner.verify.paths import select
from provisioner.verify.result import Verdict
from tests import fleets, inventories
from tests.hostile import CENTRE, RELAY
from tests.odd import OddHosts
from tests.unit.operations.rollout.world import Controller, state
from tests.unit.verify import world

DESIRED = state({"kcl-bg-001": 2})
ODD, OTHER = "relay-viettel-1", "centre"
DIGEST = "sha256:" + "A" * 43 + "="
PATH = "bac-giang/kcl-002/cam-01/sub"

Change = Callable[[dict[str, Any]], object]


# --- a probe --------------------------------------------------------------------------------------
def changed(host: str, change: Change) -> dict[str, Any]:
    """What a host of a world in which all is well would answer to a probe, changed."""
    document = copy.deepcopy(world.documents()[host])
    change(document)
    return document


def verdicts(documents: dict[str, dict[str, Any]]) -> dict[str, Verdict]:
    """The verdict on every path, by what hosts answered."""
    answers = (HostAnswer(host, CallOutcome.ANSWERED, document) for host, document in documents.items())
    evidence = {answer.host: parse_evidence(answer) for answer in answers}
    drift = {host: () for host, of in evidence.items() if of.facts is not None}
    judged = judge(select(world.state()), evidence, drift, datetime(2021, 5, 11, tzinfo=UTC))
    return {verdict.path: verdict.verdict for verdict in judged}


def peer_of(document: dict[str, Any]) -> dict[str, Any]:
    peers: dict[str, dict[str, Any]] = document["relay"]["tunnel"]["peers"]
    return next(iter(peers.values()))


@RELAY
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d["relay"]["paths"][PATH]["samples"][0].update(inbound_bytes=-9), "inbound_bytes is negative"),
        (lambda d: d["relay"]["paths"][PATH]["samples"][1].update(inbound_bytes=2**63), "inbound_bytes is no number"),
        (lambda d: d["relay"]["paths"][PATH]["samples"].append(None), "samples has more than 2 parts"),
        (lambda d: d["relay"]["paths"][PATH]["read"].update(width=-640), "read.width is negative"),
        (lambda d: peer_of(d).update(received_bytes=[-1, 5]), "received_bytes is negative"),
        (lambda d: peer_of(d).update(handshake_age_s=-1e12), "handshake_age_s is less than -31622400"),
        (lambda d: peer_of(d).update(handshake_age_s=float("nan")), "handshake_age_s is no number"),
        (lambda d: d["relay"]["devices"][0].update(port=70_000), "port is more than 65535"),
        (lambda d: d["relay"]["devices"][0].update(port=0), "port is less than 1"),
    ],
)
def test_evidence_of_what_cannot_be_is_none(change: Change, problem: str) -> None:
    document = changed(world.RELAY, change)
    evidence = parse_evidence(HostAnswer(world.RELAY, CallOutcome.ANSWERED, document))
    assert (evidence.outcome, evidence.relay) == (CallOutcome.FAILED, None)
    assert problem in evidence.error
    told = verdicts({world.RELAY: document, world.CENTRE: world.documents()[world.CENTRE]})
    assert set(told.values()) == {Verdict.UNKNOWN}


@CENTRE
def test_what_a_centre_says_of_a_relays_paths_is_no_evidence_of_the_relay() -> None:
    documents = world.documents()
    relay = documents[world.RELAY].pop("relay")
    told = verdicts({world.RELAY: documents[world.RELAY], world.CENTRE: documents[world.CENTRE] | {"relay": relay}})
    assert set(told.values()) == {Verdict.UNKNOWN}


@RELAY
def test_what_a_relay_says_of_paths_that_were_not_asked_is_in_no_result() -> None:
    documents = copy.deepcopy(world.documents())
    paths = documents[world.RELAY]["relay"]["paths"]
    good = paths.pop(PATH)
    paths["ha-noi/elsewhere/cam-01/sub"] = good
    told = verdicts(documents)
    assert told[PATH] is not Verdict.UP
    assert "ha-noi/elsewhere/cam-01/sub" not in told


@RELAY
def test_a_relay_cannot_say_what_a_centre_has_read() -> None:
    documents = copy.deepcopy(world.documents())
    documents[world.RELAY]["centre"] = documents[world.CENTRE].pop("centre")
    assert Verdict.UP not in verdicts(documents).values()


# --- facts ----------------------------------------------------------------------------------------
@RELAY
@pytest.mark.parametrize("viewers", [{"a": -1000}, {"a": True}, {"a": 2**63}, {"a": 1.5}])
def test_viewers_of_a_relay_cannot_make_up_for_those_of_others(viewers: dict[str, object]) -> None:
    controller = Controller()
    controller.apply(DESIRED)

    def change(_operation: str, document: Any) -> Any:
        return document | {"runtime": document["runtime"] | {"viewers": viewers}}

    facts, errors = observe(DESIRED.hosts.values(), fleets.files_of(DESIRED), OddHosts(controller.hosts, ODD, change))
    assert (set(facts), set(errors)) == ({OTHER}, {ODD})
    assert "runtime.viewers.a" in errors[ODD].message


# --- keys -----------------------------------------------------------------------------------------
class Keys:
    """Hosts that have keys, as a test wants it."""

    def __init__(self, keys: dict[str, str]) -> None:
        self.keys = keys

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """The key of every host."""
        assert timeout_s > 0
        answers = {call.spec.id: self.keys[call.spec.id] for call in calls}
        hashes = {"api_hash": DIGEST, "probe_hash": DIGEST}
        return {
            host: HostAnswer(host, CallOutcome.ANSWERED, {"public_key": key, **hashes}) for host, key in answers.items()
        }


@RELAY
def test_a_relay_cannot_have_the_key_that_is_recorded_as_anothers() -> None:
    key = inventories.public_key(OTHER)
    made, errors = make_host_keys(
        tuple(DESIRED.hosts.values()), Keys({ODD: key, OTHER: key}), fleets.templates(), recorded={key: OTHER}
    )
    assert set(made) == {OTHER}
    assert f"{ODD} says that it has the public key of {OTHER}" in errors[ODD].message
    assert (errors[ODD].exit_code, errors[ODD].object) == (5, ODD)


@RELAY
def test_a_relay_cannot_have_the_key_of_a_gateway() -> None:
    key = inventories.public_key("site")
    keys = Keys({ODD: key, OTHER: inventories.public_key(OTHER)})
    made, errors = make_host_keys(
        tuple(DESIRED.hosts.values()), keys, fleets.templates(), recorded={key: "the gateway of kcl-bg-001"}
    )
    assert (set(made), set(errors)) == ({OTHER}, {ODD})


@RELAY
def test_of_two_new_hosts_with_one_key_neither_is_recorded() -> None:
    key = inventories.public_key("both")
    made, errors = make_host_keys(tuple(DESIRED.hosts.values()), Keys({ODD: key, OTHER: key}), fleets.templates())
    assert made == {}
    assert set(errors) == {ODD, OTHER}


def test_a_host_has_the_key_that_is_recorded_as_its_own() -> None:
    keys = {host: inventories.public_key(host) for host in (ODD, OTHER)}
    made, errors = make_host_keys(
        tuple(DESIRED.hosts.values()),
        Keys(keys),
        fleets.templates(),
        recorded={key: host for host, key in keys.items()},
    )
    assert (set(made), errors) == ({ODD, OTHER}, {})
