"""Edits of YAML files that leave comments, order and style alone.

Text is cut and put in at the places that libyaml finds. The result is parsed again and compared with
what was wanted: an edit that would say anything else is never returned.

A whole new file is block mappings with texts quoted as in JSON, so that every reader of YAML reads it back as it was.
`allocations.lock.yml` is the same bytes for the same value, so that Git shows what changed.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, cast

import yaml

from provisioner.base.files import write_atomic
from provisioner.inventory.files.layout import LOCK_NAME
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.files.yaml import MAX_BYTES, parse
from provisioner.inventory.model import Allocations

# JSON leaves these as they are, but YAML takes some for line breaks and refuses the others.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_HEADER = """\
# Recorded addresses, ports, public keys and hashes. Written by `provisioner allocate` and
# `provisioner keys init` alone; review the change in Git, do not edit by hand.
"""

_ADOPTED = "# `adopted` is written by `provisioner hosts adopt`, too: hosts that are to be taken over, and from whom.\n"

_NEXT_CERTIFICATES = "# `next_certificate` is written by `provisioner certificate renew`: what relays show next.\n"
_NEXT_KEYS = "# `next_key` is written by `provisioner keys rotate --relay`: keys that follow relays' own ones.\n"
MISSING = object()
_FOREIGN = "\r\n"
_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?")
"""An IPv4 address or network: with three dots it is a number to nobody."""
_Rewrite = Callable[[str, yaml.CollectionNode, "str | int"], str]


class EditError(ValueError):
    """A file cannot be edited; the message says why."""


class Flow(dict[str, object]):
    """A mapping to be written on one line: `{ by: dic, signed_on: 2021-05-08 }`."""


@dataclass(frozen=True)
class _Place:
    """A node of the file and how it is written.

    Attributes:
        key_end: where the key's colon ends; None for list items and the file itself.
        key_column: the column of the key, or of the list's dash.
        flow: whether it stands inside braces or brackets.
    """

    node: yaml.Node
    key_end: int | None
    key_column: int
    flow: bool

    def child(self, part: str | int) -> _Place | None:
        flow = self.flow or bool(getattr(self.node, "flow_style", False))
        column = self.node.start_mark.column
        if isinstance(self.node, yaml.MappingNode):
            for key, value in self.node.value:
                if key.value == part:
                    return _Place(value, key.end_mark.index + 1, column, flow)
        elif isinstance(self.node, yaml.SequenceNode) and isinstance(part, int) and part < len(self.node.value):
            return _Place(self.node.value[part], None, column, flow)
        return None


# --- whole files -----------------------------------------------------------------------------------


def render_mapping(mapping: Mapping[str, object]) -> str:
    """The text of a mapping; keys are ids and stand plain, mappings below the first level are not sorted."""
    return "".join(f"{line}\n" for line in _lines(mapping, "")) or "{}\n"


def _lines(mapping: Mapping[str, object], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list | tuple) and value:
            yield f"{indent}{key}:"
            yield from (f"{indent}  - {_item(item)}" for item in value)
        else:
            yield f"{indent}{key}: {scalar(value)}"


def _item(item: object) -> str:
    if not isinstance(item, dict):
        return scalar(item)
    return "{ " + ", ".join(f"{key}: {scalar(value)}" for key, value in item.items()) + " }"


def scalar(value: object) -> str:
    """A text, number, boolean or nothing as one YAML token."""
    text = json.dumps(value, ensure_ascii=False)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def render_lock(allocations: Allocations) -> str:
    """The lock's text; entries are in the order of their names."""
    document = allocations.model_dump(mode="json", exclude_none=True)
    return (
        _HEADER
        + (_ADOPTED if "adopted" in document else "")
        + (_NEXT_CERTIFICATES if any(relay.next_certificate for relay in allocations.relays.values()) else "")
        + (_NEXT_KEYS if any(relay.next_key for relay in allocations.relays.values()) else "")
        + render_mapping({key: _sorted(value) for key, value in document.items()})
    )


def _sorted(value: object) -> object:
    return dict(sorted(value.items())) if isinstance(value, dict) else value


def write_lock(root: Path, allocations: Allocations) -> Path:
    """Replace an inventory's lock; its path is returned.

    Raises:
        InventoryError: the file cannot be written; the old one is untouched.
    """
    path = root / LOCK_NAME
    write_atomic(path, render_lock(allocations), within=root)
    return path


