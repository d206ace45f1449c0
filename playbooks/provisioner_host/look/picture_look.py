"""A look at a stream: what ffmpeg writes of it for a while after its first key frame, and the measures of that.

ffmpeg writes to four pipes beside its words: a line for each packet, the packets, and each picture that is measured,
averaged and exact. Of all that nothing stays but numbers; what may be in memory at once is bounded.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING

from provisioner_host.look import picture_measures
from provisioner_host.look.picture_measures import MOST_PICTURES, Packet
from provisioner_host.machine.shell import Failed

if TYPE_CHECKING:
    from provisioner_host.wire import LookToTake, PictureAnswer, SceneAnswer

LONGEST_S = 60.0
"""A look is never longer: who has a key frame every minute shows two."""

MOST_PACKETS = 12_000
"""More than a camera sends in a look; what sends more means harm."""
MOST_LINE = 2_000
"""Of ffmpeg's words; of longer ones the end counts."""

_MOST_WAITING = 32_000_000
# A key frame is decoded in a fraction of that on the busiest host.
_HELD_BACK_S = 3.0
# Days from the beginning of a look, where all moments are counted from.
_FARTHEST_S = 400_000.0
# Where key frames are rare, a picture between them is better than none.
_BETWEEN_S = 1.9
_SIZES = (
    picture_measures.WIDTH * picture_measures.HEIGHT,
    picture_measures.EXACT_WIDTH * picture_measures.EXACT_HEIGHT,
)

# From the beginning of a line: what a stream says of itself may stand anywhere else.
_SHOWN = re.compile(
    r"^\[Parsed_showinfo_(\d) @ 0x[0-9a-f]+\] n: *\d+ [^\n]*\bpts_time:(-?[\d.]{1,20})[^\n]*\biskey:(\d)\b"
)
_DECODER = re.compile(r"^\[(?:h264|hevc) @ 0x[0-9a-f]+\] (.*)")
_REPEATED = re.compile(r"^ {4}Last message repeated (\d{1,9}) times")
_MISSED = re.compile(r"^\[rtsp @ 0x[0-9a-f]+\] (?:RTP: missed (\d{1,9}) packets|RTP: PT=\w+: bad cseq)")
_RATE = re.compile(r"^ {2}Stream #0:0[^\n]*: Video: [^\n]*, (\d+(?:\.\d+)?) fps,")
# What decoders say of streams that are as their encoders mean them: units for other programs, and how many pictures a
# camera wants kept. None of it is a picture that is damaged.
_HARMLESS = re.compile(
    r"(?:SEI type|Unknown SEI|unknown SEI|Skipping NAL|Unhandled NAL|Increasing reorder|Reinit context|"
    r"number of reference frames|mmco: unref short|VPS|SPS unavailable|truncating|Overread|no frame!|"
    r"PPS changed|data partitioning|Invalid VCL NAL without|co located POCs)",
)
_CODEC = re.compile(rb"#codec_id 0: (\w{1,32})\Z")
_CLOCK = re.compile(rb"#tb 0: (\d{1,9})/(\d{1,9})\Z")
_PACKET = re.compile(rb"0, +(-?\d{1,19}|NOPTS), +(-?\d{1,19}|NOPTS), +\d{1,19}, +(\d{1,9}), 0x[0-9a-f]{8}(.*)\Z")


class PictureLook:
    """How a read goes on after its first key frame.

    Attributes:
        seconds: for how long, at least.
        most_s: for how long, at most.
        keys: until there were so many key frames.
        every: whether every picture counts, or key frames alone.
        skips: whether the decoder gets key frames alone.
        until: its end on the monotonic clock, whenever it began.
        early: what has to hold for it to end before its time; None where it does not.
    """

    def __init__(self, wanted: LookToTake, until: float = inf) -> None:
        self.seconds = max(0.0, min(wanted["seconds"], LONGEST_S))
        self.most_s = max(self.seconds, min(wanted["most_s"], LONGEST_S))
        self.keys, self.until = wanted["keys"], until
        self.skips = wanted.get("skips", False)
        self.every = wanted["every"] and not self.skips
        self.early = wanted.get("early")
        self._wanted = wanted

    def of_all(self) -> PictureLook:
        """The same look with every picture decoded."""
        return PictureLook({**self._wanted, "every": True, "skips": False}, self.until)


