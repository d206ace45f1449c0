"""Rules inside one facility: its devices' names, addresses, channels and RTSP paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address

from provisioner.diagnostics import Problem
from provisioner.inventory.makes import NoRtspPathError, stream_path
from provisioner.inventory.model import Facility, StreamName
from provisioner.inventory.rules.view import View

Item = tuple[str | int, ...]


def device_ids_are_unique(view: View) -> Iterator[Problem]:
    """Cameras and recorders of one facility share one namespace: ports and logins go by device."""
    for owner, facility in view.facilities():
        seen: dict[str, str] = {}
        for kind, index, name in _device_names(facility):
            if name in seen:
                message = f"the id {name} is used twice: by a {seen[name]} and by a {kind[:-1]}"
                hint = "give one of the devices another id"
                yield view.problem(owner, (kind, index, "id"), "device-id-duplicate", message, hint)
            seen.setdefault(name, kind[:-1])


def _device_names(facility: Facility) -> Iterator[tuple[str, int, str]]:
    for index, recorder in enumerate(facility.recorders):
        yield "recorders", index, recorder.id
    for index, camera in enumerate(facility.cameras):
        yield "cameras", index, camera.id


def recorders_exist(view: View) -> Iterator[Problem]:
    """A channel's recorder is one of the facility's recorders."""
    for owner, facility in view.facilities():
        known = [recorder.id for recorder in facility.recorders]
        for index, camera in enumerate(facility.cameras):
            if camera.recorder and camera.recorder not in known:
                message = f"camera {camera.id}: recorder {camera.recorder} does not exist"
                hint = f"the recorders here are {', '.join(known)}" if known else "list it under recorders"
                yield view.problem(owner, ("cameras", index, "recorder"), "recorder-unknown", message, hint)


def channels_are_unique(view: View) -> Iterator[Problem]:
    """One channel of a recorder is one camera."""
    for owner, facility in view.facilities():
        seen: dict[tuple[str, int], str] = {}
        for index, camera in enumerate(facility.cameras):
            if not camera.recorder:
                continue
            channel = (camera.recorder, camera.channel)
            if channel in seen:
                message = f"camera {camera.id}: channel {camera.channel} of {camera.recorder} is also {seen[channel]}"
                hint = "correct the channel; on hybrid recorders IP channels begin after the analog ones"
                yield view.problem(owner, ("cameras", index, "channel"), "channel-duplicate", message, hint)
            seen.setdefault(channel, camera.id)


def devices_stand_in_the_lan(view: View) -> Iterator[Problem]:
    """The gateway forwards into its LAN only."""
    for owner, facility in view.facilities():
        lan = facility.gateway.lan
        for path, name, address, _ in _devices(facility):
            if address not in lan:
                message, hint = f"{name}: {address} lies outside the LAN {lan}", "correct the address or gateway.lan"
                yield view.problem(owner, (*path, "address"), "address-outside-lan", message, hint)
            elif lan.num_addresses > 2 and address in {lan.network_address, lan.broadcast_address}:  # noqa: PLR2004
                message = f"{name}: {address} is the LAN's network or broadcast address"
                yield view.problem(owner, (*path, "address"), "address-outside-lan", message, "correct the address")


def device_addresses_are_unique(view: View) -> Iterator[Problem]:
    """Two devices of a facility do not answer at one address and port."""
    for owner, facility in view.facilities():
        seen: dict[tuple[IPv4Address, int], str] = {}
        for path, name, address, port in _devices(facility):
            if (address, port) in seen:
                message = f"{name}: {address} port {port} is also {seen[address, port]}"
                hint = "correct one of the two; channels of a recorder name the recorder instead of an address"
                yield view.problem(owner, (*path, "address"), "address-duplicate", message, hint)
            seen.setdefault((address, port), name)


def _devices(facility: Facility) -> Iterator[tuple[Item, str, IPv4Address, int]]:
    for index, recorder in enumerate(facility.recorders):
        yield ("recorders", index), f"recorder {recorder.id}", recorder.address, recorder.port
    for index, camera in enumerate(facility.cameras):
        if camera.address:
            yield ("cameras", index), f"camera {camera.id}", camera.address, camera.port


def streams_have_paths(view: View) -> Iterator[Problem]:
    """Every stream has an RTSP path: by its make, or written out."""
    for owner, facility in view.facilities():
        known = {recorder.id for recorder in facility.recorders}
        for index, camera in enumerate(facility.cameras):
            if camera.recorder and camera.recorder not in known:
                continue
            for name in StreamName:
                if name is StreamName.MAIN and camera.streams.main is None:
                    continue
                try:
                    stream_path(facility, camera, name)
                except NoRtspPathError as error:
                    path = ("cameras", index, "streams", name.value)
                    message = f"camera {camera.id}: stream {name.value}: {error}"
                    hint = "write rtsp_path: the path and query of the device's RTSP address, without host and login"
                    yield view.problem(owner, path, "rtsp-path-missing", message, hint)


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    device_ids_are_unique,
    recorders_exist,
    channels_are_unique,
    devices_stand_in_the_lan,
    device_addresses_are_unique,
    streams_have_paths,
)
