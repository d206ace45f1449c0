"""What a host answers, field by field: whatever does not fit is that host's error, and nobody else's. Pure.

The document is another program's output, from a machine that may be damaged or in other hands. It is read with checks
of every type, so that reading ends in a value or in one `HostError`. The error names the field, never its value,
which may be anything. What is read is shown on terminals: of every text control characters are taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from provisioner.base.errors import HostError

_Parsed = TypeVar("_Parsed")

# What any counter, port, time or identifier of ours fits in.
_LARGEST = 2**63
# Deeper than anything that we or MediaMTX write; a deeper one would exhaust the stack of whatever walks it.
_DEEPEST = 16
# Longer than any word or message of ours: what a program printed is cut on the host.
_LONGEST = 20_000
_NAME_SHOWN = 60


class UnreadableError(Exception):
    """A field of an answer is missing, or not what it should be."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one JSON object in a host's answer.

    Every method raises `UnreadableError` where the field is missing or of another type.

    Attributes:
        values: the object as it came.
        place: where it is in the answer, e.g. `tunnel.peers`.
    """

    values: Mapping[str, object]
    place: str = ""

    def has(self, name: str) -> bool:
        """Whether a field is there and not null."""
        return self.values.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """A text; `default`, where there is one, stands for a missing one."""
        value = self.values.get(name)
        return default if value is None and default is not None else _text(value, self.place_of(name))

    def text_or_none(self, name: str) -> str | None:
        """A text, or None where it is null or missing."""
        return self.text(name) if self.has(name) else None

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(_text(value, self.place_of(name)) for value in self.list_of(name))

    def number(self, name: str) -> int:
        """A whole number."""
        return _number(self.values.get(name), self.place_of(name))

    def number_or_none(self, name: str) -> int | None:
        """A whole number, or None where it is null or missing."""
        return self.number(name) if self.has(name) else None

    def numbers(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        return tuple(_number(value, self.place_of(name)) for value in self.list_of(name))

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
        return fields_of(self.values.get(name), self.place_of(name))

    def below_or_none(self, name: str) -> Fields | None:
        """An object, or None where it is null or missing."""
        return self.below(name) if self.has(name) else None

    def each(self, name: str) -> Iterator[Fields]:
        """The objects of a list."""
        return (fields_of(value, self.place_of(name)) for value in self.list_of(name))

    def named(self, name: str) -> Iterator[tuple[str, Fields]]:
        """The objects of an object, each with its name."""
        below = self.below(name)
        return ((key, below.below(key)) for key in below.names())

    def counts(self, name: str) -> dict[str, int]:
        """The whole numbers of an object, by name."""
        below = self.below(name)
        return {key: below.number(key) for key in below.names()}

    def plain(self, name: str) -> dict[str, object]:
        """An object of any JSON, no deeper than we write it."""
        below = self.below(name)
        return {key: _plain(below.values[key], below.place_of(key), _DEEPEST) for key in below.names()}

    def names(self) -> Iterator[str]:
        """The names of all fields."""
        return (_name(key, f"a name in {self.place or 'the answer'}") for key in self.values)

    def list_of(self, name: str) -> list[object]:
        """A list of anything."""
        value = self.values.get(name)
        if not isinstance(value, list | tuple):
            raise UnreadableError(f"{self.place_of(name)} is no list")
        return list(value)

    def place_of(self, name: str) -> str:
        """Where a field is in the answer."""
        name = printable(name, _NAME_SHOWN)
        return f"{self.place}.{name}" if self.place else name


def fields_of(value: object, place: str = "") -> Fields:
    """The fields of what should be a JSON object.

    Raises:
        UnreadableError: it is none.
    """
    if not isinstance(value, Mapping):
        raise UnreadableError(f"{place or 'it'} is no object")
    return Fields(value, place)


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


def printable(text: str, longest: int) -> str:
    """A text of somebody else's for a message: no control characters, no half of a character, not too long."""
    shown = "".join(c if c.isprintable() else "?" for c in text[:longest])
    return shown if len(text) <= longest else f"{shown}…"


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise UnreadableError(f"{place} is no text")
    # Half of a surrogate pair is valid JSON, and no text that could be written anywhere.
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise UnreadableError(f"{place} is no text")
    if len(value) > _LONGEST:
        raise UnreadableError(f"{place} is too long")
    return value if value.isprintable() else "".join(map(_shown, value))


def _name(value: object, place: str) -> str:
    name = _text(value, place)
    if name != value:
        raise UnreadableError(f"{place} is no name")
    return name


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "?"


def _number(value: object, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -_LARGEST < value < _LARGEST:
        raise UnreadableError(f"{place} is no number")
    return value


def _plain(value: object, place: str, depth: int) -> object:
    if not depth:
        raise UnreadableError(f"{place} is nested too deeply")
    if isinstance(value, str):
        return _text(value, place)
    if isinstance(value, Mapping):
        return {_name(key, f"a name in {place}"): _plain(below, place, depth - 1) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(below, place, depth - 1) for below in value]
    if isinstance(value, int | float) and not -_LARGEST < value < _LARGEST:
        raise UnreadableError(f"{place} is no number")
    return value
