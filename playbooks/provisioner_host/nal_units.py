"""Units of H.264 and H.265: which of them are of a picture, where a picture begins, which is a key picture. Pure.

So it is where ffmpeg's own parser cuts a stream into pictures; what that would cut otherwise, or what cannot be told
from a unit's first bytes, is refused here, so that nothing is made up of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

START_CODE = b"\x00\x00\x00\x01"
_H264_SLICE, _H264_KEY, _H264_SEI, _H264_SPS = 1, 5, 6, 7
# Parameter sets, and what is said of the picture that comes.
_H264_BEGIN = frozenset({_H264_SEI, _H264_SPS, 8, 9})
# Ends of sequences, and filling.
_H264_ATTACHED = frozenset({10, 11, 12})
_RECOVERY_POINT, _MORE, _LAST_BIT = 6, 255, 0x80
_H265_PICTURES = frozenset({*range(10), *range(16, 22)})
_H265_KEYS = frozenset(range(16, 24))
_H265_VPS = 32
_H265_BEGIN = frozenset({*range(_H265_VPS, 38), 39, *range(41, 45), *range(48, 56)})
# Filling, and what is said of the picture that has come.
_H265_ATTACHED = frozenset({38, 40})
_MOST_MESSAGES = 100


class Unfit(Exception):  # noqa: N818 (it reads as what is so)
    """A stream is not as this reader takes it for certain: another one has to read it."""


class Unit(NamedTuple):
    """What a unit is.

    Attributes:
        picture: whether it is a part of a picture, `first` its first part, `key` of a key picture.
        begins: whether a picture that was there before it is over.
        sets: whether it is of the parameter sets without which nothing is decoded.
        recovers: whether it says that pictures can be decoded from here on, though this is no key picture.
    """

    picture: bool = False
    first: bool = False
    key: bool = False
    begins: bool = False
    sets: bool = False
    recovers: bool = False


def unit_of(data: bytes, codec: str) -> Unit:
    """What a unit of a codec is.

    Raises:
        Unfit: it is none that can be placed.
    """
    return _h265(data) if codec == "hevc" else _h264(data)


def _h264(data: bytes) -> Unit:
    kind = data[0] & 31 if data else 0
    if kind in {_H264_SLICE, _H264_KEY} and len(data) > 1:
        # The number of a slice's first block is an Exp-Golomb code: 0 is a single bit.
        return Unit(picture=True, first=bool(data[1] & 0x80), key=kind == _H264_KEY)
    if kind in _H264_BEGIN:
        recovers = kind == _H264_SEI and _RECOVERY_POINT in _messages(data[1:])
        return Unit(begins=True, sets=kind == _H264_SPS, recovers=recovers)
    if kind in _H264_ATTACHED:
        return Unit()
    raise Unfit(f"it has units of kind {kind}")


def _messages(data: bytes) -> Iterator[int]:
    """The kinds of messages in supplemental information, as far as they can be read."""
    at = number = 0
    while at + 1 < len(data) and data[at] != _LAST_BIT and number < _MOST_MESSAGES:
        kind, at = _long_number(data, at)
        size, at = _long_number(data, at)
        at, number = at + size, number + 1
        yield kind


def _long_number(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    while at < len(data) and data[at] == _MORE:
        number, at = number + _MORE, at + 1
    return number + (data[at] if at < len(data) else 0), at + 1


def _h265(data: bytes) -> Unit:
    if len(data) <= 2:  # noqa: PLR2004 (its head)
        raise Unfit("it has units of no length")
    kind, layer = data[0] >> 1 & 63, (data[0] & 1) << 5 | data[1] >> 3
    if layer:
        raise Unfit("it has several layers")
    if kind in _H265_PICTURES:
        return Unit(picture=True, first=bool(data[2] & 0x80), key=kind in _H265_KEYS)
    if kind in _H265_BEGIN:
        return Unit(begins=True, sets=kind == _H265_VPS)
    if kind in _H265_ATTACHED:
        return Unit()
    raise Unfit(f"it has units of kind {kind}")
