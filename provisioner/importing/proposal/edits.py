"""Wanted values, and the smallest edit that makes them true. Pure."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeGuard

from provisioner.base.vietnamese import clean
from provisioner.importing.grid import Finding, Remark, error
from provisioner.importing.tables.files import ReadRow
from provisioner.inventory.files.edit import EditError, Flow, edited
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.model.base import Model
from provisioner.inventory.model.devices import Camera, Recorder, Stream, Streams
from provisioner.inventory.model.facility import (
    Blocked,
    CameraCount,
    Capacity,
    ClaimedConnection,
    Facility,
    Gateway,
    Location,
    Survey,
    Uplink,
)
from provisioner.inventory.model.free_texts import text_keys

#: The keys to a value in a facility's file; unlike in a `KeyPath`, cameras and recorders have ids.
FieldPath = tuple[str, ...]
_LISTS = frozenset({"cameras", "recorders"})
#: The model's defaults: writing them would change a file without effect.
_DEFAULTS = {
    name: field.default
    for model in (Camera, Stream)
    for name, field in model.model_fields.items()
    if not field.is_required()
}
#: Models whose order of keys new mappings take.
_MODELS: tuple[type[Model], ...] = (
    *(Facility, Location, Survey, Uplink, CameraCount, Capacity, Blocked, ClaimedConnection, Gateway),
    *(Recorder, Camera, Streams, Stream),
)
_LONGEST_LINE = 100


@dataclass(frozen=True)
class WantedValue:
    """A value for a facility's file, with its cell's row and column."""

    path: FieldPath
    value: object = field(repr=False)
    record: ReadRow
    key: str


@dataclass
class FacilityDraft:
    """The values that rows want in one facility's file."""

    facility: str
    existing: Facility | None  #: The inventory's facility; `None` for a new one.
    province: str  #: The slug of a new facility's province.
    #: The values that cells ask for; of two for one path the later counts.
    wanted_values: list[WantedValue] = field(default_factory=list)
    rewritten: set[FieldPath] = field(default_factory=set)  #: Paths of mappings to rewrite, because keys must go.
    lan: str | None = None  #: A LAN without a gateway to store it, for the check of addresses.
    findings: list[Finding] = field(default_factory=list)

    def say(self, row: ReadRow, remark: Remark, key: str = "") -> None:
        """Add a finding in a row's cell."""
        self.findings.append(row.finding(remark, key, self.facility))

    def want(self, row: ReadRow, path: FieldPath, key: str, value: object = None) -> None:
        """Want a column's value, or the given one; ignore an empty cell."""
        if value is None:
            value = row.get(key)
        if value is not None:
            self.wanted_values.append(WantedValue(path, value, row, key))

    def require(self, row: ReadRow, *keys: str) -> bool:
        """Return whether columns are filled; report each empty one."""
        missing = [key for key in keys if row.get(key) is None]
        for key in missing:
            if key in row.filled:
                continue  # what stands there was not understood, and a finding says so already
            header = row.table.form.by_key[key].header
            if row.column(key) in row.table.places:
                self.say(row, error("required-missing", column=header), key)
            else:
                position = row.table.at(row.table.header_row)
                self.findings.append(Finding(position, error("column-missing", column=header)))
                # The row itself is kept out as well.
                self.say(row, error("required-missing", column=header))
        return not missing


@dataclass(frozen=True)
class FieldChange:
    """One changed value of a file, at e.g. `cameras.cam-01.zone`."""

    path: str
    before: str  #: Empty for a new value; both are empty for a free text.
    after: str


@dataclass(frozen=True)
class FacilityEdit:
    """A file's edit."""

    facility: str
    before: bytes | None  #: `None` for a new file.
    after: bytes
    changes: tuple[FieldChange, ...]
    origins: Mapping[FieldPath, WantedValue]  #: All wanted values by path, also unchanged ones.

    @property
    def changed(self) -> bool:
        """Return whether a byte changes."""
        return self.before != self.after


class _ItemsById(list[object]):
    """The cameras or recorders of a file by id; it only grows."""

    def __init__(self, items: Iterable[object] = ()) -> None:
        super().__init__(items)
        self._indexes: dict[str, int] = {}
        self._indexed_count = 0

    def index_of(self, name: str) -> int | None:
        for index in range(self._indexed_count, len(self)):
            item = self[index]
            if isinstance(item, dict) and isinstance(item.get("id"), str):
                self._indexes.setdefault(item["id"], index)
        self._indexed_count = len(self)
        return self._indexes.get(name)


def edit_of(draft: FacilityDraft, before: bytes | None) -> FacilityEdit:
    """Return the edit of a draft; an uneditable file raises `EditError`."""
    data = f"version: 1\nid: {draft.facility}\n".encode() if before is None else before
    old = _with_items(parse(data).value)
    new = _with_wanted_values(old, draft)
    changes = dict(_differences(old, new, ()))
    after = edited(data, changes) if changes else data
    origins = {wanted_value.path: wanted_value for wanted_value in draft.wanted_values}
    return FacilityEdit(draft.facility, before, after, tuple(_field_changes(old, new, ())), origins)


def _with_wanted_values(old: object, draft: FacilityDraft) -> object:
    new = _with_items(copy.deepcopy(old))
    for path in draft.rewritten:
        _empty_item(new, path)
    for wanted_value in draft.wanted_values:
        _set_value(new, wanted_value.path, wanted_value.value, old)
    for path in draft.rewritten:
        _restore_comparable(new, old, path)
    return new


