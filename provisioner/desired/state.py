"""Desired state of relays, centres and hubs; independent of files' order. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from ipaddress import IPv4Address, IPv4Network, IPv6Network, collapse_addresses
from operator import attrgetter
from typing import Final
from urllib.parse import quote

from provisioner.base.errors import FrozenFacility, InventoryError, SecretsError
from provisioner.base.groups import grouped
from provisioner.base.roles import may_read, words_of_reading
from provisioner.base.secret import Secret, content_key, identity_key, mediamtx_hash
from provisioner.base.text import AnyAddress, AnyNetwork, HostPlace
from provisioner.desired import required, spec
from provisioner.desired.access import ACCESS, linked_site
from provisioner.desired.limit import left_out_centre, left_out_relay
from provisioner.desired.names import side_of
from provisioner.desired.paths import media_paths, probed_devices
from provisioner.desired.readers import centre_user, networks_of, own_users, publishers, viewer_user
from provisioner.desired.required import with_owner
from provisioner.desired.sites import next_psk, port_dialled, present_psk
from provisioner.desired.spec import SITE, DesiredState, HostSpec, LeftOutHost
from provisioner.desired.trust import Trust, called_through, host_key_text, policy_of, program_words
from provisioner.inventory.model.facility import Connection, path_name
from provisioner.inventory.model.hosts import Carrier, Centre, Hub, Relay
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.secrets import CarrierSecrets, HubSecrets, Secrets
from provisioner.inventory.new_secrets import next_key_in_use
from provisioner.inventory.renamed_ids import old_names


def apart(networks: Iterable[AnyNetwork]) -> tuple[AnyNetwork, ...]:
    """Merge overlapping networks, as nft sets require; IPv4 first."""
    listed = tuple(networks)
    four = collapse_addresses(network for network in listed if isinstance(network, IPv4Network))
    six = collapse_addresses(network for network in listed if isinstance(network, IPv6Network))
    return (*four, *six)


def speaks_ipv6(networks: Iterable[AnyNetwork], addresses: Iterable[HostPlace | None]) -> bool:
    """Return whether a host is, or may be, reached over IPv6."""
    # A name may resolve to either family.
    reached = (address is not None and not isinstance(address, IPv4Address) for address in addresses)
    return any(reached) or any(isinstance(network, IPv6Network) for network in networks)


# --- hubs ------------------------------------------------------------------------------------------
def hub_service(
    inventory: Inventory, secrets: Secrets, centre: Centre, hub: Hub, connections: Iterable[Connection]
) -> spec.HubService:
    """Return a hub's MediaMTX from all relays' connections; errors as `relay_host`."""
    entry = required.recorded(inventory.allocations.centres.get(centre.id), "its tunnel address", centre.id, "allocate")
    hub_secrets = required.secret_of(secrets.hubs, centre.id, "secrets of its hub")
    networks = sorted({network for viewer in centre.viewers for network in viewer.networks})
    key = required.recorded(hub_secrets.certificate_key, "the key of its certificate", centre.id, "keys init")
    return spec.HubService(
        hub.address,
        (*own_users(entry, centre.id, hub.address), *_viewer_users(hub_secrets, centre)),
        inventory.settings.mediamtx,
        tuple(_paths(inventory, secrets, centre, connections)),
        required.encryption_of(hub.reader_tls, key, entry.certificates, centre.id),
        tuple(networks),
    )


def _viewer_users(hub_secrets: HubSecrets, centre: Centre) -> Iterator[spec.User]:
    for viewer in sorted(centre.viewers, key=lambda v: v.id):
        password = required.secret_of(hub_secrets.viewers, viewer.id, "password of a viewer")
        networks = tuple(map(str, viewer.networks))
        yield spec.User(viewer_user(viewer.id), mediamtx_hash(password), networks, "read", viewer.reads)


def _paths(
    inventory: Inventory, secrets: Secrets, centre: Centre, connections: Iterable[Connection]
) -> Iterator[spec.HubPath]:
    """Yield each readable path once, at the relay that always pulls it."""
    relays = {
        relay.id: (_source_head(inventory, secrets, carrier, relay, centre), _fingerprint(secrets, inventory, relay.id))
        for carrier in inventory.carriers.values()
        if centre.id in carrier.centres
        for relay in carrier.relays
    }
    paths: dict[str, spec.HubPath] = {}
    # A backup relay comes last: it pulls for readers alone.
    for connection in sorted(connections, key=lambda c: c.is_backup):
        if connection.relay not in relays:
            continue
        head, fingerprint = relays[connection.relay]
        for name in _path_names(inventory, connection):
            if name not in paths and may_read(name, centre.reads):
                source = Secret(f"{head}/{quote(name)}")
                paths[name] = spec.HubPath(
                    name, connection.facility.province, connection.facility.id, connection.relay, source, fingerprint
                )
    yield from (paths[name] for name in sorted(paths))


def _path_names(inventory: Inventory, connection: Connection) -> Iterator[str]:
    facility, moves = connection.facility, inventory.settings.moved
    for camera in facility.cameras:
        for stream, _ in camera.streams.named:
            name = path_name(facility, camera, stream)
            yield name
            yield from old_names(moves, name) if moves else ()


def _source_head(inventory: Inventory, secrets: Secrets, carrier: Carrier, relay: Relay, centre: Centre) -> str:
    """Return a source URL's start: the relay, and the centre's login there."""
    password = required.secret_of(required.carrier_secrets(secrets, carrier.id).readers, centre.id, "reader secret")
    scheme, port = ("rtsps", spec.RTSPS_PORT) if carrier.reader_tls else ("rtsp", spec.RTSP_PORT)
    address = required.relay_allocation(inventory, relay).tunnel_address
    return f"{scheme}://{centre_user(centre.id)}:{quote(password.reveal(), safe='')}@{address}:{port}"


def _fingerprint(secrets: Secrets, inventory: Inventory, relay: str) -> str:
    carrier, relay_entry = inventory.relays[relay]
    encryption = relay_encryption(secrets, carrier, relay_entry, inventory)
    return encryption.fingerprint if encryption else ""


def relay_encryption(
    secrets: Secrets, carrier: Carrier, relay: Relay, inventory: Inventory
) -> spec.ReaderEncryption | None:
    """Return a relay's encryption for readers, if its carrier requires it."""
    return relay_certificate(secrets, carrier, relay, inventory) if carrier.reader_tls else None


