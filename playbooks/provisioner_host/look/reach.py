"""Whether devices answer behind tunnels: TCP connections and the tunnel's own counters, as evidence."""

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
    """Connect to every device, all at the same time, with packets of that mark: how each answered."""
    wanted = sorted(set(devices))
    outcomes: list[DeviceEvidenceAnswer] = []
    for first in range(0, len(wanted), _AT_ONCE):
        outcomes += _connect(wanted[first : first + _AT_ONCE], timeout_s, mark)
    return outcomes


def _connect(devices: list[DeviceAddress], timeout_s: float, mark: int) -> list[DeviceEvidenceAnswer]:
    begun = time.monotonic()
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
                outcomes.append(_outcome(device, code, begun, _icmp(link)))
                link.close()
        while waiting.get_map() and (left := begun + timeout_s - time.monotonic()) > 0:
            for key, _ in waiting.select(left):
                device, link, own = key.data
                code = link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                outcomes.append(_outcome(device, code, begun, _icmp(link, own) if code else None))
                waiting.unregister(link)
                link.close()
        for key in list(waiting.get_map().values()):
            device, link, _ = key.data
            outcomes.append(_outcome(device, errno.ETIMEDOUT, begun))
            link.close()
    return outcomes


def _outcome(device: DeviceAddress, code: int, begun: float, icmp: IcmpAnswer | None = None) -> DeviceEvidenceAnswer:
    outcome: DeviceEvidenceAnswer = {
        "address": device[0],
        "port": device[1],
        "outcome": _CLASSES.get(code, errno.errorcode.get(code, str(code))),
        "seconds": round(time.monotonic() - begun, 2),
    }
    if icmp is not None:
        outcome["icmp"] = icmp
    return outcome


def _icmp(link: socket.socket, own: str = "") -> IcmpAnswer | None:
    """The ICMP message that ended a connection; None where no message did, or the kernel keeps none.

    `own` is the address of this host that the connection went from: what comes from there this host says itself.
    """
    try:
        _, around, _, _ = link.recvmsg(512, 512, socket.MSG_ERRQUEUE)
    except OSError:
        return None
    messages = (data for level, kind, data in around if (level, kind) == (socket.IPPROTO_IP, _IP_RECVERR))
    message = next(filter(None, map(icmp_in, messages)), None)
    return {**message, "own": True} if message is not None and message["sender"] == own else message


def icmp_in(error: bytes) -> IcmpAnswer | None:
    """The message in an extended error of the kernel (`struct sock_extended_err`), None where it is none of ICMP's."""
    head, sender = error[: _SOCK_EXTENDED_ERR.size], error[_SOCK_EXTENDED_ERR.size :]
    if len(head) < _SOCK_EXTENDED_ERR.size or len(sender) < 8:  # noqa: PLR2004 (as long as an IPv4 address's part is)
        return None
    _, origin, kind, code, _, _ = _SOCK_EXTENDED_ERR.unpack(head)
    if origin != _FROM_ICMP or int.from_bytes(sender[:2], sys.byteorder) != socket.AF_INET:
        return None
    return {"sender": socket.inet_ntoa(sender[4:8]), "type": kind, "code": code}


def again(connected: list[DeviceEvidenceAnswer], timeout_s: float, mark: int = 0) -> list[DeviceEvidenceAnswer]:
    """Try the devices that timed out once more, with packets of that mark.

    A gateway still sends to a camera that was unplugged a moment ago, until its neighbour entry ages;
    only then does it answer that there is no route.
    """
    late = [(c["address"], c["port"]) for c in connected if c["outcome"] == "timeout"]
    retried = {(c["address"], c["port"]): c for c in connect_all(late, timeout_s, mark)}
    return [retried.get((c["address"], c["port"]), c) for c in connected]


def live_tunnel(key: str) -> TunnelAnswer:
    """The live tunnel's routes and its peers by public key; none where the tunnel is not up."""
    down: TunnelAnswer = {
        "public_key": "",
        "listen_port": 0,
        "addresses": [],
        "routes": [],
        "mtu": 0,
        "peers": {},
    }
    return tunnel.live(key) or down


def wait_for_keepalive(
    before: TunnelAnswer,
    key: str,
    devices: list[PathToProbe],
    connected: list[DeviceEvidenceAnswer],
    begun: float,
) -> TunnelAnswer:
    """The tunnel again, after a while where it matters.

    It matters for a peer all of whose devices timed out and from which nothing came since: a tunnel that
    went down a moment ago still has a fresh handshake.

    Args:
        before: the live tunnel before the first connection.
        key: the key of the host's digests.
        devices: the request's devices, each with the public key of its peer.
        connected: how each device answered.
        begun: when the connections began, on the monotonic clock.
    """
    timed_out = {(c["address"], c["port"]) for c in connected if c["outcome"] == "timeout"}
    silent = {d["peer"] for d in devices} - {d["peer"] for d in devices if (d["address"], d["port"]) not in timed_out}
    while True:
        now = live_tunnel(key)
        waiting = [p for p in silent if _received(now, p) <= _received(before, p)]
        if not waiting or time.monotonic() > begun + _KEEPALIVE_S:
            return now
        time.sleep(1)


def _received(live: TunnelAnswer, peer: str) -> int:
    return live["peers"][peer]["received_bytes"] if peer in live["peers"] else 0


def evidence_of_tunnel(before: TunnelAnswer, after: TunnelAnswer) -> TunnelEvidenceAnswer:
    """The routes, and of each peer who owns which addresses, how old its handshake is, what came and went."""
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
