"""Under which written names a province is found: exact keys, nothing by likeness."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from provisioner.base.vietnamese import fold
from provisioner.geography.province import Province, provinces

_TYPES_BEFORE = ("", "tinh", "thanhpho", "tp")
_DOUBT = re.compile("[?\uff1f\ufffd]")
"""Who writes a question mark is not sure; the replacement character stands for a letter that is lost."""
_TYPES_BEHIND = ("province", "city")


def match(text: str, scheme: str) -> Province | None:
    """The province that a name, an alias or a slug is of, with or without the unit's type; or None.

    Raises:
        UnknownSchemeError: no such scheme.
    """
    names = _index(scheme)
    return None if _DOUBT.search(text) else names.get(_key(text))


def keys_of(province: Province) -> Iterator[str]:
    """Every key under which a province is found."""
    for name in (province.name, province.slug, *province.aliases):
        key = _key(name)
        yield from (word + key for word in _TYPES_BEFORE)
        yield from (key + word for word in _TYPES_BEHIND)


@cache
def _index(scheme: str) -> dict[str, Province]:
    return {key: province for province in provinces(scheme) for key in keys_of(province)}


def _key(text: str) -> str:
    return fold(text).replace("-", "")
