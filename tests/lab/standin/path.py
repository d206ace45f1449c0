"""Paths: their sources, their readers, and which of them a reload spares."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from . import sdp
from .config import PathConfig, name_problem
from .errors import RequestError
from .rtsp_client import Limits, Source
from .stream import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .config import Config
    from .log import Log
    from .stream import Reader

BAD_REQUEST: Final = 400
NOT_FOUND: Final = 404

_NEVER: Final = "0001-01-01T00:00:00Z"
_HOT_KEYS: Final = frozenset(
    {
        "forward",
        "record",
        "recordPath",
        "recordFormat",
        "recordPartDuration",
        "recordMaxPartSize",
        "recordSegmentDuration",
        "recordDeleteAfter",
    }
    | {
        f"rpiCamera{name}"
        for name in (
            "Brightness",
            "Contrast",
            "Saturation",
            "Sharpness",
            "Exposure",
            "FlickerPeriod",
            "AWB",
            "AWBGains",
            "Denoise",
            "Shutter",
            "Metering",
            "Gain",
            "EV",
            "FPS",
            "TextOverlayEnable",
            "TextOverlay",
            "IDRPeriod",
            "Bitrate",
        )
    }
)


def timestamp() -> str:
    """Now, as the Control API writes times."""
    return dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")


class _Demand(enum.Enum):
    IDLE = enum.auto()
    WAITING = enum.auto()
    READY = enum.auto()
    CLOSING = enum.auto()


class Path:
    """One configured path."""

    def __init__(self, config: PathConfig, limits: Limits, log: Log) -> None:
        """Create the path and, unless it is on demand, start its source."""
        self.config = config
        self._log = log
        self._stream: Stream | None = None
        self._available_since = _NEVER
        self._online_since = _NEVER
        self._readers: set[Reader] = set()
        self._waiting: list[asyncio.Future[Stream]] = []
        self._demand = _Demand.IDLE
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._source: Source | None = None
        if config.is_pulled:
            own = replace(limits, fingerprint=str(config.values["sourceFingerprint"] or ""))
            self._source = Source(config.source, own, self, lambda: (log, f"[path {config.name}]"))
            if not config.on_demand:
                self._source.start(on_demand=False)

    async def close(self) -> None:
        """Cut the readers, then stop the source and wait for its end."""
        self._closed = True
        self._cancel_timer()
        self._fail_waiting("terminated")
        if self._source is not None:
            self._source.halt("path is closing")
        self._set_not_available()
        if self._source is not None:
            await self._source.closed()

    # What the source says.

    def set_ready(self, description: sdp.Description) -> Stream:
        """The camera is set up."""
        self._stream = Stream(description)
        self._available_since = self._online_since = timestamp()
        tracks = sdp.summary(description.tracks)
        self._log.info(f"[path {self.config.name}] stream is available and online, {tracks}")
        if self.config.on_demand:
            self._close_later()
        for future in self._waiting:
            if not future.done():
                future.set_result(self._stream)
        self._waiting.clear()
        return self._stream

    def set_not_ready(self) -> None:
        """The camera is gone."""
        if self._closed:
            return
        self._set_not_available()
        if self.config.on_demand and self._demand is not _Demand.IDLE:
            self._stop_on_demand("an error occurred")

    def _set_not_available(self) -> None:
        self._stream = None
        for reader in tuple(self._readers):
            self._readers.discard(reader)
            reader.close("terminated")

    # What readers ask.

    async def describe(self) -> Stream:
        """The stream, starting the camera if it is on demand.

        Raises:
            RequestError: there is none.
        """
        if self._stream is not None:
            return self._stream
        if not (self.config.is_pulled and self.config.on_demand) or self._closed:
            raise RequestError(NOT_FOUND, f"no stream is available on path '{self.config.name}'")
        if self._demand is _Demand.IDLE:
            self._start_on_demand()
        future: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return await future

    async def add_reader(self, reader: Reader) -> Stream:
        """Count a reader in.

        Raises:
            RequestError: there is no stream, or no room.
        """
        stream = await self.describe()
        limit = self.config.count("maxReaders")
        if limit and len(self._readers) >= limit and reader not in self._readers:
            raise RequestError(BAD_REQUEST, "maximum reader count reached")
        self._readers.add(reader)
        if self._demand is _Demand.CLOSING:
            self._cancel_timer()
            self._demand = _Demand.READY
        return stream

    def remove_reader(self, reader: Reader) -> None:
        """Count a reader out."""
        self._readers.discard(reader)
        if self._stream is not None:
            self._stream.playing.discard(reader)
        if not self._readers and self._demand is _Demand.READY:
            self._close_later()

    # On demand.

    def _start_on_demand(self) -> None:
        assert self._source is not None
        self._source.start(on_demand=True)
        self._demand = _Demand.WAITING
        self._set_timer(self.config.seconds("sourceOnDemandStartTimeout"), self._start_timed_out)

    def _start_timed_out(self) -> None:
        self._fail_waiting(f"source of path '{self.config.name}' has timed out")
        self._stop_on_demand("timed out")

    def _close_later(self) -> None:
        self._demand = _Demand.CLOSING
        self._set_timer(self.config.seconds("sourceOnDemandCloseAfter"), self._not_needed)

    def _not_needed(self) -> None:
        self._set_not_available()
        self._stop_on_demand("not needed by anyone")

    def _stop_on_demand(self, reason: str) -> None:
        self._cancel_timer()
        self._demand = _Demand.IDLE
        assert self._source is not None
        self._source.halt(reason)

    def _set_timer(self, delay: float, action: object) -> None:
        self._cancel_timer()
        assert callable(action)
        self._timer = asyncio.get_running_loop().call_later(delay, action)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fail_waiting(self, reason: str) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_exception(RequestError(BAD_REQUEST, reason))
        self._waiting.clear()

    def document(self) -> dict[str, object]:
        """The path as the Control API shows it."""
        stream = self._stream
        available = stream is not None
        since = self._available_since if available else None
        tracks = stream.tracks if stream is not None else ()
        inbound = stream.inbound if stream is not None else 0
        outbound = stream.outbound if stream is not None else 0
        # A configured source counts as online even while its camera is dead.
        online = self._source is not None
        return {
            "name": self.config.name,
            "confName": self.config.name,
            "ready": available,
            "readyTime": since,
            "available": available,
            "availableTime": since,
            "online": online,
            "onlineTime": self._online_since if online else None,
            "source": {"type": "rtspSource", "id": ""} if online else None,
            "tracks": [track.codec for track in tracks],
            "tracks2": [track.document() for track in tracks],
            "readers": sorted((reader.reference() for reader in self._readers), key=lambda item: str(item["id"])),
            "inboundBytes": inbound,
            "outboundBytes": outbound,
            "inboundFramesInError": 0,
            "bytesReceived": inbound,
            "bytesSent": outbound,
        }


class PathTable:
    """All paths of the relay."""

    def __init__(self, config: Config, log: Log) -> None:
        """Create every path of the configuration."""
        self._log = log
        self._limits = Limits(config.seconds("readTimeout"), config.seconds("writeTimeout"))
        self._paths: dict[str, Path] = {}
        self._create_missing(config.paths)

    def _create_missing(self, configs: Mapping[str, PathConfig]) -> None:
        for name, config in configs.items():
            if name not in self._paths:
                self._paths[name] = Path(config, self._limits, self._log)

    async def reload(self, configs: Mapping[str, PathConfig]) -> None:
        """Close what is gone or changed, keep the rest, create what is new."""
        gone: list[Path] = []
        for name, path in tuple(self._paths.items()):
            new = configs.get(name)
            if new is not None and _can_be_kept(path.config, new):
                path.config = new
            else:
                gone.append(self._paths.pop(name))
        await asyncio.gather(*(path.close() for path in gone))
        self._create_missing(configs)

    async def close(self) -> None:
        """Close every path."""
        await asyncio.gather(*(path.close() for path in self._paths.values()))
        self._paths.clear()

    def find(self, name: str) -> Path:
        """The path of that name.

        Raises:
            RequestError: it is not configured.
        """
        path = self._paths.get(name)
        if path is not None:
            return path
        problem = name_problem(name)
        if problem is not None:
            raise RequestError(BAD_REQUEST, f"invalid path name: {problem} ({name})")
        raise RequestError(BAD_REQUEST, f"path '{name}' is not configured")

    def get(self, name: str) -> Path | None:
        """The path of that name, if there is one."""
        return self._paths.get(name)

    def documents(self) -> list[dict[str, object]]:
        """Every path as the Control API shows it, by name."""
        return [self._paths[name].document() for name in sorted(self._paths)]


def _can_be_kept(old: PathConfig, new: PathConfig) -> bool:
    return all(new.values[key] == value for key, value in old.values.items() if key not in _HOT_KEYS)
