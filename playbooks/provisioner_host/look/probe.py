"""Evidence about camera paths: a full visit, or only their flow.

The controller judges it.

A watch asks every few seconds whether paths flow: it takes only two samples of MediaMTX's API and its unit's state. So
it takes no lease, connects to no camera, reads no file, and changes nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from provisioner_host.firewall import firewall
from provisioner_host.look import awaited_reads, deliveries, device_probe, reach, readers
from provisioner_host.look.rtsp_talk import SHORTEST_READ_S, Login
from provisioner_host.machine import confined, files, units
from provisioner_host.machine.paths import PROBE_PASSWORD, READERS_FILE, RTSP_PORT, RTSPS_PORT, UNIT_MEDIAMTX
from provisioner_host.machine.patterns import pattern
from provisioner_host.machine.shell import Failed, scrub
from provisioner_host.observe import host
from provisioner_host.onvif import onvif
from provisioner_host.relay import pinned_tls, relay, service, sessions, source_log

if TYPE_CHECKING:
    from provisioner_host.wire import (
        AccountAnswer,
        CentreEvidenceAnswer,
        CentreToProbe,
        DeviceEvidenceAnswer,
        DeviceToAsk,
        FactsAnswer,
        FlowLookAnswer,
        FlowLookRequest,
        LimitsRequest,
        LookToTake,
        ObserveRequest,
        PathEvidenceAnswer,
        PathToProbe,
        PathToRead,
        ProbeAnswer,
        ProbeRequest,
        ReadAnswer,
        RelayEvidenceAnswer,
        RelayToProbe,
        RelayToRead,
        SampleAnswer,
        SourcesAnswer,
        SpanAnswer,
        StreamEndsAnswer,
    )

    Samples = tuple[dict[str, SampleAnswer], dict[str, SampleAnswer]]


_LONGEST_S, _MOST_READERS = 86_400.0, 64
_LONGEST_READ_S, _LONGEST_CONNECT_S, LONGEST_SAMPLE_S = 120.0, 30.0, 60.0
_LOG_S = 90
# So long after the first sample a path that flows has grown, and a slow one; where centres look meanwhile, who see
# more of it, half of that is enough of one that has.
_LEAST_S, _BESIDE_LOOKS_S = 2.0, 1.0
# In a watch, which looks again at once, so long is enough for nearly every path.
_WATCHED_LEAST_S = 1.0
_Result = TypeVar("_Result")
_Path = TypeVar("_Path", "PathToProbe", "PathToRead")
_PROBE_USER = "probe"
# In MediaMTX's file where nobody may read without encryption, its own probe neither.
_READS_ENCRYPTED = 'rtspEncryption: "strict"'
# MediaMTX tries a source again 5 s after it failed: who comes back in this time is looked at anew.
_RETRY_S = 7.0
_AGAIN_SAMPLE_S = 3.0
# A centre waits a little longer, so that it looks after the relay has.
_CENTRE_AGAIN_S = 9.0
# What a relay answers of a path that it has not got now, or cannot get now.
_ABSENT = frozenset({400, 404})
# A Control API that refuses a question has answered: its relay runs.
_ANSWERED = pattern(r"\bHTTP/1\.\d \d{3}\b")


class ProbeBudget:
    """Limits of a visit: time, readers, processors."""

    def __init__(self, request: LimitsRequest) -> None:
        self.begun = time.monotonic()
        # Whatever a request says, nobody keeps a host busy for longer, or with more.
        self.until = self.begun + min(_LONGEST_S, request["deadline_s"])
        self.readers = min(_MOST_READERS, request["max_readers"])
        self.sample_s = min(LONGEST_SAMPLE_S, request["sample_s"])
        self.connect_s = min(_LONGEST_CONNECT_S, request.get("connect_s", 5.0))
        self.read_s = min(_LONGEST_READ_S, request["read_s"])
        share = request.get("cpu_share")
        self.cores = None if share is None else min(1.0, share) * (os.cpu_count() or 1)

    def reads(self, start: confined.Start | None = None, brief: Iterable[int] = ()) -> readers.ReadTimes:
        """Return the limits of reads, which begin at `start` or at once."""
        return readers.ReadTimes(self.readers, self.read_s, self.until, self.cores, start, brief=brief)


class Spans:
    """A visit's parts with start and duration; parts overlap."""

    def __init__(self, started: float) -> None:
        self._begun = started
        self.answer: list[SpanAnswer] = []

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Measure a part."""
        since = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - since
            self.answer.append({"what": name, "at": round(since - self._begun, 2), "seconds": round(seconds, 2)})


def probe(request: ProbeRequest, folder: Path) -> ProbeAnswer:
    """Gather a host's facts and its paths' evidence in parallel.

    The request's `relay` has a relay's paths, its `centre` the relays that a centre reads. A visit mostly waits: for
    pictures, second samples and programs.
    """
    limits = ProbeBudget(request)
    spans = Spans(limits.begun)
    began = time.time()
    answer: ProbeAnswer = {"facts": None, "facts_error": "", "disks": files.disks(), "seconds": 0.0}
    key = request["observe"]["digest_key"]
    with ThreadPoolExecutor(3) as pool:
        relay = pool.submit(_probe_relay, request["relay"], key, limits, spans) if "relay" in request else None
        centre = pool.submit(_probe_centre, request["centre"], key, limits, spans) if "centre" in request else None
        facts = pool.submit(_facts_or_error, request["observe"], folder, spans)
        answer["facts"], answer["facts_error"] = facts.result()
        if relay is not None:
            answer["relay"] = relay.result()
        if centre is not None:
            answer["centre"] = centre.result()
    answer["spans"] = spans.answer
    answer["seconds"] = round(time.monotonic() - limits.begun, 2)
    answer["clock"] = [round(began, 1), round(time.time(), 1)]
    return answer


def _facts_or_error(request: ObserveRequest, folder: Path, spans: Spans) -> tuple[FactsAnswer | None, str]:
    """Return the host's facts, or an error, so that other evidence survives."""
    with spans.of("facts"):
        try:
            return host.observe(request, folder), ""
        except (Failed, OSError) as error:
            return None, scrub(str(error))


