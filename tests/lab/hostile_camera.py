"""A camera that means harm, or is broken, in the place of one of the lab's: it sends whoever asks to somewhere else.

And listeners at the places where it sends to, which say what arrives: connections, and the logins that come with them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from .lab import Lab
from .topology import place

# It asks for no login: it wants nothing but to be asked. How it answers: its second word, and a third for what.
_CAMERA: Final = r"""
import os, socketserver, sys, time
port, way, what = int(sys.argv[1]), sys.argv[2], sys.argv[3].encode()
class Hostile(socketserver.StreamRequestHandler):
    def handle(self):
        if way == "hang":
            time.sleep(3600)
        if way == "close":
            return
        while line := self.rfile.readline():
            method = line.split()[:1]
            sequence = b"0"
            while (header := self.rfile.readline()).strip():
                if header.lower().startswith(b"cseq:"):
                    sequence = header.split(b":")[1].strip()
            if way == "http":
                self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            if way == "garbage":
                self.wfile.write(os.urandom(4096))
                return
            head = b"RTSP/1.0 200 OK\r\nPublic: DESCRIBE\r\n"
            if method == [b"DESCRIBE"] and way == "stale":
                nonce = os.urandom(8).hex().encode()
                head = b'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="x", nonce="'
                head += nonce + b'", stale=TRUE\r\n'
            elif method == [b"DESCRIBE"] and way == "slow":
                for byte in b"RTSP/1.0 200 OK\r\nCSeq: " + sequence + b"\r\nContent-Type: application/sdp\r\n" * 40:
                    self.wfile.write(bytes([byte]))
                    time.sleep(1)
            elif method == [b"DESCRIBE"]:
                head = b"RTSP/1.0 302 Found\r\nLocation: " + what + b"\r\n"
                if way == "status":
                    head = b"RTSP/1.0 " + what + b"\r\n"
            self.wfile.write(head + b"CSeq: " + sequence + b"\r\n\r\n")
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128
Server(("0.0.0.0", port), Hostile).serve_forever()
"""
# It asks for the login in clear, as any place that a relay is sent to can.
_LISTENER: Final = r"""
import base64, socket, socketserver, sys
class Listener(socketserver.StreamRequestHandler):
    def handle(self):
        print("connection", flush=True)
        sequence = b"0"
        while line := self.rfile.readline():
            name, _, value = line.partition(b":")
            if name.lower() == b"cseq":
                sequence = value.strip()
            if name.lower() == b"authorization":
                print("login", base64.b64decode(value.split()[-1]).decode(errors="replace"), flush=True)
            if not line.strip():
                head = b'RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"\r\nCSeq: '
                self.wfile.write(head + sequence + b"\r\n\r\n")
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
Server((sys.argv[1], int(sys.argv[2])), Listener).serve_forever()
"""


@contextmanager
def in_the_place_of(lab: Lab, camera: str, target: str) -> Iterator[None]:
    """Let a device send whoever asks for its picture to a place."""
    answer(lab, camera, "redirect", target)
    try:
        yield
    finally:
        answer_no_more(lab, camera)


def answer(lab: Lab, camera: str, way: str, what: str = "") -> None:
    """Let a device answer in another way than its own.

    Args:
        lab: the running lab.
        camera: `facility/camera`.
        way: `redirect`, `status`, `http`, `garbage`, `close`, `hang`, `stale` (each login is said to have a nonce that
            is too old) or `slow` (a byte a second).
        what: where it leads, or the status.
    """
    gateway, device = place(camera).gateway.name, place(camera).device
    lab.exec(gateway, ["systemctl", "stop", f"camera@{device.id}"])
    unit = ["systemd-run", "--quiet", "--collect", f"--unit=hostile-{device.id}"]
    inside = ["-p", f"NetworkNamespacePath=/run/netns/{device.id}", "python3", "-c", _CAMERA]
    lab.exec(gateway, [*unit, *inside, str(device.port), way, what])


def answer_no_more(lab: Lab, camera: str) -> None:
    """Bring the device itself back."""
    gateway, device = place(camera).gateway.name, place(camera).device
    lab.exec(gateway, ["systemctl", "stop", f"hostile-{device.id}"], check=False)
    lab.exec(gateway, ["systemctl", "start", f"camera@{device.id}"])


class Listener:
    """Somebody who listens at an address and a port of a host."""

    def __init__(self, lab: Lab, host: str, address: str, port: int) -> None:
        """Take the place; `start` before use."""
        self._lab, self._host, self._address, self._port = lab, host, address, port
        self._name = f"listener-{port}-{address.replace(':', 'x').replace('.', 'x')}"

    def start(self) -> None:
        """Begin to listen."""
        self._lab.exec(self._host, ["mkdir", "-p", "/run/lab"])
        output = f"StandardOutput=append:/run/lab/{self._name}"
        unit = ["systemd-run", "--quiet", "--collect", f"--unit={self._name}", "-p", output]
        self._lab.exec(self._host, [*unit, "python3", "-c", _LISTENER, self._address, str(self._port)])

    def heard(self) -> list[str]:
        """What arrived since it was asked the last time."""
        file = f"/run/lab/{self._name}"
        return self._lab.exec(self._host, ["sh", "-c", f"cat {file}; : > {file}"]).stdout.splitlines()

    def stop(self) -> None:
        """Listen no more."""
        self._lab.exec(self._host, ["systemctl", "stop", self._name], check=False)
