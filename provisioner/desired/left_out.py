"""Hosts that are left out, since files with their secrets stayed shut: which, and what would have to be opened. Pure.

Only what a shut file may hold counts as shut: a secret that is missing from files that were opened is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from provisioner.desired.spec import HostKind, LeftOutHost, LeftOutPath
from provisioner.inventory.model import (
    Camera,
    Carrier,
    Centre,
    Connection,
    Facility,
    Inventory,
    Relay,
    Secrets,
    StreamName,
    path_name,
)
from provisioner.inventory.moves import old_names


def left_out_relay(
    inventory: Inventory, secrets: Secrets, carrier: Carrier, relay: Relay, connections: Iterable[Connection]
) -> LeftOutHost | None:
    """A relay that is left out; None where nothing that it needs stayed shut."""
    served = list(connections)
    needed = [
        *_of_host(secrets, (carrier.id,), relay.id),
        *sorted({owner for c in served if not c.plan.access.is_pushed for owner in _of_logins(carrier.id, c)}),
    ]
    shut = _shut(secrets, needed)
    if not shut:
        return None
    paths = tuple(path for connection in served for path in _paths(inventory, connection))
    return LeftOutHost(relay.id, HostKind.RELAY, (carrier.id,), shut, tuple(sorted(paths)))


def left_out_centre(inventory: Inventory, secrets: Secrets, centre: Centre) -> LeftOutHost | None:
    """A centre that is left out; None where nothing that it needs stayed shut."""
    carriers = tuple(sorted(c.id for c in inventory.carriers.values() if centre.id in c.centres))
    shut = _shut(secrets, _of_host(secrets, carriers, centre.id))
    return LeftOutHost(centre.id, HostKind.CENTRE, carriers, shut, reads=centre.reads) if shut else None


def shut_for_site(secrets: Secrets, facility: Facility) -> tuple[str, ...]:
    """What would have to be opened for a site's package: files of its carriers; of one that pushes with the logins."""
    needed = [f"secrets/carriers/{connection.plan.carrier}" for connection in facility.connections]
    for connection in facility.connections:
        if connection.plan.access.is_pushed:
            needed += _of_logins(connection.plan.carrier, connection)
    return _shut(secrets, needed)


def _of_host(secrets: Secrets, carriers: Iterable[str], host: str) -> Iterator[str]:
    yield from (f"secrets/carriers/{carrier}" for carrier in carriers)
    if not any(host in own.host_keys for own in secrets.carriers.values()):
        yield "secrets/inventory"


def _of_logins(carrier: str, connection: Connection) -> tuple[str, str]:
    province = connection.facility.province
    return f"secrets/cameras/{province}", f"secrets/cameras/{carrier}/{province}"


def _shut(secrets: Secrets, needed: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{owner}.yml (vault id {secrets.shut[owner]})" for owner in needed if owner in secrets.shut)


def _paths(inventory: Inventory, connection: Connection) -> Iterator[LeftOutPath]:
    facility = connection.facility
    for camera in facility.cameras:
        for stream in _streams(camera):
            name = path_name(facility, camera, stream)
            for one in (name, *old_names(inventory.settings.moved, name)):
                yield LeftOutPath(one, facility.province, facility.id, camera.id)


def _streams(camera: Camera) -> Iterator[StreamName]:
    yield StreamName.SUB
    if camera.streams.main is not None:
        yield StreamName.MAIN