# --- values set ------------------------------------------------------------------------------------


def edited(data: bytes, changes: Mapping[KeyPath, object], *, max_bytes: int = MAX_BYTES) -> bytes:
    """A file's text with values set.

    Args:
        data: the file, strict YAML without faults, in UTF-8.
        changes: new values by place, applied in this order. The parent of a place has to exist; a list
            takes one new item at its length. Days are texts, written as YAML has them.
        max_bytes: how large the file may be.

    Raises:
        EditError: the file has faults, or a place cannot be reached.
    """
    expected = _parsed(data, max_bytes)
    before = text_of(data)
    batch = _Batch(before)
    for path, value in changes.items():
        if not path:
            raise EditError("the whole file is not a place")
        if value_at(expected, path) == value:
            continue
        if not batch.is_apart(path):
            batch = _Batch(batch.text())
        batch.set(path, value)
        expected = _with(expected, path, value)
    text = batch.text()
    if text == before:
        return data
    return _confirmed(bytes_like(data, text), expected, max_bytes)


def _parsed(data: bytes, max_bytes: int) -> object:
    document = parse(data, max_bytes=max_bytes)
    if document.faults:
        raise EditError(document.faults[0].message)
    return document.value


def _confirmed(result: bytes, expected: object, max_bytes: int) -> bytes:
    """A new text of a file that says what was wanted."""
    after = parse(result, max_bytes=max_bytes)
    if after.faults or after.value != expected:
        raise EditError("the edit would say something else than what was asked")
    return result


def text_of(data: bytes) -> str:
    """What a file says, with line breaks of one kind where it has those of another system throughout."""
    text = data.decode("utf-8-sig")
    return text.replace(_FOREIGN, "\n") if _has_foreign_breaks(text) else text


def bytes_like(data: bytes, text: str) -> bytes:
    """A new text of a file, with the line breaks that the file has."""
    return (text.replace("\n", _FOREIGN) if _has_foreign_breaks(data.decode("utf-8-sig")) else text).encode()


def _has_foreign_breaks(text: str) -> bool:
    return 0 < text.count(_FOREIGN) == text.count("\n")


def value_at(value: object, path: KeyPath) -> object:
    """What stands at a place of a file's value; `MISSING` where nothing does."""
    for part in path:
        if isinstance(value, dict):
            value = value.get(part, MISSING)
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part] if 0 <= part < len(value) else MISSING
        else:
            return MISSING
    return value


def _with(value: object, path: KeyPath, new: object) -> object:
    if not path:
        return _plain(new)
    parent = value_at(value, path[:-1])
    if isinstance(parent, dict) and isinstance(path[-1], str):
        parent[path[-1]] = _plain(new)
    elif isinstance(parent, list) and path[-1] == len(parent):
        parent.append(_plain(new))
    elif isinstance(parent, list) and isinstance(path[-1], int) and path[-1] < len(parent):
        parent[path[-1]] = _plain(new)
    else:
        raise EditError(f"there is no place {'.'.join(map(str, path))}")
    return value


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


class _Splice(NamedTuple):
    """A piece of a text, and what comes into its place."""

    start: int
    end: int
    new: str


