"""Where a device sends whoever asks it for its picture: asked without a login, and never followed."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

DeviceAddress = tuple[str, int]

_AT_ONCE = 32
_PATIENCE_S = 3.0
_MOST_BYTES = 8192
_STATUS = re.compile(rb"^RTSP/1\.\d 30[1-5]\b")
_LOCATION = re.compile(rb"^location[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_STRANGE_LETTER = re.compile(r"[^A-Za-z0-9.:\[\]_-]")
_SHOWN = 80


def places(devices: Iterable[DeviceAddress], until: float) -> dict[DeviceAddress, str]:
    """The host and port that each device redirects to, of those that do so.

    Args:
        devices: devices that took a connection.
        until: when to ask no more, on the monotonic clock.
    """
    with ThreadPoolExecutor(_AT_ONCE) as asking:
        wanted = sorted(set(devices))
        answers = asking.map(lambda device: _place(device, until), wanted)
        return {device: place for device, place in zip(wanted, answers, strict=True) if place}


def _place(device: DeviceAddress, until: float) -> str:
    until = min(until, time.monotonic() + _PATIENCE_S)
    try:
        return place_in(_answer(device, until))
    except OSError:
        return ""


def _answer(device: DeviceAddress, until: float) -> bytes:
    """The beginning of what a device says, however slowly and however much it does."""
    answer = b""
    with socket.create_connection(device, max(0.1, until - time.monotonic())) as link:
        url = f"rtsp://{device[0]}:{device[1]}/"
        link.sendall(f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n".encode())
        while b"\r\n\r\n" not in answer and len(answer) < _MOST_BYTES and (left := until - time.monotonic()) > 0:
            link.settimeout(left)
            chunk = link.recv(_MOST_BYTES)
            if not chunk:
                break
            answer += chunk
    return answer


def place_in(answer: bytes) -> str:
    """The host and port that an answer redirects to, empty where it does not; a login in it is left out."""
    location = _LOCATION.search(answer.partition(b"\r\n\r\n")[0]) if _STATUS.match(answer) else None
    if location is None:
        return ""
    try:
        authority = urlsplit(location[1].decode(errors="replace")).netloc
    except ValueError:
        authority = ""
    host = authority.rpartition("@")[2]
    return _STRANGE_LETTER.sub("?", host)[:_SHOWN] or "no address"
