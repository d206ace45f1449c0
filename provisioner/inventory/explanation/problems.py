"""Conversion of pydantic's errors to problems with position and correction. Pure.

A correction names the field by its last key, and the value to write. Other YAML readers, and other countries, read many
texts differently. YAML 1.1 makes numbers of `010` (8) and `1:30` (90) and truth values of `no` and `on`. Vietnamese
writes the day before the month, and a decimal comma.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Annotated, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from provisioner.base.errors import Problem
from provisioner.base.groups import grouped
from provisioner.base.private_text import is_private
from provisioner.base.text import AnyAddress, AnyNetwork, HostPlace, Sentence, are, counted, msg, nearest
from provisioner.base.vietnamese import fold
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.model.base import HOST_KEY_FORM, LINE_FORM

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from provisioner.inventory.files.positions import SourceFile

_YES = frozenset({"yes", "y", "on", "true", "1", "có"})
_NO = frozenset({"no", "n", "off", "false", "0", "không"})
_ALIKE = 0.7
_LONGEST = 64  #: Maximum length of a correctable number, day or address; Python refuses numbers of thousands of digits.
#: An IPv6 address as in URLs, in ssh or from a machine's programs: in brackets, with a port, with a zone.
_OUTER = re.compile(r"\[?(?P<plain>[0-9A-Fa-f:.]+)(?:%[^/\]]*)?\]?(?::[0-9]+)?(?P<length>/[0-9]{1,3})?")
ZONE_RULE = (
    "order 4403/CV-BCĐ of 2021-05-30 allows corridors, lobbies, yards, gates and the outside of shared baths and"
    " toilets, never the inside of rooms, toilets or baths: move the camera or leave it out"
)

UNSAFE_USER_HINT = (
    "only letters, digits, '_', '.', ':' and '-' are allowed: the name reaches Ansible, where a template such as"
    " {{ lookup('pipe', …) }} would run a command on the controller"
)

_ROOM_WORDS = frozenset(
    {
        *("phong", "trong_phong", "phong_o", "phong_ngu", "phong_cach_ly", "phong_benh"),
        *("phong_tam", "nha_tam", "nha_ve_sinh", "trong_nha_ve_sinh", "nha_tam_ve_sinh", "wc", "toilet", "toilets"),
        *("bath", "baths", "bathroom", "shower", "restroom", "room", "rooms", "bedroom", "in_room", "inside_room"),
    }
)

PATTERN_HINTS = {
    r"^[a-z0-9]+(-[a-z0-9]+)*$": "an id is lower-case letters, digits and single hyphens, e.g. kcl-bg-001",
    r"^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$": "a WireGuard public key is the 44 characters that `wg pubkey` prints",
    r"^[A-Za-z0-9_][A-Za-z0-9._:-]*$": "letters, digits, '_', '.', ':' and '-' only",
    f"^{HOST_KEY_FORM}$": (
        "type and key without host name or comment, as `ssh-keyscan` prints them: ssh-ed25519 AAAA…"
    ),
    r"^[0-9a-f]{64}$": "a SHA-256 checksum is 64 hexadecimal digits, as `sha256sum` prints it",
    r"^1\.(20\.[1-9]\d*|21\.\d+)$": "versions 1.20.1 and later of 1.20 and 1.21 are supported, e.g. 1.21.0",
    r"^(release|https://\S+|file:\S+)$": "write release, an https:// address, or file: and a path",
    r"^/[\x21-\x7e]*$": "an RTSP path begins with '/' and holds no spaces or accents",
    r"^[a-z][a-z0-9._-]{0,14}$": "an interface's name on the gateway, e.g. br-lan",
    LINE_FORM: "write one line of text",
    r"^[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*){1,2}$": (
        "write how the paths begin: <province>/<facility>, or <province>/<facility>/<device>"
    ),
    (
        r"^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
        r" [A-Za-z0-9+/]+={0,2}$"
    ): ("an SSH public key without its comment, which usually names a person: the first two words of the .pub file"),
    r"^https?://[\x21-\x7e]+$": "write https://HOST[:PORT]/PATH, e.g. https://noc.example.com/hooks/provisioner",
    r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$": "the name or address of a server, e.g. mail.example.com",
    r"^[A-Za-z0-9+/]+={0,2}$": "`provisioner sign-off` writes this; do not edit it",
    r"^sha256:[A-Za-z0-9+/]{43}=$": "`provisioner keys init` writes this; do not edit it",
}
MAX_PROBLEMS = 100  #: More problems in one file are one mistake repeated.
_NOT_LISTED, _LISTED_FIRST = "problems-not-listed", "correct the ones that are listed first"

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


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """A parsed file whose errors are explained."""

    source: "SourceFile"
    owner: str  #: The object it describes, e.g. `facility/kcl-bg-001`.
    value: object  #: The plain value that was validated.
    schema: object
    secret: bool = False  #: Whether messages must not contain values or unknown keys.

    def written(self, path: KeyPath) -> str:
        """Return a scalar as written: the number of 1.20 would be 1.2."""
        value = self.value
        for part in path:
            value = _step(value, part)
        return value if isinstance(value, str) else self.source.word_at(path)


# --- corrections -----------------------------------------------------------------------------------
def ask(field: str, kind: str) -> str:
    """Say which kind of value to write."""
    return msg("write {what} for {field}", kind, field) if field else msg("write {what}", kind)


def for_number(field: str, value: object, *, whole: bool) -> str:
    """Say how to write a number; `whole` forbids a fraction."""
    kind = "a whole number" if whole else "a number"
    if isinstance(value, float) and whole and value.is_integer():
        return _write(field, int(value))
    text = value.strip() if isinstance(value, str) else ""
    if not 0 < len(text) <= _LONGEST:
        return ask(field, kind)
    if re.fullmatch(r"[-+]?[0-9]+(:[0-5]?[0-9])+", text):
        return msg("{field}; {text} is a text here (older readers of YAML count it in sixties)", ask(field, kind), text)
    if re.fullmatch(r"[-+]?0[0-9]+", text):
        return msg(
            "{field}; with a leading zero it is a text here (older readers take it for octal)", _write(field, int(text))
        )
    number, rest = _number_in(text, whole=whole)
    if not number or rest[:1].isdigit():
        return msg("{field}, without quotes", ask(field, kind))
    return (
        msg("{field}, without {rest}", _write(field, number), repr(rest))
        if rest
        else msg("{field}, without quotes", _write(field, number))
    )


def _number_in(text: str, *, whole: bool) -> tuple[str, str]:
    """Return the number at a text's start (`1 000,5`), and the rest."""
    plain = re.sub(r"(?<=[0-9])[_ ](?=[0-9]{3})", "", text)
    if not whole:
        plain = re.sub(r"(?<=[0-9]),(?=[0-9]+\b)", ".", plain)
    match = re.match(r"[-+]?[0-9]+\b" if whole else r"[-+]?[0-9]+(\.[0-9]+)?\b", plain)
    return (match[0], plain[match.end() :].strip()) if match else ("", "")


