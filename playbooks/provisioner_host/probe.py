"""Evidence about every camera path, gathered in one visit. What it means is judged on the controller."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from provisioner_host import observe, reach, relay, source_log, units
from provisioner_host.paths import PROBE_PASSWORD, RTSP_PORT, UNIT_MEDIAMTX
from provisioner_host.rtsp_reader import Login, read
from provisioner_host.shell import Failed, scrub

_LOG_S = 90
# A read that is cut this short says nothing about the camera.
_SHORTEST_READ_S = 5
_PROBE_USER = "probe"

Reads = dict[str, dict[str, Any]]


class ProbeLimits:
    """How long and how many at once."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.begun = time.monotonic()
        self.until = self.begun + float(request["deadline_s"])
        self.readers = int(request.get("max_readers", 8))
        self.sample_s = float(request.get("sample_s", 5))
        self.connect_s = float(request.get("connect_s", 5))
        self.read_s = float(request.get("read_s", 25))

    def read_timeout(self) -> float:
        """How long a read that starts now may take; 0 when it is too late to start one."""
        left = self.until - time.monotonic()
        return min(self.read_s, left) if left >= _SHORTEST_READ_S else 0


def probe(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Gather a host's facts, and the evidence about the paths that the request names.

    The request's `relay` holds the paths of a relay, its `centre` the relays that a centre reads from.
    """
    limits = ProbeLimits(request)
    answer: dict[str, Any] = {"facts": None, "facts_error": ""}
    try:
        answer["facts"] = observe.observe(request["observe"], folder)
    except (Failed, OSError) as error:
        # What is known of the paths is worth telling even where the host's own facts could not be read.
        answer["facts_error"] = scrub(str(error))
    key = request["observe"]["digest_key"]
    if request.get("relay"):
        answer["relay"] = _relay(request["relay"], key, limits)
    if request.get("centre"):
        answer["centre"] = _centre(request["centre"], key, limits)
    return {**answer, "seconds": round(time.monotonic() - limits.begun, 1)}


# --- a relay --------------------------------------------------------------------------------------


def _relay(wanted: dict[str, Any], key: str, limits: ProbeLimits) -> dict[str, Any]:
    paths = {p["name"]: p for p in wanted["paths"]}
    tunnel = reach.live_tunnel(key)
    first, error = sample(paths)
    sampled = begun = time.monotonic()
    devices = reach.connect_all(((p["address"], p["port"]) for p in paths.values()), limits.connect_s)
    time.sleep(max(0.0, sampled + limits.sample_s - time.monotonic()))
    second, later_error = sample(paths)
    reads = reads_of_relay(wanted, paths, (first, second), limits)
    if time.monotonic() < limits.until:
        devices = reach.again(devices, limits.connect_s)
    tunnel_after = reach.wait_for_keepalive(tunnel, key, wanted["paths"], devices, begun)
    elapsed = time.monotonic() - limits.begun
    return {
        "unit": _unit(),
        "api_error": later_error or error,
        "tunnel": reach.evidence_of_tunnel(tunnel, tunnel_after),
        "devices": devices,
        "paths": {name: {"samples": [first.get(name), second.get(name)], "read": reads.get(name)} for name in paths},
        "errors": source_log.last_errors(paths, _LOG_S + elapsed),
    }


def _unit() -> str:
    try:
        return str(units.states([UNIT_MEDIAMTX])[UNIT_MEDIAMTX]["active"])
    except (Failed, KeyError):
        return "unknown"


def sample(paths: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """What MediaMTX says of the paths now, and its error, empty where there is none."""
    try:
        listed = relay.api("/v3/paths/list?itemsPerPage=1000000")["items"]
    except (Failed, OSError, KeyError) as error:
        return {}, scrub(str(error)) or "no answer"
    return {item["name"]: _state(item) for item in listed if item["name"] in paths}, ""


def _state(item: dict[str, Any]) -> dict[str, Any]:
    """What counts of a path. `ready` and `online` alone are true for dead cameras (measured on 1.20.1)."""
    tracks = [{"codec": t.get("codec"), **(t.get("codecProps") or {})} for t in item.get("tracks2") or ()]
    return {
        "available": bool(item.get("available")),
        "online": bool(item.get("online")),
        "inbound_bytes": int(item.get("inboundBytes") or 0),
        "tracks": [{k: t.get(k) for k in ("codec", "width", "height")} for t in tracks[:4]],
    }


def reads_of_relay(
    wanted: dict[str, Any], paths: dict[str, Any], samples: tuple[dict[str, Any], dict[str, Any]], limits: ProbeLimits
) -> Reads:
    """Read every path for a key frame, as the relay's own probe user; those that flow come first."""
    try:
        password = PROBE_PASSWORD.read_text().strip()
    except OSError as error:
        return {name: {"error": f"{PROBE_PASSWORD}: {error.strerror}", "status": None} for name in paths}
    login = Login(wanted["address"], RTSP_PORT, _PROBE_USER, password)

    def one(name: str) -> dict[str, Any]:
        found = _read(login, name, limits)
        if paths[name]["on_demand"] and "not_run" not in found:
            found["after"] = _after(name)
        return found

    return _in_parallel(one, sorted(paths, key=lambda n: (_promise(paths[n], samples, n), n)), limits)


def _promise(path: dict[str, Any], samples: tuple[dict[str, Any], dict[str, Any]], name: str) -> int:
    """A path's place: those that flow first, so that hopeless ones do not use up the time."""
    before, after = (sample.get(name) for sample in samples)
    if before and after and after["inbound_bytes"] > before["inbound_bytes"]:
        return 0
    return 1 if path["on_demand"] else 2


def _after(name: str) -> dict[str, Any] | None:
    """An on-demand path's state just after its read, while the relay still pulls it."""
    try:
        return _state(relay.api(f"/v3/paths/get/{name}"))
    except (Failed, OSError):
        return None


# --- a centre -------------------------------------------------------------------------------------


def _centre(wanted: dict[str, Any], key: str, limits: ProbeLimits) -> dict[str, Any]:
    tunnel = reach.live_tunnel(key)
    logins = {r["relay"]: Login(r["address"], RTSP_PORT, r["user"], r["secret"]) for r in wanted["relays"]}
    turns = [(r["relay"], name) for r in wanted["relays"] for name in r["paths"]]
    reads = _in_parallel(lambda turn: _read(logins[turn[0]], turn[1], limits), turns, limits)
    return {
        "tunnel": reach.evidence_of_tunnel(tunnel, reach.live_tunnel(key)),
        "relays": {
            r["relay"]: {name: found for (of, name), found in reads.items() if of == r["relay"]}
            for r in wanted["relays"]
        },
    }


# --- both -----------------------------------------------------------------------------------------


def _read(login: Login, name: str, limits: ProbeLimits) -> dict[str, Any]:
    timeout_s = limits.read_timeout()
    if not timeout_s:
        return {"not_run": "no time was left"}
    found = read(login, name, timeout_s, relay.as_mediamtx)
    if found.get("timed_out") and timeout_s < limits.read_s:
        return {"not_run": "the time ran out"}
    return found


def _in_parallel(
    one: Callable[[Any], dict[str, Any]], turns: list[Any], limits: ProbeLimits
) -> dict[Any, dict[str, Any]]:
    with ThreadPoolExecutor(max_workers=limits.readers) as readers:
        return dict(zip(turns, readers.map(one, turns), strict=True))