class _Batch:
    """Changes that leave each other's places as they are: the text is read once for all of them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._node = yaml.compose(text, Loader=yaml.CSafeLoader)
        self._changed: set[KeyPath] = set()
        self._around: set[KeyPath] = set()
        """What the changed places are in."""
        self._added: dict[KeyPath, tuple[_Place, dict[str | int, object]]] = {}
        self._splices: list[_Splice] = []

    def is_apart(self, path: KeyPath) -> bool:
        """Tell whether a place is in no changed one, around none, and not what a grown collection ended with."""
        above = [path[:length] for length in range(len(path))]
        if path in self._changed or path in self._around or not self._changed.isdisjoint(above):
            return False
        grown = (length for length, one in enumerate(above) if one in self._added)
        if any(path[length] == _last(self._added[above[length]][0].node) for length in grown):
            return False
        place = self._place(path[:-1])
        if place.child(path[-1]) is not None or path[:-1] in self._added:
            return True
        last = (*path[:-1], _last(place.node))
        return last not in self._changed and last not in self._around

    def set(self, path: KeyPath, value: object) -> None:
        """Set a value at a place that is apart; what is not there is added."""
        place = self._place(path[:-1])
        child = place.child(path[-1])
        if child is not None:
            self._splices.append(_replace(self._text, child, value))
        else:
            _, added = self._added.setdefault(path[:-1], (place, {}))
            if isinstance(place.node, yaml.SequenceNode):
                fits = path[-1] == len(place.node.value) + len(added)
            else:
                fits = isinstance(place.node, yaml.MappingNode) and isinstance(path[-1], str)
            if not fits:
                raise EditError(f"{path[-1]!r} cannot be added there")
            added[path[-1]] = value
        self._changed.add(path)
        self._around.update(path[:length] for length in range(len(path)))

    def _place(self, path: KeyPath) -> _Place:
        if self._node is None:
            raise EditError("the file is empty")
        place = _Place(self._node, None, 0, flow=False)
        for depth, part in enumerate(path, start=1):
            child = place.child(part)
            if child is None:
                raise EditError(f"there is no place {'.'.join(map(str, path[:depth]))}")
            place = child
        return place

    def text(self) -> str:
        """The text with all changes."""
        added = (_add(self._text, place, entries) for place, entries in self._added.values())
        pieces, at = [], 0
        for splice in sorted((*self._splices, *added)):
            pieces += [self._text[at : splice.start], splice.new]
            at = splice.end
        return "".join((*pieces, self._text[at:]))


def _last(node: yaml.Node) -> str | int | None:
    """The key or the position of a collection's last entry."""
    if not isinstance(node, yaml.CollectionNode) or not node.value:
        return None
    last = node.value[-1]
    return str(last[0].value) if isinstance(last, tuple) else len(node.value) - 1


def _replace(text: str, place: _Place, value: object) -> _Splice:
    node = place.node
    start, end = node.start_mark.index, _end(node, text)
    is_block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    if place.flow or not _needs_block(value):
        if is_block and place.key_end is not None:  # what is said behind the key stays
            between = text[place.key_end : start].rstrip()
            return _Splice(place.key_end, end, f" {_inline(value)}{between}")
        space = " " if text[start - 1] not in " \n[{," else ""
        return _Splice(start, end, f"{space}{_inline(value)}")
    if place.key_end is None:
        return _Splice(start, end, _block(value, node.start_mark.column).lstrip())
    block = _block(value, place.key_column + 2)
    if is_block:
        return _Splice(_behind(text, start, " "), end, block)
    return _Splice(_behind(text, start, string.whitespace), end, f"\n{block}")


def _behind(text: str, index: int, spaces: str) -> int:
    """The end of what stands before a place, without spaces."""
    while index and text[index - 1] in spaces:
        index -= 1
    return index


def _end(node: yaml.Node, text: str = "") -> int:
    """Where a node's own text ends: a block's mark stands behind the comments that follow it.

    With the file's text, a block scalar ends before its last line breaks.
    """
    if text and isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}:
        return len(text[: node.end_mark.index].rstrip("\n"))
    if not isinstance(node, yaml.CollectionNode) or node.flow_style:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last, text)


def _add(text: str, place: _Place, entries: Mapping[str | int, object]) -> _Splice:
    """New entries at a collection's end."""
    parent = cast("yaml.CollectionNode", place.node)
    named = [(f"{_scalar(part)}:" if isinstance(part, str) else "-", value) for part, value in entries.items()]
    if place.flow or parent.flow_style:
        return _add_inline(text, parent, named)
    column = parent.start_mark.column
    # A comment behind the last value stays on its line.
    tail = _last_of_line(text, _end(parent, text))
    new = ""
    for entry, value in named:
        if _needs_block(value) and entry != "-":
            new += f"\n{' ' * column}{entry}\n{_block(value, column + 2)}"
        elif _needs_block(value):
            new += f"\n{' ' * column}- {_block(value, column + 2).lstrip()}"
        else:
            new += f"\n{' ' * column}{entry} {_inline(value)}"
    return _Splice(tail, tail, new if tail < len(text) else f"{new}\n")


def _add_inline(text: str, parent: yaml.CollectionNode, entries: Sequence[tuple[str, object]]) -> _Splice:
    end = parent.end_mark.index - 1
    before = _behind(text, end, string.whitespace)
    gap = text[before:end]
    tokens = (_inline(value) if entry == "-" else f"{entry} {_inline(value)}" for entry, value in entries)
    comma = "" if not parent.value or text[before - 1] == "," else ","
    padding = " " if isinstance(parent, yaml.MappingNode) else ""
    space = " " if comma else gap or padding
    return _Splice(before, end, f"{comma}{space}{', '.join(tokens)}{gap or padding}")


