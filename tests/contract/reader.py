"""Readers of the relay: one for status codes, one that holds a stream open and watches it."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

_TIMEOUT: Final = 30.0
_HEAD: Final = 4


@dataclass(frozen=True, slots=True)
class Reply:
    """An RTSP response."""

    status: int
    headers: dict[str, str]
    body: str


class Dialogue:
    """A connection to an RTSP server, one request at a time."""

    def __init__(self, port: int, credentials: tuple[str, str] | None = None) -> None:
        """Connect."""
        self.address = f"rtsp://127.0.0.1:{port}"
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT)
        self.stream = self.socket.makefile("rb")
        self._credentials = credentials
        self._sequence = 0

    def __enter__(self) -> Self:
        """Hold the connection."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the connection."""
        self.close()

    def close(self) -> None:
        """Drop the connection."""
        self.stream.close()
        self.socket.close()

    def ask(self, method: str, place: str, headers: dict[str, str] | None = None, body: str = "") -> Reply:
        """Send a request and wait for its answer."""
        self._sequence += 1
        fields = {"CSeq": str(self._sequence), **(headers or {})}
        if self._credentials is not None:
            token = base64.b64encode(":".join(self._credentials).encode()).decode()
            fields["Authorization"] = f"Basic {token}"
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.socket.sendall(f"{method} {self.address}/{place} RTSP/1.0\r\n{head}\r\n{body}".encode())
        return self._answer()

    def _answer(self) -> Reply:
        status = int(self.stream.readline().split()[1])
        headers: dict[str, str] = {}
        while (line := self.stream.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = self.stream.read(int(headers.get("content-length", "0")))
        return Reply(status, headers, body.decode())

    def at_end(self) -> bool:
        """Whether the server closed the connection."""
        try:
            return self.stream.read(1) == b""
        except ConnectionError:
            return True


def describe(port: int, name: str, credentials: tuple[str, str] | None) -> Reply:
    """Ask for one path's description on a connection of its own."""
    with Dialogue(port, credentials) as dialogue:
        return dialogue.ask("DESCRIBE", name)


class HeldReader:
    """Plays one path in a thread, and knows whether the relay cut it."""

    def __init__(self, port: int, name: str, credentials: tuple[str, str]) -> None:
        """Play the path.

        Raises:
            AssertionError: the relay refuses.
        """
        self._dialogue = Dialogue(port, credentials)
        assert self._dialogue.ask("DESCRIBE", name).status == 200
        transport = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1", "User-Agent": "contract"}
        setup = self._dialogue.ask("SETUP", f"{name}/trackID=0", transport)
        assert setup.status == 200
        session = re.split(";", setup.headers["session"])[0]
        assert self._dialogue.ask("PLAY", f"{name}/", {"Session": session}).status == 200
        self.packets = 0
        self._cut = threading.Event()
        self._thread = threading.Thread(target=self._receive, name=f"reader-{name}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Hold the stream."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self.hang_up()

    def hang_up(self) -> None:
        """Close the connection, cut or not."""
        with contextlib.suppress(OSError):
            self._dialogue.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(_TIMEOUT)
        self._dialogue.close()

    def _receive(self) -> None:
        try:
            while head := self._dialogue.stream.read(_HEAD):
                self._dialogue.stream.read(int.from_bytes(head[2:], "big"))
                self.packets += 1
        except (OSError, ValueError):
            pass
        self._cut.set()

    def was_cut(self, seconds: float) -> bool:
        """Whether the connection ends within that time."""
        return self._cut.wait(seconds)

    def flows(self, seconds: float = 20.0) -> bool:
        """Whether fresh packets come, on the connection that was opened first."""
        before = self.packets
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._cut.is_set():
            if self.packets > before + 2:
                return True
            time.sleep(0.03)
        return False
