"""Edits of YAML files that preserve comments, order and style.

Text is replaced at the positions that libyaml finds. The result is parsed again and compared with the expected value.

A new file has block mappings, with texts quoted as in JSON, so that every YAML reader reads the same value.
`allocations.lock.yml` has the same bytes for the same value, so that Git shows what changed.
"""

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
from provisioner.inventory.model.hosts import Allocations

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
#: An IPv4 address or network. No YAML reader takes three dots for a number.
_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?")
_Rewrite = Callable[[str, yaml.CollectionNode, "str | int"], str]


class EditError(ValueError):
    """A file cannot be edited; the message says why."""


class Flow(dict[str, object]):
    """A mapping on one line: `{ by: dic, signed_on: 2021-05-08 }`."""


@dataclass(frozen=True)
class _EditedNode:
    node: yaml.Node
    key_end: int | None  #: Index behind the key's colon; `None` for list items and the file itself.
    key_column: int  #: Column of the key, or of the list's dash.
    flow: bool

    def child(self, part: str | int) -> "_EditedNode | None":
        flow = self.flow or bool(getattr(self.node, "flow_style", False))
        column = self.node.start_mark.column
        if isinstance(self.node, yaml.MappingNode):
            for key, value in self.node.value:
                if key.value == part:
                    return _EditedNode(value, key.end_mark.index + 1, column, flow)
        elif isinstance(self.node, yaml.SequenceNode) and isinstance(part, int) and part < len(self.node.value):
            return _EditedNode(self.node.value[part], None, column, flow)
        return None


# --- whole files -----------------------------------------------------------------------------------
def render_mapping(mapping: Mapping[str, object]) -> str:
    """Return a mapping as YAML, unsorted, with ids as unquoted keys."""
    return "".join(f"{line}\n" for line in _yaml_lines(mapping, "")) or "{}\n"


def _yaml_lines(mapping: Mapping[str, object], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:"
            yield from _yaml_lines(value, indent + "  ")
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
    """Return a text, number, boolean or null as one YAML token."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", json.dumps(value, ensure_ascii=False))


def render_lock(allocations: Allocations) -> str:
    """Return the lock as YAML, with entries sorted by name."""
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
    """Replace an inventory's lock and return its path, or raise `InventoryError`."""
    path = root / LOCK_NAME
    write_atomic(path, render_lock(allocations), within=root)
    return path


# --- values set ------------------------------------------------------------------------------------
def edited(data: bytes, changes: Mapping[KeyPath, object], *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return a file with values set.

    `data` is strict YAML without faults, in UTF-8. `changes` has new values by path, set in this order. The parent has
    to exist; a list takes one new item at its end. Days are texts in YAML's form. A file with faults, or a path that
    does not exist, raises `EditError`.
    """
    expected = _parsed_value(data, max_bytes)
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
        expected = _with_value_at(expected, path, value)
    text = batch.text()
    if text == before:
        return data
    return _checked_result(bytes_like(data, text), expected, max_bytes)


def _parsed_value(data: bytes, max_bytes: int) -> object:
    document = parse(data, max_bytes=max_bytes)
    if document.faults:
        raise EditError(document.faults[0].message)
    return document.value


def _checked_result(result: bytes, expected: object, max_bytes: int) -> bytes:
    after = parse(result, max_bytes=max_bytes)
    if after.faults or after.value != expected:
        raise EditError("the edit would say something else than what was asked")
    return result


def text_of(data: bytes) -> str:
    """Return a file's text; if all line breaks are CRLF, with LF."""
    text = data.decode("utf-8-sig")
    return text.replace(_FOREIGN, "\n") if _has_foreign_breaks(text) else text


def bytes_like(data: bytes, text: str) -> bytes:
    """Return a file's new text as bytes, with its old line breaks."""
    return (text.replace("\n", _FOREIGN) if _has_foreign_breaks(data.decode("utf-8-sig")) else text).encode()


def _has_foreign_breaks(text: str) -> bool:
    return 0 < text.count(_FOREIGN) == text.count("\n")


def value_at(value: object, path: KeyPath) -> object:
    """Return the value at a path, or `MISSING`."""
    for part in path:
        if isinstance(value, dict):
            value = value.get(part, MISSING)
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part] if 0 <= part < len(value) else MISSING
        else:
            return MISSING
    return value


def _with_value_at(value: object, path: KeyPath, new: object) -> object:
    if not path:
        return _as_plain(new)
    parent = value_at(value, path[:-1])
    if isinstance(parent, dict) and isinstance(path[-1], str):
        parent[path[-1]] = _as_plain(new)
    elif isinstance(parent, list) and path[-1] == len(parent):
        parent.append(_as_plain(new))
    elif isinstance(parent, list) and isinstance(path[-1], int) and path[-1] < len(parent):
        parent[path[-1]] = _as_plain(new)
    else:
        raise EditError(f"there is no place {'.'.join(map(str, path))}")
    return value


def _as_plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _as_plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_as_plain(item) for item in value]
    return value