def for_truth(field: str, value: object) -> str:
    """Say how to write a truth value: YAML 1.2 has two words."""
    text = str(value).strip().lower()
    if text in _YES or text in _NO:
        return msg("{field}, without quotes", _write(field, "true" if text in _YES else "false"))
    return ask(field, "true or false")


def for_text(field: str, written: str) -> str:
    """Say how to quote a text that looks like another value."""
    return _write(field, json.dumps(written, ensure_ascii=False))


def for_day(field: str, value: object) -> str:
    """Say how to write a day, in both readings if ambiguous."""
    text = str(value).strip()[: _LONGEST + 1]
    if re.fullmatch(r"[0-9]{8}", text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    parts = [int(part) for part in re.findall(r"[0-9]+", text)[:3]] if len(text) <= _LONGEST else []
    readings: list[date] = []
    if re.match(r"[0-9]{4}\D", text):
        readings = _days(parts)
    elif re.fullmatch(r"[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{4}", text):
        day, month, year = parts
        readings = _days([year, month, day], [year, day, month])
    if readings:
        among = " or ".join(map(str, readings))
        return _write(field, among) + (", whichever is meant" if len(readings) > 1 else "")
    return msg("write {field} as YYYY-MM-DD, a day that exists, e.g. 2021-05-10", field or "it")


def _days(*candidates: Sequence[int]) -> list[date]:
    days: dict[date, None] = {}
    for parts in candidates:
        with suppress(ValueError, TypeError, OverflowError):
            days[date(*parts)] = None
    return list(days)


def for_choice(field: str, value: object, choices: Sequence[str]) -> str:
    """List the known values, and suggest the most similar one."""
    if len(choices) == 1:
        return _write(field, choices[0])
    text = str(value).strip().lower().replace("-", "_").replace(" ", "_")
    close = [text] if text in choices else nearest(text, choices, most=1, alike=_ALIKE)
    listed = msg("one of {choices}", ", ".join(choices))
    return (
        msg("{field}; it is {listed}", _write(field, close[0]), listed) if close and isinstance(value, str) else listed
    )


def for_address(field: str, value: object, *, network: bool) -> str:
    """Say how to write an IPv4 address or network."""
    numbers = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,9})(/[0-9]{1,2})?", str(value).strip())
    if numbers:
        plain = ".".join(str(int(number)) for number in numbers.groups()[:4])
        with suppress(ValueError):  # a number is too large: which one is meant cannot be seen
            if network:
                return _write(field, IPv4Network(plain + (numbers[5] or "/24"), strict=False))
            return _write(field, IPv4Address(plain))
    if network:
        return msg("write {field} as a network's first address and its length, e.g. 192.168.1.0/24", field or "it")
    return msg("write {field} as four numbers from 0 to 255 with dots between, e.g. 192.168.1.10", field or "it")


