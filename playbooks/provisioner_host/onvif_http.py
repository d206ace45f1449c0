"""One request to a device by HTTP, and its answer: bounded in bytes and in time, whatever the device does."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

from provisioner_host.http_digest import Challenge, challenge_in

MOST_BYTES = 256 * 1024
_BLOCK = 16 * 1024
_LONGEST_HEAD = 16 * 1024
_LONGEST_SIZE = 128
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |\r?\n|$)")


class Silent(Exception):  # noqa: N818 (it reads as what is so)
    """A device did not answer: why, in our own words."""


class NoAnswer(Exception):  # noqa: N818 (it reads as what is so)
    """What a device sent is no answer by HTTP, or is larger than any."""


class Reply(NamedTuple):
    """A device's answer; `challenge` is what it wants of whoever asks without a login, None where it is no digest."""

    status: int
    body: bytes
    challenge: Challenge | None = None


def post(place: tuple[str, int], path: str, body: bytes, until: float, authorization: str = "") -> Reply:
    """Send a request, and take the answer.

    Args:
        place: the device's address and port.
        path: on it.
        body: SOAP.
        until: when to wait no longer, on the monotonic clock.
        authorization: HTTP's own header for a login; empty for none.

    Raises:
        Silent: nothing was answered in time.
        NoAnswer: that is no answer.
    """
    head = [
        f"POST {path} HTTP/1.1",
        f"Host: {place[0]}:{place[1]}",
        "Content-Type: application/soap+xml; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *([f"Authorization: {authorization}"] if authorization else []),
    ]
    try:
        with socket.create_connection(place, timeout=_left(until)) as link:
            link.sendall("\r\n".join((*head, "", "")).encode() + body)
            return reply_in(_received(link, until))
    except TimeoutError:
        raise Silent("no answer in time") from None
    except ConnectionRefusedError:
        raise Silent("its port refuses the connection") from None
    except OSError:
        raise Silent("it cannot be connected to, or closed the connection") from None


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _received(link: socket.socket, until: float) -> bytes:
    """All that comes until the answer is whole, or the other side ends it."""
    received = bytearray()
    whole = None
    while whole is None or not whole(received):
        link.settimeout(_left(until))
        part = link.recv(_BLOCK)
        if not part:
            break
        received += part
        if len(received) > MOST_BYTES + _LONGEST_HEAD:
            raise NoAnswer("it is larger than any answer")
        if whole is None:
            whole = _end_of(received)
    return bytes(received)


def _end_of(received: bytearray) -> Callable[[bytearray], bool] | None:
    """Tells whether an answer is whole, by what its head says; None while the head is not there."""
    end = received.find(b"\r\n\r\n", 0, _LONGEST_HEAD)
    if end < 0:
        if len(received) > _LONGEST_HEAD:
            raise NoAnswer("it does not answer by HTTP")
        return None
    fields = _fields(bytes(received[:end]))
    if _is_chunked(fields):
        return lambda all_of_it: all_of_it.endswith(b"0\r\n\r\n")
    length = fields.get("content-length", "")
    if not (length.isascii() and length.isdigit() and len(length) < len(str(MOST_BYTES)) + 1):
        return lambda _: False  # then its end is the connection's
    return lambda all_of_it: len(all_of_it) >= end + 4 + int(length)


def _is_chunked(fields: dict[str, str]) -> bool:
    return "chunked" in fields.get("transfer-encoding", "").lower()


def reply_in(received: bytes) -> Reply:
    """The answer in what was received.

    Raises:
        Silent: there is nothing.
        NoAnswer: it is no answer by HTTP.
    """
    if not received:
        raise Silent("it closed the connection without a word")
    head, end, body = received.partition(b"\r\n\r\n")
    status = _STATUS.match(head)
    if not end or status is None:
        raise NoAnswer("it does not answer by HTTP")
    fields = _fields(head)
    if _is_chunked(fields):
        body = _unchunked(body)
    return Reply(int(status[1]), body, challenge_in(fields.get("www-authenticate", "")))


def _fields(head: bytes) -> dict[str, str]:
    """The header's fields; of those that stand there several times all, one after the other."""
    fields: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        fields[name] = f"{fields[name]}, {value.strip()}" if name in fields else value.strip()
    return fields


def _unchunked(body: bytes) -> bytes:
    parts, at = [], 0
    while at < len(body):
        end = body.find(b"\r\n", at, at + _LONGEST_SIZE)
        try:
            length = int(body[at:end].partition(b";")[0], 16)
        except ValueError:
            raise NoAnswer("its answer is cut into pieces that do not fit") from None
        at = end + 2
        if end < 0 or not 0 <= length <= len(body) - at:
            raise NoAnswer("its answer is cut into pieces that do not fit")
        if not length:
            break
        parts.append(body[at : at + length])
        at += length + 2
    return b"".join(parts)
