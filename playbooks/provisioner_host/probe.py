"""Evidence about every camera path, gathered in one visit. What it means is judged on the controller."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner_host import observe, reach, readers, redirects, relay, source_log, source_peers, units
from provisioner_host.paths import PROBE_PASSWORD, RTSP_PORT, UNIT_MEDIAMTX
from provisioner_host.rtsp_reader import Login
from provisioner_host.shell import Failed, scrub

if TYPE_CHECKING:
    from provisioner_host.wire import (
        CentreEvidenceAnswer,
        CentreToProbe,
        DeviceEvidenceAnswer,
        LimitsRequest,
        PathToProbe,
        PathToRead,
        ProbeAnswer,
        ProbeRequest,
        ReadAnswer,
        RelayEvidenceAnswer,
        RelayToProbe,
        SampleAnswer,
    )

    Samples = tuple[dict[str, SampleAnswer], dict[str, SampleAnswer]]

_LOG_S = 90
_PROBE_USER = "probe"


class ProbeBudget:
    """How long and how many at once."""

    def __init__(self, request: LimitsRequest) -> None:
        self.begun = time.monotonic()
        self.until = self.begun + request["deadline_s"]
        self.readers = request["max_readers"]
        self.sample_s = request["sample_s"]
        self.connect_s = request.get("connect_s", 5.0)
        self.read_s = request["read_s"]

    def reads(self) -> readers.ReadTimes:
        """How many reads at once, how long each, and until when."""
        return readers.ReadTimes(self.readers, self.read_s, self.until)


def probe(request: ProbeRequest, folder: Path) -> ProbeAnswer:
    """Gather a host's facts, and the evidence about the paths that the request names.

    The request's `relay` holds the paths of a relay, its `centre` the relays that a centre reads from.
    """
    limits = ProbeBudget(request)
    answer: ProbeAnswer = {"facts": None, "facts_error": "", "seconds": 0.0}
    try:
        answer["facts"] = observe.observe(request["observe"], folder)
    except (Failed, OSError) as error:
        # What is known of the paths is worth telling even where the host's own facts could not be read.
        answer["facts_error"] = scrub(str(error))
    key = request["observe"]["digest_key"]
    if "relay" in request:
        answer["relay"] = _relay(request["relay"], key, limits)
    if "centre" in request:
        answer["centre"] = _centre(request["centre"], key, limits)
    answer["seconds"] = round(time.monotonic() - limits.begun, 1)
    return answer


# --- a relay --------------------------------------------------------------------------------------


def _relay(wanted: RelayToProbe, key: str, limits: ProbeBudget) -> RelayEvidenceAnswer:
    paths = {p["name"]: p for p in wanted["paths"]}
    tunnel = reach.live_tunnel(key)
    first, error = sample(paths)
    connected = source_peers.connections()
    sampled = begun = time.monotonic()
    devices = reach.connect_all(((p["address"], p["port"]) for p in paths.values()), limits.connect_s)
    time.sleep(max(0.0, sampled + limits.sample_s - time.monotonic()))
    second, later_error = sample(paths)
    sources = source_peers.evidence(connected, source_peers.connections())
    reads = reads_of_relay(wanted["address"], paths, (first, second), limits) if wanted.get("read", True) else {}
    if time.monotonic() < limits.until:
        devices = reach.again(devices, limits.connect_s)
    _add_redirects(devices, paths, (first, second), limits.until)
    tunnel_after = reach.wait_for_keepalive(tunnel, key, wanted["paths"], devices, begun)
    elapsed = time.monotonic() - limits.begun
    return {
        "unit": _unit(),
        "api_error": later_error or error,
        "tunnel": reach.evidence_of_tunnel(tunnel, tunnel_after),
        "devices": devices,
        "paths": {name: {"samples": [first.get(name), second.get(name)], "read": reads.get(name)} for name in paths},
        "sources": sources,
        "errors": source_log.last_errors(paths, _LOG_S + elapsed),
    }


def _add_redirects(
    devices: list[DeviceEvidenceAnswer], paths: Mapping[str, PathToProbe], samples: Samples, until: float
) -> None:
    """Ask devices of which a path does not flow whether they send their relay elsewhere."""
    dark = {(p["address"], p["port"]) for name, p in paths.items() if _promise(p, samples, name)}
    answering = {(d["address"], d["port"]): d for d in devices if d["outcome"] == "ok"}
    for device, place in redirects.places(dark & answering.keys(), until).items():
        answering[device]["redirect"] = place


def _unit() -> str:
    try:
        return str(units.states([UNIT_MEDIAMTX])[UNIT_MEDIAMTX]["active"])
    except (Failed, KeyError):
        return "unknown"


def sample(paths: Mapping[str, PathToRead]) -> tuple[dict[str, SampleAnswer], str]:
    """What MediaMTX says of the paths now, and its error, empty where there is none."""
    try:
        listed = relay.api("/v3/paths/list?itemsPerPage=1000000")["items"]
    except (Failed, OSError, KeyError) as error:
        return {}, scrub(str(error)) or "no answer"
    return {item["name"]: _state(item) for item in listed if item["name"] in paths}, ""


def _state(item: dict[str, Any]) -> SampleAnswer:
    """What counts of a path. `ready` and `online` alone are true for dead cameras (measured on 1.20.1)."""
    tracks = [{"codec": t.get("codec"), **(t.get("codecProps") or {})} for t in item.get("tracks2") or ()]
    return {
        "available": bool(item.get("available")),
        "online": bool(item.get("online")),
        "inbound_bytes": int(item.get("inboundBytes") or 0),
        "damaged": int(item.get("inboundFramesInError") or 0),
        "tracks": [{k: t.get(k) for k in ("codec", "width", "height")} for t in tracks[:4]],
    }


def reads_of_relay(
    address: str, paths: Mapping[str, PathToRead], samples: Samples, limits: ProbeBudget
) -> dict[str, ReadAnswer]:
    """Read every path for a key frame, as the relay's own probe user; those that flow come first, else as asked."""
    try:
        password = PROBE_PASSWORD.read_text().strip()
    except OSError as error:
        return {name: {"error": f"{PROBE_PASSWORD}: {error.strerror}", "status": None} for name in paths}
    names = sorted(paths, key=lambda n: _promise(paths[n], samples, n))
    reads: dict[str, ReadAnswer] = {}

    def done(number: int, result: ReadAnswer) -> None:
        if paths[names[number]]["on_demand"] and "not_run" not in result:
            _add_source(result, paths[names[number]], paths)
        reads[names[number]] = result

    login = Login(address, RTSP_PORT, _PROBE_USER, password)
    looks = {number: paths[name]["look"] for number, name in enumerate(names) if "look" in paths[name]}
    readers.read_all({_PROBE_USER: login}, [(_PROBE_USER, name) for name in names], limits.reads(), done, looks)
    return reads


