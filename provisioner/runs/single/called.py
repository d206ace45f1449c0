"""A host as it is called before there is a desired state: with no more than its address, its keys and its owner."""

from __future__ import annotations

import secrets as random
from dataclasses import dataclass, field

from provisioner.base.errors import UsageError
from provisioner.base.nearest import did_you_mean
from provisioner.base.secret import Secret
from provisioner.desired.key_hosts import key_hosts
from provisioner.desired.spec import HostSpec
from provisioner.desired.trust import known_by
from provisioner.inventory.loader.held import ValidPart
from provisioner.inventory.loader.held_secrets import valid_secrets
from provisioner.inventory.model import Inventory, Secrets
from provisioner.inventory.rules import GATEWAY_KEY_MISSING, HOST_KEYS_MISSING
from provisioner.inventory.rules.logins import HOST_KEY_MISPLACED, LOGIN_MISSING, SECRETS_MISSING
from provisioner.pipeline.session import Session


@dataclass(frozen=True)
class CalledHost:
    """A host of an inventory.

    Attributes:
        spec: the host, with no more than is needed to call it, keys or none.
        others: all other hosts, in the same way.
        inventory: the inventory, valid without what is held.
        secrets: those of the vault.
    """

    spec: HostSpec
    others: tuple[HostSpec, ...]
    inventory: Inventory
    secrets: Secrets = field(repr=False)

    @property
    def place(self) -> str:
        """Where the host is called, and by which SSH host key it is known."""
        return f"{self.spec.place}, host key {known_by(self.spec.ssh)}"


def called_host(session: Session, host: str) -> CalledHost:
    """The host of an id.

    Raises:
        UsageError: the inventory has no such host.
        InventoryError, SecretsError: the inventory is invalid, or there is no key yet by which hosts know it.
    """
    return _called(*_opened(session), host)


def approached_host(session: Session, host: str) -> CalledHost:
    """The host of an id, also of an inventory whose vault has no keys yet; then no host's mark is its own.

    Raises:
        UsageError: the inventory has no such host.
        InventoryError, SecretsError: the inventory is invalid, or the vault cannot be opened.
    """
    part, secrets = _opened(session)
    if secrets.digest_key is None and not (secrets.shut or secrets.carriers):
        secrets = secrets.model_copy(update={"digest_key": Secret(random.token_urlsafe(32))})
    return _called(part, secrets, host)


def _opened(session: Session) -> tuple[ValidPart, Secrets]:
    unread = session.part({HOST_KEYS_MISSING, GATEWAY_KEY_MISSING})
    lacking = {SECRETS_MISSING, HOST_KEY_MISPLACED, LOGIN_MISSING}
    return valid_secrets(session.root, session.passwords, unread, tolerate=lacking)


def _called(part: ValidPart, secrets: Secrets, host: str) -> CalledHost:
    hosts = {spec.id: spec for spec in key_hosts(part.inventory, secrets)}
    if host not in hosts:
        raise UsageError(
            f"{host} is no host of this inventory",
            hint=did_you_mean(host, sorted(hosts), f"hosts are: {', '.join(hosts)}"),
            object=host,
        )
    others = tuple(spec for name, spec in hosts.items() if name != host)
    return CalledHost(hosts[host], others, part.inventory, secrets)