def _needs_block(value: object) -> bool:
    if isinstance(value, Flow):
        return False
    if isinstance(value, Mapping):
        return bool(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return any(isinstance(item, Mapping) for item in value)
    return False


def _inline(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_scalar(k)}: {_inline(v)}" for k, v in value.items()) + " }" if value else "{}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    return _scalar(value)


def _block(value: object, indent: int) -> str:
    """The lines of a collection at an indentation, without the last line break."""
    pad = " " * indent
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, item in value.items():
            if _needs_block(item):
                lines += [f"{pad}{_scalar(key)}:", _block(item, indent + 2)]
            else:
                lines.append(f"{pad}{_scalar(key)}: {_inline(item)}")
    elif isinstance(value, Sequence):
        for item in value:
            text = _block(item, indent + 2).lstrip() if _needs_block(item) else _inline(item)
            lines.append(f"{pad}- {text}")
    return "\n".join(lines)


def _scalar(value: object) -> str:
    """A token: a text stands plain where every reader of YAML takes it for the same text."""
    if not isinstance(value, str) or not _reads_plain(value):
        return scalar(value)
    return value


@lru_cache(maxsize=4096)
def _reads_plain(text: str) -> bool:
    """Tell whether a text needs no quotes, by the older rules of YAML 1.1 as well (where `no` is false)."""
    if not text or not text[0].isalpha() or not text[-1].isalnum() or any(c in text for c in ":#,[]{}\"'\n\t&*!|>%@`"):
        return _is_day(text) or bool(_ADDRESS.fullmatch(text))
    return text.isprintable() and yaml.load(text, yaml.CSafeLoader) == text


def _is_day(text: str) -> bool:
    return len(text) == 10 and text[4] == text[7] == "-" and text.replace("-", "").isdigit() and text.isascii()  # noqa: PLR2004 (YYYY-MM-DD)


# --- entries removed and renamed -------------------------------------------------------------------


def removed(data: bytes, path: KeyPath, *, max_bytes: int = MAX_BYTES) -> bytes:
    """A file's text without one entry of a mapping, or one item of a list; what stands on its lines goes with it.

    So does a comment right above an item that is not the first, and one further in than the dash behind its last line.

    Args:
        data: the file, strict YAML without faults, in UTF-8.
        path: the place of the entry; one that is not there changes nothing.
        max_bytes: how large the file may be.

    Raises:
        EditError: the file has faults, or the entry is the last one of the file.
    """
    return _changed(data, path, max_bytes, _cut, _drop)


def renamed(data: bytes, path: KeyPath, name: str, *, max_bytes: int = MAX_BYTES) -> bytes:
    """A file's text with another key for one entry of a mapping, in its place.

    Args:
        data: as for `removed`.
        path: the place of the entry.
        name: the new key, plain letters; the mapping has no such one.
        max_bytes: how large the file may be.

    Raises:
        EditError: the file has faults, or the mapping has that key already.
    """

    def rename(text: str, parent: yaml.CollectionNode, part: str | int) -> str:
        if not isinstance(parent, yaml.MappingNode) or any(key.value == name for key, _ in parent.value):
            raise EditError(f"{part} cannot be called {name} there")
        key = next(key for key, _ in parent.value if key.value == part)
        return f"{text[: key.start_mark.index]}{name}{text[key.end_mark.index :]}"

    def rename_value(parent: object, part: object) -> None:
        if isinstance(parent, dict):
            items = [(name if key == part else key, value) for key, value in parent.items()]
            parent.clear()
            parent.update(items)

    return _changed(data, path, max_bytes, rename, rename_value)


def _drop(parent: object, part: str | int) -> None:
    if isinstance(parent, dict):
        parent.pop(part)
    elif isinstance(parent, list) and isinstance(part, int):
        del parent[part]


def _changed(
    data: bytes, path: KeyPath, max_bytes: int, rewrite: _Rewrite, change: Callable[[object, str | int], object]
) -> bytes:
    expected = _parsed(data, max_bytes)
    text = text_of(data)
    if value_at(expected, path) is MISSING:
        return data
    parent = _collection(yaml.compose(text, Loader=yaml.CSafeLoader), path[:-1])
    result = bytes_like(data, rewrite(text, parent, path[-1]))
    change(value_at(expected, path[:-1]), path[-1])
    return _confirmed(result, expected, max_bytes)


