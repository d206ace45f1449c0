"""A relay's own key as the lock and its carrier's file say it: begun, told, ended, taken back; as in `facilities`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from provisioner.base.errors import PolicyError, UsageError
from provisioner.base.nearest import did_you_mean
from provisioner.base.printable import printable
from provisioner.inventory.model import (
    Allocations,
    Inventory,
    NextRelayKey,
    OwnKeyStage,
    Relay,
    RelayAllocation,
)
from provisioner.inventory.operations.file_edit import FileEdit, text_of_file
from provisioner.inventory.operations.key_change import is_changing
from provisioner.inventory.rules.tunnel_ports import unfit_port

_SHOWN = 80
_NAMED = 5


@dataclass(frozen=True, slots=True)
class OwnKeyOrder:
    """What is to become of the change of a relay's own key.

    Attributes:
        relay: the relay's id.
        port: the UDP port at which it is to answer with the next key; 0 where none is named.
        leaves: facilities that need not have moved.
    """

    relay: str
    port: int = 0
    leaves: tuple[str, ...] = ()


def relay_named(inventory: Inventory, name: str) -> Relay:
    """The relay of an id.

    Raises:
        UsageError: there is none.
    """
    if name not in inventory.relays:
        hint = did_you_mean(name, inventory.relays, f"relays are: {', '.join(sorted(inventory.relays)) or 'none'}")
        raise UsageError(f"there is no relay {printable(name, _SHOWN)}", hint=hint, object=name)
    return inventory.relays[name][1]


def refuse_begin(inventory: Inventory, relay: Relay, port: int) -> None:
    """Refuse a change of a relay's own key that cannot begin so.

    Args:
        inventory: the whole of it.
        relay: the relay.
        port: where it is to answer with the next key.

    Raises:
        UsageError: the port is none for it, or something else of it is just being changed.
    """
    hint = "name a UDP port that nothing has and gateways' lines pass, e.g. 51821; a firewall before it has to pass it"
    if why := unfit_port(relay, port):
        message = f"{relay.id} cannot answer with its next key at port {port}: {why}"
        raise UsageError(message, hint=hint, object=relay.id)
    at_one_place = (other for _, other in inventory.relays.values() if other.id != relay.id)
    for other in (one for one in at_one_place if one.wireguard_endpoint == relay.wireguard_endpoint):
        if port in other.tunnel_ports:
            message = f"port {port} of {relay.wireguard_endpoint} leads to {other.id}"
            raise UsageError(message, hint=hint, object=relay.id)
    _refuse_dialled(inventory, relay, port)
    if relay.drain_to or any(other.drain_to == relay.id for _, other in inventory.relays.values()):
        message = f"{relay.id} is just being emptied, or another relay onto it"
        raise UsageError(message, hint="finish that first: provisioner relay drain", object=relay.id)
    sites = sorted(c.facility.id for c in inventory.connections if c.relay == relay.id and is_changing(c.facility))
    if sites:
        message = f"gateways of {relay.id} are just changing their own keys: {_named(sites)}"
        raise UsageError(message, hint="finish that first: provisioner keys rotate --finish", object=relay.id)


def _refuse_dialled(inventory: Inventory, relay: Relay, port: int) -> None:
    """Until the change is over one port leads to the next key: a line that passes another one alone would be dark."""
    dialled = {
        c.facility.id: c.gateway.relay_port
        for c in inventory.connections
        if c.relay == relay.id and c.plan.access.has_tunnel and c.gateway.relay_port
    }
    of_port = sorted(name for name, own in dialled.items() if own == port)
    if of_port:
        message = f"gateways dial port {port} of {relay.id} now, and it would lead to a key that they do not know"
        hint = f"name a port that none of them dials: {_named(of_port)}"
        raise UsageError(message, hint=hint, object=relay.id)
    if dialled and port not in relay.further_wireguard_ports:
        names = _named(sorted(dialled))
        message = f"lines of {relay.id} pass few ports, and nobody said that they pass {port}: {names}"
        hint = (
            f"find one that these lines pass, add it to further_wireguard_ports of {relay.id}, apply that, and name it"
            " here; or let them dial its wireguard_port first"
        )
        raise UsageError(message, hint=hint, object=relay.id)


def refuse_changing(lock: Allocations, relay: str, what: str) -> None:
    """Refuse something that cannot be done while a relay changes its own key.

    Args:
        lock: what is recorded.
        relay: the relay's id.
        what: what cannot be done, e.g. `be emptied`.

    Raises:
        PolicyError: it changes its own key.
    """
    known = lock.relays.get(relay)
    if known is not None and known.next_key is not None:
        since = known.next_key.since.isoformat()
        message = f"{relay} changes its own key since {since}, and cannot {what} before that is over"
        words = f"provisioner keys rotate --relay {relay}"
        raise PolicyError(message, hint=f"{words} --finish; or take it back: {words} --cancel", object=relay)


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


# --- the lock -------------------------------------------------------------------------------------


def with_own_next_key(lock: Allocations, relay: str, following: NextRelayKey | None) -> Allocations:
    """The lock with the next key of a relay, or without one."""
    return _with(lock, relay, lock.relays[relay].model_copy(update={"next_key": following}))


def at_stage(lock: Allocations, relay: str, stage: OwnKeyStage) -> Allocations:
    """The lock with the change of a relay's own key at a stage; as it is where none is under way."""
    following = lock.relays[relay].next_key
    return with_own_next_key(lock, relay, following.model_copy(update={"stage": stage})) if following else lock


def with_key_taken(lock: Allocations, relay: str) -> Allocations:
    """The lock with a relay's next key in the place of its own one: the change is over."""
    known = lock.relays[relay]
    if known.next_key is None:
        return lock
    own = {"public_key": known.next_key.public_key, "sealed_key": known.next_key.sealed_key, "next_key": None}
    return _with(lock, relay, known.model_copy(update=own))


def _with(lock: Allocations, relay: str, entry: RelayAllocation) -> Allocations:
    return lock.model_copy(update={"relays": {**lock.relays, relay: entry}})


# --- the carrier's file ---------------------------------------------------------------------------


def port_taken(root: Path, inventory: Inventory, relay: str, port: int) -> FileEdit:
    """What lets a relay's carrier say that its WireGuard has another port: the next key's, with which the change ends.

    Raises:
        InventoryError: the file cannot be edited.
    """
    carrier, known = inventory.relays[relay]
    text = text_of_file(root / "carriers" / f"{carrier.id}.yml")
    at = ("relays", next(index for index, one in enumerate(carrier.relays) if one.id == relay))
    after = text.with_values({(*at, "wireguard_port"): port})
    if port in known.further_wireguard_ports:
        left = [one for one in known.further_wireguard_ports if one != port]
        place = (*at, "further_wireguard_ports")
        after = after.with_values({place: left}) if left else after.without(place)
    return FileEdit(relay, text.path, text.data, after.data)


def left_of(names: Iterable[str], leaves: Iterable[str]) -> tuple[str, ...]:
    """The peers that keep a change from its end: by their names, without the facilities that may be left."""
    free = {f"site/{name}" for name in leaves}
    return tuple(name for name in names if name not in free)
