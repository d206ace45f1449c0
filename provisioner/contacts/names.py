"""The readers of names, titles and notes."""

from __future__ import annotations

import unicodedata

from provisioner.base.secret import Secret
from provisioner.base.vietnamese import clean, read_legacy
from provisioner.contacts.field import FieldReading, refused

MAX_LENGTH = 300
"""The longest text that a field may have, in characters."""

# What no line of text has: controls, halves of surrogates, private use, and what is no character at all.
_FORBIDDEN = frozenset({"Cc", "Cs", "Co", "Cn"})


def read_line(value: object) -> FieldReading:
    """Read one line of text, such as a title or a note: NFC, one space between words. Never raises.

    Args:
        value: a text; anything else is refused.
    """
    if value is None:
        return refused("text-empty")
    if not isinstance(value, str):
        return refused("text-not-text")
    if len(value) > MAX_LENGTH:
        return refused("text-too-long")
    if any(unicodedata.category(c) in _FORBIDDEN and not c.isspace() for c in value):
        return refused("text-control")
    if legacy := read_legacy(value):
        return refused("text-garbled", clean(legacy.reading))
    text = clean(value)
    return FieldReading(Secret(text)) if text else refused("text-empty")


def read_name(value: object) -> FieldReading:
    """Read a person's name: one line of text with letters in it. Never raises."""
    reading = read_line(value)
    if reading.value and not any(c.isalpha() for c in reading.value.reveal()):
        return refused("name-no-letter")
    return reading
