"""Texts for people and for documents: numbers, hints, addresses, JSON, times. Pure.

Characters that are printable in Unicode's sense are fit to be shown. Others are not: a terminal obeys them (colours,
its window's title, a cleared screen, a link), they pretend (text from right to left, a line that begins anew), or they
cannot be written at all (half of a character).

Canonical JSON is the one form that digests are taken over: sorted keys, no spaces, UTF-8. Vietnam's clock is the one
in which orders, days and reports are read: fixed at +07:00, without summer time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from difflib import get_close_matches
from functools import lru_cache
from ipaddress import ip_address
from itertools import islice
from typing import Any, Final, Self
from urllib.parse import urlsplit

import orjson

_PLACE: Final = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_HISSING = ("s", "x", "z", "ch", "sh")
_VOWELS = "aeiou"
_MOST_LIKE = 3
_LONGEST_WORD = 100
_MOST_KNOWN = 20_000
ALIKE = 0.6
"""How like two words have to be, from 0 to 1."""
DEVICE_NAMES: Final = frozenset(
    {"aux", "con", "nul", "prn", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
)
"""Devices of Windows, which checks out no file or folder of such a name, whatever its ending is."""
_LOCALHOST: Final = "localhost"
Document = dict[str, Any]
"""A document or a part of one, by key. `Any`: what a document may hold is said by its JSON Schema, which tests hold
against what is printed; `object` would forbid every look into it."""

_ITEMS_A_PART: Final = 500
VIETNAM = timezone(timedelta(hours=7), "ICT")
"""The zone of every day in an inventory and of every time that people read, wherever the program runs."""


@dataclass(frozen=True, slots=True, eq=False)
class LongList:
    """A list of a document whose items are made when they are asked for, each time anew.

    It stands at the top of a document alone, and no encoder takes it but those here.
    """

    make: Callable[[], Iterable[Document]]

    def __iter__(self) -> Iterator[Document]:
        return iter(self.make())


class Sentence(str):
    """A finished English sentence that knows its msgid and the values in it: a `Translator` looks it up.

    For documents, records and logs it is the English text.

    Attributes:
        msgid: the sentence with its places, e.g. `the host id {name} is used twice`.
        values: by place; a value may be a sentence itself.
    """

    __slots__ = ("msgid", "values")
    msgid: str
    values: Mapping[str, object]

    def __new__(cls, msgid: str, values: Mapping[str, object]) -> Self:
        """Fill the places in; half of a character, as in a name that is no UTF-8, becomes a question mark."""
        text = filled(msgid, values)
        self = super().__new__(cls, text if text.isascii() else text.encode(errors="replace").decode())
        self.msgid, self.values = msgid, values
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[str, Mapping[str, object]]]:
        """Return how a copy is made in another process."""
        return type(self), (self.msgid, self.values)


def msg(msgid: str, /, *values: object) -> str:
    """Make a `Sentence`: the msgid is a literal, for the catalogue; the values fill its places in their order."""
    # A test counts the values of each call: no message is worth a failure while it is made.
    return Sentence(msgid, dict(zip(places_of(msgid), values, strict=False)))


def filled(sentence: str, values: Mapping[str, object]) -> str:
    """A sentence with its places filled in; a place of which nothing is known stays as it is.

    `{host}` is a place; any other brace is a brace. A value that is filled in is not searched for places again.
    """
    if "{" not in sentence:
        return sentence
    return _PLACE.sub(lambda place: str(values.get(place[1], place[0])), sentence)


@lru_cache(maxsize=4_000)
def places_of(sentence: str) -> tuple[str, ...]:
    """The names of a sentence's places, in their order."""
    return tuple(_PLACE.findall(sentence))


def literals_of(sentence: str) -> tuple[str, ...]:
    """What stands before, between and behind the places of a sentence: one more than there are places."""
    return tuple(_PLACE.split(sentence)[::2])


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


def nearest(word: str, known: Iterable[str], *, most: int = _MOST_LIKE, alike: float = ALIKE) -> tuple[str, ...]:
    """The known words that a word is most like, the nearest first; of very many known ones the first are looked at."""
    looked_at = dict.fromkeys(islice(known, _MOST_KNOWN))
    return tuple(get_close_matches(word[:_LONGEST_WORD], looked_at, n=most, cutoff=alike))


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """The hint for an unknown word: what it is like, or where it is like nothing, what is handed in."""
    return asked(nearest(word, known)) or otherwise


def asked(words: Iterable[str]) -> str:
    """The question whether one of these was meant; nothing where there is none."""
    listed = list(words)
    if not listed:
        return ""
    return f"did you mean {', '.join(listed[:-1])} or {listed[-1]}?" if listed[1:] else f"did you mean {listed[0]}?"


