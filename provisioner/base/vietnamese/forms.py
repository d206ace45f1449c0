"""Two forms of a text: the one that is kept and shown, and the key by which texts are compared."""

from __future__ import annotations

import re
import unicodedata

_D = str.maketrans({"đ": "d", "ð": "d", "ɖ": "d"})
"""Letters that look like đ and that no decomposition takes apart; ð is what Ð (U+00D0) becomes in lower case."""


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
    lowered = unicodedata.normalize("NFC", _visible(text)).casefold().translate(_D)
    bare = "".join(c for c in unicodedata.normalize("NFD", lowered) if not unicodedata.category(c).startswith("M"))
    return re.sub(r"[^a-z0-9]+", "-", bare).strip("-")


def _visible(text: str) -> str:
    """Leave out what nobody sees: zero-width spaces, direction marks, soft hyphens, control characters."""
    return "".join(c for c in text if c.isspace() or unicodedata.category(c) not in {"Cf", "Cc"})
