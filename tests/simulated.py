"""Hosts in memory: a double of the carrier of calls and of the hosts behind it.

It keeps what the on-host program would keep, and describes it with the on-host program's own functions.
What only a kernel can tell (what a rule means) is told apart by the bytes of the rules' file.
"""

import base64
import copy
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from types import MappingProxyType
from typing import Any

from provisioner.base.recovery_key import pair_of
from provisioner.desired.owner import owner_in
from provisioner.desired.render.host import (
    MEDIAMTX_FILE,
    NFT_FILE,
    POLICY_FILE,
    PSK_FILE,
    TRUST_FILE,
    TUNNEL_FILE,
    WG_FILE,
    RenderedFile,
)
from provisioner.desired.spec import UNIT_MEDIAMTX, UNIT_REVERT, HostSpec, MediaPath, units_of
from provisioner.hosts.answers import wire
from provisioner.hosts.identity import may_be_declared_new, with_owner
from provisioner.hosts.observe import observe_request
from provisioner.hosts.runner import UNPROVED, CallOutcome, HostAnswer, HostCall, HostRunner, call_digest, call_refusal
from provisioner.operations.rollout.job import Job, RolloutOptions
from provisioner.operations.rollout.result import HostResult
from provisioner.operations.rollout.waves import roll_out
from provisioner.record.entries import JournalStep
from provisioner_host.change import apply as host_apply
from provisioner_host.machine import files as host_files
from provisioner_host.machine import units as host_units
from provisioner_host.relay import quarantine as host_quarantine
from provisioner_host.relay import relay as host_relay
from provisioner_host.state import frozen as host_held
from provisioner_host.state import keys as host_escrow
from provisioner_host.state import leases, revocable_texts
from provisioner_host.tunnel import key_change as host_key_change
from provisioner_host.tunnel import tunnel as host_tunnel
from provisioner_host.wire import HostEpoch, Tombstones

File = tuple[bytes, int, str, str]
GENERATIONS = 3

SWITCHED = 4_711.25  #: When each host switched, by its clock since its boot.

_LONG_AGO = 1_620_000_000
MOMENTS = (f"2021-05-{20 + n // 86400:02}T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}Z" for n in count())
#: What a host tells of sessions where no relay answers.
NO_SESSIONS: wire.SessionsAnswer = {
    "at": 0.0,
    "over_s": 0.0,
    "started": None,
    "paths": None,
    "peers": {},
    "rules": None,
    "changed": [],
    "quarantined": [],
}


def stream(
    since: str = "", received: int = 0, *, flowed: bool = False, readers: Iterable[str] = ()
) -> wire.SessionAnswer:
    """A path with a source, as a host tells of it."""
    return {"available": True, "since": since, "bytes": received, "flowed": flowed, "readers": list(readers)}


NO_STREAM: wire.SessionAnswer = {**stream(), "available": False}  #: A path without a source.


def peer_session(handshake: int, received: int, *networks: str) -> wire.PeerSessionAnswer:
    """A peer that may send from these networks, as a host tells of it."""
    return {"handshake": handshake, "received": received, "allowed_ips": list(networks)}


def live_rules(cameras: Iterable[str], rest: str, doors: str = "", around: str = "") -> wire.RulesAnswer:
    """The rules of a host as it tells of them."""
    return {"cameras": sorted(cameras), "rest": rest, "doors": doors, "around": around}


