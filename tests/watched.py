"""Hosts in memory that also answer probes and looks: every camera sends, unless a test says that it is silent."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from provisioner.desired.spec import HostSpec, MediaPath
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from tests.simulated import SimulatedHosts, sources_of, spec_of


class WatchedHosts(SimulatedHosts):
    """Hosts whose cameras send, but for the paths in `silent`."""

    def __init__(self) -> None:
        super().__init__()
        self.silent: set[str] = set()
        self._specs: dict[str, HostSpec] = {}

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        """Answer every call; a probe with what a relay and a centre would tell of such cameras."""
        self._specs |= {call.spec.id: spec_of(call) for call in calls}
        own = {"probe": self._probed, "flow": self._flows}
        others = [call for call in calls if call.request["operation"] not in own]
        answers = super().call(others, timeout_s=timeout_s)
        answered = (call for call in calls if call.request["operation"] in own)
        return answers | {call.spec.id: own[call.request["operation"]](call) for call in answered}

    def _flows(self, call: HostCall) -> HostAnswer:
        if call.spec.id in self.hosts and not self.hosts[call.spec.id].reachable:
            return HostAnswer(call.spec.id, CallOutcome.UNREACHABLE, error="no route")
        flows = {name: name not in self.silent for name in call.request["paths"]}
        answer = {"unit": "active", "api_error": "", "flows": flows, "seconds": 0.1}
        return HostAnswer(call.spec.id, CallOutcome.ANSWERED, answer)

    def _probed(self, call: HostCall) -> HostAnswer:
        observed = replace(call, request={"operation": "observe", **call.request["observe"]})
        answer = super().call([observed], timeout_s=1.0)[call.spec.id]
        if answer.outcome is not CallOutcome.ANSWERED:
            return answer
        document: dict[str, Any] = {"facts": answer.document, "facts_error": "", "seconds": 1.0}
        tunnel = {
            "routes": [str(route) for route in spec_of(call).tunnel.routes],
            "peers": {
                peer.public_key: _peer([str(ip) for ip in peer.allowed_ips]) for peer in spec_of(call).tunnel.peers
            },
        }
        if "relay" in call.request:
            document["relay"] = self._relay(call, tunnel)
        if "centre" in call.request:
            document["centre"] = {"tunnel": tunnel, "relays": self._read_at_centre(call)}
        return HostAnswer(call.spec.id, CallOutcome.ANSWERED, document)

    def _relay(self, call: HostCall, tunnel: dict[str, Any]) -> dict[str, Any]:
        asked = {path["name"]: path for path in call.request["relay"]["paths"]}
        devices = {(path["address"], path["port"]) for path in asked.values()}
        return {
            "unit": "active",
            "api_error": "",
            "tunnel": tunnel,
            "devices": [{"address": a, "port": p, "outcome": "ok", "seconds": 0.01} for a, p in sorted(devices)],
            "paths": {path.name: self._sent(path) for path in spec_of(call).paths if path.name in asked},
            "errors": {},
            "sources": sources_of([p for p in spec_of(call).paths if p.name in asked and not p.on_demand], self.silent),
        }

    def _sent(self, path: MediaPath) -> dict[str, Any]:
        sends = path.name not in self.silent
        sample: dict[str, Any] = {
            "available": sends,
            "online": sends,
            "inbound_bytes": 9000 if sends else 0,
            "tracks": [],
        }
        idle = sample | {"available": not path.on_demand and sends, "inbound_bytes": 0}
        read = self._read(path) | {"after": sample, "pulled": 2, "connected": 2}
        return {"samples": [idle, idle if path.on_demand else sample], "read": read}

    def _read(self, path: MediaPath) -> dict[str, Any]:
        if path.name in self.silent:
            return {"error": "no picture came", "timed_out": True, "seconds": 25.0}
        codec = "hevc" if path.codec == "h265" else path.codec
        return {"codec": codec, "width": path.width, "height": path.height, "seconds": 1.0}

    def _read_at_centre(self, call: HostCall) -> dict[str, Any]:
        reads = {}
        for one in call.request["centre"]["relays"]:
            paths = {path.name: path for path in self._specs[one["relay"]].paths}
            reads[one["relay"]] = {name: self._read(paths[name]) for name in one["paths"]}
        return reads


def _peer(allowed_ips: list[str]) -> dict[str, Any]:
    moved = {"received_bytes": [1000, 2000], "sent_bytes": [1000, 2000]}
    return {"allowed_ips": allowed_ips, "handshake_age_s": 30, **moved}
