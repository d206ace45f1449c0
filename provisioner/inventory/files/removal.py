"""Removals from a YAML file, and new names of keys: comments, order and style of the rest stay.

As in `edit`, the result is parsed again and held against what was wanted.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable

import yaml

from provisioner.inventory.files.edit import MISSING, EditError, bytes_like, text_of, value_at
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.files.strict_yaml import MAX_BYTES, parse


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


_Rewrite = Callable[[str, yaml.CollectionNode, "str | int"], str]


def _changed(
    data: bytes, path: KeyPath, max_bytes: int, rewrite: _Rewrite, change: Callable[[object, str | int], object]
) -> bytes:
    document = parse(data, max_bytes=max_bytes)
    if document.faults:
        raise EditError(document.faults[0].message)
    text = text_of(data)
    if value_at(document.value, path) is MISSING:
        return data
    parent = _collection(yaml.compose(text, Loader=yaml.CSafeLoader), path[:-1])
    result = bytes_like(data, rewrite(text, parent, path[-1]))
    expected = copy.deepcopy(document.value)
    change(value_at(expected, path[:-1]), path[-1])
    after = parse(result, max_bytes=max_bytes)
    if after.faults or after.value != expected:
        raise EditError("the edit would say something else than what was asked")
    return result


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


def _end(node: yaml.Node) -> int:
    """Where a node's own text ends: a block's mark stands behind the comments that follow it."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _last_of_line(text: str, index: int) -> int:
    """The end of a line's text, without its line break."""
    end = text.find("\n", index)
    return len(text) if end < 0 else end


def _end_of_line(text: str, index: int) -> int:
    """Where the next line begins; a block scalar ends there already."""
    if index and text[index - 1] == "\n":
        return index
    return min(_last_of_line(text, index) + 1, len(text))
