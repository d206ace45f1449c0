"""One request to a device by HTTP, and its answer: bounded in bytes and in time, whatever the device does."""

from __future__ import annotations

import hashlib
import re
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

MOST_BYTES = 256 * 1024
_BLOCK = 16 * 1024
_LONGEST_HEAD = 16 * 1024
_LONGEST_SIZE = 128
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |\r?\n|$)")
_PARAMETER = re.compile(r'([a-z-]{1,20})\s*=\s*(?:"([^"\\\r\n]{0,300})"|([^\s",]{1,100}))', re.IGNORECASE)
_HASHES = {"MD5": "md5", "SHA-256": "sha256"}


class Silent(Exception):  # noqa: N818 (it reads as what is so)
    """A device did not answer: why, in our own words."""


class NoAnswer(Exception):  # noqa: N818 (it reads as what is so)
    """What a device sent is no answer by HTTP, or is larger than any."""


class Challenge(NamedTuple):
    """How a device wants the password to be proved: HTTP's digest."""

    realm: str
    nonce: str
    algorithm: str
    opaque: str | None
    has_qop: bool


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


# --- HTTP's digest --------------------------------------------------------------------------------


def challenge_in(field: str) -> Challenge | None:
    """What a device wants, if it is a digest that can be made: a password never goes over as it is."""
    scheme = re.search(r"\bdigest\s+", field, re.IGNORECASE)
    if scheme is None:
        return None
    parameters = {m[1].lower(): m[2] if m[2] is not None else m[3] for m in _PARAMETER.finditer(field, scheme.end())}
    algorithm = parameters.get("algorithm", "MD5").upper()
    if "nonce" not in parameters or "realm" not in parameters or algorithm not in _HASHES:
        return None
    modes = [mode.strip() for mode in parameters.get("qop", "").lower().split(",")]
    if modes not in ([""], ["auth"]) and "auth" not in modes:
        return None
    return Challenge(parameters["realm"], parameters["nonce"], algorithm, parameters.get("opaque"), "auth" in modes)


def digest(challenge: Challenge, login: tuple[str, str], path: str, turn: int, own: str) -> str:
    """The header that answers a challenge (RFC 7616).

    Args:
        challenge: the device's.
        login: user and password.
        path: what is asked for.
        turn: how often this challenge was answered, this time included.
        own: a nonce of ours.
    """
    user, password = login

    def hashed(text: str) -> str:
        return hashlib.new(_HASHES[challenge.algorithm], text.encode(), usedforsecurity=False).hexdigest()

    of_login, of_request = hashed(f"{user}:{challenge.realm}:{password}"), hashed(f"POST:{path}")
    count = f"{turn:08x}"
    middle = f"{challenge.nonce}:{count}:{own}:auth" if challenge.has_qop else challenge.nonce
    named = "".join(letter for letter in user if letter.isprintable()).replace("\\", "\\\\").replace('"', '\\"')
    parts = [
        f'username="{named}"',
        f'realm="{challenge.realm}"',
        f'nonce="{challenge.nonce}"',
        f'uri="{path}"',
        f"algorithm={challenge.algorithm}",
        f'response="{hashed(f"{of_login}:{middle}:{of_request}")}"',
        *([f'opaque="{challenge.opaque}"'] if challenge.opaque is not None else []),
        *([f'qop=auth, nc={count}, cnonce="{own}"'] if challenge.has_qop else []),
    ]
    return f"Digest {', '.join(parts)}"
