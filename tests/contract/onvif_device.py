"""A device as ONVIF's published services have it: a clock for everybody, the rest for who logs in, by HTTP and SOAP.

It stands for a camera in tests: it checks WS-Security's UsernameToken and HTTP's digest by itself, with no code of the
program's, and counts every login that it refused. As a program it is a camera of the lab, with what JSON says of it.
"""

import base64
import contextlib
import hashlib
import json
import re
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

USER, PASSWORD = "admin", "p@ss w#rd:?<&>%-mật"
_SKEW_S = 5
_S12 = "http://www.w3.org/2003/05/soap-envelope"
_SCHEMA = "http://www.onvif.org/ver10/schema"
_DEVICE, _MEDIA = "http://www.onvif.org/ver10/device/wsdl", "http://www.onvif.org/ver10/media/wsdl"


class Login(StrEnum):
    """How it wants the password to be proved."""

    TOKEN = "WS-Security"
    DIGEST = "HTTP digest"
    NONE = "not at all"


class Trouble(StrEnum):
    """What it does instead of answering."""

    GARBAGE = "random bytes"
    HTML = "a web page"
    NOT_FOUND = "404"
    HANGS = "takes connections, answers nothing"
    ENDLESS = "a body without end"
    SLOW = "a byte now and then"
    SHUTS = "hangs up on every connection"
    BOMB = "entities in entities"
    NAMES = "a prefix that stands for an address as long as the answer, a thousand times"
    CHUNKS = "pieces without end"
    REDIRECT = "another device's address"
    EMPTY = "an envelope with nothing in it"