class HeldBackError(Exception):
    """Key frames came, and a decoder that gets no others shows none of them."""


def decoding(look: PictureLook) -> list[str]:
    """The options of the decoder: of large pictures key frames alone, which cost little.

    Where frames come out of order a key frame is shown two key frames later then: it is held back until as many as may
    come before it were decoded, and the decoder sees none of those that it skips (measured on ffmpeg 5.1).
    """
    return ["-skip_frame", "nokey"] if look.skips else []


def filters(number: int, *, every: bool, named: bool = False) -> str:
    """The filters of an input: two pictures of each that is measured, `small` and `exact` with the input's number.

    The first of them tells of each picture that is decoded, the third of each that is measured; where they are named
    they say of which input.
    """
    chosen = f"key+gte(t-prev_selected_t\\,{_BETWEEN_S})" if every else "key"
    decoded, measured = (f"@{what}{number}" if named else "" for what in ("decoded", "chosen"))
    small, exact = (
        f"scale={width}:{height}:flags={how}:out_range=pc,format=gray"
        for width, height, how in (
            (picture_measures.WIDTH, picture_measures.HEIGHT, "area"),
            (picture_measures.EXACT_WIDTH, picture_measures.EXACT_HEIGHT, "neighbor"),
        )
    )
    return (
        f"[{number}:v:0]showinfo{decoded}=checksum=0,select='{chosen}',showinfo{measured}=checksum=0,"
        f"split[a{number}][b{number}];[a{number}]{small}[small{number}];[b{number}]{exact}[exact{number}]"
    )


def outputs(look: PictureLook, pipes: Sequence[int]) -> list[str]:
    """What ffmpeg is to write, and to which of the four pipes."""
    graph = filters(0, every=look.every)
    lines, packets, small, exact = (f"pipe:{number}" for number in pipes)
    copied, soon = ["-map", "0:v:0", "-c", "copy"], ["-flush_packets", "1"]
    raw = ["-fps_mode", "passthrough", *soon, "-f", "rawvideo"]
    return [
        *[*copied, *soon, "-f", "framecrc", lines],
        *[*copied, *soon, "-f", "data", packets],
        *["-filter_complex_threads", "1", "-filter_complex", graph],
        *["-map", "[small0]", *raw, small, "-map", "[exact0]", *raw, exact],
    ]


class PacketWatch:
    """Takes what ffmpeg writes as it comes, and makes measures of it."""

    def __init__(self, look: PictureLook, clock: Callable[[], float] = time.monotonic) -> None:
        self._look, self._clock = look, clock
        self._words, self._stream, self._shown = _Words(every=look.every), _Stream(clock), MeasuredPictures()
        self._since: float | None = None
        self.sinks: tuple[Callable[[bytes], None], ...] = (
            self._stream.line,
            self._stream.data,
            self._shown.small,
            self._shown.exact,
        )
        """What takes each pipe's bytes."""

    def said(self, chunk: bytes) -> None:
        """Take ffmpeg's words."""
        self._words.take(chunk)
        if self._since is None and self._words.frames:
            self._since = self._clock()

    @property
    def patient_until(self) -> float | None:
        """Until when a key frame that has come may be held back; None where none is, or the decoder gets all."""
        waits = self._look.skips and self._since is None and self._stream.packets
        return self._stream.begun + _HELD_BACK_S if waits else None

    @property
    def until(self) -> float | None:
        """When it has looked long enough; None before the first key frame."""
        if self._since is None:
            return None
        enough = self._words.key_frames >= self._look.keys
        return min(self._since + (self._look.seconds if enough else self._look.most_s), self._look.until)

    def answer(self) -> PictureAnswer | None:
        """The measures; None where no picture was decoded."""
        words, stream, shown = self._words, self._stream, self._shown
        if self.until is None or self._since is None:
            return None
        every = self._look.every
        return {
            "every": every,
            "looked_s": round(max(0.0, min(self.until, self._clock()) - self._since), 2),
            "packets": picture_measures.packets_of(stream.packets, stream.arrived_s),
            "frames": words.frames,
            "owed": picture_measures.owed_from(words.first_s, stream.packets, every=every),
            "key_frames": words.key_frames,
            "complaints": words.complaints,
            "missed": words.missed,
            "declared_fps": words.declared_fps,
            "scene": shown.scene(),
            "differences": shown.differences(words.chosen),
            "digests": shown.digests(words.chosen),
        }


