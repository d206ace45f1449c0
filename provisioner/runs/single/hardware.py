"""Hardware that stands in for a dead relay: what it says of itself, and what hangs on it."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.base.endpoint import endpoint_text
from provisioner.base.errors import HostError, UsageError
from provisioner.desired.spec import HostSpec
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.observe import observe
from provisioner.hosts.runner import UnprovedHostError
from provisioner.inventory.model import Inventory, path_name
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import refuse_foreign
from provisioner.runs.single.called import CalledHost, called_host


def called_relay(session: Session, relay: str, otherwise: str) -> CalledHost:
    """A relay as it is called.

    Args:
        session: the inventory.
        relay: its id.
        otherwise: what is so of a centre, of which none of this can be done.

    Raises:
        UsageError: the inventory has no such relay.
        InventoryError, SecretsError: the inventory is invalid, or there is no key yet by which hosts know it.
    """
    called = called_host(session, relay)
    if relay not in called.inventory.relays:
        hint = "a centre's key is in no site package: remove its public key from the lock, and run keys init"
        raise UsageError(f"{relay} is a centre, and {otherwise}", hint=hint, object=relay)
    return called


def relay_facts(
    session: Session,
    spec: HostSpec,
    facts: Mapping[str, HostFacts],
    errors: Mapping[str, HostError],
    *,
    trusted: bool,
) -> tuple[HostFacts | None, bool]:
    """What the relay's host says, where it was asked, and whether it proves nothing.

    Raises:
        HostError: it could not be read.
        PolicyError: it is somebody else's.
    """
    if spec.id in facts:
        return facts[spec.id], False
    error = errors[spec.id]
    refuse_foreign({spec.id: error})
    if not isinstance(error, UnprovedHostError):
        raise error
    if not trusted:
        return None, True
    again, errors = observe([spec], {spec.id: ()}, session.runner, unproved=True)
    refuse_foreign(errors)
    if spec.id in errors:
        raise errors[spec.id]
    return again[spec.id], True


def centres_of(called: CalledHost) -> list[HostSpec]:
    """The centres that read from a relay."""
    carrier, _ = called.inventory.relays[called.spec.id]
    return [spec for spec in called.others if spec.id in carrier.centres]


def carried(inventory: Inventory, relay: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The sites with a gateway of this relay, and the paths that are pulled there."""
    sites, paths = [], []
    for connection in inventory.connections:
        if connection.relay == relay:
            facility = connection.facility
            if connection.gateway.public_key and connection.plan.access.has_tunnel:
                sites.append(facility.id)
            for camera in facility.cameras:
                paths += [path_name(facility, camera, name) for name, _ in camera.streams.named]
    return tuple(sorted(set(sites))), tuple(sorted(set(paths)))


def endpoint_moved(
    inventory: Inventory, relay: str, public_key: str, centres: list[HostSpec], facts: Mapping[str, HostFacts]
) -> tuple[str, str]:
    """How the place that gateways send to changes, and the centre that knows it: it sends to the same one."""
    _, of = inventory.relays[relay]
    if of.named_endpoint:
        return "", ""
    announced = inventory.allocations.relays[relay].announced_key
    now = endpoint_text(of.wireguard_endpoint, announced.port if announced else of.wireguard_port)
    for centre in centres:
        tunnel = facts[centre.id].tunnel if centre.id in facts else None
        peer = tunnel.peers.get(announced.public_key if announced else public_key) if tunnel else None
        if peer is not None and peer.endpoint:
            return (f"{peer.endpoint} → {now}" if peer.endpoint != now else ""), centre.id
    return "", ""
