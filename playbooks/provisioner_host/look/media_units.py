"""RTP packets to coded pictures, without decoding (RFC 3550, 6184, 7798).

Pure. Packets are hostile: sizes and numbers are bounded (`Unfit`). Damage is passed on as ffmpeg would assemble it, so
that the decoder reports it: parts after a loss are appended, and packets of other types skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

START_CODE = b"\x00\x00\x00\x01"
_H264_SLICE, _H264_KEY, _H264_SEI, _H264_SPS, _H264_PPS = 1, 5, 6, 7, 8
# Parameter sets, and information about the picture that follows.
_H264_BEGIN = frozenset({_H264_SEI, _H264_SPS, _H264_PPS, 9})
_RECOVERY_POINT, _MORE, _LAST_BIT = 6, 255, 0x80
_H265_PICTURES = frozenset({*range(10), *range(16, 22)})
_H265_KEYS = frozenset(range(16, 24))
_H265_SETS = frozenset({32, 33, 34})
_H265_BEGIN = frozenset({*range(32, 38), 39, *range(41, 45), *range(48, 56)})
_MOST_MESSAGES = 100


class Unfit(Exception):  # noqa: N818 (it reads as what is so)
    """The stream is invalid or unbounded; reading stops."""


class Unit(NamedTuple):
    """A unit's kind."""

    picture: bool = False  #: Part of a picture; `first` is its first part, `key` part of a key picture.
    first: bool = False
    key: bool = False
    begins: bool = False  #: The picture before it is complete.
    sets: bool = False  #: A parameter set.
    recovers: bool = False  #: Decoding can start here without a key picture.


def unit_of(data: bytes, codec: str) -> Unit:
    """Return a unit's kind from its first bytes; unknown ones are empty."""
    return _h265_unit(data) if codec == "hevc" else _h264_unit(data)


_NEEDED = {"h264": {_H264_SPS: "SPS", _H264_PPS: "PPS"}, "hevc": {32: "VPS", 33: "SPS", 34: "PPS"}}


def missing_sets(sets: bytes, codec: str) -> list[str]:
    """Return the parameter sets that a decoder needs and that never came."""
    came = {unit[0] >> 1 & 63 if codec == "hevc" else unit[0] & 31 for unit in sets.split(START_CODE) if unit}
    return [name for kind, name in _NEEDED.get(codec, {}).items() if kind not in came]


def _h264_unit(data: bytes) -> Unit:
    kind = data[0] & 31 if data else 0
    if kind in {_H264_SLICE, _H264_KEY} and len(data) > 1:
        # The number of a slice's first block is an Exp-Golomb code: 0 is a single bit.
        return Unit(picture=True, first=bool(data[1] & 0x80), key=kind == _H264_KEY)
    if kind in _H264_BEGIN:
        recovers = kind == _H264_SEI and _RECOVERY_POINT in _sei_kinds(data[1:])
        return Unit(begins=True, sets=kind in {_H264_SPS, _H264_PPS}, recovers=recovers)
    return Unit()


def _sei_kinds(data: bytes) -> Iterator[int]:
    at = number = 0
    while at + 1 < len(data) and data[at] != _LAST_BIT and number < _MOST_MESSAGES:
        kind, at = _sei_number(data, at)
        size, at = _sei_number(data, at)
        at, number = at + size, number + 1
        yield kind