@dataclass
class SimulatedHost:
    """One host: its files, and what of them is live."""

    files: dict[str, File] = field(default_factory=dict)
    rules: bytes | None = None
    peers: dict[str, dict[str, Any]] = field(default_factory=dict)
    handshakes: dict[str, int] = field(default_factory=dict)
    link: dict[str, Any] | None = None
    units: set[str] = field(default_factory=set)
    programs: set[str] = field(default_factory=set)
    manifest: dict[str, Any] | None = None
    armed: dict[str, Any] | None = None
    viewers: dict[str, int] = field(default_factory=dict)
    readers: list[dict[str, Any]] | None = field(default_factory=list)
    tombstones: Tombstones = field(default_factory=lambda: Tombstones(peers={}, paths={}, users={}))
    dark: set[str] = field(default_factory=set)
    before: dict[str, Any] = field(default_factory=dict)
    last_good: dict[str, Any] | None = None
    elsewhere: list[str] = field(default_factory=list)
    generations: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    receipts: dict[str, tuple[str, str]] = field(default_factory=dict)
    heads: list[dict[str, Any]] = field(default_factory=list)
    reachable: bool = True
    ssh_peer: str = ""
    sentinel: str = ""
    silent: bool = False
    clock_off_s: float = 0.0
    disks: list[dict[str, Any]] = field(default_factory=list)
    firewalls: list[str] = field(default_factory=list)
    routes_elsewhere: list[dict[str, str]] = field(default_factory=list)
    way_out: dict[str, Any] | None = None
    ports_taken: list[dict[str, Any]] = field(default_factory=list)
    restarts: int = 0
    public_key: str = ""
    private_key: str = ""
    next_key: str = ""
    moved: dict[str, int] = field(default_factory=dict)
    is_new_hardware: bool = False
    proves: bool = True
    identity: str = ""
    owner: dict[str, Any] | None = None
    runs_without_file: bool = False
    overriding: list[str] = field(default_factory=list)
    writes: int = 0
    epoch: HostEpoch | None = None

    def settle(self) -> None:
        """Bring the tunnel to its file, each site's addresses at the peer that spoke last, as the host's unit does."""
        self.peers = _peers(self.files, self.handshakes)


class SimulatedHosts:
    """A `HostRunner` over hosts in memory; `before` and `after` see every operation and may break something."""

    def __init__(self) -> None:
        self.hosts: dict[str, SimulatedHost] = {}
        self.before: Callable[[str, str], object] = _nothing
        self.after: Callable[[str, str], object] = _nothing
        self.calls: list[tuple[str, str]] = []
        self.read_script: Callable[[HostCall], HostAnswer] = _no_shell

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """Answer every call; a host that is not known yet is an empty one."""
        assert timeout_s > 0
        return {call.spec.id: self._answer(call) for call in calls}

    def _answer(self, call: HostCall) -> HostAnswer:
        operation = str(call.request["operation"])
        self.before(operation, call.spec.id)
        if call.script is not None:
            return self.read_script(call)
        refuse_strange(call)
        host = self.hosts.setdefault(call.spec.id, SimulatedHost())
        if not host.reachable:
            return HostAnswer(call.spec.id, CallOutcome.UNREACHABLE, error="no route")
        if (refused := _refused(host, call)) is not None:
            return refused
        self.calls.append((operation, call.spec.id))
        operations = {
            "observe": _observe,
            "keys": _keys,
            "release": _release,
            "remove": _remove,
            "apply": _apply,
            "rollback": _rollback,
            "look": _look,
            "confirm": _confirm,
            "abort": _abort,
            "status": _status,
            "probe": _probe,
        }
        document = operations[operation](host, call)
        self.after(operation, call.spec.id)
        return HostAnswer(call.spec.id, CallOutcome.ANSWERED, document)


def refuse_strange(call: HostCall) -> None:
    """Hold a call against what hosts take, as real ones do.

    Raises:
        AssertionError: a host would refuse it.
    """
    sizes = {name: len(content) for name, content in call.files.items()}
    request = json.loads(json.dumps(call.request))
    refusal = call_refusal(request, sizes | ({"artefact": 1} if call.artefact else {}), call.spec.side)
    assert not refusal, f"{call.request['operation']}: it {refusal}"
    assert "meant" not in request or request["meant"] == call_digest(request, call.files)


def _no_shell(call: HostCall) -> HostAnswer:
    return HostAnswer(call.spec.id, CallOutcome.FAILED, error="no shell")


def _refused(host: SimulatedHost, call: HostCall) -> HostAnswer | None:
    """What comes of a host that does not prove itself, or may not be taken for new."""
    known = {call.spec.identity.reveal()} | (set() if host.is_new_hardware else {""})
    proves = host.proves and host.identity in known
    if proves and not call.unproved:
        return None
    something = host.owner or host.identity or host.manifest
    owner = owner_in(json.dumps(host.owner or {})) if something else None
    later = call.request["operation"] in {"look", "confirm", "abort", "status"}
    if call.unproved and (later or may_be_declared_new(call.spec, owner)):
        return None
    unproved = HostAnswer(call.spec.id, CallOutcome.UNPROVED, error=UNPROVED, owner=owner, bare=not something)
    return with_owner(call.spec, unproved)


