"""The sites of an inventory, by id, name and province of today. Pure; worked out once, where it is asked for."""

from __future__ import annotations

from functools import cached_property

from provisioner.base.vietnamese import fold
from provisioner.geography import ProvinceError
from provisioner.importing.proposal.candidates import SiteIndex
from provisioner.importing.proposal.identity import Identity, identity_of
from provisioner.inventory.model import Facility, Inventory, Operating


class InventorySites:
    """The sites that an inventory has."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._scheme = inventory.settings.province_scheme
        self._indexes: dict[str, SiteIndex] = {}

    @cached_property
    def provinces(self) -> dict[str, str]:
        """The slug of each facility's province today; its own where there is none."""
        return {facility.id: self._today(facility) for facility in self._inventory.facilities.values()}

    def _today(self, facility: Facility) -> str:
        try:
            return self._inventory.province_today(facility).slug
        except ProvinceError:
            return facility.province

    @cached_property
    def by_name(self) -> dict[str, tuple[str, ...]]:
        """The facilities of each name, by its key."""
        names: dict[str, list[str]] = {}
        for facility in self._inventory.facilities.values():
            names.setdefault(fold(facility.name), []).append(facility.id)
        return {name: tuple(facilities) for name, facilities in names.items()}

    def identity(self, facility: str) -> Identity:
        """Where a facility is and what it is called."""
        known = self._inventory.facilities[facility]
        place = known.location
        return identity_of(
            self.provinces[facility],
            known.name,
            district=place.district if place else None,
            ward=place.ward if place else None,
            street=place.street if place else None,
            scheme=self._inventory.scheme_of(known.province_scheme),
        )

    def index(self, province: str) -> SiteIndex:
        """The sites of a province."""
        if province not in self._indexes:
            members = ((facility, self.identity(facility)) for facility in sorted(self._by_province.get(province, ())))
            self._indexes[province] = SiteIndex(members, self._scheme)
        return self._indexes[province]

    @cached_property
    def _by_province(self) -> dict[str, list[str]]:
        provinces: dict[str, list[str]] = {}
        for facility, province in self.provinces.items():
            provinces.setdefault(province, []).append(facility)
        return provinces

    def not_closed(self, province: str) -> tuple[str, ...]:
        """The facilities of a province that a list of it would have."""
        there = self._by_province.get(province, ())
        return tuple(f for f in sorted(there) if self._inventory.facilities[f].operating is not Operating.CLOSED)
