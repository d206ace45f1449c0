"""Films: streams as cameras send them, of four codecs, encoded once, and their way into packets of RTP."""

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
_QUIET: Final = ("ffmpeg", "-nostdin", "-loglevel", "error", "-y")
_BARE_RATE: Final = 25
_NAMES: Final = {"h264": "H264", "hevc": "H265", "mjpeg": "JPEG", "mpeg4": "MP4V-ES"}
_JPEG_TYPE: Final = 26
# Of these a picture is one unit.
_WHOLE: Final = frozenset({"mjpeg", "mpeg4"})
_OWN_TABLES: Final = 255


@dataclass(frozen=True, slots=True)
class FilmPicture:
    """A picture: when it is shown, in ticks, and its units without start codes."""

    ticks: int
    units: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Film:
    """A stream, picture by picture in the order in which it is sent."""

    codec: str
    pictures: tuple[FilmPicture, ...]
    step: int  #: Ticks from one picture to the next.
    described: bool = False  #: Whether the description has the parameter sets.

    def sdp(self) -> str:
        """Describe it as a camera would."""
        head = (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=film\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
            "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:trackID=0\r\n"
        )
        if self.codec == "mjpeg":
            return f"{head}m=video 0 RTP/AVP {_JPEG_TYPE}\r\na=control:trackID=1\r\n"
        return (
            f"{head}m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} {_NAMES[self.codec]}/{CLOCK}\r\n"
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
            kind = _JPEG_TYPE if self.codec == "mjpeg" else PAYLOAD_TYPE
            yield number * self.step, packed(payloads, begin + one.ticks, sequence, kind)
            sequence += len(payloads)


@dataclass(frozen=True, slots=True)
class _Bare(Film):
    text: str = ""

    def sdp(self) -> str:
        return self.text


def is_set(unit: bytes, codec: str) -> bool:
    """Whether a unit is a parameter set, or a key picture that has its own."""
    if codec in _WHOLE:
        return codec == "mjpeg" or not unit[unit.index(b"\x00\x00\x01\xb6") + 4] >> 6
    return unit[0] >> 1 & 63 in {32, 33, 34} if codec == "hevc" else unit[0] & 31 in {7, 8}


def encode(folder: Path, codec: str, how: Sequence[str], *, scene: str = "testsrc=size=320x240:rate=10") -> Film:
    """Encode a film with ffmpeg.

    Args:
        folder: where files may lie.
        codec: `h264`, `hevc`, `mjpeg` or `mpeg4`.
        how: options of the encoder, the length among them.
        scene: what is filmed, as a filter of ffmpeg.
    """
    encoder = {"h264": "libx264", "hevc": "libx265"}.get(codec, codec)
    file = folder / ("film.avi" if codec in _WHOLE else "film.mp4")
    run([*_QUIET, "-f", "lavfi", "-i", scene, "-c:v", encoder, "-pix_fmt", "yuv420p", *how, str(file)])
    return film_in(file)


def film_in(file: Path) -> Film:
    """The video of a file, as a film."""
    shown = ["-select_streams", "v:0", "-show_packets", "-show_streams", "-of", "json", str(file)]
    said = json.loads(run(["ffprobe", "-v", "error", *shown]))
    codec, listed = said["streams"][0]["codec_name"], said["packets"]
    bare = codec in _WHOLE or file.suffix in {".h264", ".h265"}
    to_bytes = ["-map", "0:v:0", "-c", "copy", *([] if bare else ["-bsf:v", f"{codec}_mp4toannexb"])]
    lines = run([*_QUIET, "-i", str(file), *to_bytes, "-f", "framecrc", "-"]).decode().splitlines()
    sizes = [int(line.split(",")[4]) for line in lines if not line.startswith("#")]
    data, at, pictures = run([*_QUIET, "-i", str(file), *to_bytes, "-f", "data", "-"]), 0, []
    # A bare stream has no moments: it goes on at the rate that ffmpeg takes for its own.
    moments = [round(float(one.get("pts_time", n / _BARE_RATE)) * CLOCK) for n, one in enumerate(listed)]
    for size, moment in zip(sizes, moments, strict=True):
        units = [data[at : at + size]] if codec in _WHOLE else units_of(data[at : at + size])
        pictures.append(FilmPicture(moment - moments[0], tuple(units)))
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
    if codec == "mjpeg":
        for unit in units:
            yield from _jpeg_parts(unit, largest)
        return
    if codec == "mpeg4":
        yield from (unit[at : at + largest] for unit in units for at in range(0, len(unit), largest))
        return
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


def _jpeg_parts(picture: bytes, largest: int) -> Iterator[bytes]:
    """A picture of JPEG in parts, as RFC 2435 has it: with its tables, and without its head."""
    tables, size, at = b"", b"", 2
    while (kind := picture[at + 1]) != 0xDA:
        length = int.from_bytes(picture[at + 2 : at + 4], "big")
        body = picture[at + 4 : at + 2 + length]
        if kind == 0xDB:
            tables += b"".join(body[place + 1 : place + 65] for place in range(0, len(body), 65))
        elif kind == 0xC0:
            size = bytes((int.from_bytes(body[3:5], "big") // 8, int.from_bytes(body[1:3], "big") // 8))
        at += 2 + length
    data = picture[at + 2 + int.from_bytes(picture[at + 2 : at + 4], "big") : -2]
    tables = tables if len(tables) > 64 else tables * 2
    for begin in range(0, len(data), largest):
        head = b"\x00" + begin.to_bytes(3, "big") + bytes((1, _OWN_TABLES)) + size
        own = b"\x00\x00" + len(tables).to_bytes(2, "big") + tables if not begin else b""
        yield head + own + data[begin : begin + largest]


def packed(payloads: Sequence[bytes], ticks: int, sequence: int, kind: int = PAYLOAD_TYPE) -> list[bytes]:
    """Payloads of a picture in packets; the last carries the marker."""
    return [
        bytes((0x80, kind | 0x80 * (number == len(payloads) - 1)))
        + ((sequence + number) & 0xFFFF).to_bytes(2, "big")
        + (ticks & 0xFFFFFFFF).to_bytes(4, "big")
        + b"film"
        + payload
        for number, payload in enumerate(payloads)
    ]
