"""The devices of a facility that are asked about themselves by ONVIF, as one relay reaches them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from ipaddress import IPv4Address

from provisioner.desired.access import ACCESS, linked_site
from provisioner.desired.paths import former_picture
from provisioner.desired.spec import AskedDevice
from provisioner.inventory.allocate import asked_devices_of
from provisioner.inventory.model import Connection, Facility, Inventory, device_of


def asked_devices(inventory: Inventory, connection: Connection, today: date | None = None) -> Iterator[AskedDevice]:
    """The devices of a connection that are asked, in the order of ids; none of which no picture is pulled.

    `today` is the day by which a setting is still under change; without one none is.

    Raises:
        InventoryError: a port is not recorded, with the command that records it.
    """
    facility = connection.facility
    pulled = {device_of(camera) for camera in facility.cameras}
    devices = [device for device in asked_devices_of(facility) if device in pulled]
    if not devices or connection.plan.access.is_pushed:
        return
    linked, access = linked_site(inventory, connection), ACCESS[connection.plan.access]
    for device in devices:
        yield _asked(facility, device, access.onvif_address(linked, device), today)


def _asked(facility: Facility, device: str, place: tuple[IPv4Address, int], today: date | None) -> AskedDevice:
    recorder = next((one for one in facility.recorders if one.id == device), None)
    camera = next((one for one in facility.cameras if one.id == device), None)
    onvif = recorder.onvif if recorder else camera.onvif if camera else None
    if onvif is None:
        raise TypeError(f"{device} is not asked by ONVIF")
    # A recorder has a profile a channel and stream: which is whose it does not say.
    sub = camera.streams.sub if camera and not recorder else None
    size = (sub.width, sub.height) if sub else None
    former = former_picture(sub, today) if sub and today else None
    return AskedDevice(
        facility.province,
        facility.id,
        device,
        *place,
        onvif.model,
        onvif.serial,
        onvif.profile,
        size,
        (former.width, former.height) if former else None,
    )
