"""A film as RTP packets, with the faults that streams have, and a camera on loopback that sends them over RTSP."""

import base64
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import cycle, islice
from random import Random

from tests.contract.clip import CLOCK_RATE, packets
from tests.pictures.canvas import chance
from tests.pictures.faults import Fault
from tests.pictures.film import Shot, Unit

PATH = "simulated"
_LOST = {Fault.LOSS_QUARTER: 0.25, Fault.LOSS_FEW: 0.03}
_SPOILT, _COME = 0.25, 0.4
_HEAD = 12
_SHORTEST = 40


@dataclass(frozen=True, slots=True)
class Sent:
    """What is sent of a film."""

    packets: tuple[bytes, ...]  #: Of RTP, those that come.
    at: tuple[float, ...]  #: When each of them does, in seconds from the first picture on.
    damaged: tuple[float, ...]  #: When the pictures come of which a part does not.


def sent(shot: Shot, units: Sequence[Unit]) -> Sent:
    """The packets of a film, with what is wrong with the stream."""
    random = chance("stream", shot.random.random())
    rate = shot.camera.agreed_fps
    units = _spoilt(shot, units, random)
    sequence, clock = random.randrange(1 << 16), random.randrange(1 << 31)
    lost = _LOST.get(shot.trouble.fault, 0.0)
    out: list[bytes] = []
    of: list[int] = []
    for number, unit in enumerate(units):
        ticks = 0 if shot.trouble.fault is Fault.STUCK else round(unit.at * CLOCK_RATE)
        if shot.trouble.fault is Fault.STUCK:
            ticks = number // rate
        whole = packets(unit.nals, sequence & 0xFFFF, clock + ticks, shot.camera.number + 1)
        sequence += len(whole)
        out.extend(whole)
        of += [number] * len(whole)
    gone = _gone(len(out), lost, random) if lost else frozenset()
    come = [place for place in range(len(out)) if place not in gone]
    return Sent(
        tuple(out[place] for place in come),
        tuple(units[of[place]].at for place in come),
        tuple(sorted({units[of[place]].at for place in gone})),
    )


def _gone(count: int, lost: float, random: Random) -> frozenset[int]:
    """Which packets do not come: one of a look at least, and neither the first nor the last."""
    gone = {place for place in range(1, count - 1) if random.random() < lost}
    return frozenset(gone | {random.randrange(1, count - 1)})


def _spoilt(shot: Shot, units: Sequence[Unit], random: Random) -> Sequence[Unit]:
    match shot.trouble.fault:
        case Fault.REPEAT:
            return [replace(units[0], at=unit.at) for unit in units]
        case Fault.LOOP:
            return _looped(shot, units, random)
        case Fault.SLICES:
            # One at least that shows: in a still picture most units have nothing in them that could be spoilt.
            largest = max(range(1, len(units)), key=lambda place: sum(map(len, units[place].nals)))
            spoilt = {place for place in range(len(units)) if random.random() < _SPOILT} | {largest}
            return [_with_noise(unit, random) if place in spoilt else unit for place, unit in enumerate(units)]
        case Fault.FRAMES:
            return [units[0], *(unit for unit in units[1:] if random.random() < _COME)]
        case _:
            return units


def _looped(shot: Shot, units: Sequence[Unit], random: Random) -> Sequence[Unit]:
    """A loop, from any key frame of it on."""
    rate = shot.camera.agreed_fps
    loop = [unit for unit in units if unit.at < shot.trouble.loop_s - 0.5 / rate]
    begin = random.choice([place for place, unit in enumerate(loop) if unit.key])
    endless = islice(cycle(loop), begin, begin + len(units))
    return [replace(unit, at=number / rate) for number, unit in enumerate(endless)]


def _with_noise(unit: Unit, random: Random) -> Unit:
    nals = []
    for nal in unit.nals:
        if nal[0] & 31 in {1, 5} and len(nal) > _SHORTEST:
            begin = random.randrange(_HEAD, len(nal) - 20)
            noise = random.randbytes(min(len(nal) - begin, random.randint(20, 400)))
            nals.append(nal[:begin] + noise + nal[begin + len(noise) :])
        else:
            nals.append(nal)
    return replace(unit, nals=tuple(nals))


# --- the camera -----------------------------------------------------------------------------------
class SimulatedCamera:
    """An RTSP server on loopback: whoever plays gets the packets that were put in, as fast as they go, then the end."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._packets: tuple[bytes, ...] = ()
        self._sets: tuple[bytes, ...] = ()

    def put_in(self, stream: tuple[bytes, ...], first: Unit) -> None:
        """Take what is sent to whoever plays next."""
        self._packets = stream
        self._sets = tuple(nal for nal in first.nals if nal[0] & 31 in {7, 8})

    def serve(self) -> None:
        """Answer one connection after the other, until the camera is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                with connection, suppress(OSError):
                    self._converse(connection)

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _converse(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            while head := _request(lines):
                method = head[0].split()[0]
                number = next((line.split(":")[1].strip() for line in head if line.lower().startswith("cseq")), "0")
                connection.sendall(self._answer(method, head[0].split()[1], number))
                if method == "PLAY":
                    stream = b"".join(b"$\0" + len(one).to_bytes(2, "big") + one for one in self._packets)
                    connection.sendall(stream)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(4096):
                        pass
                    return

    def _answer(self, method: str, url: str, number: str) -> bytes:
        head, body = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n", ""
        match method:
            case "OPTIONS":
                head += "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            case "DESCRIBE":
                body = self._sdp()
                head += f"Content-Base: {url}/\r\nContent-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
            case "SETUP":
                head += "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
            case _:
                head += "Session: 1\r\n"
        return f"{head}\r\n{body}".encode()

    def _sdp(self) -> str:
        sets = ",".join(base64.b64encode(nal).decode() for nal in self._sets)
        return (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=simulated\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
            f"a=rtpmap:96 H264/{CLOCK_RATE}\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}\r\n"
            "a=control:trackID=0\r\n"
        )


def _request(lines: object) -> list[str]:
    head: list[str] = []
    while line := lines.readline(8192).decode(errors="replace").strip():  # type: ignore[attr-defined]
        head.append(line)
    return head


@contextmanager
def simulated_camera() -> Iterator[SimulatedCamera]:
    """A camera that serves while the block runs."""
    camera = SimulatedCamera()
    thread = threading.Thread(target=camera.serve, daemon=True)
    thread.start()
    try:
        yield camera
    finally:
        camera.close()
        thread.join(5)