def _promise(path: PathToRead, samples: Samples, name: str) -> int:
    """A path's place: those that flow first, so that hopeless ones do not use up the time."""
    before, after = (sample.get(name) for sample in samples)
    if before and after and after["inbound_bytes"] > before["inbound_bytes"]:
        return 0
    return 1 if path["on_demand"] else 2


def _add_source(result: ReadAnswer, path: PathToRead, paths: Mapping[str, PathToRead]) -> None:
    """Say of an on-demand path, while the relay still pulls it, how it is and over how many connections it may come."""
    device = path["address"], path["port"]
    of_device = [name for name, other in paths.items() if (other["address"], other["port"]) == device]
    before = _available(of_device)
    result["connected"] = source_peers.count_to(*device)
    result["after"] = _after(path["name"])
    result["pulled"] = len(before & _available(of_device))


def _available(names: list[str]) -> set[str]:
    return {name for name in names if (state := _after(name)) is not None and state["available"]}


def _after(name: str) -> SampleAnswer | None:
    """A path's state now, or None where the relay does not say."""
    try:
        return _state(relay.api(f"/v3/paths/get/{name}"))
    except (Failed, OSError):
        return None


# --- a centre -------------------------------------------------------------------------------------


def _centre(wanted: CentreToProbe, key: str, limits: ProbeBudget) -> CentreEvidenceAnswer:
    tunnel = reach.live_tunnel(key)
    logins = {r["relay"]: Login(r["address"], RTSP_PORT, r["user"], r["secret"]) for r in wanted["relays"]}
    turns = [(r["relay"], name) for r in wanted["relays"] for name in r["paths"]]
    reads: dict[readers.Turn, ReadAnswer] = {}
    by_turn = {(r["relay"], name): look for r in wanted["relays"] for name, look in r.get("looks", {}).items()}
    looks = {number: by_turn[turn] for number, turn in enumerate(turns) if turn in by_turn}
    readers.read_all(logins, turns, limits.reads(), lambda number, read: reads.update({turns[number]: read}), looks)
    return {
        "tunnel": reach.evidence_of_tunnel(tunnel, reach.live_tunnel(key)),
        "relays": {
            r["relay"]: {name: result for (of, name), result in reads.items() if of == r["relay"]}
            for r in wanted["relays"]
        },
    }
