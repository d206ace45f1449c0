"""The quick way through a file that has nothing wrong with it: libyaml's events, no places, no explanations.

A file that is written plainly does without the events, too (`yaml_lines`).

Anything that strict YAML refuses, and anything unusual, makes it give up: `strict_yaml` reads the file
again, slowly, and says what is wrong and where. Both read what they accept alike; a law test holds
them against each other. Of the time that this takes, four fifths are the making of the events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from yaml import CSafeLoader, YAMLError
from yaml.events import (
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from provisioner.inventory.files.yaml_lines import NOT_PLAIN, read_lines
from provisioner.inventory.files.yaml_scalars import resolve

NextEvent = Callable[[], Event | None]
"""libyaml's next event; None behind the end of the stream."""
GAVE_UP: Final = object()
"""What `read_quickly` returns where `strict_yaml` has to look: None is a value."""


class _GiveUp(Exception):  # noqa: N818 (a way out of the recursion, not an error of ours)
    """Something that the quick way does not judge."""


def read_quickly(data: bytes, max_depth: int) -> object:
    """The value of a file that holds one mapping, or GAVE_UP.

    Args:
        data: UTF-8 without a byte order mark.
        max_depth: levels of nesting; deeper ones are given up on.
    """
    plain = read_lines(data.decode())
    if plain is not NOT_PLAIN:
        return plain
    try:
        next_event = CSafeLoader(data).get_event
        next_event()
        start = next_event()
        if type(start) is not DocumentStartEvent or start.version or start.tags:
            return GAVE_UP
        value = _document(next_event, max_depth)
        next_event()
        return value if type(next_event()) is StreamEndEvent else GAVE_UP
    except (_GiveUp, YAMLError):
        return GAVE_UP


def _document(next_event: NextEvent, max_depth: int) -> object:
    first = next_event()
    if type(first) is not MappingStartEvent or first.anchor is not None or first.tag is not None:
        raise _GiveUp
    return _mapping(next_event, max_depth - 1)


def _mapping(next_event: NextEvent, levels: int) -> dict[str, object]:
    entries: dict[str, object] = {}
    while True:
        event = next_event()
        if type(event) is not ScalarEvent:
            if type(event) is MappingEndEvent:
                return entries
            raise _GiveUp
        key = event.value
        if key in entries or key == "<<" or event.anchor is not None or event.tag is not None:
            raise _GiveUp
        event = next_event()
        if type(event) is ScalarEvent and event.anchor is None and event.tag is None:
            entries[key] = event.value if event.style else resolve(event.value)
        else:
            entries[key] = _collection(event, next_event, levels)


def _sequence(next_event: NextEvent, levels: int) -> list[object]:
    items: list[object] = []
    while True:
        event = next_event()
        if type(event) is ScalarEvent and event.anchor is None and event.tag is None:
            items.append(event.value if event.style else resolve(event.value))
        elif type(event) is SequenceEndEvent:
            return items
        else:
            items.append(_collection(event, next_event, levels))


def _collection(event: Event | None, next_event: NextEvent, levels: int) -> object:
    if type(event) is not MappingStartEvent and type(event) is not SequenceStartEvent:
        raise _GiveUp  # an alias, or a scalar with an anchor or a tag
    if event.anchor is not None or event.tag is not None or not levels:
        raise _GiveUp
    return (_mapping if type(event) is MappingStartEvent else _sequence)(next_event, levels - 1)
