"""A small world in which all is well: one relay, one centre, two sites, five paths; cases break it."""

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatch
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from provisioner.base.secret import Secret, keyed_digest
from provisioner.desired.render.quote import source_head
from provisioner.desired.spec import (
    ANYWHERE,
    DesiredState,
    Firewall,
    HostKind,
    HostSpec,
    HubService,
    MediaPath,
    Peer,
    ReaderEncryption,
    RelayService,
    StreamSource,
    Tunnel,
    User,
)
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.inventory.model.devices import StreamName
from provisioner.inventory.model.facility import Access
from provisioner.inventory.model.hosts import Ssh
from provisioner.inventory.model.policy import MediamtxArtefact
from provisioner.plan.change import Action, Change, Impact, Resource, pending
from provisioner.verify.document import verify_document
from provisioner.verify.evidence import parse_evidence
from provisioner.verify.incidents import incidents_of
from provisioner.verify.judge import judge
from provisioner.verify.paths import select
from provisioner.verify.requests import ObserveCall
from provisioner.verify.result import HostReport, VerifyResult
from provisioner_host import wire
from tests.inventories import HOST_KEY
from tests.simulated import sources_of

CANARY = "c4nary-pa55word"
RELAY, CENTRE = "edge-1", "ioc-hn"
STARTED = datetime(2021, 5, 11, 17, 0, 0, tzinfo=UTC)
FINISHED = datetime(2021, 5, 11, 17, 1, 30, tzinfo=UTC)
SITES = IPv4Network("100.64.0.0/24")
#: From where sites push: that of the first one is written down.
KNOWN_SITE, OTHER_SITE = "198.51.100.1", "198.51.100.2"
RECORDER, OWN, OTHER = ("100.64.0.4", 10554), ("100.64.0.4", 10555), ("100.64.0.5", 10554)


def media_path(facility: str, camera: str, stream: StreamName, device: str, where: tuple[str, int]) -> MediaPath:
    """A path whose `main` is on demand, in H265 and large."""
    on_demand = stream is StreamName.MAIN
    return MediaPath(
        name=f"bac-giang/{facility}/{camera}/{stream.value}",
        province="bac-giang",
        facility=facility,
        camera=camera,
        device=device,
        stream=stream,
        source=StreamSource(IPv4Address(where[0]), where[1], "/x", "admin", Secret(CANARY)),
        on_demand=on_demand,
        codec="h265" if on_demand else "h264",
        width=1920 if on_demand else 640,
        height=1080 if on_demand else 360,
    )


PATHS = (
    media_path("kcl-001", "cam-01", StreamName.MAIN, "nvr-1", RECORDER),
    media_path("kcl-001", "cam-01", StreamName.SUB, "nvr-1", RECORDER),
    media_path("kcl-001", "cam-02", StreamName.SUB, "nvr-1", RECORDER),
    media_path("kcl-001", "cam-09", StreamName.SUB, "cam-09", OWN),
    media_path("kcl-002", "cam-01", StreamName.SUB, "cam-01", OTHER),
)


def _peer(name: str, address: str) -> Peer:
    return Peer(name, f"key of {name}", Secret(CANARY), (IPv4Network(address),))


def _ssh() -> Ssh:
    return Ssh(user="ops", host_key=HOST_KEY)


def relay_spec(access: Access = Access.PULL_PORTMAP) -> HostSpec:
    """The relay, which reaches all devices in one access mode."""
    address = IPv4Address("100.64.0.1")
    peers = (
        _peer(f"centre/{CENTRE}", "100.127.0.2"),
        *([_peer("site/kcl-001", "100.64.0.4"), _peer("site/kcl-002", "100.64.0.5")] if access.has_tunnel else []),
    )
    paths = tuple(path._replace(access=access) for path in PATHS)
    if access.is_pushed:
        paths = tuple(path._replace(source=None, on_demand=False) for path in paths)
    return HostSpec(
        id=RELAY,
        kind=HostKind.RELAY,
        carriers=("viettel",),
        address=IPv4Address("192.0.2.1"),
        ssh=_ssh(),
        digest_key=Secret(CANARY),
        tunnel=Tunnel(address, 51820, (IPv4Network("100.64.0.0/16"), IPv4Network("100.127.0.0/24")), peers),
        firewall=Firewall(
            (),
            22,
            51820,
            (IPv4Address("100.127.0.2"),),
            (),
            routed=(SITES,) if access is Access.ROUTED else (),
            publishers=(ANYWHERE,) if access.is_pushed else (),
        ),
        relay=RelayService(address, tuple(_publishers(paths)), MediamtxArtefact(version="1.20.1", sha256={}), paths),
    )


