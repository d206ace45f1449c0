"""ONVIF messages: requests, an HTTP exchange, and answers.

ONVIF is SOAP over HTTP (Core Specification; services `device` and `media`, version 1.0). The five requests are literal
texts. An exchange is bounded in bytes and time. Answers are parsed by element, without DTDs, entities or fetches, and
within bounds. The results are short printable words and whole numbers.
"""

from __future__ import annotations

import base64
import calendar
import hashlib
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import NamedTuple
from xml.parsers import expat

from provisioner_host.machine.patterns import pattern
from provisioner_host.onvif.digest import Challenge, challenge_in

MOST_BYTES = 256 * 1024
_BLOCK = 16 * 1024
_LONGEST_HEAD = 16 * 1024
_LONGEST_SIZE = 128
_STATUS = pattern(rb"HTTP/1\.[01] (\d{3})(?: |\r?\n|$)")

DEVICE_PATH = "/onvif/device_service"
MEDIA_PATH = "/onvif/Media"
LONGEST_WORD = 100
MOST_PROFILES = 512

_DEVICE, _MEDIA = "http://www.onvif.org/ver10/device/wsdl", "http://www.onvif.org/ver10/media/wsdl"
TIME = f'<GetSystemDateAndTime xmlns="{_DEVICE}"/>'
INFORMATION = f'<GetDeviceInformation xmlns="{_DEVICE}"/>'
CAPABILITIES = f'<GetCapabilities xmlns="{_DEVICE}"><Category>Media</Category></GetCapabilities>'
PROFILES = f'<GetProfiles xmlns="{_MEDIA}"/>'

_SECURITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_UTILITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_TOKEN = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"  # noqa: S105
_NONCE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"

_DEEPEST, _MOST_ELEMENTS, _LONGEST_TEXT = 32, 20_000, 400
_EARLIEST_YEAR, _LATEST_YEAR = 1970, 2200
_LARGEST = 65_535
_REFUSED = pattern(r"not\s*authori[sz]ed|failed\s*authentication|unauthori[sz]ed|invalid\s*security", re.IGNORECASE)
# No `@`, no `..`, nothing that an HTTP request line takes for its end: what a device names is a path on itself.
_PLACE = pattern(r"https?://[^/?#\s]{1,255}(/[A-Za-z0-9._~/-]{1,200}(?:\?[A-Za-z0-9._~=&-]{1,100})?)")


class Silent(Exception):  # noqa: N818 (it reads as what is so)
    """A device did not answer; the message is ours."""


class NoAnswer(Exception):  # noqa: N818 (it reads as what is so)
    """A device's answer is no HTTP, or too large."""


class Reply(NamedTuple):
    """A device's reply; `challenge` is its digest challenge, or `None`."""

    status: int
    body: bytes
    challenge: Challenge | None = None


class Unreadable(Exception):  # noqa: N818 (it reads as what is so)
    """An answer is no SOAP, or answers another request."""


class RefusedLogin(Exception):  # noqa: N818 (it reads as what is so)
    """An answer requires a login, or refuses the one sent."""


class Element(NamedTuple):
    """An element: local names from the envelope down, attributes, text."""

    place: tuple[str, ...]
    attributes: dict[str, str]
    text: str


class MediaProfile(NamedTuple):
    """A media profile; `width` and `height` are 0 if unknown."""

    token: str
    name: str
    width: int
    height: int


class Nameplate(NamedTuple):
    """A device's nameplate; unknown parts are empty."""

    model: str
    serial: str
    firmware: str


class DeviceTime(NamedTuple):
    """A device's UTC and displayed time since 1970; `None` if unknown."""

    utc: int | None
    shown: int | None


def post(endpoint: tuple[str, int], path: str, body: bytes, until: float, authorization: str = "") -> Reply:
    """Send a SOAP request and return the reply.

    Raises:
        Silent: no answer in time.
        NoAnswer: the answer is invalid.
    """
    head = [
        f"POST {path} HTTP/1.1",
        f"Host: {endpoint[0]}:{endpoint[1]}",
        "Content-Type: application/soap+xml; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *([f"Authorization: {authorization}"] if authorization else []),
    ]
    try:
        with socket.create_connection(endpoint, timeout=_remaining_s(until)) as link:
            link.sendall("\r\n".join((*head, "", "")).encode() + body)
            return reply_in(_receive_answer(link, until))
    except TimeoutError:
        raise Silent("no answer in time") from None
    except ConnectionRefusedError:
        raise Silent("its port refuses the connection") from None
    except OSError:
        raise Silent("it cannot be connected to, or closed the connection") from None


