"""Rules on provinces: every slug is of the list that is said beside it, or of the inventory's.

A facility's slug is part of its paths and frozen when it is registered. When the inventory moves on to
a newer list of provinces, what was written by the older one stays, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from provisioner.base.diagnostics import Problem, Severity
from provisioner.base.nearest import asked, nearest
from provisioner.geography import SCHEMES, AmbiguousProvinceError, ProvinceError, by_slug, merged_into, provinces
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.model import DISTRICTS_ENDED, InProvince, ManagingBody, Operating, ProvinceScheme
from provisioner.inventory.rules.view import View


def provinces_are_known(view: View) -> Iterator[Problem]:
    """A province's slug is of its list: the same name means other territory in another one."""
    for index, order in enumerate(view.inventory.instructions):
        for slug in order.provinces:
            path: KeyPath = ("instructions", index, "provinces", slug)
            yield from _unknown(view, "instructions", path, slug, order.province_scheme)
    for index, designation in enumerate(view.inventory.designations):
        path = ("designations", index, "province")
        yield from _unknown(view, "designations", path, designation.province, designation.province_scheme)
    for owner, facility in view.facilities():
        yield from _unknown(view, owner, ("province",), facility.province, facility.province_scheme)


def _unknown(view: View, owner: str, path: KeyPath, slug: str, own: ProvinceScheme | None) -> Iterator[Problem]:
    scheme = view.inventory.scheme_of(own)
    if slug in _slugs(scheme):
        return
    other = next((one for one in SCHEMES if slug in _slugs(one)), None)
    hint = _other_list(slug, other, frozen=owner.startswith("facility/")) if other else _likeness(slug, scheme)
    message = f"{slug!r} is not a province of the scheme {scheme.value}"
    yield view.problem(owner, path, "province-unknown", message, hint)


def _other_list(slug: str, scheme: str, *, frozen: bool) -> str:
    key = f"it is one of {scheme}: write province_scheme: {scheme} beside it"
    if frozen:
        return f"{key} and leave it as it is: a facility's slug is frozen at registration"
    heir = merged_into(by_slug(slug, scheme)).slug
    return f"{key}, or name the province of today, {heir}" if heir != slug else key


def _likeness(slug: str, scheme: ProvinceScheme) -> str:
    return asked(nearest(slug, sorted(_slugs(scheme)), most=1)) or "write the province's slug, e.g. bac-giang"


@cache
def _slugs(scheme: str) -> frozenset[str]:
    return frozenset(province.slug for province in provinces(scheme))


def facilities_have_a_province_today(view: View) -> Iterator[Problem]:
    """The inventory's list is not older than a facility's: a province of 2025 was several before."""
    for owner, facility in view.facilities():
        province = view.province_today(facility)
        if isinstance(province, AmbiguousProvinceError):  # provinces_are_known reports the others
            hint = f"write province_scheme: {SCHEMES[-1]} in inventory.yml, or correct the facility's"
            yield view.problem(owner, ("province_scheme",), "province-scheme-newer", province.message, hint)


def bodies_are_there_today(view: View) -> Iterator[Problem]:
    """No facility is a district's where the inventory's list is of the time after districts."""
    if view.inventory.scheme_of(None) is not ProvinceScheme.GSO_2025:
        return
    for owner, facility in view.facilities():
        if facility.managing_body is ManagingBody.UBND_HUYEN and facility.operating is not Operating.CLOSED:
            message = f"managing_body is ubnd_huyen, and there are no districts since {DISTRICTS_ENDED}"
            hint = "write who runs it now: ubnd_xa (commune, ward or special zone) or ubnd_tinh"
            yield view.problem(
                owner, ("managing_body",), "managing-body-ended", message, hint, severity=Severity.WARNING
            )


def province_name(view: View, facility: InProvince) -> str:
    """The slug of the province that a facility is in today, with its frozen slug where that is another."""
    province = view.province_today(facility)
    if isinstance(province, ProvinceError) or province.slug == facility.province:
        return facility.province
    return f"{province.slug} (formerly {facility.province})"


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    provinces_are_known,
    facilities_have_a_province_today,
    bodies_are_there_today,
)
