"""What a host answers, field by field: whatever does not fit is that host's error, and nobody else's. Pure.

The document is another program's output, from a machine that may be damaged or in other hands. What is longer, or has
more parts, than any of ours is not taken apart at all (`read_json`). The rest is read with checks of every type, so
that reading ends in a value or in one `HostError`. The error names the field, never its value, which may be anything.
What is read is shown on terminals: of every text control characters are taken out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeGuard, TypeVar

from provisioner.base.errors import HostError
from provisioner.base.text import printable

_Parsed = TypeVar("_Parsed")

# What any counter, port, time or identifier of ours fits in.
_LARGEST = 2**63
# Deeper than anything that we or MediaMTX write; a deeper one would exhaust the stack of whatever walks it.
_DEEPEST = 16
# Longer than any word or message of ours: what a program printed is cut on the host.
_LONGEST = 20_000
# Longer than any sentence of ours that is to be read by a person.
_SENTENCE = 1_000
_NAME_SHOWN = 60

LONGEST_ANSWER = 16 * 1024 * 1024
"""So many bytes an answer may have: half as much again as a relay of ten thousand paths has to say."""

MOST_PARTS = 1_000_000
"""So many lists, objects and members of them an answer may have: each takes the memory of a hundred letters."""


class UnreadableError(Exception):
    """A field of an answer is missing, or not what it should be."""


@dataclass(slots=True, eq=False)
class Fields:
    """The fields of one JSON object in a host's answer.

    Every method raises `UnreadableError` where the field is missing or of another type. A relay's answer has ten
    thousand paths: what is as it should be costs one look, and where a field is in the answer is put together only
    for an error.

    Attributes:
        values: the object as it came.
        above: the object that this one is a field of; None for the whole answer.
        name: the field's name there.
    """

    values: Mapping[str, object]
    above: Fields | None = None
    name: str = ""

    @property
    def place(self) -> str:
        """Where the object is in the answer, e.g. `tunnel.peers`; empty for the whole."""
        return self.above.place_of(self.name) if self.above else self.name

    def place_of(self, name: str) -> str:
        """Where a field is in the answer."""
        name, place = printable(name, _NAME_SHOWN), self.place
        return f"{place}.{name}" if place else name

    def has(self, name: str) -> bool:
        """Whether a field is there and not null."""
        return self.values.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """A text; `default`, where there is one, stands for a missing one."""
        value = self.values.get(name)
        if _is_clean(value):
            return value
        return default if value is None and default is not None else _text(value, self.place_of(name))

    def text_or_none(self, name: str) -> str | None:
        """A text, or None where it is null or missing."""
        return self.text(name) if self.has(name) else None

    def sentence(self, name: str, default: str | None = None) -> str:
        """A text that people read: what is too long for that is cut."""
        return printable(self.text(name, default), _SENTENCE)

    def sentences(self, name: str, most: int) -> tuple[str, ...]:
        """A list of texts that people read, none where it is missing; no more of them than somebody would write."""
        return tuple(printable(text, _SENTENCE) for text in self.texts(name)[:most]) if self.has(name) else ()

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        listed = self.list_of(name)
        return tuple(value if _is_clean(value) else _text(value, self.place_of(name)) for value in listed)

    def number(self, name: str) -> int:
        """A whole number."""
        value = self.values.get(name)
        return value if _is_number(value) else _no_number(self.place_of(name))

    def number_or_none(self, name: str) -> int | None:
        """A whole number, or None where it is null or missing."""
        return self.number(name) if self.has(name) else None

    def amount(self, name: str) -> int:
        """How much or how many: a whole number that is not less than nothing."""
        number = self.number(name)
        if number < 0:
            raise UnreadableError(f"{self.place_of(name)} is less than nothing")
        return number

    def amounts(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers, none of them less than nothing."""
        numbers = self.list_of(name)
        return tuple(n if _is_number(n) and n >= 0 else _no_number(self.place_of(name)) for n in numbers)

    def measure(self, name: str) -> float:
        """A number that may have a fraction, e.g. of seconds."""
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST < value < _LARGEST:
            raise UnreadableError(f"{self.place_of(name)} is no number")
        return float(value)

    def flag(self, name: str) -> bool:
        """Yes or no."""
        value = self.values.get(name)
        if not isinstance(value, bool):
            raise UnreadableError(f"{self.place_of(name)} is neither true nor false")
        return value

    def below(self, name: str) -> Fields:
        """An object."""
        return self._object(self.values.get(name), name)

    def below_or_none(self, name: str) -> Fields | None:
        """An object, or None where it is null or missing."""
        return self.below(name) if self.has(name) else None

    def each(self, name: str) -> Iterator[Fields]:
        """The objects of a list."""
        return (self._object(value, name) for value in self.list_of(name))

    def named(self, name: str) -> Iterator[tuple[str, Fields]]:
        """The objects of an object, each with its name."""
        below = self.below(name)
        return ((key, below.below(key)) for key in below.names())

    def counts(self, name: str) -> dict[str, int]:
        """The amounts of an object, by name."""
        below = self.below(name)
        return {key: below.amount(key) for key in below.names()}

    def plain(self, name: str) -> dict[str, object]:
        """An object of any JSON, no deeper than we write it."""
        value = self.values.get(name)
        if _is_flat(value):
            return dict(value)
        below = self.below(name)
        return {key: _plain(below, key, below.values[key], _DEEPEST) for key in below.names()}

    def names(self) -> Iterator[str]:
        """The names of all fields."""
        return (key if _is_clean(key) else self._name(key) for key in self.values)

    def list_of(self, name: str) -> list[object]:
        """A list of anything."""
        value = self.values.get(name)
        if not isinstance(value, list | tuple):
            raise UnreadableError(f"{self.place_of(name)} is no list")
        return list(value)

    def _object(self, value: object, name: str) -> Fields:
        if not _is_object(value):
            raise UnreadableError(f"{self.place_of(name)} is no object")
        return Fields(value, self, name)

    def _name(self, key: object) -> str:
        return _name(key, f"a name in {self.place or 'the answer'}")


