"""Strict YAML over libyaml's event stream: plain values, and the place of each one on demand.

The rules are those of YAML 1.2's core schema, less what has bitten people: anchors, aliases, tags,
merge keys, duplicate keys and second documents are faults with a place; `yaml_scalars` says what stays
a text. No input ends in a traceback, and none takes longer than its length explains.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import yaml

from provisioner.base.private_text import is_private
from provisioner.inventory.files.positions import KeyPath, Mark
from provisioner.inventory.files.yaml_quick import GAVE_UP, read_quickly
from provisioner.inventory.files.yaml_scalars import resolve

MAX_BYTES = 4 * 1024 * 1024
"""The largest text that is read where nobody says another limit."""
MAX_DEPTH = 32
"""A facility file is seven levels deep; libyaml's own limit is far beyond Python's stack."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_HIDDEN_BREAK = re.compile("[\x85\u2028\u2029]|\r(?!\n)")
"""What ends a line, and a comment, for YAML alone: behind it a key hides from whoever reviews the file."""
MAX_FAULTS = 100
"""More than this in one file is one mistake made over and over, or not YAML at all."""

_TEMPLATE_HINT = (
    "nothing in an inventory is a template: one that reached Ansible would run code on the controller; write the"
    " value itself, in quotes if it holds braces"
)


@dataclass(frozen=True, slots=True)
class YamlFault:
    """Something that strict YAML refuses, with its place (1-based)."""

    code: str
    message: str
    hint: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its value, what is wrong with it, and (if asked for) the place of each value and key."""

    value: object
    faults: tuple[YamlFault, ...]
    values: dict[KeyPath, Mark]
    keys: dict[KeyPath, Mark]


def parse(data: bytes, *, marks: bool = False, max_bytes: int = MAX_BYTES) -> Document:
    """Parse one file.

    Args:
        data: its bytes.
        marks: whether to record places too; that doubles the memory, so it is done on failure only.
        max_bytes: a larger file is not read at all.
    """
    try:
        text = _decoded(data, max_bytes)
    except _Stop as stop:
        return Document(None, (stop.fault,), {}, {})
    quick = GAVE_UP if marks else read_quickly(text, MAX_DEPTH)
    return Document(quick, (), {}, {}) if quick is not GAVE_UP else _read_carefully(text, marks=marks)


def _read_carefully(data: bytes, *, marks: bool) -> Document:
    reader = _Reader(yaml.CSafeLoader(data), marks=marks)
    value: object = None
    try:
        value = reader.read()
    except _Stop as stop:
        reader.faults.append(stop.fault)
    except yaml.MarkedYAMLError as error:
        reader.faults.append(_syntax_fault(error))
    except yaml.reader.ReaderError as error:
        reader.faults.append(_character_fault(data, error))
    return Document(value, tuple(reader.faults), reader.values, reader.keys)


class _Stop(Exception):  # noqa: N818 (a way out of the recursion, not an error of ours)
    """Nothing more can be read from this file."""

    def __init__(self, fault: YamlFault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def _decoded(data: bytes, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise _Stop(YamlFault("yaml-too-large", f"the file has more than {max_bytes} bytes", "split it", 1, 1))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _line_column(data[: error.start])
        hint = "save the file as UTF-8"
        raise _Stop(YamlFault("yaml-encoding", "the text is not UTF-8", hint, line, column)) from None
    if hidden := _HIDDEN_BREAK.search(text):
        line, column = _line_column(text[: hidden.start()].encode())
        message = f"a line break that editors and Git show as none (U+{ord(hidden[0]):04X})"
        hint = "end the line with an ordinary line break, or take the character out"
        raise _Stop(YamlFault("yaml-encoding", message, hint, line, column))
    return text.encode() if data.startswith(_BYTE_ORDER_MARK) else data


def _line_column(before: bytes) -> tuple[int, int]:
    lines = before.decode("utf-8", "replace").split("\n")
    return len(lines), len(lines[-1]) + 1


def _syntax_fault(error: yaml.MarkedYAMLError) -> YamlFault:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    what = " ".join(part for part in (error.context, error.problem) if part)
    return YamlFault("yaml-syntax", f"not YAML: {what}", _syntax_hint(what), line, column)


def _syntax_hint(what: str) -> str:
    if "tab" in what or "cannot start any token" in what:
        return "indent with spaces; quote a text that starts with a special character"
    if "mapping values" in what:
        return "quote a text that contains ': '"
    return "look at the indentation, brackets and quotes around this place"


def _character_fault(data: bytes, error: yaml.reader.ReaderError) -> YamlFault:
    line, column = _line_column(data[: max(error.position, 0)])
    return YamlFault("yaml-encoding", "a control character is not allowed", "remove it", line, column)


def mark_of(event: yaml.Event | None) -> Mark:
    """Where an event begins; the file's beginning where there is none."""
    start = event.start_mark if event else None
    return Mark(start.line + 1, start.column + 1) if start else Mark(1, 1)


