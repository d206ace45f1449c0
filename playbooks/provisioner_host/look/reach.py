"""Evidence of devices behind tunnels: TCP connections and tunnel counters."""

from __future__ import annotations

import errno
import selectors
import socket
import struct
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from provisioner_host.tunnel import tunnel

if TYPE_CHECKING:
    from provisioner_host.wire import (
        DeviceEvidenceAnswer,
        IcmpAnswer,
        PathToProbe,
        PeerEvidenceAnswer,
        TunnelAnswer,
        TunnelEvidenceAnswer,
    )

DeviceAddress = tuple[str, int]

# Ask the kernel to keep whose ICMP message ended a connection (Linux 5.8): a gateway's refusal is none of the camera's.
_IP_RECVERR, _FROM_ICMP = 11, 2
_SOCK_EXTENDED_ERR = struct.Struct("=IBBBxII")
_SO_MARK = 36
_CLASSES = {
    0: "ok",
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "no-route",
    errno.ENETUNREACH: "no-route",
    errno.ETIMEDOUT: "timeout",
    errno.EPERM: "not-permitted",
    errno.EACCES: "not-permitted",
}
# Below the usual limit of 1024 open files.
_AT_ONCE = 500
# A live peer that gets packets and has none to send answers with a keepalive after 10 s (WireGuard's
# KEEPALIVE_TIMEOUT), so that silence for longer than this tells a dead tunnel from a missing port map.
_KEEPALIVE_S = 12


def connect_all(devices: Iterable[DeviceAddress], timeout_s: float, mark: int = 0) -> list[DeviceEvidenceAnswer]:
    """Connect to all devices at once, with marked packets; return the results."""
    wanted = sorted(set(devices))
    outcomes: list[DeviceEvidenceAnswer] = []
    for first in range(0, len(wanted), _AT_ONCE):
        outcomes += _connect_all_at_once(wanted[first : first + _AT_ONCE], timeout_s, mark)
    return outcomes


def _connect_all_at_once(devices: list[DeviceAddress], timeout_s: float, mark: int) -> list[DeviceEvidenceAnswer]:
    """Connect to devices in parallel; return each outcome."""
    started = time.monotonic()
    outcomes = []
    with selectors.DefaultSelector() as waiting:
        for device in devices:
            link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            link.settimeout(0)
            link.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
            if mark:
                link.setsockopt(socket.SOL_SOCKET, _SO_MARK, mark)
            code = link.connect_ex(device)
            if code == errno.EINPROGRESS:
                waiting.register(link, selectors.EVENT_WRITE, (device, link, link.getsockname()[0]))
            else:
                outcomes.append(_device_outcome(device, code, started, _icmp_answer(link)))
                link.close()
        while waiting.get_map() and (left_s := started + timeout_s - time.monotonic()) > 0:
            for key, _ in waiting.select(left_s):
                device, link, own_address = key.data
                code = link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                outcomes.append(
                    _device_outcome(device, code, started, _icmp_answer(link, own_address) if code else None)
                )
                waiting.unregister(link)
                link.close()
        for key in list(waiting.get_map().values()):
            device, link, _ = key.data
            outcomes.append(_device_outcome(device, errno.ETIMEDOUT, started))
            link.close()
    return outcomes


def _device_outcome(
    device: DeviceAddress, code: int, started: float, icmp: IcmpAnswer | None = None
) -> DeviceEvidenceAnswer:
    outcome: DeviceEvidenceAnswer = {
        "address": device[0],
        "port": device[1],
        "outcome": _CLASSES.get(code, errno.errorcode.get(code, str(code))),
        "seconds": round(time.monotonic() - started, 2),
    }
    if icmp is not None:
        outcome["icmp"] = icmp
    return outcome