def _mark(call: HostCall, run: str) -> dict[str, Any] | None:
    owner = call.request.get("owner")
    return {**owner, "run": run, "at": next(MOMENTS), "who": call.request["who"]} if owner else None


def _refuse_moved(host: SimulatedHost, call: HostCall) -> str:
    last: str = (host.manifest or {}).get("run", "")
    now = last, (host.owner or {}).get("at", "")
    assert (call.request["run"], call.request["marked"]) == now, "the host is the one that was looked at"
    return last


def _release(host: SimulatedHost, call: HostCall) -> dict[str, Any]:
    last = _refuse_moved(host, call)
    host.owner = {**(_mark(call, last) or {}), "released": True}
    return {"released": True}


def _remove(host: SimulatedHost, call: HostCall) -> dict[str, Any]:
    _refuse_moved(host, call)
    assert set(host.peers) <= set(call.request["peers"])
    host.__init__(is_new_hardware=True)  # type: ignore[misc]  # all that it was is gone
    return {"removed": True, "notes": []}


def _keys(host: SimulatedHost, call: HostCall) -> dict[str, Any]:
    if "identity" in call.files:
        host.identity = call.files["identity"].decode().strip()
    host.owner = host.owner or _mark(call, "")
    digest = hashlib.sha256(call.spec.id.encode()).digest()
    hashed = "sha256:" + base64.b64encode(hashlib.sha256(digest).digest() if host.is_new_hardware else digest).decode()
    if brought := call.request.get("restores"):
        host.private_key = call.files["tunnel-key"].decode().strip()
        assert _public_key(host.private_key) == brought
    # Most tests need no pair, only something of the form of a key.
    private_key = host.private_key or base64.b64encode(digest).decode()
    public_key = _public_key(private_key) if host.private_key else private_key
    host.public_key = public_key if host.private_key else host.public_key
    answer: dict[str, Any] = {"public_key": public_key, "api_hash": hashed, "probe_hash": hashed}
    if "following" in call.request:
        brought_next = call.files.get("next-key", b"").decode().strip()
        host.next_key = brought_next or host.next_key or base64.b64encode(os.urandom(32)).decode()
        answer["following"] = _public_key(host.next_key)
        assert call.request["following"] in {"", answer["following"]}
        if order := call.request.get("seal"):
            answer["sealed_following"] = host_escrow.seal(host.next_key, answer["following"], order)
    if order := call.request.get("seal"):
        return answer | {"sealed": host_escrow.seal(private_key, public_key, order)}
    return answer


def _public_key(private_key: str) -> str:
    return pair_of(base64.b64decode(private_key)).public_key


def _nothing(_operation: str, _host: str) -> None:
    """Break nothing."""


def installed(spec: HostSpec, files: Sequence[RenderedFile]) -> SimulatedHost:
    """A host that holds what it should, as a confirmed apply leaves it."""
    request, _ = observe_request(spec, files)
    contents = {file.path: (file.content, file.mode, file.owner, file.group) for file in files}
    host = SimulatedHost(files=contents, identity=spec.identity.reveal(), manifest={"files": sorted(contents)})
    host.ssh_peer = str(next(iter(spec.firewall.management_networks[0].hosts()))) if spec.firewall else ""
    _go_live(host, HostCall(spec, {"program": {"path": request["program"]} if request["program"] else None}))
    return host


def facts_of(host: SimulatedHost, call: HostCall) -> dict[str, Any]:
    """A host's facts, as the on-host program describes what it holds."""
    return _observe(host, call)


