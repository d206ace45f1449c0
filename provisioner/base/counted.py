"""Numbers and names in sentences. Pure."""

from __future__ import annotations

_HISSING = ("s", "x", "z", "ch", "sh")
_VOWELS = "aeiou"


def counted(number: int, noun: str) -> str:
    """A number with its noun, e.g. `1 error`, `2 facilities`, `3 other addresses`."""
    return f"1 {noun}" if number == 1 else f"{number} {plural_of(noun)}"


def were(number: int) -> str:
    """The verb behind so many, e.g. `1 path was`, `2 paths were`."""
    return "was" if number == 1 else "were"


def are(number: int) -> str:
    """The verb behind so many, e.g. `1 path is`, `2 paths are`."""
    return "is" if number == 1 else "are"


def plural_of(noun: str) -> str:
    """More than one of a noun, e.g. `paths`, `facilities`."""
    if noun.endswith("y") and noun[-2:-1] not in _VOWELS:
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(_HISSING) else f"{noun}s"