# --- a relay --------------------------------------------------------------------------------------
def _probe_relay(wanted: RelayToProbe, key: str, limits: ProbeBudget, spans: Spans) -> RelayEvidenceAnswer:
    """Return a relay's evidence: samples, reads, devices, tunnel, service."""
    installed = firewall.installed_places()
    paths = {p["name"]: _limited_to_installed(installed.cameras, p) for p in wanted["paths"]}
    # First of all: every connection and every read that we begin may change what these say.
    tunnel = reach.live_tunnel(key)
    spent = service.spent()
    started = time.monotonic()
    # What fails of these is looked at again, and for causes, by another visit.
    later = {name for name, path in paths.items() if path.get("read_by")}
    look = _Look(wanted["address"], paths, limits, spans, later)
    with deliveries.watched(paths) as delivered, ThreadPoolExecutor(2) as pool:
        places = sorted(_devices_of(paths.values()))
        trying = pool.submit(_timed, spans, "ports", reach.connect_all, places, limits.connect_s)
        onvif_devices = [d for d in wanted.get("onvif", ()) if (d["address"], d["port"]) in installed.asked]
        asking = (
            pool.submit(_timed, spans, "onvif", onvif.query_devices, onvif_devices, key, limits.until)
            if onvif_devices
            else None
        )
        look.take(limits.sample_s, _paths_to_read(wanted, paths), awaits=True)
        devices = trying.result()
        account = asking.result() if asking else {}
    with spans.of("again"):
        look.take_again(started + _RETRY_S)
    with spans.of("causes"):
        devices = _devices_now(devices, _devices_of(paths[n] for n in look.lost), limits)
        no_picture = look.dark()
        shut = {(d["address"], d["port"]) for d in devices if d["outcome"] != "ok"}
        now = {name: path for name, path in paths.items() if name not in later}
        dark = {n: p for n, p in now.items() if n in no_picture or (p["address"], p["port"]) in shut}
        pulled = {name: path for name, path in dark.items() if path["port"]}
        looked_closer = device_probe.at_devices(devices, pulled, tunnel, limits.connect_s, limits.until)
        sources = source_log.halted_since(look.sources) if pulled else look.sources
        tunnel_after = reach.wait_for_keepalive(tunnel, key, list(now.values()), devices, started)
        errors, ends = source_log.last_words(paths, _LOG_S + time.monotonic() - limits.begun)
        answer: RelayEvidenceAnswer = {
            "unit": units.active(UNIT_MEDIAMTX),
            "api_error": look.error,
            "tunnel": reach.evidence_of_tunnel(tunnel, tunnel_after),
            "devices": devices,
            "paths": look.evidence(ends),
            "sources": sources,
            "errors": errors | source_log.errors_of_api(pulled, _version() if pulled and not look.error else ""),
            "closer": looked_closer,
            "chains": device_probe.foreign_chains(),
            "deliveries": delivered.evidence(),
            "service": service.evidence(spent),
        }
        if taken := device_probe.logins_taken(pulled):
            answer["logins_taken"] = taken
        if any(not path["port"] for path in wanted["paths"]):
            answer["publishing"] = sessions.publishing(_LOG_S + time.monotonic() - limits.begun)
        if refused := sorted(_devices_of(wanted["paths"]) - installed.cameras):
            answer["not_installed"] = [{"address": address, "port": port} for address, port in refused]
        if listed := wanted.get("onvif"):
            answer["onvif"] = {d["name"]: _not_asked(d) for d in listed} | account
        return answer