def _observe(host: SimulatedHost, call: HostCall) -> dict[str, Any]:
    request = call.request.get("observe", call.request)
    key = request["digest_key"]
    owned = sorted({*request["files"], *((host.manifest or {}).get("files", ()))})
    intended = call.files.get("nft")
    held = request.get("held", ())
    marked = _relay_text(host)
    texts = {
        path: host_quarantine.whole(file[0].decode()) for path, file in host.files.items() if path in host_held.FILES
    }
    without, parts = host_held.taken(texts, held, key)
    if intended is not None:
        intended = host_held.put_back({NFT_FILE: intended.decode()}, parts, key)[NFT_FILE].encode()
    facts: dict[str, Any] = {
        "host": {
            "arch": "amd64",
            "python": "3.11.2",
            "boot_id": "boot",
            "os": {"id": "", "version": "", "like": []},
            "ssh_peer": host.ssh_peer or _inside(call),
            "selinux": "off",
        },
        "missing_programs": [],
        "manifest": host.manifest,
        "files": {path: _described(_whole(host.files.get(path)), key) for path in owned},
        "units": {name: _unit(host, name) for name in request["units"]},
        "tunnel": _tunnel(host, key),
        "armed": host.armed,
        "generations": [{"run": run, "number": 1, "at": _LONG_AGO} for run, _ in reversed(host.generations)],
        "keys": {},
        "firewall": {"present": host.rules is not None, "differences": _differences(host, intended)},
        "owner": host.owner,
        "epoch": host.epoch["number"] if host.epoch else 0,
        "trust": _json(host, TRUST_FILE),
        "policy": _json(host, POLICY_FILE),
    }
    if held:
        facts["held"] = host_held.answer_of(texts, without, parts, key)
    if listed := host_quarantine.answer_of(marked, key):
        facts["quarantine"] = listed
    if request.get("receipts"):
        facts["receipts"] = host.heads
    if call.request["operation"] == "observe":
        facts["disks"] = host.disks
        facts["routes_elsewhere"] = host.routes_elsewhere
        facts["way_out"] = host.way_out
        facts["ports_taken"] = host.ports_taken if request.get("ports") else []
        facts["clock"] = [time.time() + host.clock_off_s] * 2
    if request.get("program"):
        facts["firewalls"] = host.firewalls
        present = request["program"] in host.programs
        facts["program"] = {"present": present, "whole": present, "version": "1.20.1" if present else ""}
        content = host.files.get(MEDIAMTX_FILE)
        facts["relay"] = host_relay.describe(without[MEDIAMTX_FILE], key) if content else None
        if content:
            facts["relay"]["sentinel"] = host_quarantine.sentinel_in(host_quarantine.whole(marked)) or None
        there = content is not None or host.runs_without_file
        running = there and "provisioner-mediamtx.service" in host.units and not host.silent
        sentinel = host.sentinel or (facts["relay"]["sentinel"] if content and running else None)
        runtime = {"version": "v1.20.1", "started": "", "sentinel": sentinel, "viewers": host.viewers}
        runtime["readers"] = host.readers
        facts["runtime"] = runtime if running else None
    rests_on = {k: facts[k] for k in ("files", "units", "armed")} | {"rules": (host.rules or b"").decode()}
    pairs = host_key_change.pairs_in(host.files[WG_FILE][0].decode()) if WG_FILE in host.files else ()
    rests_on["tunnel"] = host_tunnel.configuration(facts["tunnel"], pairs)
    facts["live_digest"] = host_files.keyed_digest(key, host_files.canonical(rests_on))
    return facts


def _relay_text(host: SimulatedHost) -> str:
    """MediaMTX's file as it lies there, with the marks of what is quarantined."""
    return host.files[MEDIAMTX_FILE][0].decode() if MEDIAMTX_FILE in host.files else ""


def _whole(file: File | None) -> File | None:
    return file and (host_quarantine.whole_content(file[0]), *file[1:])


def _json(host: SimulatedHost, path: str) -> object:
    return json.loads(host.files[path][0]) if path in host.files else None


def spec_of(call: HostCall) -> HostSpec:
    """The host's whole desired state, which a real one is not shown."""
    assert isinstance(call.spec, HostSpec)
    return call.spec


def _inside(call: HostCall) -> str | None:
    """An address from which SSH may come: where the controller is, unless a test says otherwise."""
    firewall = spec_of(call).firewall
    return str(next(iter(firewall.management_networks[0].hosts()))) if firewall else None


def _described(file: File | None, key: str) -> dict[str, Any] | None:
    if file is None:
        return None
    content, mode, owner, group = file
    return {"digest": host_files.keyed_digest(key, content), "mode": mode, "owner": owner, "group": group}


def _unit(host: SimulatedHost, name: str) -> dict[str, Any]:
    on = name in host.units
    active = "active" if on and name != UNIT_REVERT else "inactive"
    return {
        "active": active,
        "enabled": "enabled" if on else "absent",
        "reload": False,
        "drop_ins": host.overriding,
        "pid": 0,
    }


def _differences(host: SimulatedHost, intended: bytes | None) -> list[dict[str, str]]:
    if intended == host.rules:
        return []
    action = "create" if host.rules is None else "delete" if intended is None else "update"
    return [{"name": "table inet provisioner", "action": action}, *_asked_otherwise(host.rules, intended)]


