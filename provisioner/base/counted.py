"""Numbers and names in sentences. Pure."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number with its noun, e.g. `1 error`, `2 facilities`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeou" else f"{number} {noun}s"
