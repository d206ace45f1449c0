"""Strict YAML over libyaml, as plain values.

The rules are those of YAML 1.2's core schema, with known traps removed: anchors, aliases, tags, merge keys, duplicate
keys and second documents are faults with a position. A number with a leading zero (`08`), a sexagesimal (`1:30`) and
`no`, `yes`, `on`, `off` remain texts. No input ends in a traceback, and the time is proportional to the length.

`read_lines` understands files in which each line has its meaning by itself: block mappings and sequences, collections
in brackets on one line, plain scalars, quoted ones without escapes, comments. Most files of an inventory are like that.
It gives up on anything unusual; then `read_carefully` reads libyaml's events and explains faults. A law in the tests
compares the results of both.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple

import yaml

from provisioner.base.errors import Problem
from provisioner.base.language import marked
from provisioner.base.private_text import is_private
from provisioner.base.text import msg

Scalar = str | int | float | bool | None

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = r"(?:0|[1-9][0-9]{0,17})"
_INT = re.compile(rf"[-+]?{_WHOLE}\Z")
_FLOAT = re.compile(rf"[-+]?(?:{_WHOLE}(?:\.[0-9]{{0,17}})?|\.[0-9]{{1,17}})(?:[eE][-+]?[0-9]{{1,2}})?\Z")
_BASED = re.compile(r"0(x[0-9a-fA-F]{1,15}|o[0-7]{1,15})\Z")
_REMEMBERED = 16_384
Line = tuple[int, str]  #: A line's indentation, and the rest of it.
NOT_PLAIN: Final = object()  #: Result of `read_lines` for a file it cannot read. `None` is a value.
_DEEPEST: Final = 12

# No spaces but one kind, one kind of line ends, and no sign that libyaml refuses or reads as a line end.
_ODD: Final = "[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
_KEY: Final = r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,126}"
_QUOTED: Final = r"\"[^\"\\\n]*\"|'[^'\n]*'"
_FIRST: Final = r"[^\s\-?:,\[\]{}#&*!|>'\"%@`]"
# These do not backtrack: a foreign line would be tried in 2^n ways.
_PLAIN: Final = rf"{_FIRST}[^:#\n]*+(?:(?::(?=\S)|(?<=\S)#)[^:#\n]*+)*+"
_INNER: Final = rf"{_FIRST}[^:#,\[\]{{}}'\"\n]*+"
_ENTRY: Final = re.compile(rf"({_KEY}):(?: +(?:({_PLAIN})|({_QUOTED})|([{{\[].*)))? *(?:(?<= )#.*)?")
_SCALAR: Final = re.compile(rf"(?:({_QUOTED})|({_PLAIN})|([{{\[].*)) *(?:(?<= )#.*)?")
_LINE: Final = re.compile(r"^( *)([^ #\n][^\n]*)$", re.MULTILINE)
_SIMPLE_KEY: Final = re.compile(rf"{_KEY}:(?: |$)")
#: A bracket, a comma or a scalar, and whether it is a key.
_TOKEN: Final = re.compile(rf" *(?:([{{}}\[\],])|({_QUOTED})|({_INNER}))(:(?= ))?")
_PAIR: Final = rf" *{_KEY}: +(?:{_QUOTED}|{_INNER}) *"
#: A mapping of scalars on one line, as most collections in brackets are.
_SCALARS: Final = re.compile(rf"\{{{_PAIR}(?:,{_PAIR})*+\}} *")
_PAIRS: Final = re.compile(rf" *({_KEY}): +(?:({_INNER})|({_QUOTED})) *")
_LONGEST_KEY: Final = 127
_MARKERS: Final = 6  #: So many conflict markers are listed.
CONFLICT: Final = "yaml-conflict"
_MOST_DIRECTIVES: Final = 64  #: Libyaml compares each one with all the others.
MAX_BYTES = 4 * 1024 * 1024  #: Default maximum size.
MAX_DEPTH = 32  #: A facility file has seven levels; libyaml's own limit is far beyond Python's stack.
_LARGE: Final = 64 * 1024
#: Each value may have an error, which takes time to explain. A short camera has 77 bytes for a weight of 17.
_BYTES_A_VALUE: Final = 4
_TOO_MANY: Final = "the file has more values than any inventory needs"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: Line ends of YAML that editors do not show. A key behind one, after a comment, is hidden from reviewers.
_HIDDEN_BREAK = re.compile("[\x85\u2028\u2029]|\r(?!\n)")
#: Beginnings of a line that look like indentation or like a list's hyphen, and are part of a text.
_ODD_START = re.compile(" *(?:([\xa0\u1680\u2000-\u200b\u202f\u205f\u3000\ufeff])|([\u2010-\u2015\u2212]) )")
_CONFLICT = re.compile(rb"^(?:[<>|]{7} .*|={7})\r?$", re.MULTILINE)
MAX_FAULTS = 100  #: More faults in one file are one mistake repeated, or not YAML at all.

_DIRECTIVE: Final = ("yaml-directive", "a % directive is not allowed", "remove the line")
_TEMPLATE_HINT = (
    "an inventory has no templates: a template in Ansible would run code on the controller;"
    " write the value itself, in quotes if it has braces"
)


class Mark(NamedTuple):
    """A 1-based position."""

    line: int
    column: int


class _NotPlain(Exception):  # noqa: N818 (a way out of the recursion, not an error of ours)
    """`read_lines` cannot read this text."""


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its value and its faults."""

    value: object
    faults: tuple[Problem, ...] = ()


