"""Access without a tunnel: routed devices, or pushed streams. Pure.

`routed`: the carrier's own network leads from the relay to each device, at the device's own address. There is no
gateway of ours, no peer and no package that makes one: a sheet says what the site's router has to let through. Sites of
one relay have LANs apart then, which the rules see to.

`publish`: the site's gateway pulls its devices and pushes each stream to the relay, encrypted. This is for sites out of
which no tunnel leads: a router without WireGuard, UDP that is shut. The relay reaches nothing of the site then, knows
no device's login, and takes a stream from whoever has that path's password.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import NoReturn

from provisioner.desired.access.mode import DevicePlace, LinkedSite, device_place, device_places
from provisioner.desired.required import recorded
from provisioner.inventory.model import Facility, SiteAllocation


@dataclass(frozen=True, slots=True)
class PulledPlaces:
    """The devices that a gateway pulls, where they are in its own network, in the order of ids."""

    entries: tuple[tuple[str, DevicePlace], ...]

    @property
    def template_values(self) -> Mapping[str, object]:
        """What the sheet asks for, by name."""
        return _on_sheet(self.listed)

    @property
    def listed(self) -> Sequence[tuple[str, str, IPv4Address, int]]:
        """The devices, each with its own address and port: no relay knows it by any."""
        return [(device, "", place.address, place.port) for device, place in self.entries]


class PublishAccess:
    """How the streams of a site come that pushes them: no relay finds a device of it anywhere."""

    def allowed_ips(self, site: LinkedSite) -> tuple[IPv4Network, ...]:  # noqa: ARG002 (as other modes have it)
        """None: the site is no peer."""
        return ()

    def device_address(self, site: LinkedSite, device: str) -> NoReturn:
        """No place: who asks for one has not asked whether the site is pushed.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{device} of {site.facility.id} is reached from no relay: its site pushes")

    def onvif_address(self, site: LinkedSite, device: str) -> NoReturn:
        """No place, as of its video.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"{device} of {site.facility.id} is asked by no relay: its site pushes")

    def device_map(self, facility: Facility, allocation: SiteAllocation | None) -> PulledPlaces:  # noqa: ARG002 (likewise)
        """The devices where they are."""
        return PulledPlaces(tuple(device_places(facility).items()))


@dataclass(frozen=True, slots=True)
class OwnPlaces:
    """The devices of a site where they are in their own network, in the order of ids."""

    entries: tuple[tuple[str, DevicePlace], ...]

    @property
    def template_values(self) -> Mapping[str, object]:
        """What the sheet asks for, by name."""
        return _on_sheet(self.listed)

    @property
    def listed(self) -> Sequence[tuple[str, str, IPv4Address, int]]:
        """The devices, each with the address by which a relay knows it, which is its own, and its ports."""
        ports = [(d, p.address, port) for d, p in self.entries for port in (p.port, p.onvif_port) if port is not None]
        return [(device, str(address), address, port) for device, address, port in ports]


class RoutedAccess:
    """How a relay reaches the devices of a site that its carrier's own network leads to."""

    def allowed_ips(self, site: LinkedSite) -> tuple[IPv4Network, ...]:  # noqa: ARG002 (as other modes have it)
        """None: the site is no peer."""
        return ()

    def device_address(self, site: LinkedSite, device: str) -> tuple[IPv4Address, int]:
        """The device's own address and port."""
        place = device_place(site.facility, device)
        return place.address, place.port

    def onvif_address(self, site: LinkedSite, device: str) -> tuple[IPv4Address, int]:
        """The device's own address, and its port of ONVIF.

        Raises:
            InventoryError: it has none.
        """
        place = device_place(site.facility, device)
        port = recorded(place.onvif_port, f"the port for ONVIF of {device}", site.facility.id, "camera replace")
        return place.address, port

    def device_map(self, facility: Facility, allocation: SiteAllocation | None) -> OwnPlaces:  # noqa: ARG002 (likewise)
        """The devices where they are."""
        return OwnPlaces(tuple(device_places(facility).items()))


def _on_sheet(listed: Sequence[tuple[str, str, IPv4Address, int]]) -> Mapping[str, object]:
    return {"places": [(device, address, port) for device, _, address, port in listed]}