def for_either_address(field: str, value: object, *, network: bool, name: bool) -> str:
    """Say how to write an address, network or host name (`name`)."""
    text = str(value).strip()
    outer = _OUTER.fullmatch(text) if len(text) <= _LONGEST and text.count(":") > 1 else None
    if outer:
        with suppress(ValueError):
            if network:
                return _write(field, _plain_network(outer["plain"] + (outer["length"] or "/64")))
            address = IPv6Address(outer["plain"])
            return _write(field, address.ipv4_mapped or address)
    elif re.match(r"[0-9]+\.", text):
        return for_address(field, value, network=network)
    if network:
        return msg(
            "write {field} as a network's first address and its length, e.g. 192.0.2.0/24 or 2001:db8::/48",
            field or "it",
        )
    examples = "192.0.2.10, 2001:db8::10 or relay.example.com" if name else "192.0.2.10 or 2001:db8::10"
    return msg("write {field} like one of these: {examples}", field or "it", examples)


def _plain_network(text: str) -> IPv4Network | IPv6Network:
    """Return the network around an address; IPv4-mapped ones as IPv4."""
    network = IPv6Network(text, strict=False)
    mapped, length = network.network_address.ipv4_mapped, network.prefixlen - 96
    return IPv4Network((int(mapped), length)) if mapped is not None and length >= 0 else network


def _write(field: str, value: object) -> str:
    return msg("write {field}: {value}", field, value) if field else msg("write {value}", value)


# --- types that paths lead to ----------------------------------------------------------------------
def schema_at(schema: object, path: KeyPath) -> object:
    """Return the type at a path, without `Annotated` and `None`."""
    current = _without_optional(schema)
    for part in path:
        origin, args = get_origin(current), get_args(current)
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = next((f for name, f in current.model_fields.items() if (f.alias or name) == part), None)
            current = _without_optional(field.annotation) if field else None
        elif origin is dict:
            current = _without_optional(args[1])
        elif origin is tuple:
            current = _without_optional(args[0])
        else:
            return None
    return current


def _without_optional(annotation: object) -> object:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    options = [a for a in get_args(annotation) if a is not type(None)]
    if type(None) in get_args(annotation) and len(options) == 1:
        return _without_optional(options[0])
    return annotation


def keys_of(schema: object) -> list[str]:
    """Return the keys of this type, as in files."""
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return [field.alias or name for name, field in schema.model_fields.items()]
    return []


def choices_of(schema: object) -> str:
    """Return an enumeration's values as a list in words; otherwise empty."""
    if isinstance(schema, type) and issubclass(schema, Enum):
        return ", ".join(str(member.value) for member in schema)
    return ""


def is_indoors(zone: str) -> bool:
    """Return whether a zone is a room, toilet or bath."""
    return fold(zone).replace("-", "_") in _ROOM_WORDS


# --- problems --------------------------------------------------------------------------------------
def problems_of(error: ValidationError, subject: ParsedFile) -> Iterator[Problem]:
    """Yield a problem for each of pydantic's errors, up to a limit."""
    # A list that is too short because of its items is explained by these, one by one.
    details = [d for d in error.errors(include_url=False) if not (d["type"] == "too_short" and d["input"])]
    for detail in details[:MAX_PROBLEMS]:
        yield _Explanation(subject, detail).problem()
    if (unlisted := len(details) - MAX_PROBLEMS) > 0:
        position = subject.source.at(())
        message = _unlisted_message(subject.owner.replace("/", " ", 1), unlisted)
        yield Problem(*position, _NOT_LISTED, message, _LISTED_FIRST, subject.owner)