class _Stop(Exception):  # noqa: N818 (a way out of the recursion, not an error of ours)
    """The rest of this file cannot be read."""

    def __init__(self, fault: Problem) -> None:
        super().__init__(fault.message)
        self.fault = fault


@lru_cache(maxsize=_REMEMBERED)
def resolve(text: str) -> Scalar:
    """Return the value of an unquoted scalar; cached, since values repeat."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    return _as_number(text) if text[0] in "0123456789+-." else text


def _as_number(text: str) -> str | int | float:
    if _INT.match(text):
        return int(text)
    if _BASED.match(text):
        return int(text, 0)
    return float(text) if _FLOAT.match(text) else text


# --- line by line ----------------------------------------------------------------------------------
def read_lines(text: str) -> object:
    """Return the value of a file with one mapping, or NOT_PLAIN."""
    if re.search(_ODD, text):  # made when it is needed first: that takes as long as all the others
        return NOT_PLAIN
    lines = [(len(spaces), rest) for spaces, rest in _LINE.findall(text)]
    if not lines or lines[0][0] or lines[0][1].startswith("- "):
        return NOT_PLAIN
    try:
        value, end = _line_mapping(lines, 0, 0, _DEEPEST)
    except _NotPlain:
        return NOT_PLAIN
    return value if end == len(lines) else NOT_PLAIN


def _line_mapping(lines: list[Line], at: int, indent: int, levels: int) -> tuple[dict[str, object], int]:
    """Return the mapping of an indent, and the next line's index."""
    entries: dict[str, object] = {}
    count = len(lines)
    while at < count:
        line_indent, text = lines[at]
        if line_indent != indent:
            if line_indent > indent:
                raise _NotPlain
            break
        entry = _entry(text)
        if entry is None:
            if text.startswith("- "):
                break
            raise _NotPlain
        key, is_scalar, value, flow = entry
        if key in entries:
            raise _NotPlain
        at += 1
        if is_scalar:
            entries[key] = value
        elif flow is not None:
            entries[key] = _read_flow(flow, levels)
        else:
            entries[key], at = _read_below(lines, at, indent, levels)
    return entries, at


@lru_cache(maxsize=16384)
def _entry(text: str) -> tuple[str, bool, object, str | None] | None:
    """Parse a line: key, whether a scalar follows, scalar, bracketed collection."""
    # `None` for a line without a key. Cached, since facilities' files have many equal lines.
    match = _ENTRY.fullmatch(text)
    if match is None:
        return None
    key, plain, quoted, flow = match.groups()
    if plain is not None:
        return key, True, resolve(plain.rstrip(" ")), None
    return key, quoted is not None, quoted[1:-1] if quoted is not None else None, flow


def _read_below(lines: list[Line], at: int, indent: int, levels: int) -> tuple[object, int]:
    if at == len(lines) or not levels:
        raise _NotPlain
    deep, text = lines[at]
    if text.startswith("- ") and deep >= indent:
        return _line_sequence(lines, at, deep, levels - 1)
    if deep <= indent:
        raise _NotPlain  # nothing at all
    return _line_mapping(lines, at, deep, levels - 1)


