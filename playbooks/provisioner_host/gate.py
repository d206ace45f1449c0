"""What the path gate looks at, before a switch and after it: paths that are read, sessions, peers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from provisioner_host import relay, source_log, tunnel, units
from provisioner_host.paths import SENTINEL_PREFIX, UNIT_MEDIAMTX
from provisioner_host.shell import Failed, scrub

if TYPE_CHECKING:
    from provisioner_host.wire import GateRequest, LookAnswer, RelayEvidenceAnswer, SessionAnswer, SessionsAnswer

_LOG_S = 60


def look(request: GateRequest | None) -> LookAnswer:
    """How the paths of the request are, and who reads what.

    The request names the `paths` that are read for a key frame, and how long that may take; without paths
    nothing is read. What could not be looked at is told as such and stops nothing.
    """
    now = sessions()
    return {"sessions": now, "relay": _evidence(request) if request and request["paths"] else None}


def sessions() -> SessionsAnswer:
    """Every path with its source and readers, every peer with its last handshake, and the relay's start.

    `paths` and `started` are None where there is no relay that answers.
    """
    now: SessionsAnswer = {"started": None, "paths": None, "peers": {}}
    try:
        listed = relay.api("/v3/paths/list?itemsPerPage=1000000")["items"]
        now["started"] = str(relay.api("/v3/info").get("started", ""))
        now["paths"] = {p["name"]: _path(p) for p in listed if not p["name"].startswith(SENTINEL_PREFIX)}
    except (Failed, OSError, KeyError):
        pass
    try:
        peers = tunnel.live_peers("") or {}
    except Failed:
        peers = {}
    now["peers"] = {name: peer["handshake"] for name, peer in peers.items()}
    return now


def _path(item: dict[str, Any]) -> SessionAnswer:
    online = bool(item.get("online"))
    return {
        "online": online,
        "since": str(item.get("onlineTime") or "") if online else "",
        "readers": sorted(str(reader.get("id", "")) for reader in item.get("readers") or ()),
    }


def _evidence(request: GateRequest) -> RelayEvidenceAnswer:
    """Gather what levels 4 and 5 of the ladder need, and no more: a relay's own failure shows in both."""
    from provisioner_host import probe  # noqa: PLC0415 (a change that looks at no path does without what reads)

    limits = probe.ProbeBudget(request)
    paths = {p["name"]: p for p in request["paths"]}
    first, error = probe.sample(paths)
    time.sleep(limits.sample_s)
    second, later = probe.sample(paths)
    reads = probe.reads_of_relay(request["address"], paths, (first, second), limits)
    try:
        unit = str(units.states([UNIT_MEDIAMTX])[UNIT_MEDIAMTX]["active"])
    except (Failed, KeyError):
        unit = "unknown"
    return {
        "unit": unit,
        "api_error": scrub(later or error),
        "tunnel": {"routes": [], "peers": {}},
        "devices": [],
        "paths": {name: {"samples": [first.get(name), second.get(name)], "read": reads.get(name)} for name in paths},
        "sources": None,
        "errors": source_log.last_errors(paths, _LOG_S),
    }
