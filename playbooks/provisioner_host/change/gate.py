"""Evidence for the path gate, before and after a switch."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner_host.firewall import firewall
from provisioner_host.look import reach
from provisioner_host.machine import units
from provisioner_host.machine.files import canonical
from provisioner_host.machine.paths import LAST_GOOD, MEDIAMTX_FILE, PROBE_TABLE, SENTINEL_PREFIX, TABLE, UNIT_MEDIAMTX
from provisioner_host.machine.shell import Failed, run, scrub
from provisioner_host.relay import quarantine, relay, source_log
from provisioner_host.relay.streams import recent_streams, stream_of
from provisioner_host.state import last_good
from provisioner_host.tunnel import tunnel

if TYPE_CHECKING:
    from provisioner_host import wire

_CAMERA = "element cameras "
_DOORS = ("element management ", "element management_v6 ", "element centres ")
_LOG_S = 60
# What is asked of a path that stays away: whether its camera's port answers, and what MediaMTX has said of it lately.
# It tries every 5 s, and 10 s is the longest that one try takes.
_PORT_S = 4.0
_TRIES_S = 20
# A look that is asked for early begins when it should; the switch was renewed for longer than this.
_LONGEST_WAIT_S = 5.0
# Most cameras send a picture in this time; of those that have not is sampled again, ever later.
_SOON_S = 0.1

_STILL: wire.ReadAnswer = {"error": "no frame: nothing comes from its source", "status": None}


def look(request: wire.GateRequest | None, *, switched: bool = False) -> wire.LookAnswer:
    """Return paths, readers and peers for the gate.

    The request's `paths` are read for a key frame; of its `away` paths only the cameras' ports are tried. Failures are
    part of the answer and stop nothing. With `switched`, last-good is the state before the switch.
    """
    if request is None:
        return {"sessions": _sessions_now(switched=switched), "relay": None, "waited_s": 0.0}
    started = time.monotonic()
    since, wait_s = request.get("since", started), request.get("wait_s", 0.0)
    # Whatever a request says of a moment, of another boot perhaps: nobody waits longer.
    moment = started + max(0.0, min(since + wait_s - started, _LONGEST_WAIT_S))
    first = _sessions_now(switched=switched) if request.get("first") else None
    early = None
    if switched and request["paths"] and request.get("early_s") and moment > started:
        time.sleep(max(0.0, moment - request["early_s"] - time.monotonic()))
        early = _EarlyReads(request)
    time.sleep(max(0.0, moment - time.monotonic()))
    waited_s = max(0.0, time.monotonic() - since)
    now = _sessions_now(switched=switched)
    relay_ = _gather_evidence(request, switched=switched, early=early) if _asks(request) else None
    looked: wire.LookAnswer = {"sessions": now, "relay": relay_, "waited_s": waited_s}
    return looked if first is None else {**looked, "first": first}


def _sessions_now(*, switched: bool) -> wire.SessionsAnswer:
    now = sessions()
    if switched:
        now["changed"] = _changed_paths()
    return now


class _EarlyReads:
    """Reads shortly before a look's moment, so key frames need no wait.

    Attributes:
        reads: their results.
        unit, errors: state of the relay's unit, and its errors about the paths.
        seen: samples begun after the reads; they show whether paths still flow at the moment.
    """

    def __init__(self, request: wire.GateRequest) -> None:
        self.reads = _reads_of(request, _samples_of(request, followed=True))
        self.unit, self.errors = units.active(UNIT_MEDIAMTX), _errors(request)
        self.seen = _samples_of(request, followed=False)


def _errors(request: wire.GateRequest) -> dict[str, list[str]]:
    read, absent = ([path["name"] for path in listed] for listed in (request["paths"], request["away"]))
    errors = source_log.last_errors(read, _LOG_S) if read else {}
    return errors | (source_log.last_errors(absent, _TRIES_S) if absent else {})


def _asks(request: wire.GateRequest) -> bool:
    return bool(request["paths"] or request["away"])


class LookBefore:
    """The look before a switch: sessions at once, reads in a thread.

    If the relay does not answer (`answers`), no path is read.
    """

    def __init__(self, request: wire.GateRequest | None, *, answers: bool) -> None:
        self._relay: wire.RelayEvidenceAnswer | None = None
        self._error: BaseException | None = None
        gate_request = request if request and answers and _asks(request) else None
        self._reading = threading.Thread(target=self._read, args=(gate_request,)) if gate_request else None
        # Reads first, as they take longest.
        if self._reading:
            self._reading.start()
        self.sessions = sessions(answers=answers)

    def _read(self, request: wire.GateRequest) -> None:
        try:
            self._relay = _gather_evidence(request, switched=False)
        except BaseException as error:  # noqa: BLE001 (it is raised where the look ends)
            self._error = error

    @property
    def is_reading(self) -> bool:
        """Whether paths are still being read."""
        return self._reading is not None and self._reading.is_alive()

    def wait(self) -> None:
        """Wait for the reads."""
        if self._reading:
            self._reading.join()

    def end(self) -> wire.LookAnswer:
        """Return the look with the present sessions, or raise its error."""
        self.wait()
        if self._error is not None:
            raise self._error
        return latest({"sessions": self.sessions, "relay": self._relay})


def latest(before: wire.LookAnswer) -> wire.LookAnswer:
    """Update a look's sessions, and mark the paths that flowed since."""
    earlier = before["sessions"]
    try:
        paths, at = _paths(), time.time()
    except (Failed, OSError, KeyError):
        return before
    since = earlier["at"]
    then: dict[str, list[Any]] = {n: [p["since"], p["bytes"]] for n, p in (earlier["paths"] or {}).items()}
    if (noted := recent_streams(at)) is not None and noted[0] < since:
        since, then = noted[0], {**then, **noted[1]}
    for name, path in paths.items():
        former = then.get(name)
        path["flowed"] = former is not None and former[0] == path["since"] and path["bytes"] > former[1]
    # By the two moments of this host's clock; one that jumped back tells nothing.
    return {**before, "sessions": {**earlier, "paths": paths, "at": at, "over_s": max(0.0, at - since)}}


