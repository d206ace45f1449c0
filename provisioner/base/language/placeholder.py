"""Sentences with named places in braces. Pure.

`{host}` is a place; any other brace is a brace, and what is filled in is never looked into again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLACE = re.compile(r"\{([a-z_][a-z0-9_]*)\}")


def filled(sentence: str, values: Mapping[str, object]) -> str:
    """A sentence with its places filled in; a place of which nothing is known stays as it is."""
    return _PLACE.sub(lambda place: str(values.get(place[1], place[0])), sentence)


def places_of(sentence: str) -> tuple[str, ...]:
    """The names of a sentence's places, in their order."""
    return tuple(_PLACE.findall(sentence))


def literals_of(sentence: str) -> tuple[str, ...]:
    """What stands before, between and behind the places of a sentence: one more than there are places."""
    return tuple(_PLACE.split(sentence)[::2])


def values_in(text: str, sentence: str) -> dict[str, str] | None:
    """What a sentence's places hold where `text` is that sentence; None where it is not.

    Each place holds as little as it can. No pattern is tried twice, so that no text takes longer than it is long.
    """
    names, (first, *others) = places_of(sentence), literals_of(sentence)
    if not names:
        return {} if text == sentence else None
    last = others.pop()
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return None
    rest = text[len(first) : len(text) - len(last)]
    values: list[str] = []
    for literal in others:
        value, there, rest = rest.partition(literal) if literal else ("", "-", rest)
        if not there:
            return None
        values.append(value)
    return _agreeing(names, (*values, rest))


def _agreeing(names: tuple[str, ...], values: tuple[str, ...]) -> dict[str, str] | None:
    """The values by name; a name that stands twice has to hold the same twice."""
    known: dict[str, str] = {}
    for name, value in zip(names, values, strict=True):
        if known.setdefault(name, value) != value:
            return None
    return known
