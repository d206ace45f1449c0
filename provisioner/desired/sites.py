"""What a site's gateway should hold. It comes before the gateway's own key: the package makes that key."""

from __future__ import annotations

from provisioner.base.errors import InventoryError, SecretsError
from provisioner.desired.spec import PortMap, SiteLink, SiteSpec
from provisioner.inventory.model import Connection, Facility, Inventory, Secrets, SiteAllocation


def site_spec(inventory: Inventory, secrets: Secrets, facility: Facility) -> SiteSpec:
    """A rendered facility's gateway as it should be.

    Raises:
        InventoryError: the site or its relay is not allocated, or the relay has no key yet.
        SecretsError: the vault has no pre-shared key for the site.
    """
    site = inventory.allocations.sites.get(facility.id)
    connections = facility.connections
    if site is None or not connections:
        raise InventoryError(
            f"{facility.id}: its tunnel address is not recorded", hint="run: provisioner allocate", object=facility.id
        )
    gateway = connections[0].gateway
    return SiteSpec(
        facility=facility.id,
        province=facility.province,
        links=tuple(_link(inventory, secrets, connection, site) for connection in connections),
        lan=gateway.lan,
        lan_interface=gateway.lan_interface,
        port_maps=port_maps(facility, site.ports),
    )


def _link(inventory: Inventory, secrets: Secrets, connection: Connection, site: SiteAllocation) -> SiteLink:
    plan, name = connection.plan, connection.facility.id
    _, relay = inventory.relays[plan.relay]
    allocation = inventory.allocations.relays.get(relay.id)
    if allocation is None or allocation.public_key is None:
        raise InventoryError(
            f"{relay.id}: its public key is not recorded", hint="run: provisioner keys init", object=relay.id
        )
    held = site.successor if connection.successor else site
    if held is None or held.carrier != plan.carrier:
        raise InventoryError(
            f"{name}: its tunnel address of {plan.carrier} is not recorded",
            hint="run: provisioner allocate",
            object=name,
        )
    carrier = secrets.carriers.get(plan.carrier)
    if carrier is None or name not in carrier.site_psks:
        raise SecretsError(
            f"the vault holds no pre-shared key of {name}", hint="run: provisioner keys init", object=name
        )
    return SiteLink(
        relay=relay.id,
        relay_public_key=allocation.public_key,
        relay_endpoint=(relay.wireguard_endpoint, relay.wireguard_port),
        relay_address=allocation.tunnel_address,
        address=held.tunnel_address,
        psk=carrier.site_psks[name],
    )


def port_maps(facility: Facility, ports: dict[str, int]) -> tuple[PortMap, ...]:
    """The port map of a site: one entry a device, in the order of ports."""
    devices = {r.id: (r.address, r.port) for r in facility.recorders}
    devices |= {c.id: (c.address, c.port) for c in facility.cameras if c.address is not None}
    missing = sorted(set(devices) - set(ports))
    if missing:
        raise InventoryError(
            f"{facility.id}: the port of {missing[0]} is not recorded",
            hint="run: provisioner allocate",
            object=facility.id,
        )
    maps = (PortMap(device, ports[device], address, port) for device, (address, port) in devices.items())
    return tuple(sorted(maps, key=lambda m: m.port))
