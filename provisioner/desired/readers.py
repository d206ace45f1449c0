"""Users of a host's MediaMTX: centres, viewers, sites that push. Pure.

A reader at a centre has each path at all its relays, first at the one that always pulls it.

Each pushed path has its own user, who may only push that path. The password is derived from the site's key in the vault
and the path. So a new camera needs no new secret, and a known password reveals no other.
"""

import base64
import hashlib
import hmac
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from provisioner.base.document import LeftOut
from provisioner.base.errors import FrozenFacility, UsageError
from provisioner.base.language import marked
from provisioner.base.roles import may_read
from provisioner.base.secret import Secret, mediamtx_hash
from provisioner.base.text import did_you_mean, endpoint_text, printable
from provisioner.desired import spec
from provisioner.desired.limit import Limit, names_of_frozen
from provisioner.desired.paths import pulled_by_site
from provisioner.desired.required import carrier_secrets, recorded, relay_allocation, secret_of, served_certificate
from provisioner.inventory.model.facility import ConnectionPlan, Facility, path_name, relays_of
from provisioner.inventory.model.hosts import Carrier, Centre, CentreAllocation, Hub, ReaderTls, RelayAllocation, Viewer
from provisioner.inventory.model.inventory import BaseInventory, Inventory
from provisioner.inventory.model.secrets import CarrierSecrets, Secrets
from provisioner.inventory.outline import Outline, PlanOutline

_LONGEST = 80
_PURPOSE = b"provisioner/publish/1\0"


@dataclass(frozen=True, slots=True)
class ReadAt:
    """A relay, and a path's URL there without a login."""

    relay: str
    url: str
    encrypted_url: LeftOut[str] = None  #: If encryption is optional there, the encrypted one.


@dataclass(frozen=True, slots=True)
class ReadPath:
    """A path for readers."""

    path: str
    province: str
    facility: str
    carrier: str  #: The first relay's.
    read_at: tuple[ReadAt, ...]  #: The first relay always pulls it, backup relays only for readers.


@dataclass(frozen=True, slots=True)
class ReadingList:
    """Readable paths of a centre or viewer, without frozen facilities (`held`)."""

    centre: str
    user: str
    readings: tuple[ReadPath, ...]
    held: tuple[FrozenFacility, ...]


# --- users -----------------------------------------------------------------------------------------
def centre_user(centre: str) -> str:
    """Return the user name of a centre at every relay."""
    return f"centre-{centre}"


def viewer_user(viewer: str) -> str:
    """Return the user name of a viewer, at relays or hubs."""
    return f"viewer-{viewer}"


def publisher_user(path: str) -> str:
    """Return the user name for a pushed path; ids have no dots."""
    return f"publish-{path.replace('/', '.')}"


def own_users(
    entry: RelayAllocation | CentreAllocation, host: str, address: IPv4Address
) -> tuple[spec.User, spec.User]:
    """Return the users whose passwords are made on the host.

    Only root's probe may use the API, which can run commands. `address` is where the probe reads. A hash that is not
    recorded raises `InventoryError`.
    """
    api = recorded(entry.api_hash, "its API password's hash", host, "keys init")
    probe = recorded(entry.probe_hash, "its probe password's hash", host, "keys init")
    return spec.User("api", api, ("127.0.0.1",), "api"), spec.User("probe", probe, (str(address),), "read")


# --- readers at centres ----------------------------------------------------------------------------
def readings(
    inventory: Inventory, centre: str, limit: Limit, reads: Sequence[str] = (), hub: Hub | None = None
) -> Iterator[ReadPath]:
    """Yield the readable paths of a centre or viewer, sorted by name.

    `reads` are prefixes of readable paths, empty for all. `hub` is the centre's hub, if paths are read there. A relay's
    address that is not recorded raises `InventoryError`.
    """
    carriers = {carrier.id for carrier in inventory.carriers.values() if centre in carrier.centres}
    bases = {
        name: _url_starts(carrier.reader_tls, relay_allocation(inventory, relay).tunnel_address)
        for name, (carrier, relay) in inventory.relays.items()
        if carrier.id in carriers
    }
    for facility in sorted(inventory.facilities.values(), key=lambda entry: (entry.province, entry.id)):
        connections = [c for c in facility.connections if c.plan.carrier in carriers]
        names: dict[str, set[str]] = defaultdict(set)
        for connection in connections:
            names["carrier"].add(connection.plan.carrier)
            names["host"].add(connection.relay)
        if not connections or not limit.takes({**names, "province": {facility.province}, "facility": {facility.id}}):
            continue
        for camera in sorted(facility.cameras, key=lambda entry: entry.id):
            for stream in sorted(name for name, _ in camera.streams.named):
                path = path_name(facility, camera, stream)
                if not may_read(path, reads):
                    continue
                sources = tuple(_read_at(c.relay, bases[c.relay], path) for c in connections)
                if hub is not None:
                    sources = (_read_at(centre, _url_starts(hub.reader_tls, hub.address), path),)
                yield ReadPath(path, facility.province, facility.id, connections[0].plan.carrier, sources)


def _read_at(host: str, starts: Sequence[str], path: str) -> ReadAt:
    return ReadAt(host, *(f"{start}/{path}" for start in starts))


def _url_starts(tls: ReaderTls | None, address: IPv4Address) -> tuple[str, ...]:
    """Return a URL's start; with optional encryption also the encrypted one."""
    plain, encrypted = (
        f"rtsp://{endpoint_text(address, spec.RTSP_PORT)}",
        f"rtsps://{endpoint_text(address, spec.RTSPS_PORT)}",
    )
    if tls is None:
        return (plain,)
    return (encrypted,) if tls.encryption == "strict" else (plain, encrypted)