def _with_items(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {key: _ItemsById(item) if key in _LISTS and isinstance(item, list) else item for key, item in value.items()}


def _empty_item(document: object, path: FieldPath) -> None:
    parent, key = _step_into(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent[_index_or_error(parent, key)] = {"id": key}
    else:
        _mapping(parent)[key] = {}


def _restore_comparable(new: object, old: object, path: FieldPath) -> None:
    rewritten, original = _value_at(new, path), _value_at(old, path)
    if isinstance(rewritten, dict) and isinstance(original, dict):
        for key, value in rewritten.items():
            if key in original and _same_value(original[key], value):
                rewritten[key] = original[key]


def _set_value(document: object, path: FieldPath, value: object, old: object) -> None:
    parent, key = _mapping(_step_into(document, path[:-1])), path[-1]
    if key not in parent and _DEFAULTS.get(key, ...) == value and not _is_written_out(key, path, old):
        return
    if key not in parent or not _same_value(parent[key], value):
        parent[key] = value


def _is_written_out(key: str, path: FieldPath, old: object) -> bool:
    """Return whether a default is written: a new camera's channel is."""
    return key == "channel" and _value_at(old, path[:-1]) is None


def _step_into(document: object, path: FieldPath) -> object:
    """Return the mapping or list at a path; make missing ones."""
    node = document
    for part, parent in zip(path, [None, *path], strict=False):
        node = _child_or_new(node, part, parent)
    return node


def _child_or_new(node: object, part: str, parent: str | None) -> object:
    if parent in _LISTS and isinstance(node, list):
        if _index(node, part) is None:
            node.append({"id": part})
        return node[_index_or_error(node, part)]
    mapping = _mapping(node)
    if mapping.get(part) is None:
        mapping[part] = _ItemsById() if part in _LISTS and parent is None else {}
    return mapping[part]


def _value_at(document: object, path: FieldPath) -> object:
    node = document
    for part in path:
        if isinstance(node, list):
            index = _index(node, part)
            node = None if index is None else node[index]
        else:
            node = node.get(part) if isinstance(node, dict) else None
    return node


def _mapping(node: object) -> dict[str, object]:
    if not isinstance(node, dict):
        raise EditError("the file is no mapping")
    return node


def _index(items: list[object], name: str) -> int | None:
    return items.index_of(name) if isinstance(items, _ItemsById) else None


def _index_or_error(items: list[object], name: str) -> int:
    index = _index(items, name)
    if index is None:
        raise EditError(f"the file has no {name}")
    return index


def _same_value(old: object, new: object) -> bool:
    if isinstance(old, str) and isinstance(new, str):
        return old == new or clean(old) == new
    return old == new and isinstance(old, bool) == isinstance(new, bool)


# --- the edit -------------------------------------------------------------------------------------
def _differences(old: object, new: object, path: KeyPath) -> Iterator[tuple[KeyPath, object]]:
    """Yield the fewest places to set values, in the model's order."""
    if isinstance(old, dict) and isinstance(new, dict) and not set(old) - set(new):
        for key in _sorted(new):
            if key not in old:
                yield (*path, key), _with_key_order(new[key])
            elif old[key] != new[key]:
                yield from _differences(old[key], new[key], (*path, key))
    elif old and _are_items(old) and _are_items(new) and len(old) <= len(new):
        for index, item in enumerate(new):
            if index >= len(old):
                yield (*path, index), _with_key_order(item)
            elif old[index] != item:
                yield from _differences(old[index], item, (*path, index))
    else:
        yield path, _with_key_order(new)


def _are_items(value: object) -> TypeGuard[list[dict[str, object]]]:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _sorted(keys: Iterable[str]) -> tuple[str, ...]:
    return _in_order(tuple(keys))


@lru_cache(maxsize=1024)
def _in_order(keys: tuple[str, ...]) -> tuple[str, ...]:
    order = next((list(m.model_fields) for m in _MODELS if set(keys) <= set(m.model_fields)), list(keys))
    return tuple(sorted(keys, key=order.index))


def _with_key_order(value: object) -> object:
    """Order a new mapping's keys; write short ones on one line."""
    if isinstance(value, list):
        return [_with_key_order(item) for item in value]
    if not isinstance(value, dict):
        return value
    ordered = {key: _with_key_order(value[key]) for key in _sorted(value)}
    plain = not any(isinstance(item, dict | list) for item in ordered.values())
    short = sum(len(f"{key}: {item}, ") for key, item in ordered.items()) <= _LONGEST_LINE
    return Flow(ordered) if plain and short else ordered


def _field_changes(old: object, new: object, path: FieldPath) -> Iterator[FieldChange]:
    if isinstance(new, dict):
        before = old if isinstance(old, dict) else {}
        for key in _sorted({**before, **new}):
            if before.get(key, ...) != new.get(key, ...) and key != "id":
                yield from _field_changes(before.get(key), new.get(key), (*path, key))
    elif _are_items(new) and new:
        old_items = {item.get("id"): item for item in (old if isinstance(old, list) else ()) if isinstance(item, dict)}
        for item in new:
            if old_items.get(item.get("id")) != item:
                yield from _field_changes(old_items.get(item.get("id")), item, (*path, str(item.get("id"))))
    else:
        free = bool(path) and path[-1] in text_keys(*_MODELS)
        yield FieldChange(".".join(path), "" if free else _text(old), "" if free else _text(new))


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
