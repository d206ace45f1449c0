"""Desired state of a site's gateway, with its keys. Pure."""

import hashlib
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import NamedTuple

from provisioner.base.errors import SecretsError
from provisioner.base.secret import Secret
from provisioner.base.text import HostPlace, canonical_json
from provisioner.desired.access import ACCESS
from provisioner.desired.paths import streams_of_site
from provisioner.desired.readers import push_places, pushed_streams
from provisioner.desired.required import recorded, secret_of
from provisioner.desired.spec import KEEPALIVE_S, TUNNEL_MTU, SiteLink, SiteSpec
from provisioner.inventory.model.facility import (
    Access,
    Connection,
    ConnectionPlan,
    Facility,
    GatewaySystem,
    Operating,
    relays_of,
)
from provisioner.inventory.model.hosts import Relay, SiteAllocation
from provisioner.inventory.model.inventory import BaseInventory, Inventory
from provisioner.inventory.model.secrets import CarrierSecrets, Secrets
from provisioner.inventory.outline import Outline, PlanOutline

_PSK = "pre-shared key"


class LinkEnds(NamedTuple):
    """Both ends of a site's tunnel to one relay, without secrets."""

    relay: str
    public_key: str
    endpoint: tuple[HostPlace, int]
    relay_address: IPv4Address
    address: IPv4Address


def present_psk(secrets: CarrierSecrets, facility: Facility) -> Secret:
    """Return the pre-shared key for the public key in the facility's file.

    After a key change this is the next one, even if the vault was not tidied yet. A key that the vault lacks raises
    `SecretsError`.
    """
    following = secrets.next_psks.get(facility.id)
    key = facility.gateway.public_key if facility.gateway else None
    if following is not None and key is not None and following.follows != key:
        return following.psk
    return secret_of(secrets.site_psks, facility.id, _PSK)


def next_psk(secrets: CarrierSecrets, facility: Facility) -> Secret:
    """Return the pre-shared key of a gateway's next key, or raise `SecretsError`."""
    following = secrets.next_psks.get(facility.id)
    key = facility.gateway.public_key if facility.gateway else None
    if following is None or following.follows != key:
        hint = f"run: provisioner keys rotate {facility.id}"
        raise SecretsError(f"the vault holds no next {_PSK} of {facility.id}", hint=hint, object=facility.id)
    return following.psk


def site_spec(inventory: Inventory, secrets: Secrets, facility: Facility) -> SiteSpec:
    """Return a rendered gateway's state, or raise `SecretsError`; else as `link_ends`."""
    connections = facility.connections
    allocation = inventory.allocations.sites.get(facility.id) if connections else None
    if not connections or connections[0].plan.access.has_tunnel:
        allocation = recorded(allocation, "its tunnel address", facility.id, "allocate")
    plan, gateway = connections[0].plan, connections[0].gateway
    return SiteSpec(
        facility=facility.id,
        province=facility.province,
        access=plan.access,
        links=tuple(
            _site_link(inventory, secrets, c, allocation)
            for c in connections
            if allocation and c.plan.access.has_tunnel
        ),
        lan=gateway.lan,
        lan_interface=gateway.lan_interface,
        devices=ACCESS[plan.access].device_map(facility, allocation),
        system=gateway.system,
        relays=tuple(connection.relay for connection in connections),
        changes_key=plan.access.has_tunnel and gateway.next_key is not None,
        next_key=(gateway.next_key.public_key or "") if gateway.next_key else "",
        pushed=pushed_streams(inventory, secrets, facility) if plan.access.is_pushed else (),
        artefact=inventory.settings.mediamtx if plan.access.is_pushed else None,
    )


def closed_sites(inventory: Inventory) -> frozenset[str]:
    """Return facilities whose gateways must go: closed, or removed with an allocation."""
    closed = {facility.id for facility in inventory.facilities.values() if facility.operating is Operating.CLOSED}
    removed = {
        tombstone.object.removeprefix("site/")
        for tombstone in inventory.allocations.tombstones
        if tombstone.tunnel_address
    }
    # A renamed site is not gone: its gateway goes on.
    moved = {move.old.split("/")[1] for move in inventory.settings.moved}
    present = moved.union(inventory.facilities, inventory.allocations.sites)
    return frozenset(closed | {name for name in removed - present if "/" not in name})


def port_dialled(facility: Facility | Outline, relay: Relay) -> int:
    """Return the relay's UDP port that a facility's gateway dials."""
    return facility.relay_port or relay.wireguard_port


