"""RTP packets to JPEG (RFC 2435) and MPEG-4 Visual (RFC 6416) pictures.

Pure. For older cameras. RTP omits the headers of JPEG pictures: they are made here. Packets are hostile: sizes are
bounded.
"""

from __future__ import annotations

import struct

from provisioner_host.look.media_units import MOST_PICTURE_BYTES, CodedPicture, RtpPackets, Unfit

_HEAD, _RESTART_HEAD, _TABLES_HEAD = 8, 4, 4
_RESTARTS, _KINDS = 64, 128
_BLOCK = 8
_LUMA, _CHROMA = 0, 1
_TABLE = 64
# Qualities from here on bring their tables; below 100 they scale those of JPEG's own example.
_OWN_TABLES, _MOST_QUALITY, _HALF = 128, 99, 50
_LARGEST_FACTOR, _LEVELS = 5000, 255
_TABLES = (
    bytes.fromhex(
        "100b0c0e0c0a100e0d0e1211101318281a181616183123251d283a333d3c3933383740485c4e404457453738506d5157"
        "5f626768673e4d71797064785c656763"
    ),
    bytes.fromhex("1112121815182f1a1a2f634238426363" + "63" * 48),
)


# What begins a picture of MPEG-4; the two bits after it are 0 of one that stands by itself.
_MPEG4_PICTURE = b"\x00\x00\x01\xb6"


class Mpeg4Pictures:
    """Assembles MPEG-4 Visual pictures from packets."""

    def __init__(self, payload_type: int) -> None:
        self._packets = RtpPackets(payload_type)
        self._open, self._ticks = bytearray(), 0
        self.sets = b""  #: Empty: key pictures or the description have the parameter sets.

    @property
    def missed(self) -> int:
        """Number of sequence resets."""
        return self._packets.missed

    def packet(self, packet: bytes) -> list[CodedPicture]:
        """Take a packet; return its completed pictures, or raise `Unfit`."""
        parsed = self._packets.payload(packet)
        if parsed is None:
            return []
        payload, marked = parsed
        pictures = self._close_picture() if self._packets.ticks != self._ticks else []
        self._ticks = self._packets.ticks
        self._open += payload
        if len(self._open) > MOST_PICTURE_BYTES:
            raise Unfit("its pictures are larger than any camera's")
        return pictures + (self._close_picture() if marked else [])

    def _close_picture(self) -> list[CodedPicture]:
        data, self._open = bytes(self._open), bytearray()
        at = data.find(_MPEG4_PICTURE) + len(_MPEG4_PICTURE)
        if at < len(_MPEG4_PICTURE) or at >= len(data):
            return []
        return [CodedPicture(self._ticks, key=not data[at] >> 6, data=data)]


class JpegPictures:
    """Assembles JPEG pictures from packets."""

    def __init__(self, payload_type: int) -> None:
        self._packets = RtpPackets(payload_type)
        self._open: bytearray | None = None
        self._at = self._begin = 0
        self._tables: dict[int, bytes] = {}
        self.sets = b""  #: Empty: each picture is self-contained.

    @property
    def missed(self) -> int:
        """Number of sequence resets."""
        return self._packets.missed

    def packet(self, packet: bytes) -> list[CodedPicture]:
        """Take a packet; return its completed pictures, or raise `Unfit`."""
        parsed = self._packets.payload(packet)
        if parsed is None or len(parsed[0]) <= _HEAD:
            return []
        payload, marked = parsed
        offset, kind, quality = int.from_bytes(payload[1:4], "big"), payload[4], payload[5]
        size = payload[6] * _BLOCK, payload[7] * _BLOCK
        at, interval = _HEAD, 0
        if kind & _RESTARTS:
            interval, at = int.from_bytes(payload[at : at + 2], "big"), at + _RESTART_HEAD
        if not offset:
            tables, at = self._quantization_tables(payload, at, quality)
            can_decode = kind < _KINDS and all(size) and tables
            self._open = bytearray(_jpeg_header(kind & 1, size, tables, interval)) if can_decode else None
            self._begin = len(self._open or b"")
        if self._open is None or len(self._open) - self._begin != offset:
            # A part before it was lost.
            self._open = None
            return []
        self._open += payload[at:]
        if len(self._open) > MOST_PICTURE_BYTES:
            raise Unfit("its pictures are larger than any camera's")
        if not marked:
            return []
        data, self._open = bytes(self._open) + b"\xff\xd9", None
        return [CodedPicture(self._packets.ticks, key=True, data=data)]

    def _quantization_tables(self, payload: bytes, at: int, quality: int) -> tuple[bytes, int]:
        """Return a picture's tables (empty if unknown) and its data's offset."""
        if quality < _OWN_TABLES:
            return _scaled(quality), at
        length, at = int.from_bytes(payload[at + 2 : at + 4], "big"), at + _TABLES_HEAD
        if length in {_TABLE, 2 * _TABLE} and at + length <= len(payload):
            tables = payload[at : at + length]
            self._tables[quality] = tables if length > _TABLE else tables * 2
        return self._tables.get(quality, b""), at + length


def _scaled(quality: int) -> bytes:
    quality = max(1, min(_MOST_QUALITY, quality))
    factor = _LARGEST_FACTOR // quality if quality < _HALF else 200 - 2 * quality
    return bytes(max(1, min(_LEVELS, (value * factor + 50) // 100)) for table in _TABLES for value in table)


def _jpeg_header(kind: int, size: tuple[int, int], tables: bytes, interval: int) -> bytes:
    """Return a JPEG header without Huffman tables, which decoders know."""
    width, height = size
    of_both = ((number, tables[number * _TABLE : (number + 1) * _TABLE]) for number in (_LUMA, _CHROMA))
    parts = [b"\xff\xd8", *(b"\xff\xdb\x00\x43" + bytes((number,)) + table for number, table in of_both)]
    if interval:
        parts.append(b"\xff\xdd\x00\x04" + interval.to_bytes(2, "big"))
    luma = 0x22 if kind else 0x21
    parts.append(b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3))
    parts.append(bytes((1, luma, _LUMA, 2, 0x11, _CHROMA, 3, 0x11, _CHROMA)))
    parts.append(b"\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00")
    return b"".join(parts)
