"""What a plain scalar means: YAML 1.2's core schema, less the forms that have bitten people.

A number with a leading zero (`08`), a sexagesimal (`1:30`) and `no`, `yes`, `on`, `off` stay texts.
"""

from __future__ import annotations

import re
from functools import lru_cache

Scalar = str | int | float | bool | None

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = r"(?:0|[1-9][0-9]{0,17})"
_INT = re.compile(rf"[-+]?{_WHOLE}\Z")
_FLOAT = re.compile(rf"[-+]?(?:{_WHOLE}(?:\.[0-9]{{0,17}})?|\.[0-9]{{1,17}})(?:[eE][-+]?[0-9]{{1,2}})?\Z")
_BASED = re.compile(r"0(x[0-9a-fA-F]{1,15}|o[0-7]{1,15})\Z")
_REMEMBERED = 16_384


@lru_cache(maxsize=_REMEMBERED)
def resolve(text: str) -> Scalar:
    """The value of a scalar that stands without quotes; an inventory says the same few over and over."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    return _number(text) if text[0] in "0123456789+-." else text


def _number(text: str) -> str | int | float:
    if _INT.match(text):
        return int(text)
    if _BASED.match(text):
        return int(text, 0)
    return float(text) if _FLOAT.match(text) else text
