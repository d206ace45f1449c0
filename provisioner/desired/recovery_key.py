"""The recovery key, and relays' keys sealed to it. Pure."""

import hmac
from contextlib import suppress

from provisioner.base.errors import InventoryError, PolicyError, ProvisionerError, SecretsError, raised_as
from provisioner.base.recovery_key import BoxError, RecoveryPair, open_box, vouched
from provisioner.base.secret import Secret
from provisioner.inventory.model.hosts import Allocations, SealedKey
from provisioner.inventory.model.policy import Settings
from provisioner.inventory.model.secrets import Secrets

_SHOWN = 8
_FROM_GIT = "take the file back from Git as it was when keys init wrote it; nothing was changed"
_AS_BEFORE = "without a box the relay needs a new key, and each of its sites a new package: provisioner keys init"


def recovery_key(settings: Settings, secrets: Secrets) -> str:
    """Return the recovery key, if verifiable; another vault's raises `PolicyError`."""
    recovery = settings.recovery
    if recovery is None or "secrets/inventory" in secrets.shut:
        return ""
    proof = vouched(secrets.digest_key, settings.id, recovery.public_key) if secrets.digest_key else ""
    if not hmac.compare_digest(proof, recovery.vouched):
        raise PolicyError(
            "the recovery key in inventory.yml was not written by anybody with this vault: who has its private half"
            " would read every relay's key; no host was asked to seal to it",
            hint="find out in Git who changed it, and take it back; if the digest key or the inventory's id became"
            " another one, make a new pair: provisioner keys recovery --replace",
            object="recovery",
        )
    return recovery.public_key


def box_of(settings: Settings, lock: Allocations, relay: str) -> SealedKey:
    """Return a relay's sealed key of the lock, or raise `InventoryError`."""
    allocation = lock.relays.get(relay)
    ending = allocation.next_key if allocation and allocation.own_key != allocation.public_key else None
    sealed = (ending.sealed_key if ending else allocation.sealed_key) if allocation else None
    if allocation is None or sealed is None:
        more = "" if settings.recovery else "; for the others: provisioner keys recovery, then keys init"
        raise InventoryError(
            f"{relay} never sealed its tunnel's key: nobody has it but the host", hint=_AS_BEFORE + more, object=relay
        )
    if allocation.own_key and allocation.own_key != sealed.public_key:
        message = (
            f"the box of {relay} holds the key {sealed.public_key[:_SHOWN]}…, and allocations.lock.yml says that it has"
            f" {allocation.own_key[:_SHOWN]}…"
        )
        hint = f"take the file back from Git as it was when the relay ran; {_AS_BEFORE}"
        raise InventoryError(message, hint=hint, object=relay)
    return sealed


def box_of_next(lock: Allocations, relay: str) -> SealedKey | None:
    """Return a relay's sealed next key, if any, or raise `InventoryError`."""
    second = lock.relays[relay].second_key if relay in lock.relays else None
    if second is None:
        return None
    if second.sealed_key is None or second.sealed_key.public_key != second.public_key:
        message = f"{relay} never sealed its next key: nobody has it but the host, and who has moved knows it alone"
        hint = f"take the change back in the lock (remove next_key of {relay}); who has moved needs a package anew"
        raise InventoryError(message, hint=hint, object=relay)
    return second.sealed_key


def opened_next(settings: Settings, lock: Allocations, relay: str, pair: RecoveryPair) -> tuple[str, Secret] | None:
    """Unseal both halves of a relay's next key, if any, as `opened`."""
    sealed = box_of_next(lock, relay)
    if sealed is None:
        return None
    if pair.public_key != sealed.recovery:
        raise _other_pair(pair, sealed, relay)
    message = f"the box of the next key of {relay} in allocations.lock.yml is damaged, or another host's"
    with raised_as(SecretsError(message, hint=_FROM_GIT, object=relay), BoxError):
        return sealed.public_key, _opened(settings, sealed, pair, relay, sealed.public_key)


def _other_pair(pair: RecoveryPair, sealed: SealedKey, relay: str) -> SecretsError:
    message = (
        f"this is another recovery key, {pair.public_key[:_SHOWN]}…: the box of {relay} was sealed to"
        f" {sealed.recovery[:_SHOWN]}…"
    )
    hint = "take the paper of that one out of the safe; its public half begins so in inventory.yml of that time"
    return SecretsError(message, hint=hint, object=relay)


def opened(settings: Settings, lock: Allocations, relay: str, pair: RecoveryPair) -> Secret:
    """Unseal a relay's tunnel key (base64); `SecretsError`, or errors of `box_of`."""
    sealed = box_of(settings, lock, relay)
    if pair.public_key != sealed.recovery:
        raise _other_pair(pair, sealed, relay)
    try:
        return _opened(settings, sealed, pair, relay, sealed.public_key)
    except BoxError:
        raise _damaged_key_error(settings, lock, relay, pair) from None


def _opened(settings: Settings, sealed: SealedKey, pair: RecoveryPair, host: str, public_key: str) -> Secret:
    return open_box(sealed.box, pair, inventory=settings.id, host=host, public_key=public_key)


def _damaged_key_error(settings: Settings, lock: Allocations, relay: str, pair: RecoveryPair) -> SecretsError:
    """Return the error of a damaged sealed key, or another relay's."""
    sealed = box_of(settings, lock, relay)
    for other_relay, entry in sorted(lock.relays.items()):
        keys = {entry.public_key, entry.sealed_key.public_key if entry.sealed_key else None, sealed.public_key}
        for key in sorted(filter(None, keys)):
            with suppress(BoxError):
                _opened(settings, sealed, pair, other_relay, key)
                message = f"the box of {relay} in allocations.lock.yml is that of {other_relay}"
                return SecretsError(message, hint=_FROM_GIT, object=relay)
    message = f"the box of {relay} in allocations.lock.yml is damaged, or of an inventory with another id"
    return SecretsError(message, hint=_FROM_GIT, object=relay)


def tried(
    settings: Settings, lock: Allocations, pair: RecoveryPair
) -> tuple[tuple[str, ...], dict[str, ProvisionerError]]:
    """Return relays whose sealed key opens, and the others' errors."""
    opens, errors = [], dict[str, ProvisionerError]()
    for relay in sorted(lock.relays):
        try:
            opened(settings, lock, relay, pair)
            opens.append(relay)
        except (InventoryError, SecretsError) as error:
            errors[relay] = error
    return tuple(opens), errors