def _sei_number(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    while at < len(data) and data[at] == _MORE:
        number, at = number + _MORE, at + 1
    return number + (data[at] if at < len(data) else 0), at + 1


def _h265_unit(data: bytes) -> Unit:
    # Units of further layers are none that a decoder of the first one takes.
    if len(data) <= 2 or (data[0] & 1) << 5 | data[1] >> 3:  # noqa: PLR2004 (its head)
        return Unit()
    kind = data[0] >> 1 & 63
    if kind in _H265_PICTURES:
        return Unit(picture=True, first=bool(data[2] & 0x80), key=kind in _H265_KEYS)
    if kind in _H265_BEGIN:
        return Unit(begins=True, sets=kind in _H265_SETS)
    return Unit()


#: The supported codecs, by their names in SDP.
CODECS = {"H264": "h264", "H265": "hevc", "JPEG": "mjpeg", "MP4V-ES": "mpeg4"}
CLOCK = 90_000  #: Their clock rate, in ticks per second.
MOST_PICTURE_BYTES = 8_000_000  #: Limit for a picture; no camera's is larger.

_HEAD, _VERSION = 12, 2
_SEQUENCES, _TICKS = 1 << 16, 1 << 32
# Days: what is farther away is no moment of a look.
_FARTHEST = 400_000 * CLOCK
# Of two packets' numbers, as RFC 3550 has it: farther ahead is another sequence, as far back an old packet.
_FAR_AHEAD, _OLD = 3_000, 100
_H264_AGGREGATE, _H264_FRAGMENT = 24, 28
# Other aggregates and fragments are for interleaved streams, which no camera sends.
_H264_OTHERS = frozenset({0, 25, 26, 27, 29, 30, 31})
_H265_AGGREGATE, _H265_FRAGMENT, _H265_OTHER = 48, 49, 50
_MOST_UNITS = 4_000
_MOST_SETS = 16


class CodedPicture(NamedTuple):
    """A picture as sent."""

    ticks: int  #: Display time since the first packet.
    key: bool  #: Whether decoding can start here.
    data: bytes  #: Its units, each with a start code, or the JPEG picture.
    is_begun: bool = True  #: Whether its first part came; the rest alone is no picture.


class RtpPackets:
    """Parses RTP packets: sequence, time, payload.

    Packets of other payload types are skipped.
    """

    def __init__(self, payload_type: int) -> None:
        self._payload_type = payload_type
        self._sequence: int | None = None
        self._bad: int | None = None
        self._stamp: int | None = None
        self.ticks = 0  #: Time of the last packet, since the first.
        self.missed = 0  #: Number of sequence resets.

    def payload(self, packet: bytes) -> tuple[bytes, bool] | None:
        """Return payload and marker; `None` for other streams' packets."""
        if len(packet) < _HEAD or packet[0] >> 6 != _VERSION or packet[1] & 127 != self._payload_type:
            return None
        begin, end = _HEAD + 4 * (packet[0] & 15), len(packet)
        if packet[0] & 0x10:
            begin += 4 + 4 * int.from_bytes(packet[begin + 2 : begin + 4], "big")
        if packet[0] & 0x20:
            end -= packet[-1]
        if begin >= end or not self._is_next(int.from_bytes(packet[2:4], "big")):
            return None
        self._advance_ticks(int.from_bytes(packet[4:8], "big"))
        return packet[begin:end], bool(packet[1] & 0x80)

    def _is_next(self, sequence: int) -> bool:
        """Return whether a number fits; a new sequence needs two packets."""
        ahead = 1 if self._sequence is None else (sequence - self._sequence) % _SEQUENCES
        if ahead > _SEQUENCES - _OLD:
            return True
        if ahead >= _FAR_AHEAD and sequence != self._bad:
            self._bad, self.missed = (sequence + 1) % _SEQUENCES, self.missed + 1
            return False
        self._sequence, self._bad = sequence, None
        return True

    def _advance_ticks(self, stamp: int) -> None:
        """Advance the time by the nearer direction across wraparounds."""
        if self._stamp is not None:
            step = (stamp - self._stamp) % _TICKS
            ticks = self.ticks + (step if step < _TICKS // 2 else step - _TICKS)
            self.ticks = ticks if abs(ticks) <= _FARTHEST else self.ticks
        self._stamp = stamp


class Depacketizer:
    """Assembles H.264 or H.265 pictures from packets."""

    def __init__(self, codec: str, payload_type: int) -> None:
        self._hevc, self._codec = codec == "hevc", codec
        self._length = 2 if self._hevc else 1
        self._packets = RtpPackets(payload_type)
        self._open: _OpenPicture | None = None
        self._closed_at: int | None = None
        self._marks_lie = False
        self._sets: dict[bytes, None] = {}

    @property
    def missed(self) -> int:
        """Number of sequence resets."""
        return self._packets.missed

    @property
    def sets(self) -> bytes:
        """The parameter sets so far, each with a start code."""
        return b"".join(START_CODE + unit for unit in self._sets)

    def packet(self, packet: bytes) -> list[CodedPicture]:
        """Take a packet; return its completed pictures, or raise `Unfit`."""
        parsed = self._packets.payload(packet)
        if parsed is None:
            return []
        payload, marked = parsed
        pictures: list[CodedPicture] = []
        kind = payload[0] >> 1 & 63 if self._hevc else payload[0] & 31
        if kind == (_H265_FRAGMENT if self._hevc else _H264_FRAGMENT):
            pictures += self._add_fragment(payload)
        elif kind == (_H265_AGGREGATE if self._hevc else _H264_AGGREGATE):
            for unit in _units_in_aggregate(payload[self._length :]):
                pictures += self._add_unit(unit)
        elif not (kind >= _H265_OTHER if self._hevc else kind in _H264_OTHERS):
            pictures += self._add_unit(payload)
        if marked and not self._marks_lie and self._open is not None and self._open.has_picture:
            pictures += self._close()
            self._closed_at = self._packets.ticks
        return pictures

    def _add_fragment(self, payload: bytes) -> list[CodedPicture]:
        """Add a fragment of a unit; return completed pictures."""
        if len(payload) <= self._length + 1:
            return []
        head, body = payload[self._length], payload[self._length + 1 :]
        if head & 0x80:
            if self._hevc:
                first = bytes((payload[0] & 0x81 | (head & 63) << 1, payload[1]))
            else:
                first = bytes((payload[0] & 0xE0 | head & 31,))
            return self._add_unit(first + body)
        if self._open is not None and self._open.ticks == self._packets.ticks:
            self._open.extend(body)
        # Otherwise its beginning was lost, or the stream was entered in the middle of it.
        return []

    def _add_unit(self, data: bytes) -> list[CodedPicture]:
        """Add a unit; return the pictures that it completes."""
        unit, pictures, ticks = unit_of(data, self._codec), list[CodedPicture](), self._packets.ticks
        if unit.sets and len(self._sets) < _MOST_SETS:
            self._sets[data] = None
        is_next = self._open is not None and (ticks != self._open.ticks or unit.first or unit.begins)
        if is_next and self._open is not None and self._open.has_picture:
            pictures = self._close()
        if self._open is None:
            if unit.picture and not unit.first and ticks == self._closed_at:
                # A camera that marks each packet: a picture is over when the next one begins.
                self._marks_lie = True
            self._open = _OpenPicture()
        self._open.add_unit(data, unit, ticks)
        return pictures

    def _close(self) -> list[CodedPicture]:
        picture, self._open = self._open, None
        return (
            [] if picture is None else [CodedPicture(picture.ticks, picture.key, bytes(picture.data), picture.is_begun)]
        )


class _OpenPicture:
    """An incomplete picture."""

    def __init__(self) -> None:
        self.ticks, self.data, self._units = 0, bytearray(), 0
        self.has_picture = self.is_begun = self.key = False

    def add_unit(self, data: bytes, unit: Unit, ticks: int) -> None:
        self.ticks = ticks
        self.has_picture |= unit.picture
        self.is_begun |= unit.first
        # Of one whose beginning was lost decoding does not begin.
        self.key |= unit.recovers or (unit.key and unit.first)
        self._units += 1
        if self._units > _MOST_UNITS:
            raise Unfit("its pictures are larger than any camera's")
        self.extend(START_CODE + data)

    def extend(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > MOST_PICTURE_BYTES:
            raise Unfit("its pictures are larger than any camera's")


def _units_in_aggregate(payload: bytes) -> Iterator[bytes]:
    at = 0
    while at + 2 < len(payload):
        size, at = int.from_bytes(payload[at : at + 2], "big"), at + 2
        if size > len(payload) - at:
            return
        if size:
            yield payload[at : at + size]
        at += size
