"""What an access mode decides, and of what. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol

from provisioner.desired.required import recorded
from provisioner.desired.spec import DeviceMap
from provisioner.inventory.model import Connection, Facility, Inventory, SiteAllocation


@dataclass(frozen=True, slots=True)
class LinkedSite:
    """A site as one relay sees it.

    Attributes:
        facility: whose devices are reached.
        allocation: what the lock records of the site.
        address: the site's own tunnel address in the pool of that relay's carrier.
    """

    facility: Facility
    allocation: SiteAllocation
    address: IPv4Address


def linked_site(inventory: Inventory, connection: Connection) -> LinkedSite:
    """The site of a connection as the connection's relay sees it.

    Raises:
        InventoryError: its tunnel address is not recorded.
    """
    facility = connection.facility
    name = facility.id
    allocation = recorded(inventory.allocations.sites.get(name), "its tunnel address", name, "allocate")
    if not connection.successor or connection.plan.carrier == allocation.carrier:
        return LinkedSite(facility, allocation, allocation.tunnel_address)
    second = recorded(allocation.successor, "its tunnel address of the next carrier", name, "allocate")
    return LinkedSite(facility, allocation, second.tunnel_address)


class SiteAccess(Protocol):
    """How a relay reaches a site's devices."""

    def allowed_ips(self, site: LinkedSite) -> tuple[IPv4Network, ...]:
        """The addresses that are the site's peer's: all sources of the site's paths lie in them."""
        ...

    def device_address(self, site: LinkedSite, device: str) -> tuple[IPv4Address, int]:
        """The address and port at which the relay finds a device; no two devices have the same.

        Raises:
            InventoryError: what the device needs is not recorded in the lock.
        """
        ...

    def onvif_address(self, site: LinkedSite, device: str) -> tuple[IPv4Address, int]:
        """The address and port at which the relay asks a device about itself; nothing else is found there.

        Raises:
            InventoryError: what the device needs is not recorded in the lock.
        """
        ...

    def device_map(self, facility: Facility, allocation: SiteAllocation) -> DeviceMap:
        """Where the site's gateway leads what the relay sends to those addresses.

        Raises:
            InventoryError: what a device needs is not recorded in the lock.
        """
        ...
