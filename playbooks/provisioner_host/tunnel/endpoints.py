"""Endpoints of tunnel peers, and ICMP probes of gateways.

A removed and re-added peer has no endpoint. Its gateway keeps using the old session and starts a new one only after two
minutes. So the host saves the endpoint of a removed peer and restores it later: then the first packet to a camera
starts a handshake. A gateway that has moved is not reached by that; it reconnects by itself.

Gateways get ICMP packets, which both ends admit: small ones, and ones of the tunnel's full size. A gateway whose
package rejects unmapped ports also rejects a time stamp request. So its silence about a port has a known meaning. The
controller judges the result.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from provisioner_host.machine import files, paths
from provisioner_host.tunnel import interface

if TYPE_CHECKING:
    from provisioner_host.wire import GatewayEvidenceAnswer

_KEY, _PLACE = "PublicKey = ", "Endpoint = "
# On tmpfs; what is older leads nowhere: gateways behind carriers' address translation move.
_KEPT_S = 7 * 86400
_MOST = 4096

_ECHO_REPLY, _UNREACHABLE, _ECHO, _TIMESTAMP = 0, 3, 8, 13
_HEADERS = 28
_SMALL = 56
_TIMESTAMP_BYTES = 12
# A lost packet is not an answer that is not given; a gateway's kernel gives a refusal a second to one asker.
_TRIES = 4
# A line that loses every second packet must not lose all full ones by chance.
_FULL_TIMES = 3
_PAUSE_S = 0.8
_AT_ONCE = 200
_NEVER_FRAGMENT = (socket.IPPROTO_IP, 10, 3)  # IP_MTU_DISCOVER, IP_PMTUDISC_PROBE
_MARK = (socket.SOL_SOCKET, 36)  # SO_MARK
_SMALL_WORD, _FULL_WORD, _REFUSED_WORD = 1, 2, 3


def remember(present: Mapping[str, str], staying: frozenset[str], now: float | None = None) -> dict[str, str]:
    """Save removed peers' endpoints; return known ones by public key.

    `present` has the live peers' endpoints; `staying` are the public keys of peers that stay or come.
    """
    at = time.time() if now is None else now
    stored = {key: entry for key, entry in _read_endpoints().items() if 0 <= at - entry[1] <= _KEPT_S}
    going = {key: (endpoint, at) for key, endpoint in present.items() if key not in staying and endpoint}
    listed = _newest(stored | going)
    if going:
        _write(listed)
    return {key: endpoint for key, (endpoint, _) in listed.items()}


def _newest(endpoints: Mapping[str, tuple[str, float]]) -> dict[str, tuple[str, float]]:
    return dict(sorted(endpoints.items(), key=lambda entry: entry[1][1], reverse=True)[:_MOST])


def _write(endpoints: Mapping[str, tuple[str, float]]) -> None:
    with contextlib.suppress(OSError):  # no room: it comes by itself, later
        paths.RUN.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_json(paths.ENDPOINTS, {key: list(entry) for key, entry in _newest(endpoints).items()})


def with_endpoints(conf: str, stored: Mapping[str, str], present: Mapping[str, str]) -> str:
    """Add endpoints to new peers in a tunnel's file. Pure.

    `present` are live peers, whose endpoints the tunnel knows.
    """
    blocks = conf.split("[Peer]\n")
    parts = [blocks[0]]
    for block in blocks[1:]:
        key = next((line[len(_KEY) :] for line in block.splitlines() if line.startswith(_KEY)), "")
        has_one = key in present or any(line.startswith(_PLACE) for line in block.splitlines())
        parts.append(f"{_PLACE}{stored[key]}\n{block}" if key in stored and not has_one else block)
    return "[Peer]\n".join(parts)


def live() -> dict[str, str]:
    """Return live peers' last endpoints by public key, or empty strings."""
    return interface.places(paths.TUNNEL)


def keep(places: Mapping[str, str]) -> None:
    """Save the endpoints of peers before their interface is reset."""
    now = time.time()
    new = {key: (endpoint, now) for key, endpoint in places.items() if endpoint}
    if new:
        _write(_read_endpoints() | new)


