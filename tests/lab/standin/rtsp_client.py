"""The pull of one camera: RTSP over TCP, retried for as long as the path lives."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import math
import re
import ssl
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from . import sdp, wire
from .errors import ConfigError, SourceError, system_reason
from .go_values import Url, parse_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from .log import Log
    from .stream import Stream

RETRY_PAUSE: Final = 5.0

_KEEPALIVE: Final = 30.0
_USER_AGENT: Final = "gortsplib"
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_NOT_FOUND: Final = 404
_REDIRECTS: Final = (301, 302, 303, 304, 305)
_CHALLENGE_FIELD: Final = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


def redirected(url: Url, location: str) -> Url:
    """Where a camera sends its relay: as the real one has it, anywhere, and with the login of the first.

    Raises:
        SourceError: it is no address of a stream.
    """
    try:
        target = parse_url(location)
    except ConfigError as error:
        raise SourceError(str(error)) from error
    if target.scheme not in {"rtsp", "rtsps"}:
        message = f"unsupported scheme '{target.scheme}'"
        raise SourceError(message)
    return replace(target, user=url.user or target.user, password=url.password or target.password)


def _trusting() -> ssl.SSLContext:
    """Encryption to whoever is there: who that is, is seen by the fingerprint."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Owner(Protocol):
    """The path that a source feeds."""

    def set_ready(self, description: sdp.Description) -> Stream:
        """The camera is set up; its packets go to the returned stream."""

    def set_not_ready(self) -> None:
        """The camera is gone."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a source waits, in seconds, and whom it takes for its own, by the fingerprint of a certificate."""

    read: float
    write: float
    fingerprint: str = ""


class Source:
    """Keeps one camera's stream coming while it runs."""

    def __init__(self, url: str, limits: Limits, owner: Owner, log: Callable[[], tuple[Log, str]]) -> None:
        """Prepare; nothing runs before start."""
        self._url = parse_url(url)
        self._limits = limits
        self._owner = owner
        self._log = log
        self._task: asyncio.Task[None] | None = None
        self._halted = True

    def start(self, *, on_demand: bool) -> None:
        """Begin to pull."""
        self._write("info", "started on demand" if on_demand else "started")
        self._halted = False
        self._task = asyncio.get_running_loop().create_task(self._run(self._task))

    def halt(self, reason: str) -> None:
        """Stop pulling; the connection is torn down soon after."""
        if self._halted:
            return
        self._halted = True
        self._write("info", f"stopped: {reason}")
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    async def closed(self) -> None:
        """Wait until the connection is gone."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _write(self, level: str, message: str) -> None:
        log, prefix = self._log()
        getattr(log, level)(f"{prefix} [RTSP source] {message}")

    async def _run(self, previous: asyncio.Task[None] | None) -> None:
        if previous is not None:
            await asyncio.wait([previous])
        while not self._halted:
            try:
                await self._attempt()
            except SourceError as error:
                self._write("error", str(error))
            if not self._halted:
                await asyncio.sleep(RETRY_PAUSE)

    async def _attempt(self) -> None:
        connection = _Connection(self._url, self._limits)
        ready = False
        try:
            await connection.open()
            description = await connection.describe()
            await connection.setup(description)
            stream = self._owner.set_ready(description)
            ready = True
            await connection.play()
            await connection.receive(stream)
        except (EOFError, wire.WireError) as error:
            raise SourceError(str(error)) from error
        except OSError as error:
            raise SourceError(connection.failure(error)) from error
        finally:
            if ready:
                self._owner.set_not_ready()
            connection.close()


@dataclass(slots=True)
class _Sender:
    """Answers a camera's challenge."""

    url: Url
    scheme: str
    fields: dict[str, str]

    def header(self, method: str, url: str) -> str:
        if self.scheme == "basic":
            token = base64.b64encode(f"{self.url.user}:{self.url.password}".encode()).decode()
            return f"Basic {token}"
        algorithm = self.fields.get("algorithm")
        realm, nonce = self.fields.get("realm", ""), self.fields.get("nonce", "")

        def hashed(text: str) -> str:
            name = "sha256" if algorithm == "SHA-256" else "md5"
            return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()

        secret = hashed(f"{self.url.user}:{realm}:{self.url.password}")
        answer = hashed(f"{secret}:{nonce}:{hashed(f'{method}:{url}')}")
        suffix = f', algorithm="{algorithm}"' if algorithm else ""
        return (
            f'Digest username="{self.url.user}", realm="{realm}", nonce="{nonce}", '
            f'uri="{url}", response="{answer}"{suffix}'
        )


