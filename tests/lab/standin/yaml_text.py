"""YAML as the real relay reads it: strict about duplicates, with the old spellings of booleans."""

import re
from typing import Final

import yaml

from .errors import ConfigError

TYPE_NAMES: Final = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}

_TRUE: Final = {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"}
_FALSE: Final = {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"}
_NULL: Final = {"", "~", "null", "Null", "NULL"}
_DECIMAL: Final = re.compile(r"[-+]?[0-9][0-9_]*")
_BASED: Final = re.compile(r"[-+]?0([xob])([0-9a-fA-F_]+)")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?")
_BASES: Final = {"x": 16, "o": 8, "b": 2}
_MAX_INT: Final = 2**64 - 1
_MERGE: Final = "tag:yaml.org,2002:merge"
_SNIPPET_LINES: Final = 3


def load(data: bytes) -> object:
    """Turn a configuration file into plain JSON-like values.

    Raises:
        ConfigError: it is not one well-formed YAML document without duplicate keys.
    """
    text = data.decode("utf-8", errors="replace")
    if text.startswith("\ufeff"):
        key = re.split(r"[:\s]", text[1:], maxsplit=1)[0]
        message = f'json: unknown field "\\ufeff{key}"'
        raise ConfigError(message)
    try:
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_located(text, error)) from error
    except (yaml.YAMLError, RecursionError) as error:
        message = f"invalid YAML: {error}"
        raise ConfigError(message) from error
    if len(documents) > 1:
        message = "invalid YAML"
        raise ConfigError(message)
    return _value(text, documents[0]) if documents else None


def _located(text: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return str(error)
    return f"[{mark.line + 1}:{mark.column + 1}] {error.problem}" + _snippet(text, mark.line, mark.column)


def _snippet(text: str, line: int, column: int) -> str:
    lines = text.splitlines()
    before = range(max(0, line - _SNIPPET_LINES), min(line, len(lines)))
    shown = [f"   {index + 1} | {lines[index]}" for index in before]
    if line < len(lines):
        shown.append(f">  {line + 1} | {lines[line]}")
    return "\n" + "\n".join([*shown, " " * (column + 7) + "^"]) + "\n"


def _value(text: str, node: yaml.Node | None) -> object:
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(text, item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return _mapping(text, node)
    return None


def _mapping(text: str, node: yaml.MappingNode) -> dict[str, object]:
    merged: dict[str, object] = {}
    own: dict[str, object] = {}
    places: dict[str, yaml.Mark] = {}
    for key_node, value_node in node.value:
        if key_node.tag == _MERGE:
            inherited = _value(text, value_node)
            for part in inherited if isinstance(inherited, list) else [inherited]:
                merged.update(part if isinstance(part, dict) else {})
            continue
        key = _key(text, key_node)
        mark = key_node.start_mark
        if key in places:
            first = places[key]
            message = (
                f'[{mark.line + 1}:{mark.column + 1}] mapping key "{key}" already defined '
                f"at [{first.line + 1}:{first.column + 1}]" + _snippet(text, mark.line, mark.column)
            )
            raise ConfigError(message)
        places[key] = mark
        own[key] = _value(text, value_node)
    return merged | own


def _key(text: str, node: yaml.Node) -> str:
    value = _value(text, node)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _scalar(node: yaml.ScalarNode) -> object:
    raw = str(node.value)
    if node.style is not None:
        return raw
    if raw in _NULL:
        return None
    if raw in _TRUE or raw in _FALSE:
        return raw in _TRUE
    number = _number(raw)
    return raw if number is None else number


def _number(raw: str) -> int | float | None:
    if matched := _BASED.fullmatch(raw):
        return _based(raw, matched)
    if _DECIMAL.fullmatch(raw):
        digits = raw.lstrip("+-").replace("_", "")
        octal = len(digits) > 1 and digits.startswith("0") and not set(digits) & set("89")
        value = int(digits, 8 if octal else 10)
        if value > _MAX_INT:
            return None
        return -value if raw.startswith("-") else value
    if _FLOAT.fullmatch(raw):
        return float(raw.replace("_", ""))
    return None


def _based(raw: str, matched: re.Match[str]) -> int | None:
    try:
        value = int(matched[2].replace("_", ""), _BASES[matched[1]])
    except ValueError:
        return None
    return -value if raw.startswith("-") else value