def _limited_to_installed(cameras: Collection[reach.DeviceAddress], path: _Path) -> _Path:
    """Remove a path's device if it is not installed here."""
    if (path["address"], path["port"]) in cameras:
        return path
    deviceless = path.copy()
    deviceless["address"], deviceless["port"] = "", 0
    return deviceless


def _not_asked(device: DeviceToAsk) -> AccountAnswer:
    return {"outcome": "not run", "detail": firewall.refusal(device["address"], device["port"])}


def _paths_to_read(wanted: RelayToProbe, paths: Mapping[str, PathToProbe]) -> dict[str, PathToProbe]:
    """Return the paths to read on this host.

    Paths that a centre reads are left out, except for trials. If samples suffice, only on-demand paths are read, or at
    least one path of the relay.
    """
    read_here = {name: path for name, path in paths.items() if path.get("tried") or not path.get("read_by")}
    if wanted.get("samples_suffice"):
        read_here = {name: path for name, path in read_here.items() if path["on_demand"]} or dict(
            list(read_here.items())[:1]
        )
    return read_here if wanted.get("read", True) else {}


def _devices_of(paths: Iterable[PathToProbe]) -> set[reach.DeviceAddress]:
    return {(path["address"], path["port"]) for path in paths if path["port"]}


def _devices_now(
    devices: list[DeviceEvidenceAnswer], lost: set[reach.DeviceAddress], limits: ProbeBudget
) -> list[DeviceEvidenceAnswer]:
    unchanged = [d for d in devices if (d["address"], d["port"]) not in lost]
    return unchanged + (reach.connect_all(lost, limits.connect_s) if lost else [])


def _timed(spans: Spans, name: str, work: Callable[..., _Result], *arguments: Any) -> _Result:
    with spans.of(name):
        return work(*arguments)


