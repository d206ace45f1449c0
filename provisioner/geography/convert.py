"""From the provinces of 2021 to those of 2025 and back."""

from __future__ import annotations

from functools import cache

from provisioner.geography.faults import AmbiguousProvinceError, UnknownProvinceError
from provisioner.geography.lookup import by_slug
from provisioner.geography.province import SCHEMES, Province, provinces


def merged_into(province: Province) -> Province:
    """The unit of 2025 in which a province's territory is; a unit of 2025 is its own."""
    return province if province.scheme == SCHEMES[1] else _heirs()[province.code]


@cache
def _heirs() -> dict[str, Province]:
    return {old: new for new in provinces(SCHEMES[1]) for old in new.merged_from}


def convert(province: Province, scheme: str) -> tuple[Province, ...]:
    """The units of a scheme that a province's territory is in: exactly one of 2025, one or more of 2021.

    Raises:
        UnknownSchemeError: no such scheme.
    """
    units = provinces(scheme)
    if province.scheme == scheme:
        return (province,)
    if scheme == SCHEMES[1]:
        return (merged_into(province),)
    return tuple(unit for unit in units if unit.code in province.merged_from)


def lies_in(part: Province, whole: Province) -> bool:
    """Tell whether all of a province's territory is in another one, of whichever lists they are."""
    return convert(part, whole.scheme) == (whole,)


def parts_of(slug: str, scheme: str) -> frozenset[str]:
    """The slugs of 2021 whose territory is in a province of `scheme`; none where the slug is not of it."""
    try:
        return frozenset(unit.slug for unit in convert(by_slug(slug, scheme), SCHEMES[0]))
    except UnknownProvinceError:
        return frozenset()


def unit_today(slug: str, slug_scheme: str, scheme: str) -> Province:
    """The unit of `scheme` to which a facility belongs whose frozen slug is of `slug_scheme`.

    Args:
        slug: the province's slug in the facility's file and paths, frozen when it was registered.
        slug_scheme: the list which that slug is of.
        scheme: the list that is in use: of designations and reports.

    Raises:
        UnknownSchemeError: one of the two lists does not exist.
        UnknownProvinceError: the slug is not of its list.
        AmbiguousProvinceError: the list in use is older than the slug, and the unit was several then.
    """
    province = by_slug(slug, slug_scheme)
    units = convert(province, scheme)
    if len(units) > 1:
        listed = ", ".join(map(str, units))
        raise AmbiguousProvinceError(
            f"{province} of {slug_scheme} is several provinces in {scheme}: {listed}",
            hint=f"a list in use is not older than the slugs: set it to {slug_scheme}",
        )
    return units[0]
