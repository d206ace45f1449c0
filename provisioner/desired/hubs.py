"""What a hub should hold besides what a centre does: every path of its carriers, on demand, and who reads it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from provisioner.base.read_prefix import may_read
from provisioner.base.secret import Secret, mediamtx_hash
from provisioner.desired.encryption import encryption_of
from provisioner.desired.required import carrier_secrets, recorded, relay_allocation, secret_of
from provisioner.desired.spec import (
    RTSP_PORT,
    RTSPS_PORT,
    HubDoor,
    HubPath,
    HubService,
    ReaderEncryption,
    User,
    reader_ports,
)
from provisioner.desired.users import centre_user, own_users, viewer_user
from provisioner.inventory.model import (
    Carrier,
    Centre,
    Connection,
    Hub,
    HubSecrets,
    Inventory,
    Relay,
    Secrets,
    path_name,
)
from provisioner.inventory.moves import old_names
from provisioner.inventory.new_secrets import shown_key_beside


def hub_service(
    inventory: Inventory, secrets: Secrets, centre: Centre, hub: Hub, connections: Iterable[Connection]
) -> HubService:
    """What MediaMTX on a hub should do.

    Args:
        inventory: the whole of it.
        secrets: those of its carriers, and its own.
        centre: the centre.
        hub: what its file says of the hub.
        connections: the connections of all relays; those of its own carriers count.

    Raises:
        InventoryError: an allocation or a key is missing, with the command that makes it.
        SecretsError: a secret is missing from the vault.
    """
    entry = recorded(inventory.allocations.centres.get(centre.id), "its tunnel address", centre.id, "allocate")
    own = secret_of(secrets.hubs, centre.id, "secrets of its hub")
    networks = sorted({network for viewer in centre.viewers for network in viewer.networks})
    key = recorded(own.certificate_key, "the key of its certificate", centre.id, "keys init")
    return HubService(
        hub.address,
        (*own_users(entry, centre.id, hub.address), *_viewers(own, centre)),
        tuple(_paths(inventory, secrets, centre, connections)),
        inventory.settings.mediamtx,
        encryption_of(hub.reader_tls, key, entry.certificates, centre.id),
        tuple(networks),
    )


def hub_door(hub: HubService) -> HubDoor:
    """Where its readers come, and from where."""
    return HubDoor(hub.address, reader_ports(hub.tls), hub.networks)


def _viewers(own: HubSecrets, centre: Centre) -> Iterator[User]:
    for viewer in sorted(centre.viewers, key=lambda one: one.id):
        password = secret_of(own.viewers, viewer.id, "password of a viewer")
        networks = tuple(map(str, viewer.networks))
        yield User(viewer_user(viewer.id), mediamtx_hash(password), networks, "read", viewer.reads)


def _paths(
    inventory: Inventory, secrets: Secrets, centre: Centre, connections: Iterable[Connection]
) -> Iterator[HubPath]:
    """Every path that the centre may read; of one that several relays serve, at the one that always pulls it."""
    relays = {
        relay.id: (_source_head(inventory, secrets, carrier, relay, centre), _fingerprint(secrets, inventory, relay.id))
        for carrier in inventory.carriers.values()
        if centre.id in carrier.centres
        for relay in carrier.relays
    }
    paths: dict[str, HubPath] = {}
    # A backup relay comes last: it pulls for readers alone.
    for one in sorted(connections, key=lambda c: c.is_backup):
        if one.relay not in relays:
            continue
        head, fingerprint = relays[one.relay]
        for name in _names(inventory, one):
            if name not in paths and may_read(name, centre.reads):
                source = Secret(f"{head}/{quote(name)}")
                paths[name] = HubPath(name, one.facility.province, one.facility.id, one.relay, source, fingerprint)
    yield from (paths[name] for name in sorted(paths))


def _names(inventory: Inventory, connection: Connection) -> Iterator[str]:
    facility, moves = connection.facility, inventory.settings.moved
    for camera in facility.cameras:
        for stream, _ in camera.streams.named:
            name = path_name(facility, camera, stream)
            yield name
            yield from old_names(moves, name) if moves else ()


def _source_head(inventory: Inventory, secrets: Secrets, carrier: Carrier, relay: Relay, centre: Centre) -> str:
    """The beginning of a source's address: the relay's, and the login of the centre's reader there."""
    password = secret_of(carrier_secrets(secrets, carrier.id).readers, centre.id, "reader secret")
    scheme, port = ("rtsps", RTSPS_PORT) if carrier.reader_tls else ("rtsp", RTSP_PORT)
    address = relay_allocation(inventory, relay).tunnel_address
    return f"{scheme}://{centre_user(centre.id)}:{quote(password.reveal(), safe='')}@{address}:{port}"


def _fingerprint(secrets: Secrets, inventory: Inventory, relay: str) -> str:
    carrier, of = inventory.relays[relay]
    shown = relay_encryption(secrets, carrier, of, inventory)
    return shown.fingerprint if shown else ""


def relay_encryption(secrets: Secrets, carrier: Carrier, relay: Relay, inventory: Inventory) -> ReaderEncryption | None:
    """How a relay encrypts its readers' connections; None where its carrier does not ask for it.

    Raises:
        InventoryError: no certificate is recorded, or what is recorded is none.
        SecretsError: its key is missing from the vault.
    """
    return relay_certificate(secrets, carrier, relay, inventory) if carrier.reader_tls else None


def relay_certificate(
    secrets: Secrets, carrier: Carrier, relay: Relay, inventory: Inventory
) -> ReaderEncryption | None:
    """What a relay shows to whoever comes encrypted, readers and sites that push; None where it shows nothing.

    Raises:
        InventoryError: no certificate is recorded, or what is recorded is none.
        SecretsError: its key is missing from the vault.
    """
    if carrier.certificates is None:
        return None
    known, entry = carrier_secrets(secrets, carrier.id), relay_allocation(inventory, relay)
    key = shown_key_beside(known, entry, relay.id) or secret_of(
        known.certificate_keys, relay.id, "key of its certificate"
    )
    return encryption_of(carrier.certificates, key, entry.certificates, relay.id)
