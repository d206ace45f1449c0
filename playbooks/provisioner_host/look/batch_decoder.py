"""Decodes several streams with one ffmpeg, each from its own pipe.

Starting ffmpeg costs more than decoding seconds of a camera's stream. A child process runs it and measures, so that
batches run in parallel and cannot crash each other. ffmpeg does not name the stream of a complaint: afterwards each
stream of the batch is decoded again, alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import selectors
import struct
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from provisioner_host.look import picture_look
from provisioner_host.look.early_end import Decoded
from provisioner_host.look.media_units import CLOCK
from provisioner_host.look.picture_look import MOST_LINE, MeasuredPictures
from provisioner_host.machine.patterns import pattern
from provisioner_host.machine.shell import PATH, Failed

if TYPE_CHECKING:
    from provisioner_host.wire import SceneAnswer

MOST_STREAMS = 8  #: Limit of streams per ffmpeg.

_NAMES = {"h264": b"H264", "hevc": b"HEVC", "mjpeg": b"MJPG", "mpeg4": b"FMP4"}
# All moments are counted from here, so that pictures that are shown before the first key picture are after none.
_BEGIN_S = 10
_MOST_PIXELS = 7680 * 4320
# Of each stream: a minute of it, with what showinfo says of each picture.
_MOST_SAID = 4_000_000
_MOST_ANSWER = 1_000_000
_ENDING_S = 2.0
_LAST_FD = 512
# Newer ffmpeg may leave the filter's own name out.
_SHOWN = pattern(
    r"^\[(?:showinfo@)?(decoded|chosen)(\d) @ 0x[0-9a-f]+\] n: *\d+ [^\n]*\bpts_time:(-?[\d.]{1,20})[^\n]*"
    r"\bs:(\d{1,5})x(\d{1,5}) [^\n]*\biskey:(\d)\b"
)
_RATE = pattern(
    r"^\[(?:showinfo@)?(decoded|chosen)(\d) @ 0x[0-9a-f]+\] config in [^\n]*\bframe_rate: (\d{1,9})/(\d{1,9})\s*$"
)
_TROUBLE = pattern(r"^(?:Error|Cannot|Conversion failed|[^\n\[]{0,200}: corrupt input)")
_REPEATED = pattern(r"^ {4}Last message repeated (\d{1,9}) times")
# What `nice` ends with if it cannot start a program.
_NOT_STARTED = {126, 127}
_MOST_WHY = 300


class StreamToDecode(NamedTuple):
    """A stream from a pipe."""

    codec: str  #: Ffmpeg's name.
    every: bool  #: Whether the pipe carries all pictures or only key pictures.
    source: int  #: The read end of the pipe.
    early: bool = False  #: Whether to report each key picture, not only the first.
    measured: bool = True  #: Whether to measure its last picture.


class DecodedAnswer(NamedTuple):
    """The decoded pictures of a stream."""

    codec: str
    width: int
    height: int
    frames: int  #: Their number, including `key_frames`.
    key_frames: int
    first_s: float  #: Display time of the first, on the input's clock.
    declared_fps: float | None  #: The rate that the stream declares, or `None`.
    scene: SceneAnswer | None
    differences: list[float]
    digests: list[str]
    complaints: int = 0  #: Decoder complaints since the first picture, if decoded alone.


class DecodedBatch(NamedTuple):
    """A batch's answers; `None` for streams without a decoded picture."""

    answers: list[DecodedAnswer | None]
    is_clean: bool = True  #: Whether ffmpeg had no complaint; it names no stream.
    why: str = ""  #: An error of ffmpeg itself.
    is_started: bool = True  #: Whether ffmpeg could be started.
    last: str = ""  #: Ffmpeg's last line, exit code or signal, if it failed by itself.


def head_of(codec: str) -> bytes:
    """Return a pipe's IVF header, with RTP's clock."""
    return struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, _NAMES[codec], 0, 0, CLOCK, 1, 0, 0)