class _Words:
    """What ffmpeg says: frames from the first key frame on, all or key frames alone, and the complaints since then."""

    def __init__(self, *, every: bool) -> None:
        self._every = every
        self.frames = self.key_frames = self.complaints = self.missed = 0
        self.first_s = 0.0
        self.declared_fps: float | None = None
        self.chosen: list[bool] = []
        self._rest, self._last = b"", ""

    def take(self, chunk: bytes) -> None:
        *lines, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[-MOST_LINE:]
        for line in lines:
            self._line(line.decode(errors="replace"))

    def _line(self, line: str) -> None:
        if shown := _SHOWN.match(line):
            self._frame(seconds_of(shown[2]), decoded=shown[1] == "0", key=shown[3] == "1")
        elif complaint_of(line):
            self._count("complaint", 1)
        elif missed := _MISSED.match(line):
            self._count("missed", int(missed[1] or 1))
        elif repeated := _REPEATED.match(line):
            self._count(self._last, int(repeated[1]))
            return
        elif rate := _RATE.match(line):
            self.declared_fps = float(rate[1])
        self._last = "complaint" if complaint_of(line) else ""

    def _count(self, what: str, number: int) -> None:
        # What comes before the first key frame is the middle of something.
        if self.frames and what == "complaint":
            self.complaints += number
        elif self.frames and what == "missed":
            self.missed += number

    def _frame(self, seconds: float, *, decoded: bool, key: bool) -> None:
        if not decoded:
            self.chosen.append(key)
        elif key or (self.frames and self._every):
            self.first_s = self.first_s if self.frames else seconds
            self.frames += 1
            self.key_frames += key


def seconds_of(text: str) -> float:
    """A moment as ffmpeg prints it; what is none is the beginning."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def complaint_of(line: str) -> str:
    """What a decoder complains of in a line of ffmpeg's; empty where it complains of nothing that is damage."""
    complaint = _DECODER.match(line)
    return complaint[1] if complaint and not _HARMLESS.match(complaint[1]) else ""


