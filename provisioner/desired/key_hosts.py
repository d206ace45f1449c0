"""The hosts whose keys are to be made, before there is a desired state. Pure."""

from __future__ import annotations

from provisioner.base.errors import InventoryError
from provisioner.base.secret import content_key, identity_key
from provisioner.desired.names import side_of
from provisioner.desired.ownership import with_owner
from provisioner.desired.required import host_key
from provisioner.desired.spec import HostKind, HostSpec, Tunnel
from provisioner.inventory.model import Inventory, Secrets


def key_hosts(inventory: Inventory, secrets: Secrets) -> tuple[HostSpec, ...]:
    """The hosts whose keys are to be made, with no more than is needed to call them; not those that stayed shut.

    Raises:
        InventoryError: a host has no tunnel address yet.
        SecretsError: the vault has no digest key, and was opened as a whole.
    """
    lock = inventory.allocations
    missing = sorted((set(inventory.relays) - set(lock.relays)) | (set(inventory.centres) - set(lock.centres)))
    if missing:
        raise InventoryError(f"{missing[0]} has no tunnel address", hint="run: provisioner allocate", object=missing[0])
    specs = [
        HostSpec(
            relay.id,
            HostKind.RELAY,
            (carrier.id,),
            relay.address,
            carrier.ssh_to(relay),
            content_key(host_key(secrets, relay.id)),
            Tunnel(lock.relays[relay.id].tunnel_address, lock.relays[relay.id].own_port(relay.wireguard_port), (), ()),
            identity=identity_key(host_key(secrets, relay.id)),
            jump=carrier.jump_to(relay),
        )
        for carrier, relay in inventory.relays.values()
        if _is_open(secrets, relay.id)
    ]
    specs += [
        HostSpec(
            centre.id,
            HostKind.CENTRE,
            (),
            centre.address,
            centre.ssh_to,
            content_key(host_key(secrets, centre.id)),
            Tunnel(lock.centres[centre.id].tunnel_address, None, (), ()),
            identity=identity_key(host_key(secrets, centre.id)),
            jump=centre.jump_to,
            side=side_of(inventory.settings.id) if centre.shared else "",
            is_hub=centre.hub is not None,
        )
        for centre in inventory.centres.values()
        if _is_open(secrets, centre.id)
    ]
    return tuple(with_owner(spec, inventory, secrets) for spec in sorted(specs, key=lambda s: s.id))


def _is_open(secrets: Secrets, host: str) -> bool:
    """Whether a host's digest key was opened, if it may be in a file that stayed shut."""
    has_own = any(host in carrier.host_keys for carrier in secrets.carriers.values())
    return has_own or secrets.digest_key is not None or not secrets.shut


def known_keys(inventory: Inventory) -> dict[str, str]:
    """The public keys that are recorded, each with whose it is: a host's id, or a gateway."""
    lock = inventory.allocations
    hosts = {h.public_key: name for of in (lock.relays, lock.centres) for name, h in of.items() if h.public_key}
    hosts |= {h.next_key.public_key: name for name, h in lock.relays.items() if h.next_key}
    gateways = ((facility.id, facility.gateway) for facility in inventory.facilities.values())
    return {g.public_key: f"the gateway of {name}" for name, g in gateways if g and g.public_key} | hosts
