"""An RTSP client without I/O: bytes in, requests and packets out.

It reads only the first video of a description, interleaved in the connection (RFC 2326). Answers are hostile: they are
bounded, and invalid ones end the session. Pure.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote

from provisioner_host.look.media_units import CLOCK, CODECS, START_CODE, Unfit
from provisioner_host.machine.patterns import pattern
from provisioner_host.machine.shell import scrub
from provisioner_host.onvif.digest import Challenge, challenge_in, digest

SHORTEST_READ_S = 5  #: A read cut shorter is no evidence about the camera.
AGENT = "provisioner"  #: Its name in a server's list of sessions.

_MOST_HEAD, _MOST_BODY = 16_384, 65_536
_MOST_SETS = 16_384
_OK, _UNAUTHORIZED = 200, 401
# A login is proved again only if the server calls its own challenge stale; so often in a talk.
_MOST_PROOFS = 4
_STALE = pattern(r"\bstale\s*=\s*\"?true\b", re.IGNORECASE)
_DOLLAR, _FRAME_HEAD = 0x24, 4
# A device's address comes encoded as it is to be sent.
_KEPT = "/%?&=:@;,+!$'()*"
_ANSWER = pattern(rb"RTSP/1\.0 (\d{3})(?: [^\r\n]{0,200})?\r?\n")
_MEDIA = pattern(r"^m=(\w+) [^\n]{0,60}? (\d{1,3})[^\n]*$", re.MULTILINE)
_FORMAT = pattern(r"^a=rtpmap:(\d{1,3}) +([\w-]{1,20})/(\d{1,9})", re.MULTILINE)
_CONTROL = pattern(r"^a=control:([!-~]{1,2000})\s*$", re.MULTILINE)
_PARAMETERS = pattern(r"^a=fmtp:\d{1,3} +([^\r\n]{1,12000})", re.MULTILINE)
_SETS = {"h264": ("sprop-parameter-sets",), "hevc": ("sprop-vps", "sprop-sps", "sprop-pps"), "mjpeg": (), "mpeg4": ()}
# A description need not name these (RFC 3551).
_STATIC = {26: ("JPEG", CLOCK), 31: ("H261", CLOCK), 32: ("MPV", CLOCK), 34: ("H263", CLOCK)}
_CHANNELS = pattern(r"interleaved=(\d{1,3})")
_SESSION = pattern(r"[A-Za-z0-9$._+-]{1,200}")
_PLACE = pattern(r"rtsps?://[!-~]{1,2000}")


class Login(NamedTuple):
    """A read's server and user; TLS with this `fingerprint` unless empty."""

    address: str
    port: int
    user: str
    password: str
    fingerprint: str = ""

    def __repr__(self) -> str:
        """Return the login without its password."""
        return f"Login({self.user!r}, {self.address!r}, {self.port})"

    @property
    def scheme(self) -> str:
        """The scheme of its URLs."""
        return "rtsps" if self.fingerprint else "rtsp"

    def scrubbed(self, text: str) -> str:
        """Remove the password in all sent forms from a text."""
        for form in {self.password, quote(self.password, safe="")} - {""}:
            text = text.replace(form, "***")
        return scrub(text)


class Refused(Exception):  # noqa: N818 (it reads as what is so)
    """The server answered with an error status."""

    def __init__(self, method: str, status: int) -> None:
        super().__init__(f"method {method} failed: {status}")
        self.status = status


class VideoTrack(NamedTuple):
    """The video of a description."""

    codec: str  #: Ffmpeg's name.
    payload_type: int  #: Of its packets.
    control: str  #: Its URL for SETUP.
    sets: bytes  #: Parameter sets, each with a start code; empty if only the stream has them.


