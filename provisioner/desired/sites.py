"""What a site's gateway should hold. It comes before the gateway's own key: the package makes that key."""

from __future__ import annotations

from provisioner.desired.access import ACCESS
from provisioner.desired.required import recorded, secret_of
from provisioner.desired.spec import SiteLink, SiteSpec
from provisioner.inventory.model import Connection, Facility, Inventory, Operating, Secrets, SiteAllocation


def site_spec(inventory: Inventory, secrets: Secrets, facility: Facility) -> SiteSpec:
    """A rendered facility's gateway as it should be.

    Raises:
        InventoryError: the site or its relay is not allocated, or the relay has no key yet.
        SecretsError: the vault has no pre-shared key for the site.
    """
    connections = facility.connections
    held = inventory.allocations.sites.get(facility.id) if connections else None
    allocation = recorded(held, "its tunnel address", facility.id, "allocate")
    plan, gateway = connections[0].plan, connections[0].gateway
    return SiteSpec(
        facility=facility.id,
        province=facility.province,
        access=plan.access,
        links=tuple(_link(inventory, secrets, connection, allocation) for connection in connections),
        lan=gateway.lan,
        lan_interface=gateway.lan_interface,
        devices=ACCESS[plan.access].device_map(facility, allocation),
    )


def closed_sites(inventory: Inventory) -> frozenset[str]:
    """The facilities whose gateways have to go: closed ones, and those that left the inventory and were allocated."""
    closed = {facility.id for facility in inventory.facilities.values() if facility.operating is Operating.CLOSED}
    gone = {s.object.removeprefix("site/") for s in inventory.allocations.tombstones if s.tunnel_address}
    # What is called otherwise now is not gone: its gateway goes on.
    moved = {move.old.split("/")[1] for move in inventory.settings.moved}
    known = moved.union(inventory.facilities, inventory.allocations.sites)
    return frozenset(closed | {name for name in gone - known if "/" not in name})


def _link(inventory: Inventory, secrets: Secrets, connection: Connection, site: SiteAllocation) -> SiteLink:
    plan, name = connection.plan, connection.facility.id
    _, relay = inventory.relays[plan.relay]
    allocation = recorded(inventory.allocations.relays.get(relay.id), "its public key", relay.id, "keys init")
    public_key = recorded(allocation.public_key, "its public key", relay.id, "keys init")
    held = site.successor if connection.successor and plan.carrier != site.carrier else site
    current = held.tunnel_address if held and held.carrier == plan.carrier else None
    address = recorded(current, f"its tunnel address of {plan.carrier}", name, "allocate")
    carrier = secrets.carriers.get(plan.carrier)
    return SiteLink(
        relay=relay.id,
        relay_public_key=public_key,
        relay_endpoint=(relay.wireguard_endpoint, relay.wireguard_port),
        relay_address=allocation.tunnel_address,
        address=address,
        psk=secret_of(carrier.site_psks if carrier else {}, name, "pre-shared key"),
    )