def had_tunnel(inventory: BaseInventory, facility: Facility | Outline) -> bool:
    """Return whether a routed site had a tunnel to take down."""
    # A pushing site's new package does so itself.
    routed = any(plan.access is Access.ROUTED for plan in facility.carried_plans)
    name = f"site/{facility.id}"
    return routed and any(s.object == name and s.tunnel_address for s in inventory.allocations.tombstones)


def link_ends(inventory: BaseInventory, facility: Facility | Outline) -> tuple[LinkEnds, ...]:
    """Return a facility's tunnels' ends, if any, or raise `InventoryError`."""
    plans: list[ConnectionPlan | PlanOutline] = [p for p in facility.carried_plans if p.access.has_tunnel]
    allocation = inventory.allocations.sites.get(facility.id) if plans else None
    if not plans:
        return ()
    site = recorded(allocation, "its tunnel address", facility.id, "allocate")
    return tuple(
        _link_ends(inventory, facility, plan, relay, site, is_successor=plan is facility.successor)
        for plan, relay in relays_of(plans)
    )


def package_digest(inventory: BaseInventory, facility: Facility) -> str:
    """Return a site package's hash, without secrets; errors as `link_ends`."""
    ends = link_ends(inventory, facility)
    connections = facility.connections
    if not connections:
        return _digest(["site-package", facility.id])
    plan, gateway = connections[0].plan, connections[0].gateway
    site = inventory.allocations.sites.get(facility.id)
    if plan.access.has_tunnel:
        site = recorded(site, "its tunnel address", facility.id, "allocate")
    lan = [plan.access.value, str(gateway.lan), gateway.lan_interface, TUNNEL_MTU, KEEPALIVE_S]
    # The usual system is left out, so that digests of earlier packages stay the same.
    lan += [gateway.system.value] if gateway.system is not GatewaySystem.LINUX else []
    devices = ACCESS[plan.access].device_map(facility, site).template_values
    if plan.access.is_pushed:
        pushed = [[path, device, at] for path, device, at in streams_of_site(facility)]
        # Without a next certificate packages that were handed out before stay the ones they are.
        endpoints = [
            _plain(endpoint if endpoint.following else endpoint[:-1]) for endpoint in push_places(inventory, facility)
        ]
        return _digest(["site-package", facility.id, *lan, endpoints, _plain(devices), pushed, _program(inventory)])
    return _digest(["site-package", facility.id, *lan, _plain(ends), _plain(devices)])


def _program(inventory: BaseInventory) -> list[str]:
    artefact = inventory.settings.mediamtx
    return [artefact.version, *(f"{arch} {artefact.sha256[arch]}" for arch in sorted(artefact.sha256))]


def _digest(value: object) -> str:
    return f"sha256:{hashlib.sha256(canonical_json(value)).hexdigest()}"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, int) else str(value)


def _site_link(inventory: Inventory, secrets: Secrets, connection: Connection, site: SiteAllocation) -> SiteLink:
    plan, facility = connection.plan, connection.facility
    ends = _link_ends(inventory, facility, plan, connection.relay, site, is_successor=connection.successor)
    stored = secrets.carriers.get(plan.carrier) or CarrierSecrets()
    changes = connection.gateway.next_key is not None
    psk = next_psk(stored, facility) if changes else present_psk(stored, facility)
    return SiteLink(ends.relay, ends.public_key, ends.endpoint, ends.relay_address, ends.address, psk)


def _link_ends(
    inventory: BaseInventory,
    facility: Facility | Outline,
    plan: ConnectionPlan | PlanOutline,
    relay_id: str,
    site: SiteAllocation,
    *,
    is_successor: bool,
) -> LinkEnds:
    _, relay = inventory.relays[relay_id]
    allocation = recorded(inventory.allocations.relays.get(relay.id), "its public key", relay.id, "keys init")
    announced = allocation.announced_key
    public_key = recorded(
        announced.public_key if announced else allocation.public_key, "its public key", relay.id, "keys init"
    )
    entry = site.successor if is_successor and plan.carrier != site.carrier else site
    current = entry.tunnel_address if entry and entry.carrier == plan.carrier else None
    address = recorded(current, f"its tunnel address of {plan.carrier}", facility.id, "allocate")
    # Until the change is over no other port leads to the next key.
    endpoint = relay.wireguard_endpoint, announced.port if announced else port_dialled(facility, relay)
    return LinkEnds(relay.id, public_key, endpoint, allocation.tunnel_address, address)
