"""What a monitoring centre should hold: a tunnel to each relay of its carriers, its guard, readers' secrets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network

from provisioner.base.errors import InventoryError
from provisioner.base.secret import content_key, identity_key
from provisioner.desired.families import apart, speaks_ipv6
from provisioner.desired.hubs import hub_door, hub_service
from provisioner.desired.names import side_of
from provisioner.desired.required import (
    carrier_secrets,
    centre_address,
    host_key,
    recorded,
    relay_allocation,
    secret_of,
)
from provisioner.desired.spec import (
    KEEPALIVE_S,
    RTSP_PORT,
    RTSPS_PORT,
    Firewall,
    HostKind,
    HostSpec,
    HubDoor,
    Peer,
    Tunnel,
)
from provisioner.inventory.model import Carrier, CarrierSecrets, Centre, Connection, Inventory, Relay, Secrets
from provisioner.inventory.model.addresses import AnyAddress


def centre_host(
    inventory: Inventory, secrets: Secrets, centre: Centre, connections: Iterable[Connection] = ()
) -> HostSpec:
    """What a monitoring centre should hold.

    Args:
        inventory: the whole of it.
        secrets: those of its carriers.
        centre: the centre.
        connections: of all relays: what a hub offers.

    Raises:
        InventoryError: an address or a key is missing, with the command that makes it.
        SecretsError: a secret is missing from the vault.
    """
    carriers = sorted((c for c in inventory.carriers.values() if centre.id in c.centres), key=lambda c: c.id)
    pools = inventory.settings.pools
    hub = hub_service(inventory, secrets, centre, centre.hub, connections) if centre.hub else None
    return HostSpec(
        id=centre.id,
        kind=HostKind.CENTRE,
        carriers=tuple(c.id for c in carriers),
        address=centre.address,
        ssh=centre.ssh_to,
        jump=centre.jump_to,
        digest_key=content_key(host_key(secrets, centre.id)),
        identity=identity_key(host_key(secrets, centre.id)),
        tunnel=Tunnel(
            address=centre_address(inventory, centre),
            listen_port=None,
            routes=tuple(pools.carriers[c.id] for c in carriers),
            peers=tuple(
                _relay_as_peer(inventory, carrier_secrets(secrets, c.id), relay, centre)
                for c in carriers
                for relay in sorted(c.relays, key=lambda r: r.id)
            ),
        ),
        firewall=_guard(inventory, centre, carriers, hub_door(hub) if hub else None),
        side=side_of(inventory.settings.id) if centre.shared else "",
        readers={c.id: secret_of(carrier_secrets(secrets, c.id).readers, centre.id, "reader secret") for c in carriers},
        reads=centre.reads,
        hub=hub,
        is_hub=hub is not None,
    )


def _guard(inventory: Inventory, centre: Centre, carriers: Sequence[Carrier], hub: HubDoor | None) -> Firewall:
    """Those who manage its relays manage it, too, and whom it names itself."""
    networks = inventory.ssh_sources(centre.id)
    return Firewall(
        management_networks=apart(networks),
        ssh_port=centre.ssh.port,
        relays=tuple(sorted(relay_allocation(inventory, relay).tunnel_address for c in carriers for relay in c.relays)),
        reader_ports=_read_at(carriers),
        hub=hub,
        speaks_ipv6=speaks_ipv6(networks, [centre.address]),
    )


def _read_at(carriers: Sequence[Carrier]) -> tuple[int, ...]:
    """The ports at which its reader of checks comes to relays: encrypted wherever a carrier has that."""
    encrypted = {carrier.reader_tls is not None for carrier in carriers}
    return tuple(port for port, kind in ((RTSP_PORT, False), (RTSPS_PORT, True)) if kind in encrypted) or (RTSP_PORT,)


def _relay_as_peer(inventory: Inventory, secrets: CarrierSecrets, relay: Relay, centre: Centre) -> Peer:
    allocation = relay_allocation(inventory, relay)
    announced = allocation.announced_key
    return Peer(
        name=f"relay/{relay.id}",
        public_key=recorded(
            announced.public_key if announced else allocation.public_key, "its public key", relay.id, "keys init"
        ),
        psk=secret_of(secret_of(secrets.centre_psks, relay.id, "pre-shared keys"), centre.id, "pre-shared key"),
        allowed_ips=(IPv4Network(allocation.tunnel_address),),
        endpoint=(_sent_to(relay), announced.port if announced else relay.wireguard_port),
        keepalive_s=KEEPALIVE_S,
    )


def _sent_to(relay: Relay) -> AnyAddress:
    """Where a centre sends WireGuard to a relay: never a name, as a plan would then change with the DNS.

    Raises:
        InventoryError: only a name is known.
    """
    if relay.centre_endpoint is None:
        message = f"{relay.id}: {relay.wireguard_endpoint} is a name, and centres send WireGuard to an address"
        raise InventoryError(message, hint="write that address under endpoint_address", object=relay.id)
    return relay.centre_endpoint