class _Stream:
    """The packets, each with its line: whatever comes first waits for the other."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.packets: list[Packet] = []
        self.arrived_s = 0.0
        self._clock, self.begun = clock, 0.0
        self._rest, self._data = b"", bytearray()
        self._waiting: list[tuple[float | None, int, bool]] = []
        self._codec, self._tick = "", 1 / 90_000

    def line(self, chunk: bytes) -> None:
        *lines, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[-MOST_LINE:]
        for line in lines:
            if codec := _CODEC.match(line):
                self._codec = codec[1].decode()
            elif (clock := _CLOCK.match(line)) and int(clock[2]):
                self._tick = int(clock[1]) / int(clock[2])
            elif packet := _PACKET.match(line):
                # Where frames come out of order it is not said when the first is shown, but when it is decoded.
                shown, decoded = self._moment(packet[2]), self._moment(packet[1])
                self._waiting.append((decoded if shown is None else shown, int(packet[3]), b"F=" not in packet[4]))
        self._pair()

    def data(self, chunk: bytes) -> None:
        self._data += chunk
        self._pair()

    def _moment(self, ticks: bytes) -> float | None:
        """A moment of a packet; None where it is not known: ffmpeg counts from the least number then, too."""
        seconds = None if ticks == b"NOPTS" else int(ticks) * self._tick
        return seconds if seconds is not None and abs(seconds) <= _FARTHEST_S else None

    def _pair(self) -> None:
        taken = paired = 0
        for moment, size, key in self._waiting:
            if taken + size > len(self._data):
                break
            # From a key packet on: what comes before it is the middle of something.
            if (key or self.packets) and moment is not None:
                self._add(moment, size, bytes(self._data[taken : taken + size]) if key else b"")
            taken, paired = taken + size, paired + 1
        del self._waiting[:paired], self._data[:taken]
        if len(self._data) > _MOST_WAITING or max(len(self._waiting), len(self.packets)) > MOST_PACKETS:
            raise Failed("ffmpeg said too much: the stream is damaged, or means harm")

    def _add(self, moment: float, size: int, data: bytes) -> None:
        now = self._clock()
        self.begun = self.begun or now
        self.arrived_s = now - self.begun
        self.packets.append(Packet(moment, size, picture_measures.key_of(data, self._codec) if data else ""))


class MeasuredPictures:
    """The pictures that are measured: of the exact ones the last, of the averaged ones a look's number."""

    def __init__(self) -> None:
        self._small, self._exact = bytearray(), bytearray()
        self._last_exact = b""
        self._smalls: list[bytes] = []
        self._digests: list[str] = []
        self._scene: tuple[tuple[bytes, bytes], SceneAnswer] | None = None

    def small(self, chunk: bytes) -> None:
        """Take averaged pictures."""
        for picture in _whole(self._small, chunk, _SIZES[0]):
            if len(self._smalls) <= MOST_PICTURES:
                self._smalls.append(picture)
            else:
                self._smalls[-1] = picture

    def exact(self, chunk: bytes) -> None:
        """Take exact pictures."""
        for picture in _whole(self._exact, chunk, _SIZES[1]):
            self._last_exact = picture
            if len(self._digests) <= MOST_PICTURES:
                self._digests.append(picture_measures.digest_of(picture))

    def scene(self) -> SceneAnswer | None:
        """The measures of the last picture."""
        if not self._smalls or not self._last_exact:
            return None
        last = self._smalls[-1], self._last_exact
        if self._scene is None or self._scene[0] != last:
            self._scene = last, picture_measures.scene_of(*last)
        return self._scene[1]

    @property
    def is_whole(self) -> bool:
        """Whether the last picture has come in both of its forms."""
        return len(self._digests) == len(self._smalls) and not (self._small or self._exact)

    def compared(self, chosen: Sequence[bool]) -> int:
        """How many key pictures there are that can be compared with the one before."""
        return max(0, sum(chosen[: len(self._smalls)]) - 1)

    def differences(self, chosen: Sequence[bool]) -> list[float]:
        """How each key picture among all differs from the one before."""
        keys = [picture for picture, key in zip(self._smalls, chosen) if key]
        return [picture_measures.difference(*pair) for pair in zip(keys, keys[1:])]

    def digests(self, chosen: Sequence[bool]) -> list[str]:
        """What each key picture is known by."""
        return [digest for digest, key in zip(self._digests, chosen) if key]


def _whole(buffer: bytearray, chunk: bytes, size: int) -> list[bytes]:
    """The whole pictures in a buffer with what has come; what is left waits for more."""
    buffer += chunk
    number = len(buffer) // size
    pictures = [bytes(buffer[at * size : (at + 1) * size]) for at in range(number)]
    del buffer[: number * size]
    return pictures