def relay_certificate(
    secrets: Secrets, carrier: Carrier, relay: Relay, inventory: Inventory
) -> spec.ReaderEncryption | None:
    """Return a relay's certificate, if any, or raise `InventoryError`, `SecretsError`."""
    if carrier.certificates is None:
        return None
    stored, entry = required.carrier_secrets(secrets, carrier.id), required.relay_allocation(inventory, relay)
    key = next_key_in_use(stored, entry, relay.id) or required.secret_of(
        stored.certificate_keys, relay.id, "key of its certificate"
    )
    return required.encryption_of(carrier.certificates, key, entry.certificates, relay.id)


# --- centres ---------------------------------------------------------------------------------------
def centre_host(
    inventory: Inventory, secrets: Secrets, centre: Centre, connections: Iterable[Connection] = ()
) -> spec.HostSpec:
    """Return a centre's state from all relays' connections; errors as `relay_host`."""
    carriers = sorted(
        (carrier for carrier in inventory.carriers.values() if centre.id in carrier.centres),
        key=lambda carrier: carrier.id,
    )
    pools = inventory.settings.pools
    hub = hub_service(inventory, secrets, centre, centre.hub, connections) if centre.hub else None
    hub_access = spec.HubAccess(hub.address, spec.reader_ports(hub.tls), hub.networks) if hub else None
    return spec.HostSpec(
        id=centre.id,
        kind=spec.HostKind.CENTRE,
        carriers=tuple(carrier.id for carrier in carriers),
        address=centre.address,
        ssh=centre.ssh_to,
        jump=centre.jump_to,
        digest_key=content_key(required.digest_key_of_host(secrets, centre.id)),
        identity=identity_key(required.digest_key_of_host(secrets, centre.id)),
        tunnel=spec.Tunnel(
            address=required.centre_address(inventory, centre),
            listen_port=None,
            routes=tuple(pools.carriers[carrier.id] for carrier in carriers),
            peers=tuple(
                _relay_as_peer(inventory, required.carrier_secrets(secrets, carrier.id), relay, centre)
                for carrier in carriers
                for relay in sorted(carrier.relays, key=lambda r: r.id)
            ),
        ),
        firewall=_guard(inventory, centre, carriers, hub_access),
        side=side_of(inventory.settings.id) if centre.shared else "",
        readers={
            carrier.id: required.secret_of(
                required.carrier_secrets(secrets, carrier.id).readers, centre.id, "reader secret"
            )
            for carrier in carriers
        },
        reads=centre.reads,
        hub=hub,
        is_hub=hub is not None,
    )


