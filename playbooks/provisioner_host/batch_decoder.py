"""Several streams decoded by one ffmpeg, each of its own pipe: what it shows of each, or that it is not certain.

To start ffmpeg costs more than to decode some seconds of a camera's stream. It is run by a process of its own, which
takes the measures, so that several batches are measured at once and none can take another one down.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import struct
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from provisioner_host import picture_look
from provisioner_host.picture_look import CHOSEN, DECODED, FILTERS, MOST_LINE, MeasuredPictures
from provisioner_host.rtp_units import CLOCK
from provisioner_host.shell import PATH, Failed

if TYPE_CHECKING:
    from provisioner_host.wire import SceneAnswer

MOST_STREAMS = 8
"""So many streams one ffmpeg gets at most."""

_NAMES = {"h264": b"H264", "hevc": b"HEVC"}
# All moments are counted from here, so that pictures that are shown before the first key picture are after none.
_BEGIN_S = 10
_MOST_PIXELS = 7680 * 4320
# A minute of eight streams, with what showinfo says of each picture.
_MOST_SAID = 32_000_000
_MOST_ANSWER = 1_000_000
_ENDING_S = 2.0
_LAST_FD = 512
_SHOWN = re.compile(
    r"^\[Parsed_showinfo_(\d{1,3}) @ 0x[0-9a-f]+\] n: *\d+ [^\n]*\bpts_time:(-?[\d.]{1,20})[^\n]*"
    r"\bs:(\d{1,5})x(\d{1,5}) [^\n]*\biskey:(\d)\b"
)
_RATE = re.compile(
    r"^\[Parsed_showinfo_(\d{1,3}) @ 0x[0-9a-f]+\] config in [^\n]*\bframe_rate: (\d{1,9})/(\d{1,9})\s*$"
)
_TROUBLE = re.compile(r"^(?:Error|Cannot|Conversion failed|[^\n\[]{0,200}: corrupt input)")


class StreamToDecode(NamedTuple):
    """A stream that comes over a pipe.

    Attributes:
        codec: as ffmpeg calls it.
        every: whether every picture is among what comes, or key pictures alone.
        source: the pipe's end that is read.
    """

    codec: str
    every: bool
    source: int


class DecodedAnswer(NamedTuple):
    """What was decoded of a stream.

    Attributes:
        frames: how many pictures, `key_frames` of them.
        first_s: when the first is shown, by the moments that went in.
        declared_fps: the rate that the stream itself declares; None where it declares none.
    """

    codec: str
    width: int
    height: int
    frames: int
    key_frames: int
    first_s: float
    declared_fps: float | None
    scene: SceneAnswer | None
    differences: list[float]
    digests: list[str]


def head_of(codec: str) -> bytes:
    """What a pipe begins with: the head of IVF, whose moments are those of RTP."""
    return struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, _NAMES[codec], 0, 0, CLOCK, 1, 0, 0)


def picture_head(ticks: int, size: int) -> bytes:
    """What each picture begins with; moments are counted from the first key picture."""
    return struct.pack("<IQ", size, max(0, ticks + _BEGIN_S * CLOCK))


def command(streams: Sequence[StreamToDecode], sinks: Sequence[tuple[int, int]]) -> list[str]:
    """How ffmpeg is run: for each stream two pipes to write to, averaged and exact pictures."""
    quiet = ["nice", "-n", "10", "ffmpeg", "-hide_banner", "-nostdin", "-nostats", "-loglevel", "info", "-y", "-copyts"]
    cheap = ["-probesize", "32", "-analyzeduration", "0", "-fpsprobesize", "0", "-threads", "1"]
    small = ["-max_pixels", str(_MOST_PIXELS), "-protocol_whitelist", "pipe"]
    read: list[str] = []
    written: list[str] = []
    raw = ["-fps_mode", "passthrough", "-flush_packets", "1", "-f", "rawvideo"]
    for number, (stream, pipes) in enumerate(zip(streams, sinks)):
        read += ["-f", "ivf", "-c:v", stream.codec, *cheap, *small, "-i", f"pipe:{stream.source}"]
        for kind, pipe in zip(("small", "exact"), pipes):
            written += ["-map", f"[{kind}{number}]", *raw, f"pipe:{pipe}"]
    graph = ";".join(picture_look.filters(number, every=one.every) for number, one in enumerate(streams))
    return [*quiet, *read, "-filter_complex_threads", "1", "-filter_complex", graph, *written]


class BatchWords:
    """What ffmpeg says of several streams."""

    def __init__(self, streams: Sequence[StreamToDecode]) -> None:
        self.streams = [StreamWords(one) for one in streams]
        self.is_clean = True
        """Whether it complained of nothing: of which stream it does, it does not say."""
        self._rest, self._bytes = b"", 0

    def take(self, chunk: bytes) -> None:
        """Take some of its words.

        Raises:
            Failed: these are more than anybody would say.
        """
        self._bytes += len(chunk)
        if self._bytes > _MOST_SAID:
            raise Failed("ffmpeg said too much: the stream is damaged, or means harm")
        *lines, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[-MOST_LINE:]
        for line in lines:
            self._line(line.decode(errors="replace"))

    def _line(self, line: str) -> None:
        if said := _SHOWN.match(line) or _RATE.match(line):
            number, filter_number = divmod(int(said[1]), FILTERS)
            if number < len(self.streams):
                self.streams[number].said(filter_number, said)
        elif picture_look.complaint_of(line) or _TROUBLE.match(line):
            self.is_clean = False


class StreamWords:
    """What ffmpeg says of one stream."""

    def __init__(self, stream: StreamToDecode) -> None:
        self._every = stream.every
        self.frames = self.key_frames = 0
        self.first_s, self.size = 0.0, (0, 0)
        self.declared_fps: float | None = None
        self.chosen: list[bool] = []

    def said(self, filter_number: int, line: re.Match[str]) -> None:
        """Take a line of one of its filters."""
        if line.re is _RATE:
            if filter_number == DECODED:
                self._rate(int(line[2]), int(line[3]))
            return
        key = line[5] == "1"
        if filter_number == CHOSEN:
            self.chosen.append(key)
        elif filter_number == DECODED and (key or (self.frames and self._every)):
            if not self.frames:
                self.first_s, self.size = picture_look.seconds_of(line[2]) - _BEGIN_S, (int(line[3]), int(line[4]))
            self.frames += 1
            self.key_frames += key

    def _rate(self, number: int, of: int) -> None:
        # A stream that declares none has as many pictures as its clock has ticks.
        rate = number / of if of else 0.0
        self.declared_fps = round(rate, 2) if 0 < rate < CLOCK else None


def decode(streams: Sequence[StreamToDecode], until: float) -> list[DecodedAnswer | None]:
    """Decode streams until their pipes end: None of each that is not certain.

    Args:
        streams: they; the ends of pipes are closed here.
        until: when to wait no longer, on the monotonic clock.

    Raises:
        Failed: ffmpeg did not end as it should have, or complained: which of the streams it was, it does not say.
    """
    words, pictures = BatchWords(streams), [MeasuredPictures() for _ in streams]
    pipes = [(os.pipe(), os.pipe()) for _ in streams]
    writing = [(small[1], exact[1]) for small, exact in pipes]
    kept = [one.source for one in streams] + [fd for both in writing for fd in both]
    nothing, environment = subprocess.DEVNULL, {"PATH": PATH, "LC_ALL": "C.UTF-8"}
    argv = command(streams, writing)
    process = subprocess.Popen(
        argv, env=environment, stdin=nothing, stdout=nothing, stderr=subprocess.PIPE, pass_fds=kept
    )
    with process:
        try:
            for fd in kept:
                os.close(fd)
            with selectors.DefaultSelector() as waiting:
                assert process.stderr is not None  # noqa: S101 (for the type checker)
                waiting.register(process.stderr, selectors.EVENT_READ, words.take)
                for (small, exact), measured in zip(pipes, pictures):
                    waiting.register(small[0], selectors.EVENT_READ, measured.small)
                    waiting.register(exact[0], selectors.EVENT_READ, measured.exact)
                _take_all(waiting, until)
            code = process.wait(_ENDING_S)
        finally:
            process.kill()
    if code or not words.is_clean:
        raise Failed("ffmpeg complained")
    return [_answer(*one) for one in zip(streams, words.streams, pictures)]


def _take_all(waiting: selectors.BaseSelector, until: float) -> None:
    while waiting.get_map():
        left = until - time.monotonic()
        if left <= 0:
            raise Failed(f"ffmpeg: no answer within {_ENDING_S:g} s")
        for ready, _ in waiting.select(left):
            take: Callable[[bytes], None] = ready.data
            if chunk := os.read(ready.fd, 1 << 18):
                take(chunk)
            else:
                waiting.unregister(ready.fileobj)


def _answer(stream: StreamToDecode, words: StreamWords, pictures: MeasuredPictures) -> DecodedAnswer | None:
    scene = pictures.scene()
    if scene is None or not words.frames:
        return None
    return DecodedAnswer(
        stream.codec,
        *words.size,
        words.frames,
        words.key_frames,
        words.first_s,
        words.declared_fps,
        scene,
        pictures.differences(words.chosen),
        pictures.digests(words.chosen),
    )


# --- a process of its own -------------------------------------------------------------------------


class Batch(NamedTuple):
    """A process that decodes: its number, and the pipe on which its answers come before it ends."""

    process: int
    answers: int


def begin(streams: Sequence[StreamToDecode], until: float) -> Batch:
    """Decode streams in a process of its own; the ends of their pipes are that process's from now on."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        _work(streams, until, writing)
    os.close(writing)
    for one in streams:
        os.close(one.source)
    return Batch(process, reading)


def _work(streams: Sequence[StreamToDecode], until: float, answers: int) -> None:
    """The process: whatever happens it ends here, and says nothing where it is not certain."""
    try:
        # Ends of others' pipes and connections, which would not end with them.
        kept = {0, 1, 2, answers, *(one.source for one in streams)}
        for fd in range(3, _LAST_FD):
            if fd not in kept:
                with contextlib.suppress(OSError):
                    os.close(fd)
        said = json.dumps(decode(streams, until)).encode()
        while said:
            said = said[os.write(answers, said) :]
    finally:
        os._exit(0)


def answers_in(said: bytes, number: int) -> list[DecodedAnswer | None]:
    """What a process answered of so many streams; None of each where that is no answer."""
    with contextlib.suppress(ValueError, TypeError):
        answers = json.loads(said)
        if isinstance(answers, list) and len(answers) == number:
            return [None if one is None else DecodedAnswer(*one) for one in answers]
    return [None] * number