def _asked_otherwise(live: bytes | None, intended: bytes | None) -> list[dict[str, str]]:
    """The elements of the set of who is asked by ONVIF that differ: plans tell of sites by these."""
    was, is_now = (
        set(revocable_texts.elements_in((text or b"").decode()).get("onvif", ())) for text in (live, intended)
    )
    return [
        {"name": f"element onvif {one}", "action": "create" if one in is_now else "delete"}
        for one in sorted(was ^ is_now)
    ]


def _tunnel(host: SimulatedHost, key: str) -> dict[str, Any] | None:
    if host.link is None:
        return None
    peers = {
        name: {
            "public_key": name,
            **peer,
            "psk": host_files.keyed_digest(key, peer["psk"].encode()),
            "handshake": peer.get("handshake", 1),
            "received_bytes": 0,
            "sent_bytes": 0,
        }
        for name, peer in host.peers.items()
    }
    link = {"addresses": [host.link["address"]], "routes": sorted(host.link["routes"]), "mtu": host.link["mtu"]}
    answer = {"public_key": host.public_key, "listen_port": host.link["port"], **link, "peers": peers}
    if following := host.link.get("following"):
        answer["following"] = {
            "public_key": following["public_key"],
            "listen_port": following["port"],
            "addresses": link["addresses"],
            "mtu": link["mtu"],
            "alike": True,
            "moved": {key: at for key, at in sorted(host.moved.items()) if key in peers},
        }
    return answer


def _apply(host: SimulatedHost, call: HostCall) -> dict[str, Any]:
    request = call.request
    answer = _answer(request["run"], "armed")
    if (ended := _not_begun(host, call)) is not None:
        return answer | ended
    facts = _observe(host, call)
    if facts["live_digest"] != request["expected_live_digest"]:
        return answer | {"outcome": "stale", "facts": facts}
    if host.silent and UNIT_MEDIAMTX not in request["restart"]:
        return answer | {"outcome": "stale", "cause": f"{UNIT_MEDIAMTX} does not answer", "facts": facts}
    if "identity" in call.files:
        host.identity = call.files["identity"].decode().strip()
    host.restarts += bool(request["restart"])
    host.last_good, host.before, host.silent = _state(host), _looked(host, call), False
    for path in set((host.manifest or {}).get("files", ())) - set(request["files"]):
        host.files.pop(path, None)
    contents = _kept(host, call)
    for path, wanted in request["files"].items():
        host.files[path] = (contents[path], wanted["mode"], wanted["owner"], wanted["group"])
    host.writes += 1
    _go_live(host, call)
    host.armed = {"run": request["run"], "kind": "apply", "target": ""}
    host.elsewhere = list(request["elsewhere"])
    return answer | {"before": host.before, "switched": SWITCHED}


def _not_begun(host: SimulatedHost, call: HostCall) -> dict[str, Any] | None:
    """Tell why a run does not begin, as a host does before anything else; else take its epoch."""
    request = call.request
    run, number = str(request["run"]), request.get("epoch")
    if (past := host.receipts.get(run)) is not None:
        return {"outcome": "refused", "cause": f"run {run} is over on this host: {past[0]}"}
    if overtaken := leases.epoch_refusal(host.epoch, run, number):
        return {"outcome": "stale", "cause": overtaken}
    if host.armed is not None:
        holder = {"run": host.armed["run"], "who": "somebody", "since": "", "due": 60.0}
        return {"outcome": "locked", "cause": f"run {host.armed['run']} waits", "holder": holder}
    if number is not None:
        host.epoch = {"number": number, "run": run, "who": str(request["who"]), "at": "2021-05-20T00:00:00Z"}
    return None


def _kept(host: SimulatedHost, call: HostCall) -> dict[str, bytes]:
    """What is to be written, with what is held as the host has it."""
    wanted = {path: call.files[file["content"]] for path, file in call.request["files"].items()}
    key, held = call.request["observe"]["digest_key"], call.request["observe"].get("held", ())
    present = ((path, host.files[path][0].decode()) for path in host_held.FILES if path in host.files)
    _, parts = host_held.taken({path: host_quarantine.whole(text) for path, text in present}, held, key)
    staged = {path: wanted[path].decode() for path in host_held.FILES if path in wanted}
    whole = host_held.put_back(staged, parts, key)
    if MEDIAMTX_FILE in whole:
        lift = call.request.get("lift", ())
        whole[MEDIAMTX_FILE] = host_quarantine.carried_over(whole[MEDIAMTX_FILE], _relay_text(host), lift)
    return wanted | {path: text.encode() for path, text in whole.items()}