def _publishers(paths: Sequence[MediaPath]) -> Iterator[User]:
    """The logins by which paths are pushed; it is known from where the first site comes, not from where the other."""
    for path in paths:
        if path.access.is_pushed:
            addresses = (KNOWN_SITE,) if path.facility == "kcl-001" else ()
            yield User(f"publish-{path.facility}.{path.camera}", "-", addresses, "publish", publishes=path.name)


def centre_spec() -> HostSpec:
    """The monitoring centre."""
    peer = _peer(f"relay/{RELAY}", "100.64.0.1")
    return HostSpec(
        id=CENTRE,
        kind=HostKind.CENTRE,
        carriers=("viettel",),
        address=IPv4Address("192.0.2.2"),
        ssh=_ssh(),
        digest_key=Secret(CANARY),
        tunnel=Tunnel(IPv4Address("100.127.0.2"), None, (IPv4Network("100.64.0.0/16"),), (peer,)),
        readers={"viettel": Secret(CANARY)},
    )


def hub_spec() -> HostSpec:
    """The same centre as a hub, through which it reads."""
    tls = ReaderEncryption(
        strict=True, server=Secret(CANARY), fingerprint="ab" * 32, until=datetime(2031, 1, 1, tzinfo=UTC), warn_days=30
    )
    artefact = MediamtxArtefact(version="1.20.1", sha256={})
    return replace(centre_spec(), hub=HubService(IPv4Address("192.0.2.2"), (), artefact, (), tls, ()), is_hub=True)


def state(access: Access = Access.PULL_PORTMAP, *, hub: bool = False) -> DesiredState:
    """The desired state of both; the centre may be a hub."""
    return DesiredState({spec.id: spec for spec in (relay_spec(access), hub_spec() if hub else centre_spec())})


# --- evidence in which all is well ----------------------------------------------------------------
def facts(*, relay: bool) -> dict[str, Any]:
    """A host's facts, as `observe` answers."""
    document: dict[str, Any] = {
        "host": {
            "arch": "amd64",
            "python": "3.11.2",
            "boot_id": "boot",
            "os": {"id": "debian", "version": "12", "like": []},
            "ssh_peer": None,
            "selinux": "off",
        },
        "missing_programs": [],
        "files": {},
        "manifest": None,
        "units": {},
        "tunnel": None,
        "firewall": {"present": relay, "differences": []},
        "keys": {},
        "armed": None,
        "generations": [],
        "trust": None,
        "policy": None,
        "live_digest": "",
    }
    if relay:
        document["runtime"] = {"version": "v1.20.1", "started": "", "sentinel": None, "viewers": {}}
    return document


def quarantined(name: str) -> dict[str, str]:
    """What a relay says of a path whose device refuses the login that the inventory has."""
    [path] = [path for path in PATHS if path.name == name]
    login = source_head(path.pulled).partition("://")[2]
    device = f"{path.pulled.address}:{path.pulled.port}"
    return {"since": "2021-05-09T03:00:00Z", "device": device, "login": keyed_digest(Secret(CANARY), login.encode())}


def _live_peer(address: str, age: float | None = 30) -> dict[str, Any]:
    return {
        "allowed_ips": [f"{address}/32"],
        "handshake_age_s": age,
        "received_bytes": [1000, 2000],
        "sent_bytes": [1000, 2000],
    }