class _Look:
    """Two samples and a read of each path, with MediaMTX's connections."""

    def __init__(
        self,
        address: str,
        paths: Mapping[str, PathToProbe],
        limits: ProbeBudget,
        spans: Spans,
        later: Collection[str] = (),
    ) -> None:
        self._address, self._paths, self._limits, self._spans, self._later = address, paths, limits, spans, later
        self._to_read: set[str] = set()
        self._samples: Samples = {}, {}
        self._reads: dict[str, ReadAnswer] = {}
        self._seen: dict[str, set[bool]] = {}
        self.sources: SourcesAnswer | None = None
        self._awaited = awaited_reads.AwaitedReads(paths, lambda: sample(paths)[0])
        self.lost: set[str] = set()
        self.error = ""

    def take(self, sample_s: float, to_read: Mapping[str, PathToProbe], *, awaits: bool = False) -> None:
        """Sample all paths twice and read some, with centres' reads if awaited."""
        self._to_read |= to_read.keys()
        first = self._sample_paths()
        connected = source_log.connections()
        sampled = time.monotonic()
        if self.error and not _ANSWERED.search(self.error):
            # One that hangs answers nobody: a few readers show it, and each waits its whole time.
            to_read = dict(sorted(to_read.items())[: self._limits.readers])
        with ThreadPoolExecutor(2) as pool:
            reading = pool.submit(self._read_paths, to_read, first)
            until = self._limits.until if awaits and not self.error else 0.0
            parts: list[Future[Any]] = [reading, pool.submit(self._await, until, first)]
            with self._spans.of("samples"):
                wait(parts, max(_LEAST_S, sample_s))
                least_s = _BESIDE_LOOKS_S if awaits and self._awaited.has_reads else _LEAST_S
                self._samples = first, self._later_sample(first, sampled, least_s, sample_s)
                self.sources = source_log.evidence(connected, source_log.connections())
            self._reads |= reading.result()

    def _await(self, until: float, first: dict[str, SampleAnswer]) -> None:
        if until and self._awaited.has_reads:
            with self._spans.of("awaited"):
                self._awaited.wait(until, first)

    def _read_paths(self, paths: Mapping[str, PathToProbe], first: dict[str, SampleAnswer]) -> dict[str, ReadAnswer]:
        if not paths:
            return {}
        with self._spans.of("reads"):
            return reads_of_relay(self._address, paths, (first, {}), self._limits)

    def _later_sample(
        self, first: Mapping[str, SampleAnswer], sampled: float, least_s: float, longest_s: float
    ) -> dict[str, SampleAnswer]:
        """Sample again as soon as all paths grew, or at the end.

        Only the full time proves that a path stands still: it may be slow.
        """
        for seconds in sorted({min(least_s, longest_s), min(_LEAST_S, longest_s), longest_s}):
            time.sleep(max(0.0, sampled + seconds - time.monotonic()))
            second = self._sample_paths()
            if all(p["on_demand"] or _grew(first.get(name), second.get(name)) for name, p in self._paths.items()):
                break
            if time.monotonic() > sampled + longest_s:
                break
        return second

    def take_again(self, wait_until: float) -> None:
        """Repeat the look for failed paths that return.

        MediaMTX retries every few seconds, and one look at a starting camera is no verdict. All paths are sampled anew,
        as connections are counted over all; only failed ones are read.
        """
        failed = self._failed()
        if failed and not self.error and time.monotonic() < self._limits.until:
            back = self._paths_back(failed, wait_until)
            if back and time.monotonic() + _AGAIN_SAMPLE_S + SHORTEST_READ_S < self._limits.until:
                again = {name: self._paths[name] for name in back & self._to_read if not self._waited(name)}
                self.take(_AGAIN_SAMPLE_S, again)
        self._take_leave()

    def _take_leave(self) -> None:
        """Sample a last time: lost paths must not count as present."""
        last, (_, second) = self._sample_paths(), self._samples
        self.lost = {
            name
            for name in last.keys() & second.keys()
            if second[name]["available"] and not last[name]["available"] and not self._paths[name]["on_demand"]
        }
        second.update({name: last[name] for name in self.lost})

    def _failed(self) -> set[str]:
        every = self._paths.keys() - self._later
        return {name for name in every if not self._path_flowed(name) or not self._was_read(name)}

    def _was_read(self, name: str) -> bool:
        read = self._reads.get(name, {})
        return name not in self._to_read or self._waited(name) or not {"codec", "not_run"}.isdisjoint(read)

    def _waited(self, name: str) -> bool:
        """Return whether a reader waited longer than MediaMTX's own retry."""
        return self._reads.get(name, {}).get("timed_out", False)

    def _path_flowed(self, name: str) -> bool:
        """Return whether a path was available in both samples and grew."""
        if self._paths[name]["on_demand"]:
            return True
        pair = [sample[name] for sample in self._samples if name in sample]
        is_available = len(pair) == len(self._samples) and all(state["available"] for state in pair)
        return is_available and pair[1]["inbound_bytes"] > pair[0]["inbound_bytes"]

    def _paths_back(self, failed: set[str], wait_until: float) -> set[str]:
        """Return the failed paths that are available again before the deadline.

        On-demand paths count as soon as another path of their device returns.
        """
        until = min(wait_until, self._limits.until)
        pulled = {name for name in failed if not self._paths[name]["on_demand"]}
        while True:
            now = self._sample_paths()
            available = {name for name in pulled if name in now and now[name]["available"]}
            left_s = until - time.monotonic()
            if available == pulled or left_s <= 0:
                break
            time.sleep(min(1.0, left_s))
        devices = {(self._paths[name]["address"], self._paths[name]["port"]) for name in available}
        of_device = {n for n in failed - pulled if (self._paths[n]["address"], self._paths[n]["port"]) in devices}
        return available | of_device

    def _sample_paths(self) -> dict[str, SampleAnswer]:
        states, error = sample(self._paths)
        self.error = error or self.error
        if not error:
            for name, path in self._paths.items():
                if not path["on_demand"] and name in states:
                    self._seen.setdefault(name, set()).add(states[name]["available"])
        return states

    def dark(self) -> set[str]:
        """Return paths without a picture, whose devices need a closer probe."""
        unread = {name for name in self._to_read if "codec" not in self._reads.get(name, {})}
        still = {name for name in self._paths if not (self.error or self._path_flowed(name))}
        return unread | still | self.lost

    def evidence(self, ends: Mapping[str, StreamEndsAnswer]) -> dict[str, PathEvidenceAnswer]:
        """Return the evidence of each path."""
        first, second = self._samples
        by_path: dict[str, PathEvidenceAnswer] = {
            name: {
                "samples": [first.get(name), second.get(name)],
                "read": self._reads.get(name),
                "unsteady": len(self._seen.get(name, ())) > 1,
            }
            for name in self._paths
        }
        for name in by_path.keys() & ends.keys():
            by_path[name]["ends"] = ends[name]
        for name, state in self._awaited.on_demand.items():
            by_path[name]["on_demand"] = state
        return by_path


