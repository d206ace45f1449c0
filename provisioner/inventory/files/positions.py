"""Lazily found positions of values in the inventory's files, for problems."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Protocol

from yaml import CSafeLoader, YAMLError
from yaml.events import (
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from provisioner.inventory.files.yaml import BYTE_ORDER_MARK, MAX_DEPTH, Mark, mark_of

KeyPath = tuple[str | int, ...]  #: Path to a value inside a file: keys and list indexes.
_NextEvent = Callable[[], Event | None]  #: Libyaml's next event; `None` after the end of the stream.
_STARTS = (MappingStartEvent, SequenceStartEvent)
_ENDS = (MappingEndEvent, SequenceEndEvent)


class PlacesIn:
    """Positions of one file's values, read no further than needed."""

    def __init__(self, data: bytes) -> None:
        self._values: dict[KeyPath, Mark] = {}
        self._keys: dict[KeyPath, Mark] = {}
        self._unread = _places(data)

    def nearest(self, path: KeyPath, *, key: bool = False) -> Mark:
        """Return the position of a value or key, or its closest parent."""
        positions = self._keys if key else self._values
        while path not in positions and (entry := next(self._unread, None)):
            at, mark, is_key = entry
            (self._keys if is_key else self._values).setdefault(at, mark)
        if path in positions:
            return positions[path]
        above = (path[:length] for length in range(len(path), -1, -1))
        return next((self._values[parent] for parent in above if parent in self._values), Mark(1, 1))


def _places(data: bytes) -> Iterator[tuple[KeyPath, Mark, bool]]:
    """Yield each value and key in order: path, position, whether a key."""
    next_event = CSafeLoader(data.removeprefix(BYTE_ORDER_MARK)).get_event
    with suppress(YAMLError):
        next_event()
        if type(next_event()) is DocumentStartEvent:
            yield from _places_below(next_event(), (), next_event)


def _places_below(event: Event | None, path: KeyPath, next_event: _NextEvent) -> Iterator[tuple[KeyPath, Mark, bool]]:
    yield path, mark_of(event), False
    if len(path) >= MAX_DEPTH:
        _skip_node(event, next_event)
    elif type(event) is SequenceStartEvent:
        position = 0
        while type(event := next_event()) is not SequenceEndEvent:
            yield from _places_below(event, (*path, position), next_event)
            position += 1
    elif type(event) is MappingStartEvent:
        while type(event := next_event()) is not MappingEndEvent:
            _skip_node(event, next_event)
            below = (*path, str(getattr(event, "value", "")))
            yield below, mark_of(event), True
            yield from _places_below(next_event(), below, next_event)


def _skip_node(event: Event | None, next_event: _NextEvent) -> None:
    open_levels = int(isinstance(event, _STARTS))
    while open_levels:
        event = next_event()
        open_levels += isinstance(event, _STARTS) - isinstance(event, _ENDS)


class Position(NamedTuple):
    """A file as the user would type it; unknown lines are 0."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Located(Protocol):
    """A file whose values have positions."""

    @property
    def display_path(self) -> str:
        """Its path as the user would type it."""

    def at(self, path: KeyPath, *, key: bool = False) -> Position:
        """Return the position of a value, or of its closest parent."""


@dataclass(frozen=True)
class SourceFile:
    """A file: its path for messages, its bytes and its positions."""

    display_path: str
    data: bytes = field(repr=False)

    @cached_property
    def _places(self) -> PlacesIn:
        return PlacesIn(self.data)

    @cached_property
    def _lines(self) -> list[str]:
        return self.data.decode("utf-8-sig", "replace").split("\n")

    def word_at(self, path: KeyPath) -> str:
        """Return a number, truth value or null as written in this file."""
        mark = self._places.nearest(path)
        return re.split(r"[\s,\[\]{}]", self._lines[mark.line - 1][mark.column - 1 :], maxsplit=1)[0]

    def at(self, path: KeyPath, *, key: bool = False) -> Position:
        """Return the position of a value, by parsing the file again."""
        mark = self._places.nearest(path, key=key)
        return Position(self.display_path, mark.line, mark.column)


@dataclass(frozen=True)
class Places:
    """Files of the inventory's objects, by owner, e.g. `facility/kcl-bg-001` or `allocations`."""

    sources: Mapping[str, Located]

    def at(self, owner: str, *path: str | int, key: bool = False) -> Position:
        """Return the position of an object's value, or of its closest parent."""
        source = self.sources.get(owner)
        return source.at(path, key=key) if source else Position("", 0, 0)