def _remaining_s(until: float) -> float:
    left_s = until - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _receive_answer(link: socket.socket, until: float) -> bytes:
    """Receive until the answer is complete or the connection ends."""
    received = bytearray()
    complete = None
    while complete is None or not complete(received):
        link.settimeout(_remaining_s(until))
        part = link.recv(_BLOCK)
        if not part:
            break
        received += part
        if len(received) > MOST_BYTES + _LONGEST_HEAD:
            raise NoAnswer("it is larger than any answer")
        if complete is None:
            complete = _end_of(received)
    return bytes(received)


def _end_of(received: bytearray) -> Callable[[bytearray], bool] | None:
    """Return a check for completeness, or `None` before the head's end."""
    end = received.find(b"\r\n\r\n", 0, _LONGEST_HEAD)
    if end < 0:
        if len(received) > _LONGEST_HEAD:
            raise NoAnswer("it does not answer by HTTP")
        return None
    fields = _header_fields(bytes(received[:end]))
    if _is_chunked(fields):
        return lambda all_of_it: all_of_it.endswith(b"0\r\n\r\n")
    length = fields.get("content-length", "")
    if not (length.isascii() and length.isdigit() and len(length) < len(str(MOST_BYTES)) + 1):
        return lambda _: False  # then its end is the connection's
    return lambda all_of_it: len(all_of_it) >= end + 4 + int(length)


def _is_chunked(fields: dict[str, str]) -> bool:
    return "chunked" in fields.get("transfer-encoding", "").lower()


def reply_in(received: bytes) -> Reply:
    """Parse a received reply.

    Raises:
        Silent: it is empty.
        NoAnswer: it is no HTTP.
    """
    if not received:
        raise Silent("it closed the connection without a word")
    head, end, body = received.partition(b"\r\n\r\n")
    status = _STATUS.match(head)
    if not end or status is None:
        raise NoAnswer("it does not answer by HTTP")
    fields = _header_fields(head)
    if _is_chunked(fields):
        body = _body_without_chunks(body)
    return Reply(int(status[1]), body, challenge_in(fields.get("www-authenticate", "")))