def _version() -> str:
    try:
        return str(relay.api("/v3/info").get("version", ""))
    except (Failed, OSError, AttributeError):
        return ""


def sample(paths: Mapping[str, PathToRead]) -> tuple[dict[str, SampleAnswer], str]:
    """Return MediaMTX's path states, and its error or an empty string."""
    try:
        listed = relay.api(relay.PATHS)["items"]
    except (Failed, OSError, KeyError) as error:
        return {}, scrub(str(error)) or "no answer"
    return {item["name"]: _state(item) for item in listed if item["name"] in paths}, ""


def _state(item: dict[str, Any]) -> SampleAnswer:
    """Return a path's state; dead cameras stay `ready` and `online` (1.20.1)."""
    tracks = [(t.get("codec"), t.get("codecProps") or {}) for t in item.get("tracks2") or ()]
    return {
        "available": bool(item.get("available")),
        "online": bool(item.get("online")),
        "inbound_bytes": int(item.get("inboundBytes") or 0),
        "damaged": int(item.get("inboundFramesInError") or 0),
        "tracks": [{"codec": c, "width": props.get("width"), "height": props.get("height")} for c, props in tracks[:4]],
    }


def reads_of_relay(
    address: str, paths: Mapping[str, PathToRead], samples: Samples, limits: ProbeBudget
) -> dict[str, ReadAnswer]:
    """Read paths for a key frame as the relay's probe user.

    Flowing paths come first, then the rest in the given order.
    """
    try:
        password = PROBE_PASSWORD.read_text().strip()
    except OSError as error:
        return {name: {"not_run": f"{PROBE_PASSWORD}: {error.strerror}"} for name in paths}
    names = sorted(paths, key=lambda n: _reading_rank(paths[n], samples, n))
    try:
        fingerprint = pinned_tls.own() if _READS_ENCRYPTED in relay.read_file().splitlines() else ""
    except (OSError, ValueError):
        return {name: {"not_run": f"{READERS_FILE} holds no certificate"} for name in paths}
    login = Login(address, _port(fingerprint), _PROBE_USER, password, fingerprint)
    installed = firewall.installed_places()
    if (login.address, login.port) not in installed.own:
        return {name: {"not_run": firewall.refusal(login.address, login.port)} for name in paths}
    paths = {name: _limited_to_installed(installed.cameras, path) for name, path in paths.items()}
    reads: dict[str, ReadAnswer] = {}
    talks = any(samples)

    def done(number: int, result: ReadAnswer) -> None:
        # A relay that says nothing of its paths is not asked a path at a time.
        if talks and paths[names[number]]["on_demand"] and "not_run" not in result:
            _add_source(result, paths[names[number]], paths)
        reads[names[number]] = result

    looks = {number: paths[name]["look"] for number, name in enumerate(names) if "look" in paths[name]}
    times = limits.reads(brief=(number for number, name in enumerate(names) if "read_by" in paths[name]))
    readers.read_all({_PROBE_USER: login}, [(_PROBE_USER, name) for name in names], times, done, looks)
    return reads


