"""A reader's talk with an RTSP server over one connection, without the connection: bytes in, bytes and packets out.

It reads the first video of what is described, over the connection itself, and nothing else (RFC 2326). What comes is
hostile: an answer is bounded, and whatever is not as it has to be ends the talk. Pure.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote

from provisioner_host.look.media_units import CLOCK, CODECS, START_CODE, Unfit
from provisioner_host.onvif.digest import Challenge, challenge_in, digest

_MOST_HEAD, _MOST_BODY = 16_384, 65_536
_MOST_SETS = 16_384
_OK, _UNAUTHORIZED, _REFUSED = 200, 401, 400
_DOLLAR, _FRAME_HEAD = 0x24, 4
_ANSWER = re.compile(rb"RTSP/1\.0 (\d{3})(?: [^\r\n]{0,200})?\r?\n")
_MEDIA = re.compile(r"^m=(\w+) [^\n]{0,60}? (\d{1,3})[^\n]*$", re.MULTILINE)
_FORMAT = re.compile(r"^a=rtpmap:(\d{1,3}) +([\w-]{1,20})/(\d{1,9})", re.MULTILINE)
_CONTROL = re.compile(r"^a=control:([!-~]{1,2000})\s*$", re.MULTILINE)
_PARAMETERS = re.compile(r"^a=fmtp:\d{1,3} +([^\r\n]{1,12000})", re.MULTILINE)
_SETS = {"h264": ("sprop-parameter-sets",), "hevc": ("sprop-vps", "sprop-sps", "sprop-pps")}
_CHANNELS = re.compile(r"interleaved=(\d{1,3})")
_SESSION = re.compile(r"[A-Za-z0-9$._+-]{1,200}")
_PLACE = re.compile(r"rtsps?://[!-~]{1,2000}")


class Refused(Exception):  # noqa: N818 (it reads as what is so)
    """The server answered with a status that is no success."""

    def __init__(self, method: str, status: int) -> None:
        super().__init__(f"method {method} failed: {status}")
        self.status = status


class VideoTrack(NamedTuple):
    """The video of a description.

    Attributes:
        codec: as ffmpeg calls it.
        payload_type: of its packets.
        control: where it is set up.
        sets: its parameter sets, each with a start code; empty where the stream itself brings them.
    """

    codec: str
    payload_type: int
    control: str
    sets: bytes


class Talk:
    """A talk: `begin` asks for the description; each answer that is taken leads to the next question.

    Args:
        place: of the server, as `address:port`.
        login: user and password.
        path: what is read.
        scheme: `rtsps` over a connection that is encrypted.
    """

    def __init__(self, place: str, login: tuple[str, str], path: str, scheme: str = "rtsp") -> None:
        self._address = f"{scheme}://{place}/{quote(path)}"
        self._login, self._challenge, self._answers = login, "", 0
        self._digest: Challenge | None = None
        self._base = self._asked = self._address
        self._method = self._session = ""
        self._number, self._channel = 0, 0
        self._buffer = bytearray()
        self._playing = False
        self.track: VideoTrack | None = None
        """What is read, once it is known."""

    def begin(self) -> bytes:
        """The first question."""
        return self._ask("DESCRIBE", self._address, {"Accept": "application/sdp"})

    def stay(self) -> bytes:
        """A sign of life, for a server that ends sessions of which it hears nothing."""
        return self._ask("GET_PARAMETER", self._base)

    def leave(self) -> bytes:
        """The last words; empty where there is no session."""
        return self._ask("TEARDOWN", self._base) if self._session else b""

    def take(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Take what the server sends: each time either the next question for it, or a packet.

        Raises:
            Refused: it does not give the stream.
            Unfit: that is no talk by RTSP, or no video that is read here.
        """
        self._buffer += data
        while self._buffer:
            if self._buffer[0] == _DOLLAR:
                if len(self._buffer) < _FRAME_HEAD:
                    return
                end = _FRAME_HEAD + int.from_bytes(self._buffer[2:4], "big")
                if len(self._buffer) < end:
                    return
                channel, packet = self._buffer[1], bytes(self._buffer[_FRAME_HEAD:end])
                del self._buffer[:end]
                if self._method != "SETUP" and channel == self._channel and self.track is not None:
                    yield b"", packet
            else:
                answer = self._answer()
                if answer is None:
                    return
                if asked := self._next(*answer):
                    yield asked, b""

    # --- questions --------------------------------------------------------------------------------

    def _ask(self, method: str, address: str, fields: Mapping[str, str] | None = None) -> bytes:
        self._number, self._method, self._asked = self._number + 1, method, address
        lines = {"CSeq": str(self._number), "User-Agent": "provisioner", **(fields or {})}
        if self._session:
            lines["Session"] = self._session
        if self._challenge:
            lines["Authorization"] = self._authorization()
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{method} {address} RTSP/1.0\r\n{head}\r\n".encode()

    def _authorization(self) -> str:
        self._answers += 1
        if self._digest is not None:
            request = self._method, self._asked
            return digest(self._digest, self._login, request, self._answers, os.urandom(8).hex())
        return f"Basic {base64.b64encode(':'.join(self._login).encode()).decode()}"

    # --- answers ----------------------------------------------------------------------------------

    def _answer(self) -> tuple[int, dict[str, str], str] | None:
        """The next answer: its status, its fields by their names in small letters, its body; None until it is whole."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MOST_HEAD:
                raise Unfit("its answers have no end")
            return None
        head = bytes(self._buffer[: end + 2])
        status = _ANSWER.match(head)
        if status is None or len(head) > _MOST_HEAD:
            raise Unfit("its answer is none by RTSP")
        fields = _fields(head[status.end() :].decode(errors="replace"))
        length = fields.get("content-length", "0")
        if (
            not (length.isascii() and length.isdigit())
            or len(length) > len(str(_MOST_BODY))
            or int(length) > _MOST_BODY
        ):
            raise Unfit("its answers have no end")
        begin = end + 4
        if len(self._buffer) < begin + int(length):
            return None
        body = bytes(self._buffer[begin : begin + int(length)]).decode(errors="replace")
        del self._buffer[: begin + int(length)]
        return int(status[1]), fields, body

    def _next(self, status: int, fields: Mapping[str, str], body: str) -> bytes:
        """The question that follows an answer; empty where there is none."""
        if self._playing:
            # To what keeps the session alive, or ends it.
            return b""
        if status == _UNAUTHORIZED and not self._challenge:
            return self._prove(fields.get("www-authenticate", ""))
        if status != _OK:
            if status < _REFUSED:
                raise Unfit("it sends its readers elsewhere")
            raise Refused(self._method, status)
        steps: dict[str, Callable[[Mapping[str, str], str], bytes]] = {
            "DESCRIBE": self._described,
            "SETUP": self._set_up,
        }
        if self._method in steps:
            return steps[self._method](fields, body)
        self._playing = True
        return b""

    def _prove(self, challenge: str) -> bytes:
        self._digest = challenge_in(challenge)
        if self._digest is None and "basic" not in challenge.lower():
            raise Refused(self._method, _UNAUTHORIZED)
        self._challenge = challenge
        return self.begin()

    def _described(self, fields: Mapping[str, str], body: str) -> bytes:
        base = fields.get("content-base", "") or fields.get("content-location", "")
        self._base = base if _PLACE.fullmatch(base) else self._address
        self.track = track_in(body, self._base)
        transport = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}
        return self._ask("SETUP", self.track.control, transport)

    def _set_up(self, fields: Mapping[str, str], _: str) -> bytes:
        session = fields.get("session", "").partition(";")[0].strip()
        if not _SESSION.fullmatch(session):
            raise Unfit("its answer is none by RTSP")
        channels = _CHANNELS.search(fields.get("transport", ""))
        self._session, self._channel = session, int(channels[1]) if channels else 0
        return self._ask("PLAY", self._base, {"Range": "npt=0.000-"})


def _fields(lines: str) -> dict[str, str]:
    """Fields by their names in small letters; those that come several times are one list."""
    fields: dict[str, str] = {}
    for line in lines.split("\r\n"):
        name, _, value = line.partition(":")
        key = name.strip().lower()
        fields[key] = f"{fields[key]}, {value.strip()}" if key in fields and key.startswith("www-") else value.strip()
    return fields


def track_in(description: str, base: str) -> VideoTrack:
    """The first video of a description.

    Raises:
        Unfit: there is none that is read here.
    """
    medias = list(_MEDIA.finditer(description))
    for number, media in enumerate(medias):
        if media[1] == "video":
            end = medias[number + 1].start() if number + 1 < len(medias) else len(description)
            return _track(int(media[2]), description[media.end() : end], base)
    raise Unfit("it has no video")


def _track(payload_type: int, lines: str, base: str) -> VideoTrack:
    formats = {int(one[1]): (one[2].upper(), int(one[3])) for one in _FORMAT.finditer(lines)}
    name, clock = formats.get(payload_type, ("", 0))
    if name not in CODECS or clock != CLOCK:
        raise Unfit("its video is of another codec")
    said = _PARAMETERS.search(lines)
    parameters = dict(_parameters(said[1] if said else ""))
    if parameters.get("sprop-max-don-diff", "0") != "0":
        raise Unfit("its units come in another order")
    control = _CONTROL.search(lines)
    return VideoTrack(
        CODECS[name], payload_type, _joined(base, control[1] if control else "*"), _sets(name, parameters)
    )


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(";"):
        name, _, value = part.partition("=")
        yield name.strip().lower(), value.strip()


def _sets(name: str, parameters: Mapping[str, str]) -> bytes:
    coded = [one for key in _SETS[CODECS[name]] for one in parameters.get(key, "").split(",") if one]
    try:
        sets = b"".join(START_CODE + base64.b64decode(one, validate=True) for one in coded)
    except (binascii.Error, ValueError):
        raise Unfit("its description has parameter sets that are none") from None
    if len(sets) > _MOST_SETS:
        raise Unfit("its description has parameter sets that are none")
    return sets


def _joined(base: str, control: str) -> str:
    if control == "*":
        return base
    return control if _PLACE.fullmatch(control) else f"{base.rstrip('/')}/{control.lstrip('/')}"
