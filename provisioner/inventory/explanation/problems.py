"""From pydantic's errors to problems: which object, what is wrong, where it stands, what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from pydantic import ValidationError

from provisioner.base.counted import are, counted
from provisioner.base.diagnostics import Problem
from provisioner.base.nearest import nearest
from provisioner.base.private_text import is_private
from provisioner.inventory.explanation.corrections import (
    ask,
    for_address,
    for_choice,
    for_day,
    for_either_address,
    for_number,
    for_text,
    for_truth,
)
from provisioner.inventory.explanation.sentences import PATTERN_HINTS, UNSAFE_USER_HINT, ZONE_RULE, is_inside_a_room
from provisioner.inventory.explanation.typed_paths import choices_of, keys_of, schema_at
from provisioner.inventory.files.yaml_places import written_at
from provisioner.inventory.model.addresses import AnyAddress, AnyNetwork, HostPlace

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from provisioner.inventory.files.positions import KeyPath, SourceFile

MAX_PROBLEMS = 100
"""More than this in one file is one mistake made over and over."""

_SINGULAR = {
    "cameras": "camera",
    "recorders": "recorder",
    "relays": "relay",
    "designations": "designation",
    "instructions": "instruction",
    "tombstones": "tombstone",
    "contacts": "contact",
    "receivers": "receiver",
}


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """A parsed file to explain errors of.

    Attributes:
        source: the file.
        owner: the object it describes, e.g. `facility/kcl-bg-001`.
        value: the plain value that was validated.
        schema: the type it was validated against.
        secret: whether no value and no unknown key may appear in a message.
    """

    source: SourceFile
    owner: str
    value: object
    schema: object
    secret: bool = False

    def written(self, path: KeyPath) -> str:
        """A value as it stands in the file, letter by letter: of 1.20 the number would be 1.2."""
        return written_at(self.source.data, path)


def problems_of(error: ValidationError, subject: ParsedFile) -> Iterator[Problem]:
    """A problem for each of pydantic's errors that says something of its own; of very many, the first ones."""
    # A list that is too short because of its items is explained by these, one by one.
    own = [d for d in error.errors(include_url=False) if not (d["type"] == "too_short" and d["input"])]
    for detail in own[:MAX_PROBLEMS]:
        yield _Explanation(subject, detail).problem()
    if (left := len(own) - MAX_PROBLEMS) > 0:
        message = f"{subject.owner.replace('/', ' ', 1)}: {counted(left, 'more problem')} {are(left)} not listed"
        place = subject.source.at(())
        hint = "correct the ones that are listed first"
        yield Problem(place.file, place.line, place.column, "problems-not-listed", message, hint, subject.owner)


def label(owner: str, value: object, path: KeyPath) -> str:
    """Name the object that a path leads to, as people call it: `facility kcl-bg-001: camera cam-03: zone`."""
    words = [owner.replace("/", " ", 1)]
    here = value
    for index, part in enumerate(path):
        here = _step(here, part)
        if isinstance(part, int) and index:
            words[-1] = _item_label(str(path[index - 1]), part, here)
        else:
            words.append("a key" if is_private(str(part)) else str(part))
    return ": ".join(words)


def _item_label(listing: str, index: int, item: object) -> str:
    named = item.get("id", item.get("ref", item.get("province"))) if isinstance(item, dict) else None
    if isinstance(named, str) and not is_private(named):
        return f"{_SINGULAR.get(listing, listing)} {named}"
    return f"{_SINGULAR.get(listing, listing)} number {index + 1}"


def _step(value: object, part: str | int) -> object:
    if isinstance(part, int):
        return value[part] if isinstance(value, list) and part < len(value) else None
    return value.get(part) if isinstance(value, dict) else None