def _reading_rank(path: PathToRead, samples: Samples, name: str) -> int:
    """Return a path's rank: flowing ones before hopeless ones."""
    before, after = (sample.get(name) for sample in samples)
    if _grew(before, after) or (name not in samples[1] and before and before["available"]):
        return 0
    return 1 if path["on_demand"] else 2


def _grew(before: SampleAnswer | None, after: SampleAnswer | None) -> bool:
    return bool(before and after and after["inbound_bytes"] > before["inbound_bytes"])


def _add_source(result: ReadAnswer, path: PathToRead, paths: Mapping[str, PathToRead]) -> None:
    """Add the state and connections of a still pulled on-demand path."""
    device = path["address"], path["port"]
    of_device = [name for name, sibling in paths.items() if (sibling["address"], sibling["port"]) == device]
    before = _available(of_device)
    result["connected"] = source_log.count_to(*device) if path["port"] else None
    result["after"] = _after(path["name"])
    result["pulled"] = len(before & _available(of_device))


def _available(names: list[str]) -> set[str]:
    return {name for name in names if (state := _after(name)) is not None and state["available"]}


def _after(name: str) -> SampleAnswer | None:
    try:
        return _state(relay.api(f"/v3/paths/get/{name}"))
    except (Failed, OSError):
        return None


# --- a centre -------------------------------------------------------------------------------------
def _probe_centre(wanted: CentreToProbe, key: str, limits: ProbeBudget, spans: Spans) -> CentreEvidenceAnswer:
    """Return a centre's evidence: reads from relays, and its tunnel."""
    installed = firewall.installed_places()
    refused = {r["relay"]: why for r in wanted["relays"] if (why := _refusal_to_read(r, installed))}
    listed = [r for r in wanted["relays"] if r["relay"] not in refused]
    relays = {r["relay"]: _login(r) for r in listed}
    logins = {r["relay"]: _reads_by(r) for r in listed}
    # The relays take turns, too.
    placed = sorted((number, r["relay"], name) for r in listed for number, name in enumerate(r["paths"]))
    turns = [(relay_id, name) for _, relay_id, name in placed]
    looks = {(r["relay"], name): look for r in listed for name, look in r.get("looks", {}).items()}
    # The readers start meanwhile: what a read changes is seen before the first one begins.
    start = confined.Start()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(_reads_of_centre, logins, turns, looks, limits, start)
        try:
            tunnel = reach.live_tunnel(key)
            with spans.of("centre reads"), deliveries.incoming(relays.values()) as incoming:
                start.now()
                reads = reading.result()
        finally:
            start.never()
    with spans.of("again"):
        _read_again(reads, logins, looks, limits)
    unreached = {relay_id for (relay_id, _), read in reads.items() if "error" in read and read.get("status") is None}
    with spans.of("causes"):
        ways, looked_closer = device_probe.at_relays(
            ((relays[relay_id].address, relays[relay_id].port) for relay_id in unreached),
            tunnel,
            limits.connect_s,
            limits.until,
        )
    return {
        "tunnel": reach.evidence_of_tunnel(tunnel, reach.live_tunnel(key)),
        "relays": {
            **{
                relay_id: {name: result for (at, name), result in reads.items() if at == relay_id}
                for relay_id in relays
            },
            **{r["relay"]: _none_read(r, refused[r["relay"]]) for r in wanted["relays"] if r["relay"] in refused},
        },
        "ways": ways,
        "closer": looked_closer,
        "incoming": incoming.evidence(),
    }


