"""New hardware in the place of a dead relay whose key nobody has: a new key, and for each site a new package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.base.errors import HostError, InventoryError, PolicyError
from provisioner.desired.key_hosts import known_keys
from provisioner.desired.recovery import box_of, recovery_key
from provisioner.hosts.keys import make_host_keys
from provisioner.hosts.observe import observe
from provisioner.inventory.files.lock import write_lock
from provisioner.inventory.model import Inventory
from provisioner.inventory.new_secrets import recorded
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import refuse_foreign
from provisioner.plan.guards.policy import TRUST
from provisioner.runs.single.called import CalledHost
from provisioner.runs.single.hardware import called_relay, carried, centres_of, relay_facts

_SHOWN = 8


@dataclass(frozen=True)
class Replacement:
    """What a replacement would do, as far as it can be seen before.

    Attributes:
        called: the relay as it is called.
        former: the public key that the lock has; empty where it has none any more.
        is_new: whether it proves nothing, as new hardware does.
        is_alive: whether it runs with that key: there is nothing to replace.
        sites: the facilities whose gateways know the former key, and need a new package.
        paths: the paths that are pulled at it, and are cut until their site's package is installed.
        centres: the centres that read from it, and learn the new key with the next apply.
    """

    called: CalledHost
    former: str
    is_new: bool
    is_alive: bool
    sites: tuple[str, ...]
    paths: tuple[str, ...]
    centres: tuple[str, ...]

    @property
    def relay(self) -> str:
        """The relay's id."""
        return self.called.spec.id


@dataclass(frozen=True)
class Replaced:
    """What a replacement did.

    Attributes:
        public_key: of the tunnel's new key.
        written: the lock, where something in it is another one.
        sealed: whether the relay sealed the new key to the recovery key.
    """

    public_key: str
    written: Path | None
    sealed: bool


def see_replacement(
    session: Session, relay: str, *, allow: Mapping[str, int], is_recovery_lost: bool = False
) -> Replacement:
    """Look at the new hardware, and at what hangs on it; nothing is changed.

    Args:
        session: the inventory.
        relay: the relay's id.
        allow: `trust` has to be there for hardware that proves nothing, before it is asked for more.
        is_recovery_lost: whether the relay gets a new key although its former one lies in a box.

    Raises:
        UsageError: the inventory has no such relay.
        InventoryError, SecretsError: the inventory is invalid, or the vault cannot be opened.
        HostError: the host could not be read, or lacks a program.
        PolicyError: its key can be restored, it is another inventory's, or it has run with another key of its own.
    """
    called = called_relay(session, relay, "no site knows it")
    inventory = called.inventory
    if not is_recovery_lost:
        _refuse_restorable(inventory, relay)
    former = inventory.allocations.relays[relay].public_key or ""
    facts, errors = observe([called.spec], {relay: ()}, session.runner)
    host, is_new = relay_facts(session, called.spec, facts, errors, trusted=allow.get(TRUST, 0) > 0)
    live = host.tunnel.public_key if host and host.tunnel else ""
    following = inventory.allocations.relays[relay].next_key
    known = {former, following.public_key if following else former}
    if live and live not in known and host is not None and host.confirmed:
        message = f"{relay} runs with a tunnel key that the lock does not have, {live[:_SHOWN]}…"
        hint = "take allocations.lock.yml back from Git as it was when that was made; or take everything of ours off"
        raise PolicyError(message, hint=f"{hint} it first: provisioner hosts decommission {relay}", object=relay)
    sites, paths = carried(inventory, relay)
    centres = tuple(sorted(spec.id for spec in centres_of(called)))
    return Replacement(called, former, is_new, bool(live) and live == former, sites, paths, centres)


def _refuse_restorable(inventory: Inventory, relay: str) -> None:
    try:
        box_of(inventory.settings, inventory.allocations, relay)
    except InventoryError:
        return
    hint = f"provisioner relay restore {relay} --allow trust=1; if nobody has the recovery key: --recovery-lost"
    raise PolicyError(f"{relay} has sealed its key: with that no site needs a new package", hint=hint, object=relay)


def replace_relay(session: Session, replacement: Replacement, *, trusted: int, who: str) -> Replaced:
    """Let the new hardware make its keys, and record them in the place of the former ones.

    Args:
        session: the inventory.
        replacement: what was seen.
        trusted: how many hosts need not prove that they were managed before.
        who: who does it, for the mark of whose the host is.

    Raises:
        InventoryError: the lock cannot be written.
        HostError: the host did not make its keys; running this again does no harm.
        PolicyError: it became somebody else's meanwhile, or the recovery key is nobody's of this vault.
    """
    inventory, spec = replacement.called.inventory, replacement.called.spec
    made, errors = make_host_keys(
        [spec],
        session.runner,
        session.templates,
        known=known_keys(inventory),
        unproved=replacement.is_new and trusted > 0,
        who=who,
        recovery=recovery_key(inventory.settings, replacement.called.secrets),
    )
    if spec.id in errors:
        refuse_foreign(errors)
        raise HostError(errors[spec.id].message, hint=errors[spec.id].hint, object=spec.id)
    keys = made[spec.id]
    before = inventory.allocations
    # The box of a former key opens nothing that anybody knows any more, and a change of that key is over.
    former = before.relays[spec.id].model_copy(update={"sealed_key": None, "next_key": None})
    without = before.model_copy(update={"relays": {**before.relays, spec.id: former}})
    if keys.public_key == before.relays[spec.id].public_key:
        without = before
    lock = recorded(without, {spec.id: keys.recorded})
    path = write_lock(session.root, lock) if lock != before else None
    return Replaced(keys.public_key, path, lock.relays[spec.id].sealed_key is not None)
