"""Plays RTSP paths over TCP and measures how evenly their packets come. Runs on a lab host; standard library only.

The first line on standard input is a JSON object: address, port, user, password, paths, then: another address at
which a reader reads on that was cut, or nothing, silence: after so many seconds without a packet it is cut; and
`encrypted` where it is read so. When every path plays or has failed, one line says so. A line `mark` makes the longest
gaps count from now; at any other line, or the end of standard input, the last line tells what each reader saw.
"""

import base64
import json
import re
import select
import socket
import ssl
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import BinaryIO, Final

_PATIENCE: Final = 15.0
_LONGEST: Final = 1800.0
_RTP_CHANNEL: Final = 0
_DOLLAR: Final = 0x24
_TIMEOUT: Final = 60
_OK: Final = 200
_READ_ON: Final = 20.0
_PAUSE: Final = 0.1


class RefusedError(Exception):
    """The server answered with something else than success."""


@dataclass
class Session:
    """One connection to the server, up to PLAY."""

    url: str
    authorization: str
    stream: BinaryIO
    connection: socket.socket
    sequence: int = 0
    id: str = ""
    # A server forgets a session that asks for nothing, however much it is sent.
    keepalive_s: float = _TIMEOUT / 3
    asked: float = 0.0

    def send(self, method: str, url: str, **headers: str) -> None:
        """Send a request."""
        self.sequence += 1
        self.asked = time.monotonic()
        fields = {"CSeq": str(self.sequence), "Authorization": self.authorization, **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.connection.sendall(f"{method} {url} RTSP/1.0\r\n{head}\r\n".encode())

    def ask(self, method: str, url: str, **headers: str) -> tuple[dict[str, str], str]:
        """Send a request; give the headers and the body of its answer."""
        self.send(method, url, **headers)
        return self.answer(self.stream.readline())

    def answer(self, first: bytes) -> tuple[dict[str, str], str]:
        """Read an answer of which the first line is known."""
        status = first.split()
        if len(status) < 2 or int(status[1]) != _OK:
            raise RefusedError(b" ".join(status[1:]).decode() or "hung up")
        answer: dict[str, str] = {}
        while (line := self.stream.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            answer[name.lower()] = value.strip()
        return answer, self.stream.read(int(answer.get("content-length", "0"))).decode()

    def play(self) -> None:
        """Describe, set up the video over this connection, and play."""
        headers, description = self.ask("DESCRIBE", self.url, Accept="application/sdp")
        base = headers.get("content-base", self.url)
        transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
        headers, _ = self.ask("SETUP", track(base, description), Transport=transport)
        self.id, _, parameters = headers["session"].partition(";")
        if told := re.search(r"timeout=(\d+)", parameters):
            self.keepalive_s = int(told[1]) / 3
        self.ask("PLAY", base, Session=self.id)

    def keep_alive(self) -> None:
        """Ask for something now and then; the answer comes between packets."""
        if time.monotonic() - self.asked > self.keepalive_s:
            self.send("OPTIONS", self.url, Session=self.id)


def track(base: str, description: str) -> str:
    """The URL of the video in a description."""
    found = re.search(r"^m=video .*?^a=control:(\S+)", description, re.MULTILINE | re.DOTALL)
    control = found[1] if found else "trackID=0"
    return control if control.startswith(("rtsp://", "rtsps://")) else f"{base.rstrip('/')}/{control}"


@dataclass
class Reader:
    """Holds one path open."""

    path: str
    packets: int = 0
    longest_gap: float = 0.0
    gap_before: float = 0.0
    end: str = ""
    playing: threading.Event = field(default_factory=threading.Event)
    latest: float = 0.0
    moved: bool = False
    silence: float = _PATIENCE
    encrypted: bool = False

    def follow(self, addresses: list[str], port: int, authorization: str) -> None:
        """Read at the first address until the connection ends, and then at the next one, as a centre's player does."""
        for address in addresses:
            self.moved = address != addresses[0]
            self.end = ""
            until = time.monotonic() + (_READ_ON if self.moved else 0.0)
            self.run(address, port, authorization)
            while self.moved and time.monotonic() < until:
                time.sleep(_PAUSE)
                self.end = ""
                self.run(address, port, authorization)

    def run(self, address: str, port: int, authorization: str) -> None:
        """Read until the connection ends or nothing comes any more."""
        try:
            with self.connect(address, port) as connection, connection.makefile("rb") as stream:
                scheme = "rtsps" if self.encrypted else "rtsp"
                session = Session(f"{scheme}://{address}:{port}/{self.path}", authorization, stream, connection)
                session.play()
                while self.receive(session):
                    session.keep_alive()
                self.end = "cut by the relay"
        except (OSError, ValueError, KeyError, RefusedError) as error:
            self.end = str(error) or type(error).__name__
        self.playing.set()

    def connect(self, address: str, port: int) -> socket.socket:
        """Connect; whose certificate it is does not matter here."""
        connection = socket.create_connection((address, port), timeout=self.silence)
        if not self.encrypted:
            return connection
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(connection)

    def receive(self, session: Session) -> bool:
        """Take one packet, or an answer between packets; false at the end."""
        head = session.stream.read(4)
        if len(head) < 4:
            return False
        if head[0] != _DOLLAR:
            session.answer(head + session.stream.readline())
            return True
        session.stream.read(int.from_bytes(head[2:], "big"))
        if head[1] == _RTP_CHANNEL:
            now = time.monotonic()
            if self.packets:
                self.longest_gap = max(self.longest_gap, now - self.latest)
            self.latest = now
            self.packets += 1
            self.playing.set()
        return True

    def mark(self) -> None:
        """Count the longest gap from now, and keep what it was until now."""
        self.gap_before, self.longest_gap = self.longest_gap, 0.0

    def report(self) -> dict[str, object]:
        """Tell what was seen; a silence that lasts counts as a gap, too."""
        silence = time.monotonic() - self.latest if self.packets and not self.end else 0.0
        gaps = {"longest_gap": max(self.longest_gap, silence), "gap_before": self.gap_before}
        return {"packets": self.packets, **gaps, "end": self.end, "moved": self.moved}


def main() -> None:
    """Play all paths until told to stop."""
    order = json.loads(sys.stdin.readline())
    login = f"{order['user']}:{order['password']}".encode()
    authorization = f"Basic {base64.b64encode(login).decode()}"
    encrypted = bool(order.get("encrypted"))
    readers = [Reader(path, silence=order["silence"], encrypted=encrypted) for path in order["paths"]]
    addresses = [address for address in (order["address"], order["then"]) if address]
    for reader in readers:
        arguments = (addresses, order["port"], authorization)
        threading.Thread(target=reader.follow, args=arguments, daemon=True).start()
    for reader in readers:
        reader.playing.wait(_PATIENCE)
    print("ready", flush=True)  # noqa: T201 - its answer
    until = time.monotonic() + _LONGEST
    while select.select([sys.stdin], [], [], max(0.0, until - time.monotonic()))[0]:
        if sys.stdin.readline().strip() != "mark":
            break
        for reader in readers:
            reader.mark()
    print(json.dumps({reader.path: reader.report() for reader in readers}), flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
