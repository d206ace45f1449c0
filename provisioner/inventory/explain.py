"""From pydantic's errors to problems: which object, what is wrong, where it stands, what to do next."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from provisioner.diagnostics import Problem
from provisioner.inventory.wording import PATTERN_HINTS, UNSAFE_USER_HINT, ZONE_RULE, is_inside_a_room

if TYPE_CHECKING:
    from provisioner.inventory.places import Path, Source

_SINGULAR = {
    "cameras": "camera",
    "recorders": "recorder",
    "relays": "relay",
    "designations": "designation",
    "instructions": "instruction",
    "tombstones": "tombstone",
    "contacts": "contact",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A parsed file to explain errors of.

    Attributes:
        source: the file.
        owner: the object it describes, e.g. `facility/kcl-bg-001`.
        value: the plain value that was validated.
        schema: the type it was validated against.
        secret: whether no value and no unknown key may appear in a message.
    """

    source: Source
    owner: str
    value: Any
    schema: Any
    secret: bool = False


def problems_of(error: ValidationError, subject: Subject) -> Iterator[Problem]:
    """Give a problem for each of pydantic's errors that says something of its own."""
    for detail in error.errors(include_url=False):
        if detail["type"] == "too_short" and detail["input"]:
            continue  # its items are reported one by one
        yield _Explanation(subject, detail).problem()


def label(owner: str, value: Any, path: Path) -> str:
    """Name the object that a path leads to, as people call it: `facility kcl-bg-001: camera cam-03: zone`."""
    words = [owner.replace("/", " ", 1)]
    here = value
    for index, part in enumerate(path):
        here = _step(here, part)
        if isinstance(part, int) and index:
            words[-1] = _item_label(str(path[index - 1]), part, here)
        else:
            words.append(str(part))
    return ": ".join(words)


def _item_label(listing: str, index: int, item: Any) -> str:
    named = item.get("id", item.get("ref", item.get("province"))) if isinstance(item, dict) else None
    if isinstance(named, str):
        return f"{_SINGULAR.get(listing, listing)} {named}"
    return f"{_SINGULAR.get(listing, listing)} number {index + 1}"


def _step(value: Any, part: str | int) -> Any:
    if isinstance(part, int):
        return value[part] if isinstance(value, list) and part < len(value) else None
    return value.get(part) if isinstance(value, dict) else None


