"""Hosts in memory: a double of the carrier of calls and of the hosts behind it.

It keeps what the on-host program would keep, and describes it with the on-host program's own functions.
What only a kernel can tell (what a rule means) is told apart by the bytes of the rules' file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from provisioner.diff import UNIT_REVERT, units_of
from provisioner.hosts import CallOutcome, HostAnswer, HostCall
from provisioner.render import MEDIAMTX_FILE, NFT_FILE, PSK_FILE, TUNNEL_FILE, WG_FILE
from provisioner_host import files as host_files
from provisioner_host import relay as host_relay
from provisioner_host import tunnel as host_tunnel

File = tuple[bytes, int, str, str]


@dataclass
class SimulatedHost:
    """One host: its files, and what of them is live."""

    files: dict[str, File] = field(default_factory=dict)
    rules: bytes | None = None
    peers: dict[str, dict[str, Any]] = field(default_factory=dict)
    link: dict[str, Any] | None = None
    units: set[str] = field(default_factory=set)
    programs: set[str] = field(default_factory=set)
    manifest: dict[str, Any] | None = None
    armed: dict[str, Any] | None = None
    viewers: dict[str, int] = field(default_factory=dict)
    reachable: bool = True
    writes: int = 0


class SimulatedHosts:
    """A `HostRunner` over hosts in memory; `before` is called with every operation and may break something."""

    def __init__(self) -> None:
        self.hosts: dict[str, SimulatedHost] = {}
        self.before: Callable[[str, str], object] = _nothing
        self.calls: list[tuple[str, str]] = []

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """Answer every call; a host that is not known yet is an empty one."""
        assert timeout_s > 0
        return {call.spec.id: self._answer(call) for call in calls}

    def _answer(self, call: HostCall) -> HostAnswer:
        operation = str(call.request["operation"])
        self.before(operation, call.spec.id)
        self.calls.append((operation, call.spec.id))
        host = self.hosts.setdefault(call.spec.id, SimulatedHost())
        if not host.reachable:
            return HostAnswer(call.spec.id, CallOutcome.UNREACHABLE, error="no route")
        document = {"observe": _observe, "apply": _apply, "confirm": _confirm}[operation](host, call)
        return HostAnswer(call.spec.id, CallOutcome.ANSWERED, document)


def _nothing(_operation: str, _host: str) -> None:
    """Break nothing."""


def _observe(host: SimulatedHost, call: HostCall) -> dict[str, Any]:
    request = call.request.get("observe", call.request)
    key = request["digest_key"]
    owned = sorted({*request["files"], *((host.manifest or {}).get("files", ()))})
    intended = call.files.get("nft")
    facts: dict[str, Any] = {
        "host": {"arch": "amd64", "python": "3.11.2", "boot_id": "boot"},
        "missing_packages": [],
        "manifest": host.manifest,
        "files": {path: _described(host.files.get(path), key) for path in owned},
        "units": {name: _unit(host, name) for name in request["units"]},
        "tunnel": _tunnel(host, key),
        "armed": host.armed,
        "keys": {},
        "firewall": {"present": host.rules is not None, "differences": _differences(host, intended)},
    }
    if request.get("program"):
        present = request["program"] in host.programs
        facts["program"] = {"present": present, "whole": present, "version": "v1.20.1" if present else ""}
        content = host.files.get(MEDIAMTX_FILE)
        facts["relay"] = host_relay.describe(content[0].decode(), key) if content else None
        running = content is not None and "provisioner-mediamtx.service" in host.units
        sentinel = facts["relay"]["sentinel"] if running else None
        told = {"version": "v1.20.1", "started": "", "sentinel": sentinel, "viewers": host.viewers}
        facts["runtime"] = told if running else None
    rests_on = {k: facts[k] for k in ("files", "units", "armed")} | {"rules": (host.rules or b"").decode()}
    rests_on["tunnel"] = host_tunnel.configuration(facts["tunnel"])
    facts["live_digest"] = host_files.keyed_digest(key, host_files.canonical(rests_on))
    return facts


def _described(file: File | None, key: str) -> dict[str, Any] | None:
    if file is None:
        return None
    content, mode, owner, group = file
    return {"digest": host_files.keyed_digest(key, content), "mode": mode, "owner": owner, "group": group}


def _unit(host: SimulatedHost, name: str) -> dict[str, Any]:
    on = name in host.units
    active = "active" if on and name != UNIT_REVERT else "inactive"
    return {"active": active, "enabled": "enabled" if on else "absent", "reload": False, "drop_ins": [], "pid": 0}


def _differences(host: SimulatedHost, intended: bytes | None) -> list[dict[str, str]]:
    if intended == host.rules:
        return []
    action = "create" if host.rules is None else "delete" if intended is None else "update"
    return [{"name": "table inet provisioner", "action": action}]


def _tunnel(host: SimulatedHost, key: str) -> dict[str, Any] | None:
    if host.link is None:
        return None
    peers = {
        name: {**peer, "psk": host_files.keyed_digest(key, peer["psk"].encode()), "handshake": 1}
        for name, peer in host.peers.items()
    }
    link = {"addresses": [host.link["address"]], "routes": sorted(host.link["routes"]), "mtu": host.link["mtu"]}
    return {"public_key": "", "listen_port": host.link["port"], **link, "peers": peers}


def _apply(host: SimulatedHost, call: HostCall) -> dict[str, Any]:
    request = call.request
    answer = {"cause": "", "steps": [{"name": "all", "seconds": 0.1}], "run": request["run"]}
    if host.armed is not None:
        return answer | {"outcome": "locked", "cause": f"run {host.armed['run']} waits"}
    facts = _observe(host, call)
    if facts["live_digest"] != request["expected_live_digest"]:
        return answer | {"outcome": "stale", "facts": facts}
    for path in set((host.manifest or {}).get("files", ())) - set(request["files"]):
        host.files.pop(path, None)
    for path, wanted in request["files"].items():
        host.files[path] = (call.files[wanted["content"]], wanted["mode"], wanted["owner"], wanted["group"])
    host.writes += 1
    _go_live(host, call)
    host.armed = {"run": request["run"]}
    return answer | {"outcome": "armed"}


def _go_live(host: SimulatedHost, call: HostCall) -> None:
    host.rules = host.files[NFT_FILE][0] if NFT_FILE in host.files else None
    psks = dict(line.split() for line in host.files[PSK_FILE][0].decode().splitlines())
    host.peers = {
        p["public_key"]: p | {"psk": psks[p["public_key"]]} for p in peers_in(host.files[WG_FILE][0].decode())
    }
    host.link = json.loads(host.files[TUNNEL_FILE][0]) | {"port": call.spec.tunnel.listen_port or 1}
    host.units = set(units_of(call.spec))
    if call.request["program"]:
        host.programs.add(call.request["program"]["path"])


def peers_in(conf: str) -> list[dict[str, Any]]:
    """Give the peers of a WireGuard file."""
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
            peers[-1]["keepalive_s"] = int(value)
    return peers


def _confirm(host: SimulatedHost, call: HostCall) -> dict[str, Any]:
    request = call.request
    if host.armed is None or host.armed["run"] != request["run"]:
        return {"outcome": "not-started", "cause": "not waiting", "steps": [], "run": request["run"]}
    host.armed = None
    host.manifest = {"files": sorted(request["files"]), "run": request["run"]}
    answer = {"outcome": "applied", "cause": "", "steps": [], "run": request["run"], "receipt": "/receipt"}
    return answer | {"facts": _observe(host, call)}
