"""Transport of streams during a visit: sent, discarded, queued and received data.

MediaMTX counts the packets that it discards because a reader is too slow. Before that, seconds of a stream queue in the
kernel; `ss` shows how much, and whether the network or the reader is slow. The controller judges the result.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from provisioner_host.machine.paths import READER_PORTS
from provisioner_host.machine.shell import Failed, run
from provisioner_host.relay import relay

if TYPE_CHECKING:
    from provisioner_host.look.rtsp_talk import Login
    from provisioner_host.wire import ArrivalAnswer, DeliveryAnswer, FlowAnswer, PathToRead, RelayDeliveriesAnswer

_PATHS = "/v3/paths/list?itemsPerPage=1000000"
_EVERY_S = 1.0
# A visit to a large relay takes minutes: of those, a look every so often is enough.
_LATER_S, _SOON_S = 5.0, 30.0
_NAMED = 10_000
_LINE = re.compile(r"^(\d+)\s+(\d+)\s+(\S+):(\d+)\s+(\S+):(\d+)\s(.*)$")
_COUNT = re.compile(r"\b(bytes_sent|bytes_retrans|bytes_received|data_segs_in|rcv_ooopack):(\d+)\b")
_SPENT = re.compile(r"\b(busy|rwnd_limited):(\d+)ms")

Ends = tuple[str, int, str, int]
"""A connection: our address and port, then the peer's."""


class CountedLink(NamedTuple):
    """A connection's queued bytes and counters from the kernel."""

    unread: int
    unsent: int
    counts: Mapping[str, int]


class ReaderSession(NamedTuple):
    """A reader's session and MediaMTX's counters."""

    user: str
    path: str
    address: str
    port: int
    packets: int
    discarded: int


class Moment(NamedTuple):
    """A moment's sessions by id, connections, and bytes by path."""

    at: float
    sessions: Mapping[str, ReaderSession]
    links: Mapping[Ends, CountedLink]
    received: Mapping[str, int]


class Moments:
    """Moments recorded in a thread beside other work."""

    def __init__(self, look: Callable[[], Moment]) -> None:
        self._look, self._over, self._begun = look, threading.Event(), time.monotonic()
        self._taken: list[Moment] = []
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def end(self) -> list[Moment]:
        """Take the last moment and return all."""
        self._over.set()
        self._thread.join()
        return self._taken

    def _work(self) -> None:
        self._taken.append(self._look())
        while not self._over.wait(self._pause()):
            self._taken.append(self._look())
        self._taken.append(self._look())

    def _pause(self) -> float:
        return _EVERY_S if time.monotonic() < self._begun + _SOON_S else _LATER_S


# --- a relay --------------------------------------------------------------------------------------


class RelayWatch:
    """A recording of a relay's streams; empty until it ends."""

    def __init__(self, paths: Mapping[str, PathToRead]) -> None:
        self._paths, self.looks = paths, list[Moment]()

    def evidence(self) -> RelayDeliveriesAnswer:
        """Return each reader's service and each device connection's data."""
        devices = {(p["address"], p["port"]) for p in self._paths.values()}
        return {
            "readers": _served(self.looks),
            "sources": _arrived(self.looks, devices),
            "flows": {name: _flow(name, self.looks) for name in self._paths},
        }


@contextmanager
def watched(paths: Mapping[str, PathToRead]) -> Iterator[RelayWatch]:
    """Record how a relay's streams are transported."""
    watch = RelayWatch(paths)
    devices = {(p["address"], p["port"]) for p in paths.values()}

    def of_ours(ends: Ends) -> bool:
        return ends[1] in READER_PORTS or ends[2:] in devices

    def look() -> Moment:
        at, reading, received = time.monotonic(), sessions(paths), _received(paths)
        return Moment(at, reading, _links(of_ours), received)

    looks = Moments(look)
    try:
        yield watch
    finally:
        watch.looks = looks.end()


def sessions(paths: Collection[str]) -> dict[str, ReaderSession]:
    """Return sessions that read the paths, by id; empty if unknown."""
    try:
        listed = relay.reader_sessions()
        reading = [s for s in listed if s.get("state") == "read" and s.get("path") in paths]
        return {str(s["id"]): _session(s) for s in reading}
    except (Failed, OSError, KeyError, TypeError, ValueError, AttributeError):
        return {}


def _received(paths: Collection[str]) -> dict[str, int]:
    """Return bytes by available path; a new pull starts at 0."""
    try:
        listed = relay.api(_PATHS)["items"]
        available = [item for item in listed if item.get("name") in paths and item.get("available")]
        return {str(item["name"]): int(item.get("inboundBytes") or 0) for item in available}
    except (Failed, OSError, KeyError, TypeError, ValueError, AttributeError):
        return {}


def _flow(name: str, looks: list[Moment]) -> FlowAnswer:
    pairs = [(a, b) for a, b in zip(looks, looks[1:]) if name in a.received and name in b.received]
    grown = [(b.at - a.at, b.received[name] - a.received[name]) for a, b in pairs]
    steps = [(seconds, received) for seconds, received in grown if received >= 0]
    return {
        "seconds": round(sum(seconds for seconds, _ in steps), 2),
        "bytes": sum(received for _, received in steps),
        "still_s": round(max(sum(seconds for seconds, _ in run) for run in _still(grown)), 2),
    }