def _guard(
    inventory: Inventory, centre: Centre, carriers: Sequence[Carrier], hub: spec.HubAccess | None
) -> spec.Firewall:
    """Return a centre's firewall; its relays' managers may use SSH, too."""
    networks = inventory.ssh_sources(centre.id)
    return spec.Firewall(
        management_networks=apart(networks),
        ssh_port=centre.ssh.port,
        relays=tuple(
            sorted(required.relay_allocation(inventory, relay).tunnel_address for c in carriers for relay in c.relays)
        ),
        reader_ports=_read_at(carriers),
        hub=hub,
        speaks_ipv6=speaks_ipv6(networks, [centre.address]),
    )


def _read_at(carriers: Sequence[Carrier]) -> tuple[int, ...]:
    """Return the relays' ports for a centre's checks, encrypted if available."""
    encrypted = {carrier.reader_tls is not None for carrier in carriers}
    return tuple(port for port, kind in ((spec.RTSP_PORT, False), (spec.RTSPS_PORT, True)) if kind in encrypted) or (
        spec.RTSP_PORT,
    )


def _relay_as_peer(inventory: Inventory, secrets: CarrierSecrets, relay: Relay, centre: Centre) -> spec.Peer:
    allocation = required.relay_allocation(inventory, relay)
    announced = allocation.announced_key
    return spec.Peer(
        name=f"relay/{relay.id}",
        public_key=required.recorded(
            announced.public_key if announced else allocation.public_key, "its public key", relay.id, "keys init"
        ),
        psk=required.secret_of(
            required.secret_of(secrets.centre_psks, relay.id, "pre-shared keys"), centre.id, "pre-shared key"
        ),
        allowed_ips=(IPv4Network(allocation.tunnel_address),),
        endpoint=(_sent_to(relay), announced.port if announced else relay.wireguard_port),
        keepalive_s=spec.KEEPALIVE_S,
    )


def _sent_to(relay: Relay) -> AnyAddress:
    """Return a relay's WireGuard address for centres, never a name.

    With a name, a plan would change with the DNS; a relay with only a name raises `InventoryError`.
    """
    if relay.centre_endpoint is None:
        message = f"{relay.id}: {relay.wireguard_endpoint} is a name, and centres send WireGuard to an address"
        raise InventoryError(message, hint="write that address under endpoint_address", object=relay.id)
    return relay.centre_endpoint


# --- relays ----------------------------------------------------------------------------------------
def relay_host(
    inventory: Inventory,
    secrets: Secrets,
    carrier: Carrier,
    relay: Relay,
    connections: Iterable[Connection],
    *,
    today: date | None = None,
) -> spec.HostSpec:
    """Return the desired state of a relay.

    `today` is the day for settings under change; `None` ignores changes. A missing allocation or key raises
    `InventoryError`, whose hint has the command. A secret that the vault lacks raises `SecretsError`.
    """
    allocation = required.relay_allocation(inventory, relay)
    port, second_key, changing = allocation.own_port(relay.wireguard_port), allocation.second_key, allocation.next_key
    own_secrets = required.carrier_secrets(secrets, carrier.id)
    served = sorted(connections, key=lambda c: c.facility.id)
    centres = [inventory.centres[c] for c in sorted(carrier.centres)]
    centre_addresses = {c.id: required.centre_address(inventory, c) for c in centres}
    tls = relay_encryption(secrets, carrier, relay, inventory)
    devices = tuple(device for c in served for device in probed_devices(inventory, c, today))
    paths = sorted((p for c in served for p in media_paths(inventory, secrets, c, today)), key=attrgetter("name"))
    return spec.HostSpec(
        id=relay.id,
        kind=spec.HostKind.RELAY,
        carriers=(carrier.id,),
        address=relay.address,
        ssh=carrier.ssh_to(relay),
        jump=carrier.jump_to(relay),
        digest_key=content_key(required.digest_key_of_host(secrets, relay.id)),
        identity=identity_key(required.digest_key_of_host(secrets, relay.id)),
        tunnel=spec.Tunnel(
            address=allocation.tunnel_address,
            listen_port=port,
            routes=(inventory.settings.pools.carriers[carrier.id], inventory.settings.pools.centres),
            peers=_relay_peers(inventory, own_secrets, relay, served, centres),
            following=spec.SecondKey(second_key.public_key, second_key.port) if second_key else None,
        ),
        firewall=spec.Firewall(
            management_networks=apart(carrier.management_networks),
            ssh_port=relay.ssh.port,
            wireguard_port=port,
            # The next key's port may be one of them: then it leads to that key alone.
            further_ports=tuple(sorted(set(relay.further_wireguard_ports) - ({changing.port} if changing else set()))),
            second_port=second_key.port if second_key else None,
            centres=tuple(sorted(centre_addresses.values())),
            cameras=_device_addresses(paths),
            onvif=tuple(sorted((device.address, device.port) for device in devices)),
            reader_ports=spec.reader_ports(tls),
            routed=tuple(sorted(carrier.routed_networks)),
            speaks_ipv6=speaks_ipv6(carrier.management_networks, (relay.address, *(p for _, p in relay.endpoints))),
            publishers=networks_of(carrier),
        ),
        relay=spec.RelayService(
            address=allocation.tunnel_address,
            users=(
                *own_users(allocation, relay.id, allocation.tunnel_address),
                *_readers(own_secrets, centres, centre_addresses),
                *publishers(carrier, own_secrets, {c.facility.id: c.facility for c in served}, paths),
            ),
            paths=tuple(paths),
            artefact=inventory.settings.mediamtx,
            asked=devices,
            tls=tls,
            publishing=relay_certificate(secrets, carrier, relay, inventory) if carrier.publishers else None,
        ),
    )


