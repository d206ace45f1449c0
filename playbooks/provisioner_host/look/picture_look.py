"""A look at a stream for a while after its first key frame: how long it takes, and its pictures' measures. Pure.

ffmpeg writes each picture that is measured twice, averaged and exact. Of all that only numbers stay; what may be in
memory at once is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING

from provisioner_host.look import picture_measures
from provisioner_host.look.picture_measures import MOST_PICTURES

if TYPE_CHECKING:
    from provisioner_host.wire import LookToTake, SceneAnswer

LONGEST_S = 60.0
"""A look is never longer: who has a key frame every minute shows two."""

MOST_PACKETS = 12_000
"""More than a camera sends in a look; what sends more means harm."""
MOST_LINE = 2_000
"""Of ffmpeg's words; of longer ones the end counts."""

# Where key frames are rare, a picture between them is better than none.
_BETWEEN_S = 1.9
_SIZES = (
    picture_measures.WIDTH * picture_measures.HEIGHT,
    picture_measures.EXACT_WIDTH * picture_measures.EXACT_HEIGHT,
)

# From the beginning of a line: what a stream says of itself may stand anywhere else.
_DECODER = re.compile(r"^\[(?:h264|hevc) @ 0x[0-9a-f]+\] (.*)")
# What decoders say of streams that are as their encoders mean them: units for other programs, and how many pictures a
# camera wants kept. None of it is a picture that is damaged.
_HARMLESS = re.compile(
    r"(?:SEI type|Unknown SEI|unknown SEI|Skipping NAL|Unhandled NAL|Increasing reorder|Reinit context|"
    r"number of reference frames|mmco: unref short|VPS|SPS unavailable|truncating|Overread|no frame!|"
    r"PPS changed|data partitioning|Invalid VCL NAL without|co located POCs)",
)


class PictureLook:
    """How a read goes on after its first key frame.

    Attributes:
        seconds: for how long, at least.
        most_s: for how long, at most.
        keys: until there were so many key frames.
        every: whether every picture counts, or key frames alone.
        skips: whether the decoder gets key frames alone; it gets all if frames come out of order, as a picture that
            refers to later ones is damaged more often.
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


def filters(number: int, *, every: bool) -> str:
    """The filters of an input: two pictures of each that is measured, `small` and `exact` with the input's number.

    The first of them tells of each picture that is decoded, the third of each that is measured, and of which input.
    """
    chosen = f"key+gte(t-prev_selected_t\\,{_BETWEEN_S})" if every else "key"
    decoded, measured = (f"@{what}{number}" for what in ("decoded", "chosen"))
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
