"""Desired owner of a host, and the owner before a takeover. Pure."""

from __future__ import annotations

from dataclasses import replace

from provisioner.base.secret import owner_fingerprint
from provisioner.desired.owner import Owner
from provisioner.desired.required import digest_key_of_host
from provisioner.desired.spec import HostSpec
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.secrets import Secrets


def with_owner(spec: HostSpec, inventory: Inventory, secrets: Secrets) -> HostSpec:
    """Return a host with this inventory's mark, and with the former owner.

    Without a key of the host it raises `SecretsError`.
    """
    owner = Owner(inventory.settings.id, owner_fingerprint(digest_key_of_host(secrets, spec.id)), host=spec.id)
    recorded = (inventory.allocations.adopted or {}).get(spec.id)
    adopted = Owner(recorded.inventory, recorded.key, recorded.at) if recorded else None
    return replace(spec, owner=owner, adopted=adopted)
