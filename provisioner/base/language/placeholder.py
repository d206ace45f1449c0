"""Sentences with named places in braces. Pure.

`{host}` is a place; any other brace is a brace, and what is filled in is never looked into again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

_PLACE = re.compile(r"\{([a-z_][a-z0-9_]*)\}")


def filled(sentence: str, values: Mapping[str, object]) -> str:
    """A sentence with its places filled in; a place of which nothing is known stays as it is."""
    if "{" not in sentence:
        return sentence
    return _PLACE.sub(lambda place: str(values.get(place[1], place[0])), sentence)


def places_of(sentence: str) -> tuple[str, ...]:
    """The names of a sentence's places, in their order."""
    return tuple(_PLACE.findall(sentence))


def literals_of(sentence: str) -> tuple[str, ...]:
    """What stands before, between and behind the places of a sentence: one more than there are places."""
    return tuple(_PLACE.split(sentence)[::2])


def values_in(text: str, sentence: str) -> Iterator[dict[str, str]]:
    """What a sentence's places hold where `text` is that sentence: nothing where it is not, two readings at most.

    In the one each place but the last holds as little as it can, in the other each but the first. Of several beside
    each other the first one holds all. Each reading takes no longer than the text is long.
    """
    names, literals = places_of(sentence), literals_of(sentence)
    first = _read(text, literals)
    if first is None:
        return
    yield from _agreeing(names, first)
    backwards = _read(text[::-1], [literal[::-1] for literal in literals[::-1]])
    if backwards and "" not in literals[1:-1]:
        last = tuple(value[::-1] for value in backwards[::-1])
        if last != first:
            yield from _agreeing(names, last)


def _read(text: str, literals: Sequence[str]) -> tuple[str, ...] | None:
    """The values between literals, each as short as it can be."""
    first, *others = literals
    if not others:
        return () if text == first else None
    last = others.pop()
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return None
    rest = text[len(first) : len(text) - len(last)]
    values: list[str] = []
    beside = 0
    for literal in others:
        if not literal:
            beside += 1
            continue
        value, there, rest = rest.partition(literal)
        if not there:
            return None
        values += [value, *[""] * beside]
        beside = 0
    return (*values, rest, *[""] * beside)


def _agreeing(names: Sequence[str], values: Sequence[str]) -> Iterator[dict[str, str]]:
    """The values by name; a name that stands twice has to hold the same twice."""
    known: dict[str, str] = {}
    for name, value in zip(names, values, strict=True):
        if known.setdefault(name, value) != value:
            return
    yield known
