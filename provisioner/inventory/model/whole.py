"""A loaded inventory."""

from __future__ import annotations

from provisioner.inventory.model.allocations import Allocations
from provisioner.inventory.model.base import Model, Slug
from provisioner.inventory.model.facility import Connection, Facility
from provisioner.inventory.model.hosts import Carrier, Centre, Relay
from provisioner.inventory.model.orders import Designation, Instruction
from provisioner.inventory.model.settings import Settings


class Inventory(Model):
    """A loaded inventory. Mappings are by id and in the order of ids."""

    settings: Settings
    instructions: tuple[Instruction, ...]
    designations: tuple[Designation, ...]
    carriers: dict[Slug, Carrier]
    centres: dict[Slug, Centre]
    facilities: dict[Slug, Facility]
    allocations: Allocations

    @property
    def relays(self) -> dict[str, tuple[Carrier, Relay]]:
        """Every relay by id, with its carrier."""
        return {r.id: (c, r) for c in self.carriers.values() for r in c.relays}

    @property
    def rendered_facilities(self) -> tuple[Facility, ...]:
        """The facilities that hosts carry, in the order of their ids."""
        return tuple(f for _, f in sorted(self.facilities.items()) if f.rendered)

    @property
    def connections(self) -> tuple[Connection, ...]:
        """What hosts carry, in the order of facilities' ids; a change of carrier has two of one facility."""
        return tuple(c for _, f in sorted(self.facilities.items()) for c in f.connections)
