"""Evidence about every camera path, gathered in one visit. What it means is judged on the controller."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from provisioner_host import deliveries, observe, reach, readers, redirects, relay, source_log, source_peers, units
from provisioner_host.paths import PROBE_PASSWORD, RTSP_PORT, UNIT_MEDIAMTX
from provisioner_host.rtsp_reader import Login
from provisioner_host.shell import Failed, scrub

if TYPE_CHECKING:
    from provisioner_host.wire import (
        CentreEvidenceAnswer,
        CentreToProbe,
        DeviceEvidenceAnswer,
        FactsAnswer,
        LimitsRequest,
        ObserveRequest,
        PathToProbe,
        PathToRead,
        ProbeAnswer,
        ProbeRequest,
        ReadAnswer,
        RelayEvidenceAnswer,
        RelayToProbe,
        SampleAnswer,
        SpanAnswer,
    )

    Samples = tuple[dict[str, SampleAnswer], dict[str, SampleAnswer]]

_LOG_S = 90
# So long after the first sample a path that flows has grown, be it a slow one.
_LEAST_S = 2.0
_Result = TypeVar("_Result")
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


class Spans:
    """What a visit waited for: each part with its beginning and its end, on the visit's own clock. Parts overlap."""

    def __init__(self, begun: float) -> None:
        self._begun = begun
        self.answer: list[SpanAnswer] = []

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Measure a part."""
        since = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - since
            self.answer.append({"what": what, "at": round(since - self._begun, 2), "seconds": round(seconds, 2)})


def probe(request: ProbeRequest, folder: Path) -> ProbeAnswer:
    """Gather a host's facts, and the evidence about the paths that the request names, side by side.

    The request's `relay` holds the paths of a relay, its `centre` the relays that a centre reads from. Nearly all of
    a visit is waiting for others: for pictures, for a second look at the paths, for programs.
    """
    limits = ProbeBudget(request)
    spans = Spans(limits.begun)
    answer: ProbeAnswer = {"facts": None, "facts_error": "", "seconds": 0.0}
    key = request["observe"]["digest_key"]
    with ThreadPoolExecutor(3) as beside:
        relay = beside.submit(_relay, request["relay"], key, limits, spans) if "relay" in request else None
        centre = beside.submit(_centre, request["centre"], key, limits, spans) if "centre" in request else None
        facts = beside.submit(_facts, request["observe"], folder, spans)
        answer["facts"], answer["facts_error"] = facts.result()
        if relay is not None:
            answer["relay"] = relay.result()
        if centre is not None:
            answer["centre"] = centre.result()
    answer["spans"] = spans.answer
    answer["seconds"] = round(time.monotonic() - limits.begun, 2)
    return answer


def _facts(request: ObserveRequest, folder: Path, spans: Spans) -> tuple[FactsAnswer | None, str]:
    """The host's facts, or why they could not be read: what is known of the paths is worth telling all the same."""
    with spans.of("facts"):
        try:
            return observe.observe(request, folder), ""
        except (Failed, OSError) as error:
            return None, scrub(str(error))


# --- a relay --------------------------------------------------------------------------------------


def _relay(wanted: RelayToProbe, key: str, limits: ProbeBudget, spans: Spans) -> RelayEvidenceAnswer:
    paths = {p["name"]: p for p in wanted["paths"]}
    # First of all: every connection and every read that we begin may change what these say.
    tunnel = reach.live_tunnel(key)
    first, error = sample(paths)
    connected = source_peers.connections()
    sampled = begun = time.monotonic()
    with deliveries.watched(paths) as delivered, ThreadPoolExecutor(2) as beside:
        to_read = paths if wanted.get("read", True) else {}
        reading = beside.submit(_timed, spans, "reads", reads_of_relay, wanted["address"], to_read, (first, {}), limits)
        places = sorted({(p["address"], p["port"]) for p in paths.values()})
        trying = beside.submit(_timed, spans, "ports", reach.connect_all, places, limits.connect_s)
        with spans.of("samples"):
            wait([reading], max(_LEAST_S, limits.sample_s))
            second, later_error = _later_sample(paths, first, sampled, limits.sample_s)
            sources = source_peers.evidence(connected, source_peers.connections())
        devices, reads = trying.result(), reading.result()
    with spans.of("causes"):
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
            "paths": {
                name: {"samples": [first.get(name), second.get(name)], "read": reads.get(name)} for name in paths
            },
            "sources": sources,
            "errors": source_log.last_errors(paths, _LOG_S + elapsed),
            "deliveries": delivered.evidence(),
        }


def _later_sample(
    paths: Mapping[str, PathToProbe], first: Mapping[str, SampleAnswer], sampled: float, longest_s: float
) -> tuple[dict[str, SampleAnswer], str]:
    """The paths again, so long after the first sample as it takes to see that they flow, and no longer than that.

    A path that has not grown may be a slow one: only the whole time says that nothing comes.
    """
    for seconds in (min(_LEAST_S, longest_s), longest_s):
        time.sleep(max(0.0, sampled + seconds - time.monotonic()))
        second, error = sample(paths)
        if all(path["on_demand"] or _grew(first.get(name), second.get(name)) for name, path in paths.items()):
            break
        if time.monotonic() > sampled + longest_s:
            break
    return second, error


def _timed(spans: Spans, what: str, work: Callable[..., _Result], *arguments: Any) -> _Result:
    with spans.of(what):
        return work(*arguments)


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
    if _grew(before, after) or (name not in samples[1] and before and before["available"]):
        return 0
    return 1 if path["on_demand"] else 2


def _grew(before: SampleAnswer | None, after: SampleAnswer | None) -> bool:
    return bool(before and after and after["inbound_bytes"] > before["inbound_bytes"])


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


def _centre(wanted: CentreToProbe, key: str, limits: ProbeBudget, spans: Spans) -> CentreEvidenceAnswer:
    tunnel = reach.live_tunnel(key)
    logins = {r["relay"]: Login(r["address"], RTSP_PORT, r["user"], r["secret"]) for r in wanted["relays"]}
    # The relays take turns, too.
    placed = sorted((number, r["relay"], name) for r in wanted["relays"] for number, name in enumerate(r["paths"]))
    turns = [(of, name) for _, of, name in placed]
    reads: dict[readers.Turn, ReadAnswer] = {}
    by_turn = {(r["relay"], name): look for r in wanted["relays"] for name, look in r.get("looks", {}).items()}
    looks = {number: by_turn[turn] for number, turn in enumerate(turns) if turn in by_turn}

    def done(number: int, read: ReadAnswer) -> None:
        reads[turns[number]] = read

    with spans.of("centre reads"), deliveries.incoming(logins.values()) as incoming:
        readers.read_all(logins, turns, limits.reads(), done, looks)
    return {
        "tunnel": reach.evidence_of_tunnel(tunnel, reach.live_tunnel(key)),
        "relays": {
            r["relay"]: {name: result for (of, name), result in reads.items() if of == r["relay"]}
            for r in wanted["relays"]
        },
        "incoming": incoming.evidence(),
    }
