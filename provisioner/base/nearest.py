"""Known words that a word is like: what somebody who mistyped one may have meant. Pure.

Nothing is chosen here: a hint asks, and a person answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

_MOST = 3
_LONGEST = 100
_MANY = 20_000
ALIKE = 0.6
"""How like two words have to be, from 0 to 1."""


def nearest(word: str, known: Iterable[str], *, most: int = _MOST, alike: float = ALIKE) -> tuple[str, ...]:
    """The known words that a word is most like, the nearest first; of very many known ones the first are looked at."""
    looked_at = dict.fromkeys(islice(known, _MANY))
    return tuple(get_close_matches(word[:_LONGEST], looked_at, n=most, cutoff=alike))


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """The hint for an unknown word: what it is like, or where it is like nothing, what is handed in."""
    return asked(nearest(word, known)) or otherwise


def asked(words: Iterable[str]) -> str:
    """The question whether one of these was meant; nothing where there is none."""
    listed = list(words)
    if not listed:
        return ""
    return f"did you mean {', '.join(listed[:-1])} or {listed[-1]}?" if listed[1:] else f"did you mean {listed[0]}?"