def picture_head(ticks: int, size: int) -> bytes:
    """Return a picture's header; times count from the first key picture."""
    return struct.pack("<IQ", size, max(0, ticks + _BEGIN_S * CLOCK))


def command(streams: Sequence[StreamToDecode], sinks: Sequence[tuple[int, int]]) -> list[str]:
    """Return the ffmpeg command: two output pipes per stream, averaged and exact."""
    quiet = ["nice", "-n", "10", "ffmpeg", "-hide_banner", "-nostdin", "-nostats", "-loglevel", "info", "-y", "-copyts"]
    cheap = ["-probesize", "32", "-analyzeduration", "0", "-fpsprobesize", "0", "-threads", "1"]
    small = ["-max_pixels", str(_MOST_PIXELS), "-protocol_whitelist", "pipe"]
    read: list[str] = []
    written: list[str] = []
    # Each stream has a graph of its own: in one graph those that are ahead would wait for the others.
    graphs: list[str] = []
    # By several threads each picture would be written when the next one comes.
    raw = ["-fps_mode", "passthrough", "-threads", "1", "-flush_packets", "1", "-f", "rawvideo"]
    for number, (stream, pipes) in enumerate(zip(streams, sinks)):
        read += ["-f", "ivf", "-c:v", stream.codec, *cheap, *small, "-i", f"pipe:{stream.source}"]
        graphs += ["-filter_complex", picture_look.filters(number, every=stream.every)]
        for kind, pipe in zip(("small", "exact"), pipes):
            written += ["-map", f"[{kind}{number}]", *raw, f"pipe:{pipe}"]
    return [*quiet, *read, "-filter_complex_threads", "1", *graphs, *written]


class BatchLog:
    """Parser of ffmpeg's messages about several streams."""

    def __init__(self, streams: Sequence[StreamToDecode]) -> None:
        self.streams = [StreamLog(stream) for stream in streams]
        #: Whether it had no complaint; complaints since the first stream's first picture.
        self.is_clean, self.complaints = True, 0
        self.last = ""  #: Its last line from outside its filters.
        self._rest, self._bytes, self._was_complaint = b"", 0, False

    def take(self, chunk: bytes) -> None:
        """Parse messages; raise `Failed` if there are too many."""
        self._bytes += len(chunk)
        if self._bytes > _MOST_SAID * len(self.streams):
            raise Failed("ffmpeg said too much: the stream is damaged, or means harm")
        *lines, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[-MOST_LINE:]
        for line in lines:
            self._parse_line(line.decode(errors="replace"))

    def _parse_line(self, line: str) -> None:
        if matched := _SHOWN.match(line) or _RATE.match(line):
            if int(matched[2]) < len(self.streams):
                self.streams[int(matched[2])].take_line(matched)
            return
        repeated, is_complaint = _REPEATED.match(line), bool(picture_look.complaint_of(line))
        number = int(repeated[1]) if repeated and self._was_complaint else int(is_complaint)
        self.is_clean = self.is_clean and not number and not _TROUBLE.match(line)
        # Before the first picture is the middle of something.
        self.complaints += number if self.streams[0].frames else 0
        self._was_complaint, self.last = is_complaint, line or self.last


class StreamLog:
    """Parser of ffmpeg's messages about one stream."""

    def __init__(self, stream: StreamToDecode) -> None:
        self._every = stream.every
        self.frames = self.key_frames = 0
        self.first_s, self.size = 0.0, (0, 0)
        self.declared_fps: float | None = None
        self.chosen: list[bool] = []

    def take_line(self, line: re.Match[str]) -> None:
        """Take a line of one of its filters."""
        if line.re.pattern == _RATE.pattern:
            if line[1] == "decoded":
                self._rate(int(line[3]), int(line[4]))
            return
        key = line[6] == "1"
        if line[1] == "chosen":
            self.chosen.append(key)
        elif key or (self.frames and self._every):
            if not self.frames:
                self.first_s, self.size = picture_look.seconds_of(line[3]) - _BEGIN_S, (int(line[4]), int(line[5]))
            self.frames += 1
            self.key_frames += key

    def _rate(self, numerator: int, denominator: int) -> None:
        # A stream that declares none has as many pictures as its clock has ticks.
        rate = numerator / denominator if denominator else 0.0
        self.declared_fps = round(rate, 2) if 0 < rate < CLOCK else None


