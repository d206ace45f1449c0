"""New hardware for a dead relay: key restored, or a new one.

With the recovery key the tunnel's key is restored from its sealed box, and sites reconnect. Without it the relay makes
a new key, and each site needs a new package.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.base.errors import HostError, InventoryError, PolicyError, UsageError
from provisioner.base.recovery_key import RecoveryPair
from provisioner.base.text import endpoint_text
from provisioner.desired.limit import recorded_keys
from provisioner.desired.recovery_key import box_of, box_of_next, opened, opened_next, recovery_key
from provisioner.desired.spec import HostSpec
from provisioner.hosts.facts import HostFacts
from provisioner.hosts.keys import RestoredKey, make_host_keys, restore_host_keys
from provisioner.hosts.observe import observe
from provisioner.hosts.runner import UnprovedHostError
from provisioner.inventory.files.edit import write_lock
from provisioner.inventory.model.facility import path_name
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.new_secrets import recorded
from provisioner.operations.pipeline.session import CalledHost, Session, called_host
from provisioner.operations.pipeline.stages import refuse_foreign
from provisioner.plan.guards.policy import TRUST

_SHOWN = 8


@dataclass(frozen=True)
class _NewHardware:
    """Hardware in a relay's place, which the inventory names already."""

    called: CalledHost
    is_new: bool  #: Whether it is unproved, as new hardware.
    is_alive: bool  #: Whether it runs with the relay's key already.
    sites: tuple[str, ...]
    paths: tuple[str, ...]  #: Paths cut until their site's package is installed, or until the next apply.

    @property
    def relay(self) -> str:
        return self.called.spec.id


@dataclass(frozen=True)
class Replacement(_NewHardware):
    """A planned replacement of a relay."""

    former: str  #: The relay's key in the lock.
    centres: tuple[str, ...]  #: Its reading centres, which learn the new key with the next apply.


@dataclass(frozen=True)
class Replaced:
    """A replacement's result."""

    public_key: str
    written: Path | None
    sealed: bool  #: Whether the relay sealed the key to the recovery key.


@dataclass(frozen=True)
class Restoration(_NewHardware):
    """A planned restoration of a relay's key."""

    public_key: str
    moved: str  #: The change of the gateways' target address, by a centre; empty without one.
    seen_by: str  #: The centre that knows this address, or empty.
    goes_by: str = ""  #: The relay's host name for gateways; empty if they have an address.


@dataclass(frozen=True)
class Restored:
    """A restoration's result: the lock, if changed."""

    written: Path | None


def called_relay(session: Session, relay: str, otherwise: str) -> CalledHost:
    """Return a relay; `otherwise` is the message's end for a centre."""
    called = called_host(session, relay)
    if relay not in called.inventory.relays:
        hint = "a centre's key is in no site package: remove its public key from the lock, and run keys init"
        raise UsageError(f"{relay} is a centre, and {otherwise}", hint=hint, object=relay)
    return called


def relay_facts(
    session: Session, spec: HostSpec, facts: Mapping[str, HostFacts], errors: Mapping[str, HostError], *, trusted: bool
) -> tuple[HostFacts | None, bool]:
    """Return a relay's facts, if read, and whether it is unproved."""
    if spec.id in facts:
        return facts[spec.id], False
    error = errors[spec.id]
    refuse_foreign({spec.id: error})
    if not isinstance(error, UnprovedHostError):
        raise error
    if not trusted:
        return None, True
    unproved_facts, errors = observe([spec], {spec.id: ()}, session.runner, unproved=True)
    refuse_foreign(errors)
    if spec.id in errors:
        raise errors[spec.id]
    return unproved_facts[spec.id], True


def _centres_of(called: CalledHost) -> list[HostSpec]:
    carrier, _ = called.inventory.relays[called.spec.id]
    return [spec for spec in called.others if spec.id in carrier.centres]


