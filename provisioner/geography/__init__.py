"""The provinces of 2021 and of 2025, as data: 63 and 34 units, and which old one went into which new one.

A code or a name never stands alone: seven codes name another province in the other scheme, and the
same name means other territory. The type of a unit (city or province) changes and is in no slug.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from provisioner.geography.units import UNITS_2021, UNITS_2025


@dataclass(frozen=True, slots=True)
class Province:
    """A unit of the first level.

    Attributes:
        scheme: `gso-2021` or `gso-2025`.
        code: the General Statistics Office's two digits, a text: `08` is not 8.
        slug: what ids and paths are made of, e.g. `bac-giang`.
        name: in Vietnamese, without the unit's type.
        merged_from: the codes of 2021 that a unit of 2025 consists of; empty in 2021.
    """

    scheme: str
    code: str
    slug: str
    name: str
    merged_from: tuple[str, ...] = ()


@cache
def provinces(scheme: str) -> tuple[Province, ...]:
    """Give the provinces of a scheme in the order of their codes.

    Raises:
        KeyError: no such scheme.
    """
    return _SCHEMES[str(scheme)]


_SCHEMES = {
    "gso-2021": tuple(Province("gso-2021", code, slug, name) for code, slug, name in UNITS_2021),
    "gso-2025": tuple(Province("gso-2025", *unit) for unit in UNITS_2025),
}
