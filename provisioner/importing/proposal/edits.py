"""From wishes to the smallest edit of a facility's file. Pure: bytes in, bytes out."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from provisioner.base.vietnamese import clean
from provisioner.importing.proposal.draft import Draft, WantedValue, Way
from provisioner.inventory.files.edit import EditError, Flow, edited
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.files.strict_yaml import parse
from provisioner.inventory.model import (
    Blocked,
    Camera,
    Capacity,
    Facility,
    Gateway,
    Location,
    Model,
    Recorder,
    Stream,
    Streams,
    Survey,
    Uplink,
)
from provisioner.inventory.model.connection import CameraCount

_LISTS = frozenset({"cameras", "recorders"})
_DEFAULTS = {"port": 554, "codec": "h264", "audio": False, "channel": 1}
"""What the model takes where nothing is written: writing it out would change a file and say nothing new."""
_MODELS: tuple[type[Model], ...] = (
    *(Facility, Location, Survey, Uplink, CameraCount, Capacity, Blocked, Gateway),
    *(Recorder, Camera, Streams, Stream),
)
"""Whose order of keys new mappings take."""
_FREE_TEXTS = frozenset(
    {
        *("name", "street", "ward", "district", "model", "location", "provider", "router"),
        *("obstacles", "advice", "next_action", "rtsp_path"),
    }
)
"""Keys whose values a report does not repeat: people write anything there."""
_LONGEST_LINE = 100


@dataclass(frozen=True)
class FieldChange:
    """One value that changes in a file.

    Attributes:
        way: where, e.g. `cameras.cam-01.zone`.
        before: the old value; empty where there was none, or where it is a free text.
        after: the new value; empty where it is a free text.
    """

    way: str
    before: str
    after: str


@dataclass(frozen=True)
class Edit:
    """What becomes of a facility's file.

    Attributes:
        facility: its id.
        before: its bytes; None where there is no file yet.
        after: its new bytes.
        changes: what changes, value by value.
        origins: the wishes by their ways, those included that change nothing.
    """

    facility: str
    before: bytes | None
    after: bytes
    changes: tuple[FieldChange, ...]
    origins: Mapping[Way, WantedValue]

    @property
    def changed(self) -> bool:
        """Whether a single byte changes."""
        return self.before != self.after


def edit_of(draft: Draft, before: bytes | None) -> Edit:
    """The edit that a draft asks for.

    Raises:
        EditError: the file cannot be edited.
    """
    data = f"version: 1\nid: {draft.facility}\n".encode() if before is None else before
    old = parse(data).value
    new = _applied(old, draft)
    changes = dict(_differences(old, new, ()))
    after = edited(data, changes) if changes else data
    origins = {wanted.way: wanted for wanted in draft.wanted}
    return Edit(draft.facility, before, after, tuple(_told(old, new, ())), origins)


def _applied(old: Any, draft: Draft) -> Any:
    if not isinstance(old, dict):
        raise EditError("the file is no mapping")
    new = copy.deepcopy(old)
    for way in draft.whole:
        _empty(new, way)
    for wanted in draft.wanted:
        _put(new, wanted.way, wanted.value, old)
    for way in draft.whole:
        _restore_comparable(new, old, way)
    return new


def _empty(document: Any, way: Way) -> None:
    parent = _step_into(document, way[:-1])
    if way[-2:-1] and way[-2] in _LISTS:
        index = _index(parent, way[-1])
        parent[index] = {"id": way[-1]}
    else:
        parent[way[-1]] = {}


def _restore_comparable(new: Any, old: Any, way: Way) -> None:
    """Keep texts of a rewritten mapping as they were spelled where they say the same."""
    here, there = _look(new, way), _look(old, way)
    if isinstance(here, dict) and isinstance(there, dict):
        for key, value in here.items():
            if key in there and _same(there[key], value):
                here[key] = there[key]


def _put(document: Any, way: Way, value: Any, old: Any) -> None:
    *parents, key = way
    here = document
    for part, parent in zip(parents, [None, *parents], strict=False):
        here = _child(here, part, parent)
    if key not in here and _DEFAULTS.get(key, ...) == value and not _is_told(key, way, old):
        return
    if key not in here or not _same(here[key], value):
        here[key] = value


def _is_told(key: str, way: Way, old: Any) -> bool:
    """Tell whether a value is written out although it is the default: a new camera's channel is."""
    return key == "channel" and _look(old, way[:-1]) is None