def _frame(path: MediaPath) -> dict[str, Any]:
    codec = "hevc" if path.codec == "h265" else path.codec
    return {"codec": codec, "width": path.width, "height": path.height, "seconds": 1.2}


def scene(**changes: Any) -> dict[str, Any]:
    """What a corridor by day measures."""
    return {
        "median": 120,
        "bright": 90,
        "spread": 160,
        "one_level": 0.1,
        "three_levels": 0.2,
        "levels": 90,
        "flat_cells": 0.1,
        "gradient_p50": 12.0,
        "gradient_p90": 130.0,
        "gradient_p99": 340.0,
        "steepest": 400.0,
        "sharpness": 0.6,
        "grid": "07" * 256,
        "strengths": "a" * 128,
        "digest": "0123456789abcdef",
        "colours": [118, 136, 120, 134],
    } | changes


def packets(**changes: Any) -> dict[str, Any]:
    """What 3 s of 15 pictures a second measure, with a key packet a second."""
    return {
        "count": 46,
        "bytes": 100_000,
        "span_s": 3.0,
        "arrived_s": 3.0,
        "step_s": 0.0667,
        "longest_s": 0.08,
        "gaps": 0,
        "equal": 0,
        "backward": 0,
        "keys": [f"{number:016x}" for number in range(4)],
        "key_count": 4,
    } | changes


def picture(**changes: Any) -> dict[str, Any]:
    """What a quick look at a good picture measures."""
    return {
        "every": True,
        "looked_s": 3.0,
        "packets": packets(),
        "frames": 46,
        "owed": 46,
        "key_frames": 4,
        "complaints": 0,
        "missed": 0,
        "declared_fps": 15.0,
        "scene": scene(),
        "differences": [0.9, 1.1, 0.8],
        "digests": [f"{number:016x}" for number in range(4)],
    } | changes


def _path_evidence(path: MediaPath) -> dict[str, Any]:
    tracks: list[Any] = []
    flowing = {"available": True, "online": True, "inbound_bytes": 9000, "tracks": tracks}
    if path.on_demand:
        idle = {"available": False, "online": True, "inbound_bytes": 0, "tracks": tracks}
        read = _frame(path) | {"after": flowing, "pulled": 2, "connected": 2}
        return {"samples": [idle, dict(idle)], "read": read}
    return {"samples": [flowing | {"inbound_bytes": 1000}, flowing], "read": _frame(path)}


#: What a relay says of its MediaMTX, which has all that it needs.
SERVICE: dict[str, Any] = {
    "restarts": 0,
    "ended": "",
    "age_s": 90_000.0,
    "files": 300,
    "most_files": 65_536,
    "listens": True,
    "lacked_files": False,
    "seconds": 10.0,
    "ran_s": 0.6,
    "waited_s": 0.2,
    "stolen": 0.0,
}


def pushed_document() -> dict[str, Any]:
    """What the relay answers where sites push all of its paths: no device, no peer of theirs, and all streams flow."""
    document = documents()[RELAY]
    relay = document["relay"]
    centre = f"key of centre/{CENTRE}"
    relay |= {"devices": [], "sources": {"connections": [], "halted": []}}
    relay["tunnel"]["peers"] = {centre: relay["tunnel"]["peers"][centre]}
    relay["paths"] = {p.name: _path_evidence(p._replace(on_demand=False)) for p in PATHS}
    comes = [(p.name, KNOWN_SITE if p.facility == "kcl-001" else OTHER_SITE) for p in PATHS]
    relay["publishing"] = {"sessions": [{"path": p, "address": a} for p, a in comes], "refused": {}}
    return document


