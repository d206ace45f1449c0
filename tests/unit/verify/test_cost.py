"""The work of a verdict does not grow with the paths beside it: a relay has two thousand."""

import cProfile
import pstats
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from provisioner.base.secret import Secret
from provisioner.desired.spec import HostSpec, Peer
from provisioner.hosts.runner import CallOutcome, HostAnswer
from provisioner.inventory.model.devices import StreamName
from provisioner.plan.change import Action, Change, Impact, Resource
from provisioner.verify.evidence import parse_evidence
from provisioner.verify.judge import judge
from provisioner.verify.paths import PathToCheck

from . import world
from .world import CANARY, CENTRE, FINISHED, RELAY, centre_spec, documents, media_path, quarantined, relay_spec

FEW, MANY = 100, 400
_DEAD = {"available": False, "online": True, "inbound_bytes": 0, "tracks": []}


def _place(number: int) -> tuple[str, int]:
    return f"100.{64 + number // 62500}.{number // 250 % 250}.{number % 250 + 2}", 10554


def _spec(count: int) -> HostSpec:
    paths = tuple(
        media_path(f"kcl-{number:05}", "cam-01", StreamName.SUB, "cam-01", _place(number)) for number in range(count)
    )
    peers = tuple(
        Peer(f"site/{path.facility}", f"key of {path.facility}", Secret(CANARY), (IPv4Network(path.pulled.address),))
        for path in paths
    )
    spec = relay_spec()
    assert spec.relay is not None
    kept = tuple(peer for peer in spec.tunnel.peers if peer.name == f"centre/{CENTRE}")
    return replace(spec, relay=replace(spec.relay, paths=paths), tunnel=replace(spec.tunnel, peers=(*kept, *peers)))


def _answers(spec: HostSpec, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    monkeypatch.setattr(world, "PATHS", spec.paths)
    both = documents()
    relay = both[RELAY]["relay"]
    places = [(str(path.pulled.address), path.pulled.port) for path in spec.paths]
    relay["devices"] = [{"address": a, "port": p, "outcome": "ok", "seconds": 0.01} for a, p in places]
    relay["tunnel"]["peers"] |= {
        f"key of {path.facility}": world._live_peer(str(path.pulled.address))  # noqa: SLF001 (of the same world)
        for path in spec.paths
    }
    return both


def _well(_both: dict[str, dict[str, Any]]) -> None:
    """All paths are up."""


def _dead(both: dict[str, dict[str, Any]]) -> None:
    """No device answers, and no stream flows."""
    for device in both[RELAY]["relay"]["devices"]:
        device["outcome"] = "timeout"
    for path in both[RELAY]["relay"]["paths"].values():
        path |= {"samples": [_DEAD, _DEAD], "read": {"error": "404", "status": 404}}


def _stopped(both: dict[str, dict[str, Any]]) -> None:
    """All devices take connections, and no stream flows."""
    for path in both[RELAY]["relay"]["paths"].values():
        path |= {"samples": [_DEAD, _DEAD], "read": {"error": "no answer within 5 s"}}


def _without_handshake(both: dict[str, dict[str, Any]]) -> None:
    """All tunnels are silent."""
    _dead(both)
    for peer in both[RELAY]["relay"]["tunnel"]["peers"].values():
        peer |= {"handshake_age_s": 900, "received_bytes": [5, 5]}


def _measured(both: dict[str, dict[str, Any]]) -> None:
    """The kernel counted each source and each reader."""
    relay = both[RELAY]["relay"]
    source = {"port": 10554, "own_port": 1, "seconds": 9.0, "received": 9000, "segments": 500}
    source |= {"disordered": 0, "waiting": 0}
    relay["deliveries"] = {
        "sources": [source | {"address": device["address"]} for device in relay["devices"]],
        "readers": [
            {
                "address": "100.127.0.2",
                "path": name,
                "user": f"centre-{CENTRE}",
                "port": 1,
                "packets": 900,
                "discarded": 0,
                "seconds": 9.0,
                "waiting": 0,
                "sent": 900,
                "again": 0,
                "busy_s": 9.0,
                "unread_s": 0.0,
            }
            for name in relay["paths"]
        ],
        "flows": {name: {"bytes": 9000, "seconds": 9.0, "still_s": 0.1} for name in relay["paths"]},
    }


def _refused(both: dict[str, dict[str, Any]]) -> None:
    """All paths are quarantined."""
    _stopped(both)
    both[RELAY]["facts"]["quarantine"] = {name: quarantined(name) for name in both[RELAY]["relay"]["paths"]}


def _calls(
    count: int, change: Callable[[dict[str, dict[str, Any]]], None], monkeypatch: pytest.MonkeyPatch, *, drifts: bool
) -> int:
    spec, centre = _spec(count), centre_spec()
    targets = [PathToCheck(spec, path, (centre,)) for path in spec.paths]
    both = _answers(spec, monkeypatch)
    change(both)
    evidence = {
        host: parse_evidence(HostAnswer(host, CallOutcome.ANSWERED, document)) for host, document in both.items()
    }
    assert all(one.outcome is CallOutcome.ANSWERED for one in evidence.values()), [e.error for e in evidence.values()]
    drift = [
        *(
            Change(RELAY, Resource.RULE, f"element cameras {a} . {p}", Action.CREATE, Impact.HOT, "missing")
            for a, p in map(_place, range(count))
        ),
        *(
            Change(RELAY, Resource.PEER, f"site/{path.facility}", Action.UPDATE, Impact.PATH, "differs")
            for path in spec.paths
        ),
    ]
    profile = cProfile.Profile()
    profile.enable()
    judge(targets, evidence, {RELAY: drift if drifts else (), CENTRE: ()}, FINISHED)
    profile.disable()
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


@pytest.mark.parametrize("drifts", [False, True], ids=["as desired", "drifted"])
@pytest.mark.parametrize("change", [_well, _dead, _stopped, _without_handshake, _measured, _refused])
def test_four_times_as_many_paths_are_four_times_the_work(
    change: Callable[[dict[str, dict[str, Any]]], None], monkeypatch: pytest.MonkeyPatch, *, drifts: bool
) -> None:
    few, many = (_calls(count, change, monkeypatch, drifts=drifts) for count in (FEW, MANY))
    assert many <= 1.2 * MANY / FEW * few, f"{few / FEW:.0f} calls a path, then {many / MANY:.0f}"
