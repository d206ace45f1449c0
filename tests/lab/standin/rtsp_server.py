"""The RTSP server that readers use: TCP only, Basic authentication, play only."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from . import sdp, wire
from .auth import FAILURE, Credentials, credentials_from, pause_after_failure
from .certificate import WatchedCertificate
from .errors import RequestError, system_reason
from .listen import endpoint, listen, remote_host
from .path import BAD_REQUEST, timestamp

if TYPE_CHECKING:
    from .auth import Authenticator
    from .config import Config
    from .log import Log
    from .path import Path, PathTable
    from .stream import Stream

_OK: Final = 200
_UNAUTHORIZED: Final = 401
_NO_SESSION: Final = 454
_UNSUPPORTED_TRANSPORT: Final = 461
_NOT_IMPLEMENTED: Final = 501
_PUBLIC: Final = "DESCRIBE, ANNOUNCE, SETUP, PLAY, RECORD, PAUSE, GET_PARAMETER, TEARDOWN"
_SERVER: Final = "gortsplib (stand-in)"
_SESSION_TIMEOUT: Final = 55
_MAX_PACKET: Final = 1460
_TRACK: Final = "/trackID="
_BAD_SETUP: Final = (
    "invalid SETUP path. This typically happens when VLC fails a request, "
    "and then switches to an unsupported RTSP dialect"
)


class _Unauthorized(Exception):  # noqa: N818 (a question, not an error)
    """Credentials are missing: ask for them and keep the connection."""


class RtspServer:
    """Listens for readers."""

    def __init__(
        self, config: Config, authenticator: Authenticator, paths: PathTable, log: Log, *, encrypted: bool = False
    ) -> None:
        """Prepare; start opens the listener."""
        self.encrypted = encrypted
        self._address = config.text("rtspsAddress" if encrypted else "rtspAddress")
        self._files = config.text("rtspServerKey"), config.text("rtspServerCert")
        self._certificate: WatchedCertificate | None = None
        self.authenticator = authenticator
        self.paths = paths
        self.queue_limit = config.count("writeQueueSize") * _MAX_PACKET
        self.write_timeout = config.seconds("writeTimeout")
        self._log = log
        self._server: asyncio.Server | None = None
        self._connections: dict[uuid.UUID, _Connection] = {}
        self._sessions: dict[uuid.UUID, Session] = {}

    async def start(self) -> None:
        """Open the listener.

        Raises:
            StartError: the address is in use.
        """
        if self.encrypted:
            self._certificate = WatchedCertificate(*self._files, self._log)
        encryption = self._certificate.context if self._certificate else None
        self._server = await listen(self._address, self._serve, encryption)
        self.log("info", f"started with listeners on {self._address} (TCP/RTSP{'S' if self.encrypted else ''})")

    async def close(self) -> None:
        """Stop listening and cut every reader."""
        self.log("info", "closing")
        if self._server is not None:
            self._server.close()
        if self._certificate is not None:
            self._certificate.close()
        connections = tuple(self._connections.values())
        for connection in connections:
            connection.cut("terminated")
        await asyncio.gather(*(connection.done.wait() for connection in connections))

    def log(self, level: str, message: str) -> None:
        """Write a line about the server."""
        getattr(self._log, level)(f"[RTSP{'S' if self.encrypted else ''}] {message}")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self, wire.WireReader(reader), writer)
        self._connections[connection.id] = connection
        try:
            await connection.run()
        finally:
            del self._connections[connection.id]
            connection.done.set()

    def open_session(self, connection: _Connection) -> Session:
        """Create a session."""
        session = Session(self, connection)
        self._sessions[session.id] = session
        self.log("info", f"{session.label} created by {connection.remote}")
        return session

    def end_session(self, session: Session, reason: str) -> None:
        """Forget a session and count its reader out."""
        if self._sessions.pop(session.id, None) is None:
            return
        if session.path is not None:
            session.path.remove_reader(session)
        self.log("info", f"{session.label} destroyed: {reason}")

    def connections(self) -> list[dict[str, object]]:
        """Every connection as the Control API shows it, oldest first."""
        return [connection.document() for connection in self._connections.values()]

    def sessions(self) -> list[dict[str, object]]:
        """Every session as the Control API shows it, oldest first."""
        return [session.document() for session in self._sessions.values()]

    def connection(self, key: uuid.UUID) -> dict[str, object] | None:
        """One connection."""
        found = self._connections.get(key)
        return found.document() if found else None

    def session(self, key: uuid.UUID) -> dict[str, object] | None:
        """One session."""
        found = self._sessions.get(key)
        return found.document() if found else None

    def kick(self, key: uuid.UUID) -> bool:
        """Cut a session; False says that there is none."""
        found = self._sessions.get(key)
        if found is None:
            return False
        found.close("terminated")
        return True


class Session:
    """One reader of one path."""

    def __init__(self, server: RtspServer, connection: _Connection) -> None:
        """Begin without tracks."""
        self.id = uuid.uuid4()
        self.secret = secrets.token_hex(16)
        self.created = timestamp()
        self.path: Path | None = None
        self.stream: Stream | None = None
        self.channels: dict[int, int] = {}
        self.playing = False
        self.query = ""
        self.user = ""
        self.user_agent = ""
        self._server = server
        self._connection = connection
        self._bytes = 0
        self._packets = 0
        self._reports = 0
        self._discarded = 0
        self._slow_since: float | None = None
        self._told_at = 0.0

    @property
    def label(self) -> str:
        """How the log calls the session."""
        return f"[session {self.id.hex[:8]}]"

    def send(self, track: int, payload: bytes, *, is_report: bool) -> bool:
        """Queue a packet, or drop it where the reader is too slow."""
        channel = self.channels.get(track)
        if channel is None:
            return False
        transport = self._connection.writer.transport
        if transport.is_closing():
            return False
        if transport.get_write_buffer_size() > self._server.queue_limit:
            self._drop()
            return False
        self._slow_since = None
        transport.write(wire.frame(channel + is_report, payload))
        if is_report:
            self._reports += 1
        else:
            self._packets += 1
            self._bytes += len(payload)
        return True

    def _drop(self) -> None:
        self._discarded += 1
        now = time.monotonic()
        if self._slow_since is None:
            self._slow_since = now
        if now - self._told_at >= 1:
            self._told_at = now
            self._server.log("warn", f"{self.label} reader is too slow, discarding {self._discarded} frames")
        if now - self._slow_since > self._server.write_timeout:
            self.close(f"write to {self._connection.remote}: i/o timeout")

    def close(self, reason: str) -> None:
        """End the session and its connection."""
        self._server.end_session(self, reason)
        self._connection.cut(reason)

    def reference(self) -> dict[str, object]:
        """The reader in its path's document."""
        return {"type": "rtspsSession" if self._server.encrypted else "rtspSession", "id": str(self.id)}

    def document(self) -> dict[str, object]:
        """The session as the Control API shows it."""
        counters: dict[str, object] = {
            "inboundBytes": 0,
            "inboundRTPPackets": 0,
            "inboundRTPPacketsLost": 0,
            "inboundRTPPacketsInError": 0,
            "inboundRTPPacketsJitter": 0,
            "inboundRTCPPackets": self._connection.reports,
            "inboundRTCPPacketsInError": 0,
            "outboundBytes": self._bytes,
            "outboundRTPPackets": self._packets,
            "outboundRTPPacketsReportedLost": 0,
            "outboundRTPPacketsDiscarded": self._discarded,
            "outboundRTCPPackets": self._reports,
            "bytesReceived": 0,
            "bytesSent": self._bytes,
            "rtpPacketsReceived": 0,
            "rtpPacketsSent": self._packets,
            "rtpPacketsLost": 0,
            "rtpPacketsInError": 0,
            "rtpPacketsJitter": 0,
            "rtcpPacketsReceived": self._connection.reports,
            "rtcpPacketsSent": self._reports,
            "rtcpPacketsInError": 0,
        }
        is_set_up = bool(self.channels)
        return {
            "id": str(self.id),
            "created": self.created,
            "remoteAddr": self._connection.remote,
            "state": "read" if self.playing else "idle",
            "path": self.path.config.name if self.path is not None else "",
            "query": self.query,
            "user": self.user,
            "userAgent": self.user_agent,
            "transport": "TCP" if is_set_up else None,
            "profile": "AVP" if is_set_up else None,
            "conns": [str(self._connection.id)],
            **counters,
        }


