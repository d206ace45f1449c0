"""Media paths (also under old names), and devices with ONVIF. Pure."""

from collections.abc import Iterator
from datetime import date
from ipaddress import IPv4Address

from provisioner.desired.access import ACCESS, device_places, linked_site
from provisioner.desired.required import secret_of
from provisioner.desired.spec import FormerPicture, LoginChange, MediaPath, ProbedDevice, StreamSource
from provisioner.inventory.allocation import probed_devices_of
from provisioner.inventory.makes import behind, path_behind
from provisioner.inventory.model.devices import Stream, StreamName, accept_of, device_of
from provisioner.inventory.model.facility import Connection, Facility, path_name
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.secrets import Secrets
from provisioner.inventory.renamed_ids import old_names

_SUB, _MAIN = StreamName.SUB, StreamName.MAIN


def media_paths(
    inventory: Inventory, secrets: Secrets, connection: Connection, today: date | None = None
) -> Iterator[MediaPath]:
    """Yield a facility's paths at one relay; errors as `hosts.relay_host`."""
    facility, moves = connection.facility, inventory.settings.moved
    linked, mode = linked_site(inventory, connection), connection.plan.access
    access, is_pushed = ACCESS[mode], mode.is_pushed
    # A relay has no login for pushed streams, and does not see a change of theirs.
    logins = {} if is_pushed else secrets.logins(connection.plan.carrier, facility.id)
    province, site = facility.province, facility.id
    is_backup, beside = connection.is_backup, not connection.is_first
    recorders = {recorder.id: recorder for recorder in facility.recorders}
    changing = _changing_logins(facility, today) if today and not is_pushed else {}
    for camera in facility.cameras:
        device = device_of(camera)
        login = None if is_pushed else secret_of(logins, device, f"credentials in {site}")
        until = changing.get(device)
        endpoint = None if login is None else access.device_address(linked, device)
        streams, at, audio = camera.streams, behind(camera, recorders), camera.audio
        dark = tuple(camera.dark_hours)
        for name, stream in ((_SUB, streams.sub), (_MAIN, streams.main)):
            if stream is None:
                continue
            source, change = None, None
            if login is not None and endpoint is not None:
                source = StreamSource(*endpoint, path_behind(at, stream, name), login.username, login.password)
                if until and login.old:
                    change = LoginChange(until, source)
                    source = source._replace(username=login.old.username, password=login.old.password)
            path = MediaPath(
                path_name(facility, camera, name),
                province,
                site,
                camera.id,
                device,
                name,
                source,
                not is_pushed and (name is _MAIN or is_backup),
                stream.codec,
                stream.width,
                stream.height,
                audio,
                mode,
                fps=stream.fps,
                least_kbps=stream.least_kbps,
                dark_hours=dark,
                tour=camera.tour,
                login_change=change,
                former=former_picture(stream, today) if stream.accept and today else None,
                beside=beside,
            )
            yield path
            if moves:
                yield from (path._replace(name=old, alias_of=path.name) for old in old_names(moves, path.name))


def pulled_by_site(secrets: Secrets, connection: Connection) -> Iterator[tuple[str, str, StreamSource]]:
    """Yield a pushing site's path, device and source, or raise `SecretsError`."""
    facility = connection.facility
    logins = secrets.logins(connection.plan.carrier, facility.id)
    places = device_places(facility)
    for path, device, at in streams_of_site(facility):
        login, endpoint = secret_of(logins, device, f"credentials in {facility.id}"), places[device]
        yield path, device, StreamSource(endpoint.address, endpoint.port, at, login.username, login.password)


def streams_of_site(facility: Facility) -> Iterator[tuple[str, str, str]]:
    """Yield the path, device and RTSP path of each stream."""
    recorders = {recorder.id: recorder for recorder in facility.recorders}
    for camera in facility.cameras:
        for name, stream in camera.streams.named:
            at = path_behind(behind(camera, recorders), stream, name)
            yield path_name(facility, camera, name), device_of(camera), at


def _changing_logins(facility: Facility, today: date) -> dict[str, date]:
    accepts = accept_of(facility.cameras, facility.recorders)
    return {device: accept.until for device, accept in accepts.items() if accept.old.login and accept.holds_on(today)}


def former_picture(stream: Stream, today: date) -> FormerPicture | None:
    """Return a stream's former picture, if it is still accepted today."""
    accept = stream.accept
    if accept is None or not accept.holds_on(today):
        return None
    old = {name: value for name, value in accept.old if value}
    return FormerPicture(accept.until, stream.model_copy(update=old))


def probed_devices(inventory: Inventory, connection: Connection, today: date | None = None) -> Iterator[ProbedDevice]:
    """Yield pulled devices with ONVIF by id, or raise `InventoryError`."""
    facility = connection.facility
    pulled = {device_of(camera) for camera in facility.cameras}
    devices = [device for device in probed_devices_of(facility) if device in pulled]
    if not devices or connection.plan.access.is_pushed:
        return
    linked, access = linked_site(inventory, connection), ACCESS[connection.plan.access]
    for device in devices:
        yield _probed_device(facility, device, access.onvif_address(linked, device), today)


def _probed_device(
    facility: Facility, device: str, endpoint: tuple[IPv4Address, int], today: date | None
) -> ProbedDevice:
    recorder = next((candidate for candidate in facility.recorders if candidate.id == device), None)
    camera = next((candidate for candidate in facility.cameras if candidate.id == device), None)
    onvif = recorder.onvif if recorder else camera.onvif if camera else None
    if onvif is None:
        raise TypeError(f"{device} is not asked by ONVIF")
    # A recorder has a profile for each channel and stream, but does not say which is which.
    sub = camera.streams.sub if camera and not recorder else None
    size = (sub.width, sub.height) if sub else None
    former = former_picture(sub, today) if sub and today else None
    return ProbedDevice(
        facility.province,
        facility.id,
        device,
        *endpoint,
        onvif.model,
        onvif.serial,
        onvif.profile,
        size,
        (former.stream.width, former.stream.height) if former else None,
    )