@dataclass(frozen=True)
class _Explanation:
    subject: Subject
    detail: Any

    @property
    def path(self) -> Path:
        return tuple(part for part in self.detail["loc"] if part != "[key]")

    @property
    def is_key(self) -> bool:
        loc = self.detail["loc"]
        return bool(loc) and loc[-1] == "[key]"

    @property
    def found(self) -> Any:
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
        """Give the cases with a rule of their own behind them."""
        found = self.found
        if not isinstance(found, str) or self.subject.secret:
            return None
        if self.path[-1:] == ("zone",) and is_inside_a_room(found):
            return "zone-forbidden", f"a camera may not look into a room, toilet or bath ({found!r})", ZONE_RULE
        if self.path[-2:] == ("ssh", "user") and self.detail["type"] == "string_pattern_mismatch":
            message = f"{found!r} is not the name of a user that can be passed on safely"
            return "host-user-unsafe", message, UNSAFE_USER_HINT
        return None

    def _missing(self) -> tuple[str, str, str]:
        key = self.path[-1]
        schema = schema_at(self.subject.schema, self.path)
        allowed = _choices(schema)
        hint = f"add '{key}: …'" + (f", one of {allowed}" if allowed else "")
        return "key-missing", f"{key!r} is missing", hint

    def _unknown_key(self) -> tuple[str, str, str]:
        known = _keys(schema_at(self.subject.schema, self.path[:-1]))
        if self.subject.secret:
            return "key-unknown", "a key here is not known", f"the keys here are {', '.join(known)}"
        key = str(self.path[-1])
        close = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the keys here are {', '.join(known)}"
        return "key-unknown", f"{key!r} is not a known key", hint

    def _wrong(self, kind: str) -> str:
        if kind == "value_error":
            return self._sentence()
        if self.is_key:
            return "the key cannot be a name here" if self.subject.secret else f"{self.path[-1]!r} cannot be a key here"
        if self.found is None and not self.path:
            return "the file is empty"
        shown = "the value" if self.subject.secret else _shown(self.found)
        return f"{shown} is not {_expected(kind, self.detail, schema_at(self.subject.schema, self.path))}"

    def _sentence(self) -> str:
        text = str(self.detail["ctx"]["error"])
        if self.subject.secret:
            return "the value is not allowed" if re.search(r"['\"]", text) else text
        shown = _shown(self.found)
        return text if isinstance(self.found, dict) or shown.strip("'") in text else f"{shown}: {text}"

    def _hint(self, kind: str) -> str:
        if kind in {"enum", "literal_error"}:
            return "one of " + str(self.detail["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
        if kind == "string_pattern_mismatch":
            return PATTERN_HINTS.get(self.detail["ctx"]["pattern"], "look at the example inventory")
        if kind == "string_type" and isinstance(self.found, bool | int | float) and not self.subject.secret:
            return f'quote it: "{_as_written(self.found)}"'
        if kind == "int_type":
            return _number_hint(self.found) if not self.subject.secret else "write a whole number without quotes"
        if kind == "value_error":
            return _sentence_hint(self._sentence())
        return _GENERAL_HINTS.get(kind, "look at the example inventory")


def _sentence_hint(sentence: str) -> str:
    if "host bits" in sentence:
        return "write the network's first address, e.g. 192.168.1.0/24"
    if "THH:MM" in sentence:
        return "write it as 2021-05-22T06:00, a minute that exists"
    if "YYYY-MM-DD" in sentence or "month" in sentence or "day" in sentence:
        return "write a day that exists as YYYY-MM-DD, e.g. 2021-05-10"
    return "look at the example inventory"


_GENERAL_HINTS = {
    "date_type": "write it as YYYY-MM-DD",
    "date_parsing": "write it as YYYY-MM-DD, a day that exists",
    "model_type": "write keys and values here",
    "dict_type": "write keys and values here",
    "tuple_type": "write a list here: each item begins with '- '",
    "too_short": "name at least one",
}

_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "date_type": "a day",
    "date_parsing": "a day",
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "enum": "one of the known values",
    "literal_error": "an allowed value",
    "too_short": "long enough",
    "string_too_long": "short enough",
    "string_pattern_mismatch": "of the right form",
}


def _expected(kind: str, detail: Any, schema: Any) -> str:
    ctx = detail.get("ctx", {})
    if kind == "greater_than_equal":
        return f"{ctx['ge']} or more"
    if kind == "less_than_equal":
        return f"{ctx['le']} or less"
    if kind == "string_too_long":
        return f"a text of {ctx['max_length']} characters or fewer"
    if kind == "string_type" and getattr(schema, "__name__", "").startswith("IPv4"):
        return "an address in quotes or with dots"
    return _EXPECTED.get(kind, f"valid ({kind})")


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else ("an empty list" if not value else "a list")
    if value is None:
        return "nothing"
    text = repr(value) if isinstance(value, str) else _as_written(value)
    return text if len(text) <= 80 else text[:77] + "…'"  # noqa: PLR2004 (a message stays a line)


def _as_written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number_hint(found: Any) -> str:
    if isinstance(found, str) and re.fullmatch(r"0+[0-9]+", found):
        return f"write {int(found)}: a number with a leading zero is a text"
    if isinstance(found, str) and re.fullmatch(r"[0-9]+", found):
        return f"write {int(found)} without quotes"
    return "write a whole number without quotes"


def schema_at(schema: Any, path: Path) -> Any:
    """Give the type that a path leads to, without `Annotated` and `None`."""
    here = _bare(schema)
    for part in path:
        origin, args = get_origin(here), get_args(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            found = next((f for name, f in here.model_fields.items() if (f.alias or name) == part), None)
            here = _bare(found.annotation) if found else None
        elif origin is dict:
            here = _bare(args[1])
        elif origin is tuple:
            here = _bare(args[0])
        else:
            return None
    return here


def _bare(annotation: Any) -> Any:
    while hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    options = [a for a in get_args(annotation) if a is not type(None)]
    if type(None) in get_args(annotation) and len(options) == 1:
        return _bare(options[0])
    return annotation


def _keys(schema: Any) -> list[str]:
    fields: Mapping[str, Any] = getattr(schema, "model_fields", {})
    return [field.alias or name for name, field in fields.items()]


def _choices(schema: Any) -> str:
    if isinstance(schema, type) and issubclass(schema, Enum):
        return ", ".join(str(member.value) for member in schema)
    return ""