def _child(here: Any, part: str, parent: str | None) -> Any:
    if parent in _LISTS and isinstance(here, list):
        index = _index(here, part)
        if index is None:
            here.append({"id": part})
            return here[-1]
        return here[index]
    if part not in here or here[part] is None:
        here[part] = [] if part in _LISTS and parent is None else {}
    return here[part]


def _step_into(document: Any, way: Way) -> Any:
    here = document
    for part, parent in zip(way, [None, *way], strict=False):
        here = _child(here, part, parent)
    return here


def _look(document: Any, way: Way) -> Any:
    here = document
    for part in way:
        if isinstance(here, list):
            index = _index(here, part)
            here = None if index is None else here[index]
        else:
            here = here.get(part) if isinstance(here, dict) else None
    return here


def _index(items: Any, name: str) -> Any:
    return next((n for n, item in enumerate(items) if isinstance(item, dict) and item.get("id") == name), None)


def _same(old: Any, new: Any) -> bool:
    """Tell whether two values say the same: spaces and the composition of letters do not count."""
    if isinstance(old, str) and isinstance(new, str):
        return old == new or clean(old) == new
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)


# --- the edit -------------------------------------------------------------------------------------


def _differences(old: Any, new: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    """The fewest places at which values have to be set, in the order of the model."""
    if isinstance(old, dict) and isinstance(new, dict) and not set(old) - set(new):
        for key in _sorted(new):
            if key not in old:
                yield (*path, key), _styled(new[key])
            elif old[key] != new[key]:
                yield from _differences(old[key], new[key], (*path, key))
    elif old and _are_items(old) and _are_items(new) and len(old) <= len(new):
        for index, item in enumerate(new):
            if index >= len(old):
                yield (*path, index), _styled(item)
            elif old[index] != item:
                yield from _differences(old[index], item, (*path, index))
    else:
        yield path, _styled(new)


def _are_items(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _sorted(keys: Iterable[str]) -> list[str]:
    """Order keys as the first model that has them all."""
    given = list(keys)
    order = next((list(m.model_fields) for m in _MODELS if set(given) <= set(m.model_fields)), given)
    return sorted(given, key=order.index)


def _styled(value: Any) -> Any:
    """Order a new mapping's keys as the model has them, and write short ones on one line."""
    if isinstance(value, list):
        return [_styled(item) for item in value]
    if not isinstance(value, dict):
        return value
    ordered = {key: _styled(value[key]) for key in _sorted(value)}
    plain = not any(isinstance(item, dict | list) for item in ordered.values())
    short = sum(len(f"{key}: {item}, ") for key, item in ordered.items()) <= _LONGEST_LINE
    return Flow(ordered) if plain and short else ordered


def _told(old: Any, new: Any, way: Way) -> Iterator[FieldChange]:
    """What changes, for people: a new mapping is told value by value as well."""
    if isinstance(new, dict):
        before = old if isinstance(old, dict) else {}
        for key in _sorted({**before, **new}):
            if before.get(key, ...) != new.get(key, ...) and key != "id":
                yield from _told(before.get(key), new.get(key), (*way, key))
    elif _are_items(new) and new:
        known = {item.get("id"): item for item in old or () if isinstance(item, dict)}
        for item in new:
            if known.get(item.get("id")) != item:
                yield from _told(known.get(item.get("id")), item, (*way, str(item.get("id"))))
    else:
        free = bool(way) and way[-1] in _FREE_TEXTS
        yield FieldChange(".".join(way), "" if free else _shown(old), "" if free else _shown(new))


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
