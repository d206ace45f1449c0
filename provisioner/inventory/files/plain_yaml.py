"""Writing YAML that our loader, and any other, reads back as it was: block mappings, JSON's quoted texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

# JSON leaves these as they are, but YAML takes some for line breaks and refuses the others.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def render_mapping(mapping: Mapping[str, object]) -> str:
    """The text of a mapping; keys are ids and stand plain, mappings below the first level are not sorted."""
    return "".join(f"{line}\n" for line in _lines(mapping, "")) or "{}\n"


def _lines(mapping: Mapping[str, object], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:"
            yield from _lines(value, indent + "  ")
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
    """A text, number, boolean or nothing as one YAML token."""
    text = json.dumps(value, ensure_ascii=False)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
