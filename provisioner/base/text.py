"""Texts for people and for documents: numbers, hints, addresses, JSON, times. Pure.

Shown text has printable Unicode characters only. Terminals obey others (colours, window title, links), others deceive
(right-to-left text, new lines), and half characters cannot be written.

Digests cover canonical JSON: sorted keys, no spaces, UTF-8. Times are Vietnam's: fixed +07:00, no summer time.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from difflib import get_close_matches
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import islice
from typing import Any, Final, NoReturn, Self
from urllib.parse import urlsplit

import orjson

_PLACE: Final = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_HISSING = ("s", "x", "z", "ch", "sh")
_VOWELS = "aeiou"
_MOST_LIKE = 3
_NAMED = 5
_LONGEST_WORD = 100
_MOST_KNOWN = 20_000
ALIKE = 0.6  #: Minimal likeness of two words, from 0 to 1.
#: Device names of Windows, which checks out no such file or folder, with any extension.
DEVICE_NAMES: Final = frozenset(
    {"aux", "con", "nul", "prn", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
)
_LOCALHOST: Final = "localhost"
#: A document or a part of one, by key. `Any`: JSON Schemas describe the values, and tests check them.
Document = dict[str, Any]

_ITEMS_A_PART: Final = 500
#: Zone of all days in an inventory and of times for people, wherever the program runs.
VIETNAM = timezone(timedelta(hours=7), "ICT")
_FIRST, _LAST = datetime(1, 1, 1, tzinfo=VIETNAM), datetime(9999, 12, 31, 23, 59, 59, tzinfo=VIETNAM)


@dataclass(frozen=True, slots=True, eq=False)
class LongList:
    """A document's list whose items are made anew at each iteration.

    Only the top level of a document may hold one, and only the encoders here accept it.
    """

    make: Callable[[], Iterable[Document]]

    def __iter__(self) -> Iterator[Document]:
        return iter(self.make())


class Sentence(str):
    """A finished English sentence with its msgid and values, for a `Translator`.

    A value may be a sentence. Documents, records and logs use the English text.
    """

    __slots__ = ("msgid", "values")
    msgid: str
    values: Mapping[str, object]

    def __new__(cls, msgid: str, values: Mapping[str, object]) -> Self:
        """Fill in the placeholders; a half character becomes a question mark."""
        text = filled(msgid, values)
        self = super().__new__(cls, text if text.isascii() else text.encode(errors="replace").decode())
        self.msgid, self.values = msgid, values
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[str, Mapping[str, object]]]:
        """Return how another process makes a copy."""
        return type(self), (self.msgid, self.values)


def msg(msgid: str, /, *values: object) -> str:
    """Make a `Sentence` from a literal msgid and its values in order."""
    # A test counts the values of each call: no message is worth a failure while it is made.
    return Sentence(msgid, dict(zip(places_of(msgid), values, strict=False)))


def filled(sentence: str, values: Mapping[str, object]) -> str:
    """Fill in a sentence's placeholders; unknown ones stay.

    `{host}` is a placeholder; other braces are literal. Values are not searched for placeholders.
    """
    if "{" not in sentence:
        return sentence
    return _PLACE.sub(lambda match: str(values.get(match[1], match[0])), sentence)


@lru_cache(maxsize=4_000)
def places_of(sentence: str) -> tuple[str, ...]:
    """Return the names of a sentence's placeholders, in order."""
    return tuple(_PLACE.findall(sentence))


def literals_of(sentence: str) -> tuple[str, ...]:
    """Return the texts around the placeholders: one more than placeholders."""
    return tuple(_PLACE.split(sentence)[::2])


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, e.g. `1 error`, `2 facilities`."""
    return f"1 {noun}" if number == 1 else f"{number} {plural_of(noun)}"


def named(names: Sequence[str]) -> str:
    """Return the first names, and the number of others, as text."""
    listed = ", ".join(names[:_NAMED])
    return msg("{listed} and {names} more", listed, len(names) - _NAMED) if len(names) > _NAMED else listed


def were(number: int) -> str:
    """Return the verb after a number: `1 path was`, `2 paths were`."""
    return "was" if number == 1 else "were"


def are(number: int) -> str:
    """Return the verb after a number: `1 path is`, `2 paths are`."""
    return "is" if number == 1 else "are"


def plural_of(noun: str) -> str:
    """Return a noun's plural, e.g. `paths`, `facilities`."""
    if noun.endswith("y") and noun[-2:-1] not in _VOWELS:
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(_HISSING) else f"{noun}s"


