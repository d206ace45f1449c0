"""The certificates that relays show readers: which there are, another one, and those that a CA signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

from provisioner.base.certificate import (
    ReaderCertificate,
    chain_in,
    key_of,
    new_certificate_key,
    read_certificate,
    self_signed,
    signing_request,
)
from provisioner.base.errors import InventoryError, UsageError
from provisioner.base.nearest import did_you_mean
from provisioner.base.regular_file import read_regular
from provisioner.base.secret import Secret
from provisioner.inventory.files.lock import write_lock
from provisioner.inventory.loader.held_secrets import valid_secrets
from provisioner.inventory.loader.secrets import write_carrier_secrets, write_inventory_secrets
from provisioner.inventory.model import (
    Carrier,
    CarrierSecrets,
    CentreAllocation,
    HubSecrets,
    Inventory,
    InventorySecrets,
    ReaderTls,
    RelayAllocation,
    Secrets,
)
from provisioner.inventory.rules import GATEWAY_KEY_MISSING, HOST_KEYS_MISSING
from provisioner.inventory.rules.logins import LOGIN_MISSING, SECRETS_MISSING
from provisioner.pipeline import Session

_BROKEN = "certificate-broken"
_MOST_BYTES = 64 * 1024
_RUN_KEYS = "run: provisioner keys init"


@dataclass(frozen=True, slots=True)
class RelayCertificate:
    """What a relay is to show readers.

    Attributes:
        relay: its id, or a hub's; `carrier` is its carrier's, empty of a hub.
        shown: the certificate; None where none is recorded.
        warn_days: how many days before its end people are warned.
    """

    relay: str
    carrier: str
    shown: ReaderCertificate | None
    warn_days: int


@dataclass(frozen=True, slots=True)
class CertificateWritten:
    """What was written.

    Attributes:
        shown: the relay's certificate from now on.
        files: the files of the inventory that are other ones now.
    """

    shown: ReaderCertificate
    files: tuple[Path, ...]


def recorded_certificates(inventory: Inventory) -> tuple[RelayCertificate, ...]:
    """The certificates of all hosts that have to show one, relays and hubs, in the order of their ids."""
    lock = inventory.allocations
    listed = [
        RelayCertificate(name, carrier.id, _shown(lock.relays.get(name)), carrier.certificates.warn_days)
        for name, (carrier, _) in inventory.relays.items()
        if carrier.certificates is not None
    ]
    listed += [
        RelayCertificate(name, "", _shown(lock.centres.get(name)), centre.hub.reader_tls.warn_days)
        for name, centre in inventory.centres.items()
        if centre.hub is not None
    ]
    return tuple(sorted(listed, key=lambda one: one.relay))


def _shown(entry: RelayAllocation | CentreAllocation | None) -> ReaderCertificate | None:
    try:
        return read_certificate(entry.certificates[0]) if entry and entry.certificates else None
    except ValueError:
        return None


def certificate_inventory(session: Session) -> Inventory:
    """The inventory, valid but for what `keys init` and this are there to mend.

    Raises:
        InventoryError: it is invalid.
    """
    return session.part({HOST_KEYS_MISSING, GATEWAY_KEY_MISSING, _BROKEN}).inventory


def renew_certificate(session: Session, relay: str, now: datetime | None = None) -> CertificateWritten:
    """Draw another key for a relay, and have it sign its own certificate.

    Readers that know the former one by its fingerprint have to be told of the new one; nobody who reads is cut.

    Args:
        session: the inventory.
        relay: the relay's id.
        now: the moment; this one if left out.

    Raises:
        UsageError: there is no such relay, or its carrier's readers come without encryption.
        InventoryError, SecretsError: the inventory is invalid, or its vault cannot be opened.
    """
    asked = _asked(session, relay)
    key = new_certificate_key()
    made = self_signed(key, relay, asked.address, now or datetime.now(UTC), asked.tls.days)
    # The key first: a certificate without its key would be one that nobody can show.
    vault = _keep_key(session, asked, key)
    return CertificateWritten(read_certificate(made), (vault, _recorded(session, asked, (made,))))


def certificate_request(session: Session, relay: str) -> str:
    """What a CA is asked to sign for a relay: a request with the relay's id and address, by the key in the vault.

    Raises:
        UsageError: there is no such relay, or its carrier's readers come without encryption.
        InventoryError, SecretsError: the inventory is invalid, or the vault cannot be opened or has no key.
    """
    asked = _asked(session, relay)
    return signing_request(asked.key, relay, asked.address)


def set_certificate(session: Session, relay: str, file: Path, now: datetime | None = None) -> CertificateWritten:
    """Record the certificate that a CA signed for a relay's key, with those behind it.

    Args:
        session: the inventory.
        relay: the relay's id.
        file: PEM, the relay's own certificate first.
        now: the moment; this one if left out.

    Raises:
        UsageError: there is no such relay, the file cannot be read, or holds what is not the relay's.
        InventoryError, SecretsError: the inventory is invalid, or its vault cannot be opened.
    """
    asked = _asked(session, relay)
    try:
        chain = chain_in(read_regular(file, most=_MOST_BYTES))
        shown = read_certificate(chain[0])
        own_key = key_of(asked.key)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint="name a PEM file") from None
    except ValueError as error:
        hint = "name a PEM file with the relay's certificate first, and behind it those that signed it"
        raise UsageError(f"{file}: {error}", hint=hint) from None
    moment = now or datetime.now(UTC)
    refusal, hint = "", ""
    if shown.key != own_key:
        refusal = f"its certificate is of another key than {relay}'s"
        hint = f"have this signed: provisioner certificate request {relay}"
    elif not shown.since <= moment < shown.until:
        refusal = f"its certificate counts from {shown.since:%Y-%m-%d} to {shown.until:%Y-%m-%d}, and not now"
        hint = "have another one signed"
    elif str(asked.address) not in shown.addresses:
        refusal = f"its certificate is not for {asked.address}, where readers come to {relay}"
        hint = f"have this signed as it is: provisioner certificate request {relay}"
    if refusal:
        raise UsageError(f"{file}: {refusal}", hint=hint, object=relay)
    return CertificateWritten(shown, (_recorded(session, asked, chain),))


@dataclass(frozen=True)
class _Asked:
    """A relay, or a hub where there is no carrier."""

    inventory: Inventory
    secrets: Secrets
    carrier: Carrier | None
    tls: ReaderTls
    entry: RelayAllocation | CentreAllocation
    address: IPv4Address
    host: str

    @property
    def key(self) -> Secret:
        """The key of its certificate.

        Raises:
            InventoryError: there is none yet.
        """
        if self.carrier:
            of_carrier = self.secrets.carriers.get(self.carrier.id)
            key = of_carrier.certificate_keys.get(self.host) if of_carrier else None
        else:
            hub = self.secrets.hubs.get(self.host)
            key = hub.certificate_key if hub else None
        if key is None:
            raise InventoryError(f"{self.host} has no key for a certificate yet", hint=_RUN_KEYS, object=self.host)
        return key


def _asked(session: Session, host: str) -> _Asked:
    part = session.part({HOST_KEYS_MISSING, GATEWAY_KEY_MISSING, _BROKEN})
    inventory, lock = part.inventory, part.inventory.allocations
    known = {*inventory.relays, *(name for name, centre in inventory.centres.items() if centre.hub)}
    if host not in known:
        hint = did_you_mean(host, sorted(known), "name a relay of the inventory, or a hub")
        raise UsageError(f"there is no relay {host}, and no such hub", hint=hint, object=host)
    carrier = inventory.relays[host][0] if host in inventory.relays else None
    hub = None if carrier else inventory.centres[host].hub
    tls = carrier.certificates if carrier else hub.reader_tls if hub else None
    if tls is None:
        named = carrier.id if carrier else host
        hint = f"write reader_tls in carriers/{named}.yml, if readers are to come encrypted"
        message = f"{host} shows readers no certificate: {named} has no reader_tls"
        raise UsageError(message, hint=hint, object=host)
    _, secrets = valid_secrets(session.root, session.passwords, part, tolerate={SECRETS_MISSING, LOGIN_MISSING})
    entry = lock.relays.get(host) or lock.centres.get(host)
    if entry is None:
        raise InventoryError(f"{host} has no tunnel address yet", hint="run: provisioner allocate", object=host)
    return _Asked(inventory, secrets, carrier, tls, entry, hub.address if hub else entry.tunnel_address, host)


def _keep_key(session: Session, asked: _Asked, key: Secret) -> Path:
    """Write a new key into the vault: the file that has it."""
    if asked.carrier is not None:
        name = asked.carrier.id
        own = asked.secrets.carriers.get(name) or CarrierSecrets()
        renewed = own.model_copy(update={"certificate_keys": {**own.certificate_keys, asked.host: key}})
        write_carrier_secrets(session.root, name, renewed, session.passwords)
        return session.root / f"secrets/carriers/{name}.yml"
    if asked.secrets.digest_key is None:
        raise InventoryError("the vault holds no digest key", hint=_RUN_KEYS, object=asked.host)
    of_hub = (asked.secrets.hubs.get(asked.host) or HubSecrets()).model_copy(update={"certificate_key": key})
    hubs = {**asked.secrets.hubs, asked.host: of_hub}
    whole = InventorySecrets(digest_key=asked.secrets.digest_key, hubs=hubs)
    write_inventory_secrets(session.root, whole, session.passwords)
    return session.root / "secrets/inventory.yml"


def _recorded(session: Session, asked: _Asked, chain: tuple[str, ...]) -> Path:
    lock = asked.inventory.allocations
    entry = asked.entry.model_copy(update={"certificates": chain})
    kind = "relays" if asked.carrier else "centres"
    entries = {**getattr(lock, kind), asked.host: entry}
    return write_lock(session.root, lock.model_copy(update={kind: entries}))
