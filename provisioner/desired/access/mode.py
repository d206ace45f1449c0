"""What an access mode decides, and of what. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple, Protocol

from provisioner.desired.required import recorded
from provisioner.desired.spec import DeviceMap
from provisioner.inventory.model import Connection, Facility, Inventory, SiteAllocation


@dataclass(frozen=True, slots=True)
class LinkedSite:
    """A site as one relay sees it.

    Attributes:
        facility: whose devices are reached.
        recorded_site: what the lock records of the site; None where that is nothing, as of a site without a tunnel.
        recorded_address: the site's own tunnel address in the pool of that relay's carrier.
        prefix: the site's prefix there; None where its devices have no addresses of their own.
    """

    facility: Facility
    recorded_site: SiteAllocation | None
    recorded_address: IPv4Address | None
    prefix: IPv4Network | None = None

    @property
    def allocation(self) -> SiteAllocation:
        """What the lock records of the site.

        Raises:
            InventoryError: nothing.
        """
        return recorded(self.recorded_site, "its tunnel address", self.facility.id, "allocate")

    @property
    def address(self) -> IPv4Address:
        """The site's own tunnel address.

        Raises:
            InventoryError: it is not recorded.
        """
        return recorded(self.recorded_address, "its tunnel address", self.facility.id, "allocate")


def linked_site(inventory: Inventory, connection: Connection) -> LinkedSite:
    """The site of a connection as the connection's relay sees it.

    Raises:
        InventoryError: its tunnel address is not recorded, and it needs one.
    """
    facility = connection.facility
    name = facility.id
    if not connection.plan.access.has_tunnel:
        return LinkedSite(facility, None, None)
    allocation = recorded(inventory.allocations.sites.get(name), "its tunnel address", name, "allocate")
    if not connection.successor or connection.plan.carrier == allocation.carrier:
        return LinkedSite(facility, allocation, allocation.tunnel_address, allocation.prefix)
    second = recorded(allocation.successor, "its tunnel address of the next carrier", name, "allocate")
    return LinkedSite(facility, allocation, second.tunnel_address, second.prefix)


class DevicePlace(NamedTuple):
    """Where a device is in its site's own network: its address, the port of its video, and that of its ONVIF."""

    address: IPv4Address
    port: int
    onvif_port: int | None


def device_places(facility: Facility) -> dict[str, DevicePlace]:
    """Where each device that a relay reaches is in its own network: recorders, and cameras with an address."""
    return dict(sorted(_places(facility)))


def device_place(facility: Facility, device: str) -> DevicePlace:
    """Where one of them is; the others are not looked at, since each path of a site asks."""
    return next(place for name, place in _places(facility) if name == device)


def _places(facility: Facility) -> Iterator[tuple[str, DevicePlace]]:
    for recorder in facility.recorders:
        yield recorder.id, DevicePlace(recorder.address, recorder.port, recorder.onvif.port if recorder.onvif else None)
    for camera in facility.cameras:
        if camera.address is not None:
            yield camera.id, DevicePlace(camera.address, camera.port, camera.onvif.port if camera.onvif else None)


class SiteAccess(Protocol):
    """How a relay reaches a site's devices."""

    def allowed_ips(self, site: LinkedSite) -> tuple[IPv4Network, ...]:
        """The addresses that are the site's peer's: all sources of the site's paths lie in them; none without one."""
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

    def device_map(self, facility: Facility, allocation: SiteAllocation | None) -> DeviceMap:
        """Where the site's gateway leads what the relay sends to those addresses.

        Raises:
            InventoryError: what a device needs is not recorded in the lock.
        """
        ...