@dataclass(slots=True, eq=False)
class _Connection:
    server: RtspServer
    reader: wire.WireReader
    writer: asyncio.StreamWriter
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    created: str = field(default_factory=timestamp)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    remote: str = ""
    reports: int = 0
    session: Session | None = None
    sent: int = 0
    cut_reason: str = ""
    task: asyncio.Task[object] | None = None

    def __post_init__(self) -> None:
        self.remote = endpoint(self.writer)
        self.task = asyncio.current_task()

    def cut(self, reason: str) -> None:
        """End the connection from our side."""
        if self.cut_reason:
            return
        self.cut_reason = reason
        self.writer.transport.abort()
        if self.task is not None and self.task is not asyncio.current_task():
            self.task.cancel()

    async def run(self) -> None:
        self._log("info", "opened")
        reason = "terminated"
        try:
            reason = await self._converse()
        except (EOFError, wire.WireError) as error:
            reason = str(error)
        except OSError as error:
            reason = f"read tcp {self.remote}: read: {system_reason(error)}"
        except asyncio.CancelledError:
            # The server cancels the task of a connection that it cuts; anything else goes on.
            if not self.cut_reason:
                raise
        finally:
            if self.session is not None:
                self.server.end_session(self.session, "not in use")
            self._log("info", f"closed: {self.cut_reason or reason}")
            self.writer.close()

    def _log(self, level: str, message: str) -> None:
        self.server.log(level, f"[conn {self.remote}] {message}")

    async def _converse(self) -> str:
        while True:
            item = await self.reader.next()
            if isinstance(item, wire.Frame):
                self.reports += 1
                continue
            reason = await self._handle(item)
            if reason:
                return reason

    async def _handle(self, message: wire.Message) -> str:
        """Answer a request; a reason means that the connection ends."""
        if message.header("cseq") is None:
            self._reply(message, BAD_REQUEST, {})
            return await self._farewell("CSeq is missing")
        try:
            status, headers, body = await self._respond(message)
        except _Unauthorized:
            challenge = 'Basic realm="ipcam"'
            self._reply(message, _UNAUTHORIZED, {"WWW-Authenticate": challenge})
        except RequestError as error:
            self._reply(message, error.status, {})
            return await self._farewell(str(error))
        else:
            self._reply(message, status, headers, body)
            if message.method == "PLAY" and status == _OK:
                self._begin()
        await self.writer.drain()
        return ""

    async def _farewell(self, reason: str) -> str:
        await self.writer.drain()
        return reason

    def _reply(self, message: wire.Message, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        sequence = message.header("cseq")
        fields = {} if sequence is None else {"CSeq": sequence}
        data = wire.response(status, {**fields, **headers, "Server": _SERVER}, body)
        self.sent += len(data)
        self.writer.write(data)

    async def _respond(self, message: wire.Message) -> tuple[int, dict[str, str], bytes]:
        named = (message.header("session") or "").partition(";")[0].strip()
        match message.method:
            case "OPTIONS":
                return _OK, {"Public": _PUBLIC}, b""
            case "DESCRIBE":
                return await self._describe(message)
            case "SETUP":
                self._check_session(named)
                return await self._setup(message)
            case "PLAY" | "PAUSE" | "TEARDOWN" | "GET_PARAMETER" if named:
                return self._in_session(message, named)
            case "ANNOUNCE" | "RECORD":
                raise RequestError(BAD_REQUEST, "the stand-in does not implement publishing")
        return _NOT_IMPLEMENTED, {}, b""

    def _check_session(self, named: str) -> None:
        if named and self.session is None:
            raise RequestError(_NO_SESSION, "session not found")
        if named and self.session is not None and named != self.session.secret:
            raise RequestError(BAD_REQUEST, "connection is linked to another session")

    async def _authorize(self, message: wire.Message, name: str, label: str) -> Credentials:
        credentials = credentials_from(message.header("authorization"))
        if self.server.authenticator.allows(credentials, remote_host(self.writer), "read", name):
            return credentials
        if not credentials:
            raise _Unauthorized
        self.server.log("warn", f"{label} {FAILURE}")
        await pause_after_failure()
        raise RequestError(_UNAUTHORIZED, FAILURE)

    async def _describe(self, message: wire.Message) -> tuple[int, dict[str, str], bytes]:
        name, _ = _path_of(message.url)
        path = self.server.paths.find(name)
        await self._authorize(message, name, f"[conn {self.remote}]")
        stream = await path.describe()
        headers = {"Content-Base": f"{message.url}/", "Content-Type": "application/sdp"}
        return _OK, headers, sdp.describe(stream.title, stream.tracks)

    async def _setup(self, message: wire.Message) -> tuple[int, dict[str, str], bytes]:
        if self.session is None:
            self.session = self.server.open_session(self)
        session = self.session
        transport = message.header("transport") or ""
        offered = next((part for part in transport.split(",") if "/TCP" in part.upper()), None)
        if offered is None:
            return _UNSUPPORTED_TRANSPORT, {"Session": f"{session.secret};timeout={_SESSION_TIMEOUT}"}, b""
        name, query, track = _track_of(message.url)
        channel = _channel(offered, session)
        if session.path is None:
            await self._join(session, message, name, query)
        elif session.path.config.name != name:
            raise RequestError(BAD_REQUEST, "can't setup medias with different paths")
        assert session.stream is not None
        if track >= len(session.stream.tracks):
            raise RequestError(BAD_REQUEST, "media not found")
        if track in session.channels:
            raise RequestError(BAD_REQUEST, "media has already been setup")
        session.channels[track] = channel
        headers = {
            "Session": f"{session.secret};timeout={_SESSION_TIMEOUT}",
            "Transport": f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}",
        }
        return _OK, headers, b""

    async def _join(self, session: Session, message: wire.Message, name: str, query: str) -> None:
        path = self.server.paths.find(name)
        credentials = await self._authorize(message, name, session.label)
        session.stream = await path.add_reader(session)
        session.path = path
        session.query = query
        session.user = credentials.user
        session.user_agent = message.header("user-agent") or ""

    def _in_session(self, message: wire.Message, named: str) -> tuple[int, dict[str, str], bytes]:
        self._check_session(named)
        session = self.session
        assert session is not None
        headers = {"Session": f"{session.secret};timeout={_SESSION_TIMEOUT}"}
        if message.method == "GET_PARAMETER":
            return _OK, {"Content-Type": "text/parameters", **headers}, b""
        if message.method == "TEARDOWN":
            self.server.end_session(session, f"torn down by {self.remote}")
            self.session = None
            return _OK, {}, b""
        if not session.channels:
            raise RequestError(BAD_REQUEST, "must be in state [prePlay play], while is in state initial")
        if message.method == "PAUSE":
            session.playing = False
            assert session.stream is not None
            session.stream.playing.discard(session)
        return _OK, headers, b""

    def _begin(self) -> None:
        session = self.session
        if session is None or session.stream is None or session.path is None or session.playing:
            return
        session.playing = True
        session.stream.playing.add(session)
        chosen = tuple(session.stream.tracks[track] for track in sorted(session.channels))
        name = session.path.config.name
        self.server.log("info", f"{session.label} is reading from path '{name}', with TCP, {sdp.summary(chosen)}")

    def document(self) -> dict[str, object]:
        """The connection as the Control API shows it."""
        return {
            "id": str(self.id),
            "created": self.created,
            "remoteAddr": self.remote,
            "session": str(self.session.id) if self.session is not None else None,
            "tunnel": "none",
            "inboundBytes": self.reader.received,
            "outboundBytes": self.sent,
            "bytesReceived": self.reader.received,
            "bytesSent": self.sent,
        }


