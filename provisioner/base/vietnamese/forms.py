"""Two forms of a text: the one that is kept and shown, and the key by which texts are compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_D = str.maketrans({"đ": "d", "ð": "d", "ɖ": "d"})
"""Letters that look like đ and that no decomposition takes apart; ð is what Ð (U+00D0) becomes in lower case."""


class _Without(dict[int, int | None]):
    """A table for `str.translate` that leaves characters out; each is looked at once, whatever is translated."""

    def __init__(self, leaves_out: Callable[[str], bool]) -> None:
        super().__init__()
        self._leaves_out = leaves_out

    def __missing__(self, code: int) -> int | None:
        """What becomes of a character that comes for the first time."""
        self[code] = None if self._leaves_out(chr(code)) else code
        return self[code]


_INVISIBLE = _Without(lambda c: unicodedata.category(c) in {"Cf", "Cc"} and not c.isspace())
_MARKS = _Without(lambda c: unicodedata.category(c).startswith("M"))
_BETWEEN = re.compile(r"[^a-z0-9]+")


def clean(text: str) -> str:
    """A text as it is kept and shown: composed (NFC), without invisible characters, with single spaces.

    Letters and marks stay as they were written: `Hoà` does not become `Hòa`.
    """
    return " ".join(unicodedata.normalize("NFC", _visible(text)).split())


def fold(text: str) -> str:
    """The key by which texts are compared, which is also a slug: `[a-z0-9]` and single hyphens, or nothing.

    `Đắk Lắk` is `dak-lak`, whatever its case, the order and place of its marks (`Hoà`, `Hòa`), its
    composition (NFC, NFD), its spaces, and whichever of the three letters that look like Đ was typed.
    """
    if text.isascii():
        bare = _visible(text).lower()
    else:
        lowered = unicodedata.normalize("NFC", _visible(text)).casefold().translate(_D)
        bare = unicodedata.normalize("NFD", lowered).translate(_MARKS)
    return _BETWEEN.sub("-", bare).strip("-")


def _visible(text: str) -> str:
    """Leave out what nobody sees: zero-width spaces, direction marks, soft hyphens, control characters."""
    return text if text.isprintable() else text.translate(_INVISIBLE)
