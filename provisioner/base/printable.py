"""Texts of somebody else's made fit to be shown: no control character, nothing that turns the line around. Pure.

What a terminal obeys (colours, its window's title, a cleared screen, a link), what only pretends (an order of writing
from right to left, a line that begins anew) and what cannot be written at all (half of a character) are no printable
characters in Unicode's sense; nothing else is.
"""

from __future__ import annotations


def printable(text: str, longest: int | None = None) -> str:
    """A text in one line: white space is a blank, other characters that cannot be printed are question marks.

    Args:
        text: the text.
        longest: how many of its characters to keep; the rest becomes an ellipsis.
    """
    if longest is not None and len(text) > longest:
        return f"{printable(text[:longest])}…"
    if text.isprintable():
        return text
    return "".join(map(_printable, text))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "?"