def _choose(url: Url, challenges: list[str]) -> _Sender:
    """SHA-256 beats MD5 beats a password in clear."""
    best: tuple[int, _Sender] | None = None
    for challenge in challenges:
        scheme, _, rest = challenge.partition(" ")
        fields = {name: quoted or bare for name, quoted, bare in _CHALLENGE_FIELD.findall(rest)}
        algorithm = fields.get("algorithm", "MD5")
        if scheme.lower() == "basic":
            rank = 0
        elif scheme.lower() == "digest" and algorithm in ("MD5", "SHA-256"):
            rank = 2 if algorithm == "SHA-256" else 1
        else:
            continue
        if best is None or rank > best[0]:
            best = (rank, _Sender(url, scheme.lower(), fields))
    if best is None:
        message = "unable to setup authentication: no authentication methods available"
        raise SourceError(message)
    return best[1]


@dataclass(slots=True)
class _Connection:
    url: Url
    limits: Limits
    reader: wire.WireReader | None = None
    writer: asyncio.StreamWriter | None = None
    sender: _Sender | None = None
    base: str = ""
    session: str = ""
    keepalive: float = _KEEPALIVE
    sequence: int = 0
    uses_parameter: bool = False
    channels: dict[int, tuple[int, bool]] = field(default_factory=dict)

    @property
    def _place(self) -> str:
        host = f"[{self.url.host}]" if ":" in self.url.host else self.url.host
        return f"{host}:{self.url.port or 554}"

    def failure(self, error: OSError) -> str:
        """Say a system error as the real relay does."""
        if self.writer is None:
            return f"dial tcp {self._place}: connect: {system_reason(error)}"
        local, remote = self.writer.get_extra_info("sockname"), self.writer.get_extra_info("peername")
        return f"read tcp {_endpoint(local)}->{_endpoint(remote)}: read: {system_reason(error)}"

    async def open(self) -> None:
        try:
            async with asyncio.timeout(self.limits.read):
                reader, self.writer = await asyncio.open_connection(
                    self.url.host, self.url.port or 554, ssl=_trusting() if self.url.scheme == "rtsps" else None
                )
        except TimeoutError as error:
            message = f"dial tcp {self._place}: i/o timeout"
            raise SourceError(message) from error
        self.reader = wire.WireReader(reader)
        if self.url.scheme == "rtsps":
            self._refuse_another()
        answer = await self._ask("OPTIONS", self.url.without_credentials(), {}, allowed=(_NOT_FOUND,))
        self.uses_parameter = "GET_PARAMETER" in (answer.header("public") or "")

    def _refuse_another(self) -> None:
        """Refuse a certificate that is not the one of the path's setting; the real relay asks CAs where it has none."""
        assert self.writer is not None
        shown = self.writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
        got, expected = hashlib.sha256(shown).hexdigest(), self.limits.fingerprint.lower()
        if got != expected:
            message = f"source fingerprint does not match: expected {expected}, got {got}"
            raise SourceError(message)

    async def describe(self) -> sdp.Description:
        answer = await self._described()
        url = self.url.without_credentials()
        description = sdp.parse(answer.body)
        control = description.control
        self.base = control if control.startswith(("rtsp://", "rtsps://")) else answer.header("content-base") or url
        if not description.tracks:
            message = "no medias have been setupped"
            raise SourceError(message)
        return description

    async def _described(self) -> wire.Message:
        """The answer of whoever is at the end of all redirects; there may be no end."""
        while True:
            headers = {"Accept": "application/sdp"}
            answer = await self._ask("DESCRIBE", self.url.without_credentials(), headers, allowed=_REDIRECTS)
            locations = answer.headers.get("location", [])
            if answer.status == _OK:
                return answer
            if len(locations) != 1:
                message = f"bad status code: {answer.status} ({answer.start[2]})"
                raise SourceError(message)
            self._forget()
            self.url = redirected(self.url, locations[0])
            await self.open()

    def _forget(self) -> None:
        """Leave a camera as if it had never been asked."""
        self.close()
        self.reader = self.writer = self.sender = None
        self.session, self.sequence = "", 0

    async def setup(self, description: sdp.Description) -> None:
        for index, track in enumerate(description.tracks):
            wanted = 2 * index
            transport = f"RTP/AVP/TCP;unicast;interleaved={wanted}-{wanted + 1};mode=play"
            answer = await self._ask("SETUP", self._control(track.control), {"Transport": transport})
            matched = re.search(r"interleaved=(\d+)-(\d+)", answer.header("transport") or "")
            if matched is None:
                message = "transport header does not contain interleaved IDs"
                raise SourceError(message)
            self.channels[int(matched[1])] = (index, False)
            self.channels[int(matched[2])] = (index, True)

    def _control(self, control: str) -> str:
        if control.startswith(("rtsp://", "rtsps://")):
            # Whoever is named there, it is asked for on this connection.
            return replace(parse_url(control), host=self.url.host, port=self.url.port).without_credentials()
        if not control or control == "*":
            return self.base
        joint = "" if self.base.endswith("/") or control.startswith(("/", "?")) else "/"
        return self.base + joint + control

    async def play(self) -> None:
        await self._ask("PLAY", self.base, {"Range": "npt=0-"})

    async def receive(self, stream: Stream) -> None:
        receiver = asyncio.ensure_future(self._receive(stream))
        watch = asyncio.ensure_future(self._watch())
        try:
            done, _ = await asyncio.wait({receiver, watch}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            receiver.cancel()
            watch.cancel()
            await asyncio.gather(receiver, watch, return_exceptions=True)

    async def _receive(self, stream: Stream) -> None:
        assert self.reader is not None
        while True:
            item = await self.reader.next()
            if isinstance(item, wire.Frame) and item.channel in self.channels:
                index, is_report = self.channels[item.channel]
                stream.take(index, item.payload, is_report=is_report)
            elif isinstance(item, wire.Message) and not item.is_response:
                self._answer(item)

    async def _watch(self) -> None:
        """Keep the session alive, and notice a camera that fell silent."""
        assert self.reader is not None
        heard, received = time.monotonic(), self.reader.received
        spoke = heard
        while True:
            await asyncio.sleep(1)
            now = time.monotonic()
            if self.reader.received != received:
                heard, received = now, self.reader.received
            # The real relay compares whole seconds, once a second.
            if math.floor(now - heard + 0.5) >= self.limits.read:
                message = "TCP timeout"
                raise SourceError(message)
            if now - spoke >= self.keepalive:
                self._send("GET_PARAMETER" if self.uses_parameter else "OPTIONS", self.base, {})
                spoke = now

    def _answer(self, message: wire.Message) -> None:
        if message.method != "OPTIONS":
            text = f"unhandled method: {message.method}"
            raise SourceError(text)
        assert self.writer is not None
        self.writer.write(wire.response(_OK, {"CSeq": message.header("cseq") or "0"}))

    async def _ask(
        self, method: str, url: str, headers: dict[str, str], *, allowed: tuple[int, ...] = ()
    ) -> wire.Message:
        answer = await self._exchange(method, url, headers)
        if answer.status == _UNAUTHORIZED and self.url.user and self.sender is None:
            self.sender = _choose(self.url, answer.headers.get("www-authenticate", []))
            answer = await self._exchange(method, url, headers)
        if answer.status not in (_OK, *allowed):
            message = f"bad status code: {answer.status} ({answer.start[2]})"
            raise SourceError(message)
        return answer

    async def _exchange(self, method: str, url: str, headers: dict[str, str]) -> wire.Message:
        self._send(method, url, headers)
        try:
            async with asyncio.timeout(self.limits.read):
                answer = await self._answer_to(str(self.sequence))
        except TimeoutError as error:
            message = "request timed out"
            raise SourceError(message) from error
        session, _, options = (answer.header("session") or "").partition(";")
        self.session = session.strip() or self.session
        if matched := re.search(r"timeout=(\d+)", options):
            self.keepalive = max(int(matched[1]) - 5, 1)
        return answer

    async def _answer_to(self, sequence: str) -> wire.Message:
        assert self.reader is not None
        while True:
            item = await self.reader.next()
            if isinstance(item, wire.Frame):
                continue  # packets may overtake the answer to PLAY
            if not item.is_response:
                self._answer(item)
            elif (item.header("cseq") or sequence) == sequence:
                return item

    def _send(self, method: str, url: str, headers: dict[str, str]) -> None:
        assert self.writer is not None
        self.sequence += 1
        fields = {"CSeq": str(self.sequence), "User-Agent": _USER_AGENT, **headers}
        if self.session:
            fields["Session"] = self.session
        if self.sender is not None:
            fields["Authorization"] = self.sender.header(method, url)
        self.writer.write(wire.request(method, url, fields))

    def close(self) -> None:
        """Say goodbye without waiting for the answer, so that the camera frees its session."""
        if self.writer is None:
            return
        if self.base:
            with contextlib.suppress(OSError):
                self._send("TEARDOWN", self.base, {})
        self.writer.close()


def _endpoint(address: tuple[str, int] | None) -> str:
    return f"{address[0]}:{address[1]}" if address else "?"