def listed(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return sorted problems: of those alike the first, and their number."""
    alike = grouped(sorted(problems), lambda problem: (problem.file, problem.code))
    shown = [problem for group in alike.values() for problem in group[:MAX_PROBLEMS]]
    for (file, _), group in alike.items():
        if unlisted := group[MAX_PROBLEMS:]:
            message = _unlisted_message(unlisted[0].object.replace("/", " ", 1) or file, len(unlisted))
            shown.append(replace(unlisted[0], code=_NOT_LISTED, message=message, hint=_LISTED_FIRST))
    return tuple(sorted(shown))


def number_of(problem: Problem) -> int:
    """Return how many problems a line stands for."""
    more = problem.message.values.get("more_problems") if isinstance(problem.message, Sentence) else None
    return int(str(more).partition(" ")[0]) if problem.code == _NOT_LISTED and more else 1


def _unlisted_message(owner: str, number: int) -> str:
    more_problems = counted(number, "more problem")
    return msg("{owner}: {more_problems} {are} not listed", owner, more_problems, are(number))


def label(owner: str, value: object, path: KeyPath) -> str:
    """Return an object's name in messages: `facility kcl-bg-001: camera cam-03: zone`."""
    parts = [owner.replace("/", " ", 1)]
    current = value
    for index, part in enumerate(path):
        current = _step(current, part)
        if isinstance(part, int) and index:
            parts[-1] = _item_label(str(path[index - 1]), part, current)
        else:
            parts.append("a key" if is_private(str(part)) else str(part))
    return ": ".join(parts)


def _item_label(listing: str, index: int, item: object) -> str:
    named = item.get("id", item.get("ref", item.get("province"))) if isinstance(item, dict) else None
    if isinstance(named, str) and not is_private(named):
        return f"{_SINGULAR.get(listing, listing)} {named}"
    return msg("{listing} number {index}", _SINGULAR.get(listing, listing), index + 1)


def _step(value: object, part: str | int) -> object:
    if isinstance(part, int):
        return value[part] if isinstance(value, list) and part < len(value) else None
    return value.get(part) if isinstance(value, dict) else None


@dataclass(frozen=True)
class _Explanation:
    subject: ParsedFile
    detail: "ErrorDetails"

    @property
    def path(self) -> KeyPath:
        return tuple(part for part in self.detail["loc"] if part != "[key]")

    @property
    def is_key(self) -> bool:
        loc = self.detail["loc"]
        return bool(loc) and loc[-1] == "[key]"

    @property
    def hidden(self) -> bool:
        """Whether the value is secret or private and must not be repeated."""
        return self.subject.secret or any(map(is_private, self._names_for_hint()))

    def _names_for_hint(self) -> Iterator[str]:
        yield from (part for part in self.path if isinstance(part, str))
        if not isinstance(self.value, dict | list) and self.value is not None:
            yield str(self.value)
            yield self.subject.written(self.path)

    @property
    def value(self) -> object:
        """The invalid value; never show it from a secret file."""
        value = self.subject.value
        for part in self.path:
            value = _step(value, part)
        return value

    def problem(self) -> Problem:
        kind = str(self.detail["type"])
        special = self._special_problem()
        if special:
            code, message, hint = special
        elif kind == "missing":
            code, message, hint = self._missing_key_problem()
        elif kind == "extra_forbidden":
            code, message, hint = self._unknown_key_problem()
        else:
            code, message, hint = "value-invalid", self._message_for(kind), self._hint_for(kind)
        return self._problem_at(kind, code, message, hint)

    def _problem_at(self, kind: str, code: str, message: str, hint: str) -> Problem:
        path = self.path
        about = path[:-1] if kind in {"missing", "extra_forbidden"} else path
        at_key = kind == "extra_forbidden" or self.is_key
        position = self.subject.source.at(about if kind == "missing" else path, key=at_key)
        text = f"{label(self.subject.owner, self.subject.value, about)}: {message}"
        return Problem(*position, code, text, hint, self.subject.owner)

    def _special_problem(self) -> tuple[str, str, str] | None:
        value = self.value
        if not isinstance(value, str) or self.hidden:
            return None
        if self.path[-1:] == ("zone",) and is_indoors(value):
            return (
                "zone-forbidden",
                msg("a camera may not look into a room, toilet or bath ({value})", repr(value)),
                ZONE_RULE,
            )
        if self.path[-2:] == ("ssh", "user") and self.detail["type"] == "string_pattern_mismatch":
            message = msg("{value} is not the name of a user that can be passed on safely", repr(value))
            return "host-user-unsafe", message, UNSAFE_USER_HINT
        return None

    def _missing_key_problem(self) -> tuple[str, str, str]:
        key = self.path[-1]
        schema = schema_at(self.subject.schema, self.path)
        allowed = choices_of(schema)
        value = str(get_args(schema)[0]) if get_origin(schema) is Literal else "…"
        hint = msg("add '{key}: {value}'", key, value) + ((", " + msg("one of {allowed}", allowed)) if allowed else "")
        return "key-missing", msg("{key} is missing", repr(key)), hint

    def _unknown_key_problem(self) -> tuple[str, str, str]:
        keys = keys_of(schema_at(self.subject.schema, self.path[:-1]))
        if self.hidden:
            return "key-unknown", "a key here is not known", msg("the keys here are {known}", ", ".join(keys))
        key = str(self.path[-1])
        close = nearest(key, keys, most=1)
        hint = (
            msg("did you mean {close}?", repr(close[0])) if close else msg("the keys here are {known}", ", ".join(keys))
        )
        return "key-unknown", msg("{key} is not a known key", repr(key)), hint

    def _message_for(self, kind: str) -> str:
        schema = schema_at(self.subject.schema, self.path)
        if kind == "value_error" and (schema not in (IPv4Address, IPv4Network) or "host bits" in self._error_text()):
            return self._error_text()
        if self.is_key:
            return (
                "the key cannot be a name here"
                if self.hidden
                else msg("{path} cannot be a key here", repr(self.path[-1]))
            )
        if self.value is None and not self.path:
            return "the file is empty"
        quoted = "the value" if self.hidden else _quoted_value(self.value)
        return msg("{quoted} is not {kind}", quoted, _expected_text(kind, self.detail, schema))

    def _error_text(self) -> str:
        text = str(self.detail["ctx"]["error"])
        if self.hidden:
            return "the value is not allowed" if re.search(r"['\"]", text) else text
        quoted = _quoted_value(self.value)
        return text if isinstance(self.value, dict) or quoted.strip("'") in text else f"{quoted}: {text}"

    def _hint_for(self, kind: str) -> str:
        """Say what to write, without values of a secret file."""
        schema, ctx = schema_at(self.subject.schema, self.path), self.detail.get("ctx", {})
        if kind == "string_pattern_mismatch":
            return PATTERN_HINTS.get(ctx["pattern"], _EXAMPLE)
        if kind in _BOUNDS:
            return ask(self._field, msg("a number of {kind}", _expected_text(kind, self.detail, schema)))
        if self.hidden or self.is_key or isinstance(self.value, dict | list):
            return _GENERAL_HINTS.get(kind, _EXAMPLE)
        return self._correction_hint(kind, schema, ctx)

    def _correction_hint(self, kind: str, schema: object, ctx: Mapping[str, object]) -> str:
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
        return for_truth(field, value) if kind == "bool_type" else self._general_hint(kind)

    def _general_hint(self, kind: str) -> str:
        if kind == "value_error" and "THH:MM" in self._error_text():
            return "write it as 2021-05-22T06:00, a minute that exists"
        if kind == "value_error" and "Windows" in self._error_text():
            return msg(
                "choose another id, e.g. {value}-1; `moved` in inventory.yml keeps the paths of a facility", self.value
            )
        return _GENERAL_HINTS.get(kind, _EXAMPLE)

    @property
    def _field(self) -> str:
        return self.path[-1] if self.path and isinstance(self.path[-1], str) else ""


def _address_hint(field: str, value: object, schema: object) -> str:
    if schema in (IPv4Address, IPv4Network):
        return for_address(field, value, network=schema is IPv4Network)
    return for_either_address(field, value, network=schema == AnyNetwork, name=schema == HostPlace)


def _expected_text(kind: str, detail: "ErrorDetails", schema: object) -> str:
    ctx = detail.get("ctx", {})
    if kind in _BOUNDS:
        bound = next(ctx[name] for name in ("ge", "le", "gt", "lt") if name in ctx)
        texts = {
            "greater_than_equal": "{bound} or more",
            "less_than_equal": "{bound} or less",
            "greater_than": "more than {bound}",
        }
        return texts.get(kind, "less than {bound}").format(bound=f"{bound:g}")
    if kind == "string_too_long":
        return msg("a text of {ctx} characters or fewer", ctx["max_length"])
    if schema in _ADDRESSES:
        return _ADDRESSES[schema]
    return _EXPECTED.get(kind, msg("valid ({kind})", kind))


def _quoted_value(value: object) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else ("an empty list" if not value else "a list")
    if value is None:
        return "nothing"
    text = repr(value) if isinstance(value, str) else _as_written(value)
    return text if len(text) <= 80 else text[:77] + "…'"  # noqa: PLR2004 (a message stays a line)


def _as_written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
