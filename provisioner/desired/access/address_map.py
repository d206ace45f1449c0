"""Access through a tunnel: a port or an address a device. Pure.

`pull_nat_map` gives each device an overlay address from the site's own prefix; the device keeps its ports. The gateway
maps each address to its device, and lets the relay reach that device's ports only.

`pull_portmap` gives a site one tunnel address, and each device a port of it. Any router with WireGuard and port
forwarding can do this.

While a province changes its carrier, numbers and ports are the same for both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from provisioner.desired.access.mode import LinkedSite, device_endpoint, device_places
from provisioner.desired.required import recorded
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.hosts import SiteAllocation

_PREFIX = "the prefix of its devices"


@dataclass(frozen=True, slots=True)
class AddressMap:
    """A device's overlay addresses (one a carrier), own address and reachable ports."""

    device: str
    overlay: tuple[IPv4Address, ...]
    address: IPv4Address
    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AddressMaps:
    """Address maps of a site, and its prefixes by tunnel address."""

    entries: tuple[AddressMap, ...]
    prefixes: Mapping[IPv4Address, IPv4Network]

    @property
    def template_values(self) -> Mapping[str, object]:
        """Values for the templates of the site package.

        `overlays` has for each tunnel address the overlay addresses, own addresses and ports of the devices.
        """
        maps = [(overlay, m.address) for m in self.entries for overlay in m.overlay]
        return {
            "nat_maps": sorted(maps),
            "device_ports": sorted({(m.address, port) for m in self.entries for port in m.ports}),
            "prefixes": dict(self.prefixes),
            "overlays": {tunnel: self._inside(prefix) for tunnel, prefix in self.prefixes.items()},
        }

    def _inside(self, prefix: IPv4Network) -> list[tuple[IPv4Address, IPv4Address, tuple[int, ...]]]:
        return [(overlay, m.address, m.ports) for m in self.entries for overlay in m.overlay if overlay in prefix]

    @property
    def listed(self) -> Sequence[tuple[str, str, IPv4Address, int]]:
        """The devices: id, overlay addresses, own address and port."""
        return [(m.device, ", ".join(map(str, m.overlay)), m.address, port) for m in self.entries for port in m.ports]


class NatMapAccess:
    """Access to a site that maps addresses."""

    def allowed_ips(self, site: LinkedSite) -> tuple[IPv4Network, ...]:
        """Return the site's tunnel address, where its gateway answers, and its prefix."""
        return IPv4Network(site.address), _prefix(site)

    def device_address(self, site: LinkedSite, device: str) -> tuple[IPv4Address, int]:
        """Return the device's overlay address and its own port."""
        return _overlay(site, device), device_endpoint(site.facility, device).port

    def onvif_address(self, site: LinkedSite, device: str) -> tuple[IPv4Address, int]:
        """Return the device's overlay address and its own ONVIF port."""
        port = device_endpoint(site.facility, device).onvif_port
        return _overlay(site, device), recorded(port, f"the port for ONVIF of {device}", site.facility.id, "allocate")

    def device_map(self, facility: Facility, allocation: SiteAllocation | None) -> AddressMaps:
        """Return the address maps of a site."""
        allocation = recorded(allocation, "its tunnel address", facility.id, "allocate")
        prefixes = {allocation.tunnel_address: allocation.prefix}
        if allocation.successor:
            prefixes[allocation.successor.tunnel_address] = allocation.successor.prefix
        by_tunnel = {
            address: recorded(overlay_prefix, _PREFIX, facility.id, "allocate")
            for address, overlay_prefix in prefixes.items()
        }
        maps = []
        for device, endpoint in device_places(facility).items():
            number = _device_number(allocation, facility, device)
            overlay = tuple(prefix[number] for prefix in by_tunnel.values())
            ports = (endpoint.port, *([endpoint.onvif_port] if endpoint.onvif_port else []))
            maps.append((number, AddressMap(device, overlay, endpoint.address, ports)))
        return AddressMaps(tuple(address_map for _, address_map in sorted(maps, key=lambda pair: pair[0])), by_tunnel)


def _prefix(site: LinkedSite) -> IPv4Network:
    return recorded(site.prefix, _PREFIX, site.facility.id, "allocate")


def _overlay(site: LinkedSite, device: str) -> IPv4Address:
    return _prefix(site)[_device_number(site.allocation, site.facility, device)]


def _device_number(allocation: SiteAllocation, facility: Facility, device: str) -> int:
    number = allocation.device_numbers.get(device)
    return recorded(number, f"the number of {device}", facility.id, "allocate")


@dataclass(frozen=True, slots=True)
class PortMap:
    """A port of the tunnel address, and its device's address and port."""

    device: str
    port: int
    address: IPv4Address
    device_port: int


@dataclass(frozen=True, slots=True)
class PortMaps:
    """Port maps of a site, for video and ONVIF, sorted by port."""

    entries: tuple[PortMap, ...]

    @property
    def template_values(self) -> Mapping[str, object]:
        """Values for the templates of the site package."""
        return {"port_maps": [(m.port, (m.address, m.device_port)) for m in self.entries]}

    @property
    def listed(self) -> Sequence[tuple[str, str, IPv4Address, int]]:
        """The devices: id, mapped port, own address and port."""
        return [(m.device, str(m.port), m.address, m.device_port) for m in self.entries]


class PortMapAccess:
    """Access to a site that maps ports."""

    def allowed_ips(self, site: LinkedSite) -> tuple[IPv4Network, ...]:
        """Return the site's tunnel address."""
        return (IPv4Network(site.address),)

    def device_address(self, site: LinkedSite, device: str) -> tuple[IPv4Address, int]:
        """Return the site's tunnel address and the device's port."""
        name = site.facility.id
        return site.address, recorded(site.allocation.ports.get(device), f"the port of {device}", name, "allocate")

    def onvif_address(self, site: LinkedSite, device: str) -> tuple[IPv4Address, int]:
        """Return the site's tunnel address and the device's port for ONVIF."""
        return site.address, _onvif_port(site.facility, site.allocation, device)

    def device_map(self, facility: Facility, allocation: SiteAllocation | None) -> PortMaps:
        """Return the port maps of a site."""
        allocation = recorded(allocation, "its tunnel address", facility.id, "allocate")
        maps = []
        for device, (address, port, onvif) in device_places(facility).items():
            site_port = recorded(allocation.ports.get(device), f"the port of {device}", facility.id, "allocate")
            maps.append(PortMap(device, site_port, address, port))
            if onvif is not None:
                maps.append(PortMap(device, _onvif_port(facility, allocation, device), address, onvif))
        return PortMaps(tuple(sorted(maps, key=lambda port_map: port_map.port)))


def _onvif_port(facility: Facility, allocation: SiteAllocation, device: str) -> int:
    port = allocation.device_onvif_ports.get(device)
    return recorded(port, f"the port for ONVIF of {device}", facility.id, "allocate")