def _relay_peers(
    inventory: Inventory, secrets: CarrierSecrets, relay: Relay, served: list[Connection], centres: list[Centre]
) -> tuple[spec.Peer, ...]:
    psks = required.secret_of(secrets.centre_psks, relay.id, "pre-shared keys")
    of_centres = (
        spec.Peer(
            name=f"centre/{centre.id}",
            public_key=required.recorded(
                inventory.allocations.centres[centre.id].public_key, "its public key", centre.id, "keys init"
            ),
            psk=required.secret_of(psks, centre.id, f"pre-shared key with {relay.id}"),
            allowed_ips=(IPv4Network(required.centre_address(inventory, centre)),),
        )
        for centre in centres
    )
    tunnelled = (connection for connection in served if connection.plan.access.has_tunnel)
    return (*of_centres, *(peer for connection in tunnelled for peer in _site_peers(inventory, secrets, connection)))


def _site_peers(inventory: Inventory, secrets: CarrierSecrets, connection: Connection) -> Iterator[spec.Peer]:
    """Yield a site's peer, and during a key change the next one."""
    # The host moves the allowed IPs to the next peer.
    facility, gateway = connection.facility, connection.gateway
    name = facility.id
    yield spec.Peer(
        name=f"{spec.SITE}{name}",
        public_key=required.recorded(gateway.public_key, "gateway.public_key", name, f"site-package {name}"),
        psk=present_psk(secrets, facility),
        allowed_ips=ACCESS[connection.plan.access].allowed_ips(linked_site(inventory, connection)),
    )
    if gateway.next_key is not None and gateway.next_key.public_key is not None:
        yield spec.Peer(f"{spec.NEXT}{name}", gateway.next_key.public_key, next_psk(secrets, facility), ())


def _readers(secrets: CarrierSecrets, centres: Iterable[Centre], at: Mapping[str, IPv4Address]) -> Iterator[spec.User]:
    of_viewers = []
    for centre in centres:
        secret = required.secret_of(secrets.readers, centre.id, "reader secret")
        yield spec.User(centre_user(centre.id), mediamtx_hash(secret), (str(at[centre.id]),), "read", centre.reads)
        # At a hub they read from the hub.
        for viewer in centre.viewers if centre.hub is None else ():
            secret = required.secret_of(secrets.viewers, viewer.id, "password of a viewer")
            of_viewers.append(
                spec.User(viewer_user(viewer.id), mediamtx_hash(secret), (str(at[centre.id]),), "read", viewer.reads)
            )
    yield from sorted(of_viewers, key=attrgetter("name"))


def _device_addresses(paths: Iterable[spec.MediaPath]) -> tuple[tuple[IPv4Address, int], ...]:
    pulled = ((path, path.source) for path in paths if path.source is not None)
    addresses = {(path.facility, path.device): (source.address, source.port) for path, source in pulled}
    return tuple(sorted(set(addresses.values()), key=lambda address: (int(address[0]), address[1])))


NOTHING_HELD: Final[Mapping[str, FrozenFacility]] = {}


