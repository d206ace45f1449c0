"""Access without a tunnel: routed devices, or pushed streams. Pure.

`routed`: the carrier's network routes from the relay to each device's own address. There is no gateway of ours, no peer
and no configuring package, only a sheet with the rules for the site's router. LANs of sites at one relay must not
overlap, which the rules check.

`publish`: the site's gateway pulls its devices and pushes each stream to the relay, encrypted. This is for sites that
cannot have a tunnel: a router without WireGuard, or blocked UDP. The relay cannot reach the site and knows no device's
login. It accepts a stream from anybody with the path's password.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import NoReturn

from provisioner.desired.access.mode import DeviceEndpoint, LinkedSite, device_endpoint, device_places
from provisioner.desired.required import recorded
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.hosts import SiteAllocation


@dataclass(frozen=True, slots=True)
class PulledPlaces:
    """Devices that a gateway pulls, with their own addresses, sorted by id."""

    entries: tuple[tuple[str, DeviceEndpoint], ...]

    @property
    def template_values(self) -> Mapping[str, object]:
        """Values for the sheet."""
        return {"places": [(device, address, port) for device, _, address, port in self.listed]}

    @property
    def listed(self) -> Sequence[tuple[str, str, IPv4Address, int]]:
        """The devices with their own address and port; no relay uses them."""
        return [(device, "", endpoint.address, endpoint.port) for device, endpoint in self.entries]


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

    def device_map(self, facility: Facility, allocation: SiteAllocation | None) -> PulledPlaces:  # noqa: ARG002 (likewise)
        """Return the devices with their own addresses."""
        return PulledPlaces(tuple(device_places(facility).items()))


@dataclass(frozen=True, slots=True)
class OwnPlaces(PulledPlaces):
    """Devices with their own addresses, sorted by id."""

    @property
    def listed(self) -> Sequence[tuple[str, str, IPv4Address, int]]:
        """The devices with their own address, twice, and each port."""
        ports = [(d, p.address, port) for d, p in self.entries for port in (p.port, p.onvif_port) if port is not None]
        return [(device, str(address), address, port) for device, address, port in ports]


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

    def device_map(self, facility: Facility, allocation: SiteAllocation | None) -> OwnPlaces:  # noqa: ARG002 (likewise)
        """Return the devices with their own addresses."""
        return OwnPlaces(tuple(device_places(facility).items()))
