"""The quickest way through a file that is written plainly, a key or an item a line: no events, no places.

Most files of an inventory are. What is read here is a part of YAML in which a line means by itself what it means in
YAML: block mappings and sequences, collections in brackets that end on their line, scalars that are plain or in quotes
without escapes, comments. Whatever else there is, this gives up, and libyaml's events are read. What is accepted is
read alike; a law holds the two against each other.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from provisioner.inventory.files.yaml_scalars import resolve

Line = tuple[int, str]
"""How far a line is indented, and the rest of it."""
NOT_PLAIN: Final = object()
"""What `read_lines` returns where a file is not written plainly: None is a value."""
_DEEPEST: Final = 12

# Spaces and one kind of line ends, and nothing that libyaml would refuse or take for an end of a line.
_ODD: Final = "[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
_KEY: Final = r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,126}"
_QUOTED: Final = r"\"[^\"\\\n]*\"|'[^'\n]*'"
_FIRST: Final = r"[^\s\-?:,\[\]{}#&*!|>'\"%@`]"
_PLAIN: Final = rf"{_FIRST}[^:#\n]*(?:(?::(?=\S)|(?<=\S)#)[^:#\n]*)*"
_INNER: Final = rf"{_FIRST}[^:#,\[\]{{}}'\"\n]*"
_ENTRY: Final = re.compile(rf"({_KEY}):(?: +(?:({_PLAIN})|({_QUOTED})|([{{\[].*)))? *(?:(?<= )#.*)?")
_SCALAR: Final = re.compile(rf"(?:({_QUOTED})|({_PLAIN})|([{{\[].*)) *(?:(?<= )#.*)?")
_LINE: Final = re.compile(r"^( *)([^ #\n][^\n]*)$", re.MULTILINE)
_SIMPLE_KEY: Final = re.compile(rf"{_KEY}:(?: |$)")
_TOKEN: Final = re.compile(rf" *(?:([{{}}\[\],])|({_QUOTED})|({_INNER}))(:(?= ))?")
"""A bracket, a comma, a scalar; and whether it is a key."""
_PAIR: Final = rf" *{_KEY}: +(?:{_QUOTED}|{_INNER}) *"
_SCALARS: Final = re.compile(rf"\{{{_PAIR}(?:,{_PAIR})*\}} *")
"""A mapping of scalars on one line, which most collections in brackets are."""
_PAIRS: Final = re.compile(rf" *({_KEY}): +(?:({_INNER})|({_QUOTED})) *")


class _NotPlain(Exception):  # noqa: N818 (a way out of the recursion, not an error of ours)
    """Something that is not read here."""


def read_lines(text: str) -> object:
    """The value of a file that holds one mapping, or NOT_PLAIN."""
    if re.search(_ODD, text):  # made when it is needed first: that takes as long as all the others
        return NOT_PLAIN
    lines = [(len(spaces), rest) for spaces, rest in _LINE.findall(text)]
    if not lines or lines[0][0] or lines[0][1].startswith("- "):
        return NOT_PLAIN
    try:
        value, end = _mapping(lines, 0, 0, _DEEPEST)
    except _NotPlain:
        return NOT_PLAIN
    return value if end == len(lines) else NOT_PLAIN


def _mapping(lines: list[Line], at: int, indent: int, levels: int) -> tuple[dict[str, object], int]:
    entries: dict[str, object] = {}
    count = len(lines)
    while at < count:
        deep, text = lines[at]
        if deep != indent:
            if deep > indent:
                raise _NotPlain
            break
        entry = _entry(text)
        if entry is None:
            if text.startswith("- "):
                break
            raise _NotPlain
        key, is_scalar, value, flow = entry
        if key in entries:
            raise _NotPlain
        at += 1
        if is_scalar:
            entries[key] = value
        elif flow is not None:
            entries[key] = _flow(flow, levels)
        else:
            entries[key], at = _below(lines, at, indent, levels)
    return entries, at


@lru_cache(maxsize=16384)
def _entry(text: str) -> tuple[str, bool, object, str | None] | None:
    """A line's key, whether a scalar is beside it, and that, or else a collection in brackets; None of another line.

    Facilities' files repeat each other's lines.
    """
    match = _ENTRY.fullmatch(text)
    if match is None:
        return None
    key, plain, quoted, flow = match.groups()
    if plain is not None:
        return key, True, resolve(plain.rstrip(" ")), None
    return key, quoted is not None, quoted[1:-1] if quoted is not None else None, flow


def _below(lines: list[Line], at: int, indent: int, levels: int) -> tuple[object, int]:
    """The collection under a key that has nothing beside it."""
    if at == len(lines) or not levels:
        raise _NotPlain
    deep, text = lines[at]
    if text.startswith("- ") and deep >= indent:
        return _sequence(lines, at, deep, levels - 1)
    if deep <= indent:
        raise _NotPlain  # nothing at all
    return _mapping(lines, at, deep, levels - 1)


def _sequence(lines: list[Line], at: int, indent: int, levels: int) -> tuple[list[object], int]:
    items: list[object] = []
    while at < len(lines):
        deep, text = lines[at]
        if deep > indent:
            raise _NotPlain
        if deep < indent or not text.startswith("- "):
            break
        inner = text[2:].lstrip(" ")
        if inner.startswith("- ") or not levels:
            raise _NotPlain
        if _SIMPLE_KEY.match(inner):
            deep += len(text) - len(inner)
            lines[at] = deep, inner
            item, at = _mapping(lines, at, deep, levels - 1)
            items.append(item)
            continue
        items.append(_item(inner, levels))
        at += 1
    return items, at


def _item(text: str, levels: int) -> object:
    match = _SCALAR.fullmatch(text)
    if match is None:
        raise _NotPlain
    quoted, plain, flow = match.groups()
    if plain is not None:
        return resolve(plain.rstrip(" "))
    return quoted[1:-1] if quoted is not None else _flow(flow, levels)


# --- collections in brackets ----------------------------------------------------------------------


def _flow(text: str, levels: int) -> object:
    """The collection that a text begins with, if nothing but a comment follows."""
    if levels and (pairs := _pairs(text)):
        entries = dict(pairs)
        if len(entries) != len(pairs):
            raise _NotPlain
        return entries
    value, end = _collection(text, 0, levels)
    rest = text[end:].lstrip(" ")
    if rest and not (rest.startswith("#") and text[end] == " "):
        raise _NotPlain
    return value


@lru_cache(maxsize=4096)
def _pairs(text: str) -> tuple[tuple[str, object], ...]:
    """The pairs of a mapping of scalars, none where it is another; streams are alike all over a country."""
    if not _SCALARS.fullmatch(text):
        return ()
    listed = _PAIRS.findall(text)
    return tuple((key, resolve(plain.rstrip(" ")) if plain else quoted[1:-1]) for key, plain, quoted in listed)


def _collection(text: str, at: int, levels: int) -> tuple[object, int]:
    if not levels:
        raise _NotPlain
    return _flow_mapping(text, at + 1, levels - 1) if text[at] == "{" else _flow_sequence(text, at + 1, levels - 1)


def _flow_mapping(text: str, at: int, levels: int) -> tuple[dict[str, object], int]:
    """Pairs with a comma between each two, and none behind the last."""
    entries: dict[str, object] = {}
    while True:
        match = _TOKEN.match(text, at)
        if match is None:
            raise _NotPlain
        sign, quoted, plain, colon = match.groups()
        if sign == "}" and not entries:
            return entries, match.end(1)
        key = quoted[1:-1] if quoted is not None else plain
        if (
            colon is None
            or key is None
            or key in entries
            or key == "<<"
            or len(key) > _LONGEST_KEY
            or key != key.strip(" ")
        ):
            raise _NotPlain
        entries[key], at = _flow_value(text, match.end(), levels)
        at, ends = _after(text, at, "}")
        if ends:
            return entries, at


def _flow_sequence(text: str, at: int, levels: int) -> tuple[list[object], int]:
    items: list[object] = []
    match = _TOKEN.match(text, at)
    if match and match[1] == "]":
        return items, match.end(1)
    while True:
        item, at = _flow_value(text, at, levels)
        items.append(item)
        at, ends = _after(text, at, "]")
        if ends:
            return items, at


def _flow_value(text: str, at: int, levels: int) -> tuple[object, int]:
    match = _TOKEN.match(text, at)
    if match is None or match[4]:
        raise _NotPlain
    sign, quoted, plain, _ = match.groups()
    if plain is not None:
        return resolve(plain.rstrip(" ")), match.end()
    if quoted is not None:
        return quoted[1:-1], match.end()
    if sign not in {"{", "["}:
        raise _NotPlain
    return _collection(text, match.start(1), levels)


def _after(text: str, at: int, closing: str) -> tuple[int, bool]:
    """Where the next entry begins, or the collection's end, and whether it is the end."""
    match = _TOKEN.match(text, at)
    if match is None or match[4] or match[1] not in {",", closing}:
        raise _NotPlain
    return match.end(1), match[1] == closing


_LONGEST_KEY: Final = 127
