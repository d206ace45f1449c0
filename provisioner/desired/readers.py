"""Where readers at a centre have each path: the relays that carry it, the one that always pulls first. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import NamedTuple

from provisioner.base.endpoint import endpoint_text
from provisioner.base.errors import UsageError
from provisioner.base.held import HeldFacility
from provisioner.base.nearest import did_you_mean
from provisioner.base.printable import printable
from provisioner.base.read_prefix import may_read
from provisioner.desired.limit import Limit, names_of_held
from provisioner.desired.required import relay_allocation
from provisioner.desired.spec import RTSP_PORT, RTSPS_PORT
from provisioner.desired.users import centre_user, viewer_user
from provisioner.inventory.model import Centre, Hub, Inventory, ReaderTls, Viewer, path_name

_LONGEST = 80


class ReadAt(NamedTuple):
    """Where a path can be read: a relay, and the path's URL there without a login."""

    relay: str
    url: str


class ReadPath(NamedTuple):
    """A path as readers have it.

    Attributes:
        path: its name, which is the same at every relay.
        province: the province, as in the path.
        facility: the facility.
        carrier: the carrier of the first relay.
        at: where it is read: the first one always pulls it; at a backup relay it comes once somebody reads.
    """

    path: str
    province: str
    facility: str
    carrier: str
    at: tuple[ReadAt, ...]


def readings(
    inventory: Inventory, centre: str, limit: Limit, reads: Sequence[str] = (), hub: Hub | None = None
) -> Iterator[ReadPath]:
    """Each path that somebody at a centre may read, in the order of names.

    Args:
        inventory: a valid inventory.
        centre: the centre's id.
        reads: beginnings of the paths that it may read; all where there is none.
        hub: the centre's own, where that is where it reads.
        limit: which paths; a host is a relay that carries one.

    Raises:
        InventoryError: a relay's address is not recorded.
    """
    read = {carrier.id for carrier in inventory.carriers.values() if centre in carrier.centres}
    bases = {
        name: _base(carrier.reader_tls, relay_allocation(inventory, relay).tunnel_address)
        for name, (carrier, relay) in inventory.relays.items()
        if carrier.id in read
    }
    for facility in sorted(inventory.facilities.values(), key=lambda one: (one.province, one.id)):
        over = [c for c in facility.connections if c.plan.carrier in read]
        names: dict[str, set[str]] = defaultdict(set)
        for connection in over:
            names["carrier"].add(connection.plan.carrier)
            names["host"].add(connection.relay)
        if not over or not limit.takes({**names, "province": {facility.province}, "facility": {facility.id}}):
            continue
        for camera in sorted(facility.cameras, key=lambda one: one.id):
            for stream in sorted(name for name, _ in camera.streams.named):
                path = path_name(facility, camera, stream)
                if not may_read(path, reads):
                    continue
                at = tuple(ReadAt(c.relay, f"{bases[c.relay]}/{path}") for c in over)
                if hub is not None:
                    at = (ReadAt(centre, f"{_base(hub.reader_tls, hub.address)}/{path}"),)
                yield ReadPath(path, facility.province, facility.id, over[0].plan.carrier, at)


def _base(tls: ReaderTls | None, address: IPv4Address) -> str:
    """The beginning of a URL: encrypted where nobody may read without."""
    strict = tls is not None and tls.encryption == "strict"
    scheme, port = ("rtsps", RTSPS_PORT) if strict else ("rtsp", RTSP_PORT)
    return f"{scheme}://{endpoint_text(address, port)}"


@dataclass(frozen=True, slots=True)
class ReadingList:
    """What a reader at a centre has to know.

    Attributes:
        centre: the centre's id.
        user: as whom it logs in at every relay.
        readings: each path, and where it is read.
        held: facilities with errors of their own, of which nothing is said.
    """

    centre: str
    user: str
    readings: tuple[ReadPath, ...]
    held: tuple[HeldFacility, ...]


def reading_list(
    inventory: Inventory, held: Mapping[str, HeldFacility], who: tuple[str, str], limit: Limit
) -> ReadingList:
    """Where a reader at a centre has each path.

    Args:
        inventory: a valid inventory.
        held: the facilities with errors of their own, which are not in it.
        who: the centre's id, empty where the inventory has only one, and a viewer's, empty for the centre itself.
        limit: which paths.

    Raises:
        InventoryError: a relay's address is not recorded.
        UsageError: there is no such centre or viewer, or several centres and none was named, or nothing has a name of
            the limit.
    """
    centre, viewer = _reader(inventory, *who)
    limit = limit.of(inventory, also=names_of_held(held.values()))
    user, reads = (viewer_user(viewer.id), viewer.reads) if viewer else (centre_user(centre.id), centre.reads)
    return ReadingList(
        centre.id,
        user,
        tuple(readings(inventory, centre.id, limit, reads, centre.hub if viewer else None)),
        tuple(one for one in held.values() if limit.takes_held(one)),
    )


def _reader(inventory: Inventory, centre: str, viewer: str) -> tuple[Centre, Viewer | None]:
    viewers = {one.id: (of, one) for of in inventory.centres.values() for one in of.viewers}
    if viewer and (viewer not in viewers or centre not in {"", viewers[viewer][0].id}):
        hint = did_you_mean(viewer, viewers, f"viewers are: {', '.join(sorted(viewers)) or 'none'}")
        raise UsageError(f"there is no viewer {printable(viewer, _LONGEST)} there", hint=hint, object=viewer)
    if viewer:
        return viewers[viewer]
    known = sorted(inventory.centres)
    if not centre and len(known) != 1:
        hint = f"name one with --centre: {', '.join(known) or 'there is none yet'}"
        raise UsageError("the inventory has several centres" if known else "the inventory has no centre", hint=hint)
    centre = centre or known[0]
    if centre not in inventory.centres:
        hint = did_you_mean(centre, known, f"centres are: {', '.join(known) or 'none'}")
        raise UsageError(f"there is no centre {printable(centre, _LONGEST)}", hint=hint, object=centre)
    return inventory.centres[centre], None