def _refusal_to_read(relay_: RelayToRead, installed: firewall.InstalledEndpoints) -> str:
    """Return why a relay or its hub is not installed, or empty."""
    login, hub = _login(relay_), relay_.get("through")
    if login.address not in installed.relays:
        return firewall.refusal(login.address, login.port)
    if hub is not None and (hub["address"], hub["port"]) not in installed.own:
        return firewall.refusal(hub["address"], hub["port"])
    return ""


def _none_read(relay_: RelayToRead, why: str) -> dict[str, ReadAnswer]:
    return {name: {"not_run": why} for name in relay_["paths"]}


def _port(fingerprint: str) -> int:
    return RTSPS_PORT if fingerprint else RTSP_PORT


def _reads_by(relay_: RelayToRead) -> Login:
    """Return a centre's login at a relay, or at its own hub."""
    if (hub := relay_.get("through")) is None:
        return _login(relay_)
    return Login(hub["address"], hub["port"], _PROBE_USER, PROBE_PASSWORD.read_text().strip(), hub["fingerprint"])


def _login(relay_: RelayToRead) -> Login:
    fingerprint = relay_.get("fingerprint", "")
    return Login(relay_["address"], _port(fingerprint), relay_["user"], relay_["secret"], fingerprint)


def _reads_of_centre(
    logins: Mapping[str, Login],
    turns: list[readers.Turn],
    looks: Mapping[readers.Turn, LookToTake],
    limits: ProbeBudget,
    start: confined.Start | None = None,
) -> dict[readers.Turn, ReadAnswer]:
    reads: dict[readers.Turn, ReadAnswer] = {}
    by_number = {number: looks[turn] for number, turn in enumerate(turns) if turn in looks}

    def done(number: int, read: ReadAnswer) -> None:
        reads[turns[number]] = read

    times = limits.reads(start, (number for number, look in by_number.items() if "early" in look))
    readers.read_all(logins, turns, times, done, by_number)
    return reads


def _read_again(
    reads: dict[readers.Turn, ReadAnswer],
    logins: Mapping[str, Login],
    looks: Mapping[readers.Turn, LookToTake],
    limits: ProbeBudget,
) -> None:
    """Read absent paths once more: their cameras may have been starting.

    On-demand paths that waited as long as a relay's retry are not read again.
    """
    proving = {turn for turn, look in looks.items() if "early" in look}
    absent = [t for t, read in reads.items() if t not in proving and "error" in read and _may_be_starting(read)]
    wait = limits.begun + _CENTRE_AGAIN_S - time.monotonic()
    if not absent or limits.until - time.monotonic() < max(0.0, wait) + SHORTEST_READ_S:
        return
    time.sleep(max(0.0, wait))
    later = _reads_of_centre(logins, absent, looks, limits)
    reads.update({turn: read for turn, read in later.items() if "not_run" not in read})


def _may_be_starting(read: ReadAnswer) -> bool:
    cut_off = read.get("status") is None and not read.get("timed_out")
    return (cut_off or read.get("status") in _ABSENT) and read.get("seconds", 0.0) < _RETRY_S


def flow(request: FlowLookRequest, _folder: Path) -> FlowLookAnswer:
    """Return which paths flow or stand still; missing paths are left out."""
    paths: dict[str, PathToRead] = {
        name: {"name": name, "on_demand": False, "address": "", "port": 0} for name in request["paths"]
    }
    longest_s = min(LONGEST_SAMPLE_S, request["sample_s"])
    started = time.monotonic()
    first, error = sample(paths)
    flows: dict[str, bool] = {}
    for seconds in () if error else (min(_WATCHED_LEAST_S, longest_s), longest_s):
        time.sleep(max(0.0, started + seconds - time.monotonic()))
        later, error = sample(paths)
        flows = {name: _data_came(first.get(name), state) for name, state in later.items()}
        if error or (len(flows) == len(paths) and all(flows.values())):
            break
    return {
        "unit": units.active(UNIT_MEDIAMTX),
        "api_error": error,
        "flows": flows,
        "seconds": round(time.monotonic() - started, 2),
    }


def _data_came(before: SampleAnswer | None, now: SampleAnswer) -> bool:
    """Return whether data came; after a reconnect the count is lower."""
    if before is None or not (now["available"] and now["online"]):
        return False
    return now["inbound_bytes"] > before["inbound_bytes"] or 0 < now["inbound_bytes"] < before["inbound_bytes"]