def _tell_nobody(_number: int, _decoded: Decoded) -> None:
    pass


def decode(
    streams: Sequence[StreamToDecode], until: float, tell: Callable[[int, Decoded], None] = _tell_nobody
) -> DecodedBatch:
    """Decode streams until their pipes end.

    Args:
        streams: this closes their pipe ends.
        until: the deadline on the monotonic clock.
        tell: gets a stream's number and state at its first picture; with `early`, at each key picture from the second
            on.
    """
    log, pictures, why, last = BatchLog(streams), [MeasuredPictures() for _ in streams], "", ""
    reported = [
        _ReportedStream(number, log, pictures[number], tell, early=stream.early)
        for number, stream in enumerate(streams)
    ]
    pipes = [(os.pipe(), os.pipe()) for _ in streams]
    writing = [(small[1], exact[1]) for small, exact in pipes]
    sources, sinks = [stream.source for stream in streams], [fd for both in writing for fd in both]
    nothing, environment = subprocess.DEVNULL, {"PATH": PATH, "LC_ALL": "C.UTF-8"}
    argv = command(streams, writing)
    try:
        process = subprocess.Popen(
            argv, env=environment, stdin=nothing, stdout=nothing, stderr=subprocess.PIPE, pass_fds=sources + sinks
        )
    except OSError as error:
        return DecodedBatch([None] * len(streams), is_clean=False, why=f"{argv[0]}: {error.strerror}", is_started=False)
    with process:
        try:
            for fd in sinks:
                os.close(fd)
            with selectors.DefaultSelector() as waiting:
                assert process.stderr is not None  # noqa: S101 (for the type checker)
                waiting.register(process.stderr, selectors.EVENT_READ, log.take)
                for (small, exact), measured in zip(pipes, pictures):
                    waiting.register(small[0], selectors.EVENT_READ, measured.small)
                    waiting.register(exact[0], selectors.EVENT_READ, measured.exact)
                _read_pipes(waiting, until, reported)
            code = process.wait(_ENDING_S)
            last = _end_by_itself(code, log, sources)
        except Failed as error:
            code, why = 1, str(error)
        except subprocess.TimeoutExpired:
            code = 1
        finally:
            process.kill()
            for fd in sources:
                os.close(fd)
    answers = [_answer(*parts, log.complaints) for parts in zip(streams, log.streams, pictures)]
    if code in _NOT_STARTED and not any(answers):
        return DecodedBatch(answers, is_clean=False, why=log.last[-_MOST_WHY:], is_started=False)
    return DecodedBatch(answers, log.is_clean and not code and not last, why, last=last)


def _end_by_itself(code: int, log: BatchLog, sources: Iterable[int]) -> str:
    """Return ffmpeg's last line, code or signal if it failed by itself."""
    if code < 0:
        return f"the decoder ended with signal {-code}"
    # ffmpeg also fails, and complains, at the end of a stream that it cannot decode.
    if all(map(_is_read_to_its_end, sources)) and (not code or not log.is_clean):
        return ""
    return log.last[-_MOST_WHY:] or f"the decoder ended with {code}"


def _is_read_to_its_end(source: int) -> bool:
    waiting = select.poll()
    waiting.register(source, select.POLLIN)
    return [events for _, events in waiting.poll(0)] == [select.POLLHUP]


