"""Hot reload: when a change of the file is noticed, and what it restarts."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import Config

SHORTEST_INTERVAL: Final = 1.0

_SETTLE: Final = 0.01
_MODIFY: Final = 0x002
_ATTRIB: Final = 0x004
_MOVED_FROM: Final = 0x040
_MOVED_TO: Final = 0x080
_CREATE: Final = 0x100
_DELETE: Final = 0x200
_WRITES: Final = _MODIFY | _MOVED_TO | _CREATE
_WATCHED: Final = _WRITES | _ATTRIB | _MOVED_FROM | _DELETE
_EVENT: Final = struct.Struct("iIII")
_BUFFER: Final = 65536


class FileWatch:
    """Notices writes to a file by watching its directory.

    As in the real relay, whatever happens within a second of the last noticed change is lost:
    it is not put off, and a later look at the file does not find it either.
    """

    def __init__(self, file: Path, notice: Callable[[], None]) -> None:
        """Begin to watch.

        Raises:
            OSError: the directory cannot be watched.
        """
        self._file = file.absolute()
        self._notice = notice
        self._last = -SHORTEST_INTERVAL
        self._resolved = _resolve(self._file)
        self._loop = asyncio.get_running_loop()
        self._descriptor = _watch(self._file.parent)
        self._loop.add_reader(self._descriptor, self._read)

    def close(self) -> None:
        """Stop watching."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _read(self) -> None:
        data = os.read(self._descriptor, _BUFFER)
        position = 0
        while position < len(data):
            _, mask, _, length = _EVENT.unpack_from(data, position)
            position += _EVENT.size
            name = data[position : position + length].rstrip(b"\x00")
            position += length
            self._consider(mask, os.fsdecode(name))

    def _consider(self, mask: int, name: str) -> None:
        now = time.monotonic()
        if now - self._last < SHORTEST_INTERVAL:
            return
        current = _resolve(self._file)
        if current is None:
            self._resolved = None
            return
        written = bool(mask & _WRITES) and _resolve(self._file.parent / name) == current
        if current != self._resolved or written:
            self._resolved = current
            self._last = now + _SETTLE
            self._loop.call_later(_SETTLE, self._notice)


def _resolve(file: Path) -> Path | None:
    try:
        return file.resolve(strict=True)
    except OSError:
        return None


def _watch(folder: Path) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = int(library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    if descriptor < 0 or library.inotify_add_watch(descriptor, os.fsencode(folder), _WATCHED) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(folder))
    return descriptor


@dataclass(frozen=True, slots=True)
class Restart:
    """Which parts of the relay a new configuration restarts."""

    log: bool
    paths: bool
    rtsp: bool
    api: bool


_LOG_KEYS: Final = frozenset({"logLevel", "logDestinations", "logFile", "sysLogPrefix", "logStructured"})
_SHARED_KEYS: Final = frozenset({"readTimeout", "writeTimeout", "dumpPackets"})
_PATH_KEYS: Final = _SHARED_KEYS | {
    "rtspAddress",
    "writeQueueSize",
    "udpReadBufferSize",
    "udpMaxPayloadSize",
    "rtspEncryption",
}
_RTSP_KEYS: Final = frozenset(
    {
        "rtsp",
        "rtspAuthMethods",
        "rtspUDPReadBufferSize",
        "rtpAddress",
        "rtcpAddress",
        "multicastIPRange",
        "multicastRTPPort",
        "multicastRTCPPort",
        "rtspTransports",
        "rtspTrustedProxies",
        "rtspsAddress",
        "rtspServerKey",
        "rtspServerCert",
        "runOnConnect",
        "runOnConnectRestart",
        "runOnDisconnect",
    }
)
_API_PREFIXES: Final = ("api", "rtmp", "hls", "webrtc", "srt", "moq")
_AUTH_PREFIXES: Final = ("authMethod", "authHTTP", "authJWT")


def restarts(old: Config, new: Config) -> Restart:
    """Decide what a change of the global keys restarts; users alone restart nothing."""
    changed = {key for key, value in old.values.items() if new.values[key] != value}
    log = bool(changed & _LOG_KEYS)
    auth = any(key.startswith(_AUTH_PREFIXES) for key in changed)
    metrics = any(key.startswith("metrics") for key in changed)
    paths = log or auth or metrics or bool(changed & _PATH_KEYS)
    rtsp = paths or bool(changed & _RTSP_KEYS)
    api = rtsp or any(key.startswith(_API_PREFIXES) for key in changed)
    return Restart(log, paths, rtsp, api)