def printable(text: str, longest: int | None = None) -> str:
    """Return a printable line; an ellipsis replaces text beyond `longest` characters."""
    if longest is not None and len(text) > longest:
        return f"{printable(text[:longest])}…"
    if text.isprintable():
        return text
    return "".join(map(_printable, text))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "?"


def nearest(word: str, choices: Iterable[str], *, most: int = _MOST_LIKE, alike: float = ALIKE) -> tuple[str, ...]:
    """Return the most similar known words, nearest first."""
    candidates = dict.fromkeys(islice(choices, _MOST_KNOWN))
    return tuple(get_close_matches(word[:_LONGEST_WORD], candidates, n=most, cutoff=alike))


def did_you_mean(word: str, choices: Iterable[str], otherwise: str) -> str:
    """Return a hint with similar words, or `otherwise`."""
    return which_was_meant(nearest(word, choices)) or otherwise


def which_was_meant(words: Iterable[str]) -> str:
    """Ask whether one of the words was meant; empty without words."""
    listed = list(words)
    if not listed:
        return ""
    return f"did you mean {', '.join(listed[:-1])} or {listed[-1]}?" if listed[1:] else f"did you mean {listed[0]}?"


def endpoint_text(host: object, port: int) -> str:
    """Return `192.0.2.1:22`, `[2001:db8::1]:22` or `relay.example.com:22`."""
    text = str(host)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, without name resolution."""
    if host == _LOCALHOST:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def checked_url(text: str) -> str:
    """Return an encrypted or local URL without login, or raise `ValueError`."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("a URL is written https://HOST[:PORT]/PATH") from None
    if parts.scheme not in {"https", "http"} or not host or port == 0:
        raise ValueError("a URL is written https://HOST[:PORT]/PATH")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("a URL here has no login, no query and no fragment: put secrets into secrets/")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("http:// is for this machine alone: write https://")
    return text


def canonical_text(value: object) -> str:
    """Return a value as canonical JSON text; numbers must be finite (`ValueError`)."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def canonical_json(value: object) -> bytes:
    """Return a value as canonical JSON, or raise `TypeError`."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a whole number of more than 64 bits, which orjson does not write
        return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def strict_json(text: str | bytes) -> Document:
    """Parse a JSON object without duplicate keys and fractions, for equal readings.

    Raises:
        ValueError, TypeError, RecursionError: it is invalid.
    """
    read: Document | object = json.loads(
        text, object_pairs_hook=_one_each, parse_float=_no_number, parse_constant=_no_number
    )
    if not isinstance(read, dict):
        raise TypeError("not an object")
    return read


def _one_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _no_number(_text: str) -> NoReturn:
    raise ValueError("a number has a fraction, or is none")


def indented_parts(document: Mapping[str, object]) -> Iterator[str]:
    """Yield a document's text for people: indent 2, letters not escaped."""
    yield "{"
    for number, (name, value) in enumerate(document.items()):
        yield f"{',' if number else ''}\n  {_plain(name)}: "
        if isinstance(value, LongList):
            yield from _listed(value, lambda item: "    " + _further(_laid_out(item), 4), ",\n", ("[\n", "\n  ]"))
        else:
            yield _further(_laid_out(value), 2)
    yield "\n}" if document else "}"


def canonical_parts(document: Mapping[str, object]) -> Iterator[str]:
    """Yield a document's canonical text: sorted keys, no spaces."""
    yield "{"
    for number, (name, value) in enumerate(sorted(document.items())):
        yield f"{',' if number else ''}{_plain(name)}:"
        if isinstance(value, LongList):
            yield from _listed(value, canonical_text, ",", ("[", "]"))
        else:
            yield canonical_text(value)
    yield "}"


