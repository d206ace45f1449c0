"""The top row of a clip's pictures, written at the moment they are sent: a clock, as cameras lay over their picture.

A clip is short and sent again and again, and a healthy camera never sends the same picture twice. So each picture is
made of two slices: below, the clip as it was encoded; above, one row of macroblocks that is written here. Nothing is
encoded for it: the clock's digits are plain samples (I_PCM), what follows them is flat, and in dependent pictures the
row is that of the picture before (all skipped). H.264 baseline profile with CAVLC, one reference, as `clips` makes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MB = 16
_CLOCK_MBS = 8
_GREY = 128
_IDR, _SLICE, _SPS, _PPS = 5, 1, 7, 8
_I_SLICE, _P_SLICE = 7, 5
_I_PCM, _FLAT = 25, 3
# Digits of 3 by 5 dots, a number a line.
_FONT = {
    "0": (7, 5, 5, 5, 7), "1": (2, 6, 2, 2, 7), "2": (7, 1, 7, 4, 7), "3": (7, 1, 7, 1, 7), "4": (5, 5, 7, 1, 1),
    "5": (7, 4, 7, 1, 7), "6": (7, 4, 7, 5, 7), "7": (7, 1, 2, 2, 2), "8": (7, 5, 7, 5, 7), "9": (7, 5, 7, 1, 7),
}  # fmt: skip
_DOT = 2


class Bits:
    """Bits that are written one value after the other."""

    def __init__(self) -> None:
        self._value, self._length = 0, 0

    def u(self, value: int, length: int) -> None:
        """Write an unsigned number of so many bits."""
        self._value = self._value << length | value
        self._length += length

    def ue(self, value: int) -> None:
        """Write an Exp-Golomb number."""
        self.u(value + 1, 2 * (value + 1).bit_length() - 1)

    def align(self) -> None:
        """Write zeros up to the next byte."""
        self.u(0, -self._length % 8)

    def raw(self, data: bytes) -> None:
        """Write bytes."""
        self.u(int.from_bytes(data, "big"), 8 * len(data))

    def end(self) -> bytes:
        """Close the slice and give its bytes."""
        self.u(1, 1)
        self.align()
        return self._value.to_bytes(self._length // 8, "big")


class Reader:
    """Bits that are read one value after the other."""

    def __init__(self, data: bytes) -> None:
        self._value, self.left = int.from_bytes(data, "big"), 8 * len(data)

    def u(self, length: int) -> int:
        """Read an unsigned number of so many bits."""
        self.left -= length
        return self._value >> self.left & ((1 << length) - 1)

    def ue(self) -> int:
        """Read an Exp-Golomb number."""
        zeros = 0
        while not self.u(1):
            zeros += 1
        return (1 << zeros) - 1 + self.u(zeros)

    def rest(self) -> tuple[int, int]:
        """Give what was not read, and its length in bits."""
        return self._value & ((1 << self.left) - 1), self.left


def nals(unit: bytes) -> list[bytes]:
    """Split an access unit into its NAL units, without start codes."""
    return [nal for nal in re.split(rb"\x00\x00\x00?\x01", unit) if nal]


def joined(units: list[bytes]) -> bytes:
    """Make an access unit of NAL units."""
    return b"".join(b"\x00\x00\x00\x01" + nal for nal in units)


def escaped(payload: bytes) -> bytes:
    """A payload in which nothing looks like a start code."""
    return re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", payload)


def plain(payload: bytes) -> bytes:
    """What `escaped` was given."""
    return payload.replace(b"\x00\x00\x03", b"\x00\x00")


@dataclass(frozen=True)
class Geometry:
    """What slices of a clip have in common: bits of the frame number, macroblocks a row."""

    frame_bits: int
    width: int

    @classmethod
    def of(cls, sps: bytes) -> Geometry:
        """Read it from a sequence parameter set of the baseline profile."""
        reader = Reader(plain(sps)[4:])
        reader.ue()
        bits = reader.ue() + 4
        if reader.ue() != 2:
            raise ValueError("the clip's pictures are numbered in another way than expected")
        reader.ue()  # references
        reader.u(1)  # no gaps in the numbers
        return cls(bits, reader.ue() + 1)


@dataclass(frozen=True)
class Head:
    """What two slices of one picture have in common."""

    nal: int
    frame: int
    idr: int

    @property
    def is_key(self) -> bool:
        """Whether the picture depends on no other."""
        return self.nal & 31 == _IDR

    @classmethod
    def of(cls, nal: bytes, geometry: Geometry) -> Head:
        """Read it from a slice."""
        reader = Reader(nal[1:40].replace(b"\x00\x00\x03", b"\x00\x00"))
        for _ in range(3):
            reader.ue()
        frame = reader.u(geometry.frame_bits)
        return cls(nal[0], frame, reader.ue() if nal[0] & 31 == _IDR else 0)


def is_slice(nal: bytes) -> bool:
    """Whether a NAL unit is a part of a picture."""
    return nal[0] & 31 in {_IDR, _SLICE}


def moved_down(nal: bytes, geometry: Geometry) -> bytes:
    """A slice that begins at the top, made to begin one row below."""
    reader = Reader(plain(nal[1:]))
    if reader.ue() != 0:
        raise ValueError("the clip has more than one slice a picture")
    value, length = reader.rest()
    # The stop bit and the zeros after it are written anew: the slice ends at another bit of its byte.
    zeros = (value & -value).bit_length()
    written = Bits()
    written.ue(geometry.width)
    written.u(value >> zeros, length - zeros)
    return nal[:1] + escaped(written.end())


def _header(head: Head, geometry: Geometry) -> Bits:
    bits = Bits()
    bits.ue(0)
    bits.ue(_I_SLICE if head.is_key else _P_SLICE)
    bits.ue(0)
    bits.u(head.frame, geometry.frame_bits)
    if head.is_key:
        bits.ue(head.idr)
        bits.u(0, 2)
    else:
        # As many references as ever, in their order; nothing is forgotten by hand.
        bits.u(0, 3 if head.nal >> 5 & 3 else 2)
    bits.ue(0)  # quantiser as in the parameter set
    bits.ue(1)  # no deblocking
    return bits


def skipped(head: Head, geometry: Geometry) -> bytes:
    """The row of a dependent picture: as it was."""
    bits = _header(head, geometry)
    bits.ue(geometry.width)
    return bytes([head.nal]) + escaped(bits.end())


def clock(head: Head, geometry: Geometry, text: str, dark: int, light: int) -> bytes:
    """The row of a key picture: digits on a flat ground."""
    bits = _header(head, geometry)
    shown = digits(text, dark, light)
    for number in range(_CLOCK_MBS):
        bits.ue(_I_PCM)
        bits.align()
        bits.raw(b"".join(row[number * _MB : (number + 1) * _MB] for row in shown) + bytes([_GREY]) * (2 * 64))
    for number in range(_CLOCK_MBS, geometry.width):
        bits.ue(_FLAT)
        bits.ue(0)  # colour as beside it
        bits.ue(0)  # quantiser as before
        # No coefficients: the code for that depends on how many the macroblock to the left has.
        bits.u(*((3, 6) if number == _CLOCK_MBS else (1, 1)))
    return bytes([head.nal]) + escaped(bits.end())


def digits(text: str, dark: int, light: int) -> list[bytes]:
    """Samples of a row with a text of digits."""
    rows = [bytearray([dark]) * (_CLOCK_MBS * _MB) for _ in range(_MB)]
    for place, character in enumerate(text):
        for line, dots in enumerate(_FONT.get(character, ())):
            for column in range(3):
                if dots >> (2 - column) & 1:
                    left = 2 + place * 4 * _DOT + column * _DOT
                    for row in rows[3 + line * _DOT : 3 + (line + 1) * _DOT]:
                        row[left : left + _DOT] = bytes([light]) * _DOT
    return [bytes(row) for row in rows]


@dataclass(frozen=True)
class Row:
    """Writes the top row over a clip's key pictures."""

    geometry: Geometry
    dark: int = 16
    light: int = 235

    def over(self, unit: bytes, text: str) -> bytes:
        """A key picture with a text above it; another picture as it is."""
        parts = nals(unit)
        at = next((n for n, nal in enumerate(parts) if nal[0] & 31 == _IDR), None)
        if at is None:
            return unit
        head = Head.of(parts[at], self.geometry)
        return joined([*parts[:at], clock(head, self.geometry, text, self.dark, self.light), *parts[at:]])


def below(unit: bytes, geometry: Geometry, sets: tuple[bytes, bytes]) -> bytes:
    """An access unit of a clip that lacks the top row, made ready for it: with parameter sets of the whole picture."""
    made: list[bytes] = []
    for nal in nals(unit):
        if nal[0] & 31 in {_SPS, _PPS}:
            made.append(sets[nal[0] & 31 == _PPS])
        elif is_slice(nal):
            head = Head.of(nal, geometry)
            made += [] if head.is_key else [skipped(head, geometry)]
            made.append(moved_down(nal, geometry))
        else:
            made.append(nal)
    return joined(made)