class _Splice(NamedTuple):
    start: int
    end: int
    new: str


class _Batch:
    """Independent changes of one parsed text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._node = yaml.compose(text, Loader=yaml.CSafeLoader)
        self._changed: set[KeyPath] = set()
        self._around: set[KeyPath] = set()  #: Paths above the changed ones.
        self._added: dict[KeyPath, tuple[_EditedNode, dict[str | int, object]]] = {}
        self._splices: list[_Splice] = []

    def is_apart(self, path: KeyPath) -> bool:
        """Return whether a path is independent of all changes so far."""
        # It must not be inside or around a changed path, nor the last entry of a collection that grows.
        above = [path[:length] for length in range(len(path))]
        if path in self._changed or path in self._around or not self._changed.isdisjoint(above):
            return False
        grown = (length for length, parent in enumerate(above) if parent in self._added)
        if any(path[length] == _last_key(self._added[above[length]][0].node) for length in grown):
            return False
        target = self._edited_node(path[:-1])
        if target.child(path[-1]) is not None or path[:-1] in self._added:
            return True
        last = (*path[:-1], _last_key(target.node))
        return last not in self._changed and last not in self._around

    def set(self, path: KeyPath, value: object) -> None:
        target = self._edited_node(path[:-1])
        child = target.child(path[-1])
        if child is not None:
            self._splices.append(_replacement_splice(self._text, child, value))
        else:
            _, added = self._added.setdefault(path[:-1], (target, {}))
            if isinstance(target.node, yaml.SequenceNode):
                fits = path[-1] == len(target.node.value) + len(added)
            else:
                fits = isinstance(target.node, yaml.MappingNode) and isinstance(path[-1], str)
            if not fits:
                raise EditError(f"{path[-1]!r} cannot be added there")
            added[path[-1]] = value
        self._changed.add(path)
        self._around.update(path[:length] for length in range(len(path)))

    def _edited_node(self, path: KeyPath) -> _EditedNode:
        if self._node is None:
            raise EditError("the file is empty")
        target = _EditedNode(self._node, None, 0, flow=False)
        for depth, part in enumerate(path, start=1):
            child = target.child(part)
            if child is None:
                raise EditError(f"there is no place {'.'.join(map(str, path[:depth]))}")
            target = child
        return target

    def text(self) -> str:
        added = (_addition_splice(self._text, target, entries) for target, entries in self._added.values())
        pieces, at = [], 0
        for splice in sorted((*self._splices, *added)):
            pieces += [self._text[at : splice.start], splice.new]
            at = splice.end
        return "".join((*pieces, self._text[at:]))


def _last_key(node: yaml.Node) -> str | int | None:
    if not isinstance(node, yaml.CollectionNode) or not node.value:
        return None
    last = node.value[-1]
    return str(last[0].value) if isinstance(last, tuple) else len(node.value) - 1


def _replacement_splice(text: str, target: _EditedNode, value: object) -> _Splice:
    """Return the splice that replaces a value, with its comments."""
    node = target.node
    start, end = node.start_mark.index, _end_of(node, text)
    is_block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    if target.flow or not _needs_block(value):
        if is_block and target.key_end is not None:  # what is said behind the key stays
            between = text[target.key_end : start].rstrip()
            return _Splice(target.key_end, end, f" {_inline_text(value)}{between}")
        space = " " if text[start - 1] not in " \n[{," else ""
        return _Splice(start, end, f"{space}{_inline_text(value)}")
    if target.key_end is None:
        return _Splice(start, end, _block_lines(value, node.start_mark.column).lstrip())
    block = _block_lines(value, target.key_column + 2)
    if is_block:
        return _Splice(_end_before(text, start, " "), end, block)
    return _Splice(_end_before(text, start, string.whitespace), end, f"\n{block}")


def _end_before(text: str, index: int, spaces: str) -> int:
    """Return the end of the text before an index, without spaces."""
    while index and text[index - 1] in spaces:
        index -= 1
    return index


def _end_of(node: yaml.Node, text: str = "") -> int:
    """Return where a node's own text ends.

    libyaml's end mark of a block is behind the comments that follow. If `text` is given, a block scalar ends before its
    last line breaks.
    """
    if text and isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}:
        return len(text[: node.end_mark.index].rstrip("\n"))
    if not isinstance(node, yaml.CollectionNode) or node.flow_style:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end_of(last[1] if isinstance(last, tuple) else last, text)


def _addition_splice(text: str, target: _EditedNode, entries: Mapping[str | int, object]) -> _Splice:
    parent = cast("yaml.CollectionNode", target.node)
    named = [(f"{_scalar_token(part)}:" if isinstance(part, str) else "-", value) for part, value in entries.items()]
    if target.flow or parent.flow_style:
        return _inline_addition(text, parent, named)
    column = parent.start_mark.column
    # A comment behind the last value stays on its line.
    tail = _last_of_line(text, _end_of(parent, text))
    new = ""
    for entry, value in named:
        if _needs_block(value) and entry != "-":
            new += f"\n{' ' * column}{entry}\n{_block_lines(value, column + 2)}"
        elif _needs_block(value):
            new += f"\n{' ' * column}- {_block_lines(value, column + 2).lstrip()}"
        else:
            new += f"\n{' ' * column}{entry} {_inline_text(value)}"
    return _Splice(tail, tail, new if tail < len(text) else f"{new}\n")


def _inline_addition(text: str, parent: yaml.CollectionNode, entries: Sequence[tuple[str, object]]) -> _Splice:
    end = parent.end_mark.index - 1
    before = _end_before(text, end, string.whitespace)
    gap = text[before:end]
    tokens = (_inline_text(value) if entry == "-" else f"{entry} {_inline_text(value)}" for entry, value in entries)
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


def _inline_text(value: object) -> str:
    if isinstance(value, Mapping):
        return (
            "{ " + ", ".join(f"{_scalar_token(k)}: {_inline_text(v)}" for k, v in value.items()) + " }"
            if value
            else "{}"
        )
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_inline_text(item) for item in value) + "]"
    return _scalar_token(value)


def _block_lines(value: object, indent: int) -> str:
    """Return the lines of a collection, without the last line break."""
    pad = " " * indent
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, item in value.items():
            if _needs_block(item):
                lines += [f"{pad}{_scalar_token(key)}:", _block_lines(item, indent + 2)]
            else:
                lines.append(f"{pad}{_scalar_token(key)}: {_inline_text(item)}")
    elif isinstance(value, Sequence):
        for item in value:
            text = _block_lines(item, indent + 2).lstrip() if _needs_block(item) else _inline_text(item)
            lines.append(f"{pad}- {text}")
    return "\n".join(lines)


def _scalar_token(value: object) -> str:
    """Return a token; texts are unquoted if all YAML readers agree."""
    if not isinstance(value, str) or not _reads_plain(value):
        return scalar(value)
    return value


@lru_cache(maxsize=4096)
def _reads_plain(text: str) -> bool:
    """Return whether a text needs no quotes, also in YAML 1.1."""
    if not text or not text[0].isalpha() or not text[-1].isalnum() or any(c in text for c in ":#,[]{}\"'\n\t&*!|>%@`"):
        return _is_day(text) or bool(_ADDRESS.fullmatch(text))
    return text.isprintable() and yaml.load(text, yaml.CSafeLoader) == text


def _is_day(text: str) -> bool:
    return len(text) == 10 and text[4] == text[7] == "-" and text.replace("-", "").isdigit() and text.isascii()  # noqa: PLR2004 (YYYY-MM-DD)


# --- entries removed and renamed -------------------------------------------------------------------
def removed(data: bytes, path: KeyPath, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return a file (strict YAML) without one mapping entry or list item.

    A missing entry changes nothing. Comments are removed with it: those on its lines, right above it (unless it is the
    first), and behind it, further in than its dash. A file with faults, or without another entry, raises `EditError`.
    """
    return _rewritten(data, path, max_bytes, _cut_child, _delete_child)


