"""An RTSP server that shows films to whoever asks, each reader from the beginning: a camera, or a relay, of tests."""

import contextlib
import re
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from math import inf
from types import TracebackType
from typing import BinaryIO, Final, Self

from tests.films import CLOCK, Film

#: What becomes of a packet by its number among those of a reader; None where it is lost.
Change = Callable[[int, bytes], "bytes | None"]
_PATIENCE_S: Final = 10.0


class FilmClock:
    """A clock of a reader and its films: however slow a machine is, no picture is late.

    It stands still until so many films are shown. Then each look of the reader at connections that bring nothing is a
    step, and what is due by then has been sent.
    """

    def __init__(self, films: int) -> None:
        self._films, self._now = films, time.monotonic()
        self._moved = threading.Condition()
        self._due: dict[int, float] = {}
        self._begun: dict[int, float] = {}
        self._is_over = False

    def monotonic(self) -> float:
        """The time."""
        return self._now

    def selector(self) -> selectors.BaseSelector:
        """A selector of which each look is a step."""
        selector = selectors.DefaultSelector()
        select = selector.select

        def look(timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if not (found := select(0)):
                self._step(timeout or 0.0)
                found = select(timeout)
            return found

        selector.select = look  # type: ignore[method-assign]
        return selector

    def wait_until(self, seconds: float) -> bool:
        """Wait for a moment of the film that this thread shows; return whether the server has stopped."""
        film = threading.get_ident()
        with self._moved:
            due = self._due[film] = self._begun.setdefault(film, self._now) + seconds
            self._moved.notify_all()
            # After its last picture a film waits for nothing.
            self._moved.wait_for(lambda: self._now >= due or due == inf or self._is_over)
            return self._is_over

    def stop(self) -> None:
        """Let all films end."""
        with self._moved:
            self._is_over = True
            self._moved.notify_all()

    def _step(self, seconds: float) -> None:
        with self._moved:
            if len(self._due) == self._films:
                self._now += seconds
                self._moved.notify_all()
                self._moved.wait_for(lambda: min(self._due.values()) > self._now, _PATIENCE_S)


class FilmServer:
    """Shows films.

    Args:
        films: by path.
        again: whether a film is shown again and again; otherwise nothing comes after it.
        ends: whether the connection is closed after it.
        joined: whether small units travel together.
        change: what becomes of packets.
        answers: what is answered instead to a method, as it is sent.
        clock: by which it is shown; the kernel's own without one.
    """

    def __init__(
        self,
        films: dict[str, Film],
        *,
        again: bool = False,
        ends: bool = False,
        joined: bool = False,
        change: Change = lambda _, packet: packet,
        answers: dict[str, bytes] | None = None,
        clock: FilmClock | None = None,
    ) -> None:
        self._films, self._again, self._ends, self._joined, self._change = films, again, ends, joined, change
        self._answers, self._clock = answers or {}, clock
        self.asked: list[str] = []
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._socket.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        """Listen."""
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up on everybody."""
        self._over.set()
        if self._clock is not None:
            self._clock.stop()
        # Whoever waits for readers is woken by it.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads[1:]:
            thread.join(_PATIENCE_S)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._over.is_set():
                connection, _ = self._socket.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        channel = 0
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as lines:
            while head := _head(lines):
                method, url, fields = head
                self.asked.append(f"{method} {url}")
                film = next((one for path, one in self._films.items() if f"/{path}" in url), None)
                answer = self._answers.get(method)
                if method == "SETUP" and url.endswith("trackID=1"):
                    channel = int(re.sub(r".*interleaved=(\d+)-.*", r"\1", fields["transport"]))
                connection.sendall(_answer(method, fields, film) if answer is None else answer)
                if method == "PLAY" and film is not None:
                    self._play(connection, film, channel)

    def _play(self, connection: socket.socket, film: Film, channel: int) -> None:
        begun, number = time.monotonic(), 0
        rounds = chain.from_iterable(self._rounds(film))
        for due, packets in rounds:
            if self._clock is not None:
                is_over = self._clock.wait_until(due / CLOCK)
            else:
                is_over = self._over.wait(max(0.0, begun + due / CLOCK - time.monotonic()))
            if is_over:
                return
            for packet in packets:
                changed = self._change(number, packet)
                number += 1
                if changed is not None:
                    connection.sendall(bytes((0x24, channel)) + len(changed).to_bytes(2, "big") + changed)
        if self._clock is not None:
            self._clock.wait_until(inf)
        if self._ends:
            connection.shutdown(socket.SHUT_RDWR)

    def _rounds(self, film: Film) -> Iterator[Iterator[tuple[int, list[bytes]]]]:
        length, sequence = film.step * len(film.pictures), 0
        for number in range(1_000_000) if self._again else repeat(0, 1):
            listed = list(film.packets(joined=self._joined, begin=number * length, sequence=sequence))
            yield ((number * length + due, packets) for due, packets in listed)
            sequence += sum(len(packets) for _, packets in listed)


def _head(lines: BinaryIO) -> tuple[str, str, dict[str, str]] | None:
    first = lines.readline().decode()
    if not first.strip():
        return None
    fields = {}
    while (line := lines.readline().decode().strip()) != "":
        name, _, value = line.partition(":")
        fields[name.lower()] = value.strip()
    method, url, _ = first.split(" ", 2)
    return method, url, fields


def _answer(method: str, fields: dict[str, str], film: Film | None) -> bytes:
    said = {"CSeq": fields.get("cseq", "0")}
    if film is None:
        return b"RTSP/1.0 404 Not Found\r\nCSeq: " + said["CSeq"].encode() + b"\r\n\r\n"
    body = ""
    if method == "DESCRIBE":
        said["Content-Type"], body = "application/sdp", film.sdp()
        said["Content-Length"] = str(len(body))
    elif method == "SETUP":
        channels = re.search(r"interleaved=\d+-\d+", fields["transport"])
        said["Transport"] = f"RTP/AVP/TCP;unicast;{channels[0] if channels else ''}"
        said["Session"] = "12345678;timeout=60"
    else:
        said["Session"] = "12345678"
    head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    return f"RTSP/1.0 200 OK\r\n{head}\r\n{body}".encode()
