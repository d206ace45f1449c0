"""Interface of an access mode. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple, Protocol

from provisioner.desired.required import recorded
from provisioner.desired.spec import DeviceMap
from provisioner.inventory.model.facility import Connection, Facility
from provisioner.inventory.model.hosts import SiteAllocation
from provisioner.inventory.model.inventory import Inventory


@dataclass(frozen=True, slots=True)
class LinkedSite:
    """A site and its entry in the lock, for one relay.

    `recorded_address` and `prefix` are in the pool of the relay's carrier.
    """

    facility: Facility
    recorded_site: SiteAllocation | None
    recorded_address: IPv4Address | None
    prefix: IPv4Network | None = None

    @property
    def allocation(self) -> SiteAllocation:
        """The site's entry in the lock; `InventoryError` if not recorded."""
        return recorded(self.recorded_site, "its tunnel address", self.facility.id, "allocate")

    @property
    def address(self) -> IPv4Address:
        """The site's tunnel address; `InventoryError` if not recorded."""
        return recorded(self.recorded_address, "its tunnel address", self.facility.id, "allocate")


def linked_site(inventory: Inventory, connection: Connection) -> LinkedSite:
    """Return a connection's site with its addresses, or raise `InventoryError`."""
    facility = connection.facility
    name = facility.id
    if not connection.plan.access.has_tunnel:
        return LinkedSite(facility, None, None)
    allocation = recorded(inventory.allocations.sites.get(name), "its tunnel address", name, "allocate")
    if not connection.successor or connection.plan.carrier == allocation.carrier:
        return LinkedSite(facility, allocation, allocation.tunnel_address, allocation.prefix)
    second = recorded(allocation.successor, "its tunnel address of the next carrier", name, "allocate")
    return LinkedSite(facility, allocation, second.tunnel_address, second.prefix)


class DeviceEndpoint(NamedTuple):
    """A device's own address, video port and ONVIF port."""

    address: IPv4Address
    port: int
    onvif_port: int | None


def device_places(facility: Facility) -> dict[str, DeviceEndpoint]:
    """Return the addresses of recorders, and of cameras with their own."""
    return dict(sorted(_device_endpoints(facility)))


def device_endpoint(facility: Facility, device: str) -> DeviceEndpoint:
    """Return one device's address, without computing the others."""
    return next(endpoint for name, endpoint in _device_endpoints(facility) if name == device)


def _device_endpoints(facility: Facility) -> Iterator[tuple[str, DeviceEndpoint]]:
    for recorder in facility.recorders:
        yield (
            recorder.id,
            DeviceEndpoint(recorder.address, recorder.port, recorder.onvif.port if recorder.onvif else None),
        )
    for camera in facility.cameras:
        if camera.address is not None:
            yield camera.id, DeviceEndpoint(camera.address, camera.port, camera.onvif.port if camera.onvif else None)


class SiteAccess(Protocol):
    """Access to a site; entries that the lock lacks raise `InventoryError`."""

    def allowed_ips(self, site: LinkedSite) -> tuple[IPv4Network, ...]:
        """Return the allowed IPs of the site's peer; empty without a peer.

        They contain all sources of the site's paths.
        """

    def device_address(self, site: LinkedSite, device: str) -> tuple[IPv4Address, int]:
        """Return the unique address and port of a device for the relay."""

    def onvif_address(self, site: LinkedSite, device: str) -> tuple[IPv4Address, int]:
        """Return the unique address and port of a device's ONVIF."""

    def device_map(self, facility: Facility, allocation: SiteAllocation | None) -> DeviceMap:
        """Return the gateway's map of these addresses to devices."""
