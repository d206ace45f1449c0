"""Transport of streams during a visit: sent, discarded, queued and received data.

MediaMTX counts the packets that it discards because a reader is too slow. Before that, seconds of a stream queue in the
kernel; `ss` shows how much, and whether the network or the reader is slow. The controller judges the result.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from provisioner_host.machine.paths import READER_PORTS
from provisioner_host.machine.patterns import pattern
from provisioner_host.machine.shell import Failed, run
from provisioner_host.relay import relay

if TYPE_CHECKING:
    from provisioner_host.look.rtsp_talk import Login
    from provisioner_host.wire import ArrivalAnswer, DeliveryAnswer, FlowAnswer, PathToRead, RelayDeliveriesAnswer

_EVERY_S = 1.0
# A visit to a large relay takes minutes: of those, a look every so often is enough.
_LATER_S, _SOON_S = 5.0, 30.0
_NAMED = 10_000
_LINE = pattern(r"^(\d+)\s+(\d+)\s+(\S+):(\d+)\s+(\S+):(\d+)\s(.*)$")
_COUNT = pattern(r"\b(bytes_sent|bytes_retrans|bytes_received|data_segs_in|rcv_ooopack):(\d+)\b")
_SPENT = pattern(r"\b(busy|rwnd_limited):(\d+)ms")

Ends = tuple[str, int, str, int]  #: A connection: our address and port, then the peer's.


class CountedLink(NamedTuple):
    """A connection's queued bytes and counters from the kernel."""

    unread: int
    unsent: int
    counts: Mapping[str, int]


class ReaderSession(NamedTuple):
    """A reader's session and MediaMTX's counters; `agent` is its program."""

    user: str
    path: str
    address: str
    port: int
    packets: int
    discarded: int
    agent: str = ""


class Snapshot(NamedTuple):
    """One moment's sessions by id, connections by ends, bytes by path."""

    at: float
    sessions: Mapping[str, ReaderSession]
    links: Mapping[Ends, CountedLink]
    received: Mapping[str, int]


class SnapshotThread:
    """Takes snapshots in a thread beside other work."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._take_snapshot, self._over, self._begun = snapshot, threading.Event(), time.monotonic()
        self._taken: list[Snapshot] = []
        self._thread = threading.Thread(target=self._take_snapshots, daemon=True)
        self._thread.start()

    def end(self) -> list[Snapshot]:
        """Take the last snapshot and return all."""
        self._over.set()
        self._thread.join()
        return self._taken

    def _take_snapshots(self) -> None:
        self._taken.append(self._take_snapshot())
        while not self._over.wait(self._pause()):
            self._taken.append(self._take_snapshot())
        self._taken.append(self._take_snapshot())

    def _pause(self) -> float:
        return _EVERY_S if time.monotonic() < self._begun + _SOON_S else _LATER_S


# --- a relay --------------------------------------------------------------------------------------
class RelayWatch:
    """A recording of a relay's streams; empty until it ends."""

    def __init__(self, paths: Mapping[str, PathToRead]) -> None:
        self._paths, self.snapshots = paths, list[Snapshot]()

    def evidence(self) -> RelayDeliveriesAnswer:
        """Return the transport of the streams: `readers`, `sources` and `flows`.

        `readers` has the packets sent to each reader, `sources` the data received over each device's connection.
        `flows` has for each path the received bytes and the longest time without any.
        """
        devices = {(p["address"], p["port"]) for p in self._paths.values()}
        return {
            "readers": _deliveries_of_readers(self.snapshots),
            "sources": _arrivals(self.snapshots, devices),
            "flows": {name: _flow_of_path(name, self.snapshots) for name in self._paths},
        }


@contextmanager
def watched(paths: Mapping[str, PathToRead]) -> Iterator[RelayWatch]:
    """Record how a relay's streams are transported."""
    watch = RelayWatch(paths)
    devices = {(p["address"], p["port"]) for p in paths.values()}

    def of_ours(ends: Ends) -> bool:
        return ends[1] in READER_PORTS or ends[2:] in devices

    def take() -> Snapshot:
        at, reading, received = time.monotonic(), sessions(paths), _received_bytes(paths)
        return Snapshot(at, reading, _counted_links(of_ours), received)

    snapshots = SnapshotThread(take)
    try:
        yield watch
    finally:
        watch.snapshots = snapshots.end()


