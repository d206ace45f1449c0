"""A fake RTSP camera on loopback: one H264 track over TCP, and the faults that cameras have."""

from __future__ import annotations

import asyncio
import base64
import enum
import hashlib
import re
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from .clip import CLOCK_RATE, FRAMES_PER_SECOND, Clip, packets

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

_CALL_TIMEOUT = 30.0


class Fault(enum.Enum):
    """What is wrong with a camera."""

    NONE = "none"
    NOT_FOUND = "answers 404"
    UNAUTHORIZED = "refuses every password"
    SILENT = "plays, but sends no picture"
    MUTE = "accepts the connection and never answers"
    HUGE = "describes itself without end"
    ENDLESS = "answers with headers without end"
    SLOW = "answers letter by letter"
    GARBAGE = "plays, and sends what is no packet"
    NOISE = "plays, and sends packets that are no picture"


class Scheme(enum.Enum):
    """How a camera asks for its password."""

    BASIC = "Basic"
    DIGEST_MD5 = "MD5"
    DIGEST_SHA256 = "SHA-256"


@dataclass(slots=True)
class FakeCamera:
    """One camera; its URL carries the credentials, percent-encoded by the caller."""

    clip: Clip
    user: str = ""
    password: str = ""
    scheme: Scheme = Scheme.DIGEST_MD5
    fault: Fault = Fault.NONE
    port: int = 0
    # Where it sends whoever asks for its description, and with which words; several are no redirect.
    locations: tuple[str, ...] = ()
    status: str = "302 Found"
    # Whom its description names: what is set up is asked for there.
    names: str = ""
    dials: int = 0
    plays: int = 0
    # Bytes of answers without end.
    sent: int = 0
    logins: list[str] = field(default_factory=list)
    _nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        """Listen on loopback: an ephemeral port the first time, the same one afterwards."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse new connections and drop those that are open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.dials += 1
        try:
            await _Dialogue(self, reader, writer).run()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    def challenge(self) -> str:
        """The WWW-Authenticate header."""
        if self.scheme is Scheme.BASIC:
            return 'Basic realm="camera"'
        suffix = "" if self.scheme is Scheme.DIGEST_MD5 else ", algorithm=SHA-256"
        return f'Digest realm="camera", nonce="{self._nonce}"{suffix}'

    def accepts(self, method: str, authorization: str | None) -> bool:
        """Whether the request may pass."""
        if self.fault is Fault.UNAUTHORIZED:
            return False
        if not self.user:
            return True
        if authorization is None:
            return False
        if self.scheme is Scheme.BASIC:
            token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            return authorization == f"Basic {token}"
        fields = dict(re.findall(r'(\w+)="([^"]*)"', authorization))
        return fields.get("response") == self._digest(method, fields.get("uri", ""))

    def _digest(self, method: str, uri: str) -> str:
        algorithm = "sha256" if self.scheme is Scheme.DIGEST_SHA256 else "md5"

        def hashed(text: str) -> str:
            return hashlib.new(algorithm, text.encode()).hexdigest()

        secret = hashed(f"{self.user}:camera:{self.password}")
        return hashed(f"{secret}:{self._nonce}:{hashed(f'{method}:{uri}')}")


@dataclass(slots=True)
class _Dialogue:
    camera: FakeCamera
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    player: asyncio.Task[None] | None = None

    async def run(self) -> None:
        try:
            while True:
                if not await self._request():
                    return
        finally:
            if self.player is not None:
                self.player.cancel()

    async def _request(self) -> bool:
        first = await self.reader.readexactly(1)
        if first == b"$":  # receiver reports of the relay
            head = await self.reader.readexactly(3)
            await self.reader.readexactly(int.from_bytes(head[1:], "big"))
            return True
        text = (first + await self.reader.readuntil(b"\r\n\r\n")).decode()
        lines = text.split("\r\n")
        method, url, _ = lines[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if "authorization" in headers:
            self.camera.logins.append(headers["authorization"])
        if self.camera.fault is Fault.MUTE:
            return True
        if method == "DESCRIBE" and self.camera.fault in {Fault.HUGE, Fault.ENDLESS, Fault.SLOW}:
            await self._never_end(headers.get("cseq", "0"))
        self._answer(method, url, headers)
        await self.writer.drain()
        return method != "TEARDOWN"

    async def _never_end(self, sequence: str) -> None:
        head = f"RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\nContent-Type: application/sdp\r\n"
        if self.camera.fault is Fault.SLOW:
            for letter in head + "X: y\r\n" * 1000:
                self.writer.write(letter.encode())
                await asyncio.sleep(0.2)
        self.writer.write(head.encode())
        if self.camera.fault is Fault.HUGE:
            self.writer.write(b"Content-Length: 2000000000\r\n\r\nv=0\r\n")
        number = 0
        while True:
            number += 1
            self.camera.sent += 4000
            self.writer.write(f"X-{number}: ".encode() + b"y" * 4000 + b"\r\n")
            await self.writer.drain()

    def _answer(self, method: str, url: str, headers: dict[str, str]) -> None:
        sequence = headers.get("cseq", "0")
        if method == "OPTIONS":
            self._reply(sequence, "200 OK", {"Public": "DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"})
        elif not self.camera.accepts(method, headers.get("authorization")):
            self._reply(sequence, "401 Unauthorized", {"WWW-Authenticate": self.camera.challenge()})
        elif method == "DESCRIBE" and self.camera.fault is Fault.NOT_FOUND:
            self._reply(sequence, "404 Not Found", {})
        elif method == "DESCRIBE" and self.camera.locations:
            lines = "".join(f"Location: {location}\r\n" for location in self.camera.locations)
            self.writer.write(f"RTSP/1.0 {self.camera.status}\r\nCSeq: {sequence}\r\n{lines}\r\n".encode())
        elif method == "DESCRIBE":
            base = self.camera.names or f"{url}/"
            head = {"Content-Type": "application/sdp", "Content-Base": base}
            self._reply(sequence, "200 OK", head, self._description())
        elif method == "SETUP":
            transport = headers["transport"].split(";mode")[0]
            self._reply(sequence, "200 OK", {"Transport": transport, "Session": "12345678;timeout=60"})
        else:
            self._reply(sequence, "200 OK", {"Session": "12345678"})
            if method == "PLAY":
                self.camera.plays += 1
                self._play()

    def _description(self) -> str:
        text = self.camera.clip.sdp()
        named = f"a=control:{self.camera.names}trackID=1" if self.camera.names else ""
        return text.replace("a=control:trackID=1", named) if named else text

    def _reply(self, sequence: str, status: str, headers: dict[str, str], body: str = "") -> None:
        fields = {"CSeq": sequence, **headers}
        if body:
            fields["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.writer.write(f"RTSP/1.0 {status}\r\n{head}\r\n{body}".encode())

    def _play(self) -> None:
        if self.camera.fault is not Fault.SILENT and self.player is None:
            self.player = asyncio.get_running_loop().create_task(self._stream())

    async def _stream(self) -> None:
        frames = self.camera.clip.frames
        if self.camera.fault is Fault.NOISE:
            # Key pictures by their first letter, of which nothing can be decoded.
            frames = tuple((nal[0][:1] + secrets.token_bytes(30_000),) for nal in frames)
        sequence = count = 0
        while self.camera.fault is Fault.GARBAGE:
            self.writer.write(secrets.token_bytes(4000))
            await self.writer.drain()
        while True:
            timestamp = count * CLOCK_RATE // FRAMES_PER_SECOND
            for packet in packets(frames[count % len(frames)], sequence, timestamp, 0x0C0FFEE0):
                self.writer.write(b"$\x00" + len(packet).to_bytes(2, "big") + packet)
                sequence += 1
            await self.writer.drain()
            count += 1
            await asyncio.sleep(1 / FRAMES_PER_SECOND)


class CameraYard:
    """Runs fake cameras in a thread of its own, so that tests stay plain functions."""

    def __init__(self, clip: Clip) -> None:
        """Prepare the yard; nothing runs yet."""
        self._clip = clip
        self._cameras: list[FakeCamera] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="camera-yard", daemon=True)

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every camera and the thread."""
        for camera in self._cameras:
            self.stop(camera)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_TIMEOUT)
        self._loop.close()

    def camera(
        self, *, user: str = "", password: str = "", scheme: Scheme = Scheme.DIGEST_MD5, fault: Fault = Fault.NONE
    ) -> FakeCamera:
        """Set up one more camera."""
        camera = FakeCamera(self._clip, user, password, scheme, fault)
        self._cameras.append(camera)
        self.start(camera)
        return camera

    def start(self, camera: FakeCamera) -> None:
        """Let the camera accept connections."""
        self._call(camera.start())

    def stop(self, camera: FakeCamera) -> None:
        """Let the camera's port refuse connections."""
        self._call(camera.stop())

    def _call(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_CALL_TIMEOUT)