def desired_state(
    inventory: Inventory,
    secrets: Secrets,
    frozen: Mapping[str, FrozenFacility] = NOTHING_HELD,
    today: date | None = None,
) -> DesiredState:
    """Return the desired state of all hosts, without frozen facilities.

    The inventory must be valid and complete (`rules`). Hosts whose secrets could not be opened are left out. `today`
    and errors are as of `hosts.relay_host`.
    """
    _refuse_unknown_moves(inventory)
    by_relay = grouped(inventory.connections, lambda connection: connection.relay)
    hosts: list[HostSpec] = []
    left_out: dict[str, LeftOutHost] = {}
    for carrier, relay in inventory.relays.values():
        served = by_relay.get(relay.id, ())
        try:
            hosts.append(relay_host(inventory, secrets, carrier, relay, served, today=today))
        except SecretsError:
            without = left_out_relay(inventory, secrets, carrier, relay, served)
            if without is None:
                raise
            left_out[relay.id] = without
    for centre in inventory.centres.values():
        try:
            hosts.append(centre_host(inventory, secrets, centre, inventory.connections if centre.hub else ()))
        except SecretsError:
            without = left_out_centre(inventory, secrets, centre)
            if without is None:
                raise
            left_out[centre.id] = without
    policy = policy_of(inventory)
    frozen_facilities = tuple(facility for _, facility in sorted(frozen.items()))
    trusted = (
        replace(
            with_owner(host, inventory, secrets),
            trust=_trust_in_host(inventory, host),
            policy=policy,
            held=frozen_facilities if host.media else (),
        )
        for host in hosts
    )
    by_id = {host.id: host for host in sorted(trusted, key=lambda h: h.id)}
    return DesiredState(by_id, dict(sorted(left_out.items())), dict(sorted(frozen.items())))


def _trust_in_host(inventory: Inventory, host: HostSpec) -> Trust:
    reading = _reading(inventory, host) if host.relay else _readers_at(inventory, host)
    firewall = host.firewall
    keys = {peer.name: " ".join((peer.public_key, *sorted(map(str, peer.allowed_ips)))) for peer in host.tunnel.peers}
    return Trust(
        address=str(host.address),
        port=host.ssh.port,
        user=host.ssh.user,
        host_key=host_key_text(host.ssh),
        program=program_words(inventory.settings.mediamtx) if host.media else "",
        ssh_from=tuple(map(str, firewall.management_networks)) if firewall else (),
        readers=tuple(sorted(reading)),
        keys=dict(sorted(keys.items())),
        jump=called_through(host.jump),
        endpoint=inventory.relays[host.id][1].named_endpoint if host.relay else "",
        ports=dict(sorted(_ports_dialled(inventory, host).items())) if host.relay else {},
        publishers=tuple(map(str, firewall.publishers)) if firewall else (),
    )


def _ports_dialled(inventory: Inventory, host: HostSpec) -> dict[str, int]:
    _, relay = inventory.relays[host.id]
    names = (peer.name.removeprefix(SITE) for peer in host.tunnel.peers if peer.name.startswith(SITE))
    dialled = {name: port_dialled(inventory.facilities[name], relay) for name in names}
    return {name: port for name, port in dialled.items() if port != relay.wireguard_port}


def _reading(inventory: Inventory, relay: HostSpec) -> Iterator[str]:
    for centre in (inventory.centres[name] for name in inventory.carriers[relay.carriers[0]].centres):
        yield from words_of_reading(centre.id, centre.reads)
        for viewer in centre.viewers if centre.hub is None else ():
            yield from words_of_reading(viewer_user(viewer.id), viewer.reads)


def _readers_at(inventory: Inventory, centre: HostSpec) -> Iterator[str]:
    yield from centre.carriers
    for viewer in inventory.centres[centre.id].viewers if centre.hub else ():
        yield from words_of_reading(viewer_user(viewer.id), viewer.reads)


def _refuse_unknown_moves(inventory: Inventory) -> None:
    """Refuse a move to an unknown device, which would lose old paths."""
    for move in inventory.settings.moved:
        _, name, *device = move.new.split("/")
        facility = inventory.facilities.get(name)
        devices = {c.id for c in facility.cameras} | {r.id for r in facility.recorders} if facility else set()
        if facility and device and device[0] not in devices:
            hint = "write the id that it has now under moved in inventory.yml, or remove the entry"
            raise InventoryError(f"moved: {move.new} is no device of {name}", hint=hint, object=name)
