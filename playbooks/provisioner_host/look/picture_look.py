"""A look at a stream after its first key picture. Pure.

ffmpeg writes each measured picture twice, averaged and exact. Only numbers are kept, and memory is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING

from provisioner_host.look import picture_measures
from provisioner_host.look.picture_measures import MOST_PICTURES
from provisioner_host.machine.patterns import pattern

if TYPE_CHECKING:
    from provisioner_host.wire import LookToTake, SceneAnswer

LONGEST_S = 60.0  #: Limit for a look: two key pictures even at one per minute.
MOST_PACKETS = 12_000  #: Limit for a look's packets, above any camera's.
MOST_LINE = 2_000  #: Limit for ffmpeg's lines; of longer ones the end is used.

# Where key frames are rare, a picture between them is better than none.
_BETWEEN_S = 1.9
# Luma, and two planes of colour at a quarter of its pixels.
_LUMA = picture_measures.WIDTH * picture_measures.HEIGHT
_SIZES = (_LUMA * 3 // 2, picture_measures.EXACT_WIDTH * picture_measures.EXACT_HEIGHT)

# From the beginning of a line: what a stream says of itself may stand anywhere else.
_DECODER = pattern(r"^\[(?:h264|hevc) @ 0x[0-9a-f]+\] (.*)")
# What decoders say of streams that are as their encoders mean them: units for other programs, and how many pictures a
# camera wants kept. None of it is a picture that is damaged.
_HARMLESS = pattern(
    r"(?:SEI type|Unknown SEI|unknown SEI|Skipping NAL|Unhandled NAL|Increasing reorder|Reinit context|"
    r"number of reference frames|mmco: unref short|VPS|SPS unavailable|truncating|Overread|no frame!|"
    r"PPS changed|data partitioning|Invalid VCL NAL without|co located POCs)"
)


class PictureLook:
    """How a read continues after its first key picture.

    Attributes:
        seconds: its minimum duration.
        most_s: its maximum duration.
        keys: key pictures that end it after `seconds`.
        every: whether all pictures count, or only key pictures.
        skips: whether the decoder gets only key pictures. It gets all if pictures come out of order, since pictures
            that refer to later ones would more often be damaged.
        until: its end on the monotonic clock.
        early: conditions of an early end, or `None`.
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
        """Return the same look with every picture decoded."""
        return PictureLook({**self._wanted, "every": True, "skips": False}, self.until)


def filters(number: int, *, every: bool) -> str:
    """Return an input's ffmpeg filters, with outputs `smallN` and `exactN`.

    The first filter reports each decoded picture, the third each measured one.
    """
    chosen = f"key+gte(t-prev_selected_t\\,{_BETWEEN_S})" if every else "key"
    decoded, measured = (f"@{step}{number}" for step in ("decoded", "chosen"))
    small, exact = (
        f"scale={width}:{height}:flags={how}:out_range=pc,format={form}"
        for width, height, how, form in (
            (picture_measures.WIDTH, picture_measures.HEIGHT, "area", "yuv420p"),
            (picture_measures.EXACT_WIDTH, picture_measures.EXACT_HEIGHT, "neighbor", "gray"),
        )
    )
    return (
        f"[{number}:v:0]showinfo{decoded}=checksum=0,select='{chosen}',showinfo{measured}=checksum=0,"
        f"split[a{number}][b{number}];[a{number}]{small}[small{number}];[b{number}]{exact}[exact{number}]"
    )


def seconds_of(text: str) -> float:
    """Parse a time from ffmpeg; invalid ones are 0."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def complaint_of(line: str) -> str:
    """Return a decoder's complaint about damage in a line, or empty."""
    complaint = _DECODER.match(line)
    return complaint[1] if complaint and not _HARMLESS.match(complaint[1]) else ""


class MeasuredPictures:
    """The measured pictures: the last exact one, and several averaged ones."""

    def __init__(self) -> None:
        self._small, self._exact = bytearray(), bytearray()
        self._last_exact = self._last_colours = b""
        self._smalls: list[bytes] = []
        self._digests: list[str] = []
        self._scene: tuple[tuple[bytes, bytes, bytes], SceneAnswer] | None = None

    def small(self, chunk: bytes) -> None:
        """Take averaged pictures."""
        for picture in _take_whole_pictures(self._small, chunk, _SIZES[0]):
            luma, self._last_colours = picture[:_LUMA], picture[_LUMA:]
            if len(self._smalls) <= MOST_PICTURES:
                self._smalls.append(luma)
            else:
                self._smalls[-1] = luma

    def exact(self, chunk: bytes) -> None:
        """Take exact pictures."""
        for picture in _take_whole_pictures(self._exact, chunk, _SIZES[1]):
            self._last_exact = picture
            if len(self._digests) <= MOST_PICTURES:
                self._digests.append(picture_measures.digest_of(picture))

    def scene(self) -> SceneAnswer | None:
        """Return the measures of the last picture."""
        if not self._smalls or not self._last_exact:
            return None
        last = self._smalls[-1], self._last_exact, self._last_colours
        if self._scene is None or self._scene[0] != last:
            self._scene = last, picture_measures.scene_of(*last)
        return self._scene[1]

    @property
    def is_whole(self) -> bool:
        """Whether the last picture has come in both forms."""
        return len(self._digests) == len(self._smalls) and not (self._small or self._exact)

    def compared(self, chosen: Sequence[bool]) -> int:
        """Return the number of key pictures with one before."""
        return max(0, sum(chosen[: len(self._smalls)]) - 1)

    def differences(self, chosen: Sequence[bool]) -> list[float]:
        """Return each key picture's difference from the one before."""
        keys = [picture for picture, key in zip(self._smalls, chosen) if key]
        return [picture_measures.difference(*pair) for pair in zip(keys, keys[1:])]

    def digests(self, chosen: Sequence[bool]) -> list[str]:
        """Return the digest of each key picture."""
        return [digest for digest, key in zip(self._digests, chosen) if key]


def _take_whole_pictures(buffer: bytearray, chunk: bytes, size: int) -> list[bytes]:
    """Append to a buffer and remove the complete pictures from it."""
    buffer += chunk
    number = len(buffer) // size
    pictures = [bytes(buffer[at * size : (at + 1) * size]) for at in range(number)]
    del buffer[: number * size]
    return pictures
