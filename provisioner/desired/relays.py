"""What a relay should hold: its tunnel, its firewall, its media paths and who may read them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from ipaddress import IPv4Address, IPv4Network
from operator import attrgetter

from provisioner.base.secret import content_key, identity_key, mediamtx_hash
from provisioner.desired.access import ACCESS, linked_site
from provisioner.desired.asked import asked_devices
from provisioner.desired.families import apart, speaks_ipv6
from provisioner.desired.hubs import relay_certificate, relay_encryption
from provisioner.desired.paths import media_paths
from provisioner.desired.publishers import networks_of, publishers
from provisioner.desired.required import (
    carrier_secrets,
    centre_address,
    host_key,
    recorded,
    relay_allocation,
    secret_of,
)
from provisioner.desired.site_keys import next_psk, present_psk
from provisioner.desired.spec import (
    NEXT,
    SITE,
    Firewall,
    HostKind,
    HostSpec,
    MediaPath,
    Peer,
    RelayService,
    SecondKey,
    Tunnel,
    User,
    reader_ports,
)
from provisioner.desired.users import centre_user, own_users, viewer_user
from provisioner.inventory.model import (
    Carrier,
    CarrierSecrets,
    Centre,
    Connection,
    Inventory,
    Relay,
    Secrets,
)


def relay_host(
    inventory: Inventory,
    secrets: Secrets,
    carrier: Carrier,
    relay: Relay,
    connections: Iterable[Connection],
    *,
    today: date | None = None,
) -> HostSpec:
    """What a relay should hold.

    Args:
        inventory: the whole of it.
        secrets: those of all carriers and cameras.
        carrier: the relay's.
        relay: the relay.
        connections: the connections that it carries, in any order.
        today: the day by which a setting is still under change; without one none is.

    Raises:
        InventoryError: an allocation or a key is missing, with the command that makes it.
        SecretsError: a secret is missing from the vault.
    """
    allocation = relay_allocation(inventory, relay)
    port, second, changing = allocation.own_port(relay.wireguard_port), allocation.second_key, allocation.next_key
    own = carrier_secrets(secrets, carrier.id)
    served = sorted(connections, key=lambda c: c.facility.id)
    centres = [inventory.centres[c] for c in sorted(carrier.centres)]
    centre_addresses = {c.id: centre_address(inventory, c) for c in centres}
    tls = relay_encryption(secrets, carrier, relay, inventory)
    asked = tuple(one for c in served for one in asked_devices(inventory, c, today))
    paths = sorted((p for c in served for p in media_paths(inventory, secrets, c, today)), key=attrgetter("name"))
    return HostSpec(
        id=relay.id,
        kind=HostKind.RELAY,
        carriers=(carrier.id,),
        address=relay.address,
        ssh=carrier.ssh_to(relay),
        jump=carrier.jump_to(relay),
        digest_key=content_key(host_key(secrets, relay.id)),
        identity=identity_key(host_key(secrets, relay.id)),
        tunnel=Tunnel(
            address=allocation.tunnel_address,
            listen_port=port,
            routes=(inventory.settings.pools.carriers[carrier.id], inventory.settings.pools.centres),
            peers=_relay_peers(inventory, own, relay, served, centres),
            following=SecondKey(second.public_key, second.port) if second else None,
        ),
        firewall=Firewall(
            management_networks=apart(carrier.management_networks),
            ssh_port=relay.ssh.port,
            wireguard_port=port,
            # The next key's port may be one of them: then it leads to that key alone.
            further_ports=tuple(sorted(set(relay.further_wireguard_ports) - ({changing.port} if changing else set()))),
            second_port=second.port if second else None,
            centres=tuple(sorted(centre_addresses.values())),
            cameras=_device_addresses(paths),
            onvif=tuple(sorted((one.address, one.port) for one in asked)),
            reader_ports=reader_ports(tls),
            routed=tuple(sorted(carrier.routed_networks)),
            speaks_ipv6=speaks_ipv6(carrier.management_networks, (relay.address, *(p for _, p in relay.endpoints))),
            publishers=networks_of(carrier),
        ),
        relay=RelayService(
            address=allocation.tunnel_address,
            users=(
                *own_users(allocation, relay.id, allocation.tunnel_address),
                *_readers(own, centres, centre_addresses),
                *publishers(carrier, own, {c.facility.id: c.facility for c in served}, paths),
            ),
            paths=tuple(paths),
            artefact=inventory.settings.mediamtx,
            asked=asked,
            tls=tls,
            publishing=relay_certificate(secrets, carrier, relay, inventory) if carrier.publishers else None,
        ),
    )


def _relay_peers(
    inventory: Inventory, secrets: CarrierSecrets, relay: Relay, served: list[Connection], centres: list[Centre]
) -> tuple[Peer, ...]:
    psks = secret_of(secrets.centre_psks, relay.id, "pre-shared keys")
    of_centres = (
        Peer(
            name=f"centre/{centre.id}",
            public_key=recorded(
                inventory.allocations.centres[centre.id].public_key, "its public key", centre.id, "keys init"
            ),
            psk=secret_of(psks, centre.id, f"pre-shared key with {relay.id}"),
            allowed_ips=(IPv4Network(centre_address(inventory, centre)),),
        )
        for centre in centres
    )
    tunnelled = (connection for connection in served if connection.plan.access.has_tunnel)
    return (*of_centres, *(peer for connection in tunnelled for peer in _site_peers(inventory, secrets, connection)))


def _site_peers(inventory: Inventory, secrets: CarrierSecrets, connection: Connection) -> Iterator[Peer]:
    """A site's peer, and while its gateway changes its key the one that follows: the host moves the addresses."""
    facility, gateway = connection.facility, connection.gateway
    name = facility.id
    yield Peer(
        name=f"{SITE}{name}",
        public_key=recorded(gateway.public_key, "gateway.public_key", name, f"site-package {name}"),
        psk=present_psk(secrets, facility),
        allowed_ips=ACCESS[connection.plan.access].allowed_ips(linked_site(inventory, connection)),
    )
    if gateway.next_key is not None and gateway.next_key.public_key is not None:
        yield Peer(f"{NEXT}{name}", gateway.next_key.public_key, next_psk(secrets, facility), ())


def _readers(secrets: CarrierSecrets, centres: Iterable[Centre], at: Mapping[str, IPv4Address]) -> Iterator[User]:
    """Who reads from outside: centres, and those who read there with logins of their own, from the centre's address."""
    of_viewers = []
    for centre in centres:
        secret = secret_of(secrets.readers, centre.id, "reader secret")
        yield User(centre_user(centre.id), mediamtx_hash(secret), (str(at[centre.id]),), "read", centre.reads)
        # At a hub they read from the hub.
        for viewer in centre.viewers if centre.hub is None else ():
            secret = secret_of(secrets.viewers, viewer.id, "password of a viewer")
            of_viewers.append(
                User(viewer_user(viewer.id), mediamtx_hash(secret), (str(at[centre.id]),), "read", viewer.reads)
            )
    yield from sorted(of_viewers, key=attrgetter("name"))


def _device_addresses(paths: Iterable[MediaPath]) -> tuple[tuple[IPv4Address, int], ...]:
    """Where a relay finds devices; a device of several streams is there once."""
    pulled = ((path, path.source) for path in paths if path.source is not None)
    addresses = {(path.facility, path.device): (source.address, source.port) for path, source in pulled}
    return tuple(sorted(set(addresses.values()), key=lambda address: (int(address[0]), address[1])))