def sessions(paths: Collection[str]) -> dict[str, ReaderSession]:
    """Return sessions that read the paths, by id; empty if unknown."""
    try:
        listed = relay.reader_sessions()
        reading = [s for s in listed if s.get("state") == "read" and s.get("path") in paths]
        return {str(s["id"]): _session(s) for s in reading}
    except (Failed, OSError, KeyError, TypeError, ValueError, AttributeError):
        return {}


def _received_bytes(paths: Collection[str]) -> dict[str, int]:
    """Return bytes by available path; a new pull starts at 0."""
    try:
        listed = relay.api(relay.PATHS)["items"]
        available = [item for item in listed if item.get("name") in paths and item.get("available")]
        return {str(item["name"]): int(item.get("inboundBytes") or 0) for item in available}
    except (Failed, OSError, KeyError, TypeError, ValueError, AttributeError):
        return {}


def _flow_of_path(name: str, snapshots: list[Snapshot]) -> FlowAnswer:
    pairs = [(a, b) for a, b in zip(snapshots, snapshots[1:]) if name in a.received and name in b.received]
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
        agent=str(session.get("userAgent") or ""),
    )


def _deliveries_of_readers(snapshots: list[Snapshot]) -> list[DeliveryAnswer]:
    by_reader = [
        {ends[2:]: link for ends, link in snapshot.links.items() if ends[1] in READER_PORTS} for snapshot in snapshots
    ]
    answers = []
    for name in sorted({name for snapshot in snapshots for name in snapshot.sessions})[:_NAMED]:
        samples = [(snapshot.at, snapshot.sessions[name]) for snapshot in snapshots if name in snapshot.sessions]
        reader = samples[-1][1].address, samples[-1][1].port
        answers.append(_delivery(samples, [links[reader] for links in by_reader if reader in links]))
    return answers


def _delivery(samples: list[tuple[float, ReaderSession]], links: list[CountedLink]) -> DeliveryAnswer:
    (begin, first), (end, last) = samples[0], samples[-1]
    grown = _count_growth(links)
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
        self.snapshots = list[Snapshot]()

    def evidence(self) -> list[ArrivalAnswer]:
        """Return each connection's data."""
        return _arrivals(self.snapshots, None)


@contextmanager
def incoming(logins: Iterable[Login]) -> Iterator[CentreWatch]:
    """Record the data from relays."""
    watch = CentreWatch()
    relays = {(login.address, login.port) for login in logins}
    snapshots = SnapshotThread(
        lambda: Snapshot(time.monotonic(), {}, _counted_links(lambda ends: ends[2:] in relays), {})
    )
    try:
        yield watch
    finally:
        watch.snapshots = snapshots.end()


# --- connections ----------------------------------------------------------------------------------
def _arrivals(snapshots: list[Snapshot], peers: Collection[tuple[str, int]] | None) -> list[ArrivalAnswer]:
    connections = {ends for snapshot in snapshots for ends in snapshot.links if peers is None or ends[2:] in peers}
    return [
        _arrival(ends, [snapshot for snapshot in snapshots if ends in snapshot.links])
        for ends in sorted(connections)[:_NAMED]
    ]


def _arrival(ends: Ends, snapshots: list[Snapshot]) -> ArrivalAnswer:
    links = [snapshot.links[ends] for snapshot in snapshots]
    grown = _count_growth(links)
    return {
        "address": ends[2],
        "port": ends[3],
        "own_port": ends[1],
        "seconds": round(snapshots[-1].at - snapshots[0].at, 2),
        "received": grown.get("bytes_received", 0),
        "segments": grown.get("data_segs_in", 0),
        "disordered": grown.get("rcv_ooopack", 0),
        "waiting": min((link.unread for link in links[-2:]), default=0),
    }


def _count_growth(links: list[CountedLink]) -> dict[str, int]:
    if not links:
        return {}
    first, last = links[0].counts, links[-1].counts
    return {name: max(0, count - first.get(name, 0)) for name, count in last.items()}


def _counted_links(wanted: Callable[[Ends], bool]) -> dict[Ends, CountedLink]:
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
