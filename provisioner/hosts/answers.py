"""Hosts' answers, read by their declaration in the host program's `wire.py`. Pure.

Undeclared keys are left out. Each text becomes one printable line of bounded length; each number is finite and fits 64
bits. An error names the position, never the value.
"""

import json
from collections.abc import Callable, Hashable
from functools import cache, reduce
from types import NoneType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Final,
    Literal,
    NoReturn,
    NotRequired,
    Required,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from pydantic_core import CoreSchema, PydanticCustomError, SchemaValidator, ValidationError
from pydantic_core import core_schema as core

from provisioner.base.errors import HostError, UnreadableError
from provisioner.base.text import msg, printable
from provisioner.desired.render.templates import host_module

if TYPE_CHECKING:
    from provisioner_host import wire as wire  # noqa: PLC0414 (others import it from here)
else:
    wire = host_module("wire")

LONGEST_ANSWER = 16 * 1024 * 1024  #: The most bytes of an answer: 1.5 times that of a relay with ten thousand paths.
MOST_PARTS = 1_000_000  #: The most lists, objects and members of an answer; each takes memory as a hundred letters do.

_Answer = TypeVar("_Answer")
_Parsed = TypeVar("_Parsed")

# Larger than any counter, port, time or identifier of ours.
_LARGEST: Final = 2**63
# Deeper than anything that we or MediaMTX write; a deeper one would exhaust the stack of whatever walks it.
_DEEPEST: Final = 16
# Longer than any word or message of ours: what a program printed is cut on the host.
_LONGEST: Final = 20_000
_NAME_SHOWN: Final = 60
_WRONG: Final = {
    "name": "{place} is no name",
    "deep": "{place} is nested too deeply",
    "missing": "{place} is missing",
    "string_type": "{place} is no text",
    "string_unicode": "{place} is no text",
    "string_too_long": "{place} is too long",
    "string_pattern_mismatch": "{place} is not of its form",
    "int_type": "{place} is no number",
    "float_type": "{place} is no number",
    "finite_number": "{place} is no number",
    "bool_type": "{place} is neither true nor false",
    "dict_type": "{place} is no object",
    "list_type": "{place} is no list",
    "literal_error": "{place} is not one of {expected}",
    "greater_than": "{place} is no number",
    "less_than": "{place} is no number",
    "greater_than_equal": "{place} is less than {ge}",
    "less_than_equal": "{place} is more than {le}",
    "too_short": "{place} has fewer than {min_length} parts",
    "too_long": "{place} has more than {max_length} parts",
}


