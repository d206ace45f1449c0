"""What devices say to whoever asks them for their picture: asked without a login, bounded, and never followed.

A connection that is taken says that somebody listens, and no more: a camera may hang behind it, another program may
have the port. What the first words mean is judged on the controller.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from provisioner_host import redirects

if TYPE_CHECKING:
    from provisioner_host.wire import SaidAnswer

DeviceAddress = tuple[str, int]

_AT_ONCE = 32
_PATIENCE_S = 3.0
_MOST_BYTES = 8192
_MOST_MEDIA = 8
_STATUS = re.compile(rb"^RTSP/1\.\d (\d{3})\b")
_WEB = re.compile(rb"^(?:HTTP/1\.\d \d{3}\b|<!doctype|<html)", re.IGNORECASE)
_ENCRYPTED = re.compile(rb"^[\x15\x16]\x03[\x00-\x04]")
_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,5})\b", re.IGNORECASE | re.MULTILINE)
_MEDIA = re.compile(rb"^m=(video|audio|application|text)\b", re.MULTILINE)
_TARGET = re.compile(r"/[!-~]{0,500}")


def asked(targets: Mapping[DeviceAddress, str], until: float) -> dict[DeviceAddress, SaidAnswer]:
    """What each device answers, of those that could be asked.

    Args:
        targets: devices that took a connection, each with the path and query that it is asked for.
        until: when to ask no more, on the monotonic clock.
    """
    wanted = sorted(targets)
    with ThreadPoolExecutor(_AT_ONCE) as asking:
        answers = asking.map(lambda device: _said(device, targets[device], until), wanted)
        return {device: said for device, said in zip(wanted, answers) if said is not None}


def target_of(source: str) -> str:
    """The path and query of a source's address that may be asked for; the root where it is withheld or strange."""
    target = "/" + source.partition("://")[2].partition("/")[2]
    return target if _TARGET.fullmatch(target) and "***" not in target else "/"


def _said(device: DeviceAddress, target: str, until: float) -> SaidAnswer | None:
    until = min(until, time.monotonic() + _PATIENCE_S)
    if until - time.monotonic() <= 0:
        return None
    try:
        return parse(*_answer(device, target, until))
    except OSError:
        # Whoever took a connection a moment ago and does not now is looked at by `reach`.
        return None


def _answer(device: DeviceAddress, target: str, until: float) -> tuple[bytes, bool]:
    """The beginning of what a device says, however slowly and however much, and whether it hung up."""
    answer = b""
    with socket.create_connection(device, max(0.1, until - time.monotonic())) as link:
        url = f"rtsp://{device[0]}:{device[1]}{target}"
        link.sendall(f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n".encode())
        while not _is_whole(answer) and len(answer) < _MOST_BYTES and (left := until - time.monotonic()) > 0:
            link.settimeout(left)
            try:
                chunk = link.recv(_MOST_BYTES)
            except TimeoutError:
                break
            except ConnectionResetError:
                return answer, True
            if not chunk:
                return answer, True
            answer += chunk
    return answer, False


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return bool(end) and len(body) >= (int(length[1]) if length else 0)


def parse(answer: bytes, hung_up: bool) -> SaidAnswer:  # noqa: FBT001 (what `_answer` gives)
    """What the first words are: their kind, and of RTSP the status, what a description offers, where it leads to."""
    said: SaidAnswer = {"kind": "other", "status": None, "media": []}
    if not answer.strip():
        said["kind"] = "closed" if hung_up else "nothing"
    elif status := _STATUS.match(answer):
        body = answer.partition(b"\r\n\r\n")[2]
        media = [kind.decode() for kind in _MEDIA.findall(body)[:_MOST_MEDIA]]
        said = {"kind": "rtsp", "status": int(status[1]), "media": media}
    elif _WEB.match(answer):
        said["kind"] = "http"
    elif _ENCRYPTED.match(answer):
        said["kind"] = "tls"
    if place := redirects.place_in(answer):
        said["redirect"] = place
    return said
