"""JSON in the one form that digests are taken over: sorted keys, no spaces, UTF-8. Imports nothing of ours."""

from __future__ import annotations

import json

import orjson


def canonical_text(value: object) -> str:
    """A plain value as one text, the same for equal values; a number that is none raises ValueError."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def canonical_json(value: object) -> bytes:
    """A plain value as JSON: the same value is the same bytes, whatever the order of its keys.

    Args:
        value: mappings with texts as keys, lists, tuples, texts, numbers, booleans, None.

    Raises:
        TypeError: it holds something else.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a whole number of more than 64 bits, which orjson does not write
        return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
