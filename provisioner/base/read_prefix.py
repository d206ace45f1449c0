"""The beginnings of paths by which reading is given: a province, or a facility of one. Pure.

`bac-giang` covers `bac-giang/kcl-bg-001/cam-01/sub`, and nothing of `bac-giang-2`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable


def is_read(path: str, prefixes: Iterable[str]) -> bool:
    """Whether a path, or a longer beginning of one, lies under one of the prefixes."""
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)


def may_read(path: str, prefixes: Collection[str]) -> bool:
    """Whether a path may be read by who is given these prefixes; who is given none may read all."""
    return not prefixes or is_read(path, prefixes)


def words_of_reading(reader: str, prefixes: Iterable[str]) -> tuple[str, ...]:
    """What a reader may read, a text each: `centre-hn` of one who may read all, else `centre-hn of bac-giang`."""
    return tuple(f"{reader} of {prefix}" for prefix in prefixes) or (reader,)


def was_read(words: str, before: Iterable[str]) -> bool:
    """Whether what one such text says was said before, by the same one or a wider one of the same reader."""
    reader, _, prefix = words.partition(" of ")
    readings = [one.partition(" of ") for one in before]
    wide = [wider for name, _, wider in readings if name == reader]
    return "" in wide or (prefix != "" and is_read(prefix, wide))
