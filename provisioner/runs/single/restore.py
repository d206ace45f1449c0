"""New hardware in a dead relay's place: the tunnel's key out of its sealed box, so that its sites know it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.base.errors import HostError, PolicyError
from provisioner.base.recovery_key import RecoveryPair
from provisioner.desired.recovery import box_of, box_of_next, opened, opened_next
from provisioner.hosts.keys import RestoredKey, restore_host_keys
from provisioner.hosts.observe import observe
from provisioner.inventory.files.lock import write_lock
from provisioner.inventory.new_secrets import recorded
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import refuse_foreign
from provisioner.plan.guards.policy import TRUST
from provisioner.runs.single.called import CalledHost
from provisioner.runs.single.hardware import called_relay, carried, centres_of, endpoint_moved, relay_facts

_SHOWN = 8


@dataclass(frozen=True)
class Restoration:
    """What a restoration would do, as far as it can be seen before.

    Attributes:
        called: the relay as it is called.
        public_key: of the tunnel's key that it gets back.
        is_new: whether it proves nothing, as new hardware does.
        is_alive: whether it runs with that key already: there is nothing to restore.
        sites: the facilities whose gateways know the key, and go on without a visit.
        paths: the paths that are pulled at it, and are cut until the next apply.
        moved: how the address that gateways send to becomes another one, as a centre saw it; empty where it does not.
        seen_by: the centre that knows where gateways send to; empty where none could be asked.
        goes_by: the name by which gateways find the relay; empty where they have an address.
    """

    called: CalledHost
    public_key: str
    is_new: bool
    is_alive: bool
    sites: tuple[str, ...]
    paths: tuple[str, ...]
    moved: str
    seen_by: str
    goes_by: str = ""

    @property
    def relay(self) -> str:
        """The relay's id."""
        return self.called.spec.id


@dataclass(frozen=True)
class Restored:
    """What a restoration did.

    Attributes:
        written: the lock, where something in it is another one.
    """

    written: Path | None


def see_restoration(session: Session, relay: str, *, allow: Mapping[str, int]) -> Restoration:
    """Look at the new hardware, and at what hangs on it; nothing is changed.

    Args:
        session: the inventory.
        relay: the relay's id.
        allow: `trust` has to be there for hardware that proves nothing, before it is asked for more.

    Raises:
        UsageError: the inventory has no such relay.
        InventoryError: the inventory is invalid, or the relay's key was never sealed.
        SecretsError: the vault cannot be opened.
        HostError: the host could not be read, lacks a program, or is not to be taken for new.
        PolicyError: it is another inventory's, or has run with another key of its own.
    """
    called = called_relay(session, relay, "has nothing to be restored")
    inventory = called.inventory
    sealed = box_of(inventory.settings, inventory.allocations, relay)
    box_of_next(inventory.allocations, relay)
    centres = centres_of(called)
    facts, errors = observe(
        [called.spec, *centres], dict.fromkeys([relay, *(c.id for c in centres)], ()), session.runner
    )
    host, is_new = relay_facts(session, called.spec, facts, errors, trusted=allow.get(TRUST, 0) > 0)
    live = host.tunnel.public_key if host and host.tunnel else ""
    if live and live != sealed.public_key:
        message = f"{relay} runs with a tunnel key of its own, {live[:_SHOWN]}…: it stands in for nobody"
        hint = "if it is to have the former key, take everything of ours off it first: provisioner hosts decommission"
        raise PolicyError(message, hint=hint, object=relay)
    sites, paths = carried(inventory, relay)
    named = inventory.relays[relay][1].named_endpoint
    moved, seen_by = endpoint_moved(inventory, relay, sealed.public_key, centres, facts)
    return Restoration(called, sealed.public_key, is_new, bool(live), sites, paths, moved, seen_by, named)


def restore_relay(
    session: Session, restoration: Restoration, pair: RecoveryPair, *, trusted: int, who: str
) -> Restored:
    """Open the relay's box, put the key on its hardware, let that make all other keys, and record them.

    Args:
        session: the inventory.
        restoration: what was seen.
        pair: the recovery key.
        trusted: how many hosts need not prove that they were managed before.
        who: who does it, for the mark of whose the host is.

    Raises:
        InventoryError: there is no box of the key that the lock has, or the lock cannot be written.
        SecretsError: it is not the key that the box was sealed to, or the box is damaged or another host's.
        HostError: the host did not take the key; running this again does no harm.
        PolicyError: it became somebody else's meanwhile.
    """
    inventory, spec = restoration.called.inventory, restoration.called.spec
    private_key = opened(inventory.settings, inventory.allocations, spec.id, pair)
    key = RestoredKey(restoration.public_key, private_key)
    second = opened_next(inventory.settings, inventory.allocations, spec.id, pair)
    following = RestoredKey(*second) if second else None
    unproved = restoration.is_new and trusted > 0
    program = session.templates.host_program
    try:
        made = restore_host_keys(spec, session.runner, program, key, unproved=unproved, who=who, following=following)
    except HostError as error:
        refuse_foreign({spec.id: error})
        raise
    lock = recorded(inventory.allocations, {spec.id: made.recorded})
    return Restored(write_lock(session.root, lock) if lock != inventory.allocations else None)