def endpoint_text(host: object, port: int) -> str:
    """A host and a port, e.g. `192.0.2.1:22`, `[2001:db8::1]:22`, `relay.example.com:22`.

    Args:
        host: an address or a host name, or the text of one.
        port: the port.
    """
    text = str(host)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine by its name alone: nothing is asked of the network."""
    if host == _LOCALHOST:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def checked_url(text: str) -> str:
    """Take an address that may be called: encrypted but on this machine, without a login.

    Raises:
        ValueError: it is none.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("a URL is written https://HOST[:PORT]/PATH") from None
    if parts.scheme not in {"https", "http"} or not host or port == 0:
        raise ValueError("a URL is written https://HOST[:PORT]/PATH")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("a URL here has no login, no query and no fragment: what is secret stands in secrets/")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("http:// is for this machine alone: write https://")
    return text


def canonical_text(value: object) -> str:
    """A plain value as one text, the same for equal values; a number that is none raises ValueError."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def canonical_json(value: object) -> bytes:
    """A plain value as JSON: the same value is the same bytes, whatever the order of its keys.

    Args:
        value: mappings with texts as keys, lists, tuples, texts, numbers, booleans, None.

    Raises:
        TypeError: it holds something else.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a whole number of more than 64 bits, which orjson does not write
        return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def indented_parts(document: Mapping[str, object]) -> Iterator[str]:
    """The text of a document for people, as `json.dumps` with an indent of two and letters as they are."""
    yield "{"
    for number, (name, value) in enumerate(document.items()):
        yield f"{',' if number else ''}\n  {_plain(name)}: "
        if isinstance(value, LongList):
            yield from _listed(value, lambda item: "    " + _further(_laid_out(item), 4), ",\n", ("[\n", "\n  ]"))
        else:
            yield _further(_laid_out(value), 2)
    yield "\n}" if document else "}"


def canonical_parts(document: Mapping[str, object]) -> Iterator[str]:
    """The text of a document that is the same for equal ones: keys in their order, no space."""
    yield "{"
    for number, (name, value) in enumerate(sorted(document.items())):
        yield f"{',' if number else ''}{_plain(name)}:"
        if isinstance(value, LongList):
            yield from _listed(value, canonical_text, ",", ("[", "]"))
        else:
            yield canonical_text(value)
    yield "}"


def _listed(items: LongList, text: Callable[[object], str], between: str, ends: tuple[str, str]) -> Iterator[str]:
    """A list's text, some hundreds of items a part."""
    each, is_first = iter(items), True
    while some := list(islice(each, _ITEMS_A_PART)):
        yield (ends[0] if is_first else between) + between.join(map(text, some))
        is_first = False
    yield "[]" if is_first else ends[1]


def _plain(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _laid_out(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _further(text: str, by: int) -> str:
    """A text that stands further right, but for its first line; no text in it has an end of a line."""
    return text.replace("\n", "\n" + " " * by)


@lru_cache(maxsize=4096)
def start_of(day: date) -> datetime:
    """The first moment of a day in Vietnam."""
    return datetime.combine(day, time(), VIETNAM)


def is_between(day: date, first: date, last: date | None) -> bool:
    """Whether a day is one of those from the first to the last, both counted; without a last one there is no end."""
    return first <= day and (last is None or day <= last)


def aware(moment: datetime) -> datetime:
    """The same moment, which has to have a zone.

    Raises:
        ValueError: it has none.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no zone")
    return moment


def local_time(moment: datetime) -> str:
    """A moment as people in Vietnam read it, with its zone."""
    return aware(moment).astimezone(VIETNAM).strftime("%Y-%m-%d %H:%M:%S +07:00")


def local_iso(moment: datetime) -> str:
    """A moment as documents have it: in Vietnam's time, with its zone."""
    return aware(moment).astimezone(VIETNAM).isoformat(timespec="seconds")


def percent(share: float | None) -> str:
    """A share as people read it; it is never rounded up to all of it."""
    if share is None:
        return "-"
    shown = f"{share * 100:.2f}"
    return f"{'99.99' if shown == '100.00' and share < 1 else shown} %"


def words_of_end(until: datetime, warn_days: int, now: datetime) -> str:
    """That a certificate ends soon, e.g. `ends in 3 days, on 2026-11-30`, or has ended; empty while it is far off."""
    left = (until - now) // timedelta(days=1)
    if left > warn_days:
        return ""
    if until <= now:
        return msg("has ended on {until}", f"{until:%Y-%m-%d}")
    return msg("ends in {days}, on {until}", counted(left, "day"), f"{until:%Y-%m-%d}")
