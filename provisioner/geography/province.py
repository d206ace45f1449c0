"""A province as a value, and the two lists of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Final

from provisioner.geography.faults import UnknownSchemeError
from provisioner.geography.units import ALIASES, UNITS_2021, UNITS_2025

SCHEMES: Final = ("gso-2021", "gso-2025")
"""The lists of the General Statistics Office, older first."""

_SINCE_2021 = date(2008, 8, 1)  # resolution 15/2008/QH12: Hà Tây went into Hà Nội, and 63 were left
_SINCE_2025 = date(2025, 7, 1)
_UNTIL_2021 = date(2025, 6, 30)
_HUE_SINCE = date(2025, 1, 1)  # resolution 175/2024/QH15: Thừa Thiên Huế became the city of Huế, as a whole
_HUE_UNTIL = date(2024, 12, 31)


@dataclass(frozen=True, slots=True)
class Province:
    """A unit of the first level.

    Attributes:
        scheme: `gso-2021` or `gso-2025`.
        code: the General Statistics Office's two digits, a text: `08` is not 8.
        slug: what ids and paths are made of, e.g. `bac-giang`.
        name: in Vietnamese (NFC), without the unit's type.
        aliases: other names in use; spaces, case, marks and the unit's type need none.
        area_codes: of its landlines, as dialled in the country, e.g. `0204`; a merged unit keeps several.
        valid_from: its first day.
        valid_to: its last day, or None.
        merged_from: the codes of 2021 that a unit of 2025 consists of; empty in 2021.
    """

    scheme: str
    code: str
    slug: str
    name: str
    aliases: tuple[str, ...]
    area_codes: tuple[str, ...]
    valid_from: date
    valid_to: date | None
    merged_from: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


@cache
def provinces(scheme: str) -> tuple[Province, ...]:
    """The provinces of a scheme in the order of their codes.

    Raises:
        UnknownSchemeError: no such scheme.
    """
    if scheme == SCHEMES[0]:
        return tuple(_of_2021(*unit) for unit in UNITS_2021)
    if scheme == SCHEMES[1]:
        return tuple(_of_2025(*unit) for unit in UNITS_2025)
    raise UnknownSchemeError(
        f"{shown(scheme)} is no list of provinces",
        hint="gso-2021 are the 63 provinces until 2025-06-30, gso-2025 the 34 since then",
    )


def _of_2021(code: str, slug: str, name: str, area_code: str) -> Province:
    until = _HUE_UNTIL if slug == "thua-thien-hue" else _UNTIL_2021
    return Province(SCHEMES[0], code, slug, name, ALIASES.get(slug, ()), (area_code,), _SINCE_2021, until)


def _of_2025(code: str, slug: str, name: str, merged_from: tuple[str, ...]) -> Province:
    areas = {old: area for old, _, _, area in UNITS_2021}
    area_codes = tuple(areas[old] for old in merged_from)
    since = _HUE_SINCE if slug == "hue" else _SINCE_2025
    return Province(SCHEMES[1], code, slug, name, ALIASES.get(slug, ()), area_codes, since, None, merged_from)


@cache
def collisions() -> tuple[str, ...]:
    """The codes that name one province in 2021 and another in 2025; 46 is one place under two names."""
    old = {province.code: province.name for province in provinces(SCHEMES[0])}
    return tuple(
        new.code for new in provinces(SCHEMES[1]) if new.name != old[new.code] and new.merged_from != (new.code,)
    )


def shown(text: str, length: int = 60) -> str:
    """A text for a message: one line, quoted, not longer than somebody wants to read."""
    return repr(text if len(text) <= length else text[:length] + "…")