def sessions(*, answers: bool = True) -> wire.SessionsAnswer:
    """Return every path with source and readers, all peers, and the rules.

    `paths` and `started` are `None` if no relay answers; with `answers` false it is not asked.
    """
    now: wire.SessionsAnswer = {
        "at": 0.0,
        "over_s": 0.0,
        "started": None,
        "paths": None,
        "peers": {},
        "rules": None,
        "changed": [],
        "quarantined": quarantine.names(),
    }
    try:
        listed = _paths() if answers else None
        now["started"] = str(relay.api("/v3/info").get("started", "")) if answers else None
        now["paths"] = listed
    except (Failed, OSError, KeyError):
        pass
    now["at"] = time.time()
    try:
        peers = tunnel.live_peers("") or {}
    except Failed:
        peers = {}
    now["peers"] = {
        name: {"handshake": p["handshake"], "received": p["received_bytes"], "allowed_ips": p["allowed_ips"]}
        for name, p in peers.items()
    }
    now["rules"] = _rule_digests()
    return now


def _paths() -> dict[str, wire.SessionAnswer]:
    listed = relay.api(relay.PATHS)["items"]
    readers = relay.readers_of(listed)
    return {
        p["name"]: _session_of_path(p, readers.get(p["name"], []))
        for p in listed
        if not p["name"].startswith(SENTINEL_PREFIX)
    }


def _session_of_path(item: dict[str, Any], readers: list[str]) -> wire.SessionAnswer:
    """Return a path's state, without `online`, which dead cameras keep (1.20.1)."""
    since, received = stream_of(item)
    return {
        "available": bool(item.get("available")),
        "since": since,
        "bytes": received,
        "flowed": False,
        "readers": readers,
    }


def _rule_digests() -> wire.RulesAnswer | None:
    """Return digests of our table, other tables and the tunnel's routes."""
    try:
        listed = json.loads(run(["nft", "-j", "list", "ruleset"]).stdout)["nftables"]
        routes = tunnel.live_link()["routes"]
    except (Failed, ValueError, KeyError):
        return None
    ours = [entry for entry in listed if _is_ours(entry)]
    table = firewall.items({"nftables": ours})
    cameras = sorted(name.removeprefix(_CAMERA) for name in table if name.startswith(_CAMERA))
    doors = {name: value for name, value in table.items() if name.startswith(_DOORS)}
    rest = {name: value for name, value in table.items() if not name.startswith((_CAMERA, *_DOORS))}
    foreign = [firewall.without_counters(entry) for entry in listed if not _is_ours(entry) and not _is_probes(entry)]
    return {
        "cameras": cameras,
        "rest": _digest(rest) if ours else "",
        "doors": _digest(doors),
        "around": _digest([foreign, routes]),
    }


def _is_ours(entry: dict[str, Any]) -> bool:
    return _is_of(entry, TABLE)


def _is_probes(entry: dict[str, Any]) -> bool:
    return _is_of(entry, PROBE_TABLE)


