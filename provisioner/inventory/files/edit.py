"""The smallest edit of a YAML file that makes it say something else: comments, order and style of the rest stay.

Text is cut and put in at the places that libyaml finds. The result is parsed again and compared with
what was wanted: an edit that would say anything else is never returned.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from provisioner.inventory.files.plain_yaml import scalar
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.files.strict_yaml import MAX_BYTES, parse


class EditError(ValueError):
    """A file cannot be edited; the message says why."""


class Flow(dict[str, object]):
    """A mapping to be written on one line: `{ by: dic, signed_on: 2021-05-08 }`."""


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
    document = parse(data, max_bytes=max_bytes)
    if document.faults:
        raise EditError(document.faults[0].message)
    text = before = text_of(data)
    expected = copy.deepcopy(document.value)
    for path, value in changes.items():
        if not path:
            raise EditError("the whole file is not a place")
        if value_at(expected, path) == value:
            continue
        text = _set(text, path, value)
        expected = _with(expected, path, value)
    if text == before:
        return data
    result = bytes_like(data, text)
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


MISSING = object()
_FOREIGN = "\r\n"
_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?")
"""An IPv4 address or network: with three dots it is a number to nobody."""


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


def _set(text: str, path: KeyPath, value: object) -> str:
    node = yaml.compose(text, Loader=yaml.CSafeLoader)
    if node is None:
        raise EditError("the file is empty")
    place = _Place(node, None, 0, flow=False)
    for depth, part in enumerate(path):
        child = place.child(part)
        if child is None:
            if depth != len(path) - 1:
                raise EditError(f"there is no place {'.'.join(map(str, path[: depth + 1]))}")
            return _add(text, place, part, value)
        place = child
    return _replace(text, place, value)


def _end(text: str, node: yaml.Node) -> int:
    """Where a node's own text ends: a block's mark stands behind the comments that follow it."""
    if isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}:
        return len(text[: node.end_mark.index].rstrip("\n"))
    if not isinstance(node, yaml.CollectionNode) or node.flow_style:
        return node.end_mark.index
    last = node.value[-1]
    return _end(text, last[1] if isinstance(last, tuple) else last)


def _replace(text: str, place: _Place, value: object) -> str:
    node = place.node
    start, end = node.start_mark.index, _end(text, node)
    is_block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    if place.flow or not _needs_block(value):
        if is_block and place.key_end is not None:  # what is said behind the key stays
            between = text[place.key_end : start].rstrip()
            return f"{text[: place.key_end]} {_inline(value)}{between}{text[end:]}"
        space = " " if text[start - 1] not in " \n[{," else ""
        return f"{text[:start]}{space}{_inline(value)}{text[end:]}"
    if place.key_end is None:
        return text[:start] + _block(value, node.start_mark.column).lstrip() + text[end:]
    indent = place.key_column + 2
    if is_block:
        return f"{text[:start].rstrip(' ')}{_block(value, indent)}{text[end:]}"
    return f"{text[:start].rstrip()}\n{_block(value, indent)}{text[end:]}"


def _add(text: str, place: _Place, part: str | int, value: object) -> str:
    parent = place.node
    if isinstance(parent, yaml.MappingNode) and isinstance(part, str):
        entry = f"{_key(part)}:"
    elif isinstance(parent, yaml.SequenceNode) and part == len(parent.value):
        entry = "-"
    else:
        raise EditError(f"{part!r} cannot be added there")
    if place.flow or parent.flow_style:
        return _add_inline(text, parent, entry, value)
    column = parent.start_mark.column
    # A comment behind the last value stays on its line.
    tail = text.find("\n", _end(text, parent))
    tail = len(text) if tail < 0 else tail
    if _needs_block(value) and entry != "-":
        new = f"{' ' * column}{entry}\n{_block(value, column + 2)}"
    elif _needs_block(value):
        new = f"{' ' * column}- {_block(value, column + 2).lstrip()}"
    else:
        new = f"{' ' * column}{entry} {_inline(value)}"
    return f"{text[:tail]}\n{new}{text[tail:] or chr(10)}"


def _add_inline(text: str, parent: yaml.CollectionNode, entry: str, value: object) -> str:
    end = parent.end_mark.index - 1
    before = text[:end].rstrip()
    gap = text[len(before) : end]
    token = _inline(value) if entry == "-" else f"{entry} {_inline(value)}"
    comma = "" if not parent.value or before.endswith(",") else ","
    padding = " " if isinstance(parent, yaml.MappingNode) else ""
    space = " " if comma else gap or padding
    return f"{before}{comma}{space}{token}{gap or padding}{text[end:]}"


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
        return "{ " + ", ".join(f"{_key(k)}: {_inline(v)}" for k, v in value.items()) + " }" if value else "{}"
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
                lines += [f"{pad}{_key(key)}:", _block(item, indent + 2)]
            else:
                lines.append(f"{pad}{_key(key)}: {_inline(item)}")
    elif isinstance(value, Sequence):
        for item in value:
            text = _block(item, indent + 2).lstrip() if _needs_block(item) else _inline(item)
            lines.append(f"{pad}- {text}")
    return "\n".join(lines)


def _key(key: str) -> str:
    return _scalar(key)


def _scalar(value: object) -> str:
    """A token: a text stands plain where every reader of YAML takes it for the same text."""
    if not isinstance(value, str) or not _reads_plain(value):
        return scalar(value)
    return value


def _reads_plain(text: str) -> bool:
    """Tell whether a text needs no quotes, by the older rules of YAML 1.1 as well (where `no` is false)."""
    if not text or not text[0].isalpha() or not text[-1].isalnum() or any(c in text for c in ":#,[]{}\"'\n\t&*!|>%@`"):
        return _is_day(text) or bool(_ADDRESS.fullmatch(text))
    return text.isprintable() and yaml.safe_load(text) == text


def _is_day(text: str) -> bool:
    return len(text) == 10 and text[4] == text[7] == "-" and text.replace("-", "").isdigit() and text.isascii()  # noqa: PLR2004 (YYYY-MM-DD)