@dataclass(frozen=True)
class _Explanation:
    subject: ParsedFile
    detail: ErrorDetails

    @property
    def path(self) -> KeyPath:
        return tuple(part for part in self.detail["loc"] if part != "[key]")

    @property
    def is_key(self) -> bool:
        loc = self.detail["loc"]
        return bool(loc) and loc[-1] == "[key]"

    @property
    def hidden(self) -> bool:
        """Whether the value may not be repeated: a secret file's, and one that looks like a password or a person's."""
        return self.subject.secret or any(map(is_private, self._words()))

    def _words(self) -> Iterator[str]:
        yield from (part for part in self.path if isinstance(part, str))
        if not isinstance(self.value, dict | list) and self.value is not None:
            yield str(self.value)
            yield self.subject.written(self.path)

    @property
    def value(self) -> object:
        """The offending value; never to be shown from a secret file."""
        value = self.subject.value
        for part in self.path:
            value = _step(value, part)
        return value

    def problem(self) -> Problem:
        kind = str(self.detail["type"])
        special = self._special()
        if special:
            code, message, hint = special
        elif kind == "missing":
            code, message, hint = self._missing()
        elif kind == "extra_forbidden":
            code, message, hint = self._unknown_key()
        else:
            code, message, hint = "value-invalid", self._wrong(kind), self._hint(kind)
        return self._placed(kind, code, message, hint)

    def _placed(self, kind: str, code: str, message: str, hint: str) -> Problem:
        path = self.path
        about = path[:-1] if kind in {"missing", "extra_forbidden"} else path
        at_key = kind == "extra_forbidden" or self.is_key
        place = self.subject.source.at(about if kind == "missing" else path, key=at_key)
        text = f"{label(self.subject.owner, self.subject.value, about)}: {message}"
        return Problem(place.file, place.line, place.column, code, text, hint, self.subject.owner)

    def _special(self) -> tuple[str, str, str] | None:
        """The cases with a rule of their own behind them."""
        value = self.value
        if not isinstance(value, str) or self.hidden:
            return None
        if self.path[-1:] == ("zone",) and is_inside_a_room(value):
            return "zone-forbidden", f"a camera may not look into a room, toilet or bath ({value!r})", ZONE_RULE
        if self.path[-2:] == ("ssh", "user") and self.detail["type"] == "string_pattern_mismatch":
            message = f"{value!r} is not the name of a user that can be passed on safely"
            return "host-user-unsafe", message, UNSAFE_USER_HINT
        return None

    def _missing(self) -> tuple[str, str, str]:
        key = self.path[-1]
        schema = schema_at(self.subject.schema, self.path)
        allowed = choices_of(schema)
        hint = f"add '{key}: …'" + (f", one of {allowed}" if allowed else "")
        return "key-missing", f"{key!r} is missing", hint

    def _unknown_key(self) -> tuple[str, str, str]:
        known = keys_of(schema_at(self.subject.schema, self.path[:-1]))
        if self.hidden:
            return "key-unknown", "a key here is not known", f"the keys here are {', '.join(known)}"
        key = str(self.path[-1])
        close = nearest(key, known, most=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the keys here are {', '.join(known)}"
        return "key-unknown", f"{key!r} is not a known key", hint

    def _wrong(self, kind: str) -> str:
        schema = schema_at(self.subject.schema, self.path)
        if kind == "value_error" and (schema not in (IPv4Address, IPv4Network) or "host bits" in self._sentence()):
            return self._sentence()
        if self.is_key:
            return "the key cannot be a name here" if self.hidden else f"{self.path[-1]!r} cannot be a key here"
        if self.value is None and not self.path:
            return "the file is empty"
        quoted = "the value" if self.hidden else _quoted(self.value)
        return f"{quoted} is not {_expected(kind, self.detail, schema)}"

    def _sentence(self) -> str:
        text = str(self.detail["ctx"]["error"])
        if self.hidden:
            return "the value is not allowed" if re.search(r"['\"]", text) else text
        quoted = _quoted(self.value)
        return text if isinstance(self.value, dict) or quoted.strip("'") in text else f"{quoted}: {text}"

    def _hint(self, kind: str) -> str:
        """Say what to write; of a secret file no value may be repeated."""
        schema, ctx = schema_at(self.subject.schema, self.path), self.detail.get("ctx", {})
        if kind == "string_pattern_mismatch":
            return PATTERN_HINTS.get(ctx["pattern"], _EXAMPLE)
        if kind in _BOUNDS:
            return ask(self._field, f"a number of {_expected(kind, self.detail, schema)}")
        if self.hidden or self.is_key or isinstance(self.value, dict | list):
            return _GENERAL_HINTS.get(kind, _EXAMPLE)
        return self._correction(kind, schema, ctx)

    def _correction(self, kind: str, schema: object, ctx: Mapping[str, object]) -> str:
        field, value = self._field, self.value
        if schema in _ADDRESSES:
            return _address_hint(field, value, schema)
        if schema is date:
            return for_day(field, value)
        if kind in _NUMBERS:
            return for_number(field, value, whole=kind == "int_type")
        if kind in _CHOICES:
            return for_choice(field, value, re.findall(r"'?([^',]+?)'?(?:, | or |$)", str(ctx["expected"])))
        if kind == "string_type":
            return ask(field, "a text") if value is None else for_text(field, self.subject.written(self.path))
        return for_truth(field, value) if kind == "bool_type" else self._general(kind)

    def _general(self, kind: str) -> str:
        if kind == "value_error" and "THH:MM" in self._sentence():
            return "write it as 2021-05-22T06:00, a minute that exists"
        return _GENERAL_HINTS.get(kind, _EXAMPLE)

    @property
    def _field(self) -> str:
        return self.path[-1] if self.path and isinstance(self.path[-1], str) else ""


def _address_hint(field: str, value: object, schema: object) -> str:
    if schema in (IPv4Address, IPv4Network):
        return for_address(field, value, network=schema is IPv4Network)
    return for_either_address(field, value, network=schema == AnyNetwork, name=schema == HostPlace)


_EXAMPLE = "`provisioner schema` prints what each kind of file may hold"
_NUMBERS = frozenset({"int_type", "float_type"})
_CHOICES = frozenset({"enum", "literal_error"})
_BOUNDS = frozenset({"greater_than_equal", "less_than_equal", "greater_than", "less_than"})
_ADDRESSES: Mapping[object, str] = {
    IPv4Address: "an IPv4 address",
    IPv4Network: "an IPv4 network",
    AnyAddress: "an address (IPv4 or IPv6)",
    AnyNetwork: "a network (IPv4 or IPv6)",
    HostPlace: "an address (IPv4 or IPv6) or a host name in full",
}
_GENERAL_HINTS = {
    "string_type": "write a text here",
    "int_type": "write a whole number without quotes",
    "float_type": "write a number without quotes",
    "bool_type": "write true or false",
    "enum": "write one value here",
    "value_error": _EXAMPLE,
    "model_type": "write keys and values here",
    "dict_type": "write keys and values here",
    "tuple_type": "write a list here: each item begins with '- '",
    "too_short": "name at least one",
}

_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "enum": "one of the known values",
    "literal_error": "an allowed value",
    "too_short": "long enough",
    "string_too_long": "short enough",
    "string_pattern_mismatch": "of the right form",
}


def _expected(kind: str, detail: ErrorDetails, schema: object) -> str:
    ctx = detail.get("ctx", {})
    if kind in _BOUNDS:
        bound = next(ctx[name] for name in ("ge", "le", "gt", "lt") if name in ctx)
        words = {
            "greater_than_equal": "{bound} or more",
            "less_than_equal": "{bound} or less",
            "greater_than": "more than {bound}",
        }
        return words.get(kind, "less than {bound}").format(bound=f"{bound:g}")
    if kind == "string_too_long":
        return f"a text of {ctx['max_length']} characters or fewer"
    if schema in _ADDRESSES:
        return _ADDRESSES[schema]
    return _EXPECTED.get(kind, f"valid ({kind})")


def _quoted(value: object) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else ("an empty list" if not value else "a list")
    if value is None:
        return "nothing"
    text = repr(value) if isinstance(value, str) else _as_written(value)
    return text if len(text) <= 80 else text[:77] + "…'"  # noqa: PLR2004 (a message stays a line)


def _as_written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