def _still(grown: list[tuple[float, int]]) -> Iterator[list[tuple[float, int]]]:
    yield []
    yield from (list(run) for nothing, run in groupby(grown, lambda step: step[1] == 0) if nothing)


def _session(session: Mapping[str, Any]) -> ReaderSession:
    address, _, port = str(session["remoteAddr"]).rpartition(":")
    return ReaderSession(
        user=str(session.get("user") or ""),
        path=str(session["path"]),
        address=_bare(address),
        port=int(port),
        packets=int(session.get("outboundRTPPackets") or session.get("rtpPacketsSent") or 0),
        discarded=int(session.get("outboundRTPPacketsDiscarded") or 0),
    )


def _served(looks: list[Moment]) -> list[DeliveryAnswer]:
    by_reader = [{ends[2:]: link for ends, link in look.links.items() if ends[1] in READER_PORTS} for look in looks]
    answers = []
    for name in sorted({name for look in looks for name in look.sessions})[:_NAMED]:
        samples = [(look.at, look.sessions[name]) for look in looks if name in look.sessions]
        reader = samples[-1][1].address, samples[-1][1].port
        answers.append(_delivery(samples, [links[reader] for links in by_reader if reader in links]))
    return answers


def _delivery(samples: list[tuple[float, ReaderSession]], links: list[CountedLink]) -> DeliveryAnswer:
    (begin, first), (end, last) = samples[0], samples[-1]
    grown = _growth(links)
    return {
        "user": last.user[:64],
        "path": last.path,
        "address": last.address,
        "port": last.port,
        "seconds": round(end - begin, 2),
        "packets": max(0, last.packets - first.packets),
        "discarded": max(0, last.discarded - first.discarded),
        "sent": grown.get("bytes_sent", 0),
        "again": grown.get("bytes_retrans", 0),
        # What waits at one moment may be a key picture on its way.
        "waiting": min((link.unsent for link in links[-2:]), default=0),
        "busy_s": round(grown.get("busy", 0) / 1000, 2),
        "unread_s": round(grown.get("rwnd_limited", 0) / 1000, 2),
    }


# --- a centre -------------------------------------------------------------------------------------


class CentreWatch:
    """A recording of a centre's connections to relays; empty until it ends."""

    def __init__(self) -> None:
        self.looks = list[Moment]()

    def evidence(self) -> list[ArrivalAnswer]:
        """Return each connection's data."""
        return _arrived(self.looks, None)


@contextmanager
def incoming(logins: Iterable[Login]) -> Iterator[CentreWatch]:
    """Record the data from relays."""
    watch = CentreWatch()
    relays = {(login.address, login.port) for login in logins}
    looks = Moments(lambda: Moment(time.monotonic(), {}, _links(lambda ends: ends[2:] in relays), {}))
    try:
        yield watch
    finally:
        watch.looks = looks.end()


# --- connections ----------------------------------------------------------------------------------


def _arrived(looks: list[Moment], places: Collection[tuple[str, int]] | None) -> list[ArrivalAnswer]:
    names = {ends for look in looks for ends in look.links if places is None or ends[2:] in places}
    return [_arrival(ends, [look for look in looks if ends in look.links]) for ends in sorted(names)[:_NAMED]]


def _arrival(ends: Ends, looks: list[Moment]) -> ArrivalAnswer:
    links = [look.links[ends] for look in looks]
    grown = _growth(links)
    return {
        "address": ends[2],
        "port": ends[3],
        "own_port": ends[1],
        "seconds": round(looks[-1].at - looks[0].at, 2),
        "received": grown.get("bytes_received", 0),
        "segments": grown.get("data_segs_in", 0),
        "disordered": grown.get("rcv_ooopack", 0),
        "waiting": min((link.unread for link in links[-2:]), default=0),
    }


def _growth(links: list[CountedLink]) -> dict[str, int]:
    if not links:
        return {}
    first, last = links[0].counts, links[-1].counts
    return {name: max(0, count - first.get(name, 0)) for name, count in last.items()}


def _links(wanted: Callable[[Ends], bool]) -> dict[Ends, CountedLink]:
    try:
        output = run(["ss", "--no-header", "-tniO", "state", "established"]).stdout
    except (Failed, UnicodeDecodeError):
        return {}
    return {ends: link for ends, link in parse(output) if wanted(ends)}


def parse(output: str) -> Iterator[tuple[Ends, CountedLink]]:
    """Parse the output of `ss`, one connection per line."""
    for line in output.splitlines():
        matched = _LINE.match(line)
        if matched is None:
            continue
        unread, unsent, own, own_port, peer, port, rest = matched.groups()
        counts = {name: int(count) for name, count in (*_COUNT.findall(rest), *_SPENT.findall(rest))}
        yield (_bare(own), int(own_port), _bare(peer), int(port)), CountedLink(int(unread), int(unsent), counts)


def _bare(address: str) -> str:
    return address.strip("[]").removeprefix("::ffff:").partition("%")[0]