def _line_sequence(lines: list[Line], at: int, indent: int, levels: int) -> tuple[list[object], int]:
    items: list[object] = []
    while at < len(lines):
        line_indent, text = lines[at]
        if line_indent > indent:
            raise _NotPlain
        if line_indent < indent or not text.startswith("- "):
            break
        inner = text[2:].lstrip(" ")
        if inner.startswith("- ") or not levels:
            raise _NotPlain
        if _SIMPLE_KEY.match(inner):
            line_indent += len(text) - len(inner)
            lines[at] = line_indent, inner
            item, at = _line_mapping(lines, at, line_indent, levels - 1)
            items.append(item)
            continue
        items.append(_sequence_item(inner, levels))
        at += 1
    return items, at


def _sequence_item(text: str, levels: int) -> object:
    match = _SCALAR.fullmatch(text)
    if match is None:
        raise _NotPlain
    quoted, plain, flow = match.groups()
    if plain is not None:
        return resolve(plain.rstrip(" "))
    return quoted[1:-1] if quoted is not None else _read_flow(flow, levels)


# --- collections in brackets ----------------------------------------------------------------------
def _read_flow(text: str, levels: int) -> object:
    """Read the collection at a text's start; only a comment may follow."""
    if levels and (pairs := _pairs(text)):
        entries = dict(pairs)
        if len(entries) != len(pairs):
            raise _NotPlain
        return entries
    value, end = _flow_collection(text, 0, levels)
    rest = text[end:].lstrip(" ")
    if rest and not (rest.startswith("#") and text[end] == " "):
        raise _NotPlain
    return value


@lru_cache(maxsize=4096)
def _pairs(text: str) -> tuple[tuple[str, object], ...]:
    """Return a mapping of scalars as pairs, or empty; streams repeat."""
    if not _SCALARS.fullmatch(text):
        return ()
    listed = _PAIRS.findall(text)
    return tuple((key, resolve(plain.rstrip(" ")) if plain else quoted[1:-1]) for key, plain, quoted in listed)


def _flow_collection(text: str, at: int, levels: int) -> tuple[object, int]:
    if not levels:
        raise _NotPlain
    return _flow_mapping(text, at + 1, levels - 1) if text[at] == "{" else _flow_sequence(text, at + 1, levels - 1)


def _flow_mapping(text: str, at: int, levels: int) -> tuple[dict[str, object], int]:
    entries: dict[str, object] = {}
    while True:
        match = _TOKEN.match(text, at)
        if match is None:
            raise _NotPlain
        sign, quoted, plain, colon = match.groups()
        if sign == "}" and not entries:
            return entries, match.end(1)
        key = quoted[1:-1] if quoted is not None else plain
        if (
            colon is None
            or key is None
            or key in entries
            or key == "<<"
            or not key.isascii()
            or len(key) > _LONGEST_KEY
            or key != key.strip(" ")
        ):
            raise _NotPlain
        entries[key], at = _flow_value(text, match.end(), levels)
        at, ends = _index_after(text, at, "}")
        if ends:
            return entries, at


def _flow_sequence(text: str, at: int, levels: int) -> tuple[list[object], int]:
    items: list[object] = []
    match = _TOKEN.match(text, at)
    if match and match[1] == "]":
        return items, match.end(1)
    while True:
        item, at = _flow_value(text, at, levels)
        items.append(item)
        at, ends = _index_after(text, at, "]")
        if ends:
            return items, at


def _flow_value(text: str, at: int, levels: int) -> tuple[object, int]:
    match = _TOKEN.match(text, at)
    if match is None or match[4]:
        raise _NotPlain
    sign, quoted, plain, _ = match.groups()
    if plain is not None:
        return resolve(plain.rstrip(" ")), match.end()
    if quoted is not None:
        return quoted[1:-1], match.end()
    if sign not in {"{", "["}:
        raise _NotPlain
    return _flow_collection(text, match.start(1), levels)


def _index_after(text: str, at: int, closing: str) -> tuple[int, bool]:
    match = _TOKEN.match(text, at)
    if match is None or match[4] or match[1] not in {",", closing}:
        raise _NotPlain
    return match.end(1), match[1] == closing


# --- with faults -----------------------------------------------------------------------------------
def parse(data: bytes, *, max_bytes: int = MAX_BYTES) -> Document:
    """Parse one file; a file of more than `max_bytes` is not read."""
    try:
        text = _checked_utf8(data, max_bytes)
    except _Stop as stop:
        return Document(None, (stop.fault,))
    plain = read_lines(text.decode())
    document = Document(plain) if plain is not NOT_PLAIN else read_carefully(text)
    if len(data) > _LARGE and not document.faults and _size_of(document.value) > len(data) // _BYTES_A_VALUE:
        return Document(None, (Problem("", 1, 1, "yaml-too-large", _TOO_MANY, "split it"),))
    return document


