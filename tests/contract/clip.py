"""A short H264 clip, encoded once, and its way into RTP packets."""

from __future__ import annotations

import base64
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WIDTH = 320
HEIGHT = 240
FRAMES_PER_SECOND = 10
CLOCK_RATE = 90_000
PAYLOAD_TYPE = 96

_MAX_PAYLOAD = 1400
_START_CODE = b"\x00\x00\x01"
_NAL_TYPE_MASK = 0x1F
_NAL_IDR = 5
_NAL_SLICE = 1
_NAL_SPS = 7
_NAL_PPS = 8
_FU_A = 28


@dataclass(frozen=True, slots=True)
class Clip:
    """An H264 clip as access units, with its parameter sets."""

    sps: bytes
    pps: bytes
    frames: tuple[tuple[bytes, ...], ...]

    def sdp(self) -> str:
        """Describe the clip as a camera would."""
        sets = ",".join(base64.b64encode(nal).decode() for nal in (self.sps, self.pps))
        return (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=fake camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
            f"m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\n"
            f"a=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK_RATE}\r\n"
            f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;sprop-parameter-sets={sets}\r\n"
            "a=control:trackID=1\r\n"
        )


#: A key frame each half second lets a reader decode soon after it joins.
PROMPT = ("-t", "2", "-profile:v", "baseline", "-g", "5", "-bf", "0")
#: A key frame a minute, and frames between others that are sent after them.
OUT_OF_ORDER = ("-t", "60", "-profile:v", "main", "-g", "600", "-bf", "2", "-sc_threshold", "0")


def encode(folder: Path, how: tuple[str, ...] = PROMPT) -> Clip:
    """Encode the clip with ffmpeg into the folder.

    Raises:
        RuntimeError: there is no ffmpeg.
    """
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        message = "ffmpeg is needed to make the clip of the fake camera"
        raise RuntimeError(message)
    target = folder / "clip.h264"
    source = f"testsrc=size={WIDTH}x{HEIGHT}:rate={FRAMES_PER_SECOND}"
    arguments = ["-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", source]
    arguments += ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", *how, "-y", str(target)]
    subprocess.run([ffmpeg, *arguments], check=True, timeout=60)
    return _parse(target.read_bytes())


def _parse(stream: bytes) -> Clip:
    sps = pps = b""
    frames: list[tuple[bytes, ...]] = []
    unit: list[bytes] = []
    for nal in _split(stream):
        kind = nal[0] & _NAL_TYPE_MASK
        if kind == _NAL_SPS:
            sps = nal
        if kind == _NAL_PPS:
            pps = nal
        unit.append(nal)
        if kind in (_NAL_IDR, _NAL_SLICE):
            frames.append(tuple(unit))
            unit = []
    return Clip(sps, pps, tuple(frames))


def _split(stream: bytes) -> Iterator[bytes]:
    for part in stream.split(_START_CODE):
        nal = part.rstrip(b"\x00")
        if nal:
            yield nal


def packets(frame: tuple[bytes, ...], sequence: int, timestamp: int, ssrc: int) -> list[bytes]:
    """Packetise one access unit; the last packet carries the marker."""
    payloads = [payload for nal in frame for payload in _payloads(nal)]
    last = len(payloads) - 1
    return [
        bytes((0x80, PAYLOAD_TYPE | (0x80 if index == last else 0)))
        + ((sequence + index) & 0xFFFF).to_bytes(2, "big")
        + (timestamp & 0xFFFFFFFF).to_bytes(4, "big")
        + ssrc.to_bytes(4, "big")
        + payload
        for index, payload in enumerate(payloads)
    ]


def _payloads(nal: bytes) -> Iterator[bytes]:
    if len(nal) <= _MAX_PAYLOAD:
        yield nal
        return
    indicator = (nal[0] & 0xE0) | _FU_A
    kind = nal[0] & _NAL_TYPE_MASK
    body = nal[1:]
    for start in range(0, len(body), _MAX_PAYLOAD):
        chunk = body[start : start + _MAX_PAYLOAD]
        first = 0x80 if start == 0 else 0
        final = 0x40 if start + _MAX_PAYLOAD >= len(body) else 0
        yield bytes((indicator, kind | first | final)) + chunk
