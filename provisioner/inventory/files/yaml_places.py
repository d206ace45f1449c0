"""Where one value of a file stands, without marking the whole of it.

A problem names one place, and places asked for are mostly near a file's head: reading stops there. Only
where many places of one file are wanted it is read as a whole, once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property

from yaml import CSafeLoader, YAMLError
from yaml.events import (
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from provisioner.inventory.files.positions import KeyPath, Mark, Marks
from provisioner.inventory.files.strict_yaml import mark_of, parse
from provisioner.inventory.files.yaml_quick import NextEvent

_SINGLE_LOOKUPS = 4
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_STARTS = (MappingStartEvent, SequenceStartEvent)
_ENDS = (MappingEndEvent, SequenceEndEvent)


class PlacesIn:
    """The places of one file's values, found on demand."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._asked = 0

    def nearest(self, path: KeyPath, *, key: bool = False) -> Mark:
        """The place of a value (or of its key), or of the closest thing around it that exists."""
        self._asked += 1
        if self._asked <= _SINGLE_LOOKUPS:
            return locate(self._data, path, key=key)
        return self._all.nearest(path, key=key)

    @cached_property
    def _all(self) -> Marks:
        document = parse(self._data, marks=True, max_bytes=len(self._data))
        return Marks(document.values, document.keys)


def locate(data: bytes, path: KeyPath, *, key: bool = False) -> Mark:
    """The place of a value (or of its key), or of the closest thing around it; reads no further than that."""
    return mark_of(_nearest(data, path, key=key))


def written_at(data: bytes, path: KeyPath) -> str:
    """The scalar at a place, or the closest one, as it is written there: 1.20 is not 1.2."""
    return str(getattr(_nearest(data, path, key=False), "value", ""))


def _nearest(data: bytes, path: KeyPath, *, key: bool) -> Event | None:
    """The event of a value, or of what is closest around it; None where there is nothing at all."""
    nearest: Event | None = None
    next_event = CSafeLoader(data.removeprefix(_BYTE_ORDER_MARK)).get_event
    with suppress(YAMLError):  # the file ends there; what was found is the nearest
        for event in _events(next_event, path, key=key):
            nearest = event
    return nearest


def _events(next_event: NextEvent, path: KeyPath, *, key: bool) -> Iterator[Event | None]:
    """The document's event, then that of each value on the way."""
    next_event()
    if type(next_event()) is not DocumentStartEvent:
        return
    event = next_event()
    yield event
    for position, part in enumerate(path, start=1):
        if type(event) is not (MappingStartEvent if isinstance(part, str) else SequenceStartEvent):
            return
        pair = _entry(next_event, part) if isinstance(part, str) else _item(next_event, part)
        if pair is None:
            return
        at_key, event = pair
        yield at_key if key and position == len(path) else event


def _entry(next_event: NextEvent, name: str) -> tuple[Event | None, Event | None] | None:
    """A key and its value, or None at the mapping's end."""
    while type(event := next_event()) is not MappingEndEvent:
        if type(event) is ScalarEvent and event.value == name:
            return event, next_event()
        _skip(event, next_event)
        _skip(next_event(), next_event)
    return None


def _item(next_event: NextEvent, index: int) -> tuple[Event | None, Event | None] | None:
    """An item, which has no key of its own, or None at the sequence's end."""
    position = 0
    while type(event := next_event()) is not SequenceEndEvent:
        if position == index:
            return event, event
        _skip(event, next_event)
        position += 1
    return None


def _skip(event: Event | None, next_event: NextEvent) -> None:
    open_levels = int(isinstance(event, _STARTS))
    while open_levels:
        event = next_event()
        open_levels += isinstance(event, _STARTS) - isinstance(event, _ENDS)