def read_json(raw: bytes) -> object:
    """Parse bounded JSON of our program, or raise `UnreadableError`."""
    if len(raw) > LONGEST_ANSWER:
        raise UnreadableError(msg("it is longer than {longest_answer} bytes", LONGEST_ANSWER))
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") > MOST_PARTS:
        raise UnreadableError(msg("it has more than {most_parts} parts", MOST_PARTS))
    try:
        answer: object = json.loads(raw.decode("ascii"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(msg("it is no JSON of ours ({name})", type(error).__name__)) from None
    return answer


def read(kind: type[_Answer], document: object) -> _Answer:
    """Validate an answer, or another document with its bounds, or raise `UnreadableError`."""
    try:
        answer: _Answer = _reader(cast("Hashable", kind)).validate_python(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
    else:
        return answer
    wrong = {"place": _position(first["loc"]), **first.get("ctx", {})}
    template = "{place} is negative" if wrong.get("ge") == 0 else _WRONG.get(first["type"], first["type"])
    raise UnreadableError(template.format_map(wrong))


def parsed(host: str, kind: type[_Answer], document: object, parse: Callable[[_Answer], _Parsed]) -> _Parsed:
    """Validate a host's answer and convert it, or raise `HostError`."""
    try:
        return parse(read(kind, document))
    except UnreadableError as error:
        raise unreadable_answer(host, str(error)) from None


def read_answer(host: str, kind: type[_Answer], document: object) -> _Answer:
    """Validate a host's answer, or raise `HostError`."""
    return parsed(host, kind, document, lambda answer: answer)


def unreadable_answer(host: str, problem: str) -> HostError:
    """Return the error for an unreadable answer of a host."""
    return HostError(
        msg("{host} gave an answer that cannot be read: {problem}", host, problem),
        hint="run the command again; if it stays so, log in on that host and look at /etc/provisioner and"
        " /var/lib/provisioner: this answer is not what the program that was sent there writes",
        object=host,
    )


def _no_constant(_name: str) -> NoReturn:
    # NaN and the infinities are not JSON.
    raise ValueError


def _position(location: tuple[int | str, ...]) -> str:
    """Return a position in an answer, e.g. `tunnel.peers`."""
    names = ".".join(printable(name, _NAME_SHOWN) for name in location if isinstance(name, str) and name != "[key]")
    if location and location[-1] == "[key]":
        return msg("a name in {names}", names.rpartition(".")[0] or "the answer")
    return names or "it"


@cache
def _reader(kind: Hashable) -> SchemaValidator:
    return SchemaValidator(_schema(kind))


@cache
def _schema(hint: object) -> CoreSchema:
    origin, inner = get_origin(hint), get_args(hint)
    schema: CoreSchema
    if hint in _PLAIN:
        schema = _PLAIN[hint]
    elif isinstance(hint, type) and is_typeddict(hint):
        needed, hints = vars(hint)["__required_keys__"], get_type_hints(hint, include_extras=True)
        fields = {key: _field(inner_hint, is_needed=key in needed) for key, inner_hint in hints.items()}
        schema = core.typed_dict_schema(fields, strict=True)
    elif origin is Annotated:
        schema = reduce(_bounded, inner[1:], _schema(inner[0]))
    elif origin is list:
        schema = core.list_schema(_schema(inner[0]), fail_fast=True, strict=True)
    elif origin is dict:
        schema = core.dict_schema(_NAME, _schema(inner[1]), fail_fast=True, strict=True)
    elif origin is Literal:
        schema = core.literal_schema(list(inner))
    else:
        (inner_hint,) = (inner_hint for inner_hint in inner if inner_hint is not NoneType)
        schema = core.nullable_schema(_schema(inner_hint))
    return schema


def _field(hint: object, *, is_needed: bool) -> core.TypedDictField:
    if (origin := get_origin(hint)) in {NotRequired, Required}:
        hint, is_needed = get_args(hint)[0], origin is Required
    return core.typed_dict_field(_schema(hint), required=is_needed)


def _bounded(schema: CoreSchema, bound: object) -> CoreSchema:
    kind = schema["type"]
    match bound:
        case wire.Bounds() if kind == "list":
            return {**schema, "min_length": bound.least, "max_length": bound.most}
        case wire.Bounds():
            least = {"ge": bound.least} if bound.least is not None else {}
            return {**schema, **least, "le": bound.most}
        case wire.Longest() if kind == "list":
            return core.no_info_after_validator_function(lambda listed: listed[: bound.most], schema)
        case wire.Longest():
            return core.no_info_after_validator_function(lambda text: printable(text, bound.most), _LONG_TEXT)
        case wire.Pattern():
            return core.str_schema(pattern=f"^(?:{bound.pattern})$", strict=True)
    raise TypeError(bound)


def _name(text: str) -> str:
    if printable(text) != text:
        raise PydanticCustomError("name", "")
    return text


def _json(value: object, depth: int = _DEEPEST) -> object:
    """Validate any JSON of limited depth."""
    if isinstance(value, str):
        return _TEXT_READER.validate_python(value)
    if value is None or isinstance(value, bool):
        return value
    if not depth:
        raise PydanticCustomError("deep", "")
    if isinstance(value, dict):
        return {_NAME_READER.validate_python(key): _json(below, depth - 1) for key, below in value.items()}
    if isinstance(value, list):
        return [_json(below, depth - 1) for below in value]
    _NUMBER_READER.validate_python(value)
    return value


_LONG_TEXT = core.str_schema(strict=True, max_length=_LONGEST)
_TEXT = core.no_info_after_validator_function(printable, _LONG_TEXT)
_NAME = core.no_info_after_validator_function(_name, _LONG_TEXT)
_FLOAT = core.float_schema(strict=True, allow_inf_nan=False, gt=-_LARGEST, lt=_LARGEST)
_PLAIN: Final[dict[object, CoreSchema]] = {
    str: _TEXT,
    int: core.int_schema(strict=True, gt=-_LARGEST, lt=_LARGEST),
    float: _FLOAT,
    bool: core.bool_schema(strict=True),
    object: core.no_info_plain_validator_function(_json),
}
_TEXT_READER, _NAME_READER, _NUMBER_READER = (SchemaValidator(one) for one in (_TEXT, _NAME, _FLOAT))