@dataclass
class OnvifDevice:
    """One device; use it as a context manager."""

    model: str = "EX-CAM 4"
    serial: str = "EXAMPLE0001"
    login: Login = Login.TOKEN
    user: str = USER
    password: str = PASSWORD
    ahead_s: int = 0  #: How far its clock is ahead.
    zone_s: int = 7 * 3600  #: What its clock shows people, beside UTC.
    trouble: Trouble | None = None
    chunked: bool = False
    place: tuple[str, int] = ("127.0.0.1", 0)  #: Where it listens; port 0 is any that is free.
    profiles: tuple[tuple[str, str, int, int], ...] = (("prof_1", "main", 1920, 1080), ("prof_2", "sub", 640, 360))
    holds_s: float = 0.0  #: How long it holds its answer to a login back, as some do to slow down whoever guesses.
    only_identity: bool = False  #: Whether it refuses its login for its media profiles.
    forbids: bool = False  #: Whether it takes its login, and answers 403.
    elsewhere: str = "http://192.0.2.1/"  #: Where it redirects to.
    # As through any port map: an address of the device's own network, and another port.
    media_place: str = "http://192.168.1.11:80/onvif/media_service"
    refused: int = 0  #: How many logins it refused.
    #: The SOAP requests that came, by name, each with whether it had a login.
    asked: list[tuple[str, bool]] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        assert self._server
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"device": self})
        self._server = ThreadingHTTPServer(self.place, handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server
        self._server.shutdown()
        self._server.server_close()

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self.ahead_s, tz=UTC)

    def answer(self, request: str, authorization: str) -> tuple[int, str, dict[str, str]]:
        """Status, what stands in the envelope's body, and headers."""
        name = next(iter(re.findall(r"<(Get\w+)[ />]", request)), "")
        has_login = bool(authorization) or "UsernameToken" in request
        self.asked.append((name, has_login))
        if name == "GetSystemDateAndTime":
            return 200, self._time(), {}
        if name == "GetCapabilities":
            return 200, self._capabilities(), {}
        if has_login and self.holds_s:
            time.sleep(self.holds_s)
        barred = self.only_identity and name == "GetProfiles"
        if self.login is not Login.NONE and (barred or not self._is_logged_in(request, authorization)):
            self.refused += has_login
            if self.login is Login.DIGEST:
                challenge = 'Digest realm="device", nonce="0a4f113b", algorithm=MD5, qop="auth", opaque="5ccc"'
                return 401, "", {"WWW-Authenticate": challenge}
            return 400, _fault("Sender", "NotAuthorized", "Sender not Authorized"), {}
        if has_login and self.forbids:
            return 403, _fault("Sender", "NotAuthorized", "not for this user"), {}
        return (200, self._identity(), {}) if name == "GetDeviceInformation" else (200, self._profiles(), {})

    def _is_logged_in(self, request: str, authorization: str) -> bool:
        return self._by_digest(authorization) if self.login is Login.DIGEST else self._by_token(request)

    def _by_token(self, request: str) -> bool:
        parts = [re.search(rf"<{name}[^>]*>([^<]*)</{name}>", request) for name in ("Username", "Password", "Nonce")]
        created = re.search(r"<Created[^>]*>([^<]*)</Created>", request)
        if created is None or not all(parts):
            return False
        user, digest, nonce = (part[1] for part in parts if part)
        moment = datetime.fromisoformat(created[1])
        fresh = abs((moment - self.now).total_seconds()) <= _SKEW_S
        wanted = hashlib.sha1(base64.b64decode(nonce) + created[1].encode() + self.password.encode()).digest()  # noqa: S324 (the specification's)
        return fresh and user == self.user and base64.b64encode(wanted).decode() == digest

    def _by_digest(self, authorization: str) -> bool:
        said = {m[1]: m[2] or m[3] for m in re.finditer(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', authorization)}
        if not {"username", "nonce", "nc", "cnonce", "uri", "response"} <= said.keys():
            return False

        def md5(text: str) -> str:
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        first, second = md5(f"{self.user}:device:{self.password}"), md5(f"POST:{said['uri']}")
        wanted = md5(f"{first}:0a4f113b:{said['nc']}:{said['cnonce']}:auth:{second}")
        return (said["username"], said["response"]) == (self.user, wanted)

    def _time(self) -> str:
        now = self.now
        shown = datetime.fromtimestamp(now.timestamp() + self.zone_s, tz=UTC)
        moments = "".join(
            f"<tt:{name}><tt:Time><tt:Hour>{at.hour}</tt:Hour><tt:Minute>{at.minute}</tt:Minute>"
            f"<tt:Second>{at.second}</tt:Second></tt:Time><tt:Date><tt:Year>{at.year}</tt:Year>"
            f"<tt:Month>{at.month}</tt:Month><tt:Day>{at.day}</tt:Day></tt:Date></tt:{name}>"
            for name, at in (("UTCDateTime", now), ("LocalDateTime", shown))
        )
        return (
            f'<tds:GetSystemDateAndTimeResponse xmlns:tds="{_DEVICE}" xmlns:tt="{_SCHEMA}"><tds:SystemDateAndTime>'
            f"<tt:DateTimeType>NTP</tt:DateTimeType><tt:DaylightSavings>false</tt:DaylightSavings>"
            f"{moments}</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _identity(self) -> str:
        return (
            f'<tds:GetDeviceInformationResponse xmlns:tds="{_DEVICE}"><tds:Manufacturer>Example</tds:Manufacturer>'
            f"<tds:Model>{self.model}</tds:Model><tds:FirmwareVersion>V5.7</tds:FirmwareVersion>"
            f"<tds:SerialNumber>{self.serial}</tds:SerialNumber><tds:HardwareId>88</tds:HardwareId>"
            "</tds:GetDeviceInformationResponse>"
        )

    def _capabilities(self) -> str:
        return (
            f'<tds:GetCapabilitiesResponse xmlns:tds="{_DEVICE}" xmlns:tt="{_SCHEMA}"><tds:Capabilities><tt:Media>'
            f"<tt:XAddr>{self.media_place}</tt:XAddr></tt:Media></tds:Capabilities>"
            "</tds:GetCapabilitiesResponse>"
        )

    def _profiles(self) -> str:
        listed = "".join(
            f'<trt:Profiles token="{token}" fixed="true"><tt:Name>{name}</tt:Name>'
            '<tt:VideoSourceConfiguration token="source"><tt:Name>source</tt:Name><tt:UseCount>2</tt:UseCount>'
            '<tt:SourceToken>lens</tt:SourceToken><tt:Bounds x="0" y="0" width="1920" height="1080"/>'
            "</tt:VideoSourceConfiguration>"
            '<tt:VideoEncoderConfiguration token="encoder"><tt:Name>encoder</tt:Name><tt:UseCount>1</tt:UseCount>'
            f"<tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height>"
            "</tt:Resolution><tt:Quality>3</tt:Quality><tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type>"
            "<tt:IPv4Address>0.0.0.0</tt:IPv4Address></tt:Address><tt:Port>0</tt:Port><tt:TTL>1</tt:TTL>"
            "<tt:AutoStart>false</tt:AutoStart></tt:Multicast><tt:SessionTimeout>PT60S</tt:SessionTimeout>"
            "</tt:VideoEncoderConfiguration></trt:Profiles>"
            for token, name, width, height in self.profiles
        )
        return f'<trt:GetProfilesResponse xmlns:trt="{_MEDIA}" xmlns:tt="{_SCHEMA}">{listed}</trt:GetProfilesResponse>'


def _fault(code: str, subcode: str, reason: str) -> str:
    return (
        f'<s:Fault xmlns:ter="http://www.onvif.org/ver10/error"><s:Code><s:Value>s:{code}</s:Value><s:Subcode>'
        f"<s:Value>ter:{subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en">{reason}</s:Text></s:Reason></s:Fault>'
    )


def enveloped(body: str) -> str:
    """An answer as it goes over the line."""
    return f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{_S12}"><s:Body>{body}</s:Body></s:Envelope>'


class _Handler(BaseHTTPRequestHandler):
    device: OnvifDevice
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer, or be in trouble."""
        request = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        with contextlib.suppress(OSError):
            if self.device.trouble:
                self._trouble(self.device.trouble)
                return
            if "media" in self.path and "GetProfiles" not in request:
                self.send_error(404)
                return
            status, body, headers = self.device.answer(request, self.headers.get("Authorization", ""))
            self._send(status, enveloped(body).encode() if body else b"", headers)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/soap+xml; charset=utf-8")
        if not self.device.chunked:
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            return
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(content), 100):
            part = content[at : at + 100]
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def _endless(self, begin: bytes, part: bytes) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n" + begin)
        while True:
            self.wfile.write(part)

    def _trouble(self, trouble: Trouble) -> None:
        self.close_connection = True
        match trouble:
            case Trouble.HANGS:
                time.sleep(30)
            case Trouble.ENDLESS | Trouble.CHUNKS:
                self._endless(*_ENDLESS[trouble])
            case Trouble.REDIRECT:
                self._send(307, b"", {"Location": self.device.elsewhere})
            case Trouble.SLOW:
                for byte in b"HTTP/1.1 200 OK\r\n\r\n" + b"<a>" * 100:
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.3)
            case Trouble.SHUTS:
                self.connection.shutdown(socket.SHUT_RDWR)
            case Trouble.GARBAGE:
                self.wfile.write(bytes(range(256)) * 10)
            case _:
                self._send(404 if trouble is Trouble.NOT_FOUND else 200, _BODIES[trouble].encode(), {})


_ENDLESS = {
    Trouble.ENDLESS: (b"\r\n<a>", b"<b/>" * 4096),
    Trouble.CHUNKS: (b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b" " * 4096 + b"\r\n"),
}
_ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
_LONG, _PREFIXED = "u" * 120_000, " ".join(f'p:a{n:x}=""' for n in range(10_000))
_BODIES = {
    Trouble.HTML: "<!DOCTYPE html><html><body>Log in</body></html>",
    Trouble.NOT_FOUND: "not here",
    Trouble.BOMB: f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e0 "ha">{_ENTITIES}]><a>&e9;</a>',
    Trouble.NAMES: f'<a xmlns:p="{_LONG}" {_PREFIXED}/>',
    Trouble.EMPTY: enveloped(""),
}


def main(document: str, counted: str) -> None:
    """Be a device until somebody ends it; the number of refused logins is kept in a file."""
    said = json.loads(document)
    with OnvifDevice(**{**said, "place": tuple(said["place"])}) as device:
        while True:
            Path(counted).write_text(str(device.refused), encoding="ascii")
            time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
