"""Messages in parts that a broker takes: cut, and put together again whatever order they come in. Pure."""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_HEAD: Final = struct.Struct(">16sII")
PART_BYTES: Final = 512 * 1024
"""Of a message at most in one part: a broker takes 1 MiB unless somebody allows more."""
MOST_PARTS: Final = 1024
_MOST_OPEN: Final = 16
_MOST_HELD: Final = (MOST_PARTS + _MOST_OPEN) * PART_BYTES
_REMEMBERED: Final = 4096


def cut(message: bytes) -> Iterator[bytes]:
    """The parts of a message.

    Raises:
        ValueError: it is longer than a message may be.
    """
    count = max(1, -(-len(message) // PART_BYTES))
    if count > MOST_PARTS:
        raise ValueError(f"a message of {len(message)} bytes is too long")
    name = secrets.token_bytes(16)
    for number in range(count):
        yield _HEAD.pack(name, number, count) + message[number * PART_BYTES : (number + 1) * PART_BYTES]


@dataclass
class _Open:
    count: int
    parts: dict[int, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(map(len, self.parts.values()))


class Joiner:
    """Puts messages together; of those that stay without a part the oldest are forgotten."""

    def __init__(self) -> None:
        self._open: dict[bytes, _Open] = {}
        self._done: dict[bytes, None] = {}

    def add(self, part: bytes) -> bytes | None:
        """Take a part: the message that is whole by it; None where none is. What is no part is passed over."""
        if len(part) < _HEAD.size or len(part) > _HEAD.size + PART_BYTES:
            return None
        name, number, count = _HEAD.unpack(part[: _HEAD.size])
        if not 0 < count <= MOST_PARTS or number >= count or name in self._done:
            return None
        one = self._open.setdefault(name, _Open(count))
        if one.count != count:
            return None
        one.parts.setdefault(number, part[_HEAD.size :])
        if len(one.parts) == count:
            del self._open[name]
            self._remember(name)
            return b"".join(one.parts[n] for n in range(count))
        self._forget()
        return None

    def _remember(self, name: bytes) -> None:
        self._done[name] = None
        while len(self._done) > _REMEMBERED:
            del self._done[next(iter(self._done))]

    def _forget(self) -> None:
        while len(self._open) > _MOST_OPEN or (
            len(self._open) > 1 and sum(one.size for one in self._open.values()) > _MOST_HELD
        ):
            del self._open[next(iter(self._open))]