def _resource(url: str) -> str:
    matched = re.match(r"rtsps?://[^/]*(/.*)?$", url)
    if matched is None or not matched[1]:
        raise RequestError(BAD_REQUEST, "invalid path")
    return matched[1][1:]


def _path_of(url: str) -> tuple[str, str]:
    name, _, query = _resource(url).partition("?")
    return unquote(name.removesuffix("/")), query


def _track_of(url: str) -> tuple[str, str, int]:
    resource = _resource(url)
    before, found, after = resource.rpartition(_TRACK)
    number, _, tail = after.partition("?")
    if not found or not (number.isascii() and number.isdigit()):
        raise RequestError(BAD_REQUEST, _BAD_SETUP)
    name, _, query = before.partition("?")
    return unquote(name.removesuffix("/")), query or tail, int(number)


def _channel(offered: str, session: Session) -> int:
    taken = set(session.channels.values())
    matched = re.search(r"interleaved=(\d+)-(\d+)", offered)
    if matched is None:
        return next(channel for channel in range(0, 256, 2) if channel not in taken)
    first, second = int(matched[1]), int(matched[2])
    if second != first + 1:
        raise RequestError(BAD_REQUEST, "invalid interleaved IDs")
    if any(abs(first - channel) <= 1 for channel in taken):
        raise RequestError(BAD_REQUEST, "interleaved IDs are in use")
    return first