class Talk:
    """An RTSP session: each answer leads to the next request.

    Args:
        place: the server's `address:port`.
        login: user and password.
        path: the stream.
        scheme: `rtsps` on an encrypted connection.
    """

    def __init__(self, endpoint: str, login: tuple[str, str], path: str, scheme: str = "rtsp") -> None:
        self._address = f"{scheme}://{endpoint}/{quote(path, safe=_KEPT)}"
        self._login, self._challenge, self._answers = login, "", 0
        self._digest: Challenge | None = None
        self._proofs, self._fields = 0, dict[str, str]()
        self._base = self._asked = self._address
        self._method = self._session = ""
        self._number, self._channel = 0, 0
        self._buffer = bytearray()
        self._head: tuple[int, int, dict[str, str], int] | None = None
        self._playing = False
        self.login_taken = False  #: Whether the server took the login, or called only its challenge stale.
        self.track: VideoTrack | None = None  #: The stream's video, once known.

    @property
    def is_playing(self) -> bool:
        """Whether the server plays the stream."""
        return self._playing

    def begin(self) -> bytes:
        """Return the first request."""
        return self._request_bytes("DESCRIBE", self._address, {"Accept": "application/sdp"})

    def stay(self) -> bytes:
        """Return a keepalive request."""
        return self._request_bytes("GET_PARAMETER", self._base)

    def leave(self) -> bytes:
        """Return the last request; empty without a session."""
        return self._request_bytes("TEARDOWN", self._base) if self._session else b""

    def take(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Take received bytes; yield next requests and packets.

        Raises:
            Refused: the server refuses the stream.
            Unfit: the answer is no RTSP, or the video is not supported.
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
                answer = self._next_answer()
                if answer is None:
                    return
                if request := self._next_request(*answer):
                    yield request, b""

    # --- questions --------------------------------------------------------------------------------
    def _request_bytes(self, method: str, address: str, fields: Mapping[str, str] | None = None) -> bytes:
        self._number, self._method, self._asked, self._fields = self._number + 1, method, address, dict(fields or {})
        lines = {"CSeq": str(self._number), "User-Agent": AGENT, **self._fields}
        if self._session:
            lines["Session"] = self._session
        if self._challenge:
            lines["Authorization"] = self._authorization_header()
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{method} {address} RTSP/1.0\r\n{head}\r\n".encode()

    def _authorization_header(self) -> str:
        self._answers += 1
        if self._digest is not None:
            request = self._method, self._asked
            return digest(self._digest, self._login, request, self._answers, os.urandom(8).hex())
        return f"Basic {base64.b64encode(':'.join(self._login).encode()).decode()}"

    # --- answers ----------------------------------------------------------------------------------
    def _next_answer(self) -> tuple[int, dict[str, str], str] | None:
        """Return the next answer's status, lower-case fields and body, once complete."""
        # A head is read once, however many pieces its body comes in.
        self._head = self._head or self._head_of_answer()
        if self._head is None:
            return None
        begin, status, fields, length = self._head
        if len(self._buffer) < begin + length:
            return None
        body = bytes(self._buffer[begin : begin + length]).decode(errors="replace")
        del self._buffer[: begin + length]
        self._head = None
        return status, fields, body

    def _head_of_answer(self) -> tuple[int, int, dict[str, str], int] | None:
        """Return the next head: body offset, status, fields, body length."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _MOST_HEAD:
                raise Unfit("its answers have no end")
            return None
        head = bytes(self._buffer[: end + 2])
        status = _ANSWER.match(head)
        if status is None or len(head) > _MOST_HEAD:
            raise Unfit("its answer is none by RTSP")
        fields = _header_fields(head[status.end() :].decode(errors="replace"))
        length = fields.get("content-length", "0")
        if (
            not (length.isascii() and length.isdigit())
            or len(length) > len(str(_MOST_BODY))
            or int(length) > _MOST_BODY
        ):
            raise Unfit("its answers have no end")
        return end + 4, int(status[1]), fields, int(length)

    def _next_request(self, status: int, fields: Mapping[str, str], body: str) -> bytes:
        """Return the request that follows an answer, or empty."""
        challenge = fields.get("www-authenticate", "")
        self.login_taken |= bool(self._challenge) and (status != _UNAUTHORIZED or bool(_STALE.search(challenge)))
        if status == _UNAUTHORIZED and (not self._playing or _STALE.search(challenge)):
            return self._request_with_login(challenge)
        if self._playing:
            # To what keeps the session alive, or ends it.
            return b""
        if status != _OK:
            # A redirect, too: a login goes to the relay that it is for, and nowhere else.
            raise Refused(self._method, status)
        steps: dict[str, Callable[[Mapping[str, str], str], bytes]] = {
            "DESCRIBE": self._after_describe,
            "SETUP": self._after_setup,
        }
        if self._method in steps:
            return steps[self._method](fields, body)
        self._playing = True
        return b""

    def _request_with_login(self, challenge: str) -> bytes:
        """Repeat the request with a login, or raise `Refused`."""
        offered = challenge_in(challenge)
        has_scheme = offered is not None or "basic" in challenge.lower()
        may_retry = not self._challenge or (offered is not None and _STALE.search(challenge) is not None)
        self._proofs += 1
        if not (has_scheme and may_retry) or self._proofs > _MOST_PROOFS:
            raise Refused(self._method, _UNAUTHORIZED)
        self._digest, self._challenge, self._answers = offered, challenge, 0
        return self._request_bytes(self._method, self._asked, self._fields)

    def _after_describe(self, fields: Mapping[str, str], body: str) -> bytes:
        base = fields.get("content-base", "") or fields.get("content-location", "")
        self._base = base if _PLACE.fullmatch(base) else self._address
        self.track = track_in(body, self._base)
        transport = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}
        return self._request_bytes("SETUP", self.track.control, transport)

    def _after_setup(self, fields: Mapping[str, str], _: str) -> bytes:
        session = fields.get("session", "").partition(";")[0].strip()
        if not _SESSION.fullmatch(session):
            raise Unfit("its answer is none by RTSP")
        channels = _CHANNELS.search(fields.get("transport", ""))
        self._session, self._channel = session, int(channels[1]) if channels else 0
        return self._request_bytes("PLAY", self._base, {"Range": "npt=0.000-"})


def _header_fields(lines: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in lines.split("\r\n"):
        name, _, value = line.partition(":")
        key = name.strip().lower()
        fields[key] = f"{fields[key]}, {value.strip()}" if key in fields and key.startswith("www-") else value.strip()
    return fields


def track_in(description: str, base: str) -> VideoTrack:
    """Return the first supported video of a description, or raise `Unfit`."""
    medias = list(_MEDIA.finditer(description))
    for number, media in enumerate(medias):
        if media[1] == "video":
            end = medias[number + 1].start() if number + 1 < len(medias) else len(description)
            return _video_track(int(media[2]), description[media.end() : end], base)
    raise Unfit("its description has no video")


def _video_track(payload_type: int, lines: str, base: str) -> VideoTrack:
    formats = {int(rtpmap[1]): (rtpmap[2].upper(), int(rtpmap[3])) for rtpmap in _FORMAT.finditer(lines)}
    name, clock = formats.get(payload_type, _STATIC.get(payload_type, ("", 0)))
    if name not in CODECS or clock != CLOCK:
        raise Unfit(f"no decoder for its video: {name}")
    fmtp = _PARAMETERS.search(lines)
    parameters = dict(_parameters(fmtp[1] if fmtp else ""))
    if parameters.get("sprop-max-don-diff", "0") != "0":
        raise Unfit("its units come in another order")
    control = _CONTROL.search(lines)
    return VideoTrack(
        CODECS[name], payload_type, _joined(base, control[1] if control else "*"), _parameter_sets(name, parameters)
    )


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(";"):
        name, _, value = part.partition("=")
        yield name.strip().lower(), value.strip()


def _parameter_sets(name: str, parameters: Mapping[str, str]) -> bytes:
    """Return a description's parameter sets, without invalid base64."""
    sets = b""
    if CODECS[name] == "mpeg4":
        with contextlib.suppress(ValueError):
            sets = bytes.fromhex(parameters.get("config", ""))
    for coded in (part for key in _SETS[CODECS[name]] for part in parameters.get(key, "").split(",") if part):
        with contextlib.suppress(binascii.Error, ValueError):
            sets += START_CODE + base64.b64decode(coded, validate=True)
    return sets if len(sets) <= _MOST_SETS else b""


def _joined(base: str, control: str) -> str:
    if control == "*":
        return base
    return control if _PLACE.fullmatch(control) else f"{base.rstrip('/')}/{control.lstrip('/')}"