def _is_of(entry: dict[str, Any], table: tuple[str, str]) -> bool:
    return any((value.get("family"), value.get("table", value.get("name"))) == table for value in entry.values())


def _digest(value: object) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()


def _changed_paths() -> list[str]:
    try:
        saved = last_good.state_of(LAST_GOOD)["files"]
        copy = next((f["content"] for f in saved if Path(f["path"]) == MEDIAMTX_FILE), None)
        before = quarantine.whole((LAST_GOOD / copy).read_text()) if copy else ""
        return relay.changed_paths(before, relay.read_file())
    except (Failed, OSError, ValueError):
        return []


def _stands_still(first: wire.SampleAnswer | None, second: wire.SampleAnswer | None) -> bool:
    both = first is not None and second is not None
    return both and first["available"] and second["available"] and second["inbound_bytes"] == first["inbound_bytes"]  # type: ignore[index]


def _gather_evidence(
    request: wire.GateRequest, *, switched: bool, early: _EarlyReads | None = None
) -> wire.RelayEvidenceAnswer:
    """Gather evidence of levels 4 and 5, which also show relay failures.

    After a switch, stalled streams are not read but sampled again: a read would take its whole timeout.

    Args:
        request: the gate's request.
        switched: whether the switch was made.
        early: earlier reads; streams that stalled since count as without a picture.
    """
    if early is not None:
        samples = early.seen
        samples.follow(at_once=True)
        reads = early.reads | samples.still()
    else:
        samples = _samples_of(request, followed=switched)
        reads = _reads_of(request, samples)
        if not switched:
            samples.follow()
    absent = {(p["address"], p["port"]) for p in request["away"]} & firewall.installed_places().cameras
    return {
        "unit": units.active(UNIT_MEDIAMTX) if early is None else early.unit,
        "api_error": scrub(samples.error),
        "tunnel": {"routes": [], "peers": {}},
        "devices": reach.connect_all(absent, _PORT_S),
        "paths": {
            path["name"]: {
                "samples": [samples.first.get(path["name"]), samples.last.get(path["name"])],
                "read": reads.get(path["name"]),
            }
            for path in request["paths"]
        },
        "sources": None,
        "errors": _errors(request) if early is None else early.errors,
    }


def _samples_of(request: wire.GateRequest, *, followed: bool) -> _Samples:
    """Sample the read paths; with `followed`, until all flow."""
    from provisioner_host.look import probe  # noqa: PLC0415 (a change that looks at no path does without what reads)

    paths = {p["name"]: p for p in request["paths"]}
    samples = _Samples(paths, lambda: probe.sample(paths), min(probe.LONGEST_SAMPLE_S, request["sample_s"]))
    if followed:
        samples.follow()
    return samples


def _reads_of(request: wire.GateRequest, samples: _Samples) -> dict[str, wire.ReadAnswer]:
    from provisioner_host.look import probe  # noqa: PLC0415 (the same)

    stalled = samples.still()
    moving = {p["name"]: p for p in request["paths"] if p["name"] not in stalled}
    limits = probe.ProbeBudget(request)
    reads = probe.reads_of_relay(request["address"], moving, (samples.first, samples.last), limits) if moving else {}
    return reads | stalled


class _Samples:
    """A first and a last sample of paths."""

    def __init__(
        self, names: Iterable[str], take: Callable[[], tuple[dict[str, wire.SampleAnswer], str]], longest_s: float
    ) -> None:
        self._names, self._take, self._longest_s = tuple(names), take, longest_s
        self._until = time.monotonic() + longest_s
        self.first, self.error = take()
        self.last: dict[str, wire.SampleAnswer] = {}

    def follow(self, *, at_once: bool = False) -> None:
        """Sample until all paths flow or the time is over.

        With `at_once`, the next sample is taken immediately.
        """
        if not self._names:
            return
        pause = 0.0 if at_once else _SOON_S
        if at_once:
            self._until = time.monotonic() + self._longest_s
        while True:
            time.sleep(max(0.0, min(pause, self._until - time.monotonic())))
            self.last, error = self._take()
            self.error = error or self.error
            if error or all(map(self._flows, self._names)) or time.monotonic() >= self._until:
                return
            pause = max(_SOON_S, 1.5 * pause)

    def still(self) -> dict[str, wire.ReadAnswer]:
        """Return the read results of stalled paths."""
        return {n: _STILL for n in self._names if _stands_still(self.first.get(n), self.last.get(n))}

    def _flows(self, name: str) -> bool:
        now = self.last.get(name)
        return now is not None and now["available"] and not _stands_still(self.first.get(name), now)
