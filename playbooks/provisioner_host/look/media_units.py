"""From packets of RTP to pictures of H.264 and H.265 as they were sent, without decoding any. Pure.

(RFC 3550, 6184, 7798.) What comes is hostile: it is bounded, and whatever is not as it has to be ends with `Unfit`, so
that another reader says what is wrong with it.

Units of H.264 and H.265: which of them are of a picture, where a picture begins, which is a key picture. Pure.

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


CODECS = {"H264": "h264", "H265": "hevc"}
"""The codecs that are read, by their names in descriptions."""
CLOCK = 90_000
"""Ticks a second of both of them."""
MOST_PICTURE_BYTES = 8_000_000
"""No camera's picture is larger."""

_HEAD, _VERSION = 12, 2
_SEQUENCES, _TICKS = 1 << 16, 1 << 32
# Days: what is farther away is no moment of a look.
_FARTHEST = 400_000 * CLOCK
_H264_AGGREGATE, _H264_FRAGMENT = 24, 28
_H265_AGGREGATE, _H265_FRAGMENT = 48, 49
_MOST_UNITS = 4_000


class CodedPicture(NamedTuple):
    """A picture as it was sent.

    Attributes:
        ticks: when it is shown, from the first packet on.
        key: whether it is a key picture, with `sets` if it brings the parameter sets along.
        data: its units, each with a start code.
    """

    ticks: int
    key: bool
    sets: bool
    data: bytes


class Depacketizer:
    """Takes a stream's packets in their order.

    Args:
        codec: as ffmpeg calls it.
        payload_type: of its packets.
    """

    def __init__(self, codec: str, payload_type: int) -> None:
        self._codec, self._payload_type = codec, payload_type
        self._length = 2 if codec == "hevc" else 1
        self._sequence: int | None = None
        self._source = b""
        self._stamp: int | None = None
        self._ticks = 0
        self._fragments: bytearray | None = None
        self._open: _OpenPicture | None = None
        self._keyed = False

    def packet(self, packet: bytes) -> list[CodedPicture]:
        """Take a packet: the pictures that are whole with it.

        Raises:
            Unfit: one is missing, or is not as it has to be.
        """
        payload, marked = self._payload(packet)
        whole: list[CodedPicture] = []
        for unit in self._units(payload):
            whole += self._unit(unit)
        if marked and self._fragments is None and self._open is not None and self._open.has_picture:
            whole += self._close()
        return whole

    # --- packets ----------------------------------------------------------------------------------

    def _payload(self, packet: bytes) -> tuple[bytes, bool]:
        if len(packet) < _HEAD or packet[0] >> 6 != _VERSION:
            raise Unfit("it sends what is no packet")
        begin, end = _HEAD + 4 * (packet[0] & 15), len(packet)
        if packet[0] & 0x10:
            begin += 4 + 4 * int.from_bytes(packet[begin + 2 : begin + 4], "big")
        if packet[0] & 0x20:
            end -= packet[-1]
        if begin >= end or packet[1] & 127 != self._payload_type:
            raise Unfit("it sends packets of another kind")
        sequence, source = int.from_bytes(packet[2:4], "big"), packet[8:12]
        if self._sequence is not None and (sequence != (self._sequence + 1) % _SEQUENCES or source != self._source):
            raise Unfit("packets are missing")
        self._sequence, self._source = sequence, source
        self._at(int.from_bytes(packet[4:8], "big"))
        return packet[begin:end], bool(packet[1] & 0x80)

    def _at(self, stamp: int) -> None:
        """Count on from the last moment, backward or forward, whichever is nearer."""
        if self._stamp is not None:
            step = (stamp - self._stamp) % _TICKS
            self._ticks += step if step < _TICKS // 2 else step - _TICKS
        self._stamp = stamp
        if abs(self._ticks) > _FARTHEST:
            raise Unfit("its moments are days apart")

    def _units(self, payload: bytes) -> Iterator[bytes]:
        hevc = self._codec == "hevc"
        kind = payload[0] >> 1 & 63 if hevc else payload[0] & 31
        if kind == (_H265_FRAGMENT if hevc else _H264_FRAGMENT):
            yield from self._fragment(payload, hevc=hevc)
            return
        if self._fragments is not None:
            raise Unfit("a part of a unit is missing")
        if kind == (_H265_AGGREGATE if hevc else _H264_AGGREGATE):
            yield from _aggregated(payload[self._length :])
        else:
            # Other packets, for interleaved streams, are units of no known kind.
            yield payload

    def _fragment(self, payload: bytes, *, hevc: bool) -> Iterator[bytes]:
        if len(payload) <= self._length + 1:
            raise Unfit("a part of a unit is empty")
        head, body = payload[self._length], payload[self._length + 1 :]
        if head & 0x80:
            if self._fragments is not None:
                raise Unfit("a part of a unit is missing")
            if hevc:
                first = bytes((payload[0] & 0x81 | (head & 63) << 1, payload[1]))
            else:
                first = bytes((payload[0] & 0xE0 | head & 31,))
            self._fragments = bytearray(first)
        elif self._fragments is None:
            if self._open is not None or self._keyed:
                raise Unfit("a part of a unit is missing")
            # The stream was entered in the middle of a unit.
            return
        self._fragments += body
        if len(self._fragments) > MOST_PICTURE_BYTES:
            raise Unfit("its pictures are larger than any camera's")
        if head & 0x40:
            unit, self._fragments = bytes(self._fragments), None
            yield unit

    # --- pictures ---------------------------------------------------------------------------------

    def _unit(self, data: bytes) -> list[CodedPicture]:
        unit, whole = unit_of(data, self._codec), list[CodedPicture]()
        if self._open is not None:
            over = self._open.has_picture and (unit.first or unit.begins)
            if self._ticks != self._open.ticks and not over:
                raise Unfit("a picture is of several moments")
            if over:
                whole = self._close()
        if self._open is None:
            if not unit.first and not unit.begins:
                if self._keyed:
                    raise Unfit("a part of a picture is missing")
                # The stream was entered in the middle of a picture.
                return whole
            self._open = _OpenPicture(self._ticks)
        self._open.add(data, unit)
        return whole

    def _close(self) -> list[CodedPicture]:
        one, self._open = self._open, None
        if one is None:
            return []
        if one.recovers and not one.key:
            raise Unfit("its key pictures are none that stand by themselves")
        self._keyed |= one.key
        return [CodedPicture(one.ticks, one.key, one.sets, bytes(one.data))]


class _OpenPicture:
    """A picture that is not whole yet."""

    def __init__(self, ticks: int) -> None:
        self.ticks, self.data = ticks, bytearray()
        self.has_picture = self.key = self.sets = self.recovers = False
        self._units = 0

    def add(self, data: bytes, unit: Unit) -> None:
        self.data += START_CODE + data
        self.has_picture |= unit.picture
        self.key |= unit.key
        self.sets |= unit.sets
        self.recovers |= unit.recovers
        self._units += 1
        if len(self.data) > MOST_PICTURE_BYTES or self._units > _MOST_UNITS:
            raise Unfit("its pictures are larger than any camera's")


def _aggregated(payload: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(payload):
        size, at = int.from_bytes(payload[at : at + 2], "big"), at + 2
        if not 0 < size <= len(payload) - at:
            raise Unfit("units of a packet do not fit in it")
        yield payload[at : at + size]
        at += size
