"""RTSP on a TCP connection: messages and interleaved frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

_CHUNK: Final = 65536
_MAX_HEAD: Final = 16384
_MAX_BODY: Final = 131072
_FRAME_HEAD: Final = 4
_DOLLAR: Final = 0x24

REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    454: "Session Not Found",
    461: "Unsupported Transport",
    501: "Not Implemented",
}


class WireError(Exception):
    """The other side does not speak RTSP."""


@dataclass(frozen=True, slots=True)
class Frame:
    """An interleaved frame."""

    channel: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response; header names are in lower case."""

    start: tuple[str, str, str]
    headers: dict[str, list[str]] = field(default_factory=dict)
    body: bytes = b""

    @property
    def is_response(self) -> bool:
        """Whether it answers something."""
        return self.start[0].startswith("RTSP/")

    @property
    def method(self) -> str:
        """The method of a request."""
        return self.start[0]

    @property
    def url(self) -> str:
        """The URL of a request."""
        return self.start[1]

    @property
    def status(self) -> int:
        """The status code of a response."""
        return int(self.start[1])

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        values = self.headers.get(name)
        return values[0] if values else None


class WireReader:
    """Takes messages and frames from a stream.

    It keeps a buffer of its own: at many frames a second, one await for each chunk that
    arrives costs far less than two for each frame.
    """

    def __init__(self, stream: asyncio.StreamReader) -> None:
        """Wrap the stream."""
        self._stream = stream
        self._buffer = bytearray()
        self.received = 0

    async def next(self) -> Frame | Message:
        """Wait for the next message or frame.

        Raises:
            EOFError: the other side closed the connection.
            WireError: what came is not RTSP.
        """
        while True:
            item = self._take()
            if item is not None:
                return item
            chunk = await self._stream.read(_CHUNK)
            if not chunk:
                message = "EOF"
                raise EOFError(message)
            self.received += len(chunk)
            self._buffer += chunk

    def _take(self) -> Frame | Message | None:
        buffer = self._buffer
        if not buffer:
            return None
        if buffer[0] == _DOLLAR:
            return self._take_frame()
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(buffer) > _MAX_HEAD:
                message = "headers are too long"
                raise WireError(message)
            return None
        return self._take_message(end)

    def _take_frame(self) -> Frame | None:
        buffer = self._buffer
        if len(buffer) < _FRAME_HEAD:
            return None
        end = _FRAME_HEAD + int.from_bytes(buffer[2:4], "big")
        if len(buffer) < end:
            return None
        frame = Frame(buffer[1], bytes(buffer[_FRAME_HEAD:end]))
        del buffer[:end]
        return frame

    def _take_message(self, end: int) -> Message | None:
        lines = self._buffer[:end].decode("utf-8", errors="replace").split("\r\n")
        start = lines[0].split(" ", 2)
        if len(start) < 2 or not (start[0].startswith("RTSP/") or start[-1] == "RTSP/1.0"):
            message = f"expected 'RTSP/1.0', got '{lines[0]}'"
            raise WireError(message)
        headers: dict[str, list[str]] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), []).append(value.strip())
        length = _length(headers.get("content-length", ["0"])[0])
        stop = end + _FRAME_HEAD + length
        if len(self._buffer) < stop:
            return None
        body = bytes(self._buffer[end + _FRAME_HEAD : stop])
        del self._buffer[:stop]
        return Message((start[0], start[1], start[2] if len(start) > 2 else ""), headers, body)


def _length(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _MAX_BODY:
        message = "invalid Content-Length"
        raise WireError(message)
    return int(text)


def request(method: str, url: str, headers: dict[str, str]) -> bytes:
    """Write a request."""
    return _write(f"{method} {url} RTSP/1.0", headers, b"")


def response(status: int, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Write a response."""
    return _write(f"RTSP/1.0 {status} {REASONS[status]}", headers, body)


def _write(start: str, headers: dict[str, str], body: bytes) -> bytes:
    if body:
        headers = {**headers, "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{start}\r\n{head}\r\n".encode() + body


def frame(channel: int, payload: bytes) -> bytes:
    """Write an interleaved frame."""
    return bytes((_DOLLAR, channel)) + len(payload).to_bytes(2, "big") + payload
