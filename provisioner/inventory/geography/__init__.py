"""The provinces of 2021 (63 units) and of 2025 (34 units).

Each old unit became part of one new unit. A code or a name needs its list: seven codes mean another province in the
other list, and the same name means other territory. A unit's type (city or province) can change and is in no slug.
"""

from __future__ import annotations

from provisioner.inventory.geography.lookup import (
    by_code,
    by_name,
    by_slug,
    convert,
    find,
    is_inside,
    merged_into,
    parts_of,
    read_province,
    unit_today,
)
from provisioner.inventory.geography.province import (
    SCHEMES,
    AmbiguousProvinceError,
    ContradictoryProvinceError,
    Province,
    ProvinceError,
    UnknownProvinceError,
    UnknownSchemeError,
    collisions,
    provinces,
)

__all__ = [
    "SCHEMES",
    "AmbiguousProvinceError",
    "ContradictoryProvinceError",
    "Province",
    "ProvinceError",
    "UnknownProvinceError",
    "UnknownSchemeError",
    "by_code",
    "by_name",
    "by_slug",
    "collisions",
    "convert",
    "find",
    "is_inside",
    "merged_into",
    "parts_of",
    "provinces",
    "read_province",
    "unit_today",
]
