"""Inventory and secrets to desired state. Pure: same input, same output, whatever the order of files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, collapse_addresses
from operator import attrgetter
from typing import TypeVar

from provisioner.base.errors import InventoryError, SecretsError
from provisioner.base.secret import Secret, host_digest_key, mediamtx_hash
from provisioner.desired.spec import (
    KEEPALIVE_S,
    DesiredState,
    Firewall,
    HostKind,
    HostSpec,
    MediaPath,
    Peer,
    RelayService,
    StreamSource,
    Tunnel,
    User,
)
from provisioner.inventory.makes import behind, path_behind
from provisioner.inventory.model import (
    Carrier,
    CarrierSecrets,
    Centre,
    Connection,
    Credentials,
    Inventory,
    Relay,
    Secrets,
    StreamName,
    device_of,
    path_name,
)
from provisioner.inventory.moves import old_names

T = TypeVar("T")
_SUB, _MAIN = StreamName.SUB, StreamName.MAIN


def desired_state(inventory: Inventory, secrets: Secrets) -> DesiredState:
    """What every relay and centre should hold.

    The inventory must be valid and complete (`rules`): allocated, keys made, every secret there.

    Raises:
        InventoryError: an allocation or a key is missing, with the command that makes it.
        SecretsError: a secret is missing from the vault.
    """
    _refuse_unknown_moves(inventory)
    by_relay: dict[str, list[Connection]] = defaultdict(list)
    for connection in inventory.connections:
        by_relay[connection.plan.relay].append(connection)
    hosts = [
        _relay_host(inventory, secrets, carrier, relay, by_relay.get(relay.id, ()))
        for carrier, relay in inventory.relays.values()
    ]
    hosts += [_centre_host(inventory, secrets, centre) for centre in inventory.centres.values()]
    return DesiredState({host.id: host for host in sorted(hosts, key=lambda h: h.id)})


def _refuse_unknown_moves(inventory: Inventory) -> None:
    """Refuse a moved id whose new name no device has: its old paths would be gone without a word."""
    for move in inventory.settings.moved:
        _, name, *device = move.new.split("/")
        facility = inventory.facilities.get(name)
        known = {c.id for c in facility.cameras} | {r.id for r in facility.recorders} if facility else set()
        if facility and device and device[0] not in known:
            hint = "write the id that it has now under moved in inventory.yml, or remove the entry"
            raise InventoryError(f"moved: {move.new} is no device of {name}", hint=hint, object=name)


def _host_key(secrets: Secrets, host: str) -> Secret:
    if secrets.digest_key is None:
        raise SecretsError("the vault holds no digest key", hint="run: provisioner keys init", object=host)
    return host_digest_key(secrets.digest_key, host)


def _recorded(value: T | None, what: str, owner: str, command: str) -> T:
    if value is None:
        raise InventoryError(f"{owner}: {what} is not recorded", hint=f"run: provisioner {command}", object=owner)
    return value


def _secret_of(values: Mapping[str, T], key: str, what: str) -> T:
    if key not in values:
        raise SecretsError(f"the vault holds no {what} of {key}", hint="run: provisioner keys init", object=key)
    return values[key]


# --- relays ---------------------------------------------------------------------------------------


def _relay_host(
    inventory: Inventory, secrets: Secrets, carrier: Carrier, relay: Relay, connections: Iterable[Connection]
) -> HostSpec:
    allocation = _recorded(inventory.allocations.relays.get(relay.id), "its tunnel address", relay.id, "allocate")
    carrier_secrets = _secret_of(secrets.carriers, carrier.id, "secrets")
    served = sorted(connections, key=lambda c: c.facility.id)
    centres = [inventory.centres[c] for c in sorted(carrier.centres)]
    centre_addresses = {c.id: _centre_address(inventory, c) for c in centres}
    paths = sorted((p for c in served for p in _paths(inventory, secrets, c)), key=attrgetter("name"))
    return HostSpec(
        id=relay.id,
        kind=HostKind.RELAY,
        carriers=(carrier.id,),
        address=relay.address,
        ssh=relay.ssh,
        digest_key=_host_key(secrets, relay.id),
        tunnel=Tunnel(
            address=allocation.tunnel_address,
            listen_port=relay.wireguard_port,
            routes=(inventory.settings.pools.carriers[carrier.id], inventory.settings.pools.centres),
            peers=_relay_peers(inventory, carrier_secrets, relay, served, centres),
        ),
        firewall=Firewall(
            # nft takes no two elements that overlap.
            management_networks=tuple(collapse_addresses(carrier.management_networks)),
            ssh_port=relay.ssh.port,
            wireguard_port=relay.wireguard_port,
            centres=tuple(sorted(centre_addresses.values())),
            cameras=_devices(paths),
        ),
        relay=RelayService(
            address=allocation.tunnel_address,
            users=_users(inventory, carrier_secrets, relay, centre_addresses),
            paths=tuple(paths),
            artefact=inventory.settings.mediamtx,
        ),
    )


def _centre_address(inventory: Inventory, centre: Centre) -> IPv4Address:
    allocation = inventory.allocations.centres.get(centre.id)
    return _recorded(allocation, "its tunnel address", centre.id, "allocate").tunnel_address


def _relay_peers(
    inventory: Inventory, secrets: CarrierSecrets, relay: Relay, served: list[Connection], centres: list[Centre]
) -> tuple[Peer, ...]:
    psks = _secret_of(secrets.centre_psks, relay.id, "pre-shared keys")
    of_centres = (
        Peer(
            name=f"centre/{centre.id}",
            public_key=_recorded(
                inventory.allocations.centres[centre.id].public_key, "its public key", centre.id, "keys init"
            ),
            psk=_secret_of(psks, centre.id, f"pre-shared key with {relay.id}"),
            allowed_ips=(IPv4Network(_centre_address(inventory, centre)),),
        )
        for centre in centres
    )
    of_sites = (
        Peer(
            name=f"site/{connection.facility.id}",
            public_key=_recorded(
                connection.gateway.public_key,
                "gateway.public_key",
                connection.facility.id,
                f"site-package {connection.facility.id}",
            ),
            psk=_secret_of(secrets.site_psks, connection.facility.id, "pre-shared key"),
            allowed_ips=(IPv4Network(_site(inventory, connection)[0]),),
        )
        for connection in served
    )
    return (*of_centres, *of_sites)


def _site(inventory: Inventory, connection: Connection) -> tuple[IPv4Address, Mapping[str, int]]:
    name = connection.facility.id
    site = _recorded(inventory.allocations.sites.get(name), "its tunnel address", name, "allocate")
    if not connection.successor:
        return site.tunnel_address, site.ports
    second = _recorded(site.successor, "its tunnel address of the next carrier", name, "allocate")
    return second.tunnel_address, site.ports


def _users(
    inventory: Inventory, secrets: CarrierSecrets, relay: Relay, centres: Mapping[str, IPv4Address]
) -> tuple[User, ...]:
    allocation = inventory.allocations.relays[relay.id]
    own = (
        User(
            "api",
            _recorded(allocation.api_hash, "its API password's hash", relay.id, "keys init"),
            ("127.0.0.1",),
            "api",
        ),
        User(
            "probe",
            _recorded(allocation.probe_hash, "its probe password's hash", relay.id, "keys init"),
            (str(allocation.tunnel_address),),
            "read",
        ),
    )
    readers = (
        User(
            f"centre-{centre}",
            mediamtx_hash(_secret_of(secrets.readers, centre, "reader secret")),
            (str(address),),
            "read",
        )
        for centre, address in centres.items()
    )
    return (*own, *readers)


def _paths(inventory: Inventory, secrets: Secrets, connection: Connection) -> Iterator[MediaPath]:
    """A facility's paths at one relay; a country has two hundred thousand, so what is the same is asked once."""
    facility, moves = connection.facility, inventory.settings.moved
    address, ports = _site(inventory, connection)
    logins = _secret_of(secrets.cameras, facility.id, "camera credentials")
    province, site = facility.province, facility.id
    recorders = {recorder.id: recorder for recorder in facility.recorders}
    for camera in facility.cameras:
        device = device_of(camera)
        username, password = _login(logins, device, site)
        port = _recorded(ports.get(device), f"the port of {device}", site, "allocate")
        streams, at, audio = camera.streams, behind(camera, recorders), camera.audio
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
            )
            yield path
            if moves:
                yield from (path._replace(name=old, alias_of=path.name) for old in old_names(moves, path.name))