def _header_fields(head: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        fields[name] = f"{fields[name]}, {value.strip()}" if name in fields else value.strip()
    return fields


def _body_without_chunks(body: bytes) -> bytes:
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


# --- requests -------------------------------------------------------------------------------------
def envelope(body: str, header: str = "") -> bytes:
    """Return a SOAP request."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
        f"<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def _escaped(text: str) -> str:
    """Escape XML; the standard function would import an HTTP client."""
    return text.replace("&", "&amp;").replace(">", "&gt;").replace("<", "&lt;")


def username_token(user: str, password: str, created: float, nonce: bytes) -> str:
    """Return a WS-Security login: a password digest for one moment.

    `created` is the device's time, in seconds since 1970; `nonce` is unique. Only the digest of the password is sent.
    """
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created))
    digest = hashlib.sha1(nonce + at.encode() + password.encode()).digest()  # noqa: S324 (the specification's own)
    return (
        f'<Security s:mustUnderstand="1" xmlns="{_SECURITY}"><UsernameToken>'
        f"<Username>{_escaped(user)}</Username>"
        f'<Password Type="{_TOKEN}">{base64.b64encode(digest).decode()}</Password>'
        f'<Nonce EncodingType="{_NONCE}">{base64.b64encode(nonce).decode()}</Nonce>'
        f'<Created xmlns="{_UTILITY}">{at}</Created>'
        "</UsernameToken></Security>"
    )


# --- answers --------------------------------------------------------------------------------------
def elements_in(body: bytes) -> list[Element]:
    """Return an answer's elements in order of their end.

    `Unreadable` is raised if it is no XML, or too large or deep.
    """
    reading = _Reading()
    # Namespaces are not put into names: each use of a prefix would be a copy of an address as long as the answer.
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reading.refuse
    parser.EntityDeclHandler = reading.refuse
    parser.StartElementHandler = reading.begin_element
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.hear
    try:
        parser.Parse(body, True)  # noqa: FBT003 (that is all: expat takes no names)
    except (expat.ExpatError, ValueError, LookupError):
        raise Unreadable("it is no XML") from None
    return reading.elements


class _Reading:
    """Parser state for an answer."""

    def __init__(self) -> None:
        self.elements: list[Element] = []
        self._open: list[tuple[str, dict[str, str], list[str]]] = []
        self._begun = 0

    def refuse(self, *_: object) -> None:
        raise Unreadable("it declares a document type")

    def begin_element(self, name: str, attributes: dict[str, str]) -> None:
        self._begun += 1
        if len(self._open) >= _DEEPEST or self._begun > _MOST_ELEMENTS:
            raise Unreadable("it is larger than any answer")
        self._open.append((_local(name), attributes, []))

    def hear(self, text: str) -> None:
        if self._open and sum(map(len, self._open[-1][2])) < _LONGEST_TEXT:
            self._open[-1][2].append(text[:_LONGEST_TEXT])

    def end(self, _: str) -> None:
        path = tuple(name for name, _, _ in self._open)
        _, attributes, texts = self._open.pop()
        self.elements.append(Element(path, attributes, "".join(texts).strip()))


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def word_of(text: str) -> str:
    """Return a device's text as a short printable line."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST_TEXT])
    return " ".join(plain.split())[:LONGEST_WORD]


def _elements_below(body: bytes, answer: str) -> Iterator[tuple[tuple[str, ...], Element]]:
    """Return the elements below an answer, with their relative paths.

    Raises:
        Unreadable: it is a fault or another answer.
        RefusedLogin: it refuses the caller.
    """
    elements = elements_in(body)
    if any(element.place[:3] == ("Envelope", "Body", "Fault") for element in elements):
        text = " ".join(element.text for element in elements if "Fault" in element.place)
        if _REFUSED.search(text):
            raise RefusedLogin
        raise Unreadable(f"it says that it cannot answer: {word_of(text) or 'nothing more'}")
    root = ("Envelope", "Body", answer)
    if not any(element.place == root for element in elements):
        raise Unreadable(f"there is no {answer} in it")
    return (
        (element.place[3:], element)
        for element in elements
        if element.place[:3] == root and len(element.place) > len(root)
    )


def nameplate_in(body: bytes) -> Nameplate:
    """Return a device's nameplate; raise `Unreadable` or `RefusedLogin`."""
    texts: dict[tuple[str, ...], str] = {}
    for path, element in _elements_below(body, "GetDeviceInformationResponse"):
        texts.setdefault(path, word_of(element.text))
    model, serial, firmware = (texts.get((name,), "") for name in ("Model", "SerialNumber", "FirmwareVersion"))
    if not (model or serial):
        raise Unreadable("it names neither model nor serial number")
    return Nameplate(model, serial, firmware)


def time_in(body: bytes) -> DeviceTime:
    """Return a device's clock; raise `Unreadable` or `RefusedLogin`."""
    numbers = {path: element.text for path, element in _elements_below(body, "GetSystemDateAndTimeResponse")}
    return DeviceTime(_utc_seconds(numbers, "UTCDateTime"), _utc_seconds(numbers, "LocalDateTime"))


def _utc_seconds(numbers: dict[tuple[str, ...], str], which: str) -> int | None:
    days, hours = ("Year", "Month", "Day"), ("Hour", "Minute", "Second")
    names = (*(("Date", name) for name in days), *(("Time", name) for name in hours))
    parts = [_whole_number(numbers.get(("SystemDateAndTime", which, *name), "")) for name in names]
    present = [part for part in parts if part is not None]
    if len(present) != len(parts) or not _EARLIEST_YEAR <= present[0] <= _LATEST_YEAR:
        return None
    present[5] = min(present[5], 59)  # a leap second
    try:
        return calendar.timegm(datetime(*present, tzinfo=timezone.utc).timetuple())  # type: ignore[misc, arg-type]  # six numbers
    except ValueError:
        return None


def _whole_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST)) else None


def media_path_in(body: bytes) -> str:
    """Return the media service's path, or the usual path if unknown.

    The device names an address of its own network, which port maps do not reach; only the path is useful.

    Raises:
        RefusedLogin: it requires a login, or another one.
    """
    try:
        places = [
            element.text
            for path, element in _elements_below(body, "GetCapabilitiesResponse")
            if path[-2:] == ("Media", "XAddr")
        ]
    except Unreadable:
        return MEDIA_PATH
    match = _PLACE.fullmatch(places[0]) if places else None
    return match[1] if match and ".." not in match[1] else MEDIA_PATH


def profiles_in(body: bytes) -> list[MediaProfile]:
    """Return a device's media profiles; raise `Unreadable` or `RefusedLogin`."""
    profiles: list[MediaProfile] = []
    below: list[tuple[tuple[str, ...], str]] = []
    for path, element in _elements_below(body, "GetProfilesResponse"):
        if path == ("Profiles",):
            profiles.append(_media_profile(element.attributes.get("token", ""), below))
            below = []
        else:
            below.append((path[1:], element.text))
    return profiles[:MOST_PROFILES]


def _media_profile(token: str, below: Sequence[tuple[tuple[str, ...], str]]) -> MediaProfile:
    texts: dict[tuple[str, ...], str] = {}
    for path, text in below:
        texts.setdefault(path, text)
    size = ("VideoEncoderConfiguration", "Resolution")
    width, height = (_whole_number(texts.get((*size, side), "")) or 0 for side in ("Width", "Height"))
    return MediaProfile(word_of(token), word_of(texts.get(("Name",), "")), width, height)
