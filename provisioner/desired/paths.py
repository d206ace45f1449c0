"""The media paths of a facility at a relay: one a stream of a camera, and one more under each old name. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provisioner.base.secret import Secret
from provisioner.desired.access import ACCESS, linked_site
from provisioner.desired.required import secret_of
from provisioner.desired.spec import MediaPath, StreamSource
from provisioner.inventory.makes import behind, path_behind
from provisioner.inventory.model import (
    Connection,
    Credentials,
    Inventory,
    Secrets,
    StreamName,
    device_of,
    path_name,
)
from provisioner.inventory.moves import old_names

_SUB, _MAIN = StreamName.SUB, StreamName.MAIN


def media_paths(inventory: Inventory, secrets: Secrets, connection: Connection) -> Iterator[MediaPath]:
    """A facility's paths at one relay; a country has two hundred thousand, so what is the same is asked once.

    Raises:
        InventoryError: an allocation is missing, with the command that makes it.
        SecretsError: a login is missing from the vault.
    """
    facility, moves = connection.facility, inventory.settings.moved
    linked, mode = linked_site(inventory, connection), connection.plan.access
    access = ACCESS[mode]
    logins = secrets.logins(connection.plan.carrier, facility.id)
    province, site = facility.province, facility.id
    recorders = {recorder.id: recorder for recorder in facility.recorders}
    for camera in facility.cameras:
        device = device_of(camera)
        username, password = _login(logins, device, site)
        address, port = access.device_address(linked, device)
        streams, at, audio = camera.streams, behind(camera, recorders), camera.audio
        dark = tuple(camera.dark_hours)
        for name, stream in ((_SUB, streams.sub), (_MAIN, streams.main)):
            if stream is None:
                continue
            source = StreamSource(address, port, path_behind(at, stream, name), username, password)
            path = MediaPath(
                path_name(facility, camera, name),
                province,
                site,
                camera.id,
                device,
                name,
                source,
                name is _MAIN,
                stream.codec,
                stream.width,
                stream.height,
                audio,
                mode,
                fps=stream.fps,
                least_kbps=stream.least_kbps,
                dark_hours=dark,
            )
            yield path
            if moves:
                yield from (path._replace(name=old, alias_of=path.name) for old in old_names(moves, path.name))


def _login(logins: Mapping[str, Credentials], device: str, site: str) -> tuple[str, Secret]:
    login = secret_of(logins, device, f"credentials in {site}")
    return login.username, login.password