def documents() -> dict[str, dict[str, Any]]:
    """The answers of both hosts, all well."""
    tunnel = {
        "routes": ["100.127.0.0/24", "100.64.0.0/16"],
        "peers": {
            f"key of centre/{CENTRE}": _live_peer("100.127.0.2"),
            "key of site/kcl-001": _live_peer("100.64.0.4"),
            "key of site/kcl-002": _live_peer("100.64.0.5"),
        },
    }
    relay = {
        "unit": "active",
        "api_error": "",
        "tunnel": tunnel,
        "devices": [{"address": a, "port": p, "outcome": "ok", "seconds": 0.01} for a, p in (RECORDER, OWN, OTHER)],
        "paths": {p.name: _path_evidence(p) for p in PATHS},
        "errors": {},
        "sources": sources_of([path for path in PATHS if not path.on_demand]),
    }
    centre = {
        "tunnel": {"routes": ["100.64.0.0/16"], "peers": {f"key of relay/{RELAY}": _live_peer("100.64.0.1")}},
        "relays": {RELAY: {p.name: _frame(p) for p in PATHS}},
    }
    return {
        RELAY: {"facts": facts(relay=True), "facts_error": "", "relay": relay, "seconds": 9.0},
        CENTRE: {"facts": facts(relay=False), "facts_error": "", "centre": centre, "seconds": 9.0},
    }


def answers(changed: Mapping[str, dict[str, Any]] | None = None) -> dict[str, HostAnswer]:
    """The hosts' answers, those of `changed` instead of the good ones."""
    every = documents() | dict(changed or {})
    return {host: HostAnswer(host, CallOutcome.ANSWERED, document) for host, document in every.items()}


def change(name: str = "/etc/provisioner/mediamtx.yml", host: str = RELAY) -> Change:
    """One difference of a host."""
    return Change(host, Resource.FILE, name, Action.UPDATE, Impact.PATH, "content differs")


def judged(
    given: Mapping[str, HostAnswer],
    drift: Mapping[str, Sequence[Change]] | None = None,
    access: Access = Access.PULL_PORTMAP,
    *,
    hub: bool = False,
) -> VerifyResult:
    """The result of answers, as `run.verify` does, without a runner."""
    wanted = select(state(access, hub=hub))
    evidence = {host: parse_evidence(answer) for host, answer in given.items()}
    known: dict[str, Sequence[Change]] = {e.host: () for e in evidence.values() if e.facts is not None}
    known.update({host: changes for host, changes in (drift or {}).items() if host in known})
    verdicts = judge(wanted, evidence, known, FINISHED)
    hosts = tuple(
        HostReport(e.host, e.outcome.value, e.error, pending(known[e.host]) if e.host in known else None, facts=e.facts)
        for e in evidence.values()
    )
    incidents = incidents_of(verdicts)
    return VerifyResult("mediamtx 1.20.1", STARTED, FINISHED, verdicts, incidents, hosts)


def printed(result: VerifyResult) -> str:
    """The document as `verify --output json` prints it."""
    return json.dumps(verify_document(result).plain, ensure_ascii=False, indent=2) + "\n"


def matching(pattern: str) -> list[str]:
    """The paths that a pattern names; a pattern that names none is a mistake of the test."""
    names = [p.name for p in PATHS if fnmatch(p.name, pattern)]
    assert names, f"{pattern} names no path"
    return names


def merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A document with some values replaced, however deep."""
    result = copy.deepcopy(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return result


class RecordingRunner:
    """A runner that gives prepared answers and keeps the calls."""

    def __init__(self, prepared: Mapping[str, HostAnswer]) -> None:
        self.prepared = prepared
        self.calls: list[HostCall] = []
        self.timeout_s = 0.0

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """The prepared answers of the hosts that are called."""
        self.calls, self.timeout_s = list(calls), timeout_s
        return {c.spec.id: self.prepared[c.spec.id] for c in calls if c.spec.id in self.prepared}


def observe_requests() -> dict[str, ObserveCall]:
    """How both hosts' facts are read."""
    request: wire.ObserveRequest = {
        "operation": "observe",
        "digest_key": "k",
        "files": [],
        "units": [],
        "program": None,
    }
    return {host: ObserveCall(request, {"nft": b"x"}) for host in (RELAY, CENTRE)}
