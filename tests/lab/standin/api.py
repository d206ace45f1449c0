"""The Control API: what runs, and what is configured. It changes nothing but kicks sessions."""

from __future__ import annotations

import asyncio
import email.utils
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, unquote, urlsplit

from . import VERSION
from .auth import FAILURE, credentials_from, pause_after_failure
from .listen import endpoint, listen, remote_host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .auth import Authenticator
    from .config import Config
    from .log import Log
    from .path import PathTable
    from .rtsp_server import RtspServer

_MAX_NUMBER: Final = 2**31 - 1
_DEFAULT_PAGE: Final = 100
_WRITES: Final = (
    "/v3/config/global/patch",
    "/v3/config/pathdefaults/patch",
    "/v3/config/paths/add/",
    "/v3/config/paths/patch/",
    "/v3/config/paths/replace/",
    "/v3/config/paths/delete/",
    "/v3/recordings/",
    "/v3/auth/jwks/refresh",
    "/v3/paths/forward/",
)
_REASONS: Final = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed"}
_NO_PAGE: Final = 404


class _Refused(Exception):  # noqa: N818 (an answer)
    def __init__(self, status: int, reason: str, *, silent: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.silent = silent


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    last: bool


class Api:
    """Listens for Control API clients."""

    def __init__(
        self,
        config: Config,
        *,
        started: str,
        authenticator: Authenticator,
        paths: PathTable,
        servers: Mapping[str, RtspServer],
        log: Log,
    ) -> None:
        """Prepare; start opens the listener."""
        self.config = config
        self._started = started
        self._authenticator = authenticator
        self._paths = paths
        self._servers = servers
        self._log = log
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Open the listener.

        Raises:
            StartError: the address is in use.
        """
        address = self.config.text("apiAddress")
        self._listener = await listen(address, self._serve)
        self._log.info(f"[API] started with listener on {address} (TCP/HTTP)")

    def close(self) -> None:
        """Stop listening and drop the clients."""
        self._log.info("[API] closing")
        if self._listener is not None:
            self._listener.close()
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while (request := await _read(reader)) is not None:
                await self._answer(request, writer)
                if request.last:
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, request: _Request, writer: asyncio.StreamWriter) -> None:
        extra: dict[str, str] = {}
        try:
            extra = await self._authorize(request, writer)
            status, document = 200, self._document(request)
        except _Refused as refusal:
            status = refusal.status
            if not refusal.silent:
                self._log.error(f"[API] {refusal}")
            document = {"status": "error", "error": str(refusal)}
            if str(refusal) == "ask":
                document["error"] = "authentication error"
                extra = {"WWW-Authenticate": 'Basic realm="mediamtx"'}
        if document is None:
            await self._write(writer, _NO_PAGE, "text/plain", b"404 page not found", extra)
            return
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        await self._write(writer, status, "application/json; charset=utf-8", body, extra)

    async def _write(
        self, writer: asyncio.StreamWriter, status: int, kind: str, body: bytes, extra: dict[str, str]
    ) -> None:
        headers = {
            "Server": "mediamtx (stand-in)",
            "Date": email.utils.formatdate(usegmt=True),
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **extra,
        }
        if "*" in self.config.items("apiAllowOrigins"):
            headers["Access-Control-Allow-Origin"] = "*"
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status} {_REASONS[status]}\r\n{head}\r\n".encode() + body)
        await writer.drain()

    async def _authorize(self, request: _Request, writer: asyncio.StreamWriter) -> dict[str, str]:
        credentials = credentials_from(request.headers.get("authorization"))
        if self._authenticator.allows(credentials, remote_host(writer), "api"):
            return {}
        if not credentials:
            raise _Refused(401, "ask", silent=True)
        self._log.warn(f"[API] [conn {endpoint(writer)}] {FAILURE}")
        await pause_after_failure()
        raise _Refused(401, "authentication error", silent=True)

    def _document(self, request: _Request) -> dict[str, object] | None:
        """The answer's document; None is a page that does not exist."""
        if request.path.startswith(_WRITES):
            raise _Refused(405, f"the stand-in does not implement {request.method} {request.path}")
        if request.method == "POST":
            return self._kick(request)
        if request.method != "GET":
            return None
        fixed: dict[str, Callable[[], dict[str, object]]] = {
            "/v3/info": lambda: {"version": VERSION, "started": self._started},
            "/v3/config/global/get": self.config.document,
            "/v3/config/pathdefaults/get": self.config.defaults_document,
            "/v3/config/paths/list": lambda: _page(self._path_configs(), request),
            "/v3/paths/list": lambda: _page(self._paths.documents(), request),
        }
        if request.path in fixed:
            return fixed[request.path]()
        if request.path.startswith("/v3/paths/get/"):
            return self._path(request.path.removeprefix("/v3/paths/get/"))
        if request.path.startswith("/v3/config/paths/get/"):
            return self._path_config(request.path.removeprefix("/v3/config/paths/get/"))
        found = self._of_server(request)
        return self._readers(request, *found) if found else None

    def _of_server(self, request: _Request) -> tuple[RtspServer, str] | None:
        """The server that a page is about, and the rest of its address; None where that server is off."""
        for family in ("rtsps", "rtsp"):
            for kind in ("conns", "sessions"):
                beginning = f"/v3/{family}{kind}/"
                if request.path.startswith(beginning) and family in self._servers:
                    return self._servers[family], f"{kind}/{request.path.removeprefix(beginning)}"
        return None

    def _readers(self, request: _Request, server: RtspServer, page: str) -> dict[str, object] | None:
        if page == "conns/list":
            return _page(server.connections(), request)
        if page == "sessions/list":
            return _page(server.sessions(), request)
        if page.startswith("conns/get/"):
            return _found(server.connection(_key(request.path)), "connection not found")
        if page.startswith("sessions/get/"):
            return _found(server.session(_key(request.path)), "session not found")
        return None

    def _kick(self, request: _Request) -> dict[str, object] | None:
        found = self._of_server(request)
        if found is None or not found[1].startswith("sessions/kick/"):
            return None
        if not found[0].kick(_key(request.path)):
            raise _Refused(404, "session not found")
        return {"status": "ok"}

    def _path(self, name: str) -> dict[str, object]:
        if not name:
            raise _Refused(400, "invalid name")
        path = self._paths.get(name)
        return _found(path.document() if path is not None else None, "path not found")

    def _path_config(self, name: str) -> dict[str, object]:
        if not name:
            raise _Refused(400, "invalid name")
        path = self.config.paths.get(name)
        return _found(path.document() if path is not None else None, "path configuration not found")

    def _path_configs(self) -> list[dict[str, object]]:
        return [self.config.paths[name].document() for name in sorted(self.config.paths)]


async def _read(reader: asyncio.StreamReader) -> _Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, target, version = lines[0].split(" ", 2)
    pairs = (line.partition(":") for line in lines[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    await reader.readexactly(min(int(headers.get("content-length", "0")), _MAX_NUMBER))
    parts = urlsplit(target)
    connection = headers.get("connection", "").lower()
    last = connection == "close" or (version == "HTTP/1.0" and connection != "keep-alive")
    return _Request(method, unquote(parts.path), parse_qs(parts.query), headers, last)


def _found(document: dict[str, object] | None, otherwise: str) -> dict[str, object]:
    if document is None:
        raise _Refused(404, otherwise)
    return document


def _key(path: str) -> uuid.UUID:
    text = path.rpartition("/")[2]
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise _Refused(400, f"invalid UUID length: {len(text)}") from error


def _page(items: list[dict[str, object]], request: _Request) -> dict[str, object]:
    size = _number(request, "itemsPerPage", _DEFAULT_PAGE)
    if size == 0:
        raise _Refused(400, "invalid items per page")
    page = _number(request, "page", 0)
    count = -(-len(items) // size)
    return {"itemCount": len(items), "pageCount": count, "items": items[page * size : (page + 1) * size]}


def _number(request: _Request, name: str, default: int) -> int:
    text = request.query.get(name, [""])[0]
    if not text:
        return default
    if not (text.isascii() and text.isdigit()):
        raise _Refused(400, f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if int(text) > _MAX_NUMBER:
        raise _Refused(400, f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)
