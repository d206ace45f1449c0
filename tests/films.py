"""Films: streams of H.264 and H.265 as cameras send them, encoded once, and their way into packets of RTP."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

START_CODE: Final = b"\x00\x00\x00\x01"
CLOCK: Final = 90_000
PAYLOAD_TYPE: Final = 96
LARGEST: Final = 1400
_STARTS: Final = re.compile(rb"\x00\x00\x00?\x01")
_NAMES: Final = {"h264": "H264", "hevc": "H265"}


@dataclass(frozen=True, slots=True)
class FilmPicture:
    """A picture: when it is shown, in ticks, and its units without start codes."""

    ticks: int
    units: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Film:
    """A stream, picture by picture in the order in which it is sent.

    Attributes:
        step: ticks from one picture to the next.
        described: whether the description has the parameter sets.
    """

    codec: str
    pictures: tuple[FilmPicture, ...]
    step: int
    described: bool = False

    def sdp(self) -> str:
        """Describe it as a camera would."""
        return (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=film\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
            "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:trackID=0\r\n"
            f"m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} {_NAMES[self.codec]}/{CLOCK}\r\n"
            f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1{self._sets() if self.described else ''}\r\n"
            "a=control:trackID=1\r\n"
        )

    def _sets(self) -> str:
        sets = [unit for unit in self.pictures[0].units if is_set(unit, self.codec)]
        coded = [base64.b64encode(unit).decode() for unit in sets]
        if self.codec == "h264":
            return f";sprop-parameter-sets={','.join(coded)}"
        return "".join(f";sprop-{name}={one}" for name, one in zip(("vps", "sps", "pps"), coded, strict=True))

    def out_of_band(self) -> Film:
        """The same with its parameter sets in the description alone."""
        return _Bare(
            self.codec,
            tuple(
                replace(one, units=tuple(unit for unit in one.units if not is_set(unit, self.codec)))
                for one in self.pictures
            ),
            self.step,
            described=True,
            text=replace(self, described=True).sdp(),
        )

    def packets(self, *, joined: bool = False, begin: int = 0, sequence: int = 0) -> Iterator[tuple[int, list[bytes]]]:
        """Its pictures in packets, each with the moment at which it is sent.

        Args:
            joined: whether small units travel together.
            begin: the first moment of its clock.
            sequence: the first packet's number.
        """
        for number, one in enumerate(self.pictures):
            payloads = list(payloads_of(one.units, self.codec, joined=joined))
            yield number * self.step, packed(payloads, begin + one.ticks, sequence)
            sequence += len(payloads)


@dataclass(frozen=True, slots=True)
class _Bare(Film):
    text: str = ""

    def sdp(self) -> str:
        return self.text


def is_set(unit: bytes, codec: str) -> bool:
    """Whether a unit is a parameter set."""
    return unit[0] >> 1 & 63 in {32, 33, 34} if codec == "hevc" else unit[0] & 31 in {7, 8}


def encode(folder: Path, codec: str, how: Sequence[str], *, scene: str = "testsrc=size=320x240:rate=10") -> Film:
    """Encode a film with ffmpeg.

    Args:
        folder: where files may lie.
        codec: `h264` or `hevc`.
        how: options of the encoder, the length among them.
        scene: what is filmed, as a filter of ffmpeg.
    """
    encoder = {"h264": "libx264", "hevc": "libx265"}[codec]
    file = folder / "film.mp4"
    quiet = ["ffmpeg", "-nostdin", "-loglevel", "error", "-y"]
    run([*quiet, "-f", "lavfi", "-i", scene, "-c:v", encoder, "-pix_fmt", "yuv420p", *how, str(file)])
    to_bytes = ["-map", "0:v", "-c", "copy", "-bsf:v", f"{codec}_mp4toannexb"]
    listed = json.loads(run(["ffprobe", "-v", "error", "-show_packets", "-of", "json", str(file)]))["packets"]
    lines = run([*quiet, "-i", str(file), *to_bytes, "-f", "framecrc", "-"]).decode().splitlines()
    sizes = [int(line.split(",")[4]) for line in lines if not line.startswith("#")]
    data, at, pictures = run([*quiet, "-i", str(file), *to_bytes, "-f", "data", "-"]), 0, []
    moments = [round(float(one["pts_time"]) * CLOCK) for one in listed]
    for size, moment in zip(sizes, moments, strict=True):
        pictures.append(FilmPicture(moment - moments[0], tuple(units_of(data[at : at + size]))))
        at += size
    steps = sorted(moments)
    return Film(codec, tuple(pictures), steps[1] - steps[0])


def run(argv: Sequence[str]) -> bytes:
    """What a program prints."""
    return subprocess.run(argv, check=True, capture_output=True, timeout=120).stdout


def units_of(data: bytes) -> Iterator[bytes]:
    """The units of a picture that has start codes."""
    yield from (unit for unit in _STARTS.split(data) if unit)


def payloads_of(units: Iterable[bytes], codec: str, *, joined: bool = False, largest: int = LARGEST) -> Iterator[bytes]:
    """Units in payloads: alone, several small ones together, large ones in parts."""
    head = 2 if codec == "hevc" else 1
    together: list[bytes] = []
    for unit in units:
        if joined and len(unit) + 2 + head + sum(len(one) + 2 for one in together) <= largest:
            together.append(unit)
            continue
        yield from _together(together, codec)
        together = []
        yield from [unit] if len(unit) <= largest else _parts(unit, codec, largest)
    yield from _together(together, codec)


def _together(units: list[bytes], codec: str) -> Iterator[bytes]:
    if len(units) == 1:
        yield units[0]
    elif units:
        head = bytes((48 << 1, 1)) if codec == "hevc" else bytes((units[0][0] & 0xE0 | 24,))
        yield head + b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)


def _parts(unit: bytes, codec: str, largest: int) -> Iterator[bytes]:
    head = 2 if codec == "hevc" else 1
    kind = unit[0] >> 1 & 63 if codec == "hevc" else unit[0] & 31
    first = bytes((unit[0] & 0x81 | 49 << 1, unit[1])) if codec == "hevc" else bytes((unit[0] & 0xE0 | 28,))
    body, size = unit[head:], max(1, largest - head - 1)
    for at in range(0, len(body), size):
        begins, ends = at == 0, at + size >= len(body)
        yield first + bytes((0x80 * begins | 0x40 * ends | kind,)) + body[at : at + size]


def packed(payloads: Sequence[bytes], ticks: int, sequence: int) -> list[bytes]:
    """Payloads of a picture in packets; the last carries the marker."""
    return [
        bytes((0x80, PAYLOAD_TYPE | 0x80 * (number == len(payloads) - 1)))
        + ((sequence + number) & 0xFFFF).to_bytes(2, "big")
        + (ticks & 0xFFFFFFFF).to_bytes(4, "big")
        + b"film"
        + payload
        for number, payload in enumerate(payloads)
    ]