def read_json(raw: bytes) -> object:
    """What a host's answer holds: any JSON of bounded length, as our program writes it.

    Raises:
        UnreadableError: it is none, or more than there can be to say.
    """
    if len(raw) > LONGEST_ANSWER:
        raise UnreadableError(f"it is longer than {LONGEST_ANSWER} bytes")
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") > MOST_PARTS:
        raise UnreadableError(f"it has more than {MOST_PARTS} parts")
    try:
        answer: object = json.loads(raw.decode("ascii"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"it is no JSON of ours ({type(error).__name__})") from None
    return answer


def fields_of(value: object, place: str = "") -> Fields:
    """The fields of what should be a JSON object.

    Raises:
        UnreadableError: it is none.
    """
    if not isinstance(value, Mapping):
        raise UnreadableError(f"{place or 'it'} is no object")
    return Fields(value, name=place)


def parsed(host: str, document: object, parse: Callable[[Fields], _Parsed]) -> _Parsed:
    """What a host's answer says, by a parser that takes its fields.

    Raises:
        HostError: the answer cannot be read.
    """
    try:
        return parse(fields_of(document))
    except UnreadableError as error:
        raise unreadable_answer(host, str(error)) from None


def unreadable_answer(host: str, problem: str) -> HostError:
    """The error of a host whose answer cannot be read, with what is wrong with it."""
    return HostError(
        f"{host} gave an answer that cannot be read: {problem}",
        hint="run the command again; if it stays so, log in on that host and look at /etc/provisioner and"
        " /var/lib/provisioner: this answer is not what the program that was sent there writes",
        object=host,
    )


def _plain(fields: Fields, name: str, value: object, depth: int) -> object:
    """A value in the field `name`, at so many levels from the deepest."""
    if _is_clean(value):
        return value
    if not depth:
        raise UnreadableError(f"{fields.place_of(name)} is nested too deeply")
    if isinstance(value, str):
        return _text(value, fields.place_of(name))
    if _is_object(value):
        return {
            key if _is_clean(key) else _name(key, f"a name in {fields.place_of(name)}"): _plain(
                fields, name, below, depth - 1
            )
            for key, below in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(fields, name, below, depth - 1) for below in value]
    if isinstance(value, int | float) and not -_LARGEST < value < _LARGEST:
        _no_number(fields.place_of(name))
    return value


def _no_constant(_name: str) -> NoReturn:
    # NaN and the infinities are not JSON.
    raise ValueError


def _is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    # The type that JSON is read into first: the abstract one takes ten times as long to ask.
    return type(value) is dict or isinstance(value, Mapping)


def _is_flat(value: object) -> TypeGuard[dict[str, object]]:
    """Whether a value is an object of clean texts, yes, no and null alone, as a path's settings nearly always are."""
    if type(value) is not dict:
        return False
    texts = list(value)
    for below in value.values():
        if isinstance(below, str):
            texts.append(below)
        elif below is not None and below is not True and below is not False:
            return False
    try:
        return _is_clean("".join(texts))
    except TypeError:  # a name that is no text
        return False


def _is_clean(value: object) -> TypeGuard[str]:
    """Whether a value is a text as we write them, nothing of which has to be looked at twice."""
    return isinstance(value, str) and value.isascii() and value.isprintable() and len(value) <= _LONGEST


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST


def _no_number(place: str) -> NoReturn:
    raise UnreadableError(f"{place} is no number")


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise UnreadableError(f"{place} is no text")
    # Half of a surrogate pair is valid JSON, and no text that could be written anywhere.
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise UnreadableError(f"{place} is no text")
    if len(value) > _LONGEST:
        raise UnreadableError(f"{place} is too long")
    return printable(value)


def _name(value: object, place: str) -> str:
    name = _text(value, place)
    if name != value:
        raise UnreadableError(f"{place} is no name")
    return name