def renamed(data: bytes, path: KeyPath, name: str, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Rename one mapping entry, or raise `EditError` if the key exists."""

    def rename_key(text: str, parent: yaml.CollectionNode, part: str | int) -> str:
        if not isinstance(parent, yaml.MappingNode) or any(key.value == name for key, _ in parent.value):
            raise EditError(f"{part} cannot be called {name} there")
        key = next(key for key, _ in parent.value if key.value == part)
        return f"{text[: key.start_mark.index]}{name}{text[key.end_mark.index :]}"

    def rename_value(parent: object, part: object) -> None:
        if isinstance(parent, dict):
            items = [(name if key == part else key, value) for key, value in parent.items()]
            parent.clear()
            parent.update(items)

    return _rewritten(data, path, max_bytes, rename_key, rename_value)


def _delete_child(parent: object, part: str | int) -> None:
    if isinstance(parent, dict):
        parent.pop(part)
    elif isinstance(parent, list) and isinstance(part, int):
        del parent[part]


def _rewritten(
    data: bytes, path: KeyPath, max_bytes: int, rewrite: _Rewrite, change: Callable[[object, str | int], object]
) -> bytes:
    expected = _parsed_value(data, max_bytes)
    text = text_of(data)
    if value_at(expected, path) is MISSING:
        return data
    parent = _collection_at(yaml.compose(text, Loader=yaml.CSafeLoader), path[:-1])
    result = bytes_like(data, rewrite(text, parent, path[-1]))
    change(value_at(expected, path[:-1]), path[-1])
    return _checked_result(result, expected, max_bytes)


def _collection_at(node: yaml.Node | None, path: KeyPath) -> yaml.CollectionNode:
    for part in path:
        if isinstance(node, yaml.MappingNode):
            node = next(value for key, value in node.value if key.value == part)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
    if not isinstance(node, yaml.CollectionNode):
        raise EditError("there is no such place")
    return node


def _cut_child(text: str, parent: yaml.CollectionNode, part: str | int) -> str:
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
    end = _end_of_line(text, _end_of(last))
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
    """Return the start of the comment right above an item, unless first."""
    while start:
        line = text.rfind("\n", 0, start - 1) + 1
        if not re.match(rf" {{{column}}}#", text[line:start]):
            return start
        start = line
    return start


def _with_words_inside(text: str, end: int, column: int) -> int:
    """Return the end of comments behind an item, beyond its dash's column."""
    inside = re.compile(rf"(?:[ \t]*\n)* {{{column + 1},}}#[^\n]*(?:\n|$)")
    while match := inside.match(text, end):
        end = match.end()
    return end


def _cut_first(text: str, parent: yaml.MappingNode, end: int) -> str:
    """Remove an item's first entry; `EditError` if its comment could mislead."""
    first, then = parent.value[0][0].start_mark.index, parent.value[1][0].start_mark.index
    if text[end:then].strip():
        raise EditError("a comment stands behind what begins an item: remove it by hand")
    return text[:first] + text[then:]


def _emptied(text: str, parent: yaml.CollectionNode) -> str:
    empty = "{}" if isinstance(parent, yaml.MappingNode) else "[]"
    start = parent.start_mark.index
    if parent.flow_style:
        return text[:start] + empty + text[parent.end_mark.index :]
    if not start:
        raise EditError("nothing would be left of the file")
    before = text[:start].rstrip()
    if not before.endswith((":", "-")):
        raise EditError("what stands before it is a comment: remove it by hand")
    return f"{before} {empty}{text[_last_of_line(text, _end_of(parent)) :]}"


def _cut_inline(text: str, parent: yaml.CollectionNode, index: int) -> str:
    starts = [(item[0] if isinstance(item, tuple) else item).start_mark.index for item in parent.value]
    ends = [(item[1] if isinstance(item, tuple) else item).end_mark.index for item in parent.value]
    if index + 1 < len(starts):
        return text[: starts[index]] + text[starts[index + 1] :]
    return text[: ends[index - 1]] + text[ends[index] :]


def _last_of_line(text: str, index: int) -> int:
    end = text.find("\n", index)
    return len(text) if end < 0 else end


def _end_of_line(text: str, index: int) -> int:
    """Return the next line's start; a block scalar already ends there."""
    if index and text[index - 1] == "\n":
        return index
    return min(_last_of_line(text, index) + 1, len(text))
