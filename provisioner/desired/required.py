"""Required entries of lock and vault; errors name the command. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, TypeVar

from provisioner.base.errors import InventoryError, SecretsError
from provisioner.base.secret import Secret, host_digest_key, owner_fingerprint
from provisioner.desired.owner import Owner
from provisioner.desired.spec import HostSpec, ReaderEncryption
from provisioner.inventory.model.hosts import Centre, ReaderTls, Relay, RelayAllocation
from provisioner.inventory.model.inventory import BaseInventory, Inventory
from provisioner.inventory.model.secrets import CarrierSecrets, Secrets

if TYPE_CHECKING:
    from provisioner.base.certificate import ReaderCertificate


T = TypeVar("T")


def recorded(value: T | None, subject: str, owner: str, command: str) -> T:
    """Return a value, or raise `InventoryError` with the command that records it."""
    if value is None:
        raise InventoryError(f"{owner}: {subject} is not recorded", hint=f"run: provisioner {command}", object=owner)
    return value


def secret_of(values: Mapping[str, T], key: str, kind: str) -> T:
    """Return the secret, e.g. a `pre-shared key`, or raise `SecretsError`."""
    if key not in values:
        raise SecretsError(f"the vault holds no {kind} of {key}", hint="run: provisioner keys init", object=key)
    return values[key]


def digest_key_of_host(secrets: Secrets, host: str) -> Secret:
    """Return a host's digest key: its carrier's, or a derived one.

    Both are equal: `keys init` gives carriers the derived keys. The key is never sent to a host. Without either,
    `SecretsError` is raised.
    """
    key = next((c.host_keys[host] for c in secrets.carriers.values() if host in c.host_keys), None)
    if key is not None:
        return key
    if secrets.digest_key is None:
        raise SecretsError("the vault holds no digest key", hint="run: provisioner keys init", object=host)
    return host_digest_key(secrets.digest_key, host)


def run_key(secrets: Secrets) -> Secret:
    """Return the key that seals a whole run, e.g. a saved plan.

    It is the shared key, or made of the carriers' keys: the same opened files give the same key. Without any,
    `SecretsError` is raised.
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
    """Return the secrets of a carrier, or raise `SecretsError`."""
    return secret_of(secrets.carriers, carrier, "secrets")


def relay_allocation(inventory: BaseInventory, relay: Relay) -> RelayAllocation:
    """Return a relay's entry in the lock, or raise `InventoryError`."""
    return recorded(inventory.allocations.relays.get(relay.id), "its tunnel address", relay.id, "allocate")


def centre_address(inventory: Inventory, centre: Centre) -> IPv4Address:
    """Return a centre's tunnel address; `InventoryError` if not recorded."""
    allocation = inventory.allocations.centres.get(centre.id)
    return recorded(allocation, "its tunnel address", centre.id, "allocate").tunnel_address


def encryption_of(tls: ReaderTls, key: Secret, certificates: Sequence[str] | None, host: str) -> ReaderEncryption:
    """Return readers' encryption by the lock's certificates, or raise `InventoryError`."""
    from provisioner.base.certificate import server_file  # noqa: PLC0415 (few hosts have certificates)

    served = served_certificate(certificates, host)
    server = server_file(key, certificates or ())
    return ReaderEncryption(tls.encryption == "strict", server, served.fingerprint, served.until, tls.warn_days)


def served_certificate(certificates: Sequence[str] | None, host: str) -> "ReaderCertificate":
    """Return a host's present certificate in the lock, or raise `InventoryError`."""
    from provisioner.base.certificate import read_certificate  # noqa: PLC0415

    chain = recorded(certificates or None, "its certificate", host, "keys init")
    try:
        return read_certificate(chain[0])
    except ValueError as error:
        hint = f"take allocations.lock.yml back from Git, or run: provisioner certificate renew {host}"
        raise InventoryError(f"{host}: its certificate: {error}", hint=hint, object=host) from None


def with_owner(spec: HostSpec, inventory: Inventory, secrets: Secrets) -> HostSpec:
    """Return a host with marks of its owners, or raise `SecretsError`."""
    owner = Owner(inventory.settings.id, owner_fingerprint(digest_key_of_host(secrets, spec.id)), host=spec.id)
    recorded = (inventory.allocations.adopted or {}).get(spec.id)
    adopted = Owner(recorded.inventory, recorded.key, at=recorded.at) if recorded else None
    return replace(spec, owner=owner, adopted=adopted)