def _listed(items: LongList, text: Callable[[object], str], between: str, ends: tuple[str, str]) -> Iterator[str]:
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
    """Indent all lines but the first; JSON texts contain no line breaks."""
    return text.replace("\n", "\n" + " " * by)


@lru_cache(maxsize=4096)
def start_of(day: date) -> datetime:
    """Return the start of a day in Vietnam."""
    return datetime.combine(day, time(), VIETNAM)


def is_between(day: date, first: date, last: date | None) -> bool:
    """Return whether a day is in an inclusive, maybe open-ended range."""
    return first <= day and (last is None or day <= last)


def aware(moment: datetime) -> datetime:
    """Return the time, or raise `ValueError` if it has no zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no zone")
    return moment


def in_vietnam(moment: datetime) -> datetime:
    """Return a time by Vietnam's clock, within the calendar."""
    try:
        return aware(moment).astimezone(VIETNAM)
    except OverflowError:
        return _LAST if moment.year > _FIRST.year else _FIRST


def local_time(moment: datetime) -> str:
    """Return a time with zone, as people in Vietnam read it."""
    return in_vietnam(moment).strftime("%Y-%m-%d %H:%M:%S +07:00")


def local_iso(moment: datetime) -> str:
    """Return a time in Vietnam's zone, as in documents."""
    return in_vietnam(moment).isoformat(timespec="seconds")


def utc_text(moment: datetime) -> str:
    """Return a moment in UTC, with the suffix `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def percent(share: float | None, level: float | None = None) -> str:
    """Return a percentage, never rounded up to 100 % or missed levels."""
    if share is None:
        return "-"
    text = f"{share * 100:.2f}"
    if any(share * 100 < bound <= float(text) for bound in (100.0, level or 0.0)):
        text = f"{int(share * 10_000) / 100:.2f}"
    return f"{text} %"


def words_of_end(until: datetime, warn_days: int, now: datetime) -> str:
    """Return a near end, e.g. `ends in 3 days, on 2026-11-30`."""
    days = (until - now) // timedelta(days=1)
    if days > warn_days:
        return ""
    if until <= now:
        return msg("has ended on {until}", f"{in_vietnam(until):%Y-%m-%d}")
    return msg("ends in {days}, on {until}", counted(days, "day"), f"{in_vietnam(until):%Y-%m-%d}")


AnyAddress = IPv4Address | IPv6Address
AnyNetwork = IPv4Network | IPv6Network

_LABEL: Final = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
#: Regular expression of a full host name in small letters.
#:
#: The last label begins with a letter, since resolvers read `10.1` and `0x7f.1` as addresses.
HOST_NAME_FORM: Final = rf"(?=.{{1,253}}$)(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?"
_NAT64: Final = IPv6Network("64:ff9b::/96")
_PUBLIC: Final = IPv6Network("2000::/3")  #: IANA assigns all public IPv6 unicast addresses from this block.
_HOST_NAME: Final = re.compile(HOST_NAME_FORM)


class HostName(str):
    """A full host name in small letters, resolved by ssh and `wg`."""

    __slots__ = ()


HostPlace = AnyAddress | HostName


def is_host_name(text: str) -> bool:
    """Return whether a text is a full host name in small letters."""
    return _HOST_NAME.fullmatch(text) is not None


def host_address(text: str) -> HostPlace:
    """Parse an address or a full host name, or raise `ValueError`."""
    return HostName(text) if is_host_name(text) else ip_address(text)


def is_public(text: str) -> bool:
    """Return whether an address is public, with any IPv4 address in it."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, IPv4Address):
        return True
    if address in _NAT64:
        return is_public(str(IPv4Address(int(address) & 0xFFFFFFFF)))
    inner = address.sixtofour or (address.teredo or (None, None))[1]
    return address in _PUBLIC and (inner is None or is_public(str(inner)))