def _go_live(host: SimulatedHost, call: HostCall) -> None:
    host.rules = host.files[NFT_FILE][0] if NFT_FILE in host.files else None
    host.settle()
    before = (host.link or {}).get("following")
    host.link = json.loads(host.files[TUNNEL_FILE][0]) | {"port": spec_of(call).tunnel.listen_port or 1}
    if (after := host.link.get("following")) is not None:
        assert after["public_key"] == _public_key(host.next_key), "the next key is born on the host"
    elif before is not None:
        if host.link["port"] == before["port"]:  # it takes the first one's place
            host.public_key, host.private_key = before["public_key"], host.next_key
        host.next_key, host.moved = "", {}
    host.units = set(units_of(spec_of(call)))
    host.overriding = [path for path in host.overriding if not host_units.of_ours(path)]
    if call.request["program"]:
        host.programs.add(call.request["program"]["path"])


def _peers(files: dict[str, File], handshakes: Mapping[str, int] = MappingProxyType({})) -> dict[str, dict[str, Any]]:
    psks = dict(line.split() for line in files[PSK_FILE][0].decode().splitlines())
    conf = host_key_change.settled(files[WG_FILE][0].decode(), handshakes)
    return {p["public_key"]: p | {"psk": psks[p["public_key"]]} for p in peers_in(conf)}


def peers_in(conf: str) -> list[dict[str, Any]]:
    """The peers of a WireGuard file."""
    peers: list[dict[str, Any]] = []
    for line in conf.splitlines():
        name, _, value = line.partition(" = ")
        if line == "[Peer]":
            peers.append({"public_key": "", "endpoint": None, "allowed_ips": [], "keepalive_s": None})
        elif name == "PublicKey":
            peers[-1]["public_key"] = value
        elif name == "AllowedIPs":
            peers[-1]["allowed_ips"] = sorted(value.split(", "))
        elif name == "Endpoint":
            peers[-1]["endpoint"] = value
        elif name == "PersistentKeepalive":
            peers[-1]["keepalive_s"] = None if value == "off" else int(value)
    return peers


def _probe(host: SimulatedHost, call: HostCall) -> dict[str, Any]:
    """Tell what a visit sees: as a look, of each path that is asked for, with the host's facts."""
    asked = call.request.get("relay")
    answer: dict[str, Any] = {"facts": _observe(host, call), "facts_error": "", "seconds": 1.0}
    if asked:
        answer["relay"] = _looked(host, replace(call, request={"gate": asked}))["relay"]
    return answer


def _over(host: SimulatedHost, run: str) -> dict[str, Any] | None:
    if host.armed is not None and host.armed["run"] == run:
        return None
    receipt = host.receipts.get(run)
    if receipt is None:
        return _answer(run, "not-started", "nothing is known of this run here")
    return _answer(run, *receipt) | {"receipt": "/receipt"}


def _look(host: SimulatedHost, call: HostCall) -> dict[str, Any]:
    run = str(call.request["run"])
    return _over(host, run) or _answer(run, "armed") | {"after": _looked(host, call)}


def _looked(host: SimulatedHost, call: HostCall) -> dict[str, Any]:
    """Tell what a look sees: every path gives the picture that the inventory declares, but those that are dark."""
    wanted, live = {path.name: path for path in spec_of(call).paths}, _paths(_state(host))
    paths = {}
    for asked in (call.request.get("gate") or {}).get("paths", ()):
        path = wanted[asked["name"]]
        sample = {"available": True, "online": True, "inbound_bytes": 0, "tracks": []}
        read = {"codec": path.codec, "width": path.width, "height": path.height}
        dark = path.name in host.dark or path.name not in live
        paths[path.name] = {
            "samples": [sample, sample | {"inbound_bytes": 0 if dark else 9}],
            "read": {"error": "no frame", "status": None} if dark else read,
        }
    relay: dict[str, Any] = {
        "unit": "active",
        "api_error": "",
        "tunnel": {"routes": [], "peers": {}},
        "devices": [],
        "errors": {},
        "sources": None,
    }
    looked = {"sessions": NO_SESSIONS, "relay": relay | {"paths": paths} if paths else None}
    return looked | ({"first": NO_SESSIONS} if (call.request.get("gate") or {}).get("first") else {})


