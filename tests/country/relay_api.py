"""The Control API of many relays in one process: the stand-in's own pages, over paths that send by the clock.

What a page is (its parameters, its fields, its errors, who may ask) is the stand-in's, which contract tests hold
against the real program.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tests.lab.standin.api import Api

PASSWORD: Final = "invented-for-the-country"
_LIST: Final = "/v3/paths/list"
_STARTED: Final = "2021-06-01T00:00:00+07:00"


@dataclass(frozen=True)
class SentPath:
    """A path of a simulated relay."""

    name: str  #: The path's.
    address: str  #: The device, with `port`, that it is pulled from.
    port: int
    on_demand: bool  #: Whether it is pulled only while somebody reads it.
    codec: str  #: In MediaMTX's words, with `width` and `height`.
    width: int
    height: int
    kbps: int  #: How much comes of it.


@dataclass
class SentPaths:
    """All paths of one relay as MediaMTX shows them at a moment; those in `dark` bring nothing any more."""

    paths: Mapping[str, SentPath]
    dark: Collection[str] = ()
    begun: float = field(default_factory=time.time)

    def documents(self) -> list[dict[str, object]]:
        """Every path, by name."""
        now = time.time()
        return [self._document(self.paths[name], now) for name in sorted(self.paths)]

    def get(self, name: str) -> _Shown | None:
        """One path; who asks for a single one reads it, so that it is there if it is pulled on demand."""
        return _Shown(self._document(self.paths[name], time.time(), read=True)) if name in self.paths else None

    def _document(self, path: SentPath, now: float, *, read: bool = False) -> dict[str, object]:
        sends = (read or not path.on_demand) and path.name not in self.dark
        inbound = int((now - self.begun + 60) * path.kbps * 125) if sends else 0
        since = _STARTED if sends else None
        track = {"codec": path.codec, "codecProps": {"width": path.width, "height": path.height, "profile": "Main"}}
        return {
            "name": path.name,
            "confName": path.name,
            "ready": sends,
            "readyTime": since,
            "available": sends,
            "availableTime": since,
            # A configured source counts as online even while its camera is dead.
            "online": True,
            "onlineTime": _STARTED,
            "source": {"type": "rtspSource", "id": ""},
            "tracks": [path.codec] if sends else [],
            "tracks2": [track] if sends else [],
            "readers": [],
            "inboundBytes": inbound,
            "outboundBytes": 0,
            "inboundFramesInError": 0,
            "bytesReceived": inbound,
            "bytesSent": 0,
        }


@dataclass(frozen=True)
class _Shown:
    shown: dict[str, object]

    def document(self) -> dict[str, object]:
        """As the API shows it."""
        return self.shown


class _Configured:
    """What the stand-in's API asks of its configuration."""

    def __init__(self, port: int) -> None:
        self._address = f"127.0.0.1:{port}"

    def text(self, name: str) -> str:
        """The address to listen at."""
        assert name == "apiAddress"
        return self._address

    def items(self, _name: str) -> tuple[str, ...]:
        """No origin is allowed."""
        return ()

    def document(self) -> dict[str, object]:
        """Nothing that a probe asks for."""
        return {}

    defaults_document = document


class _OwnUser:
    """Who may ask: the API's own user."""

    def allows(self, credentials: Any, _host: str, _action: str) -> bool:
        """Whether the login is that user's."""
        return (credentials.user, credentials.password) == ("api", PASSWORD)


class _Sessions:
    """The RTSP server of a relay that nobody reads from."""

    def sessions(self) -> list[dict[str, object]]:
        """None."""
        return []

    connections = sessions


class _Quiet:
    """A log of nothing but errors."""

    def info(self, _line: str) -> None:
        """Say nothing."""

    warn = info

    def error(self, line: str) -> None:
        """Say it."""
        sys.stderr.write(f"{line}\n")


class _QuickApi(Api):
    """The stand-in's, but that a list of all paths on one page is put into words by a quicker encoder."""

    async def _answer(self, request: Any, writer: asyncio.StreamWriter) -> None:
        documents = self._paths.documents() if request.path == _LIST else []
        if not documents or len(documents) > int(request.query.get("itemsPerPage", ["0"])[0]):
            await super()._answer(request, writer)
            return
        await self._authorize(request, writer)
        page = {"itemCount": len(documents), "pageCount": 1, "items": documents}
        await self._write(writer, 200, "application/json; charset=utf-8", orjson.dumps(page), {})


async def serve(relays: Iterable[tuple[int, SentPaths]]) -> list[Api]:
    """Open the API of every relay, each at a port of its own."""
    parts: Any = {"authenticator": _OwnUser(), "servers": {"rtsp": _Sessions()}, "log": _Quiet()}
    opened = list[Api]()
    for port, paths in relays:
        config: Any = _Configured(port)
        table: Any = paths
        api = _QuickApi(config, started=_STARTED, paths=table, **parts)
        await api.start()
        opened.append(api)
    return opened


def run(relays: Iterable[tuple[int, SentPaths]]) -> None:
    """Serve until the process is ended."""

    async def forever() -> None:
        kept = await serve(relays)
        await asyncio.Event().wait()
        del kept

    asyncio.run(forever())