def _size_of(value: object) -> int:
    """Return the number of values; a list or mapping counts three more."""
    weight, level = 0, [value]
    while level := [container for container in level if isinstance(container, dict | list)]:
        weight += 3 * len(level) + sum(map(len, level))
        level = [
            child for container in level for child in (container.values() if isinstance(container, dict) else container)
        ]
    return weight


def read_carefully(data: bytes) -> Document:
    """Return the value and faults of UTF-8 without a byte order mark."""
    reader = _Reader(yaml.CSafeLoader(data))
    value: object = None
    try:
        value = reader.read()
    except _Stop as stop:
        reader.faults.append(stop.fault)
    except yaml.MarkedYAMLError as error:
        reader.faults.append(_conflict(data) or _syntax_problem(data, error))
    except yaml.reader.ReaderError as error:
        reader.faults.append(_character_fault(data, error))
    return Document(value, tuple(reader.faults))


def _checked_utf8(data: bytes, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise _Stop(
            Problem("", 1, 1, "yaml-too-large", msg("the file has more than {max_bytes} bytes", max_bytes), "split it")
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _line_column(data[: error.start])
        hint = "save the file as UTF-8"
        raise _Stop(Problem("", line, column, "yaml-encoding", "the text is not UTF-8", hint)) from None
    if hidden := _HIDDEN_BREAK.search(text):
        line, column = _line_column(text[: hidden.start()].encode())
        message = msg("a line break that editors and Git do not show (U+{hidden})", f"{ord(hidden[0]):04X}")
        hint = "end the line with an ordinary line break, or take the character out"
        raise _Stop(Problem("", line, column, "yaml-encoding", message, hint))
    if text.count("\n%") > _MOST_DIRECTIVES:
        line, column = _line_column(text[: text.index("\n%") + 1].encode())
        raise _Stop(Problem("", line, column, *_DIRECTIVE))
    return text.encode() if data.startswith(BYTE_ORDER_MARK) else data


def _line_column(before: bytes) -> tuple[int, int]:
    lines = before.decode("utf-8", "replace").split("\n")
    return len(lines), len(lines[-1]) + 1


def _conflict(data: bytes) -> Problem | None:
    """Return the problem of Git's conflict markers, if any."""
    lines = [data.count(b"\n", 0, found.start()) + 1 for found in islice(_CONFLICT.finditer(data), _MARKERS)]
    if not lines:
        return None
    message = msg("conflict markers of Git in line {lines}", ", ".join(map(str, lines)))
    return Problem("", lines[0], 1, CONFLICT, message, "keep the right lines of both sides, and remove the markers")


def _odd_start(text: str) -> tuple[str, str] | None:
    """Return message and hint if a special space or dash begins it."""
    if not (found := _ODD_START.match(text)):
        return None
    space, dash = found.groups()
    if space:
        message = msg("a non-breaking or other special space (U+{code}) indents the line", f"{ord(space):04X}")
        return message, marked("indent with ordinary spaces")
    message = msg("a long dash (U+{code}) stands for the hyphen of a list", f"{ord(dash):04X}")
    return message, marked("write a hyphen (-) and a space")


def _syntax_problem(data: bytes, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if odd := _odd_start(b"".join(data.split(b"\n", line)[line - 1 : line]).decode()):
        return Problem("", line, 1, "yaml-syntax", *odd)
    text = " ".join(part for part in (error.context, error.problem) if part)
    return Problem("", line, column, "yaml-syntax", msg("not YAML: {what}", text), _syntax_hint(text))


def _syntax_hint(text: str) -> str:
    if "tab" in text or "cannot start any token" in text:
        return "indent with spaces; quote a text that starts with a special character"
    if "mapping values" in text:
        return "quote a text that contains ': '"
    return "look at the indentation, brackets and quotes around this place"


def _character_fault(data: bytes, error: yaml.reader.ReaderError) -> Problem:
    line, column = _line_column(data[: max(error.position, 0)])
    return Problem("", line, column, "yaml-encoding", "a control character is not allowed", "remove it")


def mark_of(event: yaml.Event | None) -> Mark:
    """Return an event's start; without one, the file's start."""
    start = event.start_mark if event else None
    return Mark(start.line + 1, start.column + 1) if start else Mark(1, 1)


@dataclass(slots=True)
class _Reader:
    """Builds plain values from events; MAX_DEPTH bounds its recursion."""

    loader: yaml.CSafeLoader  #: Libyaml's parser, without its constructor.
    faults: list[Problem] = field(default_factory=list)

    def read(self) -> object:
        self._next_event()
        start = self._next_event()
        if isinstance(start, yaml.StreamEndEvent):
            return None
        self._check_directives(start)
        value = self._read_node(self._next_event(), 0)
        self._next_event()
        after = self._next_event()
        if not isinstance(after, yaml.StreamEndEvent):
            self._add_fault(after, "yaml-documents", "a second document starts here", "keep one document a file")
        return value

    def _next_event(self) -> yaml.Event | None:
        return self.loader.get_event()

    def _add_fault(self, event: yaml.Event | None, code: str, message: str, hint: str) -> None:
        if len(self.faults) == MAX_FAULTS:
            limit = msg("there are more than {max_faults} faults; the rest of the file is not judged", MAX_FAULTS)
            raise _Stop(_at(event, "yaml-too-many-faults", limit, "correct the ones listed first"))
        self.faults.append(_at(event, code, message, hint))

    def _check_directives(self, start: yaml.Event | None) -> None:
        if isinstance(start, yaml.DocumentStartEvent) and (start.version or start.tags):
            self._add_fault(start, *_DIRECTIVE)

    def _check_properties(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.anchor is not None:
            self._add_fault(event, "yaml-anchor", "an anchor (&) is not allowed", "write the value out at each use")
        if event.tag is not None:
            self._add_fault(event, "yaml-tag", "a tag (!) is not allowed", _tag_hint(event.tag))

    def _read_node(self, event: yaml.Event | None, depth: int) -> object:
        if isinstance(event, yaml.ScalarEvent):
            self._check_properties(event)
            return event.value if event.style else resolve(event.value)
        if isinstance(event, yaml.AliasEvent):
            self._add_fault(
                event, "yaml-alias", "an alias (*) is not allowed", "write the value out; quote a text with *"
            )
            return None
        if isinstance(event, yaml.CollectionStartEvent):
            self._check_properties(event)
        if depth >= MAX_DEPTH:
            message = msg("more than {max_depth} levels of nesting", MAX_DEPTH)
            raise _Stop(_at(event, "yaml-depth", message, "a facility file needs seven levels"))
        if isinstance(event, yaml.SequenceStartEvent):
            return self._read_sequence(depth + 1)
        return self._read_mapping(depth + 1)

    def _read_sequence(self, depth: int) -> list[object]:
        items: list[object] = []
        while not isinstance(event := self._next_event(), yaml.SequenceEndEvent):
            items.append(self._read_node(event, depth))
        return items

    def _read_mapping(self, depth: int) -> dict[str, object]:
        entries: dict[str, object] = {}
        first: dict[str, yaml.Event | None] = {}
        while not isinstance(event := self._next_event(), yaml.MappingEndEvent):
            key = self._read_key(event, depth)
            if key in entries:
                named = "a key" if is_private(key) else msg("the key {key}", repr(key))
                line = mark_of(first[key]).line
                message = msg("{named} stands twice; the first one is in line {first}", named, line)
                self._add_fault(event, "key-duplicate", message, "remove one of the two")
            first.setdefault(key, event)
            entries[key] = self._read_node(self._next_event(), depth)
        return entries

    def _read_key(self, event: yaml.Event | None, depth: int) -> str:
        """Return a key as written: `08` and `no` are valid keys."""
        if isinstance(event, yaml.MappingStartEvent) and event.flow_style:
            raise _Stop(_at(event, "yaml-template", "{{ … }} is not a value", _TEMPLATE_HINT))
        if not isinstance(event, yaml.ScalarEvent):
            self._add_fault(event, "yaml-key", "a key has to be a text", "quote the key")
            self._read_node(event, depth)
            return ""
        self._check_properties(event)
        if not event.style and (odd := _odd_start(event.value)):
            raise _Stop(_at(event, "yaml-syntax", *odd))
        if event.value == "<<" and not event.style:
            self._add_fault(event, "yaml-merge", "a merge key (<<) is not allowed", "write the keys out")
        return event.value


def _at(event: yaml.Event | None, code: str, message: str, hint: str) -> Problem:
    mark = mark_of(event)
    return Problem("", mark.line, mark.column, code, message, hint)


def _tag_hint(tag: str) -> str:
    if tag == "!vault":
        return "encrypt whole files under secrets/, not single values"
    return "remove it; quote the value where a text is meant"