def sources_of(paths: Iterable[MediaPath], silent: Collection[str] = ()) -> dict[str, Any]:
    """Where a relay is connected that pulls these paths, each from its own device; some of them bring nothing."""
    all_counts, silent_counts = Counter[tuple[str, int]](), Counter[tuple[str, int]]()
    for path in paths:
        device = str(path.pulled.address), path.pulled.port
        all_counts[device] += 1
        silent_counts[device] += path.name in silent
    return {
        "connections": [
            {"address": device[0], "port": device[1], "count": count, "flowing": count - silent_counts[device]}
            for device, count in sorted(all_counts.items())
        ],
        "halted": [],
    }


def _answer(run: str, outcome: str, cause: str = "") -> dict[str, Any]:
    return {"outcome": outcome, "cause": cause, "steps": [{"name": "all", "seconds": 0.1}], "run": run, "notes": []}


def _confirm(host: SimulatedHost, call: HostCall) -> dict[str, Any]:
    run = str(call.request["run"])
    if (over := _over(host, run)) is not None:
        return over
    armed, host.armed = host.armed or {}, None
    if armed["kind"] == "rollback":
        numbers = [n for n, (name, _) in enumerate(host.generations) if name == armed["target"]]
        host.generations = host.generations[: numbers[0]]
    else:
        host.manifest = {"files": sorted(call.request["files"])}
        _bury(host)
        host.identity, host.owner = call.spec.identity.reveal(), _mark(call, run) or host.owner
    host.manifest = {**(host.manifest or {}), "run": run, "record": call.request.get("record")}
    host.generations = [*host.generations, (run, host.last_good or {})][-GENERATIONS:]
    host.receipts[run] = ("applied", "")
    host.heads += [call.request["record"]] if call.request.get("record") else []
    return _answer(run, "applied") | {"receipt": "/receipt", "facts": _observe(host, call)}


def texts_in(files: dict[str, File]) -> revocable_texts.RevocableTexts:
    """What can be revoked in a host's files."""
    names = (MEDIAMTX_FILE, WG_FILE, PSK_FILE, NFT_FILE)
    return revocable_texts.RevocableTexts(*(files[name][0].decode() if name in files else "" for name in names))


def _bury(host: SimulatedHost) -> None:
    """Take what a confirmed apply removed out of what is kept, as the on-host program does."""
    now = texts_in(host.files)
    had, has = (
        revocable_texts.holdings(texts_in((host.last_good or {}).get("files", {}))),
        revocable_texts.holdings(now),
    )
    moved = set(host.elsewhere)

    def of(kind: Any) -> dict[str, str]:
        names = {**host.tombstones[kind], **{name: "run" for name in had[kind] if name not in moved}}  # type: ignore[literal-required]
        return {name: run for name, run in names.items() if name not in has[kind]}

    host.tombstones = {"peers": of("peers"), "paths": of("paths"), "users": of("users")}
    host.last_good = _without(host.last_good or {}, host, host.tombstones)
    host.generations = [(run, _without(state, host, host.tombstones)) for run, state in host.generations]


def _unwanted(state: dict[str, Any], host: SimulatedHost, call: HostCall) -> Tombstones:
    saved, now = texts_in(state.get("files", {})), texts_in(host.files)
    gone = revocable_texts.unwanted(saved, now, call.request["wanted"], call.request["digest_key"])
    return {
        "peers": {**host.tombstones["peers"], **gone["peers"]},
        "paths": {**host.tombstones["paths"], **gone["paths"]},
        "users": {**host.tombstones["users"], **gone["users"]},
    }


def _without(state: dict[str, Any], host: SimulatedHost, stones: Tombstones) -> dict[str, Any]:
    files = dict(state.get("files", {}))
    if WG_FILE not in files:
        return state
    cleaned, _ = revocable_texts.without(texts_in(files), texts_in(host.files), stones)
    for name, text in zip((MEDIAMTX_FILE, WG_FILE, PSK_FILE, NFT_FILE), cleaned, strict=True):
        if name in files:
            files[name] = (text.encode(), *files[name][1:])
    return state | {"files": files, "rules": files[NFT_FILE][0] if NFT_FILE in files else None, "peers": _peers(files)}