def _icmp_answer(link: socket.socket, own_address: str = "") -> IcmpAnswer | None:
    """Return the ICMP message that ended a connection, or `None`.

    `own_address` is the connection's local address: messages from there are this host's.
    """
    try:
        _, around, _, _ = link.recvmsg(512, 512, socket.MSG_ERRQUEUE)
    except OSError:
        return None
    messages = (data for level, kind, data in around if (level, kind) == (socket.IPPROTO_IP, _IP_RECVERR))
    message = next(filter(None, map(icmp_in, messages)), None)
    return {**message, "own": True} if message is not None and message["sender"] == own_address else message


def icmp_in(error: bytes) -> IcmpAnswer | None:
    """Return the ICMP message in a `struct sock_extended_err`, or `None`."""
    head, sender = error[: _SOCK_EXTENDED_ERR.size], error[_SOCK_EXTENDED_ERR.size :]
    if len(head) < _SOCK_EXTENDED_ERR.size or len(sender) < 8:  # noqa: PLR2004 (as long as an IPv4 address's part is)
        return None
    _, origin, kind, code, _, _ = _SOCK_EXTENDED_ERR.unpack(head)
    if origin != _FROM_ICMP or int.from_bytes(sender[:2], sys.byteorder) != socket.AF_INET:
        return None
    return {"sender": socket.inet_ntoa(sender[4:8]), "type": kind, "code": code}


def again(connected: list[DeviceEvidenceAnswer], timeout_s: float, mark: int = 0) -> list[DeviceEvidenceAnswer]:
    """Retry the devices that timed out, with marked packets.

    A gateway sends packets to an unplugged camera until its neighbour entry expires; only then does it report no route.
    """
    late = [(c["address"], c["port"]) for c in connected if c["outcome"] == "timeout"]
    retried = {(c["address"], c["port"]): c for c in connect_all(late, timeout_s, mark)}
    return [retried.get((c["address"], c["port"]), c) for c in connected]


def live_tunnel(key: str) -> TunnelAnswer:
    """Return the live tunnel, empty if it is down."""
    down: TunnelAnswer = {"public_key": "", "listen_port": 0, "addresses": [], "routes": [], "mtu": 0, "peers": {}}
    return tunnel.live(key) or down


def wait_for_keepalive(
    before: TunnelAnswer, key: str, devices: list[PathToProbe], connected: list[DeviceEvidenceAnswer], started: float
) -> TunnelAnswer:
    """Return the tunnel after a wait for silent peers.

    A peer is silent if all its devices timed out and no packet came: a tunnel that has just failed still has a recent
    handshake. `before` and `started` are the tunnel and time before the connections.
    """
    timed_out = {(c["address"], c["port"]) for c in connected if c["outcome"] == "timeout"}
    silent = {d["peer"] for d in devices} - {d["peer"] for d in devices if (d["address"], d["port"]) not in timed_out}
    while True:
        now = live_tunnel(key)
        waiting = [p for p in silent if _received(now, p) <= _received(before, p)]
        if not waiting or time.monotonic() > started + _KEEPALIVE_S:
            return now
        time.sleep(1)


def _received(live: TunnelAnswer, peer: str) -> int:
    return live["peers"][peer]["received_bytes"] if peer in live["peers"] else 0


def evidence_of_tunnel(before: TunnelAnswer, after: TunnelAnswer) -> TunnelEvidenceAnswer:
    """Return routes, and each peer's addresses, handshake age and traffic."""
    now = time.time()
    first = before["peers"]
    peers: dict[str, PeerEvidenceAnswer] = {
        name: {
            "allowed_ips": peer["allowed_ips"],
            "handshake_age_s": round(now - peer["handshake"], 1) if peer["handshake"] else None,
            "received_bytes": [first.get(name, peer)["received_bytes"], peer["received_bytes"]],
            "sent_bytes": [first.get(name, peer)["sent_bytes"], peer["sent_bytes"]],
        }
        for name, peer in after["peers"].items()
    }
    return {"routes": after["routes"], "peers": peers}
