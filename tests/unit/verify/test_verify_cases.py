"""Each cause, as a case: what the hosts answered, which verdicts and incidents that gives."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict

from provisioner.hosts.runner import CallOutcome, HostAnswer
from provisioner.inventory.model.facility import Access
from provisioner.plan.change import Action, Change, Impact, Resource
from provisioner.verify.result import Cause, VerifyResult

from .world import (
    CENTRE,
    PATHS,
    RELAY,
    SERVICE,
    documents,
    judged,
    matching,
    merged,
    packets,
    picture,
    printed,
    pushed_document,
    quarantined,
)

CASES = Path(__file__).parents[2] / "cases" / "verify"
_LONGEST = 160
_ORDERS = ("restart the", "install its newest", "ask who set", "look at ", "check its ")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Relay(_Strict):
    """What differs on the relay.

    `peers` is by facility, or `centre`; `devices`, `icmp`, `said`, `redirects` and `sources` are by `address:port` (of
    a source how many connections there are, and how many of them bring a picture; `now` is how many there are at the
    end); `held` are cameras of a frozen facility; `gateways` are by address; the rest is by path pattern: `looks` what
    differs from a look at a good picture, `arrives` what came of a stream in ten seconds, `file` the source in the
    relay's own file. A gateway is what it answers: `small`, `full`, `refuses`. `refused_by` is the device that refused
    the quarantined.
    """

    unreachable: str | None = None
    failed: str | None = None
    facts: Literal["missing"] | None = None
    firewall: list[dict[Literal["name", "action"], str]] | Literal["absent"] = []
    unit: str = "active"
    api_error: str = ""
    tunnel: Literal["up", "absent"] = "up"
    routes: list[str] | None = None
    peers: dict[str, dict[str, Any] | Literal["absent"]] = {}
    devices: dict[str, str | None] = {}
    samples: dict[str, list[dict[str, Any] | None]] = {}
    reads: dict[str, dict[str, Any] | None] = {}
    looks: dict[str, dict[str, Any] | None] = {}
    errors: dict[str, list[str]] = {}
    sources: dict[str, tuple[int, int]] | Literal["not told"] = {}
    now: dict[str, int] = {}
    held: list[str] = []
    halted: list[str] = []
    not_installed: list[str] = []
    logins_taken: list[str] = []
    redirects: dict[str, str] = {}
    arrives: dict[str, dict[str, Any]] = {}
    deliveries: dict[str, Any] | None = None
    icmp: dict[str, tuple[str, int]] = {}
    said: dict[str, dict[str, Any]] = {}
    gateways: dict[str, list[str]] = {}
    drops: list[dict[str, Any]] = []
    chains: list[dict[str, str]] = []
    unsteady: list[str] = []
    ends: dict[str, dict[str, Any]] = {}
    quarantined: list[str] = []
    refused_by: str = ""
    service: dict[str, Any] = {}
    file: dict[str, str] = {}
    refused: dict[str, int] = {}
    sessions: dict[str, str] | None = None


class _Centre(_Strict):
    hub: bool = False
    unreachable: str | None = None
    failed: str | None = None
    reads: dict[str, dict[str, Any] | None] = {}
    arrives: dict[str, dict[str, Any]] = {}
    incoming: list[dict[str, Any]] = []
    ways: dict[str, str] = {}
    gateways: dict[str, list[str]] = {}
    drops: list[dict[str, Any]] = []


class _Expected(_Strict):
    verdict: str
    level: int
    cause: str
    passed: list[int] | None = None
    detail: str = ""


class _Incident(_Strict):
    layer: str
    object: str
    cause: str
    paths: int
    detail: str = ""


class _Case(_Strict):
    """A case; paths that `verdicts` does not name are up."""

    says: str
    access: Access = Access.PULL_PORTMAP
    relay: _Relay = _Relay()
    centre: _Centre = _Centre()
    drift: dict[str, list[str]] = {}
    drift_of: dict[str, dict[str, Literal["peer", "path", "rule", "file", "unit"]]] = {}
    verdicts: dict[str, _Expected] = {}
    incidents: list[_Incident] = []


def _relay_answer(case: _Relay, access: Access) -> HostAnswer:
    if case.unreachable is not None or case.failed is not None:
        return _no_answer(RELAY, case.unreachable, case.failed)
    document = pushed_document() if access.is_pushed else documents()[RELAY]
    if access.is_pushed:
        _change_publishing(document["relay"]["publishing"], case)
    _change_facts(document, case)
    relay = document["relay"]
    if case.service:
        relay["service"] = SERVICE | case.service
    relay |= {"unit": case.unit, "api_error": case.api_error}
    if case.tunnel == "absent":
        relay["tunnel"] = {"routes": [], "peers": {}}
    if case.routes is not None:
        relay["tunnel"]["routes"] = case.routes
    for facility, peer in case.peers.items():
        key = f"key of centre/{CENTRE}" if facility == "centre" else f"key of site/{facility}"
        if peer == "absent":
            del relay["tunnel"]["peers"][key]
        else:
            relay["tunnel"]["peers"][key] = merged(relay["tunnel"]["peers"][key], peer)
    relay["devices"] = [
        d | {"outcome": case.devices.get(f"{d['address']}:{d['port']}", "ok")} for d in relay["devices"]
    ]
    relay["devices"] = [d for d in relay["devices"] if d["outcome"] is not None]
    if places := [place.rpartition(":") for place in case.not_installed]:
        relay["not_installed"] = [{"address": address, "port": int(port)} for address, _, port in places]
    relay["logins_taken"] = [_place(where) for where in case.logins_taken]
    for device in relay["devices"]:
        _change_device(device, case)
    relay["closer"], relay["chains"] = _closer(case), case.chains
    _change_paths(relay, case)
    _change_sources(relay, case)
    return HostAnswer(RELAY, CallOutcome.ANSWERED, document)


def _change_publishing(said: dict[str, Any], case: _Relay) -> None:
    said["refused"] = case.refused
    if case.sessions is not None:
        listed = [(name, at) for pattern, at in case.sessions.items() for name in matching(pattern)]
        said["sessions"] = [{"path": name, "address": at} for name, at in listed]


def _change_device(device: dict[str, Any], case: _Relay) -> None:
    where = f"{device['address']}:{device['port']}"
    if place := case.redirects.get(where):
        device["said"] = {"kind": "rtsp", "status": 302, "media": [], "redirect": place}
    if where in case.said:
        device["said"] = {"status": None, "media": []} | case.said[where]
    if where in case.icmp:
        device["icmp"] = {"sender": case.icmp[where][0], "type": 3, "code": case.icmp[where][1]}


def _closer(case: _Relay | _Centre) -> dict[str, Any]:
    answers = ("small", "full", "refuses")
    gateways = [
        {"address": address, "size": 1420} | {name: name in words for name in answers}
        for address, words in case.gateways.items()
    ]
    drops = [
        {"family": "inet", "table": "corp", "chain": "egress", "incoming": False, "tunnel": False} | drop
        for drop in case.drops
    ]
    return {"drops": drops, "gateways": gateways}


def _change_facts(document: dict[str, Any], case: _Relay) -> None:
    if case.facts == "missing":
        document |= {"facts": None, "facts_error": "nft: no such program on this host"}
    elif case.firewall == "absent":
        document["facts"]["firewall"] = {
            "present": False,
            "differences": [{"name": "element cameras 100.64.0.4 . 10554", "action": "create"}],
        }
    else:
        document["facts"]["firewall"]["differences"] = case.firewall
    if case.held:
        cameras = [place.replace(":", " . ") for place in case.held]
        parts: dict[str, Any] = {"addresses": [], "peers": {}, "digests": {}, "unclear": ""}
        parts["paths"] = {f"bac-giang/kcl-009/cam-{n:02}/sub": "kcl-009" for n, _ in enumerate(cameras, 1)}
        document["facts"]["held"] = {"cameras": cameras} | parts
    if case.file:
        lines = {n: {"source": at} for pattern, at in case.file.items() for n in matching(pattern)}
        changed = {n: {"settings": line, "digest": "d", "source_digest": "s"} for n, line in lines.items()}
        document["facts"]["relay"] = {"settings": {}, "paths": changed, "sentinel": None, "foreign": 0}
    if case.quarantined:
        listed = {n: quarantined(n) for pattern in case.quarantined for n in matching(pattern)}
        document["facts"]["quarantine"] = {n: entry | _refused_by(case) for n, entry in listed.items()}


def _refused_by(case: _Relay) -> dict[str, str]:
    return {"device": case.refused_by} if case.refused_by else {}


def _change_paths(relay: dict[str, Any], case: _Relay) -> None:
    for pattern, samples in case.samples.items():
        for name in matching(pattern):
            relay["paths"][name]["samples"] = samples
    for pattern, read in case.reads.items():
        for name in matching(pattern):
            relay["paths"][name]["read"] = read
    _change_looks(relay, case)


def _change_looks(relay: dict[str, Any], case: _Relay) -> None:
    for pattern, look in case.looks.items():
        for name in matching(pattern):
            relay["paths"][name]["read"]["picture"] = None if look is None else merged(picture(), look)
    _change_streams(relay, case)
    for pattern, errors in case.errors.items():
        relay["errors"] |= dict.fromkeys(matching(pattern), errors)
    for pattern, ends in case.ends.items():
        for name in matching(pattern):
            relay["paths"][name]["ends"] = {"stopped": 0, "closed": 0, "lasted_s": None} | ends
    for name in (name for pattern in case.unsteady for name in matching(pattern)):
        relay["paths"][name]["unsteady"] = True


def _change_streams(relay: dict[str, Any], case: _Relay) -> None:
    for pattern, look in case.arrives.items():
        for name in matching(pattern):
            relay["paths"][name]["read"]["picture"] = _arriving(look)
    if case.deliveries is not None:
        relay["deliveries"] = {"readers": [], "sources": [], "flows": {}} | case.deliveries


def _change_sources(relay: dict[str, Any], case: _Relay) -> None:
    if case.sources == "not told":
        relay["sources"] = None
        return
    counts = {f"{c['address']}:{c['port']}": (c["count"], c["flowing"]) for c in relay["sources"]["connections"]}
    relay["sources"] = {
        "connections": [
            _place(where) | {"count": n, "flowing": m, "now": case.now.get(where, n)}
            for where, (n, m) in (counts | case.sources).items()
        ],
        "halted": [_place(where) for where in case.halted],
    }


def _arriving(look: Mapping[str, Any]) -> dict[str, Any]:
    """What a look measured: of ten seconds of a stream in full at 25 pictures a second, unless it is said otherwise."""
    full = {"count": 250, "bytes": 500_000, "span_s": 9.96, "arrived_s": 9.96, "step_s": 0.04, "longest_s": 0.04}
    came = {**full, **look}
    looked_s, declared = came.pop("looked_s", 10.0), came.pop("declared_fps", None)
    frames = {"frames": came["count"], "owed": came["count"], "declared_fps": declared}
    return picture(looked_s=looked_s, packets=packets(**came), **frames)


def _place(where: str) -> dict[str, Any]:
    address, _, port = where.rpartition(":")
    return {"address": address.strip("[]"), "port": int(port)}


def _centre_answer(case: _Centre) -> HostAnswer:
    if case.unreachable is not None or case.failed is not None:
        return _no_answer(CENTRE, case.unreachable, case.failed)
    document = documents()[CENTRE]
    for pattern, read in case.reads.items():
        document["centre"]["relays"][RELAY] |= dict.fromkeys(matching(pattern), read)
    for pattern, look in case.arrives.items():
        for name in matching(pattern):
            document["centre"]["relays"][RELAY][name]["picture"] = _arriving(look)
    if case.incoming:
        document["centre"]["incoming"] = case.incoming
    ways = [_place(where) | {"outcome": outcome, "seconds": 0.1} for where, outcome in case.ways.items()]
    document["centre"] |= {"ways": ways, "closer": _closer(case)}
    return HostAnswer(CENTRE, CallOutcome.ANSWERED, document)


def _no_answer(host: str, unreachable: str | None, failed: str | None) -> HostAnswer:
    outcome = CallOutcome.FAILED if unreachable is None else CallOutcome.UNREACHABLE
    return HostAnswer(host, outcome, error=unreachable or failed or "")


def _result(case: _Case) -> VerifyResult:
    drift = {
        host: [Change(host, Resource.FILE, name, Action.UPDATE, Impact.PATH, "content differs") for name in names]
        for host, names in case.drift.items()
    }
    for host, changes in case.drift_of.items():
        drift[host] = [
            Change(host, Resource(kind), name, Action.UPDATE, Impact.PATH, "differs") for name, kind in changes.items()
        ]
    answers = {RELAY: _relay_answer(case.relay, case.access), CENTRE: _centre_answer(case.centre)}
    return judged(answers, drift, case.access, hub=case.centre.hub)


@cache
def _load(path: Path) -> _Case:
    return _Case.model_validate(yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader))


@cache
def judged_case(path: Path) -> VerifyResult:
    """The result of a case of a file."""
    return _result(_load(path))


@pytest.mark.parametrize("path", sorted(CASES.glob("*.yml")), ids=lambda p: p.stem)
def test_evidence_gives_these_verdicts_and_incidents(path: Path) -> None:
    case, result = _load(path), judged_case(path)
    expected = dict.fromkeys((p.name for p in PATHS), _Expected(verdict="up", level=7, cause=""))
    for pattern, verdict in case.verdicts.items():
        expected |= dict.fromkeys(matching(pattern), verdict)
    for path_verdict in result.paths:
        expectation = expected[path_verdict.path]
        outcome = (path_verdict.verdict.value, path_verdict.level, path_verdict.cause.value)
        assert outcome == (expectation.verdict, expectation.level, expectation.cause), (
            path_verdict.path,
            path_verdict.detail,
        )
        assert expectation.detail in path_verdict.detail
        if expectation.passed is not None:
            assert list(path_verdict.passed) == expectation.passed, path_verdict.path
    incidents = [
        _Incident(layer=i.layer or "", object=i.object, cause=i.cause.value, paths=len(i.paths))
        for i in result.incidents
    ]
    assert incidents == [i.model_copy(update={"detail": ""}) for i in case.incidents]
    assert all(told.detail in i.detail for told, i in zip(case.incidents, result.incidents, strict=True))
    lines = [*(line for incident in result.incidents for line in incident.details), *(p.detail for p in result.paths)]
    assert [line for line in lines if len(line) > _LONGEST or line.count(";") > 1 or not line.isprintable()] == []
    # The next step stands at the cause and nowhere else.
    assert [line for line in lines[-len(result.paths) :] if any(order in line for order in _ORDERS)] == []


def test_a_next_step_is_one_short_sentence() -> None:
    steps = [cause.next_step for cause in Cause]
    assert [step for step in steps if len(step) > _LONGEST * 0.6 or step.count(";") > 1] == []


def _ended_early(reads: dict[str, dict[str, Any] | None]) -> bool:
    """Let reads that waited in vain end as quick ones do; whether there were any."""
    waited = [read for read in reads.values() if read and read.get("timed_out")]
    for read in waited:
        seconds = 20.0 if read.get("keys") else 12.0
        read |= {"error": f"no answer within {seconds:g} s", "seconds": seconds}
        if read.get("keys"):
            read["keys"] = {name: min(waited_s, seconds) for name, waited_s in read["keys"].items()}
    return bool(waited)


@pytest.mark.parametrize("path", sorted(CASES.glob("*.yml")), ids=lambda p: p.stem)
def test_reads_that_end_early_give_the_verdicts_of_those_that_go_on(path: Path) -> None:
    case, went_on = _load(path).model_copy(deep=True), judged_case(path)
    if not (_ended_early(case.relay.reads) | _ended_early(case.centre.reads)):
        return
    early = {p.path: (p.verdict.value, p.level, p.cause.value, p.layer, p.object) for p in _result(case).paths}
    late = {p.path: (p.verdict.value, p.level, p.cause.value, p.layer, p.object) for p in went_on.paths}
    if path.stem == "key-frames-never":
        # That none comes in a minute only a whole look can say.
        assert {cause for _, _, cause, _, _ in early.values()} == {"", Cause.KEY_FRAMES_RARE.value}
        return
    assert early == late


def test_every_cause_has_a_case() -> None:
    cases = [_load(path) for path in CASES.glob("*.yml")]
    covered = {verdict.cause for case in cases for verdict in case.verdicts.values()}
    # Who has access that the inventory does not give cuts nobody: test_relay_health.py has it.
    # What is held is not judged at all: test_verify_held.py has it. What is wrong with a host degrades no path.
    # Devices' accounts of themselves are judged after the looks: test_devices.py has them.
    assert covered - {""} == {cause.value for cause in Cause} - {
        "",
        "held",
        "disk full",
        "clock off",
        "another firewall",
        "certificate ends",
        "flapping",
        "not asked for",
        "foreign access",
        "port map wrong",
        *("another device", "profile differs", "device clock off", "device tells nothing"),
    }


@pytest.mark.parametrize(
    "name", ["all-well", "lossy-uplink", "quarantined", "relay-unreachable", "two-causes-of-one-camera"]
)
def test_a_case_prints_its_document(name: str, golden_tree: Callable[[str, Mapping[str, bytes]], None]) -> None:
    document = printed(judged_case(CASES / f"{name}.yml"))
    golden_tree(f"verify-cases/{name}", {"document.json": document.encode()})