def _collection(node: yaml.Node | None, path: KeyPath) -> yaml.CollectionNode:
    for part in path:
        if isinstance(node, yaml.MappingNode):
            node = next(value for key, value in node.value if key.value == part)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
    if not isinstance(node, yaml.CollectionNode):
        raise EditError("there is no such place")
    return node


def _cut(text: str, parent: yaml.CollectionNode, part: str | int) -> str:
    if isinstance(parent, yaml.MappingNode):
        index = next(i for i, (key, _) in enumerate(parent.value) if key.value == part)
        first, last = parent.value[index]
    else:
        index = int(part)
        first = last = parent.value[index]
    if len(parent.value) == 1:
        return _emptied(text, parent)
    if parent.flow_style:
        return _cut_inline(text, parent, index)
    start = text.rfind("\n", 0, first.start_mark.index) + 1
    before = text[start : first.start_mark.index].strip()
    if isinstance(parent, yaml.SequenceNode) and not before and text[:start].rstrip().endswith("-"):
        dash = len(text[:start].rstrip())  # it stands on a line of its own
        start = text.rfind("\n", 0, dash) + 1
        before = text[start:dash].strip()
    end = _end_of_line(text, _end(last))
    if isinstance(parent, yaml.MappingNode) and before == "-" and index == 0:
        return _cut_first(text, parent, end)
    if before != ("" if isinstance(parent, yaml.MappingNode) else "-"):
        raise EditError(f"{part} begins on a line with something else")
    if isinstance(parent, yaml.SequenceNode):
        column = parent.start_mark.column
        start = _with_words_above(text, start, column) if index else start
        end = _with_words_inside(text, end, column)
    return text[:start] + text[end:]


def _with_words_above(text: str, start: int, column: int) -> int:
    """Where the comment begins that stands right above an item: below the item's end it would be the next one's.

    What stands above the first item may be about the whole list, and is not asked for.
    """
    while start:
        line = text.rfind("\n", 0, start - 1) + 1
        if not re.match(rf" {{{column}}}#", text[line:start]):
            return start
        start = line
    return start


def _with_words_inside(text: str, end: int, column: int) -> int:
    """Where the comments end that stand behind an item's last line, further in than its dash."""
    inside = re.compile(rf"(?:[ \t]*\n)* {{{column + 1},}}#[^\n]*(?:\n|$)")
    while match := inside.match(text, end):
        end = match.end()
    return end


def _cut_first(text: str, parent: yaml.MappingNode, end: int) -> str:
    """The text without the first entry of an item, which stands on the dash's line: the next one comes there.

    Raises:
        EditError: a comment stands between the two, which would be another one's then.
    """
    first, then = parent.value[0][0].start_mark.index, parent.value[1][0].start_mark.index
    if text[end:then].strip():
        raise EditError("a comment stands behind what begins an item: remove it by hand")
    return text[:first] + text[then:]


def _emptied(text: str, parent: yaml.CollectionNode) -> str:
    """The text with nothing in a collection."""
    empty = "{}" if isinstance(parent, yaml.MappingNode) else "[]"
    start = parent.start_mark.index
    if parent.flow_style:
        return text[:start] + empty + text[parent.end_mark.index :]
    if not start:
        raise EditError("nothing would be left of the file")
    before = text[:start].rstrip()
    if not before.endswith((":", "-")):
        raise EditError("what stands before it is a comment: remove it by hand")
    return f"{before} {empty}{text[_last_of_line(text, _end(parent)) :]}"


def _cut_inline(text: str, parent: yaml.CollectionNode, index: int) -> str:
    """The text without one entry between braces or brackets, and without the comma that goes with it."""
    starts = [(item[0] if isinstance(item, tuple) else item).start_mark.index for item in parent.value]
    ends = [(item[1] if isinstance(item, tuple) else item).end_mark.index for item in parent.value]
    if index + 1 < len(starts):
        return text[: starts[index]] + text[starts[index + 1] :]
    return text[: ends[index - 1]] + text[ends[index] :]


def _last_of_line(text: str, index: int) -> int:
    """The end of a line's text, without its line break."""
    end = text.find("\n", index)
    return len(text) if end < 0 else end


def _end_of_line(text: str, index: int) -> int:
    """Where the next line begins; a block scalar ends there already."""
    if index and text[index - 1] == "\n":
        return index
    return min(_last_of_line(text, index) + 1, len(text))
