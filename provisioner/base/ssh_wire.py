"""SSH's wire format (RFC 4251, part 5), read strictly: every length is held against what is there. Pure."""

from __future__ import annotations

import struct


class WireError(ValueError):
    """Bytes are not what the format says; the message says what is wrong, and repeats none of them."""


class WireReader:
    """Bytes that are taken from their beginning; none is left over or looked at twice."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next bytes.

        Raises:
            WireError: there are fewer.
        """
        if count > len(self._data) - self._at:
            raise WireError("it ends too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self) -> int:
        """A whole number of 32 bits."""
        return int(struct.unpack(">I", self.take(4))[0])

    def text(self) -> bytes:
        """A length and as many bytes."""
        return self.take(self.number())

    def big_number(self) -> int:
        """A whole number of any size: not negative, and written in as few bytes as it takes."""
        data = self.text()
        if data and (data[0] & 0x80 or data[:2] == b"\0" or (data[0] == 0 and len(data) > 1 and not data[1] & 0x80)):
            raise WireError("a number is not written as SSH writes it")
        return int.from_bytes(data, "big")

    def end(self) -> None:
        """Check that nothing is left.

        Raises:
            WireError: something is.
        """
        if self._at != len(self._data):
            raise WireError("something follows its end")


def text(data: bytes) -> bytes:
    """Bytes with their length in front."""
    return struct.pack(">I", len(data)) + data