def _abort(host: SimulatedHost, call: HostCall) -> dict[str, Any]:
    run = str(call.request["run"])
    if (over := _over(host, run)) is not None:
        return over
    go_back(host, str(call.request["cause"]))
    return _answer(run, "rolled-back", str(call.request["cause"]))


def go_back(host: SimulatedHost, cause: str) -> None:
    """Return to last-good, as the host does by itself when nobody confirms."""
    assert host.armed is not None
    assert host.last_good is not None
    run = str(host.armed["run"])
    for name in _OWN_KEYS:
        setattr(host, name, host.last_good[name])
    _put(host, host.last_good)
    host.armed = None
    host.receipts[run] = ("rolled-back", cause)


def _status(host: SimulatedHost, call: HostCall) -> dict[str, Any]:
    run = str(call.request["run"])
    return _over(host, run) or _answer(run, "armed") | {"before": host.before}


def _rollback(host: SimulatedHost, call: HostCall) -> dict[str, Any]:
    run, target = str(call.request["run"]), str(call.request["target"])
    if (ended := _not_begun(host, call)) is not None:
        return _answer(run, ended["outcome"], ended["cause"]) | ended
    kept = dict(host.generations)
    if not target and host.generations:
        target = host.generations[-1][0]
    if target not in kept:
        return _answer(run, "refused", f"this host keeps no state of before {target}")
    if kept[target].get("manifest") is None and not call.request.get("bare"):
        return _answer(run, "refused", host_apply.BARE.format(target))
    host.last_good = _state(host)
    kept[target] = _without(kept[target], host, _unwanted(kept[target], host, call))
    kept[target] = _with_held(kept[target], host, call)
    then, now = _paths(kept[target]), _paths(host.last_good)
    host.armed = {"run": run, "kind": "rollback", "target": target}
    host.writes += 1
    host.before = _looked(host, call)
    _put(host, kept[target])
    affected = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    removed = sorted(set(now) - set(then))
    seen = {"before": host.before, "switched": SWITCHED}
    return _answer(run, "armed") | seen | {"affected": affected, "removed": removed}


def _with_held(state: dict[str, Any], host: SimulatedHost, call: HostCall) -> dict[str, Any]:
    """A state that keeps what the host has now of what is held."""
    held, key = call.request["held"], call.request["digest_key"]
    now, then = (
        {path: files[path][0].decode() for path in host_held.FILES if path in files}
        for files in (host.files, state.get("files", {}))
    )
    if not (held and then):
        return state
    whole = host_held.put_back(host_held.taken(then, held, key)[0], host_held.taken(now, held, key)[1], key)
    files = state["files"] | {path: (text.encode(), *state["files"][path][1:]) for path, text in whole.items()}
    return state | {"files": files, "rules": files[NFT_FILE][0], "peers": _peers(files)}


def _paths(state: dict[str, Any]) -> dict[str, Any]:
    content = state.get("files", {}).get(MEDIAMTX_FILE)
    return dict(host_relay.describe(content[0].decode(), "")["paths"]) if content else {}


_STATE = ("files", "rules", "peers", "link", "units", "manifest")
#: What a return to last-good brings back, and no other state has.
_OWN_KEYS = ("public_key", "private_key", "next_key", "moved")


def _state(host: SimulatedHost) -> dict[str, Any]:
    return {name: copy.deepcopy(getattr(host, name)) for name in (*_STATE, *_OWN_KEYS)}


def _put(host: SimulatedHost, state: dict[str, Any]) -> None:
    for name in _STATE:
        setattr(host, name, copy.deepcopy(state[name]))


class MemoryJournal:
    """A journal in memory, for hosts in memory."""

    def __init__(self) -> None:
        self.steps: list[JournalStep] = []

    def write(self, step: JournalStep) -> None:
        """Write a step."""
        self.steps.append(step)


def apply(
    jobs: Sequence[Job], run_id: str, runner: HostRunner, options: RolloutOptions | None = None
) -> tuple[HostResult, ...]:
    """Change the hosts of the jobs, by default with the usual options."""
    return roll_out(jobs, run_id, runner, options or RolloutOptions(), MemoryJournal()).results