def _read_endpoints() -> dict[str, tuple[str, float]]:
    document = files.read_json(paths.ENDPOINTS)
    if not isinstance(document, dict):
        return {}
    entries = ((key, entry) for key, entry in document.items() if isinstance(entry, list) and len(entry) == 2)  # noqa: PLR2004
    return {
        str(key): (str(entry[0]), float(entry[1]))
        for key, entry in entries
        if isinstance(entry[0], str) and isinstance(entry[1], (int, float)) and not set(entry[0]) & set(" \t\n")
    }


def answers(addresses: Iterable[str], mtu: int, until: float, mark: int = 0) -> list[GatewayEvidenceAnswer]:
    """Probe gateways at tunnel addresses; empty without an ICMP socket."""
    targets = sorted(set(addresses))[:_AT_ONCE]
    if not targets or mtu <= _HEADERS + _SMALL:
        return []
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as link:
            link.setsockopt(*_NEVER_FRAGMENT)
            if mark:
                link.setsockopt(*_MARK, mark)
            answered_probes = _Asking(link, mtu).ask(targets, until)
    except OSError:
        return []
    return [
        {
            "address": address,
            "small": (address, _SMALL_WORD) in answered_probes,
            "full": (address, _FULL_WORD) in answered_probes,
            "size": mtu,
            "refuses": (address, _REFUSED_WORD) in answered_probes,
        }
        for address in targets
    ]


class _Asking:
    """A socket and the answers received on it."""

    def __init__(self, link: socket.socket, mtu: int) -> None:
        self._link = link
        self._us = os.getpid() & 0xFFFF
        self._questions = {
            _SMALL_WORD: question(_ECHO, self._us, _SMALL_WORD, _SMALL),
            _FULL_WORD: question(_ECHO, self._us, _FULL_WORD, mtu - _HEADERS),
            _REFUSED_WORD: question(_TIMESTAMP, self._us, _REFUSED_WORD, _TIMESTAMP_BYTES),
        }
        self._heard: set[tuple[str, int]] = set()

    def ask(self, addresses: list[str], until: float) -> set[tuple[str, int]]:
        """Send the probes; return pairs of address and answered probe."""
        open_ = {(address, sequence) for address in addresses for sequence in self._questions}
        for _ in range(_TRIES):
            for address, sequence in sorted(open_ - self._heard):
                # One that cannot leave is one that is not answered.
                with contextlib.suppress(OSError):
                    for _ in range(_FULL_TIMES if sequence == _FULL_WORD else 1):
                        self._link.sendto(self._questions[sequence], (address, 0))
            self._listen_for_replies(open_, min(until, time.monotonic() + _PAUSE_S))
            if open_ <= self._heard or time.monotonic() >= until:
                break
        return self._heard & open_

    def _listen_for_replies(self, wanted: set[tuple[str, int]], until: float) -> None:
        self._link.setblocking(False)  # noqa: FBT003 (the socket's own)
        with selectors.DefaultSelector() as ready:
            ready.register(self._link, selectors.EVENT_READ)
            while not wanted <= self._heard and (left_s := until - time.monotonic()) > 0 and ready.select(left_s):
                with contextlib.suppress(OSError):
                    packet, place = self._link.recvfrom(65535)
                    if sequence := answered(packet, self._us):
                        self._heard.add((place[0], sequence))


def question(kind: int, us: int, sequence: int, size: int) -> bytes:
    """Build an ICMP probe with `size` bytes after its header."""
    head = struct.pack("!BBHHH", kind, 0, 0, us, sequence)
    packet = head + bytes(size)
    return head[:2] + struct.pack("!H", _checksum(packet)) + packet[4:]


def _checksum(packet: bytes) -> int:
    padded = packet + b"\0" * (len(packet) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def answered(packet: bytes, us: int) -> int:
    """Return the probe that an IP packet answers, or 0."""
    message = _inside(packet)
    if len(message) < 8:  # noqa: PLR2004 (an ICMP header)
        return 0
    if message[0] == _ECHO_REPLY:
        return next(
            (sequence for sequence in (_SMALL_WORD, _FULL_WORD) if message[4:8] == struct.pack("!HH", us, sequence)), 0
        )
    refused = _inside(message[8:]) if message[0] == _UNREACHABLE else b""
    if refused[:1] == bytes([_TIMESTAMP]) and refused[4:8] == struct.pack("!HH", us, _REFUSED_WORD):
        return _REFUSED_WORD
    return 0


def _inside(packet: bytes) -> bytes:
    return packet[(packet[0] & 0x0F) * 4 :] if packet else b""