def carried(inventory: Inventory, relay: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a relay's sites with gateways, and its paths."""
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
    """Return the gateways' changed target address, and the centre that knows it."""
    _, entry = inventory.relays[relay]
    if entry.named_endpoint:
        return "", ""
    announced = inventory.allocations.relays[relay].announced_key
    wanted_endpoint = endpoint_text(entry.wireguard_endpoint, announced.port if announced else entry.wireguard_port)
    for centre in centres:
        tunnel = facts[centre.id].tunnel if centre.id in facts else None
        peer = tunnel["peers"].get(announced.public_key if announced else public_key) if tunnel else None
        if peer is not None and peer["endpoint"]:
            return (f"{peer['endpoint']} → {wanted_endpoint}" if peer["endpoint"] != wanted_endpoint else ""), centre.id
    return "", ""


def see_replacement(
    session: Session, relay: str, *, allow: Mapping[str, int], is_recovery_lost: bool = False
) -> Replacement:
    """Read the new hardware and what depends on it.

    Unproved hardware is read only if `allow` has `trust`. `is_recovery_lost` permits a new key despite a sealed one.
    Raises `HostError` if the host could not be read, or lacks a program; `PolicyError` if its key can be restored,
    another inventory owns it, or it has run with another key.
    """
    called = called_relay(session, relay, "no site knows it")
    inventory = called.inventory
    if not is_recovery_lost:
        _refuse_restorable(inventory, relay)
    former = inventory.allocations.relays[relay].public_key or ""
    facts, errors = observe([called.spec], {relay: ()}, session.runner)
    host, is_new = relay_facts(session, called.spec, facts, errors, trusted=allow.get(TRUST, 0) > 0)
    live_key = host.tunnel["public_key"] if host and host.tunnel else ""
    following = inventory.allocations.relays[relay].next_key
    recorded_keys = {former, following.public_key if following else former}
    if live_key and live_key not in recorded_keys and host is not None and host.confirmed:
        message = f"{relay} runs with a tunnel key that the lock does not have, {live_key[:_SHOWN]}…"
        hint = "take allocations.lock.yml back from Git as it was when that was made; or take everything of ours off"
        raise PolicyError(message, hint=f"{hint} it first: provisioner hosts decommission {relay}", object=relay)
    sites, paths = carried(inventory, relay)
    centres = tuple(sorted(spec.id for spec in _centres_of(called)))
    is_alive = bool(live_key) and live_key == former
    return Replacement(called, is_new, is_alive, sites, paths, former, centres)


def _refuse_restorable(inventory: Inventory, relay: str) -> None:
    try:
        box_of(inventory.settings, inventory.allocations, relay)
    except InventoryError:
        return
    hint = f"provisioner relay restore {relay} --allow trust=1; if nobody has the recovery key: --recovery-lost"
    raise PolicyError(f"{relay} has sealed its key: with that no site needs a new package", hint=hint, object=relay)


def replace_relay(session: Session, replacement: Replacement, *, trusted: int, actor: str) -> Replaced:
    """Let the new hardware make its keys; record them.

    `trusted` is the number of hosts that need not prove their owner; `who` goes into the host's mark. Raises
    `InventoryError` for the lock; `HostError` if the host did not make its keys, and repeating is safe; `PolicyError`
    if another inventory owns it now, or this vault does not vouch for the recovery key.
    """
    inventory, spec = replacement.called.inventory, replacement.called.spec
    made, errors = make_host_keys(
        [spec],
        session.runner,
        session.templates,
        recorded=recorded_keys(inventory),
        unproved=replacement.is_new and trusted > 0,
        who=actor,
        recovery=recovery_key(inventory.settings, replacement.called.secrets),
    )
    if spec.id in errors:
        refuse_foreign(errors)
        raise HostError(errors[spec.id].message, hint=errors[spec.id].hint, object=spec.id)
    keys = made[spec.id]
    before = inventory.allocations
    # The sealed former key is of no use any more, and a change of that key is over.
    former = before.relays[spec.id].model_copy(update={"sealed_key": None, "next_key": None})
    without = before.model_copy(update={"relays": {**before.relays, spec.id: former}})
    if keys.public_key == before.relays[spec.id].public_key:
        without = before
    lock = recorded(without, {spec.id: keys.recorded})
    path = write_lock(session.root, lock) if lock != before else None
    return Replaced(keys.public_key, path, lock.relays[spec.id].sealed_key is not None)


def see_restoration(session: Session, relay: str, *, allow: Mapping[str, int]) -> Restoration:
    """Read the new hardware and what depends on it.

    Unproved hardware is read only if `allow` has `trust`. Raises `InventoryError` if the relay's key was never sealed;
    `HostError` if the host could not be read, lacks a program, or is not new; `PolicyError` as in `see_replacement`.
    """
    called = called_relay(session, relay, "has nothing to be restored")
    inventory = called.inventory
    sealed = box_of(inventory.settings, inventory.allocations, relay)
    box_of_next(inventory.allocations, relay)
    centres = _centres_of(called)
    facts, errors = observe(
        [called.spec, *centres], dict.fromkeys([relay, *(c.id for c in centres)], ()), session.runner
    )
    host, is_new = relay_facts(session, called.spec, facts, errors, trusted=allow.get(TRUST, 0) > 0)
    live_key = host.tunnel["public_key"] if host and host.tunnel else ""
    if live_key and live_key != sealed.public_key:
        message = f"{relay} runs with a tunnel key of its own, {live_key[:_SHOWN]}…: it stands in for nobody"
        hint = "if it is to have the former key, take everything of ours off it first: provisioner hosts decommission"
        raise PolicyError(message, hint=hint, object=relay)
    sites, paths = carried(inventory, relay)
    named = inventory.relays[relay][1].named_endpoint
    moved, seen_by = endpoint_moved(inventory, relay, sealed.public_key, centres, facts)
    return Restoration(called, is_new, bool(live_key), sites, paths, sealed.public_key, moved, seen_by, named)


def restore_relay(
    session: Session, restoration: Restoration, pair: RecoveryPair, *, trusted: int, actor: str
) -> Restored:
    """Restore the relay's key from its box; record its other new keys.

    `trusted`, `who` and errors as in `replace_relay`; also `SecretsError` if the recovery key is wrong, or the box is
    damaged or another host's.
    """
    inventory, spec = restoration.called.inventory, restoration.called.spec
    private_key = opened(inventory.settings, inventory.allocations, spec.id, pair)
    key = RestoredKey(restoration.public_key, private_key)
    second = opened_next(inventory.settings, inventory.allocations, spec.id, pair)
    following = RestoredKey(*second) if second else None
    unproved = restoration.is_new and trusted > 0
    program = session.templates.host_program
    try:
        made = restore_host_keys(spec, session.runner, program, key, unproved=unproved, who=actor, following=following)
    except HostError as error:
        refuse_foreign({spec.id: error})
        raise
    lock = recorded(inventory.allocations, {spec.id: made.recorded})
    return Restored(write_lock(session.root, lock) if lock != inventory.allocations else None)
