"""`pull_portmap`: one tunnel address a site, and a port of it for each device.

Any router will do that has WireGuard and port forwarding. The ports are the same at both addresses while a
province changes its carrier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from provisioner.desired.access.mode import LinkedSite, device_places
from provisioner.desired.required import recorded
from provisioner.inventory.model import Facility, SiteAllocation


@dataclass(frozen=True, slots=True)
class PortMap:
    """One port of a device of a site: the port on the tunnel address and where it leads."""

    device: str
    port: int
    address: IPv4Address
    device_port: int


@dataclass(frozen=True, slots=True)
class PortMaps:
    """The port maps of a site: one a device, and one more where it is asked by ONVIF; in the order of ports."""

    entries: tuple[PortMap, ...]

    @property
    def template_values(self) -> Mapping[str, object]:
        """What the templates of the mode's site package ask for, by name."""
        return {"port_maps": [(m.port, (m.address, m.device_port)) for m in self.entries]}

    @property
    def listed(self) -> Sequence[tuple[str, str, IPv4Address, int]]:
        """The devices, each with the port by which a relay knows it, and its own address and port."""
        return [(m.device, str(m.port), m.address, m.device_port) for m in self.entries]


class PortMapAccess:
    """How a relay reaches the devices of a site that maps ports."""

    def allowed_ips(self, site: LinkedSite) -> tuple[IPv4Network, ...]:
        """The site's tunnel address alone."""
        return (IPv4Network(site.address),)

    def device_address(self, site: LinkedSite, device: str) -> tuple[IPv4Address, int]:
        """The site's tunnel address and the device's port of it.

        Raises:
            InventoryError: the port is not recorded.
        """
        name = site.facility.id
        return site.address, recorded(site.allocation.ports.get(device), f"the port of {device}", name, "allocate")

    def onvif_address(self, site: LinkedSite, device: str) -> tuple[IPv4Address, int]:
        """The site's tunnel address and the port of it by which the device is asked.

        Raises:
            InventoryError: the port is not recorded.
        """
        return site.address, _onvif_port(site.facility, site.allocation, device)

    def device_map(self, facility: Facility, allocation: SiteAllocation | None) -> PortMaps:
        """The port maps of a site.

        Raises:
            InventoryError: a port is not recorded.
        """
        allocation = recorded(allocation, "its tunnel address", facility.id, "allocate")
        maps = []
        for device, (address, port, onvif) in device_places(facility).items():
            own = recorded(allocation.ports.get(device), f"the port of {device}", facility.id, "allocate")
            maps.append(PortMap(device, own, address, port))
            if onvif is not None:
                maps.append(PortMap(device, _onvif_port(facility, allocation, device), address, onvif))
        return PortMaps(tuple(sorted(maps, key=lambda m: m.port)))


def _onvif_port(facility: Facility, allocation: SiteAllocation, device: str) -> int:
    port = allocation.asked_ports.get(device)
    return recorded(port, f"the port for ONVIF of {device}", facility.id, "allocate")
