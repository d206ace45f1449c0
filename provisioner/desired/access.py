"""Access modes (docs/daily/facilities.md): how a site's pictures reach its relay. Pure.

Each mode is one row of `ACCESS`. Other tables with a row a mode: `inventory.allocation.NEEDS` (records in the lock),
`render.site.PACKAGES` (files of its site package), `verify.network.UNANSWERED` (meaning of a device's silence). While a
province changes its carrier, numbers and ports are the same for both.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final, NamedTuple, NoReturn, Protocol

from provisioner.desired.required import recorded
from provisioner.desired.spec import DeviceMap
from provisioner.inventory.model.facility import Access, Connection, Facility
from provisioner.inventory.model.hosts import SiteAllocation
from provisioner.inventory.model.inventory import Inventory

__all__ = ["ACCESS", "Access", "LinkedSite", "SiteAccess", "linked_site"]


@dataclass(frozen=True, slots=True)
class LinkedSite:
    """A site and its lock entry, for one relay's carrier and pool."""

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
        """Return the peer's allowed IPs: all sources of its paths, if any."""

    def device_address(self, site: LinkedSite, device: str) -> tuple[IPv4Address, int]:
        """Return the unique address and port of a device for the relay."""

    def onvif_address(self, site: LinkedSite, device: str) -> tuple[IPv4Address, int]:
        """Return the unique address and port of a device's ONVIF."""

    def device_map(self, facility: Facility, allocation: SiteAllocation | None) -> DeviceMap:
        """Return the gateway's map of these addresses to devices."""


_PREFIX = "the prefix of its devices"


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

    def device_map(self, facility: Facility, allocation: SiteAllocation | None) -> DeviceMap:
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
            ports = (endpoint.port, *([endpoint.onvif_port] if endpoint.onvif_port else []))
            maps.append((number, device, [prefix[number] for prefix in by_tunnel.values()], endpoint.address, ports))
        maps.sort()
        mapped = [(overlay, address, ports) for _, _, overlays, address, ports in maps for overlay in overlays]
        values = {
            "nat_maps": sorted((overlay, address) for overlay, address, _ in mapped),
            "device_ports": sorted({(address, port) for _, address, ports in mapped for port in ports}),
            "prefixes": by_tunnel,
            # By tunnel address: the overlay address, own address and ports of each device.
            "overlays": {tunnel: [one for one in mapped if one[0] in prefix] for tunnel, prefix in by_tunnel.items()},
        }
        listed = [
            (device, ", ".join(map(str, overlays)), address, port)
            for _, device, overlays, address, ports in maps
            for port in ports
        ]
        return DeviceMap(values, listed)


def _prefix(site: LinkedSite) -> IPv4Network:
    return recorded(site.prefix, _PREFIX, site.facility.id, "allocate")


def _overlay(site: LinkedSite, device: str) -> IPv4Address:
    return _prefix(site)[_device_number(site.allocation, site.facility, device)]


def _device_number(allocation: SiteAllocation, facility: Facility, device: str) -> int:
    return recorded(allocation.device_numbers.get(device), f"the number of {device}", facility.id, "allocate")


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

    def device_map(self, facility: Facility, allocation: SiteAllocation | None) -> DeviceMap:
        """Return the port maps of a site."""
        allocation = recorded(allocation, "its tunnel address", facility.id, "allocate")
        maps = []
        for device, (address, port, onvif) in device_places(facility).items():
            site_port = recorded(allocation.ports.get(device), f"the port of {device}", facility.id, "allocate")
            maps.append((site_port, device, address, port))
            if onvif is not None:
                maps.append((_onvif_port(facility, allocation, device), device, address, onvif))
        maps.sort()
        values = {"port_maps": [(site_port, (address, port)) for site_port, _, address, port in maps]}
        return DeviceMap(values, [(device, str(site_port), address, port) for site_port, device, address, port in maps])


def _onvif_port(facility: Facility, allocation: SiteAllocation, device: str) -> int:
    port = allocation.device_onvif_ports.get(device)
    return recorded(port, f"the port for ONVIF of {device}", facility.id, "allocate")


def _places(listed: Sequence[tuple[str, str, IPv4Address, int]]) -> DeviceMap:
    return DeviceMap({"places": [(device, address, port) for device, _, address, port in listed]}, listed)


class PublishAccess:
    """Access to a site that pushes: relays reach no device."""

    def allowed_ips(self, site: LinkedSite) -> tuple[IPv4Network, ...]:  # noqa: ARG002 (as other modes have it)
        """Return no network: the site is no peer."""
        return ()

    def device_address(self, site: LinkedSite, device: str) -> NoReturn:
        """Refuse (`TypeError`): callers must check first whether the site pushes."""
        raise TypeError(f"{device} of {site.facility.id} is reached from no relay: its site pushes")

    def onvif_address(self, site: LinkedSite, device: str) -> NoReturn:
        """Refuse, as `device_address`."""
        raise TypeError(f"{device} of {site.facility.id} is asked by no relay: its site pushes")

    def device_map(self, facility: Facility, allocation: SiteAllocation | None) -> DeviceMap:  # noqa: ARG002 (likewise)
        """Return the devices with their own addresses."""
        return _places([(device, "", place.address, place.port) for device, place in device_places(facility).items()])


class RoutedAccess:
    """Access through the carrier's own network."""

    def allowed_ips(self, site: LinkedSite) -> tuple[IPv4Network, ...]:  # noqa: ARG002 (as other modes have it)
        """Return no network: the site is no peer."""
        return ()

    def device_address(self, site: LinkedSite, device: str) -> tuple[IPv4Address, int]:
        """Return the device's own address and port."""
        endpoint = device_endpoint(site.facility, device)
        return endpoint.address, endpoint.port

    def onvif_address(self, site: LinkedSite, device: str) -> tuple[IPv4Address, int]:
        """Return the device's own address and ONVIF port, or raise `InventoryError`."""
        endpoint = device_endpoint(site.facility, device)
        port = recorded(endpoint.onvif_port, f"the port for ONVIF of {device}", site.facility.id, "camera replace")
        return endpoint.address, port

    def device_map(self, facility: Facility, allocation: SiteAllocation | None) -> DeviceMap:  # noqa: ARG002 (likewise)
        """Return the devices with their own address, twice, and each port."""
        listed = [
            (device, str(place.address), place.address, port)
            for device, place in device_places(facility).items()
            for port in (place.port, place.onvif_port)
            if port is not None
        ]
        return _places(listed)


ACCESS: Final[Mapping[Access, SiteAccess]] = {
    Access.PULL_PORTMAP: PortMapAccess(),
    Access.PULL_NAT_MAP: NatMapAccess(),
    Access.ROUTED: RoutedAccess(),
    Access.PUBLISH: PublishAccess(),
}