@dataclass(slots=True)
class _Reader:
    """Builds plain values from events; its recursion is bounded by MAX_DEPTH."""

    loader: yaml.CSafeLoader
    """libyaml's parser; its constructor is never asked."""
    marks: bool
    faults: list[YamlFault] = field(default_factory=list)
    values: dict[KeyPath, Mark] = field(default_factory=dict)
    keys: dict[KeyPath, Mark] = field(default_factory=dict)

    def read(self) -> object:
        self._next()
        start = self._next()
        if isinstance(start, yaml.StreamEndEvent):
            return None
        self._check_directives(start)
        value = self._node(self._next(), (), 0)
        self._next()
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            self._fault(after, "yaml-documents", "a second document starts here", "keep one document a file")
        return value

    def _next(self) -> yaml.Event | None:
        return self.loader.get_event()

    def _fault(self, event: yaml.Event | None, code: str, message: str, hint: str) -> None:
        if len(self.faults) == MAX_FAULTS:
            limit = f"there are more than {MAX_FAULTS} faults; the rest of the file is not judged"
            raise _Stop(_at(event, "yaml-too-many-faults", limit, "correct the ones listed first"))
        self.faults.append(_at(event, code, message, hint))

    def _check_directives(self, start: yaml.Event | None) -> None:
        if isinstance(start, yaml.DocumentStartEvent) and (start.version or start.tags):
            self._fault(start, "yaml-directive", "a % directive is not allowed", "remove the line")

    def _check_properties(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.anchor is not None:
            self._fault(event, "yaml-anchor", "an anchor (&) is not allowed", "write the value out where it is used")
        if event.tag is not None:
            self._fault(event, "yaml-tag", "a tag (!) is not allowed", _tag_hint(event.tag))

    def _node(self, event: yaml.Event | None, path: KeyPath, depth: int) -> object:
        if isinstance(event, yaml.AliasEvent):
            self._fault(event, "yaml-alias", "an alias (*) is not allowed", "write the value out; quote a text with *")
            return None
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            self._check_properties(event)
        if self.marks:
            self.values[path] = mark_of(event)
        if isinstance(event, yaml.ScalarEvent):
            return event.value if event.style else resolve(event.value)
        if depth >= MAX_DEPTH:
            message = f"more than {MAX_DEPTH} levels of nesting"
            raise _Stop(_at(event, "yaml-depth", message, "a facility file needs seven levels"))
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path, depth + 1)
        return self._mapping(path, depth + 1)

    def _sequence(self, path: KeyPath, depth: int) -> list[object]:
        items: list[object] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, (*path, len(items)) if self.marks else path, depth))
        return items

    def _mapping(self, path: KeyPath, depth: int) -> dict[str, object]:
        entries: dict[str, object] = {}
        first: dict[str, int] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event, depth)
            if key in entries:
                named = "a key" if is_private(key) else f"the key {key!r}"
                message = f"{named} stands twice; the first one is in line {first[key]}"
                self._fault(event, "key-duplicate", message, "remove one of the two")
            mark = mark_of(event)
            first.setdefault(key, mark.line)
            below = (*path, key) if self.marks else path
            if self.marks:
                self.keys[below] = mark
            entries[key] = self._node(self._next(), below, depth)
        return entries

    def _key(self, event: yaml.Event | None, depth: int) -> str:
        """A key as it is written: `08` and `no` are good keys."""
        if isinstance(event, yaml.MappingStartEvent) and event.flow_style:
            raise _Stop(_at(event, "yaml-template", "{{ … }} is not a value", _TEMPLATE_HINT))
        if not isinstance(event, yaml.ScalarEvent):
            self._fault(event, "yaml-key", "a key has to be a text", "quote the key")
            self._node(event, (), depth)
            return ""
        self._check_properties(event)
        if event.value == "<<" and not event.style:
            self._fault(event, "yaml-merge", "a merge key (<<) is not allowed", "write the keys out")
        return event.value


def _at(event: yaml.Event | None, code: str, message: str, hint: str) -> YamlFault:
    mark = mark_of(event)
    return YamlFault(code, message, hint, mark.line, mark.column)


def _tag_hint(tag: str) -> str:
    if tag == "!vault":
        return "encrypt whole files under secrets/, not single values"
    return "remove it; quote the value where a text is meant"
