"""What the lock and the vault must hold before there is a desired state, and the commands that write it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import TypeVar

from provisioner.base.errors import InventoryError, SecretsError
from provisioner.base.secret import Secret, host_digest_key
from provisioner.inventory.model import CarrierSecrets, Centre, Frame, Inventory, Relay, RelayAllocation, Secrets

T = TypeVar("T")


def recorded(value: T | None, what: str, owner: str, command: str) -> T:
    """The value, which is there.

    Args:
        value: as the lock or the facility's file has it.
        what: the value's name in a sentence, e.g. `its public key`.
        owner: the id of the host or facility that it belongs to.
        command: the command of this program that would have put it there.

    Raises:
        InventoryError: it is None.
    """
    if value is None:
        raise InventoryError(f"{owner}: {what} is not recorded", hint=f"run: provisioner {command}", object=owner)
    return value


def secret_of(values: Mapping[str, T], key: str, what: str) -> T:
    """The secret of a key.

    Args:
        values: a part of the vault, by id.
        key: the id of the carrier, host, facility or device that it belongs to.
        what: the secret's name in a sentence, e.g. `pre-shared key`.

    Raises:
        SecretsError: the vault has none, as far as it was opened.
    """
    if key not in values:
        raise SecretsError(f"the vault holds no {what} of {key}", hint="run: provisioner keys init", object=key)
    return values[key]


def host_key(secrets: Secrets, host: str) -> Secret:
    """A host's key in the vault: as its carrier has it, or derived from the key that all share. No host is sent it.

    Both are the same where both are there: `keys init` gives a carrier what it derives.

    Raises:
        SecretsError: the vault has neither, as far as it was opened.
    """
    own = next((c.host_keys[host] for c in secrets.carriers.values() if host in c.host_keys), None)
    if own is not None:
        return own
    if secrets.digest_key is None:
        raise SecretsError("the vault holds no digest key", hint="run: provisioner keys init", object=host)
    return host_digest_key(secrets.digest_key, host)


def run_key(secrets: Secrets) -> Secret:
    """The key of what a run seals as a whole, e.g. a saved plan: the one that all share, or what carriers have.

    Whoever opens the same files has the same key.

    Raises:
        SecretsError: the vault has neither, as far as it was opened.
    """
    if secrets.digest_key is not None:
        return secrets.digest_key
    keys = sorted((host, key.reveal()) for c in secrets.carriers.values() for host, key in c.host_keys.items())
    if not keys:
        raise SecretsError("the vault holds no digest key", hint=f"{_shut(secrets)}run: provisioner keys init")
    return Secret("\n".join(f"{host} {key}" for host, key in keys))


def _shut(secrets: Secrets) -> str:
    return f"these stayed shut: {', '.join(sorted(secrets.shut))}; " if secrets.shut else ""


def carrier_secrets(secrets: Secrets, carrier: str) -> CarrierSecrets:
    """The secrets of a carrier.

    Raises:
        SecretsError: the vault has none, as far as it was opened.
    """
    return secret_of(secrets.carriers, carrier, "secrets")


def relay_allocation(inventory: Frame, relay: Relay) -> RelayAllocation:
    """What the lock records of a relay.

    Raises:
        InventoryError: nothing.
    """
    return recorded(inventory.allocations.relays.get(relay.id), "its tunnel address", relay.id, "allocate")


def centre_address(inventory: Inventory, centre: Centre) -> IPv4Address:
    """A centre's tunnel address.

    Raises:
        InventoryError: it is not recorded.
    """
    allocation = inventory.allocations.centres.get(centre.id)
    return recorded(allocation, "its tunnel address", centre.id, "allocate").tunnel_address
