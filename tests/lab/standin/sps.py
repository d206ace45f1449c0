"""Size, profile and level of a picture from its sequence parameter set."""

from dataclasses import dataclass
from typing import Final

_H264_PROFILES: Final = {
    66: "Baseline",
    77: "Main",
    88: "Extended",
    100: "High",
    110: "High 10",
    122: "High 4:2:2",
    244: "High 4:4:4 Predictive",
}
_H265_PROFILES: Final = {1: "Main", 2: "Main 10", 3: "Main Still Picture", 4: "Range Extensions"}
_H264_CHROMA_PROFILES: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_YUV_444: Final = 3
_YUV_422: Final = 2
_MAX_LEADING_ZEROS: Final = 32


@dataclass(frozen=True, slots=True)
class Picture:
    """What the relay tells about a video track."""

    width: int = 0
    height: int = 0
    profile: str = ""
    level: str = ""

    def document(self) -> dict[str, object]:
        """The track's properties as the Control API shows them."""
        return {"width": self.width, "height": self.height, "profile": self.profile, "level": self.level}


class _Bits:
    def __init__(self, data: bytes) -> None:
        # Emulation prevention bytes are not part of the syntax.
        self._data = data.replace(b"\x00\x00\x03", b"\x00\x00")
        self._position = 0

    def take(self, count: int) -> int:
        value = 0
        for _ in range(count):
            byte, bit = divmod(self._position, 8)
            value = value << 1 | (self._data[byte] >> (7 - bit)) & 1
            self._position += 1
        return value

    def golomb(self) -> int:
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > _MAX_LEADING_ZEROS:
                raise IndexError
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        value = self.golomb()
        return (value + 1) // 2 if value % 2 else -(value // 2)


def h264(sps: bytes) -> Picture:
    """Read an H264 SPS; a broken one gives an empty picture."""
    try:
        return _h264(sps)
    except IndexError:
        return Picture()


def _h264(sps: bytes) -> Picture:
    bits = _Bits(sps[1:])
    profile = bits.take(8)
    bits.take(8)
    level = bits.take(8)
    bits.golomb()
    chroma = _h264_chroma(bits) if profile in _H264_CHROMA_PROFILES else 1
    bits.golomb()
    _h264_order_count(bits)
    bits.golomb()
    bits.take(1)
    width = (bits.golomb() + 1) * 16
    rows = bits.golomb() + 1
    frames_only = bits.take(1)
    height = (2 - frames_only) * rows * 16
    if not frames_only:
        bits.take(1)
    bits.take(1)
    if bits.take(1):
        left, right, top, bottom = (bits.golomb() for _ in range(4))
        width -= (left + right) * (1 if chroma == _YUV_444 else 2)
        height -= (top + bottom) * (2 - frames_only) * (2 if chroma == 1 else 1)
    major, minor = divmod(level, 10)
    named = _H264_PROFILES.get(profile, str(profile))
    return Picture(width, height, named, f"{major}.{minor}" if minor else str(major))


def _h264_chroma(bits: _Bits) -> int:
    chroma = bits.golomb()
    if chroma == _YUV_444:
        bits.take(1)
    bits.golomb()
    bits.golomb()
    bits.take(1)
    if bits.take(1):
        for index in range(12 if chroma == _YUV_444 else 8):
            if bits.take(1):
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _h264_order_count(bits: _Bits) -> None:
    kind = bits.golomb()
    if kind == 0:
        bits.golomb()
    elif kind == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        for _ in range(bits.golomb()):
            bits.signed()


def h265(sps: bytes) -> Picture:
    """Read an H265 SPS; a broken one gives an empty picture."""
    try:
        return _h265(sps)
    except IndexError:
        return Picture()


def _h265(sps: bytes) -> Picture:
    bits = _Bits(sps[2:])
    bits.take(4)
    layers = bits.take(3)
    bits.take(1)
    bits.take(3)
    profile = bits.take(5)
    bits.take(80)
    level = bits.take(8)
    _skip_layers(bits, layers)
    bits.golomb()
    chroma = bits.golomb()
    if chroma == _YUV_444:
        bits.take(1)
    width = bits.golomb()
    height = bits.golomb()
    if bits.take(1):
        left, right, top, bottom = (bits.golomb() for _ in range(4))
        width -= (left + right) * (2 if chroma in (1, _YUV_422) else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1)
    whole = f"{level / 30:.0f}" if level % 30 == 0 else f"{level / 30:.1f}"
    return Picture(width, height, _H265_PROFILES.get(profile, str(profile)), whole)


def _skip_layers(bits: _Bits, layers: int) -> None:
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for profile, level in present:
        bits.take(88 * profile + 8 * level)