def _login(logins: Mapping[str, Credentials], device: str, site: str) -> tuple[str, Secret]:
    login = _secret_of(logins, device, f"credentials in {site}")
    return login.username, login.password


def _devices(paths: Iterable[MediaPath]) -> tuple[tuple[IPv4Address, int], ...]:
    """Where a relay finds devices; a device of several streams is there once."""
    found = {(path.facility, path.device): (path.source.address, path.source.port) for path in paths}
    return tuple(sorted(set(found.values()), key=lambda device: (int(device[0]), device[1])))


# --- centres --------------------------------------------------------------------------------------


def _centre_host(inventory: Inventory, secrets: Secrets, centre: Centre) -> HostSpec:
    carriers = sorted((c for c in inventory.carriers.values() if centre.id in c.centres), key=lambda c: c.id)
    pools = inventory.settings.pools
    return HostSpec(
        id=centre.id,
        kind=HostKind.CENTRE,
        carriers=tuple(c.id for c in carriers),
        address=centre.address,
        ssh=centre.ssh,
        digest_key=_host_key(secrets, centre.id),
        tunnel=Tunnel(
            address=_centre_address(inventory, centre),
            listen_port=None,
            routes=tuple(pools.carriers[c.id] for c in carriers),
            peers=tuple(
                _relay_as_peer(inventory, _secret_of(secrets.carriers, c.id, "secrets"), relay, centre)
                for c in carriers
                for relay in sorted(c.relays, key=lambda r: r.id)
            ),
        ),
        readers={
            c.id: _secret_of(_secret_of(secrets.carriers, c.id, "secrets").readers, centre.id, "reader secret")
            for c in carriers
        },
    )


def _relay_as_peer(inventory: Inventory, secrets: CarrierSecrets, relay: Relay, centre: Centre) -> Peer:
    allocation = _recorded(inventory.allocations.relays.get(relay.id), "its tunnel address", relay.id, "allocate")
    return Peer(
        name=f"relay/{relay.id}",
        public_key=_recorded(allocation.public_key, "its public key", relay.id, "keys init"),
        psk=_secret_of(_secret_of(secrets.centre_psks, relay.id, "pre-shared keys"), centre.id, "pre-shared key"),
        allowed_ips=(IPv4Network(allocation.tunnel_address),),
        endpoint=(relay.wireguard_endpoint, relay.wireguard_port),
        keepalive_s=KEEPALIVE_S,
    )
