"""Which of several exit codes a command ends with (docs/design.md, part 8). Pure."""

from __future__ import annotations

from typing import Final

INTERRUPTED: Final = 130
"""The exit code after an interrupt: 128 and the signal's number."""

_WORST_FIRST: Final = (11, 7, 9, 8, 6, 5, INTERRUPTED, 14, 15, 3, 10, 1, 0)


def worst_of(*codes: int) -> int:
    """The code that says the worst; 0 where there is none.

    A code that is not in the order is a command's that could not do its work at all, and says more than any other.
    """
    return min(codes, key=rank_of, default=0)


def rank_of(code: int) -> int:
    """A code's place among all, the worst first: what is to be said of the least comes first."""
    return _WORST_FIRST.index(code) if code in _WORST_FIRST else -1