def reading_list(
    inventory: Inventory, frozen: Mapping[str, FrozenFacility], reader: tuple[str, str], limit: Limit
) -> ReadingList:
    """Return the readable paths of a centre or viewer.

    `reader` is the centre's id (empty if there is only one) and the viewer's id (empty for the centre). An unknown
    name or ambiguous centre raises `UsageError`, a relay's address that is not recorded `InventoryError`.
    """
    centre, viewer = _centre_and_viewer(inventory, *reader)
    limit = limit.of(inventory, also=names_of_frozen(frozen.values()))
    user, reads = (viewer_user(viewer.id), viewer.reads) if viewer else (centre_user(centre.id), centre.reads)
    return ReadingList(
        centre.id,
        user,
        tuple(readings(inventory, centre.id, limit, reads, centre.hub if viewer else None)),
        tuple(facility for facility in frozen.values() if limit.takes_frozen(facility)),
    )


def _centre_and_viewer(inventory: Inventory, centre: str, viewer: str) -> tuple[Centre, Viewer | None]:
    """Return the named centre and viewer; the only centre by default."""
    viewers = {entry.id: (holder, entry) for holder in inventory.centres.values() for entry in holder.viewers}
    if viewer and (viewer not in viewers or centre not in {"", viewers[viewer][0].id}):
        hint = did_you_mean(viewer, viewers, f"viewers are: {', '.join(sorted(viewers)) or 'none'}")
        raise UsageError(f"there is no viewer {printable(viewer, _LONGEST)} there", hint=hint, object=viewer)
    if viewer:
        return viewers[viewer]
    centres = sorted(inventory.centres)
    if not centre and len(centres) != 1:
        names = ", ".join(centres) or marked("there is none yet")
        hint = f"name one with --centre: {names}"
        raise UsageError("the inventory has several centres" if centres else "the inventory has no centre", hint=hint)
    centre = centre or centres[0]
    if centre not in inventory.centres:
        hint = did_you_mean(centre, centres, f"centres are: {', '.join(centres) or 'none'}")
        raise UsageError(f"there is no centre {printable(centre, _LONGEST)}", hint=hint, object=centre)
    return inventory.centres[centre], None


# --- sites that push -------------------------------------------------------------------------------
def publish_password(key: Secret, path: str) -> Secret:
    """Return the password for a pushed path: 256 bits, safe in URLs."""
    made = hmac.new(key.reveal().encode(), _PURPOSE + path.encode(), hashlib.sha256).digest()
    return Secret(base64.urlsafe_b64encode(made).decode().rstrip("="))


def networks_of(carrier: Carrier) -> tuple[IPv4Network, ...]:
    """Return the networks that may push to a carrier's relays."""
    if carrier.publishers is None:
        return ()
    return tuple(sorted(set(carrier.publishers.networks))) or (spec.ANYWHERE,)


def publishers(
    carrier: Carrier, secrets: CarrierSecrets, facilities: Mapping[str, Facility], paths: Iterable[spec.MediaPath]
) -> Iterator[spec.User]:
    """Yield a relay's pushing users in path order, or raise `SecretsError`."""
    anywhere = tuple(map(str, carrier.publishers.networks)) if carrier.publishers else ()
    for path in paths:
        if path.access.is_pushed:
            gateway = facilities[path.facility].gateway
            addresses = tuple(map(str, gateway.public_addresses)) if gateway else ()
            password = publish_password(site_key(secrets, path.facility), path.name)
            name, hashed = publisher_user(path.name), mediamtx_hash(password)
            yield spec.User(name, hashed, addresses or anywhere, "publish", publishes=path.name)


def site_key(secrets: CarrierSecrets, facility: str) -> Secret:
    """Return the key for a site's passwords, or raise `SecretsError`."""
    return secret_of(secrets.publish_keys, facility, "publish key")


def push_places(inventory: BaseInventory, facility: Facility | Outline) -> tuple[spec.PushEndpoint, ...]:
    """Return the relays that a facility pushes to; `InventoryError` without certificate."""
    plans: Sequence[ConnectionPlan | PlanOutline] = facility.carried_plans
    return tuple(_push_endpoint(inventory, relay_id) for plan, relay_id in relays_of(plans) if plan.access.is_pushed)


def _push_endpoint(inventory: BaseInventory, relay_id: str) -> spec.PushEndpoint:
    _, relay = inventory.relays[relay_id]
    entry = relay_allocation(inventory, relay)
    served, after = served_certificate(entry.certificates, relay.id), entry.next_certificate
    following = served_certificate(after.certificates, relay.id).fingerprint if after else ""
    return spec.PushEndpoint(relay.id, (relay.wireguard_endpoint, spec.RTSPS_PORT), served.fingerprint, following)


def pushed_streams(inventory: Inventory, secrets: Secrets, facility: Facility) -> tuple[spec.PushedStream, ...]:
    """Return the streams that a gateway pulls and pushes, sorted by path.

    During a change of carrier each stream is pushed to both relays. A relay without certificate raises
    `InventoryError`, a login or key that the vault lacks `SecretsError`.
    """
    connections = facility.connections
    carriers = [connection.plan.carrier for connection in connections]
    keys = [site_key(carrier_secrets(secrets, carrier), facility.id) for carrier in carriers]
    at = list(zip(push_places(inventory, facility), keys, strict=True))
    return tuple(
        spec.PushedStream(
            path,
            device,
            source,
            tuple(spec.PushEnd(place, publisher_user(path), publish_password(key, path)) for place, key in at),
        )
        for path, device, source in sorted(pulled_by_site(secrets, connections[0]))
    )