class _ReportedStream:
    """Reports a stream's decoding progress, so that its look can end early."""

    def __init__(
        self,
        number: int,
        log: BatchLog,
        pictures: MeasuredPictures,
        tell: Callable[[int, Decoded], None],
        *,
        early: bool,
    ) -> None:
        self._number, self._batch, self._log = number, log, log.streams[number]
        self._pictures, self._tell, self._early = pictures, tell, early
        self._reported = -1
        self._is_unmeasured = False

    @property
    def waits(self) -> bool:
        """Whether a picture waits for measurement."""
        return self._is_unmeasured and self._pictures.is_whole

    def heed(self) -> None:
        """Report newly decoded pictures."""
        log = self._log
        compared = self._pictures.compared(log.chosen) if self._early else 0
        if log.frames and compared > self._reported:
            differences = self._pictures.differences(log.chosen) if self._early else []
            self._reported, self._is_unmeasured = len(differences), bool(differences)
            self._tell(self._number, Decoded(differences, log.declared_fps, log.first_s, self._batch.is_clean))

    def measure(self) -> None:
        """Measure the present picture, usually the last, to save time later."""
        self._pictures.scene()
        self._is_unmeasured = False


def _read_pipes(waiting: selectors.BaseSelector, until: float, reported: Sequence[_ReportedStream]) -> None:
    while waiting.get_map():
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise Failed(f"ffmpeg: no answer within {_ENDING_S:g} s")
        unmeasured = next((stream for stream in reported if stream.waits), None)
        ready = waiting.select(0 if unmeasured else left_s)
        if unmeasured and not ready:
            unmeasured.measure()
        for key, _ in ready:
            take: Callable[[bytes], None] = key.data
            if chunk := os.read(key.fd, 1 << 18):
                take(chunk)
            else:
                waiting.unregister(key.fileobj)
        for stream in reported:
            stream.heed()


def _answer(
    stream: StreamToDecode, log: StreamLog, pictures: MeasuredPictures, complaints: int
) -> DecodedAnswer | None:
    if not log.frames:
        return None
    return DecodedAnswer(
        stream.codec,
        *log.size,
        log.frames,
        log.key_frames,
        log.first_s,
        log.declared_fps,
        pictures.scene() if stream.measured else None,
        pictures.differences(log.chosen),
        pictures.digests(log.chosen),
        complaints,
    )


# --- a process of its own -------------------------------------------------------------------------
class Batch(NamedTuple):
    """A decoding process and the pipe with its answers."""

    process: int
    answers: int


def begin(streams: Sequence[StreamToDecode], until: float) -> Batch:
    """Decode streams in a child process, which takes their pipe ends."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        _run_child(streams, until, writing)
    os.close(writing)
    for stream in streams:
        os.close(stream.source)
    return Batch(process, reading)


def _run_child(streams: Sequence[StreamToDecode], until: float, answers: int) -> None:
    """Run the child process; it always ends here."""
    try:
        # Ends of others' pipes and connections, which would not end with them.
        open_fds = {0, 1, 2, answers, *(stream.source for stream in streams)}
        for fd in range(3, _LAST_FD):
            if fd not in open_fds:
                with contextlib.suppress(OSError):
                    os.close(fd)

        def say(message: object) -> None:
            line = json.dumps(message).encode() + b"\n"
            while line:
                line = line[os.write(answers, line) :]

        decoded = decode(streams, until, lambda number, decoded: say({"of": number, **decoded._asdict()}))
        say(decoded._asdict())
    finally:
        os._exit(0)


def decoded_in(data: bytes, number: int) -> tuple[int, Decoded] | None:
    """Parse a progress line: stream number and state; `None` for others."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        line = json.loads(data)
        fps, differences = line["declared_fps"], [float(difference) for difference in line["differences"]]
        if line["of"] in range(number):
            rate = None if fps is None else float(fps)
            return line["of"], Decoded(differences, rate, float(line["first_s"]), line["is_clean"] is True)
    return None


def batch_in(data: bytes, number: int) -> DecodedBatch:
    """Parse a process's last line; without answers if it is invalid."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        line = json.loads(data.rstrip(b"\n").rpartition(b"\n")[2])
        answers = [None if answer is None else DecodedAnswer(*answer) for answer in line["answers"]]
        if len(answers) == number:
            ending = str(line["why"]), line["is_started"] is True, str(line["last"])
            return DecodedBatch(answers, line["is_clean"] is True, *ending)
    return DecodedBatch([None] * number, is_clean=False, last="the decoder gave no answer")
